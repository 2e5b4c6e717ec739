#!/usr/bin/env bash
# demo.sh QCC DIR: compiles the digits network with QCC into DIR, builds the C with cc, runs it over the evaluation set.
set -eu
qcc=$1 dir=$2 here=$(dirname "$0")
mkdir -p "$dir"
echo "+ qcc digits.ir -o digits.c"
"$qcc" "$here/digits.ir" -o "$dir/digits.c"
echo "+ cc -O2 -o demo demo.c digits.c"
"${CC:-cc}" -std=c11 -O2 -I"$dir" -o "$dir/demo" "$here/demo.c" "$dir/digits.c"
echo "+ qcc digits.ir -eval eval.npz"
"$qcc" "$here/digits.ir" -eval "$here/eval.npz"
python3 "$here/raw.py" "$here/eval.npz" "$dir/images.raw" "$dir/labels.raw"
echo "+ demo"
"$dir/demo" "$dir/images.raw" "$dir/labels.raw"

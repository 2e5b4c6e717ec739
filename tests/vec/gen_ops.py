#!/usr/bin/env python3
"""Writes one wrapper per operation of vir.def: operands from memory, the result to memory.

usage: gen_ops.py CODEGEN_FOLDER ISA > ops_ISA.c

So a new row of vir.def is tested without anybody's asking. Constant arguments become real constants, because
that is how emitted code calls the functions.
"""
import os
import re
import sys

C_TYPE = {'i': 'v_s32', 'f': 'v_f32', 'q': 'v_q', 'p': 'v_p', 'I': 'int32_t', 'F': 'float'}
# Those that an instruction set only has where its targets' tiles use them.
SOME_HAVE = {'dot2x2_half', 'dot_s8', 'dot_s8_lane', 'mmla_s8', 'zip_lo64', 'zip_hi64', 'zip_lo64_s32', 'zip_hi64_s32', 'sum4',
             'store_p', 'words', 'load_p_u8', 'load_p_s8', 'bcast2', 'mla_lo_lane', 'mla_hi_lane'}


def isas(folder):
    """{instruction set: (lanes, attribute of functions)} of targets.def."""
    with open(os.path.join(folder, 'targets.def'), encoding='utf-8') as f:
        rows = re.findall(r'^TARGET\(.*?\)$', f.read(), re.M | re.S)
    found = {}
    for row in rows:
        isa = re.search(r'\.isa = "(\w+)"', row).group(1)
        attribute = re.search(r'\.attribute = "((?:\\.|[^"\\])*)"', row).group(1).replace('\\"', '"')
        found[isa] = int(re.search(r'\.lanes = (\d+)', row).group(1)), attribute
    return found


def defined(header):
    """The functions of a header and of those that it includes."""
    with open(header, encoding='utf-8') as f:
        text = f.read()
    names = set(re.findall(r'\bv_(\w+)\(', text))
    for name in re.findall(r'^#include "(.*)"', text, re.M):
        names |= defined(os.path.join(os.path.dirname(header), name))
    return names


def constants(name, lanes):
    """The values that a switch makes constant; others stay variable."""
    if name.endswith('_q_part'):
        return range(1, 4 * lanes + 1)
    if name.endswith('_part'):
        return range(1, lanes + 1)
    if name.startswith('scatter'):
        return range(1, 10)
    if name in ('split4', 'join4'):
        return range(16, 25)
    if name in ('split2', 'join2'):
        return range(32, 41)
    if name == 'store_pixels':
        return range(2, 5)
    if name.endswith('_lane'):
        return range(8 if name.startswith('mla') else 4)
    if 'shr' in name:
        return range(32)
    return ()


def wrapper(name, result, signature, lanes):
    """The text of one wrapper."""
    lines, args = [], []
    switched = constants(name, lanes)
    for i, kind in enumerate(signature):
        if kind in C_TYPE:
            lines.append(f'  {C_TYPE[kind]} a{i};')
            lines.append(f'  memcpy(&a{i}, a[{i}].bytes, sizeof a{i});')
            args.append(f'a{i}')
        else:
            args.append({'r': f'a[{i}].address', 'w': f'a[{i}].address', 'n': f'a[{i}].n', 'm': f'a[{i}].m'}[kind])
    if result != 'v':
        lines.append(f'  {C_TYPE[result]} r;')
    target = '' if result == 'v' else 'r = '
    if switched:
        lines.append(f'  switch (a[{signature.index("n")}].n) {{')
        for n in switched:
            given = [str(n) if k == 'n' else x for k, x in zip(signature, args)]
            lines.append(f'  case {n}: {target}v_{name}({", ".join(given)}); break;')
        lines.append('  default: abort();')
        lines.append('  }')
    else:
        lines.append(f'  {target}v_{name}({", ".join(args)});')
    lines.append('  (void)result;' if result == 'v' else '  memcpy(result, &r, sizeof r);')
    body = '\n'.join(lines)
    return f'ATTRIBUTE static void run_{name}(const Arg *a, uint8_t *result) {{\n{body}\n}}\n'


def main():
    """Prints the C file."""
    folder, isa = sys.argv[1:]
    lanes, attribute = isas(folder)[isa]
    with open(os.path.join(folder, 'vir.def'), encoding='utf-8') as f:
        ops = re.findall(r'^VIR_OP\((\w+), (\w), "(\w+)"\)', f.read(), re.M)
    print(f'#include <stdlib.h>\n#include <string.h>\n\n#include "vec_{isa}.h"\n#include "vec_test.h"\n')
    print(f'#define ATTRIBUTE {attribute}\n#define LANES {lanes}\n')
    here = defined(os.path.join(folder, '..', 'runtime', f'vec_{isa}.h'))
    left_out = {name for name, _, _ in ops if name in SOME_HAVE and name not in here}
    for op in ops:
        if op[0] not in left_out:
            print(wrapper(*op, lanes))
    print('/* a * b + c in two roundings: compilers must not contract it */')
    print('ATTRIBUTE static void run_mul_add(const float *x, float *y) {')
    print('  v_store_f32(y, v_add_f32(v_mul_f32(v_load_f32(x), v_load_f32(x + LANES)), v_load_f32(x + 2 * LANES)));')
    print('  y[LANES] = v_float_add(v_float_mul(x[0], x[LANES]), x[2 * LANES]);')
    print('  y[LANES + 1] = v_float_sub(v_float_mul(x[0], x[LANES]), x[2 * LANES]);')
    print('}\n')
    print(f'const VecIsa vec_{isa} = {{"{isa}", {lanes}, run_mul_add, {{')
    for name, _, _ in ops:
        print('    NULL,' if name in left_out else f'    run_{name},')
    print('}};')


if __name__ == '__main__':
    main()

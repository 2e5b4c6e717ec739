#!/usr/bin/env python3
"""usage: check_ops_doc.py IRTOOL docs/ir.md: the document shows each op as the compiler has it, and no other; the
rules that it names stand in numerics.md beside it."""
import os
import re
import subprocess
import sys

irtool, path = sys.argv[1:]
table = subprocess.run([irtool, "-ops"], capture_output=True, text=True, check=True).stdout.splitlines()
with open(path, encoding="utf-8") as f:
    document = f.read()
shown = re.findall(r"`(\w+\(\d[^`]* operands?\)[^`]*)`", document)
wrong = [f"not in {path}: {line}" for line in table if line not in shown]
wrong += [f"{path} shows what is no op: {line}" for line in shown if line not in table]
with open(os.path.join(os.path.dirname(path), "numerics.md"), encoding="utf-8") as f:
    rules = set(re.findall(r"^(?:\| |\*\*)(\d+)(?: \||\.\*\*)", f.read(), re.M))
named = [n for pair in re.findall(r"\brules? (\d+)(?: to (\d+))?", document) for n in pair if n]
wrong += [f"{path} names rule {n}, which numerics.md has not" for n in named if n not in rules]
if not named:
    wrong.append(f"{path} names no rule")
print("\n".join(wrong + [f"{len(table) - len(wrong)} passed, {len(wrong)} failed"]))
sys.exit(bool(wrong) or not table)

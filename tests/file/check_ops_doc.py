#!/usr/bin/env python3
"""usage: check_ops_doc.py IRTOOL docs/ir.md: the document shows each op as the compiler has it, and no other."""
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
print("\n".join(wrong + [f"{len(table) - len(wrong)} passed, {len(wrong)} failed"]))
sys.exit(bool(wrong) or not table)

#!/usr/bin/env python3
"""Writes qcc's own Lua scripts as a C table.

usage: embed_lua.py SCRIPT.lua... > own_scripts.c     (the first line of each is a comment that says what it is)
"""
import os
import sys


def literal(line):
    return '"' + line.replace('\\', '\\\\').replace('"', '\\"').replace('\t', '\\t') + '\\n"'


def main(paths):
    print('#include "passes/script.h"\n\nconst OwnScript own_scripts[] = {')
    for path in sorted(paths):
        with open(path, encoding='ascii') as f:
            lines = f.read().splitlines()
        if not lines[0].startswith('-- '):
            raise SystemExit(f'{path}: the first line must be a comment')
        name = os.path.splitext(os.path.basename(path))[0]
        print(f'    {{"{name}", {literal(lines[0][3:])[:-3]}",')
        print('\n'.join('     ' + literal(line) for line in lines) + '},')
    print('    {0},\n};')


main(sys.argv[1:])

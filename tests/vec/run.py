#!/usr/bin/env python3
"""Builds and runs the test of one instruction set's vector operations with a compiler and flags.

usage: run.py ISA [--cc "gcc -O2"] [--runner "qemu-aarch64 -L ..."] [--rounds N]

Exit status 77: a tool is missing, or the CPU can't run it.
"""
import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

from gen_ops import isas

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Wpointer-sign', '-Werror']


def skip(why):
    """Ends the test as skipped."""
    print(f'skipped: {why}')
    sys.exit(77)


def main():
    """Generates, compiles, runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument('isa', choices=isas(os.path.join(ROOT, 'codegen')))
    parser.add_argument('--cc', default='cc')
    parser.add_argument('--runner', default='')
    parser.add_argument('--rounds', default='3000')
    o = parser.parse_args()
    cc, runner = shlex.split(o.cc), shlex.split(o.runner)
    for tool in [cc[0]] + runner[:1]:
        if not shutil.which(tool):
            skip(f'{tool} is not installed')
    with tempfile.TemporaryDirectory() as folder:
        trial = os.path.join(folder, 'trial.c')
        with open(trial, 'w', encoding='utf-8') as f:
            f.write('#include <stdio.h>\nint main(void) { puts(""); return 0; }\n')
        if subprocess.run(cc + [trial, '-o', trial + '.out'], capture_output=True, check=False).returncode:
            skip(f'"{o.cc}" builds nothing here')
        sources = []
        for isa in sorted({'generic', o.isa}):
            path = os.path.join(folder, f'ops_{isa}.c')
            with open(path, 'w', encoding='utf-8') as f:
                subprocess.run([sys.executable, os.path.join(HERE, 'gen_ops.py'), os.path.join(ROOT, 'codegen'), isa],
                               stdout=f, check=True)
            sources.append(path)
        include = ['-I' + os.path.join(ROOT, 'runtime'), '-I' + HERE, '-I' + ROOT]
        program = os.path.join(folder, 'test')
        objects = []
        for path in sources:
            objects.append(path[:-2] + '.o')
            subprocess.run(cc + WARNINGS + include + ['-c', path, '-o', objects[-1]], check=True)
        driver = ['-std=gnu11', '-Wno-missing-field-initializers', '-ffp-contract=off', f'-DISA=vec_{o.isa}', os.path.join(HERE, 'vec_test.c'),
                  os.path.join(ROOT, 'codegen', 'cpu.c')]
        subprocess.run(cc + WARNINGS + include + driver + objects + ['-o', program, '-lm'], check=True)
        return subprocess.run(runner + [program, o.rounds], check=False).returncode


if __name__ == '__main__':
    sys.exit(main())

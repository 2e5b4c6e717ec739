#!/usr/bin/env python3
"""readme.py QCC README.md [--update]: runs the commands of a page (lines `    $ command`) in a copy of its folder and compares
what they print with the indented lines below them. --update writes them anew."""
import os
import shutil
import subprocess
import sys
import tempfile

INDENT, PROMPT = ' ' * 4, ' ' * 4 + '$ '


def run(command, folder, path):
    r = subprocess.run(['sh', '-c', command], cwd=folder, env={**os.environ, 'PATH': path}, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return [(INDENT + line).rstrip() for line in r.stdout.splitlines()]


def main(qcc, page, update=False):
    with open(page, encoding='utf-8') as f:
        lines = f.read().split('\n')
    result, wrong, at, passed = [], [], 0, 0
    with tempfile.TemporaryDirectory() as tmp:
        bin_folder, folder = f'{tmp}/bin', f'{tmp}/copy'
        os.mkdir(bin_folder)
        os.symlink(os.path.abspath(qcc), f'{bin_folder}/qcc')
        os.symlink(sys.executable, f'{bin_folder}/python3')
        shutil.copytree(os.path.dirname(os.path.abspath(page)), folder)
        while at < len(lines):
            result.append(lines[at])
            at += 1
            if not result[-1].startswith(PROMPT):
                continue
            command, shown = result[-1][len(PROMPT):], []
            while at < len(lines) and lines[at].startswith(INDENT) and not lines[at].startswith(PROMPT):
                shown.append(lines[at])
                at += 1
            printed = run(command, folder, bin_folder + ':' + os.environ['PATH'])
            result += printed
            passed += printed == shown
            if printed != shown:
                wrong.append(command)
                print(f'$ {command}\nprints\n' + '\n'.join(printed) + '\nand not\n' + '\n'.join(shown))
    if update:
        with open(page, 'w', encoding='utf-8') as f:
            f.write('\n'.join(result))
    print(f'{passed} passed, {len(wrong)} failed')
    return bool(wrong) and not update


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:] == ['--update']))

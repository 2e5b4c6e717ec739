#!/usr/bin/env python3
"""docs/lua.md: every example runs and prints what it says, and every function and field of the API is in one."""
import re
import sys

from harness import ROOT, main

PAGE = ROOT / 'docs' / 'lua.md'
EXPECTED = '--> '


def blocks():
    """The indented blocks of the page, without their indentation."""
    found, current = [], []
    for line in PAGE.read_text().splitlines() + ['end']:
        if line.startswith('    ') or (current and not line):
            current.append(line[4:])
        elif current:
            found.append('\n'.join(current))
            current = []
    return [part for block in found for part in re.split(r'\n\n+(?=-- \w|\w+\.lua:\d)', block.strip('\n'))]


def examples():
    """Pairs: a script, and what is said where it fails (or None)."""
    parts = blocks()
    for part, behind in zip(parts, parts[1:] + ['']):
        if re.match(r'-- \w+\.lua', part):
            yield part, behind if re.match(r'\w+\.lua:\d', behind) else None


def test_every_example(t):
    """Exit code, and all of standard error."""
    import numpy as np
    model = next(b for b in blocks() if b.startswith('model '))
    t.write('small.ir', model)
    np.savez(t.dir / 'calib.npz', x=np.random.default_rng(1).normal(size=(8, 2, 4, 4)).astype('f4'))
    count = 0
    for script, message in examples():
        name = script[3:].split()[0].rstrip(':')
        lines = script.splitlines()
        t.write(name, '\n'.join(line for line in lines if not line.startswith(EXPECTED)) + '\n')
        printed = ''.join(line[len(EXPECTED):] + '\n' for line in lines if line.startswith(EXPECTED))
        r = t.run('small.ir', '-calib', 'calib.npz', '-Wno-float-op', '-target', 'generic', '-pass', name, '-o', 'm.c', code=None)
        expected = message + '\n' if message else printed
        assert r.returncode == (1 if message else 0) and r.stderr == expected, f'{name} ended with {r.returncode}:\n{r.stderr}\nnot\n{expected}'
        count += 1
    assert count > 12, count


def names_in_the_sources():
    """Functions, methods and fields that the sources give to scripts."""
    for path in sorted((ROOT / 'passes').glob('script_*.c')) + [ROOT / 'passes/script.c', ROOT / 'passes/qconfig_lua.c']:
        text = path.read_text()
        yield from re.findall(r'lua_script_function\(L, "(\w+)"', text)
        yield from re.findall(r'\{"(\w+)", [a-z_]+\}', text)
    yield from re.findall(r'^OBSERVER\((\w+)\)', (ROOT / 'passes/observers.def').read_text(), re.M)


def test_every_name_has_an_example(t):
    """As a word of a script."""
    del t
    scripts = '\n'.join(script for script, _ in examples())
    names = set(names_in_the_sources())
    assert {'pass', 'observer', 'replace', 'squares', 'operands', 'node', 'axis'} <= names, names
    missing = [n for n in sorted(names) if not re.search(rf'\b{n}\b', scripts)]
    assert not missing, missing


if __name__ == '__main__':
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""-max-workspace: layers band by band where the workspace would not fit, and what is said where it cannot."""
import re

from harness import DIGITS, main

# has no layer that takes scratch only to be faster
PLAIN = '-target', 'generic'


def size(t, name='m'):
    return int(re.search(r'WORKSPACE_SIZE (\d+) ', t.read(f'{name}.h').decode()).group(1))


def least(t):
    """What the refusal names."""
    r = t.run(t.digits, '-max-workspace=1', '-o', 'none.c', code=1)
    return int(re.search(r'at least (\d+) bytes', r.stderr).group(1)), r.stderr


def test_it_fits(t):
    """No more than the limit, which may end in K; only as many layers as that takes."""
    t.run(t.digits, *PLAIN, '-o', 'm.c')
    free = size(t)
    for limit in f'{free}', f'{free - 1}', '30K', '25K':
        r = t.run(t.digits, *PLAIN, '-o', 'm.c', '-v', '-max-workspace', limit)
        assert size(t) <= (int(limit[:-1]) * 1024 if limit.endswith('K') else int(limit)), limit
        fused = re.findall(r"^band by band: (\d+) operations from '(.+)' to '(.+)', (\d+) bands of (\d+) rows?$",
                           r.stderr, re.M)
        assert bool(fused) == (f'workspace {free} bytes without these\n' in r.stderr) == (limit != f'{free}'), r.stderr
        text = t.read('m.c').decode()
        for _, first, last, number, rows in fused:
            assert f" * '{first}' to '{last}': computed band by band, {number} of {rows} row" in text


def test_what_cannot_fit(t):
    """The limit, the least, what is in memory; no file. The least can be reached."""
    bytes_, said = least(t)
    assert t.files() == []
    assert re.search(r"digits.ir:\d+:\d+: error: the workspace does not fit -max-workspace=1: at least \d+ bytes are needed, "
                     r"for \S+ at '\S+' \(\w+\), where these are in memory:\n", said), said
    held = re.findall(r"note: (\d+) bytes: '\S+', (?:u8<.*>|f32)\[[\d, ]+\](?:, (\d+) of (\d+) rows)?\n", said)
    assert 0.9 * bytes_ < sum(int(row[0]) for row in held) <= bytes_ and any(row[1] for row in held), said
    t.run(t.digits, '-o', 'm.c', f'-max-workspace={bytes_}')
    assert size(t) == bytes_
    t.fail(t.digits, '-o', 'n.c', f'-max-workspace={bytes_ - 1}', message='at least')
    assert t.files() == ['m.c', 'm.h']
    t.fail(t.digits, '-max-workspace=12Q', code=2, message="which may end in K or M, not '12Q'")


def test_the_same_bits(t):
    """In parts and with callbacks, as little as can be with channels-last inputs, in float32."""
    for options in (['-target', 'x86-64-v3', '-threads', '-instrument', '-max-workspace=25K'],
                    ['-target', 'x86-64-v3', '-layout', 'nhwc', f'-max-workspace={least(t)[0]}'],
                    ['-target', 'generic', '-quantize', 'none', '-max-workspace=90K']):
        r = t.run(DIGITS / 'digits.ir' if 'none' in options else t.digits, '-verify', '-o', 'm.c', *options)
        assert ' 0 mismatches' in r.stdout, r.stdout
        assert b'computed band by band' in t.read('m.c')


def test_layers_of_bands(t):
    """-instrument names each band as its layer is named; together they do the work that the file says."""
    t.run(t.digits, '-instrument', '-max-workspace=25K', '-o', 'm.c')
    text = t.read('m.c').decode()
    table = re.search(r'm_layers\[\d+\] = \{\n(.*?)\};', text, re.S).group(1)
    rows = re.findall(r'\{"([^"]*)", "(\w+)", (\d+), \d+\}', table)
    names = [name for name, op, _ in rows if op == 'conv2d']
    assert len(set(names)) < len(names), names
    assert sum(int(row[2]) for row in rows) == int(re.search(r' \* (\d+) multiply-accumulates', text).group(1))


def test_report(t):
    text = t.run(t.digits, '-emit', 'report', '-max-workspace=25K').stdout
    assert re.search(r'\n +\d+ bytes if no layers were computed band by band, as are:\n'
                     r"( +\d+ operations from '\S+' to '\S+', \d+ bands of \d+ rows?\n)+", text), text
    assert 'band by band' not in t.run(t.digits, '-emit', 'report').stdout


if __name__ == '__main__':
    raise SystemExit(main(globals()))

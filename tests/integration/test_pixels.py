#!/usr/bin/env python3
"""Images that come as planes and are wanted pixel by pixel: floats and bytes, of any number of channels and any width."""
import itertools
import re
import shutil
import sys

from harness import main

TARGETS = {'generic': 'cc', 'x86-64-v3': 'cc', 'x86-64-v4': 'cc', 'arm64': 'aarch64-linux-gnu-gcc',
           'arm64+i8mm': 'aarch64-linux-gnu-gcc'}
CHANNELS = [2, 3, 4, 5]
# batch, height, width, zeros around: less than a vector, a rest of all, a rest of each image or of each row, whole vectors
PLAIN = [(1, 1, 3, 0), (1, 2, 19, 0), (2, 3, 11, 0), (1, 2, 16, 0)]
SIZES = [(1, 3, 33, 1), (2, 2, 16, 1), (1, 4, 7, 1)]
U8, S8 = 'u8<scale=0.02, zero=7>', 's8<scale=0.02, zero=-5>'


def weights(c):
    """Of a 3x3 convolution, as a literal: no two neighbours alike."""
    count = itertools.count(1)
    rows = [[[[next(count) * 37 % 201 - 100 for _ in range(3)] for _ in range(3)] for _ in range(c)]]
    return str(rows)


def reader(name, n, c, h, w, pad):
    """Lines in which %q is read pixel by pixel, with zeros around it or not."""
    if not pad:
        return [f'  %y{name} = transpose(%q{name}) {{ perm = [0, 2, 3, 1] }}']
    return [f'  const @k{name} : s8<scale=0.01, zero=0>[1, {c}, 3, 3] = {weights(c)}',
            f'  %y{name} = conv2d(%q{name}, @k{name}) {{ pad = [1, 1, 1, 1] }} : u8<scale=0.1, zero=99>[{n}, 1, {h}, {w}]']


def model(kind, sizes):
    """All numbers of channels in each size."""
    lines, outputs = [], []
    for c, (n, h, w, pad) in itertools.product(CHANNELS, sizes):
        name, shape = f'{c}_{w}_{pad}', f'[{n}, {c}, {h}, {w}]'
        if kind == 'dynamic':
            lines += [f'  input %x{name} : f32{shape}', f'  %q{name}, %s{name}, %z{name} = dynamic_quantize(%x{name})']
        elif kind == 'f32':
            lines += [f'  input %x{name} : f32{shape}', f'  %q{name} = quantize(%x{name}) : {U8}{shape}']
        else:
            lines.append(f'  input %q{name} : {kind}{shape}')
        lines += reader(name, n, c, h, w, pad)
        outputs.append(f'%y{name}')
    return 'model m {\n' + '\n'.join(lines) + f'\n  output {", ".join(outputs)}\n}}\n'


def check(t, kind, sizes):
    """The interpreter's bits on every target, by vectors where there are any; elsewhere nothing of them."""
    t.write('m.ir', model(kind, sizes))
    for target, cc in TARGETS.items():
        if not shutil.which(cc):
            print(f'left out: {target}, no {cc}')
            continue
        r = t.run('m.ir', '-target', target, '-verify', '-o', 'm.c', code=None)
        if 'cannot run' in r.stderr:
            print(f'left out: {r.stderr}')
            continue
        assert re.search(r'verify: \S+: \d+ inputs, 0 mismatches', r.stdout), (kind, target, r.stdout + r.stderr)
        stored = set(re.findall(r'v_store_pixels\(y.*, (\d)\);', t.read('m.c').decode()))
        assert stored == (set() if target == 'generic' else {'2', '3', '4'}), (kind, target, stored)


def test_floats(t):
    check(t, 'f32', PLAIN + SIZES)


def test_scales_of_run_time(t):
    check(t, 'dynamic', PLAIN)


def test_bytes(t):
    """As they are stored and as they are not: arm64 keeps u8 as s8."""
    check(t, U8, PLAIN + SIZES)
    check(t, S8, SIZES)


if __name__ == '__main__':
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""Exact products on AVX2: channels between layers change places so that more k-steps go together, and are planned in slices."""
import re

import numpy as np
from harness import main
from test_emitted import command
from test_winograd import RUN

TARGETS = 'x86-64-v3,x86-64-v4'


def weight(r, *shape):
    """As trained ones are: each channel has one of 127."""
    w = r.normal(size=shape)
    return np.round(w / np.abs(w).reshape(shape[0], -1).max(1).reshape(-1, *[1] * (len(shape) - 1)) * 127).astype(np.int8)


def model(t, *, ic=32, middle=200, oc=24, h=9, w=7, kernel=1, depthwise=1, more=''):
    """A convolution, depthwise ones, a convolution; every channel has scales and a bias of its own."""
    r = np.random.default_rng(ic * 1000 + middle)
    arrays, text, x, scale, area = {}, '', '%x', 0.02, f'{h}, {w}'

    def conv(name, out, of, groups, k, width):
        nonlocal text, x, scale
        arrays[f'w_{name}'] = weight(r, out, of, k, k)
        arrays[f'b_{name}'] = r.integers(-5000, 5000, out).astype(np.int32)
        scales = ', '.join(f'{s:.6g}' for s in r.uniform(0.005, 0.02, out))
        biases = ', '.join(f'{np.float32(float(s)) * np.float32(scale):.9g}' for s in scales.split(', '))
        y_scale = float(f'{scale * 0.012 * 60 * (of * k * k) ** 0.5:.6g}')
        pad = k // 2
        text += f'''  const @w_{name} : s8<axis=0, scale=[{scales}], zero=0>[{out}, {of}, {k}, {k}]
  const @b_{name} : s32<axis=0, scale=[{biases}], zero=0>[{out}]
  %{name} = conv2d({x}, @w_{name}, @b_{name}) {{ groups = {groups}, pad = [{pad}, {pad}, {pad}, {pad}]{width} }} : u8<scale={y_scale:.6g}, zero=5>[1, {out}, {area}]
'''
        x, scale = f'%{name}', y_scale

    conv('first', middle, ic, 1, kernel, ', act_min = 0')
    for i in range(depthwise):
        conv(f'dw{i}', middle, 1, middle, 3, '')
    conv('last', oc, middle, 1, 1, '')
    np.savez(t.dir / 'm.npz', **arrays)
    t.write('m.ir', f'''model m {{
  weights "m.npz"
  input %x : u8<scale=0.02, zero=7>[1, {ic}, {area}]
{text}  output %last
{more}}}
''')


def slices(t):
    """Vectors of the first layer's slices, and their plans."""
    found = re.findall(r"weights of 'first', packed (.*?)\*/", t.read('m.c').decode(), re.S)
    return [re.sub(r'\s+(\* )?', ' ', text) for text in found]


CASES = {
    'one vector of sixteen is not whole': dict(),
    'few products': dict(ic=16, middle=96),
    'products that are no whole k-steps': dict(ic=19, middle=61),
    'a window': dict(ic=3, middle=48, kernel=3),
    'more depthwise ones': dict(middle=64, depthwise=2),
    'no depthwise one': dict(middle=72, depthwise=0),
    'many': dict(ic=160, middle=520, h=3, w=3),
}


def test_bits(t):
    """The interpreter's, whatever is permuted."""
    several = 0
    for name, case in CASES.items():
        model(t, **case)
        r = t.run('m.ir', '-target', TARGETS, '-verify', '-o', 'm.c')
        assert len(re.findall(r'verify: x86-64-v[34]: (?:\d+ inputs, 0 mismatches|skipped)', r.stdout + r.stderr)) == 2, (name, r.stdout + r.stderr)
        t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
        several += len(slices(t)) > 1
    assert several >= 3, several


def test_pairs_with_one_mask(t):
    """What it is for: most vectors go by pairs, which in the model's order none does."""
    def planned():
        t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
        found = [(int(n), text) for text in slices(t) for n in re.findall(r'\[(\d+) vectors', text)]
        assert sum(n for n, _ in found) == 25, found
        return sum(n for n, text in found if re.search(r'[2-4] of 2 with a sign-flip mask', text))
    model(t)
    assert planned() >= 12, slices(t)
    model(t, more='  output %first\n')  # its order is seen
    assert planned() <= 4, slices(t)
    assert ' 0 mismatches' in t.run('m.ir', '-target', 'x86-64-v3', '-verify', '-o', 'm.c').stdout


def test_other_ways(t):
    """Bands of rows and parts that threads do."""
    model(t, h=40, w=40)
    for options in ('-max-workspace=120K',), ():
        r = t.run('m.ir', '-target', 'x86-64-v3', '-verify', *options, '-o', 'm.c')
        assert ' 0 mismatches' in r.stdout, (options, r.stdout + r.stderr)
        assert len(slices(t)) > 1
    t.run('m.ir', '-target', 'x86-64-v3', '-threads', '-o', 'm.c')
    t.write('run.c', RUN.replace('M_Y_SIZE', 'M_LAST_SIZE'))
    command('cc', '-O1', f'-I{t.dir}', t.dir / 'run.c', t.dir / 'm.c', '-o', t.dir / 'run')
    out = command(t.dir / 'run')
    assert re.fullmatch('[3-9] kernels in parts, the same bits\n', out), out


def test_the_report_says_so(t):
    model(t)
    assert re.search('sums of products in 16 bits, [23] slices of channels$', t.run('m.ir', '-target', 'x86-64-v3', '-emit', 'report').stdout, re.M)


if __name__ == '__main__':
    raise SystemExit(main(globals()))

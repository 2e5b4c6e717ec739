#!/usr/bin/env python3
"""Additions that the kernel of the layer before them does: where they make the workspace smaller."""
import os
import re

import numpy as np
from harness import main
from test_emitted import command
from test_winograd import RUN

HERE = 'generic,x86-64-v3,x86-64-v3+avxvnni,x86-64-v4,x86-64-v4+avx512vnni'
ARM = 'arm64', 'arm64+dotprod', 'arm64+i8mm'

# A narrow layer between two wide ones, whose results meet; `sum` is what they meet in.
CASES = {
    '1x1': dict(c=32, h=6, w=7),
    'leftover channels': dict(c=37, h=5, w=9, dtype='s8'),
    'few channels': dict(c=5, h=8, w=8),
    'one vector': dict(c=8, h=5, w=7),
    'three vectors': dict(c=24, h=6, w=6, narrow=3),
    'sub': dict(c=32, h=6, w=7, sum='sub'),
    'sub, the other way round': dict(c=24, h=6, w=7, sum='sub', swap=True),
    'relu': dict(c=40, h=5, w=5, act=' { act_min = 0, act_max = 1.1 }'),
    'halos': dict(c=40, h=20, w=20, kernel=3, narrow=32),
    'halos, tiles that overlap': dict(c=40, h=26, w=22, kernel=3, narrow=32),
    'a stride': dict(c=64, h=33, w=33, kernel=3, narrow=16, after=2),
    'images': dict(n=3, c=16, h=4, w=5),
}


class Net:
    """The text of a model, and its constants."""

    def __init__(self, dtype):
        self.lines, self.arrays, self.dtype = [], {}, dtype
        self.random = np.random.default_rng(7)
        self.zeros = (7, 130, 117, 101) if dtype == 'u8' else (-7, 3, -11, 20)

    def type(self, shape, scale, zero):
        return f'{self.dtype}<scale={scale}, zero={self.zeros[zero]}>{list(shape)}'

    def conv(self, name, x, shape, oc, kernel, stride=1):
        """Returns the shape of %name = conv2d(%x)."""
        n, ic, h, w = shape
        pad = kernel // 2
        out = n, oc, (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1
        self.arrays[f'{name}_w'] = self.random.integers(-127, 128, (oc, ic, kernel, kernel)).astype(np.int8)
        self.arrays[f'{name}_b'] = self.random.integers(-9000, 9000, oc).astype(np.int32)
        zero, scale = 1 + len(self.arrays) // 2 % 3, round(0.02 * 0.01 * 80 * (ic * kernel * kernel) ** 0.5 / 2, 5)
        self.lines += [f'const @{name}_w : s8<scale=0.01, zero=0>[{oc}, {ic}, {kernel}, {kernel}]',
                       f'const @{name}_b : s32<scale=?, zero=0>[{oc}]'.replace('?', f'{self.scales[x] * 0.01:.9g}'),
                       f'%{name} = conv2d(%{x}, @{name}_w, @{name}_b) {{ pad = [{pad}, {pad}, {pad}, {pad}], '
                       f'stride = [{stride}, {stride}] }} : {self.type(out, scale, zero)}']
        self.scales[name] = scale
        return out


def model(t, *, n=1, c, h, w, kernel=1, narrow=4, sum='add', swap=False, act='', dtype='u8', after=1, later=False, itself=False, end=None):
    net = Net(dtype)
    net.scales = {'x': 0.02}
    shape = n, narrow, h, w
    wide = net.conv('r', 'x', shape, c, kernel)
    inner = net.conv('a', 'r', wide, narrow, kernel)
    source, source_shape = ('r', wide) if itself else ('a', inner)
    assert net.conv('f', source, source_shape, c, kernel) == wide
    operands = '%f, %r' if swap else '%r, %f'
    net.lines.append(f'%s = {sum}({operands}){act} : {net.type(wide, round((net.scales["r"] + net.scales["f"]) * 0.7, 5), 2)}')
    net.scales['s'] = round((net.scales['r'] + net.scales['f']) * 0.7, 5)
    out = net.conv('y', 's', wide, end or narrow, kernel, after)
    if later:
        net.lines.append(f'%q = add(%r, %s) : {net.type(wide, 0.2, 1)}')
        net.scales['q'] = 0.2
        net.conv('z', 'q', wide, narrow, 1)
        net.lines.append('output %z')
    np.savez(t.dir / 'm.npz', **net.arrays)
    t.write('m.ir', 'model m {\n  weights "m.npz"\n  input %x : ' + net.type(shape, 0.02, 0) + '\n  ' + '\n  '.join(net.lines) +
            '\n  output %y\n}\n')


def fused(t):
    return len(re.findall(r',\s(?: \* )?then\s(?: \* )?(?:add|sub)\s', t.read('m.c').decode()))


def verified(t, *args, env=None):
    r = t.run('m.ir', *args, '-no-check', '-verify', '-o', 'm.c', env=env)
    text = r.stdout + r.stderr
    assert re.search(r'verify: .* \d+ inputs, 0 mismatches', text) or 'not run' in text, (args, text)
    assert not re.search(r'[1-9]\d* mismatches', text), (args, text)


def workspace(t):
    return int(re.search(r'M_WORKSPACE_SIZE\w*\s+(\d+)', t.read('m.h').decode())[1])


def test_targets(t):
    """The interpreter's bits."""
    for name, case in CASES.items():
        model(t, **case)
        verified(t, '-target', HERE, env=dict(os.environ, QCC_CC='cc -O0'))
        # targets whose kernel writes some results twice need another place for them: by the channels that they ask for
        overlaps = case.get('kernel') == 3 and (case['h'] % 4 or case['w'] % 4)
        twice = overlaps and sum(case['narrow'] >= least for least in (8, 16, 8, 32))
        assert fused(t) == len(HERE.split(',')) - twice, (name, fused(t))


def test_arm(t):
    for i, (name, case) in enumerate(CASES.items()):
        model(t, **case)
        for target in ARM if case.get('kernel') else ARM[i % len(ARM):][:1]:
            verified(t, '-target', target)
            twice = target == 'arm64' and case.get('kernel') == 3 and (case['h'] % 4 or case['w'] % 4) > 0
            assert fused(t) == 1 - twice, (name, target)


def test_smaller_workspace(t):
    """Two of the wide tensors, not three: no more than the wide ones' bytes and what is beside them."""
    c, h, w = 64, 16, 16
    model(t, c=c, h=h, w=w)
    t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
    assert fused(t) == 1
    assert workspace(t) < 1.25 * c * h * w, workspace(t)
    text = t.run('m.ir', '-target', 'x86-64-v3', '-emit', 'report').stdout
    assert re.search(r"kernel    tiles of .*, then add 's'\n", text) and "kernel    that of 'f'\n" in text, text


def test_linear(t):
    """Rows of a linear layer, of several images and of one."""
    r = np.random.default_rng(3)
    for rows, wide, narrow in (5, 40, 8), (1, 72, 8):
        shapes = {'r': (wide, narrow), 'a': (narrow, wide), 'f': (wide, narrow), 'y': (narrow, wide)}
        np.savez(t.dir / 'm.npz', **{f'{k}_w': r.integers(-127, 128, s).astype(np.int8) for k, s in shapes.items()})
        lines = [f'const @{k}_w : s8<scale=0.01, zero=0>{list(s)}' for k, s in shapes.items()]
        for y, x, columns in ('r', 'x', wide), ('a', 'r', narrow), ('f', 'a', wide):
            lines.append(f'%{y} = linear(%{x}, @{y}_w) : u8<scale=0.03, zero=120>[{rows}, {columns}]')
        lines += [f'%s = add(%f, %r) : u8<scale=0.05, zero=100>[{rows}, {wide}]',
                  f'%y = linear(%s, @y_w) : u8<scale=0.1, zero=120>[{rows}, {narrow}]', 'output %y']
        t.write('m.ir', f'model m {{\n  weights "m.npz"\n  input %x : u8<scale=0.02, zero=7>[{rows}, {narrow}]\n  ' +
                '\n  '.join(lines) + '\n}\n')
        for target in 'generic,x86-64-v3,x86-64-v4+avx512vnni', 'arm64':
            verified(t, '-target', target)
            assert fused(t) == len(target.split(',')), (rows, target, fused(t))


def test_where_not(t):
    """The other operand is needed later, or read by the layer itself: still the right bits."""
    for options in {'later': True}, {'itself': True}, {'later': True, 'kernel': 3}, {'itself': True, 'kernel': 3}:
        model(t, c=32, h=6, w=6, **options)
        verified(t, '-target', 'generic,x86-64-v3')
        assert 'add' in t.read('m.c').decode()


def test_small_sums_have_their_own_kernel(t):
    """A sum where the workspace is not at its largest."""
    model(t, c=8, h=6, w=6, end=64)
    t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
    assert fused(t) == 0


def test_bands(t):
    """With -max-workspace, each band's layer does its part of the sum."""
    model(t, c=48, h=24, w=16, kernel=3, narrow=8)
    t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
    small = workspace(t) * 6 // 10
    verified(t, '-target', 'x86-64-v3', f'-max-workspace={small}')
    assert workspace(t) <= small


def test_threads(t):
    """Parts in any order, the other operand in the place of the sum."""
    for target in 'x86-64-v3', 'x86-64-v3+avxvnni':
        model(t, c=96, h=32, w=32, narrow=32, kernel=1)
        t.run('m.ir', '-target', target, '-threads', '-o', 'm.c')
        assert fused(t) == 1
        t.write('run.c', RUN)
        command('cc', '-O1', f'-I{t.dir}', t.dir / 'run.c', t.dir / 'm.c', '-o', t.dir / 'run')
        if target == 'x86-64-v3':
            out = command(t.dir / 'run')
            assert out.endswith('the same bits\n') and not out.startswith('0 '), out


if __name__ == '__main__':
    raise SystemExit(main(globals()))

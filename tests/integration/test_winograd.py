#!/usr/bin/env python3
"""3x3 convolutions by Winograd's transform: every way that a kernel is cut, odd sizes, what does not qualify."""
import re

import numpy as np
from harness import main
from test_emitted import command

TARGET = 'x86-64-v3'

# What is transformed at a time, how tiles lie in groups; one convolution of each kind of size.
CASES = {
    'groups of tiles, the last one smaller': dict(n=2, ic=19, oc=37, h=9, w=50),
    'no more than one tile': dict(ic=64, oc=24, h=6, w=6, pad=0),
    'two tiles in a row, one column apart': dict(ic=16, oc=16, h=8, w=5),
    'three rows in a group': dict(ic=16, oc=24, h=12, w=8),
    'groups of rows, the last one smaller': dict(n=3, ic=17, oc=20, h=26, w=7),
    'groups that are all alike': dict(ic=16, oc=24, h=8, w=48),
    'a row of tiles': dict(n=2, ic=100, oc=40, h=6, w=30),
    'a tall image': dict(ic=96, oc=168, h=23, w=8),
    'the image': dict(ic=136, oc=160, h=11, w=27),
}

RUN = r'''
#include "m.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static _Alignas(64) unsigned char workspace[M_WORKSPACE_SIZE];
static unsigned char x[M_X_SIZE], y[M_Y_SIZE], z[M_Y_SIZE];
static int calls;
static void backwards(void *pool, m_task task, void *context, int count) {
  (void)pool;
  calls++;
  while (count--) task(context, count);
}
int main(void) {
  m_inputs in = {x};
  m_outputs out = {y}, other = {z};
  for (int i = 0; i < M_X_SIZE; i++) x[i] = (unsigned char)(i * 37 + i / 7);
  if (m_run(&in, &out, workspace) || m_run_threads(&in, &other, workspace, backwards, 0)) return 1;
  printf("%d kernels in parts, %s\n", calls, memcmp(y, z, sizeof y) ? "other bits" : "the same bits");
  return 0;
}
'''


def model(t, *, n=1, ic, oc, h, w, pad=1, stride=1, weight=None):
    """A convolution that clamps, with its weights in a file."""
    r = np.random.default_rng(ic * 1000 + oc)
    k = r.integers(-127, 128, (oc, ic, 3, 3)).astype(np.int8) if weight is None else weight
    np.savez(t.dir / 'm.npz', w=k, b=r.integers(-20000, 20000, oc).astype(np.int32))
    oh, ow = ((s + 2 * pad - 3) // stride + 1 for s in (h, w))
    scale = 0.02 * 0.01 * 4000 * ic ** 0.5 / 128
    t.write('m.ir', f'''model m {{
  weights "m.npz"
  input %x : u8<scale=0.02, zero=7>[{n}, {ic}, {h}, {w}]
  const @w : s8<scale=0.01, zero=0>[{oc}, {ic}, 3, 3]
  const @b : s32<scale=0.0002, zero=0>[{oc}]
  %y = conv2d(%x, @w, @b) {{ pad = [{pad}, {pad}, {pad}, {pad}], stride = [{stride}, {stride}], act_min = 0 }} : u8<scale={scale:.6g}, zero=3>[{n}, {oc}, {oh}, {ow}]
  output %y
}}
''')


def verify(t, target):
    """Against the interpreter, where this machine runs the targets."""
    r = t.run('m.ir', '-target', target, '-verify', '-o', 'm.c')
    text = r.stdout + r.stderr
    for name in target.split(','):
        assert re.search(rf'verify: {re.escape(name)}: (\d+ inputs, 0 mismatches|not run)', text), text


def is_transformed(t):
    return '(Winograd)' in t.read('m.c').decode()


def test_all_ways(t):
    """The interpreter's bits, with extreme inputs among them."""
    for name, case in CASES.items():
        model(t, **case)
        verify(t, TARGET)
        assert is_transformed(t), name
        command('cc', '-O2', '-Wstack-usage=4096', '-Werror', '-c', t.dir / 'm.c', '-o', t.dir / 'm.o')
        text = t.read('m.c').decode()
        assert ('(Winograd): transform' in text) == name.endswith('image'), name  # a kernel of its own


def test_targets(t):
    """All that have it, where this machine runs them: longer vectors, products that add up, which need more channels and full tiles."""
    vnni = 'x86-64-v3+avxvnni', 'x86-64-v4+avx512vnni'
    for case, slower in [(CASES['the image'], ()), (dict(n=2, ic=36, oc=37, h=7, w=50), ()), (dict(ic=64, oc=64, h=16, w=14), ()),
                         (CASES['groups of tiles, the last one smaller'], vnni), (dict(ic=64, oc=64, h=9, w=9), vnni),
                         (dict(ic=16, oc=16, h=16, w=16), vnni[1:])]:
        model(t, **case)
        for target in 'x86-64-v3', 'x86-64-v4', *vnni:
            verify(t, target)
            assert is_transformed(t) == (target not in slower), (case, target)


def test_arm(t):
    """By vectors of four lanes and a channel of the operand at a time: pieces of panels and of chunks of channels."""
    extra = {'two tiles in a row, one column apart': dict(ic=16, oc=16, h=8, w=7),
             'a vector of weights that is half used': dict(ic=17, oc=26, h=11, w=20),
             'more channels where tiles are few': dict(ic=23, oc=60, h=7, w=7),
             'the same of half a vector': dict(ic=16, oc=29, h=8, w=8),
             'a tall image': dict(ic=96, oc=148, h=23, w=8), 'the image': dict(ic=112, oc=124, h=11, w=27)}
    cases = CASES | extra
    del cases['no more than one tile']  # which is not worth it
    for name, case in cases.items():
        model(t, **case)
        verify(t, 'arm64')
        assert is_transformed(t), name
        command('aarch64-linux-gnu-gcc', '-O2', '-Wstack-usage=4096', '-Werror', '-c', t.dir / 'm.c', '-o', t.dir / 'm.o')


def test_threads(t):
    """Parts in any order, where the kernels are large."""
    in_parts = 0
    for name, case in CASES.items():
        model(t, **case)
        t.run('m.ir', '-target', TARGET, '-threads', '-o', 'm.c')
        assert is_transformed(t), name
        t.write('run.c', RUN)
        command('cc', '-O1', f'-I{t.dir}', t.dir / 'run.c', t.dir / 'm.c', '-o', t.dir / 'run')
        out = command(t.dir / 'run')
        assert out.endswith('the same bits\n'), (name, out)
        in_parts += not out.startswith('0 ')
        command('cc', '-O2', '-Wstack-usage=4096', '-Werror', '-c', t.dir / 'm.c', '-o', t.dir / 'm.o')
    assert in_parts >= 2, in_parts


def test_layers_share(t):
    """Layers of one shape have their transforms and products in common."""
    r = np.random.default_rng(5)
    np.savez(t.dir / 'm.npz', **{k: r.integers(-127, 128, (16, 16, 3, 3)).astype(np.int8) for k in 'vw'})
    u8, conv = 'u8<scale=0.5, zero=100>[1, 16, 8, 8]', '{ pad = [1, 1, 1, 1] }'
    t.write('m.ir', f'''model m {{
  weights "m.npz"
  input %x : u8<scale=0.02, zero=7>[1, 16, 8, 8]
  const @v : s8<scale=0.01, zero=0>[16, 16, 3, 3]
  const @w : s8<scale=0.01, zero=0>[16, 16, 3, 3]
  %a = conv2d(%x, @v) {conv} : {u8}
  %y = conv2d(%a, @w) {conv} : {u8}
  output %y
}}
''')
    verify(t, f'{TARGET},x86-64-v4')
    text = t.read('m.c').decode()
    for name in 'transform', 'product', 'results':
        made = len(re.findall(rf'^static .*_{name}_\w+\(', text, re.M))
        assert made == 2 * (2 if name == 'results' else 1), (name, made)


def test_what_does_not_qualify(t):
    """Strides, few channels, a limit of memory, many weights; with byte products of their own fewer; ARM's limits."""
    usual = dict(ic=16, oc=16, h=8, w=8)
    for name, case, options in [('stride', {'stride': 2}, ()), ('channels', {'ic': 4}, ()), ('results', {'h': 5, 'pad': 0}, ()),
                                ('weights', {'ic': 512, 'oc': 512}, ()), ('limit', {}, ('-max-workspace=3K',)),
                                ('vnni', {'ic': 200, 'oc': 200}, ('-target', 'x86-64-v3+avxvnni')),
                                ('weights on arm', {'ic': 128, 'oc': 128}, ('-target', 'arm64')),
                                ('channels on arm', {'ic': 8, 'h': 13, 'w': 13}, ('-target', 'arm64')),
                                ('results on arm', {'oc': 7}, ('-target', 'arm64')),
                                ('tiles that overlap', {'h': 6, 'w': 6}, ('-target', 'arm64')),
                                ('dot products', {}, ('-target', 'arm64+dotprod')),
                                ('matrix products', {}, ('-target', 'arm64+i8mm'))]:
        model(t, **(usual | case))
        t.run('m.ir', '-target', TARGET, *options, '-o', 'm.c')
        assert not is_transformed(t), name
    model(t, **usual)
    for options in (), ('-max-workspace=1M',), ('-target', 'arm64'):
        t.run('m.ir', '-target', TARGET, *options, '-o', 'm.c')
        assert is_transformed(t), options


def test_sums_that_would_not_fit(t):
    """64 times the largest sums leave 32 bits: in the usual way, and exactly."""
    for ic, fits in (110, True), (120, False):
        model(t, ic=ic, oc=8, h=4, w=4, weight=np.full((8, ic, 3, 3), -127, np.int8))
        verify(t, TARGET)
        assert is_transformed(t) == fits, ic


if __name__ == '__main__':
    raise SystemExit(main(globals()))

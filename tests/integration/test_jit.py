#!/usr/bin/env python3
"""-jit: what the interpreter says, in less time. Without libgccjit, what is missing."""
import os
import re
import shutil
import subprocess
import sys

import numpy as np

from harness import DIGITS, ROOT, TINY, main

COMPILED = r'^jit: \w+: [1-9]\d* kernels in [\d.]+ s, 0 nodes left to the interpreter$'

NORM = '''model norm {
  input %x : f32[1, 2, 4, 4]
  %c = conv2d(%x, [[[[0.5]], [[-1.0]]], [[[0.25]], [[2.0]]]]) { pad = [1, 1, 1, 1] }
  %n = batch_norm(%c, [1.5, 0.3], [0.1, -0.2], [0.3, -0.1], [0.7, 1.2])
  %r = relu(%n)
  %y = global_avg_pool(%r)
  output %y, %n
}
'''

COMPUTED = '''model computed {
  input %x : f32[1, 1, 4, 4]
  input %w : f32[1, 1, 1, 1]
  %y = conv2d(%x, %w)
  output %y
}
'''


def missing(qcc):
    """Whether this build has no JIT."""
    r = subprocess.run([qcc, str(DIGITS / 'digits.ir'), '-jit', '-emit', 'ir', '-o', os.devnull], capture_output=True, text=True, check=False)
    return 'built without libgccjit' in r.stderr


def both(t, *args, pattern=COMPILED, times=1):
    """The standard outputs, without and with -jit, which are the same; `pattern`: lines that -v writes, so many at least."""
    plain = t.run(*args)
    jit = t.run(*args, '-jit', '-v')
    assert jit.stdout == plain.stdout, jit.stdout
    found = re.findall(pattern, jit.stderr, re.M)
    assert len(found) >= times, jit.stderr
    return jit


def same_files(t, *args, **how):
    """The output files, too."""
    t.run(*args, '-o', 'plain.npz')
    jit = t.run(*args, '-o', 'jit.npz', '-jit', '-v')
    assert t.read('plain.npz') == t.read('jit.npz')
    assert re.findall(how.get('pattern', COMPILED), jit.stderr, re.M), jit.stderr


def test_run(t):
    """The outputs are the same file, integers and floats."""
    same_files(t, DIGITS / 'digits.ir', '-run', DIGITS / 'eval.npz')
    same_files(t, DIGITS / 'digits.ir', '-quantize', 'none', '-run', DIGITS / 'eval.npz')


def test_eval(t):
    """The report is the same; both graphs are compiled."""
    both(t, DIGITS / 'digits.ir', '-eval', DIGITS / 'eval.npz', times=2)


def test_calibration(t):
    """All that is chosen by calibration is the same."""
    for observer in 'extremes', 'histogram':
        for way, args in ('plain', []), ('jit', ['-jit', '-v']):
            r = t.run(DIGITS / 'digits.ir', '-observer', observer, '-emit', 'ir', '-o', f'{way}.ir', *args)
        assert re.search('^jit: calibration: [1-9].*, 0 nodes left', r.stderr, re.M), r.stderr
        assert t.read('plain.ir').replace(b'plain.npz', b'jit.npz') == t.read('jit.ir')
        assert t.read('plain.npz') == t.read('jit.npz')


def test_scripts(t):
    """In the process that is watched because of a script."""
    lua = ROOT / 'examples' / 'lua'
    same_files(t, lua / 'swish.ir', '-pass', 'silu', '-run', lua / 'eval.npz')


def test_left(t):
    """Operators that code generation never sees are left to the interpreter's kernels, one by one."""
    t.write('norm.ir', NORM)
    x = np.random.default_rng(1).normal(size=(6, 2, 4, 4)).astype('f4')
    np.savez(t.dir / 'x.npz', x=x)
    both(t, 'norm.ir', '-quantize', 'none', '-eval', 'x.npz', pattern=r'^jit: float32: \d+ kernels .*, 2 nodes left')
    both(t, 'norm.ir', '-calib', 'x.npz', '-eval', 'x.npz', pattern=r'^jit: int8: \d+ kernels .*, 0 nodes left')


def test_refused(t):
    """What code generation refuses runs as it did, and -v says why."""
    t.write('computed.ir', COMPUTED)
    rng = np.random.default_rng(1)
    np.savez(t.dir / 'x.npz', x=rng.normal(size=(3, 1, 4, 4)).astype('f4'), w=rng.normal(size=(3, 1, 1, 1)).astype('f4'))
    same_files(t, 'computed.ir', '-quantize', 'none', '-run', 'x.npz',
               pattern=r"^jit: float32: the interpreter runs it: 'y': operand 2 of conv2d, 'w', must be a constant")
    r = t.run('computed.ir', '-quantize', 'none', '-run', 'x.npz', '-o', 'y.npz', '-jit')
    assert r.stderr == '', r.stderr


def test_tools(t):
    """libgccjit would end the process where it finds no assembler."""
    x = t.tiny()
    assert len(x)
    env = dict(os.environ, PATH=str(t.dir))
    args = ['tiny.ir', '-quantize', 'none', '-run', 'calib.npz', '-o', 'y.npz', '-jit']
    t.fail(*args, env=env, message="qcc: error: -jit: libgccjit needs 'as' of the binutils, which is not in PATH")
    os.symlink(shutil.which('as'), t.dir / 'as')
    t.fail(*args, env=env, message="qcc: error: -jit: libgccjit needs 'ld' of the binutils, which is not in PATH")
    env['PATH'] = os.environ['PATH']
    t.run(*args, env=env)


def test_missing(t):
    """A build without libgccjit says so."""
    t.write('tiny.ir', TINY)
    message = 'qcc: error: -jit: this qcc was built without libgccjit'
    t.fail('tiny.ir', '-jit', code=2, message=message)


if __name__ == '__main__':
    without = missing(os.path.abspath(sys.argv[1]))
    here = {n: f for n, f in globals().items() if not n.startswith('test_') or without == (n == 'test_missing')}
    if without:
        print('this qcc was built without libgccjit: only the message is tested')
    sys.exit(main(here))

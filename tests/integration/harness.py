"""What the integration tests share: running qcc in a fresh folder, and the loop over test functions.

A test is a function test_...(t): `t` is a Case. It fails by an AssertionError or any other exception.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / 'examples' / 'digits'

# A convolution and a pooling over 1x2x4x4, weights in the text.
TINY = '''model tiny {
  input %x : f32[1, 2, 4, 4]
  %c = conv2d(%x, [[[[0.5]], [[-1.0]]], [[[0.25]], [[2.0]]], [[[1.5]], [[0.0]]]], [0.1, -0.2, 0.3])
  %r = relu(%c)
  %y = global_avg_pool(%r)
  output %y
}
'''


class Case:
    """One test: its folder, and qcc run in it."""

    def __init__(self, qcc, folder, common):
        self.qcc, self.dir, self.common = qcc, pathlib.Path(folder), pathlib.Path(common)

    def write(self, name, data):
        """Writes text or bytes; returns the path."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def read(self, name):
        """The bytes of a file."""
        return (self.dir / name).read_bytes()

    def files(self):
        """What is in the folder, sorted, hidden files too."""
        return sorted(str(p.relative_to(self.dir)) for p in self.dir.rglob('*') if not p.is_dir())

    def run(self, *args, code=0, text=True, **how):
        """Runs qcc and checks its exit code (None: any)."""
        how.setdefault('cwd', self.dir)
        how.setdefault('stdin', subprocess.DEVNULL if 'input' not in how else None)
        if 'input' in how:
            del how['stdin']
        how.setdefault('stdout', subprocess.PIPE)
        r = subprocess.run([self.qcc] + [str(a) for a in args], stderr=subprocess.PIPE, text=text, timeout=120,
                           check=False, **how)
        assert code is None or r.returncode == code, f'exit code {r.returncode}, not {code}: {args}\n{r.stderr}'
        return r

    def fail(self, *args, message, code=1, **how):
        """Runs qcc, which must refuse with the message and leave the folder as it was."""
        before = self.files()
        r = self.run(*args, code=code, **how)
        assert message in r.stderr, f'no "{message}" in:\n{r.stderr}'
        assert not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', r.stderr), f'control bytes in {r.stderr!r}'
        assert self.files() == before, f'files appeared: {set(self.files()) - set(before)}'
        return r

    @property
    def digits(self):
        """The example, quantized, for tests that are not about calibration: that is done once."""
        path = self.common / 'digits.ir'
        if not path.exists():
            self.run(DIGITS / 'digits.ir', '-emit', 'ir', '-o', path)
        return path

    def tiny(self, samples=4):
        """tiny.ir and calib.npz with a few random samples; returns the samples."""
        import numpy as np
        self.write('tiny.ir', TINY)
        x = np.random.default_rng(1).normal(size=(samples, 2, 4, 4)).astype('f4')
        np.savez(self.dir / 'calib.npz', x=x)
        return x


def main(tests):
    """Runs every test_ function of a module's globals."""
    parser = argparse.ArgumentParser()
    parser.add_argument('qcc')
    parser.add_argument('only', nargs='*', help='names of tests')
    o = parser.parse_args()
    try:
        import numpy  # noqa: F401 pylint: disable=unused-import
    except ImportError:
        print('skipped: no NumPy')
        return 77
    passed, failed = 0, []
    with tempfile.TemporaryDirectory() as common:
        for name, test in list(tests.items()):
            if not name.startswith('test_') or (o.only and name not in o.only):
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    test(Case(os.path.abspath(o.qcc), folder, common))
                    passed += 1
                except Exception:  # pylint: disable=broad-except
                    failed.append(name)
                    print(f'FAILED {name}')
                    traceback.print_exc(file=sys.stdout)
    for name in failed:
        print('failed:', name)
    print(f'{passed} passed, {len(failed)} failed')
    return 1 if failed else 0

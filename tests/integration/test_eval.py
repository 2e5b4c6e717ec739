#!/usr/bin/env python3
"""-run, -eval and -verify, and the files of samples that they and -calib take."""
import os
import re
import sys

import numpy as np

from harness import DIGITS, TINY, main

IO = '''model io {
  input %a : f32[1, 3]
  input %b : f32[2]
  %sum = add(%a, [1, 2, 3])
  %twice = mul(%b, 2)
  output %sum, %twice, %sum
}
'''


def test_run_tiny(t):
    """Outputs are named after the model's and are what NumPy says."""
    x = t.tiny(5)
    t.run('tiny.ir', '-quantize', 'none', '-run', 'calib.npz', '-o', 'out.npz')
    out = np.load(t.dir / 'out.npz')
    assert out.files == ['y'] and out['y'].shape == (5, 3, 1, 1) and out['y'].dtype == np.float32
    w = np.array([[0.5, -1], [0.25, 2], [1.5, 0]])
    want = np.maximum(np.einsum('oc,nchw->nohw', w, x) + np.array([0.1, -0.2, 0.3])[:, None, None], 0).mean((2, 3))
    assert np.abs(out['y'][:, :, 0, 0] - want).max() < 1e-5
    t.run('tiny.ir', '-calib', 'calib.npz', '-run', 'calib.npz', '-o', 'q.npz')
    assert 0 < np.abs(np.load(t.dir / 'q.npz')['y'][:, :, 0, 0] - want).max() < 0.1


def test_run_several(t):
    """Several inputs and outputs; a tensor that is two outputs comes once; axes without a batch are stacked."""
    t.write('io.ir', IO)
    a, b = np.arange(6, dtype='f4').reshape(2, 3), np.arange(4, dtype='f4').reshape(2, 2)
    np.savez(t.dir / 'in.npz', a=a, b=b, unused=np.zeros(9))
    t.run('io.ir', '-quantize', 'none', '-run', 'in.npz', '-o', 'out.npz')
    out = np.load(t.dir / 'out.npz')
    assert sorted(out.files) == ['sum', 'twice']
    assert (out['sum'] == a + [1, 2, 3]).all() and (out['twice'] == b * 2).all()


def test_run_single_sample(t):
    """A bare .npy, with the batch dimension or without."""
    t.write('tiny.ir', TINY)
    x = np.random.default_rng(2).normal(size=(2, 4, 4))
    results = []
    for array in (x, x[None], np.asfortranarray(x.astype('>f4')).astype('>f4')):
        np.save(t.dir / 'one.npy', array)
        t.run('tiny.ir', '-quantize', 'none', '-run', 'one.npy', '-o', 'out.npz')
        results.append(np.load(t.dir / 'out.npz')['y'])
    assert all(r.shape == (1, 3, 1, 1) and (r == results[0]).all() for r in results)


def test_run_quantized_io(t):
    """Quantized inputs take floats and bytes; outputs come as real values."""
    x = t.tiny()
    t.run('tiny.ir', '-calib', 'calib.npz', '-config', 'minmax', '-io', 'quantized', '-emit', 'ir', '-o', 'q.ir')
    text = t.read('q.ir').decode()
    scale, zero = re.search(r'input %x : u8<scale=([^,]*), zero=(\d+)>', text).groups()
    t.run('q.ir', '-run', 'calib.npz', '-o', 'a.npz')
    q = np.clip(np.rint(x / np.float32(scale)) + int(zero), 0, 255).astype('u1')
    np.savez(t.dir / 'bytes.npz', x=q)
    t.run('q.ir', '-run', 'bytes.npz', '-o', 'b.npz')
    t.run('tiny.ir', '-calib', 'calib.npz', '-config', 'minmax', '-run', 'calib.npz', '-o', 'c.npz')
    a, b, c = (np.load(t.dir / f)['y'] for f in ('a.npz', 'b.npz', 'c.npz'))
    assert (a == b).all() and (a == c).all()


def test_eval_digits(t):
    """Accuracy, same class, SQNR, in a form that scripts can read."""
    r = t.run(DIGITS / 'digits.ir', '-eval', DIGITS / 'eval.npz')
    lines = r.stdout.split('\n')
    found = re.fullmatch(r'accuracy     float (0\.\d{4})  int8 (0\.\d{4})  \(1000 samples\)', lines[0])
    assert found and float(found[1]) == 0.985 and float(found[2]) >= 0.975, r.stdout
    found = re.fullmatch(r'same class   (0\.\d{4}|1\.0000)', lines[1])
    assert found and float(found[1]) >= 0.98
    found = re.fullmatch(r'sqnr logits  (\d+\.\d) dB', lines[2])
    assert found and float(found[1]) > 25
    again = t.run(DIGITS / 'digits.onnx', '-calib', DIGITS / 'calib.npz', '-eval', DIGITS / 'eval.npz')
    assert again.stdout == r.stdout


def test_eval_agrees_with_run(t):
    """The accuracy that -eval prints is that of what -run gives."""
    r = t.run(DIGITS / 'digits.ir', '-eval', DIGITS / 'eval.npz')
    t.run(DIGITS / 'digits.ir', '-run', DIGITS / 'eval.npz', '-o', 'out.npz')
    y = np.load(DIGITS / 'eval.npz')['y']
    accuracy = (np.load(t.dir / 'out.npz')['logits'].argmax(1) == y).mean()
    assert f'int8 {accuracy:.4f}' in r.stdout


def test_eval_expected_outputs(t):
    """y_out and y_<output> are compared with both."""
    x = t.tiny()
    t.run('tiny.ir', '-quantize', 'none', '-run', 'calib.npz', '-o', 'out.npz')
    y = np.load(t.dir / 'out.npz')['y']
    for name in ('y_out', 'y_y', 'y'):
        np.savez(t.dir / 'e.npz', **{'x': x, name: y})
        r = t.run('tiny.ir', '-calib', 'calib.npz', '-eval', 'e.npz')
        assert re.search(rf'samples +4\nsqnr y +\d+\.\d dB\nsqnr {name} +float exact  int8 \d+\.\d dB\n', r.stdout), r.stdout
    np.savez(t.dir / 'e.npz', x=x, y_out=y[:, :2])
    t.fail('tiny.ir', '-calib', 'calib.npz', '-eval', 'e.npz', message="array 'y_out' is f32[4, 2, 1, 1], 4 samples of the output")
    np.savez(t.dir / 'e.npz', x=x, y=np.zeros((4, 7)))
    r = t.run('tiny.ir', '-calib', 'calib.npz', '-eval', 'e.npz')
    assert 'holds neither labels (4 integers, one a sample) nor outputs' in r.stderr and '[-Weval-labels]' in r.stderr


def test_eval_labels(t):
    """Labels are checked."""
    t.write('c.ir', 'model c {\n  input %x : f32[1, 3]\n  %y = relu(%x)\n  output %y\n}\n')
    x = np.eye(3, dtype='f4')
    np.savez(t.dir / 'e.npz', x=x, y=np.array([0, 1, 0]))
    r = t.run('c.ir', '-quantize', 'none', '-eval', 'e.npz')
    assert 'accuracy    float 0.6667  float32 0.6667  (3 samples)\n' in r.stdout and 'sqnr y      exact' in r.stdout
    np.savez(t.dir / 'e.npz', x=x, y=np.array([0, 1, 3]))
    t.fail('c.ir', '-quantize', 'none', '-eval', 'e.npz', message='label 3 of sample 2 is not one of 3 classes')


def test_eval_and_output_together(t):
    """-eval with -o writes the code as well; without it nothing."""
    t.tiny()
    t.run('tiny.ir', '-calib', 'calib.npz', '-eval', 'calib.npz', '-o', 'm.c')
    assert t.files() == ['calib.npz', 'm.c', 'm.h', 'tiny.ir']


def test_samples_are_checked(t):
    """The same rules and messages for -calib, -eval and -run."""
    t.tiny()
    x = np.zeros((3, 2, 4, 4), 'f4')
    nan = x.copy()
    nan[2, 1, 0, 3] = np.nan
    cases = [
        ({'x': nan}, "bad.npz: array 'x': sample 2 holds a NaN (element 19 of the sample)"),
        ({'x': nan / 0 if False else np.where(np.isnan(nan), np.inf, nan).astype('f4')}, "sample 2 holds an infinity"),
        ({'x': x.astype('u1')}, "bad.npz: array 'x' is u8, the input 'x' is f32"),
        ({'x': x.astype('i8')}, "bad.npz: array 'x' is s64, the input 'x' is f32"),
        ({'x': x.transpose(0, 2, 3, 1)}, "bad.npz: array 'x' has the shape [3, 4, 4, 2], the input 'x' has [1, 2, 4, 4]"),
        ({'x': x[:0]}, "bad.npz: array 'x' holds no samples"),
        ({'z': x}, "bad.npz: no array for the input 'x', nor 'x' (it holds 'z')"),
        ({'x': np.array(['text'])}, "bad.npz: array 'x': string arrays"),
        ({'x': np.array([{}], dtype=object)}, "bad.npz: array 'x': object arrays"),
    ]
    for arrays, message in cases:
        np.savez(t.dir / 'bad.npz', **arrays)
        t.fail('tiny.ir', '-calib', 'bad.npz', '-o', 'm.c', message=message)
        t.fail('tiny.ir', '-quantize', 'none', '-run', 'bad.npz', '-o', 'o.npz', message=message)
        t.fail('tiny.ir', '-calib', 'calib.npz', '-eval', 'bad.npz', message=message)
    t.write('io.ir', IO)
    np.savez(t.dir / 'bad.npz', a=np.zeros((2, 3)), b=np.zeros((3, 2)))
    t.fail('io.ir', '-quantize', 'none', '-run', 'bad.npz', '-o', 'o.npz', message="2 samples for the input 'a', but 3 for 'b'")


def test_a_fifo_does_not_hang(t):
    """Only regular files are read."""
    t.write('tiny.ir', TINY)
    os.mkfifo(t.dir / 'pipe.npz')
    os.mkfifo(t.dir / 'pipe.ir')
    t.run('tiny.ir', '-calib', 'pipe.npz', '-o', 'm.c', code=1)
    t.run('pipe.ir', '-o', 'm.c', code=1)


def test_verify(t):
    """Says how many inputs it compared; needs no output file."""
    x = t.tiny()
    for more in ([], ['-quantize', 'none'], ['-layout', 'nhwc'], ['-io', 'quantized']):
        r = t.run('tiny.ir', '-calib', 'calib.npz', '-verify', '-target', 'generic', *more)
        assert re.fullmatch(r'verify: generic: \d+ inputs, 0 mismatches\n', r.stdout), r.stdout
    assert t.files() == ['calib.npz', 'tiny.ir'] and len(x)
    t.run('tiny.ir', '-calib', 'calib.npz', '-verify', '-target', 'generic', '-o', 'm.c')
    assert 'm.c' in t.files()


def broken_compiler(t, change):
    """A compiler for QCC_CC that builds a model.c changed by a sed script."""
    t.write('cc.sh', 'for f; do case $f in */model.c) sed -i "%s" "$f";; esac; done\nexec cc "$@"\n' % change)
    return dict(os.environ, QCC_CC='sh cc.sh')


def test_verify_finds_faults(t):
    """Wrong results, writes outside the buffers, memory that was not set, crashes: each is named."""
    t.tiny()
    args = ['tiny.ir', '-calib', 'calib.npz', '-verify', '-target', 'generic', '-name', 'm', '-o', 'm.c']
    run = r's/^int m_run(const m_inputs \*in, const m_outputs \*out, void \*workspace) {/static int m_inner(const m_inputs *in, const m_outputs *out, void *workspace) {/; '

    def wrap(body):
        return run + r'\$ a int m_run(const m_inputs *in, const m_outputs *out, void *workspace) { ' + body + ' }'
    inner = 'm_inner(in, out, workspace);'
    sound = broken_compiler(t, wrap(f'return {inner}'))
    assert '0 mismatches' in t.run(*args[:-2], env=sound).stdout
    faults = [
        (f'{inner} out->y[1] += 1; return 0;', "output 'y', element 1, input 'sample 0': the emitted code gives "),
        (f'{inner} out->y[2] = ((unsigned char *)workspace)[0] == 0x5A; return 0;', "output 'y', element 2"),
        (f'{inner} out->y[3] = 0; return 0;', "the emitted code was stopped by signal 11 on input 'sample 0'"),
        (f'{inner} out->y[-1] = 0; return 0;', 'the emitted code was stopped by signal 11'),
        (f'*(float *)in->x = 1; return {inner}', 'the emitted code was stopped by signal 11'),
        ('return 1;', 'the program ended with code 2'),
        ('this is not C', 'cc'),
    ]
    for body, message in faults:
        t.fail(*args, env=broken_compiler(t, wrap(body)) if t.write('cc.sh', '') else None, message=message)


def test_verify_without_tools(t):
    """A compiler that is missing or fails is an error of its own."""
    t.tiny()
    args = ['tiny.ir', '-calib', 'calib.npz', '-verify', '-target', 'generic', '-o', 'm.c']
    t.fail(*args, env=dict(os.environ, QCC_CC='no-such-compiler'), message='cannot run no-such-compiler: No such file')
    t.fail(*args, env=dict(os.environ, QCC_CC='false'), message='false does not build the emitted code')
    t.fail(*args, env=dict(os.environ, QCC_CC=' '), message='QCC_CC names no compiler')
    t.fail(*args, env=dict(os.environ, TMPDIR='/nonexistent'), message='cannot make a temporary folder')


def test_verify_leaves_nothing(t):
    """The temporary folder goes away, whatever happens."""
    t.tiny()
    os.mkdir(t.dir / 'tmp')
    for cc in ('cc', 'false'):
        t.run('tiny.ir', '-calib', 'calib.npz', '-verify', '-target', 'generic', code=cc == 'false',
              env=dict(os.environ, TMPDIR=str(t.dir / 'tmp'), QCC_CC=cc))
        assert os.listdir(t.dir / 'tmp') == []


if __name__ == '__main__':
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""-custom: operators that are C functions of the user's, from the annotation to the emitted code."""
import os
import re
import shutil
import subprocess
import sys

import numpy as np

from harness import ROOT, main
from test_check import built_without_libclang

EXAMPLE = ROOT / 'examples' / 'custom_op'
SCALE = '''#include <stdint.h>
// qcc: op scale(x: f32[...]) -> y: f32[...]
// qcc: attr by = 2.0, times = 1
void scale(const float *x, float *y, int x_count, float by, int times) {
  for (int i = 0; i < x_count; i++) y[i] = x[i];
  for (int t = 0; t < times; t++)
    for (int i = 0; i < x_count; i++) y[i] *= by;
}
'''
# integers of any parameters: what the function is told must be what the tensors have
RESCALE = '''#include <stdint.h>
// qcc: op rescale(x: s8<scale, zero>[n, c, h, w]) -> y: u8<scale, zero>[n, c, h / 2, w - 1]
void rescale(const int8_t *x, uint8_t *y, int64_t n, int64_t c, int h, int w, float x_scale, int32_t x_zero, float y_scale, int y_zero) {
  for (int64_t i = 0; i < n * c; i++)
    for (int r = 0; r < h / 2; r++)
      for (int k = 0; k < w - 1; k++) {
        const float v = (float)(x[(i * h + 2 * r) * w + k + 1] - x_zero) * x_scale / y_scale + (float)y_zero;
        y[(i * (h / 2) + r) * (w - 1) + k] = v < 0 ? 0 : v > 255 ? 255 : (uint8_t)(v + 0.5f);
      }
}
'''
RESCALE_IR = '''model m {
  input %x : f32[1, 2, 6, 5]
  %q = quantize(%x) : s8<scale=0.05, zero=-3>[1, 2, 6, 5]
  %r = rescale(%q) : u8<scale=0.1, zero=7>[1, 2, 3, 4]
  %p = max_pool2d(%r) { kernel = [2, 2] }
  %y = dequantize(%p)
  output %y, %r
}
'''


def model(statement, shape='[1, 2, 3, 4]', more=''):
    return f'model m {{\n  input %x : f32{shape}\n{more}  %y = {statement}\n  output %y\n}}\n'


def outputs(t, *args):
    """What -run gives: a dictionary of arrays."""
    t.run(*args, '-o', 'out.npz')
    return dict(np.load(t.dir / 'out.npz'))


def inputs(t, **arrays):
    np.savez(t.dir / 'in.npz', **arrays)


def targets():
    found = ['generic', 'x86-64-v3']
    return found + ['arm64', 'arm64+i8mm'] if shutil.which('aarch64-linux-gnu-gcc') and shutil.which('qemu-aarch64') else found


def test_example(t):
    """In calibration, the interpreter and the code of each target, here and under qemu; and a program built by meson."""
    rng = np.random.default_rng(1)
    np.savez(t.dir / 'calib.npz', x=rng.normal(size=(20, 1, 3, 8, 8)).astype('f4'))
    args = [EXAMPLE / 'model.ir', '-custom', EXAMPLE / 'soft_threshold.c', '-calib', 'calib.npz']
    for target in targets() + ['generic,x86-64-v3']:
        r = t.run(*args, '-target', target, '-Werror', '-verify', '-o', 'model.c')
        assert re.search(rf'verify: {re.escape(target.split(",")[0])}: \d+ inputs, 0 mismatches', r.stdout), r.stdout + r.stderr
    t.run(*args, '-target', 'generic', '-threads', '-instrument', '-layout', 'nhwc', '-verify', '-o', 'model.c')
    assert 'void soft_threshold(const float *x, const float *limit, float *y, int n, int c, int h, int w, float gain);' in t.read('model.c').decode()
    assert 'best' in t.run(*args, '-eval', 'calib.npz').stdout
    t.run(*args, '-quantize', 'none', '-target', 'generic', '-Werror', '-verify', '-o', 'model.c')
    assert re.search(r'^calm +custom\.soft_threshold +float +custom operators are as their annotations say', t.run(*args, '-print-qconfig').stdout, re.M)
    assert re.search(r"^ +\d+  custom\.peak '", t.run(*args, '-emit', 'report').stdout, re.M)
    for options in ([], ['-quantize', 'none']):
        t.run(*args, *options, '-run', 'calib.npz', '-o', 'interpreter.npz')
        r = t.run(*args, *options, '-jit', '-run', 'calib.npz', '-o', 'jit.npz', code=None)
        assert r.returncode == 2 if 'libgccjit' in r.stderr else t.read('jit.npz') == t.read('interpreter.npz'), r.stderr
    project = t.dir / 'project'
    shutil.copytree(EXAMPLE, project)
    env = {**os.environ, 'PATH': os.path.dirname(t.qcc) + ':' + os.environ['PATH']}
    for command in (['meson', 'setup', 'build'], ['ninja', '-C', 'build'], ['build/demo']):
        r = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
        assert r.returncode == 0, r.stdout + r.stderr
    assert 'strongest' in r.stdout


def test_float_op(t):
    """Any shape, attributes of both kinds by default and given, in float models and quantized ones."""
    t.write('ops.c', SCALE)
    x = np.arange(24, dtype='f4').reshape(1, 1, 2, 3, 4)
    inputs(t, x=x)
    for call, by in (('scale(%x)', 2), ('custom.scale(%x) { by = 0.5, times = 2 }', 0.25), ('scale(%x) { times = 0 }', 1)):
        t.write('m.ir', model(call))
        y = outputs(t, 'm.ir', '-custom', 'ops.c', '-run', 'in.npz', '-quantize', 'none')['y']
        assert np.array_equal(y.ravel(), x.ravel() * np.float32(by)), call
        for target in targets() if by == 2 else ['generic']:
            t.run('m.ir', '-custom', 'ops.c', '-quantize', 'none', '-target', target, '-verify', '-o', 'm.c')
    text = t.run('m.ir', '-custom', 'ops.c', '-quantize', 'none', '-emit', 'ir', '-o', '-').stdout
    assert '%y = custom.scale(%x) { times = 0 }' in text
    t.write('again.ir', text)
    assert t.run('again.ir', '-custom', 'ops.c', '-quantize', 'none', '-emit', 'ir', '-o', '-').stdout == text


def test_any_parameters(t):
    """Integers whose parameters the model has, dims that are computed, and types of all widths."""
    t.write('ops.c', RESCALE)
    t.write('m.ir', RESCALE_IR)
    x = np.random.default_rng(2).normal(size=(3, 1, 2, 6, 5), scale=2).astype('f4')
    inputs(t, x=x)
    out = outputs(t, 'm.ir', '-custom', 'ops.c', '-run', 'in.npz')
    q = np.clip(np.rint(x / np.float32(0.05)) - 3, -128, 127)
    v = (q[..., ::2, 1:] + 3) * np.float32(0.05) / np.float32(0.1) + 7
    want = np.floor(np.clip(v, 0, 255) + np.float32(0.5))
    got = out['r']
    assert got.size == want.size and np.max(np.abs(got.reshape(want.shape) - (want - 7) * np.float32(0.1))) < 0.11
    for target in targets():
        t.run('m.ir', '-custom', 'ops.c', '-target', target, '-verify', '-o', 'm.c')


def test_fixed_parameters_in_a_float_model(t):
    """The float model computes with the rounding that the operator has; conversions that meet settle."""
    t.write('ops.c', '''#include <stdint.h>
// qcc: op half(x: s8<scale=0.1, zero=4>[...]) -> y: s8<scale=0.1, zero=4>[...]
void half(const int8_t *x, int8_t *y, long x_count, int x_zero) {
  for (long i = 0; i < x_count; i++) y[i] = (int8_t)((x[i] - x_zero) / 2 + x_zero);
}
''')
    t.write('m.ir', model('half(%h)', '[1, 4]', '  %h = half(%x)\n'))
    inputs(t, x=np.array([[[1.0, -1.04, 3.3, 100]]], 'f4'))
    y = outputs(t, 'm.ir', '-custom', 'ops.c', '-run', 'in.npz', '-quantize', 'none')['y']
    assert np.allclose(y.ravel(), [0.2, -0.2, 0.8, 3.0]), y
    text = t.run('m.ir', '-custom', 'ops.c', '-quantize', 'none', '-emit', 'ir', '-o', '-').stdout
    assert text.count('= quantize(') == 1 and text.count('= dequantize(') == 1, text
    for target in targets()[:2]:
        t.run('m.ir', '-custom', 'ops.c', '-quantize', 'none', '-target', target, '-verify', '-o', 'm.c')


def test_onnx(t):
    """A node of another domain becomes the operator; -emit onnx writes it, and gives the same C when read."""
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        return
    t.write('ops.c', SCALE + RESCALE.replace('#include <stdint.h>\n', ''))

    def save(node, shape, out, extra=(), init=()):
        g = helper.make_graph([*extra, node] if not isinstance(node, list) else node, 'g',
                              [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, out)], list(init))
        m = helper.make_model(g, opset_imports=[helper.make_opsetid('', 17), helper.make_opsetid('mine', 1)], ir_version=8)
        onnx.save(m, str(t.dir / 'm.onnx'))

    save(helper.make_node('scale', ['x'], ['y'], domain='mine', by=3.0, times=2), [2, 3], [2, 3])
    inputs(t, x=np.ones((1, 2, 3), 'f4'))
    assert np.all(outputs(t, 'm.onnx', '-custom', 'ops.c', '-run', 'in.npz', '-quantize', 'none')['y'] == 9)
    t.fail('m.onnx', '-o', 'm.c', message="operator 'scale' of the domain 'mine' is not supported; -custom FILE.c adds operators")
    save(helper.make_node('scale', ['x'], ['y'], domain='mine', by=3), [2, 3], [2, 3])
    t.fail('m.onnx', '-custom', 'ops.c', '-o', 'm.c', message="attribute 'by' has type INT; FLOAT is needed")
    save(helper.make_node('scale', ['x'], ['y'], domain='mine', to=3), [2, 3], [2, 3])
    t.fail('m.onnx', '-custom', 'ops.c', '-o', 'm.c', message="attribute 'to' of scale is not supported")
    save(helper.make_node('scale', ['x', 'x'], ['y'], domain='mine'), [2, 3], [2, 3])
    t.fail('m.onnx', '-custom', 'ops.c', '-o', 'm.c', message='scale of opset 1 takes at most 1 inputs, not 2')
    save([helper.make_node('QuantizeLinear', ['x', 's', 'z'], ['q']), helper.make_node('DequantizeLinear', ['q', 's', 'z'], ['d']),
          helper.make_node('rescale', ['d'], ['r'], domain='mine'), helper.make_node('QuantizeLinear', ['r', 't', 'u'], ['p']),
          helper.make_node('DequantizeLinear', ['p', 't', 'u'], ['y'])], [1, 2, 6, 5], [1, 2, 3, 4],
         init=[helper.make_tensor('s', TensorProto.FLOAT, [], [0.05]), helper.make_tensor('z', TensorProto.INT8, [], [-3]),
               helper.make_tensor('t', TensorProto.FLOAT, [], [0.1]), helper.make_tensor('u', TensorProto.UINT8, [], [7])])
    text = t.run('m.onnx', '-custom', 'ops.c', '-emit', 'ir', '-o', '-').stdout
    assert re.search(r'custom\.rescale\(%q\) : u8<scale=0.1, zero=7>\[1, 2, 3, 4\]', text) and text.count('quantize(') == 2, text
    for target in targets()[:2]:
        t.run('m.onnx', '-custom', 'ops.c', '-target', target, '-verify', '-o', 'm.c')
    inputs(t, x=np.random.default_rng(3).normal(size=(4, 1, 2, 6, 5)).astype('f4'))
    assert re.search(r'y .*\binf\b|exact|equal', t.run('m.onnx', '-custom', 'ops.c', '-eval', 'in.npz').stdout)
    t.run('m.onnx', '-custom', 'ops.c', '-emit', 'onnx', '-o', 'n.onnx')
    t.run('m.onnx', '-custom', 'ops.c', '-name', 'm', '-o', 'one.c')
    t.run('n.onnx', '-custom', 'ops.c', '-name', 'm', '-o', 'two.c')
    code = [re.sub(r'/\*.*?\*/|#include "\w+.h"', '', t.read(f).decode(), flags=re.S) for f in ('one.c', 'two.c')]
    assert code[0] == code[1]
    nodes = onnx.load(str(t.dir / 'n.onnx')).graph.node
    assert [n.op_type for n in nodes if n.domain == 'qcc.custom'] == ['rescale']


def test_crashes(t):
    """What a function does to the interpreter is told with its name and place; nothing is written."""
    bodies = {'*(volatile int *)8 = 1;': 'crashed while the interpreter ran it: Segmentation fault',
              'volatile int z = 0; y[0] = (float)(7 / z);': 'crashed while the interpreter ran it: Floating point exception',
              'abort();': 'crashed while the interpreter ran it: Aborted',
              'exit(0);': 'ended the program while the interpreter ran it',
              'deep(0);': 'crashed while the interpreter ran it: Segmentation fault'}
    t.write('m.ir', model('bad(%x)'))
    inputs(t, x=np.zeros((9, 1, 2, 3, 4), 'f4'))
    for body, message in bodies.items():
        if 'exit' in body:  # one thread: the first of several that end the program may be another's crash
            inputs(t, x=np.zeros((1, 1, 2, 3, 4), 'f4'))
        t.write('bad.c', f'''#include <stdlib.h>
int depth;
static int deep(int n) {{ volatile char a[1 << 16]; a[n & 7] = 1; depth++; return deep(n + 1) + a[3]; }}
// qcc: op bad(x: f32[...]) -> y: f32[...]
void bad(const float *x, float *y) {{
  y[0] = x[0] + (float)(0 * (long)(void *)deep);
  {body}
}}
''')
        r = t.fail('m.ir', '-custom', 'bad.c', '-run', 'in.npz', '-quantize', 'none', '-o', 'o.npz', message=f"the custom operator 'bad' {message}")
        assert re.search(r'^bad\.c:5:6: error: .*\nvoid bad\(const float \*x, float \*y\) \{\n     \^~~$', r.stderr, re.M), r.stderr


# what stands in the file -> what is said, the text under the first caret, the text under the note's
GOOD = '// qcc: op f(x: f32[n, 4], q: s8<scale, zero>[n]) -> y: f32[n]\n// qcc: attr a = 1.5, b = 2\n'
PROTO = 'void f(const float *x, const signed char *q, float *y, int n, float a, int b, float q_scale, int q_zero) { }\n'
PROTOTYPES = [
    ('const float *x', 'const double *x', "'x' is a const double * here, and a tensor of f32 in the annotation: const float *", 'x', 'x: f32[n, 4]'),
    ('const float *x', 'float *x', "the operand 'x' is float * here: it needs a const", 'x', 'x: f32[n, 4]'),
    ('const float *x', 'float x', "'x' is a float here, and a tensor of f32", 'x', 'x: f32[n, 4]'),
    ('const signed char *q', 'const unsigned char *q', "'q' is a const unsigned char * here, and a tensor of s8", 'q', 'q: s8<scale, zero>[n]'),
    ('float *y', 'const float *y', "the result 'y' is const float * here, which cannot be written", 'y', 'y: f32[n]'),
    ('int n', 'float n', "'n' is float here, and a dimension in the annotation", 'n', 'f'),
    ('int n', 'int m', "'m' is no operand, result, dimension or attribute of 'f'", 'm', 'f'),
    ('int n', 'int *n', "'n' is int * here: numbers are passed by value", 'n', 'f'),
    ('float a', 'int a', "'a' is int here, and no whole number in the annotation", 'a', 'a'),
    ('float a, ', '', "'f' has no parameter for the attribute 'a'", 'f', 'a'),
    ('float *y, ', '', "'f' has no parameter for the tensor 'y'", 'f', 'y: f32[n]'),
    ('float q_scale', 'int q_scale', "'q_scale' is int here, and a scale is a float", 'q_scale', 'q: s8<scale, zero>[n]'),
    ('int q_zero', 'float q_zero', "'q_zero' is float here, and a whole number", 'q_zero', 'q: s8<scale, zero>[n]'),
    ('float q_scale', 'float x_scale', "'x_scale': 'x' is not quantized", 'x_scale', 'x: f32[n, 4]'),
    ('void f(', 'int f(', "'f' returns int: custom operators return void", 'f', 'f'),
    ('void f(', 'static void f(', "'f' is static: the emitted code could not call it", 'f', 'f'),
]


def carets(text):
    """What is marked in each shown line."""
    lines = text.split('\n')
    return [lines[i - 1][s.index('^'):len(s)] for i, s in enumerate(lines) if re.match(r' *\^~*$', s)]


def test_prototypes(t):
    """Where prototype and annotation differ, both places are shown."""
    t.write('m.ir', model('f(%x)'))
    for old, new, message, first, second in PROTOTYPES:
        assert old in PROTO
        t.write('f.c', GOOD + PROTO.replace(old, new, 1))
        r = t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message='error: ' + message)
        assert carets(r.stderr)[:2] == [first, second] and 'f.c:3:' in r.stderr, f'{carets(r.stderr)}\n{r.stderr}'


ANNOTATIONS = [
    ('', "f.c: error: has no custom operator: no line begins with // qcc: op NAME(...)", None),
    ('// qcc: f(x: f32[2]) -> y: f32[2]', "expected op NAME(...), found 'f'", 'f'),
    ('// qcc: op g(x: f32[2]) -> y: f32[2]', "the file has no function 'g'", 'g'),
    ('// qcc: op f() -> y: f32[2]', "'f' has no operand", ')'),
    ('// qcc: op f(x: f32[2])', "expected '->' and the result; the annotation ends here", None),
    ('// qcc: op f(x: f32[2], x: f32[2]) -> y: f32[2]', "'x' is there twice", 'x'),
    ('// qcc: op f(x f32[2]) -> y: f32[2]', "expected ':' and the type, found 'f32'", 'f32'),
    ('// qcc: op f(x: f16[2]) -> y: f32[2]', "'f16' is no type of a custom operator", 'f16'),
    ('// qcc: op f(x: f32<scale, zero>[2]) -> y: f32[2]', 'f32 cannot be quantized here: s8 and u8 can', '<'),
    ('// qcc: op f(x: u8<scale=-1, zero=0>[2]) -> y: f32[2]', 'a scale is positive, finite and normal', 'scale'),
    ('// qcc: op f(x: u8<scale=1, zero=300>[2]) -> y: f32[2]', 'a zero point is a whole number in the range of u8', 'scale'),
    ('// qcc: op f(x: u8<scale=1, zero>[2]) -> y: f32[2]', "expected '=': the scale has a number, too, found '>'", '>'),
    ('// qcc: op f(x: f32[1.5]) -> y: f32[2]', 'a dimension is a whole number', '1.5'),
    ('// qcc: op f(x: f32[n +]) -> y: f32[2]', "expected a dimension: a number or a name, found ']'", ']'),
    ('// qcc: op f(x: f32[(n]) -> y: f32[2]', "expected ')', found ']'", ']'),
    ('// qcc: op f(x: f32[..., 2]) -> y: f32[2]', "expected ']': ... stands alone, found ','", ','),
    ('// qcc: op f(x: f32[1, 1, 1, 1, 1, 1, 1, 1, 1]) -> y: f32[2]', 'more than 8 dimensions', '1'),
    ('// qcc: op f(x: f32[n + 1]) -> y: f32[n]', "'n' has no value: it is no attribute, and no operand has it", 'f'),
    ('// qcc: op f(x: f32[2]) -> y: f32[...]', 'the result has the shape [...], but no operand has', 'y: f32[...]'),
    ('// qcc: op f(x: f32[2]) -> y: f32[2] attr', "expected an attribute's name; the annotation ends here", None),
    ('// qcc: op f(x: f32[2]) -> y: f32[2] attr k = 1, k = 2', "'k' is there twice", 'k'),
    ('// qcc: op f(x: f32[2]) -> y: f32[2] attr x = 1', "'x' is a tensor's name", 'x'),
    ('// qcc: op f(x: f32[2]) -> y: f32[2] attr k = z', "expected a number, found 'z'", 'z'),
    ('// qcc: op f(x: f32[k]) -> y: f32[2] attr k = 1.5', "the attribute 'k' stands in a dimension: it is a whole number", 'f'),
    ('// qcc: op f(x: f32[2]) -> y: f32[2]\n// qcc: op f(x: f32[2]) -> y: f32[2]', "'f' is there twice", 'f'),
    ('// qcc: op f(x: f32[2]) -> y: f32[2] ???', "expected op NAME(...), found '?'", '?'),
]


def test_annotations(t):
    """Each mistake has its message and its place."""
    t.write('m.ir', model('f(%x)'))
    for text, message, mark in ANNOTATIONS:
        t.write('f.c', f'{text}\nvoid f(const float *x, float *y) {{ y[0] = x[0]; }}\n')
        r = t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message=message)
        assert mark is None or carets(r.stderr)[0] == mark, r.stderr
    t.write('f.c', '// qcc: op f(x: f32[2]) -> y: f32[2]\nvoid f(const float *x, float *y) { y[0] = z; }\n')
    r = t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message="f.c:2:43: error: use of undeclared identifier 'z'")
    t.write('f.c', '// qcc: op f(x: f32[2]) -> y: f32[2]\nvoid f(const float *x, float *y);\n')
    t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message='undefined symbol: f')
    t.fail('m.ir', '-custom', 'none.c', '-o', 'm.c', message='none.c: error:')
    t.write('g.c', '// qcc: op f(x: f32[...]) -> y: f32[...]\nvoid f(const float *x, float *y) { y[0] = x[0]; }\n')
    t.fail('m.ir', '-custom', 'g.c', '-custom', 'g.c', '-o', 'm.c', message="the custom operator 'f' is there twice")


USES = [
    ('f(%x, %x)', '[2, 4]', "f takes 1 operand, not 2", 'f', 'f'),
    ('f(%x)', '[2, 4, 1]', "f: operand 'x' is f32[2, 4, 1]; it has 2 dimensions", 'f', 'x: f32[n, n * 2]'),
    ('f(%x)', '[2, 5]', "f: operand 'x' is f32[2, 5]; its dimension 1 is 4 by the annotation", 'f', 'x: f32[n, n * 2]'),
    ('f(%x) { k = 9 }', '[2, 4]', "f: dimension 0 of the result 'y' has no value here", 'f', 'y: f32[n - k]'),
    ('f(%x) { j = 9 }', '[2, 4]', "f has no attribute 'j' (it has k)", 'j', None),
    ('f(%x) { k = 0.5 }', '[2, 4]', 'expected an integer', '0.5', None),
    ('f([1, 2])', '[2, 4]', "f: operand 'x' is f32[2]; it has 2 dimensions", 'f', 'x: f32[n, n * 2]'),
    ('custom.h(%x)', '[2, 4]', "unknown op 'custom.h'; did you mean 'custom.f'?", 'custom.h', None),
    ('custom.quite_other(%x)', '[2, 4]', "unknown custom operator 'custom.quite_other': no file of -custom has it", 'custom.quite_other', None),
    ('custom(%x)', '[2, 4]', "unknown op 'custom'", 'custom', None),
]


def test_uses(t):
    """A use that does not fit is shown beside the annotation."""
    t.write('f.c', '// qcc: op f(x: f32[n, n * 2]) -> y: f32[n - k] attr k = 0\n'
            'void f(const float *x, float *y, int n, int k) { for (int i = 0; i < n - k; i++) y[i] = x[i]; }\n')
    for call, shape, message, first, second in USES:
        t.write('m.ir', model(call, shape))
        r = t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message='error: ' + message)
        assert carets(r.stderr)[:2] == [m for m in (first, second) if m], f'{carets(r.stderr)}\n{r.stderr}'
    t.write('m.ir', model('custom.f(%x)', '[2, 4]'))
    t.fail('m.ir', '-o', 'm.c', message="unknown custom operator 'custom.f': no file of -custom has it")
    t.write('f.c', RESCALE)
    t.write('m.ir', model('rescale(%x)', '[1, 2, 6, 5]'))
    r = t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message="rescale: nothing says the scale of 'x', which is float32 here")
    assert 'write s8<scale=..., zero=...> here, or quantize it in the model' in r.stderr
    t.write('m.ir', model('rescale(%q) : u8<scale=0.1, zero=0>[1, 2, 3, 4]', '[1, 2, 6, 5]',
                          '  %q = quantize(%x) : u8<scale=0.1, zero=0>[1, 2, 6, 5]\n'))
    t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message="operand 'x' is u8<scale=0.1, zero=0>[1, 2, 6, 5]; the function takes s8<scale, zero>")
    t.write('m.ir', model('rescale(%q) : s8<scale=0.1, zero=0>[1, 2, 3, 4]', '[1, 2, 6, 5]',
                          '  %q = quantize(%x) : s8<scale=0.1, zero=0>[1, 2, 6, 5]\n'))
    t.fail('m.ir', '-custom', 'f.c', '-o', 'm.c', message="its result is s8<scale=0.1, zero=0>[1, 2, 3, 4]; the function gives u8<scale, zero>")


def test_stack(t):
    """What a custom operator's function and those that it calls in its file take is part of the estimate, where it is known."""
    body = 'static float twice(float v) {\n  float a[5000];\n  a[0] = v;\n  return a[0] * 2;\n}\n'
    op = '// qcc: op f(x: f32[n]) -> y: f32[n]\nvoid f(const float *x, float *y, int n) {\n  for (int i = 0; i < n; i++) y[i] = twice(x[i]);\n}\n'
    t.write('m.ir', 'model m {\n  input %x : f32[3]\n  %y = f(%x)\n  output %y\n}\n')
    args = ['m.ir', '-custom', 'f.c', '-quantize', 'none', '-Wno-float-model', '-target', 'generic', '-o', 'm.c', '-v']
    for text, path in ((body + op, r'stack about 20\d\d\d bytes: m_run -> .*f$'),
                       (body.replace('a[5000]', 'a[(int)v + 1]') + op, r'stack about \d{1,3} bytes: m_run -> .*f \(not known\)$'),
                       (body.replace('a[0] * 2', 'v > 1 ? twice(v - 1) : v') + op, r'stack about \d{1,3} bytes: m_run -> .*f \(not known\)$'),
                       (body.replace('5000', '50000') + op, r'stack about 200\d\d\d bytes: m_run -> .*f$')):
        t.write('f.c', text)
        r = t.run(*args)
        assert re.search(path, r.stderr, re.M), f'{text}: {r.stderr}'


def test_check(t):
    """-check takes calls of the operators that it is told of, and of no others."""
    t.write('ops.c', SCALE)
    t.write('m.ir', model('scale(%x)'))
    t.run('m.ir', '-custom', 'ops.c', '-quantize', 'none', '-target', 'generic', '-o', 'm.c', '-MD')
    assert 'ops.c' in t.read('m.d').decode()
    t.run('-check', 'm.c', '-custom', 'ops.c')
    t.fail('-check', 'm.c', message="calls 'scale', which is not a function of the file")


if __name__ == '__main__':
    if built_without_libclang(os.path.abspath(sys.argv[1])):
        print('skipped: this qcc was built without libclang')
        sys.exit(77)
    sys.exit(main(globals()))

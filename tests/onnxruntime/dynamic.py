#!/usr/bin/python3
"""dynamic.py QCC: DynamicQuantizeLinear, MatMulInteger, ConvInteger and what onnxruntime's quantize_dynamic writes, drawn at
random, against ONNX Runtime. Integers, scales and zero points are equal, bit for bit; float results agree to rounding."""
import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../../bench')]
from recurrent import SKIP, Failure, np, ort, helper, numpy_helper, TensorProto, run_qcc  # noqa: E402 (skips by itself)

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65]
MICROSOFT = 'com.microsoft'


def size(rng, most=len(SIZES)):
    return int(rng.choice(SIZES[:most]))


def floats(rng, *shape):
    """Values of one sign, of both, or none but zeros."""
    x = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4)
    kind = rng.integers(0, 6)
    return (x if kind > 2 else np.abs(x) if kind else -np.abs(x) if rng.random() < 0.7 else x * 0).astype(np.float32)


def integers(rng, dtype, *shape):
    ends = np.iinfo(dtype)
    return rng.integers(ends.min, ends.max + 1, shape).astype(dtype)


class Draw:
    """A model under construction: `exact` where its outputs must be equal."""

    def __init__(self, rng):
        self.rng, self.nodes, self.constants, self.inputs = rng, [], {}, {}
        self.outputs, self.exact, self.what = [], True, ''

    def node(self, op, inputs, outputs, domain='', **attrs):
        self.nodes.append(helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attrs))

    def model(self):
        elem = {'float32': TensorProto.FLOAT, 'uint8': TensorProto.UINT8, 'int8': TensorProto.INT8}
        graph = helper.make_graph(
            self.nodes, 'g', [helper.make_tensor_value_info(k, elem[str(v.dtype)], v.shape) for k, v in self.inputs.items()],
            [helper.make_tensor_value_info(k, t, None) for k, t in self.outputs],
            initializer=[numpy_helper.from_array(v, k) for k, v in self.constants.items()])
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17), helper.make_opsetid(MICROSOFT, 1)])
        m.ir_version = 8
        return m.SerializeToString()

    def weight_zeros(self, dtype, channels):
        """Name of the weight's zero points; ONNX Runtime has none for each channel of ConvInteger."""
        self.constants['wz'] = integers(self.rng, dtype) if channels == 1 else integers(self.rng, dtype, channels)
        self.constants['wz'] = np.asarray(self.constants['wz'], dtype)


def quantize(d, shape):
    d.inputs['x'] = floats(d.rng, *shape)
    d.node('DynamicQuantizeLinear', 'x', 'q s z')


def draw_quantize(d):
    quantize(d, [size(d.rng, 8) for _ in range(d.rng.integers(1, 5))])
    d.what = f'DynamicQuantizeLinear {d.inputs["x"].shape}'
    d.outputs = [('q', TensorProto.UINT8), ('s', TensorProto.FLOAT), ('z', TensorProto.UINT8)]


def draw_matmul(d):
    """u8 x s8 or u8, the left operand an input of bytes."""
    rng = d.rng
    k, n, w = size(rng), size(rng), str(rng.choice(['int8', 'uint8']))
    d.inputs['q'] = integers(rng, 'uint8', *[size(rng, 3)] * (rng.random() < 0.3), size(rng), k)
    d.constants.update(w=integers(rng, w, k, n), z=np.asarray(integers(rng, 'uint8')))
    d.weight_zeros(w, 1 if rng.random() < 0.6 else n)
    d.node('MatMulInteger', 'q w z wz', 'y')
    d.outputs = [('y', TensorProto.INT32)]
    d.what = f'MatMulInteger {d.inputs["q"].shape} x {k}x{n} {w}'


def window(rng):
    kernel = [int(rng.integers(1, 5)) for _ in range(2)]
    return kernel, {'strides': [int(rng.integers(1, 3)) for _ in range(2)],
                    'pads': [int(rng.integers(0, k)) for k in kernel * 2]}


def conv_shapes(rng):
    groups = int(rng.choice([1, 1, 1, 2, 5]))
    ic, oc = groups * size(rng, 6), groups * (size(rng, 8) if rng.random() < 0.6 else 1)
    kernel, attrs = window(rng)
    return [1, ic, size(rng, 6) + 3, size(rng, 6) + 3], [oc, ic // groups, *kernel], {**attrs, 'group': groups}


def draw_conv(d):
    x, w, attrs = conv_shapes(d.rng)
    d.inputs['q'] = integers(d.rng, 'uint8', *x)
    d.constants.update(w=integers(d.rng, 'uint8', *w), z=np.asarray(integers(d.rng, 'uint8')))
    d.weight_zeros('uint8', 1)
    d.node('ConvInteger', 'q w z wz', 'y', **attrs)
    d.outputs = [('y', TensorProto.INT32)]
    d.what = f'ConvInteger {x} * {w} {attrs}'


def scales(d, channels):
    d.constants['ws'] = d.rng.uniform(0.001, 0.01, channels).astype(np.float32)
    d.constants['b'] = floats(d.rng, channels if channels > 1 else 1)


def draw_linear(d):
    """What quantize_dynamic writes for a MatMul or Gemm, and its fusions."""
    rng = d.rng
    k, n, w = size(rng), size(rng), str(rng.choice(['int8', 'uint8']))
    form = str(rng.choice(['nodes', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul']))
    d.exact = False
    d.constants['w'] = integers(rng, w, k, n)
    channels = 1 if rng.random() < 0.5 else n
    scales(d, channels)
    d.constants['b'] = floats(rng, n)
    d.weight_zeros(w, channels)
    if channels == 1:
        d.constants.update(wz=d.constants['wz'].reshape(()), ws=d.constants['ws'].reshape(()))
    d.outputs = [('y', TensorProto.FLOAT)]
    d.what = f'{form} {k} -> {n} {w} {channels}'
    shape = [size(rng, 6), k]
    if form == 'DynamicQuantizeMatMul':
        d.inputs['x'] = floats(rng, *shape)
        d.node(form, 'x w ws wz b', 'y', MICROSOFT)
        return
    quantize(d, shape)
    if form == 'MatMulIntegerToFloat':
        d.node(form, 'q w s ws z wz b', 'y', MICROSOFT)
        return
    d.node('MatMulInteger', 'q w z wz', 'c')
    d.node('Cast', 'c', 'f', to=1)
    d.node('Mul', 's ws', 'sw')
    d.node('Mul', 'f sw', 'm')
    d.node('Add', 'm b', 'y')


def draw_dynamic_conv(d):
    x, w, attrs = conv_shapes(d.rng)
    d.exact = False
    d.constants['w'] = integers(d.rng, 'uint8', *w)
    scales(d, 1)
    d.constants['b'] = floats(d.rng, 1, w[0], 1, 1)
    d.weight_zeros('uint8', 1)
    quantize(d, x)
    d.node('ConvInteger', 'q w z wz', 'c', **attrs)
    d.node('Cast', 'c', 'f', to=1)
    d.node('Mul', 's ws', 'sw')
    d.node('Mul', 'f sw', 'm')
    d.node('Add', 'm b', 'y')
    d.outputs = [('y', TensorProto.FLOAT)]
    d.what = f'dynamic Conv {x} * {w} {attrs}'


def draw_small(d):
    """Float layers whose weights are bytes or halves."""
    rng = d.rng
    x, w, attrs = conv_shapes(rng)
    d.exact = False
    d.inputs['x'] = floats(rng, *x)
    if rng.random() < 0.5:
        d.constants['h'] = rng.standard_normal(w).astype(np.float16)
        d.node('Cast', 'h', 'w', to=1)
    else:
        dtype = str(rng.choice(['int8', 'uint8']))
        d.constants.update(q=integers(rng, dtype, *w), ws=rng.uniform(0.001, 0.01, w[0]).astype(np.float32),
                           wz=integers(rng, dtype, w[0]))
        d.node('DequantizeLinear', 'q ws wz', 'w', axis=0)
    d.node('Conv', 'x w', 'y', **attrs)
    d.outputs = [('y', TensorProto.FLOAT)]
    d.what = f'small weights {x} * {w} {attrs}'


KINDS = [draw_quantize, draw_matmul, draw_conv, draw_linear, draw_dynamic_conv, draw_small]


def compare(d, name, got, want):
    if d.exact:
        differ = int((got != want).sum())
        if differ:
            raise Failure(f'{name}: {differ} of {want.size} values differ: {got[got != want][:3]}, not {want[got != want][:3]}')
        return
    error, most = np.abs(got - want).max(), np.abs(want).max()
    if not error <= 1e-5 * max(most, 1e-3):
        raise Failure(f'{name} differs by up to {error:g} of {most:g}')


def check(runtime, qcc, d, tmp):
    path = f'{tmp}/m.onnx'
    model = d.model()
    with open(path, 'wb') as f:
        f.write(model)
    try:
        want = ort.Session(runtime, model).run(d.inputs)
        got = run_qcc(qcc, path, d.inputs, ['-quantize', 'none', '-Wno-quantized-model'], tmp)
        for name, _ in d.outputs:
            compare(d, name, got[name].reshape(want[name].shape), want[name])
    except (Failure, ort.OrtError) as e:
        return f'{d.what}: {e}'
    return None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('qcc')
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=150)
    a = ap.parse_args()
    try:
        runtime = ort.Runtime(ort.library())
    except ort.Missing as e:
        print(f'skipped: {e}')
        return SKIP
    rng, failed = np.random.default_rng(a.seed), []
    with tempfile.TemporaryDirectory() as tmp:
        for i in range(a.count):
            d = Draw(rng)
            KINDS[i % len(KINDS)](d)
            why = check(runtime, a.qcc, d, tmp)
            failed += [why] if why else []
    for why in failed:
        print(f'FAIL {why}')
    print(f'{a.count - len(failed)} passed, {len(failed)} failed')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())

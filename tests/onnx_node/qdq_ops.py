#!/usr/bin/python3
"""qdq_ops.py QCC: each operator between DequantizeLinear and QuantizeLinear, as exporters write quantized models. The
compiler must take it as an integer op, with nothing left in float (-Werror), or say which operators it leaves in float;
and the results must be those of NumPy's float arithmetic on the quantized values, to one quantum."""
import subprocess
import sys
import tempfile

from onnxtest import *

rand = np.random.default_rng(3)
cases = []
X_PARAMS, Y_PARAMS = (0.04, 117), (0.05, 130)


class Build:
    """One model: the nodes, the inputs' data and the constants."""

    def __init__(self, dtype):
        self.dtype, self.off = dtype, 0 if dtype == np.uint8 else 128
        self.nodes, self.inputs, self.consts, self.count = [], {}, {}, 0

    def name(self):
        self.count += 1
        return f't{self.count}'

    def const(self, array):
        name = f'k{len(self.consts)}'
        self.consts[name] = np.asarray(array, order='C')
        return name

    def node(self, op, inputs, n=1, **attributes):
        outs = [self.name() for _ in range(n)]
        self.nodes.append(helper.make_node(op, inputs, outs, **attributes))
        return outs[0] if n == 1 else outs

    def params(self, scale, zero, dtype=None):
        return [self.const(f32(scale)), self.const(np.asarray(zero).astype(dtype or self.dtype))]

    def quantized(self, x, params):
        """x behind a pair of Q and DQ, and its values."""
        s, z = params[0], params[1] - self.off
        p = self.params(s, z)
        q = quantize(self.inputs[x], f32(s), z, self.dtype)
        return self.node('DequantizeLinear', [self.node('QuantizeLinear', [x] + p)] + p), dequantize(q, f32(s), z)

    def input(self, *shape, params=X_PARAMS, spread=2):
        name = f'x{len(self.inputs)}'
        self.inputs[name] = (rand.standard_normal(shape) * spread).astype(np.float32)
        return self.quantized(name, params)

    def weight(self, *shape, scale=0.02, zero=0, axis=None, dtype=np.int8, lo=-127, hi=127):
        q = rand.integers(lo, hi + 1, shape).astype(dtype)
        s = f32(np.linspace(0.5, 1.5, shape[axis]) * scale) if axis is not None else f32(scale)
        z = np.full(np.shape(s), zero)
        view = self.node('DequantizeLinear', [self.const(q)] + self.params(s, z, dtype),
                         **({} if axis is None else {'axis': axis}))
        along = [-1 if i == axis else 1 for i in range(len(shape))]
        return view, dequantize(q, s.reshape(along) if axis is not None else s, zero)


def case(name, build, integer=True, params=Y_PARAMS, **kw):
    """`build(b)`: adds nodes; returns the float result's name and its values. For both types of activations."""
    for dtype in np.uint8, np.int8:
        cases.append((f'{name} {np.dtype(dtype)}', dtype, build, integer, params, kw))


def unary(op, f, **attributes):
    def build(b):
        x, v = b.input(1, 3, 4, 5)
        return b.node(op, [x], **attributes), f(v)
    return build


def binary(op, f, *shapes):
    def build(b):
        (x, v), (y, w) = (b.input(*s, params=p) for s, p in zip(shapes, (X_PARAMS, (0.03, 100))))
        return b.node(op, [x, y]), f(v, w)
    return build


def against(op, f, constant):
    def build(b):
        x, v = b.input(1, 3, 4, 5)
        return b.node(op, [x, b.const(f32(constant))]), f(v, f32(constant))
    return build


# ---- element by element ----

for op, f in ('Add', np.add), ('Sub', np.subtract), ('Mul', np.multiply), ('Max', np.maximum), ('Min', np.minimum):
    case(op, binary(op, f, (1, 3, 4, 5), (1, 3, 4, 5)))
    case(f'{op} broadcast', binary(op, f, (1, 3, 4, 5), (3, 1, 5)))
    case(f'{op} constant', against(op, f, 0.7))
    case(f'{op} constants', against(op, f, rand.standard_normal((3, 1, 1))))
case('Div constant', against('Div', np.divide, 1.7))
case('Pow', against('Pow', np.power, 2.0))
case('PRelu', against('PRelu', lambda v, a: np.where(v < 0, a * v, v), [[[0.1]], [[0.5]], [[-0.3]]]))
for op, f, attributes in [
    ('Relu', lambda v: np.maximum(v, 0), {}),
    ('LeakyRelu', lambda v: np.where(v < 0, 0.1 * v, v), {'alpha': 0.1}),
    ('Sigmoid', lambda v: 1 / (1 + np.exp(-v)), {}),
    ('Tanh', np.tanh, {}),
    ('HardSwish', lambda v: v * np.clip(v / 6 + 0.5, 0, 1), {}),
    ('HardSigmoid', lambda v: np.clip(0.2 * v + 0.5, 0, 1), {}),
    ('Elu', lambda v: np.where(v < 0, np.exp(v) - 1, v), {}),
    ('Softplus', lambda v: np.log1p(np.exp(v)), {}),
    ('Abs', np.abs, {}),
    ('Neg', np.negative, {}),
    ('Floor', np.floor, {}),
]:
    case(op, unary(op, f, **attributes))


def clip(b):
    x, v = b.input(1, 3, 4, 5)
    return b.node('Clip', [x, b.const(f32(-0.5)), b.const(f32(1.5))]), np.clip(v, -0.5, 1.5)


def gelu(b):
    x, v = b.input(4, 6)
    e = b.node('Erf', [b.node('Div', [x, b.const(f32(2**0.5))])])
    product = b.node('Mul', [x, b.node('Add', [e, b.const(f32(1))])])
    erf = np.vectorize(__import__('math').erf)
    return b.node('Mul', [product, b.const(f32(0.5))]), 0.5 * v * (1 + erf(v / 2**0.5))


def swish(b):
    x, v = b.input(4, 6)
    return b.node('Mul', [x, b.node('Sigmoid', [x])]), v / (1 + np.exp(-v))


def add_relu(b):
    name, v = binary('Add', np.add, (2, 9), (2, 9))(b)
    return b.node('Relu', [name]), np.maximum(v, 0)


case('Clip', clip)
case('GELU', gelu)
case('Swish', swish)
case('Add and Relu', add_relu)

# ---- layers ----


def conv(x, w, bias=None, pad=0, groups=1):
    n, c, height, width = x.shape
    oc, icg, kh, kw = w.shape
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    y = np.zeros((n, oc, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1))
    for o in range(oc):
        first = o // (oc // groups) * icg
        for i in range(kh):
            for j in range(kw):
                part = x[:, first:first + icg, i:i + y.shape[2], j:j + y.shape[3]]
                y[:, o] += np.einsum('nchw,c->nhw', part, w[o, :, i, j])
    return y + (0 if bias is None else bias.reshape(1, -1, 1, 1))


def conv_of(pad=0, groups=1, bias=False, **weight):
    def build(b):
        x, v = b.input(1, 4, 6, 5, spread=1)
        w, wv = b.weight(6, 4 // groups, 3, 2, **weight)
        operands, values = [x, w], None
        if bias:
            values = f32(rand.standard_normal(6))
            operands.append(b.const(values))
        return b.node('Conv', operands, pads=[pad] * 4, group=groups), conv(v, wv, values, pad, groups)
    return build


WIDE = {'params': (0.2, 128)}
case('Conv', conv_of(1, bias=True, axis=0), **WIDE)
case('Conv per tensor', conv_of(1), **WIDE)
case('Conv groups', conv_of(0, 2, axis=0), **WIDE)
case('Conv with zero points', conv_of(1, zero=9, bias=True), **WIDE)
case('Conv of u8 weights', conv_of(1, dtype=np.uint8, zero=130, lo=0, hi=255, bias=True), **WIDE)
case('Conv to -128', conv_of(1, lo=-128, axis=0), **WIDE)


def gemm(b):
    x, v = b.input(3, 7)
    w, wv = b.weight(5, 7, axis=0)
    bias = f32(rand.standard_normal(5))
    return b.node('Gemm', [x, w, b.const(bias)], transB=1), v @ wv.T + bias


def matmul_weight(axis=None, **weight):
    def build(b):
        x, v = b.input(2, 3, 7)
        w, wv = b.weight(7, 5, axis=axis, **weight)
        return b.node('MatMul', [x, w]), v @ wv
    return build


def matmul_bias(b):
    name, v = matmul_weight()(b)
    bias = f32(rand.standard_normal(5))
    return b.node('Add', [b.const(bias), name]), v + bias


def conv_transpose(b):
    x, v = b.input(1, 3, 4, 4)
    w, wv = b.weight(3, 2, 2, 2)
    y = np.einsum('nchw,cokl->nohkwl', v, wv).reshape(1, 2, 8, 8)
    return b.node('ConvTranspose', [x, w], strides=[2, 2]), y


case('Gemm', gemm, **WIDE)
case('MatMul weight', matmul_weight(), **WIDE)
case('MatMul channels', matmul_weight(1), **WIDE)
case('MatMul u8 weight', matmul_weight(dtype=np.uint8, zero=100, lo=0, hi=255), **WIDE)
case('MatMul and bias', matmul_bias, **WIDE)
case('MatMul of two', binary('MatMul', np.matmul, (2, 3, 9), (2, 9, 5)), **WIDE)
case('MatMul broadcast', binary('MatMul', np.matmul, (2, 2, 3, 9), (9, 5)), **WIDE)
case('ConvTranspose', conv_transpose, **WIDE)

# ---- pools, means ----

case('GlobalAveragePool', unary('GlobalAveragePool', lambda v: v.mean((2, 3), keepdims=True)))
case('GlobalMaxPool', unary('GlobalMaxPool', lambda v: v.max((2, 3), keepdims=True)))
case('ReduceMean', unary('ReduceMean', lambda v: v.mean((1, 3)), axes=[1, 3], keepdims=0))
case('ReduceMax', unary('ReduceMax', lambda v: v.max(1, keepdims=True), axes=[1]))
case('ReduceMin', unary('ReduceMin', lambda v: v.min((2,)), axes=[2], keepdims=0))
windows = lambda v: np.stack([v[..., i:i + 3, j:j + 4] for i in range(2) for j in range(2)])
case('AveragePool', unary('AveragePool', lambda v: windows(v).mean(0), kernel_shape=[2, 2]))
case('MaxPool', unary('MaxPool', lambda v: windows(v).max(0), kernel_shape=[2, 2]))


def reduce_sum(b):
    x, v = b.input(2, 7)
    return b.node('ReduceSum', [x, b.const(i64(1))]), v.sum(1, keepdims=True)


case('ReduceSum', reduce_sum, **WIDE)

# ---- moves ----

case('Transpose', unary('Transpose', lambda v: v.transpose(0, 2, 3, 1), perm=[0, 2, 3, 1]))
case('Flatten', unary('Flatten', lambda v: v.reshape(1, -1)))


def with_constants(op, f, *constants, **attributes):
    def build(b):
        x, v = b.input(1, 4, 4, 6)
        return b.node(op, [x] + [b.const(c) if c is not None else '' for c in constants], **attributes), f(v)
    return build


case('Reshape', with_constants('Reshape', lambda v: v.reshape(2, -1), i64(2, -1)))
case('Slice', with_constants('Slice', lambda v: v[:, 1:3], i64(1), i64(3), i64(1)))
case('Gather', with_constants('Gather', lambda v: v[:, 2], np.int64(2), axis=1))
case('Gather of several', with_constants('Gather', lambda v: v[:, [3, 0, 0, 1]], i64(3, 0, 0, 1), axis=1))
case('Expand', with_constants('Expand', lambda v: np.broadcast_to(v, (2, 4, 4, 6)), i64(2, 4, 4, 6)))
case('Tile', with_constants('Tile', lambda v: np.tile(v, (1, 2, 1, 1)), i64(1, 2, 1, 1)))
case('DepthToSpace', with_constants(
    'DepthToSpace', lambda v: v.reshape(1, 2, 2, 1, 4, 6).transpose(0, 3, 4, 1, 5, 2).reshape(1, 1, 8, 12), blocksize=2))
case('Pad', with_constants('Pad', lambda v: np.pad(v, [(0, 0), (0, 0), (1, 0), (2, 1)]), i64(0, 0, 1, 2, 0, 0, 0, 1)))
case('Pad reflect', with_constants('Pad', lambda v: np.pad(v, [(0, 0), (0, 0), (1, 0), (2, 1)], mode='reflect'),
                                   i64(0, 0, 1, 2, 0, 0, 0, 1), mode='reflect'))
case('Resize nearest', with_constants('Resize', lambda v: v.repeat(2, 2).repeat(2, 3), None, f32([1, 1, 2, 2]),
                                      mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor'))


def doubled(v, axis):
    """Linear interpolation to twice the size, at half pixels."""
    n = v.shape[axis]
    at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    lo = np.floor(at).astype(int)
    w = (at - lo).reshape([-1 if i == axis else 1 for i in range(v.ndim)])
    return np.take(v, lo, axis) * (1 - w) + np.take(v, np.minimum(lo + 1, n - 1), axis) * w


case('Resize linear', with_constants('Resize', lambda v: doubled(doubled(v, 2), 3), None, f32([1, 1, 2, 2]), mode='linear'))


def concat(b):
    (x, v), (y, w) = b.input(1, 3, 4), b.input(1, 2, 4, params=(0.06, 90))
    return b.node('Concat', [x, y], axis=1), np.concatenate([v, w], 1)


def split(b):
    x, v = b.input(1, 6, 4)
    a, c = b.node('Split', [x], n=2, axis=1)
    return b.node('Add', [a, c]), v[:, :3] + v[:, 3:]


case('Concat', concat)
case('Split', split)

# ---- float islands ----


def softmax(v):
    e = np.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(b):
    x, v = b.input(2, 3, 8)
    g, o = f32(rand.standard_normal(8)), f32(rand.standard_normal(8))
    d = v - v.mean(-1, keepdims=True)
    y = d / np.sqrt((d * d).mean(-1, keepdims=True) + 1e-5) * g + o
    return b.node('LayerNormalization', [x, b.const(g), b.const(o)]), y


case('Softmax', unary('Softmax', softmax), integer=False, params=(1 / 256, 0))
case('LayerNormalization', layer_norm, integer=False, opset=17)
case('Div of two', binary('Div', np.divide, (2, 3), (2, 3)), integer=False)


def run(qcc, c):
    name, dtype, build, integer, params, kw = c
    b = Build(dtype)
    y, want = build(b)
    s, z = f32(params[0]), params[1] - b.off
    p = b.params(s, z)
    b.nodes += [helper.make_node('QuantizeLinear', [y] + p, ['yq']), helper.make_node('DequantizeLinear', ['yq'] + p, ['y'])]
    ins = {k: list(v.shape) for k, v in b.inputs.items()}
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{folder}/m.onnx', 'wb') as f:
            f.write(model(b.nodes, ins, ['y'], b.consts, **{'opset': 14, **kw}).SerializeToString())
        np.savez(f'{folder}/in.npz', **b.inputs)
        call = [qcc, f'{folder}/m.onnx', '-run', f'{folder}/in.npz', '-o', f'{folder}/out.npz']
        r = subprocess.run(call + ['-Werror'], capture_output=True, text=True, timeout=60)
        if not integer:
            if r.returncode != 1 or 'is computed in float' not in r.stderr:
                return f'exit {r.returncode}, and no word of what stays in float: {r.stderr}'
            r = subprocess.run(call, capture_output=True, text=True, timeout=60)
        if r.returncode:
            return f'exit {r.returncode}: {r.stderr.strip()[:500]}'
        with np.load(f'{folder}/out.npz') as out:
            got = out['y']
    with np.errstate(divide='ignore', invalid='ignore'):
        want = dequantize(quantize(np.asarray(want, np.float32), s, z, dtype), s, z)
    if got.size != want.size:
        return f'{got.size} elements, {want.size} expected'
    off = np.abs(got.ravel() - want.ravel()).max() / s
    return f'off by {off:.1f} quanta' if off > 1.01 else None


def main():
    failed = [(c[0], why) for c in cases if (why := run(sys.argv[1], c))]
    return report(len(cases) - len(failed), failed)


if __name__ == '__main__':
    sys.exit(main())

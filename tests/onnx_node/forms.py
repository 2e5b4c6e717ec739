#!/usr/bin/python3
"""forms.py ONNXRUN: the forms that an operator may take (attributes or inputs, paddings, broadcasts,
opsets), each run by the interpreter and compared with NumPy. The backend tests have one form of most."""
import itertools
import sys

import integer
import recurrent
import spatial
from onnxtest import *

rand = np.random.default_rng(1)
cases = []


def x_of(*shape):
    return rand.standard_normal(shape).astype(np.float32)


def case(name, nodes, ins, outs, consts=None, shapes=(), tol=1e-5, **kw):
    """`ins`: name -> array, or name -> (array, declared shape); `outs`: name -> expected array."""
    cases.append((name, nodes, ins, outs, consts or {}, shapes, tol, kw))


# ---- references ----


def window_pads(size, k, s, d, mode):
    total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
    small = total // 2
    return (small, total - small) if mode == 'SAME_UPPER' else (total - small, small)


def conv(x, w, b, stride, pad, dilation, groups):
    """pad: [(before, after)] a dim."""
    x = np.pad(x, [(0, 0), (0, 0), *pad]).astype(np.float64)
    n, c = x.shape[:2]
    oc, icg = w.shape[:2]
    out = [
        (x.shape[2 + i] - (w.shape[2 + i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(len(pad))
    ]
    y = np.zeros((n, oc, *out))
    for o in range(oc):
        first = o // (oc // groups) * icg
        for tap in itertools.product(*[range(k) for k in w.shape[2:]]):
            at = tuple(
                slice(t * d, t * d + (m - 1) * s + 1, s) for t, d, m, s in zip(tap, dilation, out, stride)
            )
            y[:, o] += np.einsum(
                'nc...,c->n...', x[(slice(None), slice(first, first + icg), *at)], w[(o, slice(None), *tap)]
            )
    return (y + (0 if b is None else b.reshape(1, -1, *[1] * len(pad)))).astype(np.float32)


def pool(x, kernel, stride, pad, ceil, average=None, dilation=None):
    """average: None (max), 'valid' or 'padded' (count_include_pad)."""
    dims = x.shape[2:]
    dilation = dilation or [1] * len(dims)
    out = []
    for i, size in enumerate(dims):
        room = size + sum(pad[i]) - (kernel[i] - 1) * dilation[i] - 1
        n = (-(-room // stride[i]) if ceil else room // stride[i]) + 1
        if ceil and (n - 1) * stride[i] >= size + pad[i][0]:
            n -= 1
        out.append(n)
    y = np.zeros((*x.shape[:2], *out), np.float32)
    for o in itertools.product(*[range(n) for n in out]):
        taps = [
            [o[i] * stride[i] - pad[i][0] + k * dilation[i] for k in range(kernel[i])]
            for i in range(len(dims))
        ]
        inside = [[t for t in ts if 0 <= t < dims[i]] for i, ts in enumerate(taps)]
        padded = [[t for t in ts if -pad[i][0] <= t < dims[i] + pad[i][1]] for i, ts in enumerate(taps)]
        v = x[np.ix_(range(x.shape[0]), range(x.shape[1]), *inside)]
        axes = tuple(range(2, x.ndim))
        count = np.prod([len(p) for p in (padded if average == 'padded' else inside)])
        y[(slice(None), slice(None), *o)] = v.max(axes) if average is None else v.sum(axes) / count
    return y


def flat_pads(pad):
    return [p[0] for p in pad] + [p[1] for p in pad]


# ---- Conv ----

for dims, mode, stride, k in [
    ((7, 6), 'SAME_UPPER', (2, 2), (3, 3)),
    ((7, 6), 'SAME_LOWER', (2, 3), (4, 2)),
    ((9,), 'SAME_UPPER', (2,), (4,)),
    ((8,), 'SAME_LOWER', (3,), (2,)),
    ((7, 6), 'VALID', (1, 2), (3, 2)),
]:
    x, w = x_of(2, 3, *dims), x_of(4, 3, *k)
    pad = (
        [(0, 0)] * len(dims)
        if mode == 'VALID'
        else [window_pads(d, kk, s, 1, mode) for d, kk, s in zip(dims, k, stride)]
    )
    case(
        f'conv {mode} {dims}',
        [node('Conv', 'x w', 'y', auto_pad=mode, strides=stride)],
        {'x': x},
        {'y': conv(x, w, None, stride, pad, [1] * len(dims), 1)},
        {'w': w},
    )
for dims, groups, dilation, pad in [
    ((8, 7), 1, (2, 1), [(1, 2), (0, 3)]),
    ((8, 7), 2, (1, 2), [(0, 0), (2, 1)]),
    ((8, 7), 4, (1, 1), [(1, 1), (1, 1)]),
    ((11,), 4, (2,), [(3, 0)]),
    ((11,), 2, (1,), [(0, 2)]),
]:
    k = (3,) * len(dims)
    x, w, b = x_of(1, 4, *dims), x_of(8, 4 // groups, *k), x_of(8)
    case(
        f'conv groups {groups} {dims}',
        [node('Conv', 'x w b', 'y', group=groups, dilations=dilation, pads=flat_pads(pad), kernel_shape=k)],
        {'x': x},
        {'y': conv(x, w, b, [1] * len(dims), pad, dilation, groups)},
        {'w': w, 'b': b},
    )
x, w = x_of(1, 2, 5, 5), x_of(3, 2, 2, 2)
case(
    'conv zero pads beside auto_pad',
    [node('Conv', 'x w', 'y', auto_pad='SAME_UPPER', pads=[0, 0, 0, 0])],
    {'x': x},
    {'y': conv(x, w, None, (1, 1), [(0, 1), (0, 1)], (1, 1), 1)},
    {'w': w},
)
case(
    'conv weight through Identity and Reshape',
    [node('Identity', 'w', 'w1'), node('Reshape', 'w1 s', 'w2'), node('Conv', 'x w2', 'y')],
    {'x': x},
    {'y': conv(x, w, None, (1, 1), [(0, 0), (0, 0)], (1, 1), 1)},
    {'w': w.reshape(-1), 's': i64(3, 2, 2, 2)},
)

# ---- pools ----

for dims, k, s, pad, ceil in [
    ((7, 8), (3, 2), (2, 3), [(1, 0), (0, 1)], False),
    ((7, 8), (3, 3), (2, 2), [(0, 0), (1, 1)], True),
    ((5, 5), (2, 2), (3, 3), [(0, 1), (1, 0)], True),
    ((9,), (2,), (2,), [(0, 0)], True),
    ((10,), (3,), (3,), [(1, 1)], False),
    ((1, 1), (1, 1), (2, 2), [(0, 0), (0, 0)], True),
]:
    x = x_of(1, 2, *dims)
    common = dict(kernel_shape=k, strides=s, pads=flat_pads(pad), ceil_mode=int(ceil))
    case(
        f'max pool {dims} ceil {ceil}',
        [node('MaxPool', 'x', 'y', **common)],
        {'x': x},
        {'y': pool(x, k, s, pad, ceil)},
    )
    for include in (0, 1):
        case(
            f'average pool {dims} ceil {ceil} include {include}',
            [node('AveragePool', 'x', 'y', count_include_pad=include, **common)],
            {'x': x},
            {'y': pool(x, k, s, pad, ceil, 'padded' if include else 'valid')},
        )
x = x_of(1, 1, 9, 8)
case(
    'max pool dilated',
    [node('MaxPool', 'x', 'y', kernel_shape=[3, 2], dilations=[2, 3])],
    {'x': x},
    {'y': pool(x, (3, 2), (1, 1), [(0, 0), (0, 0)], False, dilation=(2, 3))},
)
case(
    'max pool, unused Indices',
    [node('MaxPool', 'x', 'y i', kernel_shape=[3, 2])],
    {'x': x},
    {'y': pool(x, (3, 2), (1, 1), [(0, 0), (0, 0)], False)},
)
case(
    'average pool SAME_LOWER',
    [node('AveragePool', 'x', 'y', kernel_shape=[2, 3], strides=[1, 2], auto_pad='SAME_LOWER')],
    {'x': x},
    {'y': pool(x, (2, 3), (1, 2), [(1, 0), window_pads(8, 3, 2, 1, 'SAME_LOWER')], False, 'valid')},
)
for p in (1, 2):
    v = x_of(1, 2, 7, 6)
    powers = np.abs(v) ** p
    sums = pool(powers, (3, 2), (2, 1), [(1, 1), (0, 1)], False, 'padded') * 6
    case(f'LpPool {p}', [node('LpPool', 'x', 'y', p=p, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])],
         {'x': v}, {'y': sums ** (1 / p)})
    case(f'GlobalLpPool {p}', [node('GlobalLpPool', 'x', 'y', p=p)], {'x': v},
         {'y': powers.sum((2, 3), keepdims=True) ** (1 / p)})
for shape in [(2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)]:
    x = x_of(*shape)
    case(
        f'global average pool {len(shape)}',
        [node('GlobalAveragePool', 'x', 'y')],
        {'x': x},
        {'y': x.mean(axis=tuple(range(2, x.ndim)), keepdims=True)},
    )

# ---- Gemm, MatMul ----

for constant, ta, tb, c_shape in itertools.product(
    (0, 1), (0, 1), (0, 1), [None, (), (1,), (4,), (1, 4), (3, 1), (3, 4)]
):
    a, b = x_of(*((5, 3) if ta else (3, 5))), x_of(*((4, 5) if tb else (5, 4)))
    c = None if c_shape is None else x_of(*c_shape)
    want = 0.5 * (a.T if ta else a) @ (b.T if tb else b) + (0 if c is None else np.float32(2) * c)
    ins, consts = {'a': a}, {} if c is None else {'c': c}
    (consts if constant else ins)['b'] = b
    case(
        f'gemm constant {constant} transA {ta} transB {tb} C {c_shape}',
        [node('Gemm', 'a b' + ('' if c is None else ' c'), 'y', alpha=0.5, beta=2.0, transA=ta, transB=tb)],
        ins,
        {'y': want},
        consts,
    )
a, b, c = x_of(2, 3), x_of(3, 4), x_of(2, 4)
case(
    'gemm computed C',
    [node('Gemm', 'a b c', 'y', beta=3.0)],
    {'a': a, 'c': c},
    {'y': a @ b + 3 * c},
    {'b': b},
)
case('gemm beta 0', [node('Gemm', 'a b c', 'y', beta=0.0)], {'a': a}, {'y': a @ b}, {'b': b, 'c': c})
for sa, sb in [
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 1, 2, 3), (5, 3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((4, 3), (2, 3, 4)),
    ((3,), (2, 3, 4)),
    ((2, 4, 3), (3,)),
]:
    a, b = x_of(*sa), x_of(*sb)
    case(f'matmul {sa} {sb}', [node('MatMul', 'a b', 'y')], {'a': a, 'b': b}, {'y': a @ b})
    case(f'matmul {sa} constant {sb}', [node('MatMul', 'a b', 'y')], {'a': a}, {'y': a @ b}, {'b': b})
    case(f'matmul constant {sa} {sb}', [node('MatMul', 'a b', 'y')], {'b': b}, {'y': a @ b}, {'a': a})

# ---- quantized ----

q, s, z = rand.integers(-128, 128, (4, 5)).astype(np.int8), f32([0.1, 0.2, 0.3, 0.4]), np.zeros(4, np.int8)
w = dequantize(q, s[:, None], 0)
x = x_of(3, 5)
dq = [node('DequantizeLinear', 'q s z', 'w', axis=0)]
case(
    'gemm of per-channel weights',
    [*dq, node('Gemm', 'x w', 'y', transB=1, alpha=2.0)],
    {'x': x},
    {'y': 2 * x @ w.T},
    {'q': q, 's': s, 'z': z},
)
case(
    'matmul of transposed per-channel weights',
    [*dq, node('Transpose', 'w', 'v', perm=[1, 0]), node('MatMul', 'x v', 'y')],
    {'x': x},
    {'y': x @ w.T},
    {'q': q, 's': s, 'z': z},
)
case(
    'gemm of weights along axis 1',
    [node('DequantizeLinear', 'q s', 'w', axis=-1), node('Gemm', 'x w', 'y')],
    {'x': x},
    {'y': x @ w.T},
    {'q': q.T.copy(), 's': s},
)
case(
    'gemm of negative alpha',
    [*dq, node('Gemm', 'x w', 'y', transB=1, alpha=-1.5)],
    {'x': x},
    {'y': -1.5 * x @ w.T},
    {'q': q, 's': s, 'z': z},
)
b = rand.integers(-1000, 1000, (1, 4)).astype(np.int32)
case(
    'gemm of a dequantized bias [1, N]',
    [*dq, node('DequantizeLinear', 'b bs', 'c', axis=1), node('Gemm', 'x w c', 'y', transB=1)],
    {'x': x},
    {'y': x @ w.T + dequantize(b, s * 0.01, 0)},
    {'q': q, 's': s, 'z': z, 'b': b, 'bs': f32(s * 0.01)},
)
q = rand.integers(-128, 128, (4, 2, 3)).astype(np.int8)
x = x_of(1, 2, 9)
case(
    '1-D conv of per-channel weights',
    [*dq, node('Conv', 'x w', 'y')],
    {'x': x},
    {'y': conv(x, dequantize(q, s[:, None, None], 0), None, (1,), [(0, 0)], (1,), 1)},
    {'q': q, 's': s, 'z': z},
    tol=1e-4,
)
x = x_of(2, 3, 4) * 3
qx = quantize(x, f32(0.05), 7, np.uint8)
qdq = {'s': f32(0.05), 'z': np.uint8(7)}
case(
    'quantize, dequantize',
    [node('QuantizeLinear', 'x s z', 'q'), node('DequantizeLinear', 'q s z', 'y')],
    {'x': x},
    {'q': qx, 'y': dequantize(qx, f32(0.05), 7)},
    qdq,
)
case(
    'quantize without a zero point',
    [node('QuantizeLinear', 'x s', 'y')],
    {'x': x},
    {'y': quantize(x, f32(0.05), 0, np.uint8)},
    {'s': f32(0.05)},
)
case(
    'quantize with output_dtype',
    [node('QuantizeLinear', 'x s', 'y', output_dtype=TensorProto.INT8)],
    {'x': x},
    {'y': quantize(x, f32(0.05), 0, np.int8)},
    {'s': f32(0.05)},
    opset=21,
)
case(
    'quantize: scale as a list of one',
    [node('QuantizeLinear', 'x s z', 'y')],
    {'x': x},
    {'y': qx},
    {'s': f32([0.05]), 'z': np.uint8([7])},
)
sa, za = f32([0.03, 0.05, 0.2]), np.int8([-3, 0, 9])
case(
    'quantize along an axis',
    [node('QuantizeLinear', 'x s z', 'y', axis=1)],
    {'x': x},
    {'y': quantize(x, sa[:, None], za[:, None].astype(np.int32), np.int8)},
    {'s': sa, 'z': za},
)
case(
    'other parameters: the same integers',
    [node('QuantizeLinear', 'x s z', 'q'), node('DequantizeLinear', 'q t u', 'y')],
    {'x': x},
    {'y': dequantize(qx, f32(0.3), 99)},
    {**qdq, 't': f32(0.3), 'u': np.uint8(99)},
)
case(
    'quantized input',
    [node('DequantizeLinear', 'x s z', 'y'), node('DequantizeLinear', 'x t', 'v')],
    {'x': qx},
    {'y': dequantize(qx, f32(0.05), 7), 'v': dequantize(qx, f32(0.5), 0)},
    {**qdq, 't': f32(0.5)},
)
case(
    'quantized constant',
    [node('QuantizeLinear', 'w s z', 'q'), node('DequantizeLinear', 'q s z', 'v'), node('Add', 'x v', 'y')],
    {'x': x},
    {'y': x + dequantize(quantize(x[0], f32(0.05), 7, np.uint8), f32(0.05), 7)},
    {**qdq, 'w': x[0]},
)
case(
    'moves between Q and DQ',
    [
        node('QuantizeLinear', 'x s z', 'q'),
        node('Transpose', 'q', 't'),
        node('Reshape', 't n', 'r'),
        node('Slice', 'r a b', 'c'),
        node('DequantizeLinear', 'c s z', 'y'),
    ],
    {'x': x},
    {'y': dequantize(qx.T.reshape(2, -1)[1:], f32(0.05), 7)},
    {**qdq, 'n': i64(2, -1), 'a': i64(1), 'b': i64(2)},
)
q4 = quantize(x_of(1, 1, 4, 4), f32(0.05), 100, np.uint8)
case(
    'max pool and pad of quantized values',
    [
        node('DequantizeLinear', 'x s z', 'f'),
        node('QuantizeLinear', 'f s z', 'q'),
        node('Pad', 'q p v', 'r'),
        node('MaxPool', 'r', 'y', kernel_shape=[2, 2]),
    ],
    {'x': q4},
    {
        'y': pool(
            np.pad(q4, [(0, 0), (0, 0), (1, 0), (0, 1)], constant_values=9).astype(np.float32),
            (2, 2),
            (1, 1),
            [(0, 0), (0, 0)],
            False,
        ).astype(np.uint8)
    },
    {'s': f32(0.05), 'z': np.uint8(100), 'p': i64(0, 0, 1, 0, 0, 0, 0, 1), 'v': np.uint8(9)},
)
xq, wq = rand.integers(0, 256, (1, 3, 5, 5)).astype(np.uint8), rand.integers(-128, 128, (4, 3, 3, 3)).astype(
    np.int8
)
bq, ws = rand.integers(-500, 500, 4).astype(np.int32), f32([0.01, 0.02, 0.03, 0.04])
acc = conv(
    dequantize(xq, f32(0.1), 120),
    dequantize(wq, ws[:, None, None, None], 0),
    bq * f32(0.1) * ws,
    (1, 1),
    [(1, 1)] * 2,
    (1, 1),
    1,
)
case(
    'QLinearConv',
    [node('QLinearConv', 'x xs xz w ws wz ys yz b', 'y', pads=[1, 1, 1, 1])],
    {'x': xq},
    {'y': quantize(acc, f32(0.3), 128, np.uint8)},
    {
        'xs': f32(0.1),
        'xz': np.uint8(120),
        'w': wq,
        'ws': ws,
        'wz': np.zeros(4, np.int8),
        'ys': f32(0.3),
        'yz': np.uint8(128),
        'b': bq,
    },
    tol=1,
)

# ---- the quantized operators of com.microsoft, as ONNX Runtime's quantizer makes them ----

MS = {'imports': [helper.make_opsetid('com.microsoft', 1)]}
PX, PB, PY = (f32(0.05), 120), (f32(0.02), 9), (f32(0.07), 100)


def ms(name, op, inputs, operands, want, like=np.uint8, zeros=True, tol=1, float_out=False, **attrs):
    """`operands`: name -> (integers, (scale, zero)); the first is the input, the others are constants. `want`: the
    result in float. Scales and zero points are named after what they belong to."""
    values = {k: (q.astype(like) if k in 'xb' else q) for k, (q, _) in operands.items()}
    consts = {k: v for k, v in values.items() if k != 'x'}
    params = {**{k: p for k, (_, p) in operands.items() if p}, 'y': PY}
    for k, (s, z) in params.items():
        consts[k + 's'] = s
        consts[k + 'z'] = np.asarray(z, values[k].dtype if k in values else like)
    names = [i if zeros or not i.endswith('z') else '' for i in inputs.split()]
    used = {k: v for k, v in consts.items() if k in names}
    n = helper.make_node(op, names, ['y'], domain='com.microsoft', **attrs)
    out = want.astype(np.float32) if float_out else quantize(want, PY[0], PY[1] if zeros else 0, like)
    case(f'{op} {name}', [n], {'x': values['x']}, {'y': out}, used, tol=tol, **MS)


for like, off in (np.uint8, 0), (np.int8, 128):
    px, pb = (PX[0], PX[1] - off), (PB[0], PB[1] - off)
    q = rand.integers(0, 256, (2, 4, 6, 5)) - off
    r = rand.integers(0, 256, (4, 1, 5)) - off
    x, b = dequantize(q, *px), dequantize(r, *pb)
    two = 'x xs xz b bs bz ys yz'
    ms(like.__name__, 'QLinearAdd', two, {'x': (q, px), 'b': (r, pb)}, x + b, like)
    ms(like.__name__, 'QLinearMul', two, {'x': (q, px), 'b': (r, pb)}, x * b, like)
    one = 'x xs xz ys yz'
    ms(like.__name__, 'QLinearSigmoid', one, {'x': (q, px)}, 1 / (1 + np.exp(-x)), like)
    ms(like.__name__, 'QLinearLeakyRelu', one, {'x': (q, px)}, np.where(x < 0, 0.25 * x, x), like, alpha=0.25)
    ms(like.__name__, 'QLinearGlobalAveragePool', one, {'x': (q, px)}, x.mean((2, 3), keepdims=True), like)
    ms(like.__name__, 'QLinearAveragePool', one, {'x': (q, px)},
       pool(x, (3, 2), (2, 1), [(1, 1), (0, 1)], False, 'padded'), like, kernel_shape=[3, 2], strides=[2, 1],
       pads=[1, 0, 1, 1], count_include_pad=1)
    ms(like.__name__, 'QLinearReduceMean', one, {'x': (q, px)}, x.mean((1, 3)), like, axes=[1, -1], keepdims=0)
    ms('of all ' + like.__name__, 'QLinearReduceMean', one, {'x': (q, px)}, x.mean(keepdims=True), like)
    e = np.exp(x - x.max(2, keepdims=True))
    ms(like.__name__, 'QLinearSoftmax', one, {'x': (q, px)}, e / e.sum(2, keepdims=True), like, axis=2, opset=13)
    e = np.exp(x - x.max((2, 3), keepdims=True))
    ms('of opset 11 ' + like.__name__, 'QLinearSoftmax', one, {'x': (q, px)}, e / e.sum((2, 3), keepdims=True), like,
       axis=2, opset=11)
    c = rand.integers(0, 256, (2, 4, 2, 5)) - off
    ms(like.__name__, 'QLinearConcat', 'ys yz x xs xz b bs bz', {'x': (q, px), 'b': (c, pb)},
       np.concatenate([x, dequantize(c, *pb)], 2), like, axis=2)
    w = rand.integers(-127, 128, (4, 3)).astype(np.int8)
    sw = f32([0.01, 0.02, 0.005, 0.03])
    bias = rand.integers(-300, 300, 4).astype(np.int32)
    a = rand.integers(0, 256, (5, 3)) - off
    xa, wf = dequantize(a, *px), dequantize(w, sw[:, None], 0)
    layer = {'x': (a, px), 'w': (w, (sw, np.zeros(4))), 'c': (bias, None)}
    gemm = 'x xs xz w ws wz c ys yz'
    ms(like.__name__, 'QGemm', gemm, layer, xa @ wf.T + bias * px[0] * sw, like, transB=1)
    turned = {**layer, 'x': (a.T.copy(), px), 'w': (w.T.copy(), (sw, np.zeros(4)))}
    ms('turned ' + like.__name__, 'QGemm', gemm, turned, xa @ wf.T + bias * px[0] * sw, like, transA=1)
    ms('alpha ' + like.__name__, 'QGemm', gemm, layer, 0.5 * (xa @ wf.T + bias * px[0] * sw), like, transB=1, alpha=0.5)
    ms('to float ' + like.__name__, 'QGemm', 'x xs xz w ws wz', layer, xa @ wf.T, like, transB=1, float_out=True, tol=1e-4)
    k = rand.integers(-127, 128, (6, 2, 3, 3)).astype(np.int8)
    ms(like.__name__, 'QLinearConv', 'x xs xz w ws wz ys yz', {'x': (q, px), 'w': (k, (f32(0.01), 0))},
       conv(x, dequantize(k, f32(0.01), 0), None, (1, 1), [(1, 1), (1, 1)], (1, 1), 2), like, group=2,
       pads=[1, 1, 1, 1])
    z0 = (PX[0], 0), (PB[0], 0)
    ms('without zero points ' + like.__name__, 'QLinearAdd', two, {'x': (q, z0[0]), 'b': (r, z0[1])},
       dequantize(q, *z0[0]) + dequantize(r, *z0[1]), like, zeros=False)
    ms('without zero points ' + like.__name__, 'QLinearSigmoid', one, {'x': (q, z0[0])},
       1 / (1 + np.exp(-dequantize(q, *z0[0]))), like, zeros=False)
qa, qb = rand.integers(0, 256, (2, 3, 7)).astype(np.uint8), rand.integers(-128, 128, (2, 7, 4)).astype(np.int8)
case(
    'QLinearMatMul of two inputs',
    [node('QLinearMatMul', 'a as az b bs bz ys yz', 'y')],
    {'a': qa, 'b': qb},
    {'y': quantize(dequantize(qa, f32(0.1), 130) @ dequantize(qb, f32(0.05), -7), f32(0.9), 77, np.uint8)},
    {'as': f32(0.1), 'az': np.uint8(130), 'bs': f32(0.05), 'bz': np.int8(-7), 'ys': f32(0.9), 'yz': np.uint8(77)},
    tol=1,
)
x = x_of(2, 3, 4) * 3

# ---- element by element ----

x = x_of(2, 3, 4, 5)
for sb in [(5,), (4, 1), (3, 1, 1), (2, 1, 1, 1), (), (1,), (2, 3, 4, 5)]:
    b = np.abs(x_of(*sb)) + f32(1)
    for op, f in {'Add': np.add, 'Sub': np.subtract, 'Mul': np.multiply, 'Div': np.divide}.items():
        case(
            f'{op} {sb}',
            [node(op, 'x b', 'y'), node(op, 'b x', 'v')],
            {'x': np.abs(x) + f32(1)},
            {'y': f(np.abs(x) + f32(1), b), 'v': f(b, np.abs(x) + f32(1))},
            {'b': b},
        )
for sb, attrs, view in [
    ((5,), {}, (5,)),
    ((3,), {'axis': 1}, (3, 1, 1)),
    ((3, 4), {'axis': 1}, (3, 4, 1)),
    ((2,), {'axis': -4}, (2, 1, 1, 1)),
]:
    b = x_of(*sb)
    case(
        f'opset 6 Add {sb} {attrs}',
        [node('Add', 'x b', 'y', broadcast=1, **attrs)],
        {'x': x},
        {'y': x + b.reshape(view)},
        {'b': b},
        opset=6,
    )
case(
    'Sum of three',
    [node('Sum', 'x b c', 'y')],
    {'x': x},
    {'y': x + x[0] + x[0, 0]},
    {'b': x[0], 'c': x[0, 0]},
)
case('Mean of three', [node('Mean', 'x b c', 'y')], {'x': x}, {'y': (x + x[0] + x[0, 0]) / 3}, {'b': x[0], 'c': x[0, 0]})
for op, f in ('Max', np.maximum), ('Min', np.minimum):
    case(f'{op} of three', [node(op, 'x b c', 'y')], {'x': x}, {'y': f(f(x, x[0, ::-1, :1]), 0.25)},
         {'b': x[0, ::-1, :1], 'c': f32(0.25)})
    case(f'{op} of two inputs', [node(op, 'x v', 'y')], {'x': x, 'v': x[:, :1]}, {'y': f(x, x[:, :1])})
    case(f'{op} with infinity', [node(op, 'x c', 'y')], {'x': x}, {'y': f(x, 1e30)}, {'c': f32(1e30)})
for e in (0, 1, 2, 3, -2, 5):
    case(f'Pow {e}', [node('Pow', 'x e', 'y')], {'x': x}, {'y': x.astype(np.float64) ** e}, {'e': f32(e)})
for e in (0.5, -0.5, 1.75):
    case(f'Pow {e}', [node('Pow', 'x e', 'y')], {'x': np.abs(x)}, {'y': np.abs(x) ** f32(e)}, {'e': f32([e])})
for e in np.int64(3), np.int32(3), f32([[3, 3, 3, 3, 3]]):
    case(f'Pow of {e.dtype}{e.shape}', [node('Pow', 'x e', 'y')], {'x': x}, {'y': x**3}, {'e': e})
for slope in x_of(3, 1, 1), x_of(5), x_of(2, 3, 4, 5), f32([0.25]), x_of(1, 3, 1, 1):
    case(f'PRelu {slope.shape}', [node('PRelu', 'x a', 'y')], {'x': x}, {'y': np.where(x < 0, slope * x, x)},
         {'a': slope})
case('opset 6 PRelu', [node('PRelu', 'x a', 'y')], {'x': x}, {'y': np.where(x < 0, x[0, :, :1, :1] * x, x)},
     {'a': x[0, :, 0, 0].copy()}, opset=6)
case('opset 1 Selu', [node('Selu', 'x', 'y')], {'x': x},
     {'y': np.where(x < 0, 1.0507 * 1.6732 * (np.exp(x) - 1), 1.0507 * x)}, opset=1)
for shape in (5,), (4, 1), (2, 3, 4, 5):
    mask = rand.random(shape) < 0.5
    case(f'Where {shape}', [node('Where', 'c x v', 'y')], {'x': x, 'v': x[:1]}, {'y': np.where(mask, x, x[:1])},
         {'c': mask})
    case(f'Where {shape} with a constant', [node('Where', 'c x v', 'y')], {'x': x}, {'y': np.where(mask, x, f32(-1e30))},
         {'c': mask, 'v': f32(-1e30)})
case('Clip min only', [node('Clip', 'x a', 'y')], {'x': x}, {'y': np.maximum(x, 0.25)}, {'a': f32(0.25)})
case(
    'Clip max only',
    [helper.make_node('Clip', ['x', '', 'b'], ['y'])],
    {'x': x},
    {'y': np.minimum(x, 0.25)},
    {'b': f32(0.25)},
)
case(
    'Clip min above max',
    [node('Clip', 'x a b', 'y')],
    {'x': x},
    {'y': np.full_like(x, -1)},
    {'a': f32(2), 'b': f32(-1)},
)
case(
    'Clip to infinity',
    [node('Clip', 'x a b', 'y')],
    {'x': x},
    {'y': np.maximum(x, 0)},
    {'a': f32(0), 'b': f32(np.inf)},
)
case('Clip to computed bounds', [node('Clip', 'x a b', 'y')], {'x': x, 'a': f32(-0.5), 'b': f32([0.25])},
     {'y': np.clip(x, -0.5, 0.25)})
case('Clip to a computed maximum', [helper.make_node('Clip', ['x', '', 'b'], ['y'])], {'x': x, 'b': f32(0.25)},
     {'y': np.minimum(x, 0.25)})
for dtype, zero, lo, hi in (np.uint8, 60, 0, 127), (np.int8, -5, -7, 7), (np.int8, 3, 0, 127):
    q = quantize(x, f32(0.05), zero, dtype)
    case(
        f'Clip of {np.dtype(dtype)} between Q and DQ',
        [node('QuantizeLinear', 'x s z', 'q'), node('Clip', 'q a b', 'c'), node('DequantizeLinear', 'c s z', 'y')],
        {'x': x},
        {'y': dequantize(np.clip(q, lo, hi), f32(0.05), zero)},
        {'s': f32(0.05), 'z': dtype(zero), 'a': dtype(lo), 'b': dtype(hi)},
    )
s3, z3 = f32([0.05, 0.1, 0.02]), np.int8([0, 2, -3])
q = quantize(x, s3[:, None, None], z3[:, None, None].astype(np.int32), np.int8)
case(
    'Clip of channels between Q and DQ',
    [node('QuantizeLinear', 'x s z', 'q', axis=1), helper.make_node('Clip', ['q', '', 'b'], ['c']),
     node('DequantizeLinear', 'c s z', 'y', axis=1)],
    {'x': x},
    {'y': dequantize(np.minimum(q, 7), s3[:, None, None], z3[:, None, None].astype(np.int32))},
    {'s': s3, 'z': z3, 'b': np.int8(7)},
)
case(
    'opset 6 Clip',
    [node('Clip', 'x', 'y', min=-0.5, max=3.4028234663852886e38)],
    {'x': x},
    {'y': np.maximum(x, -0.5)},
    opset=6,
)
sc, bb, mm, vv = x_of(3), x_of(3), x_of(3), np.abs(x_of(3))
bn = (x - mm[:, None, None]) / np.sqrt(vv + f32(1e-3))[:, None, None] * sc[:, None, None] + bb[:, None, None]
for opset in (7, 9, 14, 15):
    case(
        f'BatchNormalization opset {opset}',
        [node('BatchNormalization', 'x s b m v', 'y', epsilon=1e-3)],
        {'x': x},
        {'y': bn},
        {'s': sc, 'b': bb, 'm': mm, 'v': vv},
        opset=opset,
    )


def softmax(x, axes):
    e = np.exp(x - x.max(axis=axes, keepdims=True))
    return e / e.sum(axis=axes, keepdims=True)


for opset, axis, axes in [
    (11, 1, (1, 2, 3)),
    (11, 2, (2, 3)),
    (11, 3, (3,)),
    (11, -2, (2, 3)),
    (11, None, (1, 2, 3)),
    (11, 0, (0, 1, 2, 3)),
    (13, 1, (1,)),
    (13, None, (3,)),
    (13, -3, (1,)),
]:
    case(
        f'softmax opset {opset} axis {axis}',
        [node('Softmax', 'x', 'y', **({} if axis is None else {'axis': axis}))],
        {'x': x},
        {'y': softmax(x, axes)},
        opset=opset,
    )
for opset, axis, axes in [(11, 1, (1, 2, 3)), (13, 1, (1,)), (13, None, (3,))]:
    case(
        f'log softmax opset {opset} axis {axis}',
        [node('LogSoftmax', 'x', 'y', **({} if axis is None else {'axis': axis}))],
        {'x': x},
        {'y': np.log(softmax(x, axes))},
        opset=opset,
    )


def normalized(x, axes, eps):
    d = x.astype(np.float64) - x.mean(axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axes, keepdims=True) + eps)


for axis, axes, sg, sb in [
    (-1, (3,), (5,), (5,)), (2, (2, 3), (4, 5), (5,)), (1, (1, 2, 3), (3, 4, 5), None), (3, (3,), (1,), (5,)),
]:
    g, b = x_of(*sg), None if sb is None else x_of(*sb)
    case(
        f'LayerNormalization {axis}',
        [node('LayerNormalization', 'x g' if b is None else 'x g b', 'y', axis=axis, epsilon=1e-3)],
        {'x': x},
        {'y': normalized(x, axes, 1e-3) * g + (0 if b is None else b)},
        {'g': g} if b is None else {'g': g, 'b': b},
        opset=17,
    )
d = x.astype(np.float64) - x.mean((2, 3), keepdims=True)
g = x_of(4, 5)
case(
    'LayerNormalization with its moments',
    [node('LayerNormalization', 'x g', 'y m d', axis=2)],
    {'x': x},
    {
        'y': normalized(x, (2, 3), 1e-5) * g,
        'm': x.mean((2, 3), keepdims=True),
        'd': 1 / np.sqrt((d * d).mean((2, 3), keepdims=True) + 1e-5),
    },
    {'g': g},
    opset=17,
)
case('LayerNormalization with its deviation', [helper.make_node('LayerNormalization', ['x', 'g'], ['y', '', 'd'], axis=2)],
     {'x': x}, {'d': 1 / np.sqrt((d * d).mean((2, 3), keepdims=True) + 1e-5)}, {'g': g}, opset=17)
v = x_of(2, 6, 3, 2)
for opset, groups in [(18, 1), (18, 2), (18, 6), (21, 3), (21, 6)]:
    g, b = x_of(groups if opset < 21 else 6), x_of(groups if opset < 21 else 6)
    rows = normalized(v.reshape(2, groups, -1), (2,), 1e-5).reshape(v.shape)
    each = [np.repeat(p, 6 // p.size)[:, None, None] for p in (g, b)]
    case(
        f'GroupNormalization opset {opset} groups {groups}',
        [node('GroupNormalization', 'x g b', 'y', num_groups=groups)],
        {'x': v},
        {'y': rows * each[0] + each[1]},
        {'g': g, 'b': b},
        opset=opset,
    )
for opset, v in [(1, v), (6, x_of(2, 3, 7)), (6, x_of(1, 2, 3, 4, 2))]:
    g, b = x_of(v.shape[1]), x_of(v.shape[1])
    each = [p.reshape(-1, *[1] * (v.ndim - 2)) for p in (g, b)]
    case(
        f'InstanceNormalization opset {opset} {v.shape}',
        [node('InstanceNormalization', 'x g b', 'y', epsilon=1e-2)],
        {'x': v},
        {'y': normalized(v, tuple(range(2, v.ndim)), 1e-2) * each[0] + each[1]},
        {'g': g, 'b': b},
        opset=opset,
    )
for size, attrs in [(3, {}), (4, {'alpha': 0.5, 'beta': 0.25, 'bias': 2.0}), (1, {'beta': 1.0}), (9, {'alpha': 1.0})]:
    v = x_of(2, 5, 3)
    before = (size - 1) // 2
    padded = np.pad(v.astype(np.float64) ** 2, [(0, 0), (before, size - 1 - before), (0, 0)])
    square = sum(padded[:, i:i + 5] for i in range(size))
    scale = attrs.get('bias', 1) + attrs.get('alpha', 1e-4) / size * square
    case(f'LRN {size}', [node('LRN', 'x', 'y', size=size, **attrs)], {'x': v},
         {'y': v / scale ** attrs.get('beta', 0.75)})
v = x_of(2, 3, 4)
v[1, :, 2] = 0
for p in (1, 2):
    for axis in (-1, 1):
        size = np.abs(v).sum(axis, keepdims=True) if p == 1 else np.sqrt((v * v).sum(axis, keepdims=True))
        case(f'LpNormalization {p} {axis}', [node('LpNormalization', 'x', 'y', p=p, axis=axis)], {'x': v},
             {'y': np.where(size > 0, v / np.where(size > 0, size, 1), 0)})
for attrs, axes in ({}, (0, 2, 3)), ({'axes': [1, -1]}, (1, 3)):
    d = x - x.mean(axes, keepdims=True)
    case(f'MeanVarianceNormalization {axes}', [node('MeanVarianceNormalization', 'x', 'y', **attrs)], {'x': x},
         {'y': d / np.sqrt((d * d).mean(axes, keepdims=True))})
for keep in (0, 1):
    case(
        f'ReduceMean attribute {keep}',
        [node('ReduceMean', 'x', 'y', axes=[-1, 2], keepdims=keep)],
        {'x': x},
        {'y': x.mean((2, 3), keepdims=bool(keep))},
    )
    case(
        f'ReduceMean input {keep}',
        [node('ReduceMean', 'x a', 'y', keepdims=keep)],
        {'x': x},
        {'y': x.mean((1, 3), keepdims=bool(keep))},
        {'a': i64(3, -3)},
        opset=18,
    )
    case(
        f'ReduceMean all {keep}',
        [node('ReduceMean', 'x', 'y', keepdims=keep)],
        {'x': x},
        {'y': x.mean(keepdims=bool(keep))},
    )
REDUCTIONS = {
    'ReduceSum': np.sum,
    'ReduceMax': np.max,
    'ReduceMin': np.min,
    'ReduceL1': lambda v, **k: np.abs(v).sum(**k),
    'ReduceL2': lambda v, **k: np.sqrt((v * v).sum(**k)),
    'ReduceSumSquare': lambda v, **k: (v * v).sum(**k),
    'ReduceLogSum': lambda v, **k: np.log(v.sum(**k)),
    'ReduceLogSumExp': lambda v, **k: np.log(np.exp(v.astype(np.float64)).sum(**k)),
}
for (op, f), keep in itertools.product(REDUCTIONS.items(), (0, 1)):
    v = np.abs(x) + f32(0.1)
    new = op == 'ReduceSum'
    for axes in ((1,), (0, 2), (2, 3), (-1, 1), (0, 1, 2, 3)):
        case(
            f'{op} {axes} {keep}',
            [node(op, 'x a', 'y', keepdims=keep) if new else node(op, 'x', 'y', axes=axes, keepdims=keep)],
            {'x': v},
            {'y': f(v, axis=axes, keepdims=bool(keep))},
            {'a': i64(*axes)} if new else {},
        )
    case(f'{op} of all {keep}', [node(op, 'x', 'y', keepdims=keep)], {'x': v}, {'y': f(v, keepdims=bool(keep))})
    case(
        f'{op} of no axes {keep}',
        [node(op, 'x a', 'y', noop_with_empty_axes=1, keepdims=keep)],
        {'x': v},
        {'y': f(v[None], axis=0)},
        {'a': np.zeros(0, np.int64)},
        opset=18,
    )
case('ReduceLogSumExp of large values', [node('ReduceLogSumExp', 'x', 'y', axes=[3])], {'x': x + f32(200)},
     {'y': 200 + np.log(np.exp(x).sum(3, keepdims=True))}, tol=1e-4)
for shape in [(2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)]:
    v = x_of(*shape)
    case(f'GlobalMaxPool {len(shape)}', [node('GlobalMaxPool', 'x', 'y')], {'x': v},
         {'y': v.max(axis=tuple(range(2, v.ndim)), keepdims=True)})
case(
    'ReduceMean of no axes',
    [node('ReduceMean', 'x a', 'y', noop_with_empty_axes=1)],
    {'x': x},
    {'y': x},
    {'a': np.zeros(0, np.int64)},
    opset=18,
)

# ---- movement ----

case(
    'Flatten',
    [
        node('Flatten', 'x', 'a', axis=0),
        node('Flatten', 'x', 'b', axis=4),
        node('Flatten', 'x', 'c', axis=-1),
    ],
    {'x': x},
    {'a': x.reshape(1, -1), 'b': x.reshape(-1, 1), 'c': x.reshape(-1, 5)},
)
case(
    'Reshape 0 and -1',
    [node('Reshape', 'x s', 'y')],
    {'x': x},
    {'y': x.reshape(2, 3, 20)},
    {'s': i64(0, 0, -1)},
)
case(
    'opset 1 Reshape', [node('Reshape', 'x', 'y', shape=[0, -1])], {'x': x}, {'y': x.reshape(2, -1)}, opset=4
)
case(
    'Squeeze, Unsqueeze attributes',
    [node('Unsqueeze', 'x', 'u', axes=[0, 3]), node('Squeeze', 'u', 'y')],
    {'x': x},
    {'u': x[None, :, :, None], 'y': x},
    opset=11,
)
case(
    'Squeeze, Unsqueeze inputs',
    [node('Unsqueeze', 'x a', 'u'), node('Squeeze', 'u b', 'y')],
    {'x': x},
    {'u': x[None, ..., None], 'y': x[..., None]},
    {'a': i64(-1, 0), 'b': i64(0)},
)
case(
    'Transpose',
    [node('Transpose', 'x', 'a'), node('Transpose', 'x', 'b', perm=[0, 2, 3, 1])],
    {'x': x},
    {'a': x.T, 'b': x.transpose(0, 2, 3, 1)},
)
case(
    'Concat',
    [node('Concat', 'x x c', 'y', axis=-2)],
    {'x': x},
    {'y': np.concatenate([x, x, x[:, :, :1]], 2)},
    {'c': x[:, :, :1]},
)
case('Concat of one', [node('Concat', 'x', 'y', axis=1)], {'x': x}, {'y': x})
p = [(0, 0), (1, 0), (0, 2), (1, 1)]
for mode in ('constant', 'reflect', 'edge'):
    case(
        f'Pad {mode}',
        [node('Pad', 'x', 'y', pads=flat_pads(p), mode=mode)],
        {'x': x},
        {'y': np.pad(x, p, mode=mode)},
        opset=10,
    )
case(
    'Pad value',
    [node('Pad', 'x p v', 'y')],
    {'x': x},
    {'y': np.pad(x, p, constant_values=-2.5)},
    {'p': i64(*flat_pads(p)), 'v': f32(-2.5)},
)
case(
    'Pad axes',
    [helper.make_node('Pad', ['x', 'p', '', 'a'], ['y'])],
    {'x': x},
    {'y': np.pad(x, [(0, 0), (0, 0), (3, 4), (1, 2)])},
    {'p': i64(1, 3, 2, 4), 'a': i64(-1, 2)},
    opset=18,
)
for a, b, axes, steps, want in [
    ([1], [3], [2], [1], x[:, :, 1:3]),
    ([-1], [-100], [3], [-2], x[..., -1::-2]),
    ([0, 1], [2**63 - 1] * 2, [1, 3], [2, 3], x[:, ::2, :, 1::3]),
    ([3], [-(2**63)], [2], [-1], x[:, :, 3::-1]),
    ([-3], [-1], [-1], [1], x[..., -3:-1]),
    ([100], [0], [2], [-3], x[:, :, 100:0:-3]),
]:
    case(
        f'Slice {a} {b} {axes} {steps}',
        [node('Slice', 'x a b c d', 'y')],
        {'x': x},
        {'y': want},
        {'a': i64(*a), 'b': i64(*b), 'c': i64(*axes), 'd': i64(*steps)},
    )
case(
    'Slice attributes',
    [node('Slice', 'x', 'y', starts=[0, 1], ends=[1, 9], axes=[0, 2])],
    {'x': x},
    {'y': x[:1, :, 1:]},
    opset=9,
)
case(
    'Split attribute',
    [node('Split', 'x', 'a b', axis=3, split=[2, 3])],
    {'x': x},
    {'a': x[..., :2], 'b': x[..., 2:]},
    opset=11,
)
case(
    'Split input',
    [node('Split', 'x s', 'a b', axis=-1)],
    {'x': x},
    {'a': x[..., :4], 'b': x[..., 4:]},
    {'s': i64(4, 1)},
)
case(
    'Split uneven',
    [node('Split', 'x', 'a b', axis=3, num_outputs=2)],
    {'x': x},
    {'a': x[..., :3], 'b': x[..., 3:]},
    opset=18,
)
case('Split, one part unused', [node('Split', 'x', 'a b', axis=2)], {'x': x}, {'b': x[:, :, 2:]})
for axis, index in [
    (0, 1), (1, -1), (3, [1]), (2, [3, 2, 1, 0]), (-1, [0, 2, 4]), (1, [2, 0, 1]), (3, [4, 4, 0, 1, 2, -1]),
    (1, [[0, 1], [2, 1]]), (0, [[1], [0]]), (2, [[3, 2, 1], [2, 1, 0]]),
]:
    for dtype in np.int64, np.int32:
        case(f'Gather {axis} {index} {dtype.__name__}', [node('Gather', 'x i', 'y', axis=axis)], {'x': x},
             {'y': np.take(x, index, axis)}, {'i': np.array(index, dtype)})
case('Gather of a vector by a scalar', [node('Gather', 'x i', 'y')], {'x': x[0, 0, 0]}, {'y': x[0, 0, 0, 2]},
     {'i': np.int64(2)})
d = x_of(2, 12, 3, 5)
for mode, perm, shape in ('DCR', (0, 3, 4, 1, 5, 2), (2, 2, 2, 3, 3, 5)), ('CRD', (0, 1, 4, 2, 5, 3), (2, 3, 2, 2, 3, 5)):
    case(f'DepthToSpace {mode}', [node('DepthToSpace', 'x', 'y', blocksize=2, mode=mode)], {'x': d},
         {'y': d.reshape(shape).transpose(perm).reshape(2, 3, 6, 10)})
case('opset 1 DepthToSpace', [node('DepthToSpace', 'x', 'y', blocksize=2)], {'x': d},
     {'y': d.reshape(2, 2, 2, 3, 3, 5).transpose(0, 3, 4, 1, 5, 2).reshape(2, 3, 6, 10)}, opset=10)
d = x_of(2, 2, 6, 9)
case('SpaceToDepth', [node('SpaceToDepth', 'x', 'y', blocksize=3)], {'x': d},
     {'y': d.reshape(2, 2, 2, 3, 3, 3).transpose(0, 3, 5, 1, 2, 4).reshape(2, 18, 2, 3)})
for shape in [(2, 3, 4, 5), (3, 1, 1), (7, 2, 3, 4, 5), (1,)]:
    case(f'Expand {shape}', [node('Expand', 'x s', 'y')], {'x': x[:, :, :, :1]},
         {'y': x[:, :, :, :1] * np.ones(shape, np.float32)}, {'s': i64(*shape)})
for repeats in [(1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 3, 1), (2, 2, 2, 2), (1, 1, 1, 4)]:
    case(f'Tile {repeats}', [node('Tile', 'x r', 'y')], {'x': x}, {'y': np.tile(x, repeats)}, {'r': i64(*repeats)})
case('Dropout', [node('Dropout', 'x r', 'y m')], {'x': x}, {'y': x}, {'r': f32(0.5)})
case(
    'Dropout, not in training',
    [node('Dropout', 'x r t', 'y')],
    {'x': x},
    {'y': x},
    {'r': f32(0.5), 't': np.array(False)},
)
case(
    'Cast of a DOUBLE constant to FLOAT',
    [node('Cast', 'd', 'f', to=1), node('Add', 'x f', 'y')],
    {'x': x},
    {'y': x + f32([0.1, 1 / 3, 1e-300, 16777217, 0])},
    {'d': np.array([0.1, 1 / 3, 1e-300, 16777217, 0])},
)
case(
    'Cast of a DOUBLE Constant to FLOAT',
    [
        helper.make_node('Constant', [], ['d'], value=helper.make_tensor('v', TensorProto.DOUBLE, [], [0.1])),
        node('Cast', 'd', 'f', to=1),
        node('Add', 'x f', 'y'),
    ],
    {'x': x},
    {'y': x + f32(0.1)},
)
case('CastLike', [node('CastLike', 'i x', 'f'), node('CastLike', 'x f', 'g'), node('Add', 'g f', 'y')], {'x': x},
     {'y': x + 3}, {'i': np.int64(3)}, opset=15)
case('Cast to FLOAT', [node('Cast', 'x', 'y', to=1)], {'x': x}, {'y': x})

# ---- constants ----

case(
    'flatten by computed shape',
    [
        node('Shape', 'x', 's'),
        node('Gather', 's zero', 'n', axis=0),
        node('Unsqueeze', 'n zeros', 'n1'),
        node('Concat', 'n1 m1', 't', axis=0),
        node('Reshape', 'x t', 'y'),
    ],
    {'x': x},
    {'y': x.reshape(2, -1)},
    {'zero': np.int64(0), 'zeros': i64(0), 'm1': i64(-1)},
)
case(
    'shape arithmetic',
    [
        node('Shape', 'x', 's'),
        node('Slice', 's one four', 'd'),
        node('ReduceProd', 'd', 'p', keepdims=0),
        node('Div', 'p c5', 'q'),
        node('Add', 'q c0', 'q1'),
        node('Mul', 'q1 c1', 'q2'),
        node('Sub', 'q2 c0', 'q3'),
        node('Unsqueeze', 'q3 z', 'q4'),
        node('Concat', 'm1 q4', 't', axis=0),
        node('Cast', 't', 't32', to=6),
        node('Cast', 't32', 't64', to=7),
        node('Reshape', 'x t64', 'y'),
    ],
    {'x': x},
    {'y': x.reshape(-1, 12)},
    {
        'one': i64(1),
        'four': i64(4),
        'c5': np.int64(5),
        'c0': np.int64(0),
        'c1': np.int64(1),
        'z': i64(0),
        'm1': i64(-1),
    },
)
case(
    'Size, Range, Expand, Split of constants',
    [
        node('Size', 'x', 'n'),
        node('Range', 'z n k', 'r'),
        node('Cast', 'r', 'f', to=1),
        node('Reshape', 'f s', 'g'),
        node('Split', 'g', 'g0 g1', axis=3, split=[2, 3]),
        node('Expand', 'g0 e', 'h'),
        node('Slice', 'x a b c', 'u'),
        node('Add', 'u h', 'y'),
    ],
    {'x': x},
    {
        'y': x[..., :2]
        + np.broadcast_to(np.arange(0, 120, 24, dtype=np.float32).reshape(1, 1, 1, 5)[..., :2], (2, 3, 4, 2))
    },
    {
        'z': np.int64(0),
        'k': np.int64(24),
        's': i64(1, 1, 1, 5),
        'e': i64(2, 3, 1, 1),
        'a': i64(0),
        'b': i64(2),
        'c': i64(3),
    },
    opset=11,
)
case(
    'ConstantOfShape, Transpose of constants',
    [
        node('ConstantOfShape', 's', 'c', value=helper.make_tensor('v', 1, [1], [2.5])),
        node('Mul', 'c w', 'd'),
        node('Transpose', 'd', 'e'),
        node('Add', 'x e', 'y'),
    ],
    {'x': x},
    {'y': x + 2.5 * x[0, 0]},
    {'s': i64(5, 4), 'w': x[0, 0].T.copy()},
)
for attrs, want in [
    ({'value_float': 1.5}, x * 1.5),
    ({'value_floats': [1.0, 2.0, 3.0, 4.0, 5.0]}, x * f32([1, 2, 3, 4, 5])),
    ({'value': helper.make_tensor('v', 1, [4, 1], [1, 2, 3, 4])}, x * f32([1, 2, 3, 4])[:, None]),
]:
    case(
        f'Constant {next(iter(attrs))}',
        [node('Constant', '', 'c', **attrs), node('Mul', 'x c', 'y')],
        {'x': x},
        {'y': want},
    )
case(
    'Constant value_ints',
    [node('Constant', '', 'c', value_ints=[-1, 4]), node('Reshape', 'x c', 'y')],
    {'x': x},
    {'y': x.reshape(-1, 4)},
)
case(
    'Constant value_int',
    [node('Constant', '', 'c', value_int=120), node('Unsqueeze', 'c z', 'd'), node('Reshape', 'x d', 'y')],
    {'x': x},
    {'y': x.reshape(-1)},
    {'z': i64(0)},
)
for op, args, want in [('Mod', (-7, 4), 1), ('Min', (3, 5), 3), ('Max', (3, 5), 5), ('Div', (-7, 2), -3)]:
    case(
        f'integer {op}',
        [node(op, 'a b', 'c'), node('Cast', 'c', 'f', to=1), node('Add', 'x f', 'y')],
        {'x': x},
        {'y': x + f32(want)},
        {'a': np.int64(args[0]), 'b': np.int64(args[1])},
    )
for op, want in [
    ('ReduceSum', [9, 12]),
    ('ReduceMin', [1, 2]),
    ('ReduceMax', [5, 6]),
    ('ReduceProd', [15, 48]),
]:
    case(
        f'integer {op}',
        [
            node(
                op,
                'a z' if op == 'ReduceSum' else 'a',
                'c',
                keepdims=0,
                **({} if op == 'ReduceSum' else {'axes': [0]}),
            ),
            node('Cast', 'c', 'f', to=1),
            node('Add', 'x f', 'y'),
        ],
        {'x': x_of(2)},
        {'y': None},
        {'a': np.array([[1, 2], [3, 4], [5, 6]]), 'z': i64(0)},
    )
    cases[-1][3]['y'] = cases[-1][2]['x'] + f32(want)
for op, want in [('Equal', [0, 1, 0]), ('Less', [1, 0, 0]), ('Greater', [0, 0, 1])]:
    case(
        f'integer {op}',
        [node(op, 'a b', 'c'), node('Cast', 'c', 'f', to=1), node('Add', 'x f', 'y')],
        {'x': f32([0.5, 0.5, 0.5])},
        {'y': f32([0.5, 0.5, 0.5]) + f32(want)},
        {'a': i64(1, 2, 3), 'b': i64(2)},
    )
case(
    'Neg, Abs of integers',
    [node('Neg', 'a', 'b'), node('Abs', 'b', 'c'), node('Sub', 'c b', 'd'), node('Reshape', 'x d', 'y')],
    {'x': x},
    {'y': x.reshape(-1)},
    {'a': i64(60)},
)

# ---- integers that look up a table ----

table = np.arange(256)[::-1] // 2
lookup = [
    node('QuantizeLinear', 'x s z', 'q'),
    node('Cast', 'q', 'i', to=6),
    node('Add', 'k i', 'j'),
    node('Gather', 't j', 'g'),
    node('DequantizeLinear', 'g s gz', 'y'),
]
grid = np.linspace(-20, 20, 81).astype(np.float32)
for dtype, zero, offset in (np.uint8, 100, 0), (np.int8, -3, 128), (np.int8, -3, 0):
    least = np.iinfo(dtype).min
    at = np.clip(np.rint(grid / np.float32(0.1)) + zero, least, least + 255).astype(int) + offset
    for small in np.uint8, np.int8:
        entries = table.astype(small)
        consts = {'s': f32(0.1), 'z': dtype(zero), 'k': np.int32(offset), 't': entries, 'gz': small(7)}
        case(
            f'a table of {small.__name__} over {dtype.__name__}, {offset} added',
            lookup,
            {'x': grid},
            {'y': (entries[at].astype(np.float32) - np.float32(7)) * np.float32(0.1)},
            consts,
        )

# ---- a bias behind a product ----

w = x_of(5, 6)
bias = x_of(6)
for operands in 'p b', 'b p':
    case(
        f'MatMul, then Add of {operands}',
        [node('MatMul', 'x w', 'p'), node('Add', operands, 'y')],
        {'x': x},
        {'y': x @ w + bias},
        {'w': w, 'b': bias},
    )
case(
    'MatMul, then two additions',
    [node('MatMul', 'x w', 'p'), node('Add', 'p b', 'y'), node('Add', 'p c', 'v')],
    {'x': x},
    {'y': x @ w + bias, 'v': x @ w + 1},
    {'w': w, 'b': bias, 'c': np.ones(6, np.float32)},
)
case('MatMul of a vector', [node('MatMul', 'x w', 'y')], {'x': x[0, 0, 0]}, {'y': x[0, 0, 0] @ w}, {'w': w})

# ---- graphs ----

case(
    'unsorted nodes',
    [node('Relu', 'b', 'y'), node('Neg', 'a', 'b'), node('Exp', 'x', 'a')],
    {'x': x},
    {'y': np.maximum(-np.exp(x), 0)},
)
case(
    'a dead node of an unknown operator',
    [node('Nonsense', 'x', 'd'), node('Neg', 'x', 'y')],
    {'x': x},
    {'y': -x},
)
case('an input as an output', [node('Neg', 'x', 'y')], {'x': x}, {'y': -x, 'x': x})
case(
    'an intermediate as an output',
    [node('Neg', 'x', 'a'), node('Relu', 'a', 'y')],
    {'x': x},
    {'a': -x, 'y': np.maximum(-x, 0)},
)
case(
    'symbolic dimensions',
    [node('Neg', 'x', 'y')],
    {'x': (x, ['N', 3, None, 5])},
    {'y': -x},
    shapes=['x=2,3,4,5'],
)
case(
    'symbolic dimensions by name',
    [node('Add', 'x v', 'y')],
    {'x': (x, ['N', 3, 'H', 5]), 'v': (x, ['N', 3, 'H', 5])},
    {'y': x + x},
    shapes=['H=4', 'N=2'],
)


integer.add_cases(case, np.random.default_rng(7), conv)
recurrent.add_cases(case, rand)
spatial.add_cases(case, rand, conv, pool)


def run(tool, c):
    name, nodes, ins, outs, consts, shapes, tol, kw = c
    declared, arrays = {}, []
    for k, v in ins.items():
        a, s = v if isinstance(v, tuple) else (v, list(v.shape))
        declared[k] = (s, TYPES[str(a.dtype)])
        arrays.append(a)
    for n in nodes:
        if n.op_type == 'Constant':
            del n.input[:]
    r = Run(tool, model(nodes, declared, list(outs), consts, **kw), arrays, shapes)
    if r.status:
        return f'exit {r.status}: {r.text.strip()}'
    if len(r.outputs) != len(outs):
        return f'{len(r.outputs)} outputs'
    for (k, want), got in zip(outs.items(), r.outputs):
        want = np.asarray(want)
        if got.shape != want.shape or (got.dtype != want.dtype and want.dtype.kind != 'f'):
            return f'{k} is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}'
        off = np.abs(got.astype(np.float64) - want.astype(np.float64)) / (
            1 if tol >= 1 else 1 + np.abs(want.astype(np.float64))
        )
        if off.size and off.max() > tol:
            return f'{k} is off by {off.max():g}'
    return None


def main():
    failed = [(c[0], why) for c in cases if (why := run(sys.argv[1], c))]
    return report(len(cases) - len(failed), failed)


if __name__ == '__main__':
    sys.exit(main())

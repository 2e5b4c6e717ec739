"""Dynamic quantization and integer products in NumPy, and the forms that they take: what forms.py adds."""
import numpy as np
from onnx import helper
from onnxtest import f32, node

MICROSOFT = {'imports': [helper.make_opsetid('com.microsoft', 1)]}


def quantize(x):
    """DynamicQuantizeLinear, in float32: (q, scale, zero point)."""
    lo, hi = np.minimum(x.min(), np.float32(0)), np.maximum(x.max(), np.float32(0))
    scale = (hi - lo) / np.float32(255) if hi > lo else np.float32(1)
    zero = np.uint8(np.rint(np.clip(-lo / scale, 0, 255)))
    return np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8), np.float32(scale), zero


def integers(x, zero=0):
    return x.astype(np.int64) - np.asarray(zero, np.int64)


def scaled(acc, scale, bias=0):
    """Each product and the sum rounded to float32."""
    return (acc.astype(np.float32) * np.asarray(scale, np.float32)).astype(np.float32) + np.float32(bias)


def add_cases(case, rand, conv):
    def bytes_of(dtype, *shape):
        info = np.iinfo(dtype)
        return rand.integers(info.min, info.max + 1, shape).astype(dtype)

    # ---- DynamicQuantizeLinear ----
    for name, x in [('both signs', f32(rand.standard_normal((3, 5)) * 4)), ('positive', f32([0.5, 3, 2])),
                    ('negative', f32([[-0.5], [-3]])), ('zeros', f32([0, 0, 0])), ('scalar', f32(-2.5))]:
        q, s, z = quantize(x)
        case(f'DynamicQuantizeLinear {name}', [node('DynamicQuantizeLinear', 'x', 'q s z')], {'x': x},
             {'q': q, 's': s, 'z': z}, tol=0)
    x = f32(rand.standard_normal(7))
    q, s, z = quantize(x)
    case('DynamicQuantizeLinear, integers alone', [node('DynamicQuantizeLinear', 'x', 'y s z')], {'x': x}, {'y': q})

    # ---- MatMulInteger ----
    for name, a_shape, b_shape in [('matrices', (4, 7), (7, 3)), ('batches', (2, 1, 4, 7), (3, 7, 5)),
                                   ('a row', (7,), (7, 3)), ('a column', (2, 4, 7), (7,)), ('vectors', (7,), (7,))]:
        for ta, tb in [(np.uint8, np.int8), (np.int8, np.uint8)]:
            a, b = bytes_of(ta, *a_shape), bytes_of(tb, *b_shape)
            za, zb = bytes_of(ta)[()], bytes_of(tb)[()]
            want = np.matmul(integers(a, za), integers(b, zb)).astype(np.int32)
            case(f'MatMulInteger {name} {ta.__name__}', [node('MatMulInteger', 'a b za zb', 'y')], {'a': a},
                 {'y': want}, {'b': b, 'za': np.asarray(za), 'zb': np.asarray([zb])}, tol=0)
    a, b = bytes_of(np.uint8, 4, 7), bytes_of(np.int8, 7, 3)
    plain = np.matmul(integers(a), integers(b)).astype(np.int32)
    case('MatMulInteger without zero points', [node('MatMulInteger', 'a b', 'y')], {'a': a, 'b': b}, {'y': plain}, tol=0)
    zb = bytes_of(np.int8, 3)
    case('MatMulInteger, a zero point for each column', [node('MatMulInteger', 'a b za zb', 'y')],
         {'a': a}, {'y': np.matmul(integers(a, 9), integers(b, zb)).astype(np.int32)},
         {'b': b, 'za': np.uint8(9), 'zb': zb}, tol=0)
    case('MatMulInteger, zero points as a row', [node('MatMulInteger', 'a b za zb', 'y')],
         {'a': a}, {'y': np.matmul(integers(a, 9), integers(b, zb)).astype(np.int32)},
         {'b': b, 'za': np.uint8([[9]]), 'zb': zb[None]}, tol=0)
    case('MatMulInteger as float', [node('MatMulInteger', 'a b', 'c'), node('Cast', 'c', 'y', to=1)],
         {'a': a, 'b': b}, {'y': plain.astype(np.float32)}, tol=0)

    # ---- ConvInteger ----
    for name, x_shape, w_shape, attrs, pad in [
        ('1-D', (2, 3, 9), (4, 3, 3), {'pads': [1, 2], 'strides': [2]}, [(1, 2)]),
        ('2-D', (1, 4, 6, 7), (6, 2, 3, 2), {'pads': [1, 0, 2, 1], 'group': 2}, [(1, 2), (0, 1)]),
        ('depthwise', (1, 3, 6, 5), (3, 1, 3, 3), {'auto_pad': 'SAME_UPPER', 'group': 3}, [(1, 1), (1, 1)]),
    ]:
        x, w = bytes_of(np.uint8, *x_shape), bytes_of(np.int8, *w_shape)
        stride, groups = attrs.get('strides', [1] * len(pad)), attrs.get('group', 1)
        for zw in (np.int8(-7), bytes_of(np.int8, w_shape[0])):
            wide = integers(w, np.reshape(zw, (-1,) + (1,) * (w.ndim - 1)))
            want = conv(integers(x, 40), wide, None, stride, pad, [1] * len(pad), groups).astype(np.int32)
            case(f'ConvInteger {name} {np.ndim(zw)}', [node('ConvInteger', 'x w xz wz', 'y', **attrs)], {'x': x},
                 {'y': want}, {'w': w, 'xz': np.uint8(40), 'wz': np.asarray(zw)}, tol=0)

    # ---- what onnxruntime.quantization.quantize_dynamic writes ----
    x, w, b = f32(rand.standard_normal((5, 12))), bytes_of(np.int8, 12, 6), f32(rand.standard_normal(6))
    q, s, z = quantize(x)
    for name, ws, wz in [('per tensor', f32([0.02]), np.int8([3])),
                         ('per channel', f32(rand.uniform(0.01, 0.05, 6)), bytes_of(np.int8, 6))]:
        want = scaled(np.matmul(integers(q, z), integers(w, wz)), s * ws, b)
        nodes = [node('DynamicQuantizeLinear', 'x', 'q s z'), node('MatMulInteger', 'q w z wz', 'c'),
                 node('Cast', 'c', 'f', to=1), node('Mul', 's ws', 'sw'), node('Mul', 'f sw', 'm'),
                 node('Add', 'b m', 'y')]
        consts = {'w': w, 'ws': ws, 'wz': wz, 'b': b}
        case(f'quantize_dynamic MatMul {name}', nodes, {'x': x}, {'y': want}, consts, tol=0)
        case(f'MatMulIntegerToFloat {name}', [nodes[0], node('MatMulIntegerToFloat', 'q w s ws z wz b', 'y',
                                                             domain='com.microsoft')],
             {'x': x}, {'y': want}, consts, tol=0, **MICROSOFT)
        case(f'DynamicQuantizeMatMul {name}',
             [node('DynamicQuantizeMatMul', 'x w ws wz b', 'y', domain='com.microsoft')], {'x': x}, {'y': want},
             consts, tol=0, **MICROSOFT)

    # ---- weights as FLOAT16 ----
    half = rand.standard_normal((12, 6)).astype(np.float16)
    case('FLOAT16 weights', [node('Cast', 'h', 'w', to=1), node('Gemm', 'x w b', 'y')], {'x': x},
         {'y': x @ half.astype(np.float32) + b}, {'h': half, 'b': b})
    case('FLOAT16 weights, turned', [node('Transpose', 'h', 't', perm=[1, 0]), node('Cast', 't', 'w', to=1),
                                     node('Gemm', 'x w', 'y', transB=1)], {'x': x},
         {'y': x @ half.astype(np.float32)}, {'h': half})
    case('constants cast to FLOAT16 and back', [node('Cast', 'c', 'h', to=10), node('Cast', 'h', 'd', to=1),
                                                node('Mul', 'x d', 'y')], {'x': x},
         {'y': x * np.float32(np.float16(0.1))}, {'c': f32(0.1)}, tol=0)

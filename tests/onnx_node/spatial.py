"""Windows over depth and transposed convolutions in NumPy, by the equations of ONNX, and the forms that they take:
what forms.py adds."""
import itertools

import numpy as np
from onnxtest import f32, node


def spread(x, w, b, stride, dilation, groups, size, begin):
    """ConvTranspose: every input adds to the result, of which `size` elements from `begin` on are kept."""
    n, c = x.shape[:2]
    m = w.shape[1] * groups
    dims = x.shape[2:]
    full = [
        max((d - 1) * s + (k - 1) * e + 1, o + p)
        for d, s, k, e, o, p in zip(dims, stride, w.shape[2:], dilation, size, begin)
    ]
    y = np.zeros((n, m, *full))
    for g in range(groups):
        xs = x[:, g * c // groups:(g + 1) * c // groups]
        ws = w[g * c // groups:(g + 1) * c // groups]
        out = slice(g * w.shape[1], (g + 1) * w.shape[1])
        for tap in itertools.product(*[range(k) for k in w.shape[2:]]):
            at = tuple(slice(t * e, t * e + (d - 1) * s + 1, s) for t, e, d, s in zip(tap, dilation, dims, stride))
            y[(slice(None), out, *at)] += np.einsum('nc...,co->no...', xs, ws[(slice(None), slice(None), *tap)])
    if b is not None:
        y += b.reshape(1, -1, *[1] * len(dims))
    return f32(y[(slice(None), slice(None), *(slice(p, p + o) for p, o in zip(begin, size)))])


def natural(dims, kernel, stride, dilation, output_padding):
    return [(d - 1) * s + (k - 1) * e + 1 + o for d, k, s, e, o in zip(dims, kernel, stride, dilation, output_padding)]


def transposed_forms(case, some):
    for name, dims, kernel, c, m, g, attrs in [
        ('plain', (4, 5), (3, 2), 2, 3, 1, {}),
        ('strides', (4, 5), (3, 2), 2, 3, 1, {'strides': [2, 3]}),
        ('pads', (4, 5), (3, 4), 2, 3, 1, {'strides': [2, 1], 'pads': [1, 0, 2, 3]}),
        ('dilations', (4, 3), (3, 2), 2, 3, 1, {'strides': [2, 3], 'dilations': [3, 2]}),
        ('output_padding', (3, 3), (3, 3), 2, 3, 1,
         {'strides': [3, 2], 'output_padding': [2, 1], 'pads': [1, 1, 1, 1]}),
        ('groups', (3, 4), (2, 3), 6, 9, 3, {'strides': [2, 2], 'group': 3}),
        ('depthwise', (3, 4), (4, 4), 5, 5, 5, {'strides': [2, 2], 'group': 5, 'pads': [1, 1, 1, 1]}),
        ('depthwise, two each', (3, 4), (2, 2), 3, 6, 3, {'strides': [2, 2], 'group': 3}),
        ('gaps', (3, 2), (2, 1), 2, 2, 1, {'strides': [4, 3]}),
        ('1-D', (7,), (4,), 3, 4, 1, {'strides': [2], 'pads': [1, 2], 'output_padding': [1]}),
        ('3-D', (3, 2, 4), (2, 3, 2), 2, 3, 1, {'strides': [2, 1, 3], 'pads': [0, 1, 0, 1, 0, 2]}),
        ('3-D groups', (2, 2, 2), (2, 2, 2), 4, 6, 2, {'strides': [2, 2, 2], 'group': 2, 'output_padding': [1, 0, 1]}),
    ]:
        ones, zeros = [1] * len(dims), [0] * len(dims)
        stride, dilation = attrs.get('strides', ones), attrs.get('dilations', ones)
        pads = attrs.get('pads', zeros * 2)
        full = natural(dims, kernel, stride, dilation, attrs.get('output_padding', zeros))
        size = [f - a - b for f, a, b in zip(full, pads, pads[len(dims):])]
        x, w, b = some(2, c, *dims), some(c, m // g, *kernel), some(m)
        for bias in (None, b):
            consts = {'w': w} if bias is None else {'w': w, 'b': b}
            case(f'ConvTranspose {name}{"" if bias is None else ", bias"}',
                 [node('ConvTranspose', ' '.join(['x', *consts]), 'y', **attrs)], {'x': x},
                 {'y': spread(x, w, bias, stride, dilation, g, size, pads)}, consts)
    for mode, output_shape, begin, size in [
        # of the natural 9 x 11 (stride 2, kernel 3): what is too much goes, the odd one in front unless SAME_UPPER
        ('NOTSET', [8, 8], (1, 2), (8, 8)), ('SAME_UPPER', [8, 8], (0, 1), (8, 8)),
        ('SAME_LOWER', [8, 8], (1, 2), (8, 8)), ('NOTSET', [11, 12], (0, 0), (11, 12)),
        ('SAME_UPPER', None, (0, 0), (8, 10)), ('SAME_LOWER', None, (1, 1), (8, 10)), ('VALID', None, (0, 0), (9, 11)),
    ]:
        attrs = {'strides': [2, 2], 'auto_pad': mode}
        if output_shape:
            attrs['output_shape'] = output_shape
        x, w = some(1, 2, 4, 5), some(2, 3, 3, 3)
        case(f'ConvTranspose {mode} {output_shape}', [node('ConvTranspose', 'x w', 'y', **attrs)], {'x': x},
             {'y': spread(x, w, None, [2, 2], [1, 1], 1, size, begin)}, {'w': w})


def quantized_transposed_forms(case, some, rand):
    """Weights behind a DequantizeLinear, with scales along each axis."""
    for name, c, m, g, axis in [('per tensor', 4, 6, 2, None), ('axis 1', 4, 6, 1, 1), ('axis 1, groups', 4, 6, 2, 1),
                                ('axis 0', 4, 6, 2, 0), ('axis 0, depthwise', 3, 6, 3, 0), ('axis 2', 2, 3, 1, 2)]:
        q = rand.integers(-128, 128, (c, m // g, 3, 2)).astype(np.int8)
        count = 1 if axis is None else q.shape[axis]
        s = f32(0.01 * (1 + np.arange(count)))
        z = np.zeros(count, np.int8)
        if axis is None:
            s, z = s[0], z[0]
        w = f32(q) * s.reshape([-1 if i == axis else 1 for i in range(4)])
        x = some(1, c, 4, 3)
        case(f'ConvTranspose of quantized weights, {name}',
             [node('DequantizeLinear', 'q s z', 'w', **({} if axis is None else {'axis': axis})),
              node('ConvTranspose', 'x w', 'y', strides=[2, 2], group=g)],
             {'x': x}, {'y': spread(x, w, None, [2, 2], [1, 1], g, (9, 6), (0, 0))}, {'q': q, 's': s, 'z': z}, tol=1e-4)


def depth_forms(case, some, conv, pool):
    """What windows over one and two dims have in forms.py, over three."""
    for groups, stride, dilation, pad in [(1, (1, 1, 1), (1, 1, 1), [(0, 0)] * 3),
                                          (2, (2, 1, 2), (1, 2, 1), [(1, 0), (0, 2), (1, 1)]),
                                          (4, (1, 2, 1), (2, 1, 1), [(2, 2), (1, 0), (0, 1)])]:
        x, w, b = some(2, 4, 5, 4, 6), some(8, 4 // groups, 2, 3, 2), some(8)
        case(f'3-D conv, groups {groups}',
             [node('Conv', 'x w b', 'y', group=groups, strides=stride, dilations=dilation,
                   pads=[p[0] for p in pad] + [p[1] for p in pad])],
             {'x': x}, {'y': conv(x, w, b, stride, pad, dilation, groups)}, {'w': w, 'b': b})
    for ceil, dilation in itertools.product((0, 1), ((1, 1, 1), (1, 2, 1))):
        x, kernel, stride = some(1, 2, 5, 6, 7), (2, 3, 3), (2, 2, 3)
        pad = [(0, 1), (1, 1), (0, 0)]
        attrs = {'kernel_shape': kernel, 'strides': stride, 'ceil_mode': ceil, 'dilations': dilation,
                 'pads': [p[0] for p in pad] + [p[1] for p in pad]}
        case(f'3-D max pool, ceil {ceil}, {dilation}', [node('MaxPool', 'x', 'y', **attrs)], {'x': x},
             {'y': pool(x, kernel, stride, pad, ceil, dilation=dilation)})
        for include in (0, 1):
            case(f'3-D average pool, ceil {ceil}, {dilation}, include {include}',
                 [node('AveragePool', 'x', 'y', count_include_pad=include, **attrs)], {'x': x},
                 {'y': pool(x, kernel, stride, pad, ceil, 'padded' if include else 'valid', dilation)}, opset=19)
    x = some(2, 3, 2, 3, 4)
    case('global max pool over three dims', [node('GlobalMaxPool', 'x', 'y')], {'x': x},
         {'y': x.max((2, 3, 4), keepdims=True)})


def add_cases(case, rand, conv, pool):
    def some(*shape):
        return rand.standard_normal(shape).astype(np.float32)

    transposed_forms(case, some)
    quantized_transposed_forms(case, some, rand)
    depth_forms(case, some, conv, pool)

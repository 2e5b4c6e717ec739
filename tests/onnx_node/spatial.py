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


def position(mode, o, m, n, scale):
    """Where result position o of n lies among the operand's m."""
    if mode == 'align_corners':
        return o * (m - 1) / (n - 1) if n > 1 else 0.0
    if mode == 'asymmetric':
        return o / scale
    if mode == 'tf_half_pixel_for_nn':
        return (o + 0.5) / scale
    if mode == 'pytorch_half_pixel' and n == 1:
        return 0.0
    shift = m / 2 * (1 - n / (m * scale)) if mode == 'half_pixel_symmetric' else 0
    return shift + (o + 0.5) / scale - 0.5


ROUNDING = {'floor': np.floor, 'ceil': np.ceil, 'round_prefer_floor': lambda p: np.ceil(p - 0.5),
            'round_prefer_ceil': lambda p: np.floor(p + 0.5)}


def cubic(y, axis, p, a, exclude):
    """Keys' kernel over the four elements around each position."""
    m = y.shape[axis]
    at = np.floor(p).astype(int)[:, None] + np.arange(-1, 3)
    x = np.abs(p[:, None] - at)
    w = np.where(x <= 1, ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a)
    if exclude:
        w = np.where((at < 0) | (at >= m), 0, w)
        w = w / w.sum(1, keepdims=True)
    taps = [y.take(np.clip(at[:, t], 0, m - 1), axis) * w[:, t].reshape([-1 if i == axis else 1 for i in range(y.ndim)])
            for t in range(4)]
    return sum(taps)


def resized(x, size, scales, mode, coordinates, rounding, a=-0.75, exclude=0):
    y = x.astype(np.float64)
    for axis, (m, n) in enumerate(zip(x.shape, size)):
        p = np.array([position(coordinates, o, m, n, scales[axis]) for o in range(n)])
        if mode == 'nearest':
            y = y.take(np.clip(ROUNDING[rounding](p), 0, m - 1).astype(int), axis)
            continue
        if mode == 'cubic':
            y = cubic(y, axis, p, a, exclude)
            continue
        p = np.clip(p, 0, m - 1)
        low = np.floor(p).astype(int)
        part = (p - low).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        y = y.take(low, axis) * (1 - part) + y.take(np.minimum(low + 1, m - 1), axis) * part
    return f32(y)


MODES = ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel', 'align_corners', 'asymmetric']


def resize_forms(case, some):
    """Sizes and factors for which no position is at a tie that rounding errors decide."""
    def form(name, x, size, scales=None, axes=None, by_scales=False, mode='nearest', coordinates='half_pixel',
             rounding='round_prefer_floor', opset=19, **attrs):
        full, factors = list(x.shape), [1.0] * x.ndim
        for i, a in enumerate(range(x.ndim) if axes is None else axes):
            full[a] = size[i]
            factors[a] = scales[i] if scales else size[i] / x.shape[a]
        n = node('Resize', '', 'y', mode=mode, coordinate_transformation_mode=coordinates, nearest_mode=rounding,
                 **({} if axes is None else {'axes': axes}), **attrs)
        n.input.extend(['x', '', 's'] if by_scales else ['x', '', '', 's'])
        s = f32(scales) if by_scales else np.array(size, np.int64)
        case(f'Resize {name} {mode} {coordinates} {rounding}', [n], {'x': x},
             {'y': resized(x, full, factors, mode, coordinates, rounding, attrs.get('cubic_coeff_a', -0.75),
                           attrs.get('exclude_outside', 0))}, {'s': s}, opset=opset)

    for coordinates in MODES:
        for rounding in ROUNDING:
            form('sizes', some(1, 2, 4, 5), [1, 2, 7, 3], coordinates=coordinates, rounding=rounding)
        form('scales', some(1, 2, 4, 5), [1, 2, 9, 3], [1, 1, 2.3, 0.7], by_scales=True, coordinates=coordinates)
        for shape, size in [((2, 3, 5), (2, 3, 8)), ((1, 2, 4, 5), (1, 2, 7, 3)), ((1, 2, 3, 4, 2), (1, 2, 5, 3, 4)),
                            ((3, 4), (5, 2)), ((1, 2, 5, 4), (1, 2, 1, 1))]:
            form(f'{len(shape)}-D', some(*shape), list(size), mode='linear', coordinates=coordinates)
        form('scales', some(1, 2, 4, 5), [1, 2, 9, 3], [1, 1, 2.3, 0.7], by_scales=True, mode='linear',
             coordinates=coordinates)
        for attrs in {}, {'exclude_outside': 1}, {'cubic_coeff_a': -0.5}:
            form(f'{attrs}', some(1, 2, 4, 5), [1, 2, 7, 3], mode='cubic', coordinates=coordinates, **attrs)
            form(f'scales {attrs}', some(1, 2, 4, 5), [1, 2, 9, 3], [1, 1, 2.3, 0.7], by_scales=True, mode='cubic',
                 coordinates=coordinates, **attrs)
    form('tf', some(1, 1, 4, 5), [1, 1, 7, 9], coordinates='tf_half_pixel_for_nn', rounding='floor', opset=11)
    form('axes', some(2, 4, 5, 3), [7, 9], axes=[2, 1], mode='linear')
    form('negative axis', some(2, 4, 5, 3), [8], axes=[-1], coordinates='asymmetric', rounding='floor')
    form('channels last', some(2, 4, 5, 3), [2, 8, 7, 3], mode='linear')
    form('first dims', some(2, 3, 4), [4, 3, 4], coordinates='asymmetric', rounding='floor')
    for policy in ['not_larger', 'not_smaller']:
        x = some(1, 1, 6, 7)
        factor = (np.minimum if policy == 'not_larger' else np.maximum)(6 / 6, 11 / 7)
        want = [int(6 * factor + 0.5), int(7 * factor + 0.5)]
        n = node('Resize', '', 'y', mode='linear', axes=[2, 3], keep_aspect_ratio_policy=policy)
        n.input.extend(['x', '', '', 's'])
        case(f'Resize {policy}', [n], {'x': x},
             {'y': resized(x, [1, 1, *want], [1, 1, factor, factor], 'linear', 'half_pixel', None)},
             {'s': np.array([6, 11], np.int64)}, opset=19)
    x = some(1, 2, 3, 4)
    for mode, (op, inputs, opset, attrs, consts) in itertools.product(['nearest', 'linear'], [
            ('Upsample', 'x', 7, {'scales': [1.0, 1.0, 2.0, 2.5]}, {}),
            ('Upsample', 'x s', 9, {}, {'s': f32([1, 1, 2, 2.5])}),
            ('Resize', 'x s', 10, {}, {'s': f32([1, 1, 2, 2.5])}),
            ('Resize', 'x r s', 11, {'coordinate_transformation_mode': 'asymmetric', 'nearest_mode': 'floor'},
             {'r': f32([]), 's': f32([1, 1, 2, 2.5])})]):
        case(f'{op} {opset} {mode}', [node(op, inputs, 'y', mode=mode, **attrs)], {'x': x},
             {'y': resized(x, (1, 2, 6, 10), (1, 1, 2, 2.5), mode, 'asymmetric', 'floor')}, consts, opset=opset)


def add_cases(case, rand, conv, pool):
    def some(*shape):
        return rand.standard_normal(shape).astype(np.float32)

    transposed_forms(case, some)
    quantized_transposed_forms(case, some, rand)
    depth_forms(case, some, conv, pool)
    resize_forms(case, some)

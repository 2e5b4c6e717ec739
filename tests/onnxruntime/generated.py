"""Models of one operator with random shapes and parameters, drawn from a seed.

Each generator gets a Random and returns a Builder; the table at the end says how many of each are drawn.
"""
import numpy as np

from qdq import Builder, signed


class Random:
    def __init__(self, seed):
        self.g = np.random.default_rng(seed)

    def int(self, lo, hi):
        """lo and hi included"""
        return int(self.g.integers(lo, hi + 1))

    def pick(self, *choices):
        return choices[self.int(0, len(choices) - 1)]

    def scale(self):
        return np.float32(np.exp(self.g.uniform(np.log(0.004), np.log(0.2))))

    def zero(self):
        return self.pick(0, 255, 128, self.int(1, 254), self.int(1, 254))

    def s8(self, shape):
        return self.g.integers(-127, 128, shape).astype(np.int8)

    def image(self, channels=None):
        return [1, channels or self.int(1, 24), self.int(3, 14), self.int(3, 14)]

    def weight_scales(self, n):
        return np.float32(self.g.uniform(0.002, 0.02, n)) if self.int(0, 3) else self.scale() / np.float32(8)


def activation(b, r, x):
    kind = r.int(0, 3)
    if kind == 0:
        return b.node('Relu', [x])
    if kind == 1:
        return b.node('Clip', [x, b.constant(np.float32(0)), b.constant(np.float32(6))])
    return x


def layer(b, r, op, x, s_x, weight, fan_in, **attributes):
    """Conv or Gemm with random weights, a bias mostly, an activation sometimes; the output spreads over u8."""
    scales = r.weight_scales(weight[0])
    operands = [x, b.weight(r.s8(weight), scales)]
    if r.int(0, 4):
        bias = r.g.integers(-3000, 3000, weight[0]).astype(np.int32)
        operands.append(b.weight(bias, np.float32(s_x) * scales * np.ones(weight[0], np.float32)))
    y = activation(b, r, b.node(op, operands, **attributes))
    spread = np.float32(s_x) * np.mean(scales) * 75 * 73 * np.sqrt(fan_in)
    b.output(y, spread * np.float32(r.g.uniform(0.5, 2)) / 60, r.zero())
    return b


def conv_of(r, channels, out, groups, kernel, stride, pads, dilation):
    b = Builder()
    s = r.scale()
    h, w = (max(r.int(3, 14), (k - 1) * d + 1) for k, d in zip(kernel, dilation))
    x = b.input([1, channels, h, w], s, r.zero())
    return layer(b, r, 'Conv', x, s, [out, channels // groups] + kernel, channels // groups * kernel[0] * kernel[1],
                 kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation, group=groups)


def kernel_of(r):
    return [r.int(1, 5), r.int(1, 5)]


def pads_of(r, kernel):
    return [r.int(0, k // 2) for k in kernel * 2]


def conv(r):
    k = kernel_of(r)
    return conv_of(r, r.int(1, 40), r.int(1, 40), 1, k, [r.int(1, 3), r.int(1, 3)], pads_of(r, k), [1, 1])


def conv_1x1(r):
    return conv_of(r, r.int(1, 70), r.int(1, 70), 1, [1, 1], [1, 1], [0] * 4, [1, 1])


def conv_dilated(r):
    return conv_of(r, r.int(1, 9), r.int(1, 9), 1, [3, 3], [1, 1], [r.int(0, 2)] * 4, [r.int(1, 3), r.int(1, 3)])


def conv_grouped(r):
    g, k = r.int(2, 5), kernel_of(r)
    return conv_of(r, g * r.int(1, 9), g * r.int(1, 9), g, k, [r.int(1, 2)] * 2, pads_of(r, k), [1, 1])


def conv_depthwise(r):
    c, k = r.int(2, 40), kernel_of(r)
    return conv_of(r, c, c * r.pick(1, 1, 1, 2), c, k, [r.int(1, 2)] * 2, pads_of(r, k), [1, 1])


def conv_1d(r):
    b, s, c, k = Builder(), r.scale(), r.int(1, 20), r.int(1, 5)
    x = b.input([1, c, r.int(5, 30)], s, r.zero())
    return layer(b, r, 'Conv', x, s, [r.int(1, 20), c, k], c * k, kernel_shape=[k], strides=[r.int(1, 2)],
                 pads=[r.int(0, k // 2), r.int(0, k // 2)])


def gemm(r):
    b, s, k = Builder(), r.scale(), r.int(1, 300)
    x = b.input([r.pick(1, 1, 3), k], s, r.zero())
    return layer(b, r, 'Gemm', x, s, [r.int(1, 70), k], k, transB=1)


def matmul(r):
    b, s, k = Builder(), r.scale(), r.int(1, 200)
    x = b.input([1, r.int(1, 5), k], s, r.zero())
    w = b.weight(r.s8([k, r.int(1, 40)]), np.float32(0.01))
    b.output(b.node('MatMul', [x, w]), s * np.float32(0.01) * np.float32(75 * 73 * np.sqrt(k) / 60), r.zero())
    return b


def binary(op, out_scale):
    def draw(r):
        b, s, shape = Builder(), [r.scale(), r.scale()], r.image()
        x = b.input(shape, s[0], r.zero())
        other = r.pick(shape, shape, [1, shape[1], 1, 1])
        y = b.node(op, [x, b.input(other, s[1], r.zero())])
        b.output(activation(b, r, y), np.float32(out_scale(*s) * r.g.uniform(0.7, 1.5)), r.zero())
        return b
    return draw


def unary(op, out_scale, **attributes):
    def draw(r):
        b, s = Builder(), r.scale()
        given = {k: (v(r) if callable(v) else v) for k, v in attributes.items()}
        x = b.input(r.image(), s, r.zero())
        b.output(b.node(op, [x], **given), np.float32(out_scale(s) * r.g.uniform(0.7, 1.5)), r.zero())
        return b
    return draw


def clip(r):
    b, s = Builder(), r.scale()
    x = b.input(r.image(), s, r.zero())
    lo, hi = sorted(np.float32(r.g.uniform(-100, 100, 2)) * s)
    b.output(b.node('Clip', [x, b.constant(lo), b.constant(hi)]), s * np.float32(r.g.uniform(0.5, 1.5)), r.zero())
    return b


def pool(op, **attributes):
    """Max pools keep their parameters, as every exporter has them."""
    def draw(r):
        b, s, z, k = Builder(), r.scale(), r.zero(), [r.int(1, 4), r.int(1, 4)]
        shape = [1, r.int(1, 24), r.int(4, 14), r.int(4, 14)]
        pads = [r.int(0, n - 1) for n in k * 2]
        y = b.node(op, [b.input(shape, s, z)], kernel_shape=k, strides=[r.int(1, 3), r.int(1, 3)], pads=pads,
                   **attributes)
        if op == 'MaxPool':
            b.output(y, s, z)
        else:
            b.output(y, s * np.float32(r.g.uniform(0.5, 1.5)), r.zero())
        return b
    return draw


def mean(op, **attributes):
    def draw(r):
        b, s = Builder(), r.scale()
        y = b.node(op, [b.input(r.image(), s, r.zero())], **attributes)
        b.output(y, s * np.float32(r.g.uniform(0.1, 1)), r.zero())
        return b
    return draw


def concat(r):
    b, shape, same = Builder(), r.image(), r.int(0, 1)
    s, z = r.scale(), r.zero()
    parts = [b.input([1, r.int(1, 20)] + shape[2:], s if same else r.scale(), z if same else r.zero())
             for _ in range(r.int(2, 4))]
    b.output(b.node('Concat', parts, axis=1), s, z)
    return b


def softmax(r):
    b = Builder()
    y = b.node('Softmax', [b.input([1, r.int(2, 40)], r.scale(), r.zero())], axis=-1)
    b.output(y, np.float32(1 / 256), 0)
    return b


def mover(op, attributes_of):
    """What only moves values, with equal parameters on both sides; shapes and other operands by `attributes_of`."""
    def draw(r):
        b, s, z, shape = Builder(), r.scale(), r.zero(), r.image()
        operands, attributes = attributes_of(r, b, shape)
        b.output(b.node(op, [b.input(shape, s, z)] + operands, **attributes), s, z)
        return b
    return draw


def transpose_of(r, b, shape):
    return [], {'perm': [int(i) for i in r.g.permutation(4)]}


def reshape_of(r, b, shape):
    return [b.constant(np.array([1, -1, shape[1]], np.int64))], {}


def pad_of(r, b, shape):
    pads = [0, 0, r.int(0, 2), r.int(0, 2), 0, 0, r.int(0, 2), r.int(0, 2)]
    return [b.constant(np.array(pads, np.int64))], {'mode': r.pick('constant', 'reflect', 'edge')}


def slice_of(r, b, shape):
    ends = [b.constant(np.array(v, np.int64)) for v in ([0, 1], [1000, 1000], [1, 2], [1, r.int(1, 2)])]
    return ends, {}


GENERATED = [
    # how it is listed, how many, generator
    ('Conv', 40, conv),
    ('Conv 1x1', 25, conv_1x1),
    ('Conv dilated', 10, conv_dilated),
    ('Conv grouped', 15, conv_grouped),
    ('Conv depthwise', 25, conv_depthwise),
    ('Conv 1-D', 12, conv_1d),
    ('Gemm', 25, gemm),
    ('MatMul', 10, matmul),
    ('Add', 25, binary('Add', lambda a, b: a + b)),
    ('Sub', 10, binary('Sub', lambda a, b: a + b)),
    ('Mul', 20, binary('Mul', lambda a, b: a * b * 128)),
    ('MaxPool', 15, pool('MaxPool')),
    ('AveragePool', 15, pool('AveragePool')),
    ('AveragePool, padding counts', 10, pool('AveragePool', count_include_pad=1)),
    ('GlobalAveragePool', 12, mean('GlobalAveragePool')),
    ('ReduceMean', 8, mean('ReduceMean', axes=[2, 3], keepdims=1)),
    ('Concat', 15, concat),
    ('Relu', 8, unary('Relu', lambda s: s)),
    ('Clip', 10, clip),
    ('Sigmoid', 8, unary('Sigmoid', lambda s: 1 / 256)),
    ('Tanh', 6, unary('Tanh', lambda s: 1 / 128)),
    ('HardSigmoid', 6, unary('HardSigmoid', lambda s: 1 / 256)),
    ('HardSwish', 6, unary('HardSwish', lambda s: s)),
    ('LeakyRelu', 8, unary('LeakyRelu', lambda s: s, alpha=lambda r: float(r.g.uniform(0.01, 0.5)))),
    ('Elu', 6, unary('Elu', lambda s: s)),
    ('Exp', 4, unary('Exp', lambda s: np.exp(min(s * 128, 8)) / 255)),
    ('Abs', 4, unary('Abs', lambda s: s)),
    ('Neg', 4, unary('Neg', lambda s: s)),
    ('Erf', 4, unary('Erf', lambda s: 1 / 128)),
    ('Softmax', 10, softmax),
    ('Transpose', 6, mover('Transpose', transpose_of)),
    ('Reshape', 4, mover('Reshape', reshape_of)),
    ('Flatten', 3, mover('Flatten', lambda r, b, shape: ([], {}))),
    ('Pad', 8, mover('Pad', pad_of)),
    ('Slice', 6, mover('Slice', slice_of)),
]


S8_EVERY = 3  # of this many models of a kind, one has s8 activations


def generated(seed):
    """(kind, name, model)"""
    for row, (kind, count, draw) in enumerate(GENERATED):
        for i in range(count):
            model = draw(Random([seed, row, i])).model()
            s8 = i % S8_EVERY == S8_EVERY - 1
            yield kind, f'{kind} #{i}' + ' s8' * s8, signed(model) if s8 else model

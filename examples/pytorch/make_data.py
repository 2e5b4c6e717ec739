#!/usr/bin/python3
"""Makes the .npz files of this folder: inputs to calibrate and run with, and weights, all drawn at random."""
import numpy as np

rng = np.random.default_rng(7)


def normal(*shape):
    return rng.normal(size=shape).astype('f4')


def layer(out, *rest):
    """Weight and bias, in the range that PyTorch starts with."""
    bound = 1 / np.sqrt(np.prod(rest))
    return (rng.uniform(-bound, bound, (out, *rest)).astype('f4'), rng.uniform(-bound, bound, out).astype('f4'))


def save(name, **arrays):
    np.savez(f'{name}.npz', **arrays)


def with_layers(shapes):
    return {f'{i}.{part}': a for i, shape in shapes.items() for part, a in zip(('weight', 'bias'), layer(*shape))}


save('observers', x=normal(2 * 3, 4))
save('tensor_quantize', x=np.float32([[-1, 0], [1.25, 200]]))
save('two_layer', x=normal(1, 1, 2, 2))
save('fc_relu', x=normal(5 * 4, 3))
save('sequential', x=rng.random((10, 2, 12, 12), 'f4'), **with_layers({0: (8, 2, 3, 3), 2: (16, 8, 3, 3)}))
save('zero_conv', x=rng.random((2, 5, 7, 7), 'f4'), weight=np.zeros((2, 5, 3, 3), 'f4'))
save('dynamic_linear', x=normal(5, 6), **with_layers({0: (8, 6), 2: (3, 8)}))

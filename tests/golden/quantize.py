"""Quantizing float tensors.

PyTorch multiplies by the rounded reciprocal of the scale, qcc divides as ONNX does: the two agree but where the results
round to different integers, and there by one quantum.
"""
import numpy as np

from golden import Failure, Model, ir_type

EIGHT_BITS = {'quint8': (0, 255), 'qint8': (-128, 127)}
LIMITS = {**EIGHT_BITS, 'qint32': (-2 ** 31, 2 ** 31 - 1)}


def along(values, axis, rank):
    """Per-channel values, to be broadcast over a tensor."""
    return np.asarray(values).reshape([-1 if i == axis else 1 for i in range(rank)]) if axis is not None else values


def model_of(x, scale, zero, dtype, axis, limits=None):
    """`limits`: of the integers, where they are not those of the type."""
    m = Model()
    x = np.atleast_1d(x)
    name = m.input(x, ir_type('float32', x.shape))
    q = m.node('quantize', [name], typ=ir_type(dtype, x.shape, scale, zero, axis))
    if limits and limits != LIMITS[dtype]:
        q = m.node('clamp', [q], {'min': limits[0], 'max': limits[1]})
    return m, q


def quantized(tools, x, scale, zero, dtype):
    """Our integers of a tensor, with one scale."""
    m, q = model_of(x, scale, zero, dtype, None)
    return tools.run_quantized(m, q, scale, zero, x.shape)


def compare(tools, x, scale, zero, dtype, axis, want, limits=None):
    """`want`: PyTorch's integers. Equal wherever division and multiplication round alike."""
    m, q = model_of(x, scale, zero, dtype, axis, limits)
    s, z = np.float32(along(scale, axis, x.ndim)), along(zero, axis, x.ndim)
    got = tools.run_quantized(m, q, s, z, x.shape)
    tools.close(got, want, 1)
    with np.errstate(over='ignore'):
        alike = np.rint(x / s) == np.rint(x * (np.float32(1) / s))
    wrong = (got != want) & alike
    if wrong.any():
        raise Failure(f'{int(wrong.sum())} elements differ where both ways of rounding agree')

"""qdq/: fake quantization, and models with QuantizeLinear and DequantizeLinear as PyTorch exports them."""
import numpy as np
import onnx

import quantize
from golden import Failure, Skip

# The outputs agree to the rounding of float sums. Where an activation lies between two integers, PyTorch may take the
# other one (quantize.py; a bias that is rounded to s32, rule 4, moves it by a thousandth of a quantum): rarely, and
# what follows from it is small, but behind another layer it is seen by a window of outputs (3 % of the decoder's).
CLOSE, LEAST_CLOSE, LEAST_DB = 1e-6, 0.95, 40


def fake_quantize(data, case, tools):
    lo, hi = limits = case['qmin'], case['qmax']
    dtype = next(t for t, (least, most) in sorted(quantize.EIGHT_BITS.items()) if least <= lo and hi <= most)
    axis = case['axis']
    scale = case['scale'] if axis is None else data.array(case['scales'])
    zero = case['zero_point'] if axis is None else data.array(case['zero_points'])
    x, y = data.array(case['x']), data.array(case['y'])
    s, z = (np.float32(quantize.along(v, axis, x.ndim)) for v in (scale, zero))
    want = np.rint(y.astype(np.float64) / s) + z
    quantize.compare(tools, x, scale, zero, dtype, axis, want, limits)


def qdq_model(data, case, tools):
    path = data.path(case['onnx'])
    graph = onnx.load(path).graph
    names = [v.name for v in graph.input]
    got, want = [], []
    for test, out in zip(case['tests'], case['outputs']):
        inputs = {n: data.array(r) for n, r in zip(names, test)}
        got.append(next(iter(tools.run_file(path, inputs).values())).ravel().astype(np.float64))
        want.append(data.array(out).ravel())
        if got[-1].size != want[-1].size:
            raise Failure(f'{got[-1].size} elements, {want[-1].size} expected')
    got, want = np.concatenate(got), np.concatenate(want).astype(np.float64)
    d = np.abs(got - want)
    close = (d <= CLOSE * max(1, np.abs(want).max())).mean()
    noise = np.sum(d ** 2)
    db = 10 * np.log10(np.sum(want ** 2) / noise) if noise else np.inf
    if close < LEAST_CLOSE or db < LEAST_DB:
        raise Failure(f'{100 * (1 - close):.1f}% of the outputs differ, by up to {d.max():g}; {db:.1f} dB')


KINDS = {'fake_quantize': fake_quantize, 'qdq_model': qdq_model, 'qat_model': qdq_model}


def check(data, case, tools):
    KINDS[case['kind']](data, case, tools)

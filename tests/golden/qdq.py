"""qdq/: fake quantization, and models with QuantizeLinear and DequantizeLinear as PyTorch exports them."""
import numpy as np
import onnx
from onnx import numpy_helper

import quantize
from golden import Failure, Skip

# Single layers are within a quantum of the output. In networks single quanta cascade; what must hold is that they stay
# rare and small.
LAYERS = {'qdq_conv', 'qdq_conv_u8', 'qdq_dw', 'qdq_linear'}
NETWORK_DB = 40


def fake_quantize(data, case, tools):
    limits = (case['qmin'], case['qmax'])
    dtype = next((t for t, v in quantize.LIMITS.items() if v == limits), None)
    if not dtype:
        raise Skip('fake quantization to limits other than the whole type')
    axis = case['axis']
    scale = case['scale'] if axis is None else data.array(case['scales'])
    zero = case['zero_point'] if axis is None else data.array(case['zero_points'])
    x, y = data.array(case['x']), data.array(case['y'])
    s, z = (np.float32(quantize.along(v, axis, x.ndim)) for v in (scale, zero))
    want = np.rint(y.astype(np.float64) / s) + z
    quantize.compare(tools, x, scale, zero, dtype, axis, want)


def output_scale(path):
    """Of the last quantization before the output; what only moves values may follow it."""
    g = onnx.load(path).graph
    constants = {t.name: numpy_helper.to_array(t) for t in g.initializer}
    constants.update({n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in g.node if n.op_type == 'Constant'})
    last = [n for n in g.node if n.op_type == 'DequantizeLinear' and n.input[0] not in constants][-1]
    return float(constants[last.input[1]])


def qdq_model(data, case, tools):
    path = data.path(case['onnx'])
    names = [v.name for v in onnx.load(path).graph.input]
    got, want = [], []
    for test, out in zip(case['tests'], case['outputs']):
        inputs = {n: data.array(r) for n, r in zip(names, test)}
        got.append(next(iter(tools.run_file(path, inputs).values())).ravel().astype(np.float64))
        want.append(data.array(out).ravel())
        if got[-1].size != want[-1].size:
            raise Failure(f'{got[-1].size} elements, {want[-1].size} expected')
    got, want = np.concatenate(got), np.concatenate(want).astype(np.float64)
    quanta = np.rint(np.abs(got - want) / output_scale(path))
    if case.get('name') in LAYERS:
        tools.close(quanta, np.zeros_like(quanta), 1)
        return
    tools.close(quanta, np.zeros_like(quanta), 255)
    noise = np.sum((got - want) ** 2)
    db = 10 * np.log10(np.sum(want ** 2) / noise) if noise else np.inf
    if db < NETWORK_DB:
        raise Failure(f'{db:.1f} dB, up to {quanta.max():.0f} quanta, {100 * (quanta > 0).mean():.1f}% differ')


KINDS = {'fake_quantize': fake_quantize, 'qdq_model': qdq_model, 'qat_model': qdq_model}


def check(data, case, tools):
    KINDS[case['kind']](data, case, tools)

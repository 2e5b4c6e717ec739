"""Dynamic quantization: parameters that are chosen at run time, and layers that use them.

PyTorch's engines differ in the range of the operand: onednn takes 0..127 where reduce_range is asked for, qnnpack
ignores it. Outputs are float; they agree to rounding but where an operand lies so near to the middle of two integers
that division and multiplication by the reciprocal round differently: that is one quantum of one operand.
"""
import os
import re

import numpy as np
import onnx

from golden import Failure, Model, ir_type

# float32 sums of a few dozen products, of which PyTorch's kernels take some in another order
CLOSE = 2e-6


def qmax(engine, reduce_range):
    return 127 if engine == 'onednn' and reduce_range else 255


def parameters(data, case, tools):
    """choose_qparams_dynamic: exactly."""
    x = data.array(case['inputs'][0]['v'])
    want = case['expected']['any']
    m = Model()
    name = m.input(x, ir_type('float32', x.shape))
    limit = 127 if case['params']['reduce_range'] else 255
    m.body.append(f'%q, %scale, %zero = dynamic_quantize({name}) {{ qmax = {limit} }}')
    got = tools.run_all(m, '%scale, %zero')
    scale, zero = got['scale'].item(), int(got['zero'].item())
    if scale != np.float32(want['scale']) or zero != want['zero_point']:
        raise Failure(f"{scale!r}, {zero}; expected {np.float32(want['scale'])!r}, {want['zero_point']}")


def near_ties(x, scale):
    """Elements that the two ways of dividing round to different integers."""
    with np.errstate(over='ignore'):
        return np.rint(x / scale) != np.rint(x * (np.float32(1) / scale))


def compare(got, want, slack=0.0):
    """`slack`: what the operands near ties may change."""
    want = np.asarray(want).reshape(got.shape)
    worst = np.abs(got.astype(np.float64) - want).max(initial=0)
    if worst > CLOSE * max(1.0, np.abs(want).max(initial=0)) + slack:
        raise Failure(f'the outputs differ by up to {worst:g}')


def linear(data, case, tools):
    """linear_dynamic, on both engines."""
    x, w = data.array(case['inputs'][0]['v']), case['weight']
    weight, bias = data.array(w['v']), data.array(case['bias']['v'])
    axis = w.get('axis')
    scale = np.float32(w['scale'] if axis is None else data.array(w['scales']))
    zero = w['zero_point'] if axis is None else data.array(w['zero_points'])
    for engine, want in case['expected'].items():
        if 'error' in want:
            continue
        m = Model()
        name = m.input(x, ir_type('float32', x.shape))
        limit = qmax(engine, case['params']['reduce_range'])
        m.body.append(f'%q, %scale, %zero = dynamic_quantize({name}) {{ qmax = {limit} }}')
        operands = ['%q', '%scale', '%zero', m.constant(weight, ir_type('int8', weight.shape, scale, zero, axis)),
                    m.constant(bias, ir_type('float32', bias.shape))]
        y = m.node('dynamic_linear', operands)
        got = tools.run_all(m, f'{y}, %scale')
        s_x = got['scale'].item()
        slack = near_ties(x, np.float32(s_x)).sum() * s_x * float(np.max(scale)) * 128
        compare(got[y[1:]], data.array(want['f']), slack)


# ---- whole models ----

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../examples/pytorch/dynamic_linear.lua')
CONFIGS = {'qnnpack': EXAMPLE, 'onednn': 'fbgemm_dynamic'}


def weights_of(tools, model, options):
    """The quantized constants of the model that qcc makes: (q, scale, zero), in the order of the text."""
    path = f'{tools.tmp}/dynamic.ir'
    tools.call([tools.qcc, model, '-emit', 'ir', '-o', path] + options)
    with open(path) as f:
        text = f.read()
    arrays = re.search(r'weights "(.*)"', text)
    stored = np.load(f'{tools.tmp}/{arrays[1]}') if arrays else {}
    found = []
    for name, scale, zero, rest in re.findall(r'const @(\S+) : s8<scale=([^,>]+), zero=([^>]+)>(.*)', text):
        literal = re.search(r' = (\[.*)', rest)
        q = np.array(eval(literal[1], {'__builtins__': {}})) if literal else stored[name.strip('"')]
        found.append((q, np.float32(scale), int(zero)))
    return found


def with_batch(tools, path, batch):
    """The model for another number of samples at once: the parameters are those of the whole call."""
    model = onnx.load(path)
    for value in list(model.graph.input) + list(model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]
    onnx.save(model, f'{tools.tmp}/batch.onnx')
    return f'{tools.tmp}/batch.onnx'


def demo(data, case, tools):
    """dynamic_linear_demo: weights exactly, outputs of both engines to rounding."""
    tests = [data.array(r) for r in case['tests']]
    for engine, want in case['expected'].items():
        if 'error' in want:
            continue
        results = want['outputs'] if 'outputs' in want else [want]
        options = ['-config', CONFIGS[engine]]
        for x, y in zip(tests, results, strict=True):
            model = with_batch(tools, data.path(case['onnx']), x.shape[0])
            for (q, scale, zero), expected in zip(weights_of(tools, model, options), case['weights'], strict=True):
                exact = data.array(expected['q'])
                if scale != np.float32(expected['scale']) or zero != expected['zero_point']:
                    raise Failure(f"a weight's parameters are {scale!r}, {zero}")
                if q.shape != exact.shape or (q != exact).any():
                    raise Failure(f'{int((q != exact).sum())} weights differ')
            got = next(iter(tools.run_file(model, {'input': x}, options).values()))
            compare(got, data.array(y['f']))

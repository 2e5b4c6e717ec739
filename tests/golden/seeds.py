"""seeds/: small programs, from observers to whole networks. The networks are quantized by the configurations of
examples/pytorch, as a user would."""
import json
import os
import re

import numpy as np

import dynamic
import observers
import quantize
from golden import Failure, Skip

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../examples/pytorch')
CONFIGS = {'two_layer_demo': 'two_layer', 'fc_relu_fuse_demo': 'fc_relu', 'sequential_demo_eager': 'sequential',
           'sequential_demo_fx': 'sequential', 'zero_weight_conv_bias': 'zero_conv'}
# Ranges of float layers, which add in another order than PyTorch's, may differ in the last bits. Inputs and weights are
# exact.
SUMS_DIFFER = 1e-6


def check(data, case, tools):
    kind = case['kind']
    if kind == 'observers_demo':
        observers_demo(data, case, tools)
        configured_observer(data, case, tools)
    elif kind == 'tensor_quantize':
        quantize.compare(tools, data.array(case['x']), case['scale'], case['zero_point'], 'quint8', None,
                         data.array(case['q']))
    elif kind == 'dynamic_linear_demo':
        dynamic.demo(data, case, tools)
    else:
        network(data, case, tools, CONFIGS[kind])


def observers_demo(data, case, tools):
    """The observers with their defaults: quint8, channels of axis 0, and for the histogram both of its ranges."""
    name = observers.NAMES[case['observer']]
    scope = 'channel' if 'PerChannel' in case['observer'] else 'tensor'
    scheme = f'per_{scope}_affine' if case['qscheme'] == 'default' else case['qscheme'].split('.')[-1]
    batches = [data.array(r) for r in case['inputs']]
    spec = observers.spec_of({'dtype': 'quint8', 'qscheme': scheme, 'ch_axis': 0}, batches[0].ndim)
    choice = ',range=int' if name == 'histogram' else ''  # what the article's version of PyTorch does
    got = tools.observe(name + choice, batches, spec)
    observers.compare(got, data.array(case['scale']), data.array(case['zero_point']))
    if name == 'histogram':
        observers.compare(tools.observe(name, batches, spec), np.float32(case['float_range_scale']),
                          np.float32(case['float_range_zero_point']))


def configured_observer(data, case, tools):
    """The same over an input of a network. Activations have one scale: per channel there is no such program."""
    name = observers.NAMES[case['observer']]
    if 'per_channel' in name:
        return
    symmetric = '_symmetric' if 'symmetric' in case['qscheme'] else ''
    calib = np.concatenate([data.array(r) for r in case['inputs']])
    text = quantized(tools, f'{EXAMPLES}/observers.ir', f'{EXAMPLES}/{name}{symmetric}.lua', calib)
    compare_params(activations(text)[0], case['scale_value'][0], case['zero_point_value'][0], 0)


# ---- networks ----

def quantized(tools, model, config, calib):
    """The text of the model, quantized with `calib` as its data."""
    name = 'input' if model.endswith('.onnx') else 'x'
    np.savez(f'{tools.tmp}/calib.npz', **{name: calib})
    tools.call([tools.qcc, model, '-config', config, '-calib', f'{tools.tmp}/calib.npz', '-emit', 'ir',
                '-o', f'{tools.tmp}/q.ir'])
    with open(f'{tools.tmp}/q.ir') as f:
        return f.read()


def activations(text):
    """(name, scale, zero point) of what is quantized, in order, but for constants."""
    found = re.findall(r'^  %(\S+) = .* : [us]8<scale=([^,]+), zero=(-?\d+)>', text, re.M)
    return [(name, float(scale), int(zero)) for name, scale, zero in found]


def compare_params(ours, scale, zero, relative):
    name, got_scale, got_zero = ours
    equal = np.float32(got_scale) == np.float32(scale)
    if got_zero != zero or not (equal or abs(got_scale - scale) <= relative * scale):
        raise Failure(f'{name}: scale {got_scale}, zero point {got_zero}; expected {scale}, {zero}')


def bare(name):
    """A constant's name as the arrays have it: the text quotes some."""
    return name.strip('"')


def constants(tools, text):
    """name -> (type as written, values)"""
    result = {}
    for name, typ, literal in re.findall(r'^  const @(\S+) : (\w+(?:<.*?>)?\[[^\]]*\])(?: = (.*))?$', text, re.M):
        if literal:
            shape = [int(d) for d in typ[typ.rindex('[') + 1:-1].split(',')]
            result[name] = typ, np.array(json.loads(literal)).reshape(shape)
        else:
            with np.load(f'{tools.tmp}/q.npz') as z:
                result[name] = typ, z[bare(name)]
    return result


def per_channel(typ, key):
    """The scales, or the zero points, of a type."""
    return np.atleast_1d(np.array(json.loads(re.search(key + r'=(\[.*?\]|[^,>]+)', typ).group(1)), float))


def compare_weights(data, tools, ours, w):
    """Scales and zero points exactly. So the integers, but for the greatest magnitude of a channel: with PyTorch's divisor
    of 127.5 it lies between two, where division and multiplication by the reciprocal may part."""
    typ, values = ours
    scale, zero = np.float32(per_channel(typ, 'scale')), per_channel(typ, 'zero')
    want_scale = data.array(w['scales']) if 'scales' in w else w['scale']
    want_zero = data.array(w['zero_points']) if 'scales' in w else w['zero_point']
    if (scale != np.float32(want_scale)).any() or (zero != want_zero).any():
        raise Failure(f'weights: scales {scale}, zero points {zero}; expected {want_scale}, {want_zero}')
    q = data.array(w['q'])
    tools.close(values, q, 1, 'weights: ')
    if (np.abs(q[values != q].astype(int)) < 127).any():
        raise Failure('weights differ that are not the greatest of their channel')
    return q


# ---- op by op: PyTorch's integers go in, and its weights stand in for ours ----

class Op:
    def __init__(self, data, tools, consts, line, module):
        self.line, self.arrays = line, {}
        self.operand = re.search(r'\(%([^,)]+)', line).group(1)
        self.name = re.match(r'  %(\S+)', line).group(1)
        names = re.findall(r'@([^,)]+)', line)
        self.head = ''.join(f'  const @{n} : {consts[n][0]}\n' for n in names)
        for i, n in enumerate(names):
            q = compare_weights(data, tools, consts[n], module['weight']) if i == 0 else consts[n][1]
            self.arrays[bare(n)] = q.astype('i4' if i else 'i1')

    def run(self, tools, typ, x):
        """The op alone; x: real values of its operand, which has that type."""
        text = (f'model op {{\n  weights "op.npz"\n  input %{self.operand} : {typ}\n{self.head}{self.line}\n'
                f'  output %{self.name}\n}}\n')
        np.savez(f'{tools.tmp}/op.npz', **self.arrays)
        with open(f'{tools.tmp}/op.ir', 'w') as f:
            f.write(text)
        return tools.run_file(f'{tools.tmp}/op.ir', {self.operand: x})[self.name]


def integers(real, scale, zero, shape):
    return np.rint(real.reshape(shape).astype(float) / scale) + zero


def network(data, case, tools, config):
    calib = np.concatenate([data.array(r) for r in case['calibration']])
    text = quantized(tools, data.path(case['onnx']), f'{EXAMPLES}/{config}.lua', calib)
    ours, consts = activations(text), constants(tools, text)
    modules = layers_of(case)
    lines = re.findall(r'^  %\S+ = (?:conv2d|linear)\(.*$', text, re.M)
    ops = [Op(data, tools, consts, line, m) for line, m in zip(lines, modules, strict=True)]
    for engine, runs in case['expected'].items():
        if 'error' not in runs:
            for ref, run in zip(case['tests'], runs, strict=True):
                compare_run(data, tools, ops, ours, engine, data.array(ref), run['int8'])
    if config == 'zero_conv':
        run = tools.run_file(f'{tools.tmp}/q.ir', {'input': data.array(case['tests'][0])})
        if not all((v == 0.5).all() for v in run.values()):
            raise Failure('the convolution of zeros with bias 0.5 is not 0.5')


def layers_of(case):
    return [m for m in case['modules'] if 'weight' in m]


def compare_run(data, tools, ops, ours, engine, x, int8):
    # a module that only passes its operand on has the same integers
    theirs = [t for i, t in enumerate(int8.values()) if t not in list(int8.values())[:i]]
    for i, (tensor, want) in enumerate(zip(ours, theirs, strict=True)):
        compare_params(tensor, want['scale'], want['zero_point'], SUMS_DIFFER if i else 0)
    name, scale, zero = ours[0]
    q = quantize.quantized(tools, x, scale, zero, 'quint8')
    tools.close(q, data.array(theirs[0]['q']), 1, f'{engine}, {name}: ')
    for op, before, tensor, operand, want in zip(ops, ours[:-1], ours[1:], theirs[:-1], theirs[1:], strict=True):
        shape = operand['q']['shape']
        typ = f'u8<scale={before[1]!r}, zero={before[2]}>{list(shape)}'
        real = np.float32((data.array(operand['q']).astype(float) - before[2]) * before[1])
        got = op.run(tools, typ, real)
        q = integers(got, tensor[1], tensor[2], want['q']['shape'])
        tools.close(q, data.array(want['q']), 1, f'{engine}, {tensor[0]}: ')

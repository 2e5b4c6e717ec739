"""calibrators/: NVIDIA's pytorch_quantization: histograms, edges, amax and the quantizer itself, exactly."""
import re

import numpy as np

from golden import Failure, Model, ir_type
from observers import equal

SYMMETRIC = {'dtype': 's8', 'scheme': 'symmetric', 'min': -127, 'max': 127}


def check(data, case, tools):
    {'max': check_max, 'histogram': check_histogram, 'tensor_quant': check_tensor_quant}[case['kind']](
        data, case, tools)


def check_max(data, case, tools):
    batches, axis, spec = [data.array(r) for r in case['inputs']], case['axis'], dict(SYMMETRIC)
    if isinstance(axis, list):  # neighbours: one axis of their product
        assert axis == [0, 1]
        batches, axis = [b.reshape((-1,) + b.shape[2:]) for b in batches], 0
    if axis is not None:
        spec['axis'] = axis % batches[0].ndim
    got = tools.observe('max', batches, spec)
    amax = data.array(case['amax'])
    equal('amax', got['high'], amax)
    equal('-amax', got['low'], -amax)
    equal('scale', got['scale'], np.maximum(amax / np.float32(127), np.float32(2**-23)))


def check_histogram(data, case, tools):
    args = case['args']
    batches = [data.array(r) for r in case['inputs']]
    hist = [f"num_bins={args['num_bins']}", f"skip_zeros={str(args['skip_zeros']).lower()}",
            f"torch_hist={str(args['torch_hist']).lower()}"]
    search = [f"num_bits={args['num_bits']}", f"unsigned={str(args['unsigned']).lower()}"]
    first = True
    for method, amax in case['amax'].items():
        name, words = observer_of(method, search)
        if name == 'entropy' and case.get('entropy_nan'):
            continue  # upstream takes a NaN for the least divergence
        got = tools.observe(','.join([name] + hist + words), batches, SYMMETRIC)
        equal(method, got['high'], np.float32(amax))
        if first:
            equal('histogram', got['histogram'], data.array(case['hist']))
            equal('edges', got['edges'], data.array(case['bin_edges']))
        first = False


def observer_of(method, search):
    """entropy_stride16 -> entropy, stride=16."""
    name, *rest = method.split('_')
    if name == 'percentile':
        return name, [f'percentile={rest[0]}']
    return name, search + ['{}={}'.format(*re.fullmatch(r'(stride|start)(\d+)', r).groups()).replace(
        'start=', 'start_bin=') for r in rest]


def check_tensor_quant(data, case, tools):
    """Our quantize with the scale amax / bound: the same but where dividing by it and multiplying by bound / amax
    round to different integers."""
    args, x, amax = case['args'], data.array(case['x']), data.array(case['amax'])
    bound = 2.0**(args['num_bits'] - 1 + args['unsigned']) - 1
    equal('scale', (np.float32(bound) / np.where(amax > 2**-24, amax, np.float32(bound))).reshape(-1), data.array(case['scale']))
    want = data.array(case['q'])
    scale = np.where(amax > 2**-24, amax, np.float32(bound)).astype(np.float32) / np.float32(bound)
    axis = args['axis']
    shape = [x.shape[axis]] if axis is not None else []
    m = Model()
    node = m.node('quantize', [m.input(x, ir_type('float32', x.shape))],
                  typ=ir_type('uint8' if args['unsigned'] else 'int8', x.shape, scale.reshape(shape), 0, axis))
    got = tools.run_quantized(m, node, scale.astype(np.float64), 0, x.shape)
    low = 0 if args['unsigned'] else -bound if args['narrow_range'] else -bound - 1
    got = np.where(amax > 2**-24, np.clip(got, low, bound), 0)
    tools.close(got, want, 1)
    alike = np.rint(x / scale) == np.rint(x * data.array(case['scale']))
    if ((got != want) & alike).any():
        raise Failure('elements differ where both ways of rounding agree')

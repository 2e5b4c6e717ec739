"""seeds/: small programs, from observers to whole networks."""
import numpy as np

import observers
import quantize
from golden import Skip


def check(data, case, tools):
    kind = case['kind']
    if kind == 'observers_demo':
        observers_demo(data, case, tools)
    elif kind == 'tensor_quantize':
        quantize.compare(tools, data.array(case['x']), case['scale'], case['zero_point'], 'quint8', None,
                         data.array(case['q']))
    elif kind == 'dynamic_linear_demo':
        raise Skip('dynamic quantization')
    else:
        raise Skip("PyTorch's quantization configurations")


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

"""seeds/: small programs, from observers to whole networks."""
import observers
import quantize
from golden import Skip


def check(data, case, tools):
    kind = case['kind']
    if kind == 'observers_demo':
        if case['observer'] not in observers.NAMES or case['qscheme'] != 'default':
            raise Skip(f"observer {case['observer']}")
        observers.compare(tools, observers.NAMES[case['observer']], [data.array(r) for r in case['inputs']],
                          data.array(case['scale']), data.array(case['zero_point']))
    elif kind == 'tensor_quantize':
        quantize.compare(tools, data.array(case['x']), case['scale'], case['zero_point'], 'quint8', None,
                         data.array(case['q']))
    elif kind == 'dynamic_linear_demo':
        raise Skip('dynamic quantization')
    else:
        raise Skip("PyTorch's quantization configurations")

"""observers/: scale and zero point after the batches, exactly."""
from golden import Failure, Skip

AFFINE_U8 = {'dtype': 'quint8', 'qscheme': 'per_tensor_affine'}
NAMES = {'MinMaxObserver': 'minmax'}


def check(data, case, tools):
    if case['observer'] not in NAMES:
        raise Skip(f"observer {case['observer']}")
    if case['args'] != AFFINE_U8:
        raise Skip('parameters other than affine u8')
    if not case['inputs']:
        raise Skip('never observed: our preset has no answer, PyTorch says 1.0')
    compare(tools, NAMES[case['observer']], [data.array(r) for r in case['inputs']], data.array(case['scale']),
            data.array(case['zero_point']))


def compare(tools, observer, batches, scale, zero):
    got = tools.observe(observer, batches)
    if got != (scale[0], zero[0]):
        raise Failure(f'scale {got[0]!r}, zero point {got[1]}; expected {scale[0]!r}, {zero[0]}')

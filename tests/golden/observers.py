"""observers/: range, scale and zero point after the batches, exactly."""
import numpy as np

from golden import Failure

NAMES = {'MinMaxObserver': 'minmax', 'MovingAverageMinMaxObserver': 'moving_average',
         'PerChannelMinMaxObserver': 'per_channel_minmax',
         'MovingAveragePerChannelMinMaxObserver': 'moving_average_per_channel',
         'HistogramObserver': 'histogram', 'FixedQParamsObserver': 'fixed'}
DTYPES = {'quint8': 'u8', 'qint8': 's8', 'qint32': 's32'}
PARAMS = ('averaging_constant', 'bins', 'upsample_rate')


def spec_of(args, rank):
    """The words that describe a quantization spec to the tool."""
    scheme = args.get('qscheme', 'per_tensor_affine')
    words = {'dtype': DTYPES[args['dtype']], 'scheme': scheme.split('_')[2]}
    if scheme.endswith('float_qparams'):
        words['scheme'] = 'float'
    if scheme.startswith('per_channel'):
        words['axis'] = args['ch_axis'] % rank
    for ours, theirs in (('min', 'quant_min'), ('max', 'quant_max'), ('eps', 'eps')):
        if theirs in args:
            words[ours] = repr(args[theirs])
    words['reduce'] = int(args.get('reduce_range', False))
    return words


def check(data, case, tools):
    args = case['args']
    batches = [data.array(r) for r in case.get('inputs', [])]
    name = NAMES[case['observer']]
    if name == 'fixed':
        fixed(tools, data, case)
        return
    params = [f'{p}={args[p]}' for p in PARAMS if p in args]
    if name == 'histogram':
        params.append(f"range={case['hist_range']}")
    got = tools.observe(','.join([name] + params), batches, spec_of(args, batches[0].ndim if batches else 0))
    if batches and batches[0].size:
        equal('min', got['min'], data.array(case['min_val']))
        equal('max', got['max'], data.array(case['max_val']))
    if name == 'histogram':
        equal('histogram', got['histogram'], data.array(case['histogram']))
        if case['search'].get('float64_same') is False:
            return  # rounding of float32 decides where the search ends: not required
    compare(got, data.array(case['scale']), data.array(case['zero_point']))


def fixed(tools, data, case):
    scale, zero = case['scale_value'], case['zero_point_value']
    got = tools.observe(f'fixed={float(scale)!r},zero_point={zero}', [], spec_of({'dtype': 'quint8'}, 0))
    compare(got, data.array(case['scale']), data.array(case['zero_point']))


def equal(what, got, want):
    want = np.atleast_1d(want).reshape(-1)
    if got.shape != want.shape:
        raise Failure(f'{what}: {got.size} values, expected {want.size}')
    if (got != want).any():
        i = int((got != want).argmax())
        raise Failure(f'{what}[{i}] is {got[i]!r}, expected {want[i]!r} ({int((got != want).sum())} differ)')


def compare(got, scale, zero):
    equal('scale', got['scale'], scale)
    equal('zero', got['zero'], zero)

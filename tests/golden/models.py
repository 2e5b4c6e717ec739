"""models/: whole networks that PyTorch quantized. Under the same configuration qcc gives every tensor and weight
PyTorch's parameters; by its own it comes closer to the float model."""
import numpy as np
import onnx

import recurrent
import seeds
from golden import Failure

FLOAT = 1e-5  # of the largest output: sums in another order
# Ranges of float results that were added in another order; folding a batch norm rounds once more.
RANGES, FOLDED = 1e-5, 1e-5
# Roundings that fall differently cascade through a network: how far its result may be from what PyTorch's is, in dB.
CASCADE, GOOD = 6, 40

INT_RANGE = 'histogram { range = "int" }'  # as PyTorch 1.13's defaults have it
CONFIGS = {
    'onednn_default': ('onednn', INT_RANGE),
    'fbgemm_default': ('fbgemm', INT_RANGE),
    'qnnpack_default': ('qnnpack', INT_RANGE),
    'minmax_per_tensor': ('qnnpack', 'minmax {}'),
    'moving_average_per_channel': ('onednn', 'moving_average { averaging_constant = 0.1 }'),
    'histogram_floatrange': ('onednn', 'histogram {}'),
}


class Network:
    """A float model of a case."""

    def __init__(self, data, case, tools, key):
        self.tools, self.path = tools, data.path(case[key])
        self.name = onnx.load(self.path).graph.input[0].name
        self.calib = np.concatenate([data.array(r) for r in case['calibration']]) if 'calibration' in case else None
        self.tests = [data.array(r) for r in case['tests']]
        self.float = np.concatenate([data.array(r).ravel() for r in case['float_outputs']]).astype(np.float64)

    def run(self, model):
        """The outputs of all tests, one behind the other."""
        return np.concatenate([next(iter(self.tools.run_file(model, {self.name: x}).values())).ravel()
                               for x in self.tests])

    def quantized(self, config):
        """The text of the model as the configuration (a preset or a file) quantizes it; it lies at q.ir, too. Before
        channels are removed, which PyTorch does not do."""
        tmp = self.tools.tmp
        np.savez(f'{tmp}/calib.npz', **{self.name: self.calib})
        self.tools.call([self.tools.qcc, self.path, '-config', config, '-calib', f'{tmp}/calib.npz',
                         '-Wno-float-op', '-stop-after', 'cleanup', '-emit', 'ir', '-o', f'{tmp}/q.ir'])
        with open(f'{tmp}/q.ir') as f:
            return f.read()

    def sqnr(self, outputs):
        noise = ((outputs - self.float) ** 2).sum()
        return 10 * np.log10((self.float ** 2).sum() / noise) if noise else np.inf


def check_float(net):
    """The model that was quantized, as it is."""
    got = net.run(net.path)
    off = np.abs(got - net.float).max() / max(1, np.abs(net.float).max())
    if off > FLOAT:
        raise Failure(f'in float the output is off by {off:g}')


def absorbed(case):
    """x * sigmoid(x) is one table for qcc: the sigmoid has no integers of its own."""
    products = [n for n in case['fx_graph'] if n['name'].startswith('mul')]
    return {a for n in products for a in n['args'] if str(a).startswith('sigmoid')}


def theirs(case):
    """What PyTorch's reference engine gave in the first test."""
    engine = case.get('reference_engine') or next(e for e, runs in case['expected'].items() if 'error' not in runs)
    return case['expected'][engine][0]['int8'], case['sqnr_db'][engine]


def check_activations(case, text):
    ours = seeds.activations(text)
    tensors, _ = theirs(case)
    for name, want in tensors.items():
        if name in absorbed(case):
            continue
        near = [s for _, s, z in ours if z == want['zero_point'] and abs(s - want['scale']) <= RANGES * want['scale']]
        if not near:
            raise Failure(f"no tensor has the parameters of {name}: {want['scale']}, {want['zero_point']}")


def check_weights(data, case, tools, text):
    """Each module's weight is one of ours: its integers and its scales."""
    ours = [(seeds.per_channel(t, 'scale'), v) for t, v in seeds.constants(tools, text).values() if t.startswith('s8')]
    for m in seeds.layers_of(case):
        w = m['weight']
        scale = np.atleast_1d(data.array(w['scales']) if 'scales' in w else w['scale'])
        q = data.array(w['q']).astype(int)
        fits = [v for s, v in ours if s.size == scale.size and (np.abs(s - scale) <= FOLDED * scale).all() and
                v.size == q.size and np.abs(np.sort(v.ravel()) - np.sort(q.ravel())).max() <= 1]
        if not fits:
            raise Failure(f"no layer has the weights of {m['name']}")


def check_static(data, case, tools):
    preset, observer = CONFIGS[case['qconfig']]
    config = f'{tools.tmp}/config.lua'
    with open(config, 'w') as f:
        f.write(f'preset "{preset}"\ndefault {{ activation = {observer} }}\n')
    _, best = theirs(case)
    for key in ('onnx', 'onnx_unfolded_bn'):
        if key not in case:
            continue
        net = Network(data, case, tools, key)
        check_float(net)
        text = net.quantized(config)
        check_activations(case, text)
        check_weights(data, case, tools, text)
        got = net.sqnr(net.run(f'{tools.tmp}/q.ir'))
        if got < min(best - CASCADE, GOOD):
            raise Failure(f"{got:.1f} dB under PyTorch's configuration, PyTorch {best:.1f}")
        net.quantized('qcc')
        got = net.sqnr(net.run(f'{tools.tmp}/q.ir'))
        if got < best:
            raise Failure(f"{got:.1f} dB, PyTorch {best:.1f}")


def check(data, case, tools):
    if case['kind'] == 'dynamic':
        return recurrent.model(data, case, tools)
    check_static(data, case, tools)

"""LSTM, GRU, RNN and their cells of PyTorch's quantize_dynamic: models of the text IR whose gates are brought into ONNX's
order. Both engines: QNNPACK quantizes activations to 0..255, oneDNN to 0..127."""
import re

import numpy as np

import dynamic
from golden import Failure, Model, ir_type

# Which of PyTorch's gates stands where: LSTM i f g o -> i o f c, GRU r z n -> z r h.
ORDER = {'lstm': [0, 3, 1, 2], 'gru': [1, 0, 2], 'rnn': [0]}
QMAX = {'qnnpack': 255, 'onednn': 127}
PRESETS = {'qnnpack': 'qnnpack_dynamic', 'onednn': 'fbgemm_dynamic'}
# Outputs are at most 1, but the cells of an LSTM, which are of that size here.
MOST = 1e-5


def gates(kind, w):
    parts = np.split(np.asarray(w), len(ORDER[kind]))
    return np.concatenate([parts[i] for i in ORDER[kind]])


def weight(model, kind, parts):
    """s8 [D, G*H, K], a scale for each direction; `parts`: (integers, scale) of each."""
    q = np.stack([gates(kind, w) for w, _ in parts])
    scale = np.float32([s for _, s in parts])
    return model.constant(q, ir_type('int8', q.shape, scale, 0, 0))


def bias(model, kind, parts):
    """[D, 2*G*H]; `parts`: (of the input, of the state) of each direction."""
    b = np.stack([np.concatenate([gates(kind, x), gates(kind, h)]) for x, h in parts])
    return model.constant(b, ir_type('float32', b.shape))


def layer(model, kind, x, w, r, b, qmax, bidirectional=False):
    """The names of the results."""
    attributes = {'dynamic': True, 'qmax': qmax}
    if bidirectional:
        attributes['direction'] = 'bidirectional'
    if kind == 'gru':
        attributes['linear_before_reset'] = True
    return model.nodes(kind, [x, weight(model, kind, w), weight(model, kind, r), bias(model, kind, b)],
                       3 if kind == 'lstm' else 2, attributes)


def join(model, y, steps, batch, width):
    """[T, D, B, H] -> [T, B, D*H]"""
    y = model.node('transpose', [y], {'perm': [0, 2, 1, 3]})
    return model.node('reshape', [y], {'shape': [steps, batch, width]})


class Case:
    def __init__(self, data, case):
        self.data, self.case = data, case
        self.kind = case['op'].split('_')[0].replace('cell', '')
        self.cell = 'cell' in case['op']
        self.params = case['params']
        self.x = data.array(case['inputs'][0]['v'])

    def quantized(self, name):
        w = self.case['weights'][name]
        return self.data.array(w['q']), w['scale']

    def real(self, name):
        return self.data.array(self.case['weights'][name]['f'])

    def layer(self, model, x, suffixes, qmax):
        w, r = ([self.quantized(f'weight_{k}{s}') for s in suffixes] for k in ('ih', 'hh'))
        b = [(self.real(f'bias_ih{s}'), self.real(f'bias_hh{s}')) for s in suffixes]
        return layer(model, self.kind, x, w, r, b, qmax, len(suffixes) == 2)

    def build_cell(self, qmax):
        """A sequence of one step."""
        model = Model()
        batch, inputs = self.x.shape
        x = model.input(self.x, ir_type('float32', self.x.shape))
        x = model.node('reshape', [x], {'shape': [1, batch, inputs]})
        return model, self.layer(model, x, [''], qmax)[1:]

    def build(self, qmax):
        model, p = Model(), self.params
        x = model.input(self.x, ir_type('float32', self.x.shape))
        steps, batch = self.x.shape[:2]
        if p.get('batch_first'):
            x = model.node('transpose', [x], {'perm': [1, 0, 2]})
            steps, batch = batch, steps
        ways = ['', '_reverse'] if p.get('bidirectional') else ['']
        states = []
        for i in range(p.get('num_layers', 1)):
            y, *last = self.layer(model, x, [f'_l{i}{way}' for way in ways], qmax)
            x = join(model, y, steps, batch, len(ways) * p['hidden_size'])
            states.append(last)
        if p.get('batch_first'):
            x = model.node('transpose', [x], {'perm': [1, 0, 2]})
        return model, [x] + [model.node('concat', list(s), {'axis': 0}) for s in zip(*states)]


def near(got, want, what, slack=0.0):
    d = np.abs(got.reshape(want.shape).astype(np.float64) - want)
    if not d.max() <= MOST + slack:
        raise Failure(f'{what}: {int((d > MOST + slack).sum())} of {d.size} elements differ by up to {d.max():g}')


def check(data, case, tools):
    c = Case(data, case)
    for engine, expected in case['expected'].items():
        model, outputs = c.build_cell(QMAX[engine]) if c.cell else c.build(QMAX[engine])
        named = tools.run_all(model, ', '.join(outputs))
        results = [named[name[1:]] for name in outputs]
        if len(results) != len(expected['outputs']):
            raise Failure(f'{engine}: {len(results)} outputs')
        for i, (got, want) in enumerate(zip(results, expected['outputs'])):
            near(got, data.array(want['f']), f'{engine}, output {i}')


# ---- whole models ----

def constants_of(tools, model, options):
    """The s8 constants that qcc makes of a model: (integers, scales)."""
    path = f'{tools.tmp}/recurrent.ir'
    tools.call([tools.qcc, model, '-emit', 'ir', '-o', path] + options)
    with open(path) as f:
        text = f.read()
    arrays = re.search(r'weights "(.*)"', text)[1]
    stored = np.load(f'{tools.tmp}/{arrays}')
    found = re.findall(r'const @(\S+) : s8<(?:axis=\d, )?scale=(\[.*?\]|[^,]*), zero=', text)
    return [(stored[name.strip('"')], np.float32(np.atleast_1d(eval(scale, {})))) for name, scale in found]


def expected_constants(data, weights):
    """PyTorch's, as ONNX has them: directions joined, gates in its order."""
    for name, w in weights.items():
        if name.endswith('_reverse'):
            continue
        parts = [w] + [weights[k] for k in (f'{name}_reverse',) if k in weights]
        q = [data.array(p['q']) for p in parts]
        if 'lstm' in name:
            q = np.stack([gates('lstm', x) for x in q])
        yield name, np.reshape(q, np.shape(q) if 'lstm' in name else np.shape(q)[1:]), np.float32([p['scale'] for p in parts])


def check_constants(data, case, found, tools):
    """Scales exactly, integers within one: PyTorch multiplies by the rounded reciprocal of the scale. Returns the sum
    of the differences as real numbers."""
    slack = 0.0
    for name, q, scale in expected_constants(data, case['weights']):
        same = [w for w, s in found if w.shape == q.shape and s.shape == scale.shape and (s == scale).all()]
        if len(same) != 1:
            raise Failure(f'{name}: {len(same)} constants of the model have its scales and shape')
        tools.close(same[0], q, 1, f'{name}: ')
        slack += float((np.abs(same[0].astype(int) - q)).sum() * scale.max())
    return slack


def model(data, case, tools):
    """A network with LSTMs, by quantize_dynamic."""
    for engine, results in case['expected'].items():
        options = ['-config', PRESETS[engine]]
        for x, want in zip((data.array(r) for r in case['tests']), results, strict=True):
            path = dynamic.with_batch(tools, data.path(case['onnx']), x.shape[0])
            slack = check_constants(data, case, constants_of(tools, path, options), tools)
            got = next(iter(tools.run_file(path, {'input': x}, options).values()))
            near(got, data.array(want['f']), f'{engine}, batch of {x.shape[0]}', slack * np.abs(x).max())

"""LSTM, GRU and RNN in NumPy, by the equations of ONNX, and the forms that they take: what forms.py adds."""
import numpy as np
from onnxtest import f32, i64, node


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def function(name, alpha=None, beta=None):
    """The activation `name` with ONNX's defaults."""
    return {
        'Sigmoid': sigmoid,
        'Tanh': np.tanh,
        'Relu': lambda x: np.maximum(x, 0),
        'Affine': lambda x: alpha * x + beta,
        'LeakyRelu': lambda x: np.where(x < 0, (0.01 if alpha is None else alpha) * x, x),
        'ThresholdedRelu': lambda x: np.where(x > (1 if alpha is None else alpha), x, 0),
        'ScaledTanh': lambda x: alpha * np.tanh(beta * x),
        'HardSigmoid': lambda x: np.clip(
            (0.2 if alpha is None else alpha) * x + (0.5 if beta is None else beta), 0, 1
        ),
        'Elu': lambda x: np.where(x < 0, (1 if alpha is None else alpha) * (np.exp(x) - 1), x),
        'Softsign': lambda x: x / (1 + np.abs(x)),
    }[name]


def direction(kind, x, w, r, b, h, c, p, f, clip, before_reset, input_forget):
    """One direction over x [T, B, I], in double: all states, the last one, the cell."""
    limit = (lambda a: np.clip(a, -clip, clip)) if clip else (lambda a: a)
    n = h.shape[-1]
    bw, br = np.split(b, 2)
    states = []
    for xt in x:
        a = xt @ w.T + bw + (0 if kind == 'GRU' else h @ r.T + br)
        if kind == 'RNN':
            h = f[0](limit(a))
        elif kind == 'LSTM':
            i, o, g, k = np.split(a, 4, -1)
            i = f[0](limit(i + p[:n] * c))
            g = 1 - i if input_forget else f[0](limit(g + p[2 * n :] * c))
            c = g * c + i * f[1](limit(k))
            h = f[0](limit(o + p[n : 2 * n] * c)) * f[2](limit(c))
        else:
            zr = f[0](limit(a[:, : 2 * n] + h @ r[: 2 * n].T + br[: 2 * n]))
            z, s = np.split(zr, 2, -1)
            q = s * (h @ r[2 * n :].T + br[2 * n :]) if before_reset else (s * h) @ r[2 * n :].T + br[2 * n :]
            h = (1 - z) * f[1](limit(a[:, 2 * n :] + q)) + z * h
        states.append(h)
    return np.stack(states), h, c


USUAL = {'LSTM': ['Sigmoid', 'Tanh', 'Tanh'], 'GRU': ['Sigmoid', 'Tanh'], 'RNN': ['Tanh']}


def network(kind, x, w, r, b=None, h0=None, c0=None, p=None, way='forward', functions=None, clip=None,
            before_reset=False, input_forget=False):
    """[Y, Y_h, Y_c] in ONNX's shapes."""
    d, rows, n = r.shape
    batch = x.shape[1]
    zeros = np.zeros((d, batch, n))
    b = np.zeros((d, 2 * rows)) if b is None else b
    h0 = zeros if h0 is None else h0
    c0 = zeros if c0 is None else c0
    p = np.zeros((d, 3 * n)) if p is None else p
    f = functions or [function(name) for name in USUAL[kind]]
    parts = []
    for i in range(d):
        step = -1 if way == 'reverse' or i else 1
        y, h, c = direction(kind, x[::step].astype(float), w[i], r[i], b[i], h0[i], c0[i], p[i], f, clip,
                            before_reset, input_forget)
        parts.append((y[::step], h, c))
    return [np.stack([q[0] for q in parts], 1), np.stack([q[1] for q in parts]), np.stack([q[2] for q in parts])]


def add_cases(case, rand):
    """Calls case() for each form."""

    def some(*shape, size=0.6):
        return f32(rand.standard_normal(shape) * size)

    def form(name, kind, t=3, batch=2, i=4, n=3, d=1, with_b=True, states=False, peep=False, layout=0, attrs=None,
             outs=None, opset=14, **ref):
        gates = {'LSTM': 4, 'GRU': 3, 'RNN': 1}[kind]
        x = some(t, batch, i)
        consts = {'w': some(d, gates * n, i), 'r': some(d, gates * n, n)}
        names = ['x', 'w', 'r', '', '', '', '', '']
        ins, args = {'x': x}, {}
        if with_b:
            consts['b'] = args['b'] = some(d, 2 * gates * n)
            names[3] = 'b'
        if states:
            args['h0'] = some(d, batch, n)
            names[5] = 'h0'
            if kind == 'LSTM':
                args['c0'] = some(d, batch, n)
                names[6] = 'c0'
        if peep:
            consts['p'] = args['p'] = some(d, 3 * n)
            names[7] = 'p'
        ins.update({k: v for k, v in args.items() if k in ('h0', 'c0')})
        way = ref.pop('way', 'bidirectional' if d == 2 else 'forward')
        want = network(kind, x, consts['w'], consts['r'], way=way, **args, **ref)
        if layout:
            ins = {k: np.swapaxes(v, 0, 1) for k, v in ins.items()}
            want = [want[0].transpose(2, 0, 1, 3)] + [np.swapaxes(v, 0, 1) for v in want[1:]]
        while not names[-1]:
            names.pop()
        results = outs or ['y', 'h', 'c'][: 3 if kind == 'LSTM' else 2]
        n = node(kind, '', '', direction=way, hidden_size=n, **({'layout': 1} if layout else {}), **(attrs or {}))
        n.input.extend(names)
        n.output.extend(results)
        case(f'{kind} {name}', [n], ins, {o: f32(v) for o, v in zip(results, want) if o}, consts, opset=opset)

    for kind in ('LSTM', 'GRU', 'RNN'):
        form('plain', kind)
        form('without bias', kind, with_b=False)
        form('reverse', kind, way='reverse')
        form('both directions', kind, d=2)
        form('both directions, states', kind, d=2, states=True)
        form('states', kind, states=True)
        form('one step', kind, t=1, batch=1, states=True)
        form('opset 7', kind, opset=7)
        form('clip', kind, clip=0.3, attrs={'clip': 0.3})
        form('batch first', kind, layout=1, states=True)
        form('batch first, both directions', kind, layout=1, d=2, states=True)
        form('batch first, Y_h alone', kind, layout=1, outs=['', 'h'])
        form('Y_h alone', kind, outs=['', 'h'])
        form('Y alone', kind, outs=['y'])
        form('wide', kind, t=5, batch=5, i=9, n=17)
    form('Y_c alone', 'LSTM', outs=['', '', 'c'])
    form('peepholes', 'LSTM', peep=True, states=True)
    form('peepholes, both directions', 'LSTM', peep=True, states=True, d=2)
    form('peepholes, clip', 'LSTM', peep=True, states=True, clip=0.2, attrs={'clip': 0.2})
    form('input_forget', 'LSTM', states=True, input_forget=True, attrs={'input_forget': 1})
    form('linear_before_reset', 'GRU', states=True, before_reset=True, attrs={'linear_before_reset': 1})
    form('linear_before_reset, both', 'GRU', d=2, before_reset=True, attrs={'linear_before_reset': 1})
    # each function; alpha and beta are consumed by those that have them
    for name, alpha, beta in [('Relu', [], []), ('Affine', [0.5], [0.25]), ('LeakyRelu', [0.3], []),
                              ('LeakyRelu', [], []), ('ThresholdedRelu', [0.2], []), ('ThresholdedRelu', [], []),
                              ('ScaledTanh', [1.5], [0.5]), ('HardSigmoid', [], []), ('HardSigmoid', [0.3], [0.4]),
                              ('Elu', [], []), ('Elu', [0.5], []), ('Softsign', [], []), ('Sigmoid', [], []),
                              ('tanh', [], [])]:
        attrs = {'activations': [name]}
        attrs.update({'activation_alpha': alpha} if alpha else {})
        attrs.update({'activation_beta': beta} if beta else {})
        f = function(name.capitalize() if name.islower() else name, *alpha, *beta)
        form(f'{name} {alpha} {beta}', 'RNN', functions=[f], attrs=attrs)
    form('three functions', 'LSTM', functions=[function('HardSigmoid', 0.25, 0.4), np.tanh, function('Affine', 0.5, 0.1)],
         attrs={'activations': ['HardSigmoid', 'Tanh', 'Affine'], 'activation_alpha': [0.25, 0.5],
                'activation_beta': [0.4, 0.1]})
    form('functions of both directions', 'GRU', d=2, functions=[sigmoid, function('LeakyRelu', 0.2)],
         attrs={'activations': ['Sigmoid', 'LeakyRelu'] * 2, 'activation_alpha': [0.2, 0.2]})
    full_lengths(case, some)


def full_lengths(case, some):
    """sequence_lens that say nothing; opset 1's attribute that says nothing either."""
    x, w, r = some(3, 2, 4), some(1, 3, 4), some(1, 3, 3)
    want = network('RNN', x, w, r)
    n = node('RNN', '', 'y h', hidden_size=3)
    n.input.extend(['x', 'w', 'r', '', 'lengths'])
    consts = {'w': w, 'r': r, 'lengths': i64(3, 3).astype(np.int32)}
    case('RNN full lengths', [n], {'x': x}, {'y': f32(want[0]), 'h': f32(want[1])}, consts)
    n = node('RNN', 'x w r', 'y', hidden_size=3, output_sequence=1)
    case('RNN opset 6', [n], {'x': x}, {'y': f32(want[0])}, {'w': w, 'r': r}, opset=6)

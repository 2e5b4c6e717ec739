"""LSTM, GRU and RNN in NumPy, by the equations of ONNX, and the forms that they take: what forms.py adds."""
import numpy as np
from onnx import helper
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


def at_run_time(x, q, scale):
    """x times integers and their scales, as DynamicQuantizeLSTM has it: x is quantized by its own range to 0..255."""
    low, high = np.float32(min(0, x.min())), np.float32(max(0, x.max()))
    s = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero = np.clip(np.rint(-low / s), 0, 255)
    steps = np.clip(np.rint(np.float32(x) / s) + zero, 0, 255) - zero
    return np.float32(steps @ q.T) * (s * scale)


def direction(kind, x, w, r, b, h, c, p, f, clip, before_reset, input_forget, scales=None):
    """One direction over x [T, B, I], in double: all states, the last one, the cell. `scales`: of integers w and r."""
    if scales:
        return dynamic_lstm(x, w, r, b, h, c, f, scales)
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
            h = f[0](limit(o + p[n : 2 * n] * c)) * f[2](c)
        else:
            zr = f[0](limit(a[:, : 2 * n] + h @ r[: 2 * n].T + br[: 2 * n]))
            z, s = np.split(zr, 2, -1)
            q = s * (h @ r[2 * n :].T + br[2 * n :]) if before_reset else (s * h) @ r[2 * n :].T + br[2 * n :]
            h = (1 - z) * f[1](limit(a[:, 2 * n :] + q)) + z * h
        states.append(h)
    return np.stack(states), h, c


def dynamic_lstm(x, w, r, b, h, c, f, scales):
    """The sequence is quantized at once, the state in each step."""
    bw, br = np.split(b, 2)
    t, batch, inputs = x.shape
    sums = at_run_time(x.reshape(-1, inputs), w, scales[0]).reshape(t, batch, -1)
    states = []
    for s in sums:
        i, o, g, k = np.split(s + bw + br + at_run_time(h, r, scales[1]), 4, -1)
        c = f[0](g) * c + f[0](i) * f[1](k)
        h = f[0](o) * f[2](c)
        states.append(h)
    return np.stack(states), h, c


USUAL = {'LSTM': ['Sigmoid', 'Tanh', 'Tanh'], 'GRU': ['Sigmoid', 'Tanh'], 'RNN': ['Tanh']}


def network(kind, x, w, r, b=None, h0=None, c0=None, p=None, way='forward', functions=None, clip=None,
            before_reset=False, input_forget=False, scales=None):
    """[Y, Y_h, Y_c] in ONNX's shapes. `scales`: of w and r, for each direction and row."""
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
                            before_reset, input_forget, [v[i] for v in scales] if scales else None)
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
    for per_row in (False, True):
        for d in (1, 2):
            for dtype in (np.int8, np.uint8):
                dynamic_form(case, rand, d, per_row, dtype)
                integers_form(case, rand, d, per_row, dtype)


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


def quantized_weights(rand, d, rows, inputs, hidden, per_row, dtype):
    """[(integers [D, rows, K], scales, zero points)] of w and r; scales [D], or [D, rows]."""
    ends, made = np.iinfo(dtype), []
    for k in (inputs, hidden):
        shape = (d, rows) if per_row else (d,)
        zero = rand.integers(ends.min, ends.max + 1, shape) if dtype == np.uint8 else np.zeros(shape)
        q = rand.integers(ends.min, ends.max + 1, (d, rows, k))
        made.append((q.astype(dtype), f32(rand.uniform(0.002, 0.007, shape)), zero.astype(dtype)))
    return made


def real_parts(q, scale, zero):
    """Integers minus their zero points, and a scale for each row."""
    spread = lambda v: np.broadcast_to(v.reshape(v.shape + (1,) * (2 - v.ndim)), q.shape[:2])
    return q.astype(float) - spread(zero)[..., None], spread(scale)


def dynamic_form(case, rand, d, per_row, dtype):
    """DynamicQuantizeLSTM: weights [D, K, 4*H], scales [D] or [D, 4*H]."""
    x, b = f32(rand.standard_normal((4, 2, 5))), f32(rand.standard_normal((d, 24)) * 0.5)
    weights = quantized_weights(rand, d, 12, 5, 3, per_row, dtype)
    (w, w_scale), (r, r_scale) = (real_parts(*v) for v in weights)
    consts = {'b': b}
    for name, (q, scale, zero) in zip('wr', weights):
        consts.update({name: np.swapaxes(q, 1, 2), f'{name}s': scale, f'{name}z': zero})
    n = node('DynamicQuantizeLSTM', '', 'y h c', domain='com.microsoft', hidden_size=3,
             direction='bidirectional' if d == 2 else 'forward')
    n.input.extend(['x', 'w', 'r', 'b', '', '', '', '', 'ws', 'wz', 'rs', 'rz'])
    want = network('LSTM', x, w, r, b, way='bidirectional' if d == 2 else 'forward', scales=[w_scale, r_scale])
    case(f'DynamicQuantizeLSTM {d} {per_row} {dtype.__name__}', [n], {'x': x}, dict(zip('yhc', map(f32, want))), consts,
         imports=[helper.make_opsetid('com.microsoft', 1)])


def integers_form(case, rand, d, per_row, dtype):
    """Weights behind DequantizeLinear, with a scale for each direction, or for each row of one matrix."""
    x = f32(rand.standard_normal((4, 2, 5)))
    weights = quantized_weights(rand, d, 9, 5, 3, per_row, dtype)
    consts, nodes, real = {}, [], []
    for name, (q, scale, zero) in zip('wr', weights):
        integers, row_scale = real_parts(q, scale, zero)
        real.append(integers * row_scale[..., None])
        shape = list(q.shape)
        consts.update({f'{name}q': q.reshape(-1, shape[2]) if per_row else q, f'{name}s': scale.reshape(-1),
                       f'{name}z': zero.reshape(-1), f'{name}shape': i64(*shape)})
        view = f'{name}v' if per_row else name
        nodes.append(node('DequantizeLinear', f'{name}q {name}s {name}z', view, axis=0))
        if per_row:
            nodes.append(node('Reshape', f'{view} {name}shape', name))
    way = 'bidirectional' if d == 2 else 'forward'
    nodes.append(node('GRU', 'x w r', 'y h', hidden_size=3, direction=way))
    want = network('GRU', x, *real, way=way)
    case(f'GRU of integers {d} {per_row} {dtype.__name__}', nodes, {'x': x}, dict(zip('yh', map(f32, want))), consts)

#!/usr/bin/python3
"""recurrent.py QCC: LSTM, GRU, RNN and DynamicQuantizeLSTM, drawn at random, against ONNX Runtime: float outputs that agree
to rounding. DynamicQuantizeLSTM quantizes by the rule that qcc has too, so only values next to a tie could part."""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '../../bench')]
SKIP = 77
try:
    import numpy as np
    import ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(SKIP)

GATES = {'LSTM': 4, 'GRU': 3, 'RNN': 1}
MOST = 1e-5
SIZES = [1, 2, 3, 5, 8, 9, 16, 17]


def integers(rng, constants, name, dtype, directions, k, rows):
    """[D, K, rows] with scales and zero points."""
    ends = np.iinfo(dtype)
    shape = (directions, rows) if rng.random() < 0.5 else (directions,)
    constants[name] = rng.integers(ends.min, ends.max + 1, (directions, k, rows)).astype(dtype)
    constants[f'{name}_scale'] = rng.uniform(0.001, 0.006, shape).astype(np.float32)
    constants[f'{name}_zero'] = np.full(shape, 128 if dtype == 'uint8' else 0).astype(dtype)


def options(rng, kind):
    attributes = {}
    if rng.random() < 0.2:
        attributes['clip'] = float(rng.uniform(0.2, 1))
    if kind == 'GRU' and rng.random() < 0.5:
        attributes['linear_before_reset'] = 1
    if kind == 'LSTM' and rng.random() < 0.2:
        attributes['input_forget'] = 1
    if rng.random() < 0.15:
        name, count = rng.choice(['Relu', 'Softsign', 'HardSigmoid', 'Elu']), {'LSTM': 3, 'GRU': 2, 'RNN': 1}[kind]
        attributes['activations'] = (['Sigmoid', 'Tanh', str(name)][:count] if count > 1 else [str(name)])
    return attributes


def draw(rng, dynamic):
    """A model and its input."""
    kind = 'LSTM' if dynamic else str(rng.choice(list(GATES)))
    steps, batch, k, hidden = (int(rng.choice(SIZES[:n])) for n in (5, 4, 8, 8))
    directions, rows = int(rng.integers(1, 3)), GATES[kind] * hidden
    x = rng.standard_normal((steps, batch, k)).astype(np.float32)
    some = lambda *shape: (rng.standard_normal(shape) * 0.5).astype(np.float32)
    constants = {'b': some(directions, 2 * rows)}
    names = ['x', 'w', 'r', 'b', '', '', '', '']
    if rng.random() < 0.5:
        constants['h0'], names[5] = some(directions, batch, hidden), 'h0'
        if kind == 'LSTM':
            constants['c0'], names[6] = some(directions, batch, hidden), 'c0'
    if kind == 'LSTM' and rng.random() < 0.2:
        constants['p'], names[7] = some(directions, 3 * hidden), 'p'
    attributes = options(rng, kind)
    if directions == 2 and 'activations' in attributes:
        attributes['activations'] *= 2
    if dynamic:
        dtype = str(rng.choice(['int8', 'uint8']))
        integers(rng, constants, 'w', dtype, directions, k, rows)
        integers(rng, constants, 'r', dtype, directions, hidden, rows)
        names += ['w_scale', 'w_zero', 'r_scale', 'r_zero']
    else:
        constants.update(w=some(directions, rows, k), r=some(directions, rows, hidden))
    while not names[-1]:
        names.pop()
    outputs = ['y', 'h', 'c'][:3 if kind == 'LSTM' else 2]
    way = 'bidirectional' if directions == 2 else str(rng.choice(['forward', 'reverse']))
    op, domain = ('DynamicQuantizeLSTM', 'com.microsoft') if dynamic else (kind, '')
    node = helper.make_node(op, names, outputs, domain=domain, hidden_size=hidden, direction=way, **attributes)
    graph = helper.make_graph([node], 'g', [helper.make_tensor_value_info('x', TensorProto.FLOAT, x.shape)],
                              [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
                              initializer=[numpy_helper.from_array(v, name) for name, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17), helper.make_opsetid('com.microsoft', 1)])
    model.ir_version = 8
    return f'{op} {steps}x{batch}x{k} -> {hidden} {way} {attributes}', model.SerializeToString(), x


class Failure(Exception):
    pass


def call(*cmd):
    r = subprocess.run(cmd, text=True, capture_output=True, timeout=60)
    if r.returncode:
        raise Failure(r.stderr.strip())


def run_qcc(qcc, path, feeds, mode, tmp):
    np.savez(f'{tmp}/in.npz', **feeds)
    call(qcc, path, '-run', f'{tmp}/in.npz', '-o', f'{tmp}/out.npz', *mode)
    with np.load(f'{tmp}/out.npz') as z:
        return {name: z[name] for name in z.files}


def compare(what, got, want):
    for name, w in want.items():
        d = np.abs(got[name].reshape(w.shape) - w).max()
        if not d <= MOST * max(1, np.abs(w).max()):
            raise Failure(f'{what}: {name} differs by up to {d:g}')


def check(runtime, qcc, rng, dynamic, tmp):
    """The model, and what -emit onnx makes of it; of a float model also with small weights. A complaint, or None."""
    what, model, x = draw(rng, dynamic)
    path, written = f'{tmp}/m.onnx', f'{tmp}/written.onnx'
    with open(path, 'wb') as f:
        f.write(model)
    try:
        want = ort.Session(runtime, model).run({'x': x})
        modes = [[]] if dynamic else [['-quantize', 'none'], ['-quantize', 'weights'], ['-quantize', 'f16']]
        for i, mode in enumerate(modes):
            got = run_qcc(qcc, path, {'x': x}, mode, tmp)
            if i == 0:
                compare('as it is', got, want)
            call(qcc, path, '-emit', 'onnx', '-o', written, *mode)
            with open(written, 'rb') as f:
                compare(f'written {mode}', got, ort.Session(runtime, f.read()).run({'x': x}))
    except (Failure, ort.OrtError) as e:
        return f'{what}: {e}'
    return None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('qcc')
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=60)
    a = ap.parse_args()
    try:
        runtime = ort.Runtime(ort.library())
    except ort.Missing as e:
        print(f'skipped: {e}')
        return SKIP
    rng = np.random.default_rng(a.seed)
    with tempfile.TemporaryDirectory() as tmp:
        failed = [why for i in range(a.count) if (why := check(runtime, a.qcc, rng, i % 3 == 0, tmp))]
    for why in failed:
        print(f'FAIL {why}')
    print(f'{a.count - len(failed)} passed, {len(failed)} failed')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())

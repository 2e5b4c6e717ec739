"""What -emit onnx writes, in ONNX Runtime: float models that qcc has quantized, against its interpreter."""
import os
import subprocess

import numpy as np
import onnx

import ort

SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../shared')
MODELS = os.environ.get('QCC_MODELS') or os.path.join(SHARED, 'models')
SAMPLES, LARGE = 64, 150 * 150


class Export:
    def __init__(self, qcc, tmp):
        self.qcc, self.tmp = qcc, tmp

    def bytes_of(self, model, *options):
        """The ONNX file that qcc makes of the model; the checker must accept it."""
        path = f'{self.tmp}/exported.onnx'
        subprocess.run([self.qcc, model, *options, '-emit', 'onnx', '-o', path], check=True, capture_output=True, timeout=600)
        onnx.checker.check_model(path)
        with open(path, 'rb') as f:
            return f.read()


def samples_of(model, folder):
    """The inputs, each [N] + its shape, and N: of eval.npz, at most SAMPLES."""
    graph = onnx.load(model, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    inputs = [(v.name, [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]) for v in graph.input
              if v.name not in constants]
    with np.load(os.path.join(folder, 'eval.npz')) as z:
        arrays = {name: z[name] if name in z.files else z['x'] for name, _ in inputs}
    arrays = {name: arrays[name].reshape([-1] + shape).astype(np.float32) for name, shape in inputs}
    large = any(len(s) == 4 and s[2] * s[3] >= LARGE for _, s in inputs)
    count = min(min(len(a) for a in arrays.values()), 4 if large else SAMPLES)
    return {name: a[:count] for name, a in arrays.items()}, count


def run_both(runtime, export, model, options, feeds, count):
    """Outputs of ONNX Runtime and of `qcc -run`, by name, each [N, elements]."""
    session = ort.Session(runtime, export.bytes_of(model, *options))
    results = [session.run({n: a[i] for n, a in feeds.items()}) for i in range(count)]
    want = {n: np.stack([r[n].reshape(-1) for r in results]).astype(np.float64) for n in session.outputs}
    np.savez(f'{export.tmp}/in.npz', **{n: a.reshape((-1,) + a.shape[2:]) if a.shape[1] == 1 else a
                                        for n, a in feeds.items()})
    subprocess.run([export.qcc, model, *options, '-run', f'{export.tmp}/in.npz', '-o', f'{export.tmp}/out.npz'], check=True,
                   capture_output=True, timeout=600)
    with np.load(f'{export.tmp}/out.npz') as z:
        got = {n: z[n].reshape(count, -1).astype(np.float64) for n in z.files}
    return want, got


def compare_models(runtime, qcc, tmp):
    """How many models were compared, and what failed. Nothing is required of the figures but that they are finite."""
    if not os.path.isdir(MODELS):
        print(f'no float models: {MODELS} is not there')
        return 0, []
    print('\nfloat models, quantized and written by qcc: ONNX Runtime against qcc -run')
    print(f"{'model':18} {'mode':8} {'output':22} {'samples':>7} {'elements':>8} {'equal':>8} {'largest off':>11} {'dB':>6} same class")
    compared, failures, export = 0, [], Export(qcc, tmp)
    for name in sorted(os.listdir(MODELS)):
        folder = os.path.join(MODELS, name)
        model, calib = os.path.join(folder, 'model_f32.onnx'), os.path.join(folder, 'calib.npz')
        if not os.path.isfile(model) or not os.path.isfile(os.path.join(folder, 'eval.npz')):
            continue
        feeds, count = samples_of(model, folder)
        for mode in 'static', 'none', 'dynamic', 'weights', 'f16':
            options = ['-quantize', mode] + (['-calib', calib] if mode == 'static' else [])
            try:
                want, got = run_both(runtime, export, model, options, feeds, count)
            except subprocess.CalledProcessError as e:
                why = next(line for line in e.stderr.decode().splitlines() if 'error: ' in line)
                print(f'{name:18} {mode:8} refused: {why.split("error: ")[-1][:100]}')
                continue
            except (ort.OrtError, onnx.checker.ValidationError) as e:
                failures.append(f'{name}, {mode}: {e}')
                continue
            compared += 1
            for out, x in want.items():
                failures += report(name, mode, out, count, x, got[out])
    return compared, failures


def report(name, mode, out, count, want, got):
    off = np.abs(want - got)
    most = np.abs(want).max()
    equal = (off <= 1e-5 * most).mean()
    noise = np.sum(off ** 2)
    db = f'{10 * np.log10(np.sum(want ** 2) / noise):6.1f}' if noise else ' exact'
    same = (want.argmax(1) == got.argmax(1)).sum()
    print(f'{name:18} {mode:8} {out[-22:]:22} {count:7} {off.size:8} {100 * equal:7.2f}% {off.max() / (most or 1):11.2e} {db} '
          f'{same:6}/{count}')
    if not np.isfinite(off).all() or want.shape != got.shape:
        return [f'{name}, {mode}: output {out} is not comparable']
    if mode in ('none', 'weights', 'f16') and off.max() > 1e-3 * most:
        return [f'{name}, {mode}: output {out} is off by {off.max() / most:g} of its largest value']
    return []

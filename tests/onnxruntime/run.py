#!/usr/bin/python3
"""run.py QCC: quantized operators against ONNX Runtime.

1. Models of one operator, drawn at random, and each operator of the *_qdq.onnx networks cut out: on the same random
   u8 or s8 inputs ONNX Runtime (all optimisations on) and `qcc -run` may differ by one quantum at most (docs/numerics.md).
2. The same operators as -emit onnx writes them: ONNX Runtime may differ from `qcc -run` by one quantum at most there too.
3. The whole networks, and float models that qcc has quantized and written: single quanta cascade there, so that the
   differences are reported and nothing is required. The larger ones only with QCC_SOAK=1.
"""
import argparse
import collections
import glob
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../../bench')]
SKIP = 77
try:
    import numpy as np
    import onnx
    from onnx import TensorProto, numpy_helper
    import ort
    from cut import cuts
    from exported import Export, compare_models
    from generated import generated
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(SKIP)

MACS_FOR_MORE_SAMPLES = 20e6
LARGE = 1e6  # bytes of a network


class Failure(Exception):
    pass


def run_qcc(qcc, model, feeds, tmp):
    """The single output over the stacked samples of `feeds`, as float32."""
    with open(f'{tmp}/m.onnx', 'wb') as f:
        f.write(model)
    np.savez(f'{tmp}/in.npz', **feeds)
    r = subprocess.run([qcc, f'{tmp}/m.onnx', '-run', f'{tmp}/in.npz', '-o', f'{tmp}/out.npz'], capture_output=True,
                       text=True, timeout=300)
    if r.returncode:
        raise Failure(f'qcc: {r.stderr.strip()[:300]}')
    with np.load(f'{tmp}/out.npz') as z:
        return z[z.files[0]]


def output_parameters(model):
    """Scale and zero point of the QuantizeLinear behind (or the DequantizeLinear before) the output."""
    g = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in g.initializer}
    last = next(n for n in reversed(g.node) if g.output[0].name in n.output)
    return float(constants[last.input[1]]), float(constants[last.input[2]])


def draw(rng, shape, dtype, samples):
    """Samples over the whole range, and over parts of it, where rounding is not lost in saturation."""
    least = np.iinfo(dtype).min
    out = []
    for i in range(samples):
        lo, hi = (0, 256) if i == 0 else sorted(rng.integers(0, 257, 2))
        out.append((rng.integers(lo, max(hi, lo + 1), [1] + shape) + least).astype(dtype))
    return np.concatenate(out)


def input_dtypes(model):
    dtypes = {TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8}
    return {v.name: dtypes[v.type.tensor_type.elem_type] for v in model.graph.input}


def input_shapes(model):
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}


def work(model):
    """A bound of the multiply-accumulates: elements of weights times positions of the input."""
    weights = sum(np.prod(t.dims) for t in model.graph.initializer if len(t.dims) > 1)
    return weights * max((np.prod(s[2:]) for s in input_shapes(model).values()), default=1)


def stacked_for_qcc(array):
    """[N, 1, ...] as [N, ...]"""
    return array.reshape((-1,) + array.shape[2:]) if array.shape[1] == 1 else array


def compare_one(runtime, qcc, model, rng, tmp):
    """Differences of one model and of what -emit onnx makes of it, in quanta, and how many elements are not at the ends
    of their range."""
    data = model.SerializeToString()
    samples = 4 if work(model) < MACS_FOR_MORE_SAMPLES else 1
    dtypes = input_dtypes(model)
    feeds = {name: draw(rng, shape, dtypes[name], samples) for name, shape in input_shapes(model).items()}

    def runtime_result(model):
        try:
            session = ort.Session(runtime, model)
            return np.stack([session.run({n: a[i] for n, a in feeds.items()})[session.outputs[0]]
                             for i in range(samples)])
        except ort.OrtError as e:
            raise Failure(f'ONNX Runtime: {e}')

    want = runtime_result(data)
    got = run_qcc(qcc, data, {n: stacked_for_qcc(a) for n, a in feeds.items()}, tmp)
    scale, zero = output_parameters(model)
    ends = np.iinfo(want.dtype)
    quanta = np.rint(got.astype(np.float64) / scale) + zero
    if quanta.size != want.size:
        raise Failure(f'{quanta.shape} elements, {want.shape} expected')
    quanta = quanta.reshape(want.shape)
    again = runtime_result(Export(qcc, tmp).bytes_of(f'{tmp}/m.onnx'))
    return np.abs(quanta - want), np.abs(quanta - again), ((want > ends.min) & (want < ends.max)).sum()


class Tally:
    def __init__(self):
        self.models = self.elements = self.equal = self.inside = self.failed = 0
        self.exported_equal = 0
        self.most = self.exported_most = 0.0

    def add(self, d, exported, inside):
        self.inside += int(inside)
        self.elements += d.size
        self.equal += int((d == 0).sum())
        self.exported_equal += int((exported == 0).sum())
        self.most = max(self.most, float(d.max(initial=0)))
        self.exported_most = max(self.exported_most, float(exported.max(initial=0)))


def compare_operators(runtime, a, models, tmp):
    tallies, failures = collections.defaultdict(Tally), []
    rng = np.random.default_rng(a.seed)
    for kind, name, model in models:
        if a.filter not in name:
            continue
        tallies[kind].models += 1
        try:
            d, exported, inside = compare_one(runtime, a.qcc, model, rng, tmp)
            tallies[kind].add(d, exported, inside)
            for what, v in ('', d), ('exported, ', exported):
                if v.max(initial=0) > 1:
                    raise Failure(f'{what}{int((v > 1).sum())} of {v.size} elements differ by up to {v.max():.0f} quanta')
        except Failure as e:
            tallies[kind].failed += 1
            failures.append(f'{name}: {e}')
            if a.keep:
                onnx.save(model, os.path.join(a.keep, f'failed{len(failures)}.onnx'))
    return tallies, failures


def print_tallies(tallies):
    print(f"{'operator':28} {'models':>6} {'elements':>9} {'inside':>6} {'equal':>9} {'most':>5} {'exported':>9} {'most':>5}")
    for kind, t in tallies.items():
        equal, exported = (f'{100 * n / t.elements:8.4f}%' if t.elements else '-' for n in (t.equal, t.exported_equal))
        inside = f'{100 * t.inside / t.elements:5.0f}%' if t.elements else '-'
        print(f'{kind:28} {t.models:6} {t.elements:9} {inside:>6} {equal:>9} {t.most:5.0f} {exported:>9} '
              f'{t.exported_most:5.0f}' +
              (f'  {t.failed} failed' if t.failed else ''))


BINS = [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (9, 255)]


def compare_network(runtime, qcc, path, samples, seed, tmp):
    model = onnx.load(path)
    data = model.SerializeToString()
    session = ort.Session(runtime, data)
    (name, shape), = input_shapes(model).items()
    x = np.random.default_rng(seed).standard_normal([samples] + shape).astype(np.float32)
    want = np.concatenate([session.run({name: s})[session.outputs[0]] for s in x]).reshape(samples, -1)
    got = run_qcc(qcc, data, {name: stacked_for_qcc(x)}, tmp).reshape(samples, -1)
    d = np.rint(np.abs(got.astype(np.float64) - want) / output_parameters(model)[0])
    shares = ' '.join(f'{100 * ((d >= lo) & (d <= hi)).mean():6.2f}%' for lo, hi in BINS)
    noise = np.sum((got.astype(np.float64) - want) ** 2)
    db = f'{10 * np.log10(np.sum(want.astype(np.float64) ** 2) / noise):6.1f}' if noise else ' exact'
    same = (got.argmax(1) == want.argmax(1)).sum()
    print(f'{os.path.basename(path)[:-len("_qdq.onnx")]:16} {samples:7} {d.size:8} {shares} {db} {same:6}/{samples}')


def compare_networks(runtime, a, paths, tmp):
    print('\nwhole networks, outputs against ONNX Runtime, by difference in quanta of the output:')
    print(f"{'network':16} {'samples':>7} {'elements':>8} " +
          ' '.join(f'{str(lo) if lo == hi else f"{lo}-{hi}":>7}' for lo, hi in BINS) + f" {'dB':>6} same class")
    failures = []
    for path in sorted(paths, key=os.path.getsize):
        samples = 32 if os.path.getsize(path) < LARGE else 2 if os.path.getsize(path) < 1.5e7 else 1
        try:
            compare_network(runtime, a.qcc, path, samples, a.seed, tmp)
        except (Failure, ort.OrtError) as e:
            failures.append(f'{os.path.basename(path)}: {e}')
    return failures


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('qcc')
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--filter', default='', help='only operators whose name contains this')
    ap.add_argument('--keep', help='folder for models that fail')
    ap.add_argument('--cache', help='where npm installs ONNX Runtime (default: ~/.cache/qcc-bench)')
    a = ap.parse_args()
    try:
        runtime = ort.Runtime(ort.library(a.cache))
    except ort.Missing as e:
        print(f'skipped: {e}')
        return SKIP
    bench = os.environ.get('QCC_BENCH') or os.path.join(HERE, '../../../shared/bench')
    networks = sorted(glob.glob(f'{bench}/models/*_qdq.onnx') or glob.glob(f'{bench}/*_qdq.onnx'))
    print(f'ONNX Runtime {runtime.version}, seed {a.seed}')
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as tmp:
        print('\noperators drawn at random:')
        tallies, failures = compare_operators(runtime, a, generated(a.seed), tmp)
        print_tallies(tallies)
        models = sum(t.models for t in tallies.values())
        seen = set()
        cut = ((kind, f'{os.path.basename(p)[:-len("_qdq.onnx")]}/{name}', m)
               for p in networks for kind, name, m in cuts(p, seen))
        if networks:
            print('\noperators cut out of the networks, one of each shape:')
            tallies, failed = compare_operators(runtime, a, cut, tmp)
            print_tallies(tallies)
            models += sum(t.models for t in tallies.values())
            failures += failed
        else:
            print(f'no networks: {bench} is not there')
        if not a.filter:
            soak = os.environ.get('QCC_SOAK', '') not in ('', '0')
            whole = [p for p in networks if soak or os.path.getsize(p) < LARGE]
            models += len(whole)
            failures += compare_networks(runtime, a, whole, tmp)
            compared, failed = compare_models(runtime, a.qcc, tmp)
            models += compared
            failures += failed
    for f in failures:
        print(f'FAIL {f}')
    print(f'{models - len(failures)} passed, {len(failures)} failed in {time.monotonic() - start:.0f} s')
    return bool(failures)


if __name__ == '__main__':
    sys.exit(main())

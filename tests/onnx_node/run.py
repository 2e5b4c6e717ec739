#!/usr/bin/python3
"""run.py ONNXRUN SUPPORTED: the official ONNX backend tests of tier A, imported and run by the interpreter.

Operands that a static compiler needs (index.json: const_inputs) become initializers. A case passes when its
outputs agree with the stored ones; it counts as refused when the import ends with a diagnostic. SUPPORTED
lists the cases that pass, by operator: one of them that is refused has been lost, and fails. Cases that are
not listed may pass or be refused, so that the suite also runs over other data of the same form. --update
rewrites the list."""
import argparse
import collections
import json
import os
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(77)

SECONDS = 60
SKIP = 77


def tensor(path):
    t = onnx.TensorProto()
    with open(path, 'rb') as f:
        t.ParseFromString(f.read())
    return t


def bake(model, case, folder):
    """Moves the case's constant operands into initializers; returns the numbers of the inputs that remain."""
    keep = []
    for i, v in enumerate(list(model.graph.input)):
        if v.name in case['const_inputs']:
            t = tensor(f'{folder}/test_data_set_0/input_{i}.pb')
            t.name = v.name
            model.graph.initializer.append(t)
            model.graph.input.remove(v)
        elif v.name not in {t.name for t in model.graph.initializer}:
            keep.append(i)
    if model.ir_version < 4:
        model.ir_version = 4  # initializers need not be inputs
    return keep


def inputs_of(case, folder, keep):
    if case['suite'] == 'light':  # not stored: a ramp
        shapes = [shape for _, shape in case['inputs']]
        return [(np.arange(np.prod(s), dtype=np.float32) / np.float32(np.prod(s))).reshape(s) for s in shapes]
    return [numpy_helper.to_array(tensor(f'{folder}/test_data_set_0/input_{i}.pb')) for i in keep]


def outputs_of(case, folder, count):
    base = folder if case['suite'] == 'light' else f'{folder}/test_data_set_0'
    return [numpy_helper.to_array(tensor(f'{base}/output_{i}.pb')) for i in range(count)]


def matches(got, want, case):
    if got.shape != want.shape or got.dtype != want.dtype:
        return f'{got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}'
    if want.dtype.kind in 'iub':
        bad = int((got != want).sum())
        return f'{bad} elements differ' if bad else None
    # a last bit in the stored results is worth more than atol near zero
    close = np.isclose(got, want, rtol=case['rtol'], atol=case['atol'] + 1e-7, equal_nan=True)
    if close.all():
        return None
    return f'{int((~close).sum())} elements differ, by up to {float(np.nanmax(np.abs(got - want))):g}'


def run_case(tool, root, case, tmp):
    """('pass' | 'refused' | 'fail', message)"""
    folder = f"{root}/{case['suite']}/{case['name']}"
    model = onnx.ModelProto()
    with open(f'{folder}/model.onnx', 'rb') as f:
        model.ParseFromString(f.read())
    keep = bake(model, case, folder)
    with open(f'{tmp}/m.onnx', 'wb') as f:
        f.write(model.SerializeToString())
    cmd = [tool, f'{tmp}/m.onnx']
    try:
        ins = inputs_of(case, folder, keep)
        np.savez(f'{tmp}/in.npz', **{f'in{i}': np.asarray(x, order='C') for i, x in enumerate(ins)})
        cmd += ['-in', f'{tmp}/in.npz', '-out', f'{tmp}/out.npz']
    except (KeyError, TypeError):
        pass  # an element type that this onnx or NumPy does not have: the import can only refuse it
    try:
        r = subprocess.run(cmd, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 'fail', 'timeout'
    text = r.stderr.decode(errors='replace').strip().replace(f'{tmp}/m.onnx: ', '')
    if r.returncode == 1 and 'error: ' in text:
        return 'refused', text.splitlines()[0]
    if r.returncode:
        return 'fail', f'exit {r.returncode}: {text[-200:]}'
    if '-out' not in cmd:
        return 'fail', 'imported, but its data cannot be read here'
    with np.load(f'{tmp}/out.npz') as z:
        got = [z[f'out{i}'] for i in range(len(z.files))]
    for i, (g, w) in enumerate(zip(got, outputs_of(case, folder, len(got)))):
        why = matches(g, w, case)
        if why:
            return 'fail', f'output {i}: {why}'
    return 'pass', ''


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('tool')
    ap.add_argument('supported')
    ap.add_argument('--data', default=os.environ.get('QCC_ONNX_NODE'))
    ap.add_argument('--filter', default='')
    ap.add_argument('--light', action='store_true', help='the whole networks at 224x224 too')
    ap.add_argument('--update', action='store_true', help='rewrite the list of cases that pass')
    ap.add_argument('-v', action='store_true')
    a = ap.parse_args()
    data = a.data or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), '../../../shared/onnx_node.tar.xz'
    )
    if not os.path.exists(data):
        print(f'skipped: {data} is not there')
        return SKIP
    with open(a.supported) as f:
        lines = [line.split() for line in f if not line.startswith('#')]
    supported = {name for _, *names in lines for name in names}
    failed, passed = [], []
    refused = collections.Counter()
    with tempfile.TemporaryDirectory() as tmp:
        root = data
        if os.path.isfile(data):
            with tarfile.open(data) as t:
                t.extractall(tmp)
            root = f'{tmp}/onnx_node'
        with open(f'{root}/index.json') as f:
            cases = json.load(f)['cases']
        for case in cases:
            name = f"{case['suite']}/{case['name']}"
            if case['tier'] != 'A' or a.filter not in name or (case['suite'] == 'light' and not a.light):
                continue
            verdict, text = run_case(a.tool, root, case, tmp)
            if a.v:
                print(f'{verdict} {name} {text}')
            if verdict == 'fail':
                failed.append((name, text))
            elif verdict == 'refused':
                refused[case['primary']] += 1
                if name in supported:
                    failed.append((name, f'worked before: {text}'))
            else:
                passed.append((case['primary'], name))
    for name, text in failed:
        print(f'FAIL {name}: {text}')
    if refused:
        print('refused: ' + ', '.join(f'{op} {count}' for op, count in sorted(refused.items())))
    gained = [name for _, name in passed if name not in supported]
    if gained and not a.data:
        print('works and is not listed: ' + ' '.join(gained))
    if a.update:
        write_supported(a.supported, passed)
    print(f'{len(passed)} passed, {len(failed)} failed, {refused.total()} refused')
    return bool(failed)


def write_supported(path, passed):
    by_op = collections.defaultdict(list)
    for op, name in passed:
        by_op[op].append(name)
    with open(path, 'w') as f:
        f.write('# The backend tests that pass, by operator.\n')
        f.writelines(f'{op} {" ".join(sorted(names))}\n' for op, names in sorted(by_op.items()))


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/python3
"""run.py QCC [--soak] [--only NAME ...]: real models, from the model file to outputs of the emitted code.

Data: QCC_MODELS (folders with model_f32.onnx, calib.npz and eval.npz) and QCC_BENCH (models/*_qdq.onnx);
where they are not set, ../shared beside the project. For each model:
  accuracy   qcc -calib -eval: the quantized model's accuracy or agreement with the float model, against a bar
  measure    models without labels: what their source measures, of the float and the quantized model, against bars
  jit        qcc -run -jit gives the interpreter's outputs
  TARGET/CC  the emitted C, built by each compiler for each target, gives the interpreter's outputs, bit for
             bit, on the evaluation inputs; arm64 runs under qemu
  tight      the same with half the workspace, or the least that can be reached (-max-workspace)
  integer    models that came quantized: nothing is left in float (-Werror)
Of the evaluation inputs those are taken that make a billion multiply-accumulates, under qemu a tenth of that. Networks
of 150x150 and more are built for one target by one compiler, with two inputs, and the largest files not tight. --soak
(or QCC_SOAK=1) does all. Of the models in COSTS, qcc and the compiler must keep within limits.
A model whose operators are not all supported must be refused with a diagnostic and without output; those are counted."""
import argparse
import copy
import collections
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

try:
    import numpy as np
    import onnx
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(77)

SKIP = 77
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(HERE, '..', '..', '..', 'shared')
MODELS = os.environ.get('QCC_MODELS', os.path.join(SHARED, 'models'))
BENCH = os.environ.get('QCC_BENCH', os.path.join(SHARED, 'bench'))

# What a model must reach. accuracy: of the quantized model on its labels; same: the share of samples with the
# float model's class; loss: how much accuracy it may lose. A model that has a bar must not be refused.
BARS = {
    'kws_dscnn': {'accuracy': 0.905},
    'mnist_cnn': {'accuracy': 0.985},
    'sww_1dscnn': {'accuracy': 0.90},
    'ic_resnet8': {'same': 0.95},
    'ad_autoencoder': {},
    'espcn_x3': {},
    'fastestdet_coco': {},
    'silero_vad_16k': {},
    'kws_gru_s': {'accuracy': 0.89},
    'kws_lstm_s': {'accuracy': 0.872},
    'mnist_lstm': {'accuracy': 0.984},
}
DEFAULT_BAR = {'loss': 0.02}


def psnr(out, data):
    """Of the images in bytes, in dB, on average."""
    images = np.clip(np.round(255 * out.reshape(data['y'].shape)), 0, 255)
    return np.mean(10 * np.log10(255**2 / np.mean((images - data['y']) ** 2, axis=(1, 2))))


def snr(out, data):
    """Against the float model's outputs by another runtime, in dB."""
    want = data['y_out'].astype(np.float64)
    return 10 * np.log10(np.sum(want**2) / np.sum((out.reshape(want.shape) - want) ** 2))


def decisions(out, data):
    """The share of frames with the float model's answer."""
    return np.mean((out.ravel() > 0.5) == (data['y'] > 0.5))


# What models without labels are measured by: the figure of the first output, and its least value for the float and for
# the quantized model.
MEASURES = {
    'espcn_x3': (psnr, 27.66, 25.8),
    'fastestdet_coco': (snr, 100, 10),
    'silero_vad_16k': (decisions, 1, 0.97),
}

LARGE = 150 * 150  # pixels of an input: one target, one compiler, a few inputs
LONG = 8 << 20  # bytes of a model: not tight
FEW = 2
MACS, QEMU_MACS = 1e9, 1e8  # that are run by each program, more than FEW samples
# Processor seconds and megabytes that qcc and the compiler may take.
COSTS = {'resnet50_qdq': {'qcc': (10, 1000), 'cc': (120, 2000)}}

Compiler = collections.namedtuple('Compiler', 'name command runner')
ARM = ['qemu-aarch64', '-cpu', 'cortex-a53', '-L', '/usr/aarch64-linux-gnu']
ARM72 = ['qemu-aarch64', '-cpu', 'cortex-a72', '-L', '/usr/aarch64-linux-gnu']
TIGHT = Compiler('tight', ['gcc', '-O1'], [])
TARGETS = {
    'generic': [Compiler('gcc', ['gcc', '-O2'], []), Compiler('clang', ['clang', '-O2'], [])],
    'x86-64-v3': [Compiler('gcc', ['gcc', '-O2'], []), Compiler('clang', ['clang', '-O2'], [])],
    'arm64': [
        Compiler('gcc', ['aarch64-linux-gnu-gcc', '-O2', '-static'], ARM),
        Compiler('clang', ['clang', '--target=aarch64-linux-gnu', '-O2', '-static'], ARM72),
    ],
}

HARNESS = r"""
#include "m.h"
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  size_t size = (M_WORKSPACE_SIZE / M_WORKSPACE_ALIGN + 1) * M_WORKSPACE_ALIGN;
  char *workspace = aligned_alloc(M_WORKSPACE_ALIGN, size);
%(buffers)s
  for (;;) {
%(read)s
    m_inputs in = {%(in)s};
    m_outputs out = {%(out)s};
    if (m_run(&in, &out, workspace)) return 3;
%(write)s
  }
}
"""


def harness(header):
    """A program that reads the inputs of run after run from stdin and writes the outputs to stdout."""
    fields = {}
    for kind in 'inputs', 'outputs':
        body = re.search(r'typedef struct \{([^}]*)\} m_' + kind + ';', header).group(1)
        fields[kind] = re.findall(r'^\s*(?:const )?(\w+) \*(\w+);', body, re.M)
    buffers, read, write = [], [], []
    for kind, prefix in ('inputs', 'i_'), ('outputs', 'o_'):
        for ctype, name in fields[kind]:
            size = f'M_{name.upper()}_SIZE'
            buffers.append(f'  {ctype} *{prefix}{name} = malloc({size} * sizeof({ctype}));')
            if kind == 'inputs':
                read.append(f'    if (fread(i_{name}, sizeof({ctype}), {size}, stdin) != {size}) return 0;')
            else:
                arguments = f'o_{name}, sizeof({ctype}), {size}, stdout'
                write.append(f'    if (fwrite({arguments}) != {size}) return 4;')
    names = {kind: [name for _, name in fields[kind]] for kind in fields}
    for kind in fields:
        if any(ctype != 'float' for ctype, _ in fields[kind]):
            raise ValueError(f'{kind} are not float, in spite of -io float')
    return HARNESS % {'buffers': '\n'.join(buffers), 'read': '\n'.join(read), 'write': '\n'.join(write),
                      'in': ', '.join('i_' + n for n in names['inputs']),
                      'out': ', '.join('o_' + n for n in names['outputs'])}


def within(cost):
    """For a process: it ends where it takes more."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (cost[0], cost[0]))
        resource.setrlimit(resource.RLIMIT_AS, (cost[1] * 1_000_000,) * 2)
    return limit if cost else None


def free_inputs(path):
    """(name, shape) of the inputs that are no initializers; symbolic dimensions are 1."""
    graph = onnx.load(path, load_external_data=False).graph
    known = {t.name for t in graph.initializer}
    return [(i.name, [d.dim_value or 1 for d in i.type.tensor_type.shape.dim]) for i in graph.input
            if i.name not in known]


class Model:
    def __init__(self, name, path, folder):
        self.name, self.path = name, path
        self.size = os.path.getsize(path)
        self.inputs = free_inputs(path)
        self.large = any(len(s) == 4 and s[2] * s[3] >= LARGE for _, s in self.inputs)
        self.qdq = name.endswith('_qdq')
        self.bar = BARS.get(name, DEFAULT_BAR)
        self.calib, self.eval = (self.data(folder, f) for f in ('calib.npz', 'eval.npz'))
        self.labels = bool(self.eval)

    @staticmethod
    def data(folder, file):
        path = os.path.join(folder, file) if folder else ''
        return path if os.path.isfile(path) else None

    def make_data(self, folder):
        """Random calibration and evaluation data, where the model comes without."""
        rng = np.random.default_rng(1)
        base = os.path.join(os.path.dirname(self.path), self.name.removesuffix('_qdq') + '_in.bin')
        for kind, count in ('calib', 16), ('eval', FEW if self.large else 16):
            if getattr(self, kind) or (kind == 'calib' and self.qdq):
                continue
            arrays = {}
            for name, shape in self.inputs:
                shape = [count * shape[0]] + shape[1:]
                x = rng.normal(size=shape)
                if self.qdq and os.path.isfile(base) and len(self.inputs) == 1:  # around that sample
                    one = np.fromfile(base, '<f4').reshape([1] + shape[1:])
                    x = one + x * np.linspace(0, one.std(), count).reshape([-1] + [1] * (len(shape) - 1))
                arrays[name] = x.astype(np.float32)
            setattr(self, kind, os.path.join(folder, kind + '.npz'))
            np.savez(getattr(self, kind), **arrays)

    def samples(self, few):
        """Evaluation inputs, each [N, ...] as the model takes them, and how many samples they hold."""
        z = np.load(self.eval)
        arrays = []
        for name, shape in self.inputs:
            x = z[name] if name in z.files or len(self.inputs) > 1 else z['x']
            arrays.append(np.ascontiguousarray(x, np.float32))
        count = arrays[0].size // int(np.prod(self.inputs[0][1]))
        return [a.reshape(count, -1) for a in arrays], min(count, FEW) if few else count


class Suite:
    def __init__(self, qcc, soak):
        self.qcc, self.soak, self.lock = qcc, soak, threading.Lock()
        self.passed, self.failed, self.refused, self.skipped, self.figures = 0, [], [], set(), []
        self.measured = []
        self.fast = ['-jit']
        self.here = self.targets_here()

    def result(self, model, what, complaint=''):
        with self.lock:
            if complaint:
                self.failed.append(f'{model.name} {what}')
                print(f'FAIL {model.name} {what}: {complaint.strip()[-2000:]}', flush=True)
            else:
                self.passed += 1

    def targets_here(self):
        """What this machine runs by itself, as qcc sees it."""
        rows = subprocess.run([self.qcc, '-print-targets'], capture_output=True, text=True, check=True).stdout
        return set(re.findall(r'^(\S+) .* runs here', rows, re.M))

    def run_qcc(self, model, *args, timeout=600, cost=None):
        calib = ['-calib', model.calib] if model.calib else []
        return subprocess.run([self.qcc, model.path, *calib, *args], capture_output=True, text=True,
                              timeout=timeout, preexec_fn=within(cost), check=False)

    def run_fast(self, model, *args):
        """The same figures, from many samples: by -jit, where this qcc has it."""
        p = self.run_qcc(model, *args, *self.fast)
        if self.fast and 'built without libgccjit' in p.stderr:
            self.fast = []
            return self.run_fast(model, *args)
        return p

    def accuracy(self, model):
        p = self.run_fast(model, '-eval', model.eval)
        if p.returncode:
            self.result(model, 'accuracy', p.stderr)
            return
        number = r' +([\d.]+)'
        accuracy = re.search(r'^accuracy.*float' + number + r'  int8' + number, p.stdout, re.M)
        same = re.search(r'^same class' + number, p.stdout, re.M)
        sqnr = re.findall(r'^sqnr (?!y_)(\S+) +(exact|[\d.-]+ dB)', p.stdout, re.M)
        figures = {'accuracy': accuracy and float(accuracy[2]), 'same': same and float(same[1]),
                   'loss': accuracy and round(float(accuracy[1]) - float(accuracy[2]), 4)}
        complaint = ''
        for what, bar in model.bar.items():
            value = figures[what]
            if value is None:
                complaint += '' if what == 'loss' else f'no figure for {what}\n{p.stdout}'
            elif value > bar if what == 'loss' else value < bar:
                complaint += f'{what} is {value}, the bar {bar}\n'
        real, int8 = (accuracy[1], accuracy[2]) if accuracy else (None, None)
        self.figures.append((model.name, real, int8, same and same[1], sqnr))
        self.result(model, 'accuracy', complaint)

    def measure(self, model, folder):
        """The model's own figure, in float and quantized."""
        if model.name not in MEASURES or not model.labels:
            return
        figure, *bars = MEASURES[model.name]
        arrays, count = model.samples(False)
        named = os.path.join(folder, 'all.npz')
        np.savez(named, **{name: a.reshape([count] + shape) for (name, shape), a in zip(model.inputs, arrays)})
        complaint, values = '', []
        for kind, bar, options in ('float', bars[0], ['-quantize', 'none']), ('int8', bars[1], []):
            out = os.path.join(folder, f'{kind}.npz')
            p = self.run_fast(model, '-run', named, '-o', out, *options)
            if p.returncode:
                return self.result(model, 'measure', p.stderr)
            z = np.load(out)
            values.append(figure(z[z.files[0]], np.load(model.eval)))
            if not values[-1] >= bar:
                complaint += f'{figure.__name__} of the {kind} model is {values[-1]:.4g}, the bar {bar}\n'
        self.measured.append(f'{model.name}: {figure.__name__} {values[0]:.4g} in float, {values[1]:.4g} quantized')
        self.result(model, 'measure', complaint)

    def missing(self, target, compiler):
        """What this machine lacks, or ''."""
        tools = [t for t in (compiler.command[0], *compiler.runner[:1]) if not shutil.which(t)]
        if not compiler.runner and target not in self.here:
            tools.append(f'a CPU for {target}')
        return ', '.join(tools)

    def compilers(self, model, target):
        """Those that build the model's code for the target."""
        every = self.soak or not model.large
        if not every and target != 'x86-64-v3':
            return
        small = self.soak or model.size < LONG
        for c in TARGETS[target][:None if every else 1] + [TIGHT] * (target == 'x86-64-v3' and small):
            missing = self.missing(target, c)
            if missing:
                self.skipped.add(f'{target}/{c.name}: {missing} not here')
            else:
                yield c

    def emit(self, model, target, folder, *options):
        """m.c, m.h and main.c in a folder of their own; returns what is to complain of, or ''."""
        os.mkdir(folder)
        cost = COSTS.get(model.name, {}).get('qcc')
        p = self.run_qcc(model, '-io', 'float', '-target', target, '-name', 'm', '-o', f'{folder}/m.c', *options, cost=cost)
        if p.returncode:
            return f'qcc ended with {p.returncode}: {p.stderr}'
        with open(f'{folder}/m.h') as f, open(f'{folder}/main.c', 'w') as g:
            g.write(harness(f.read()))
        return ''

    def emit_tight(self, model, target, folder, header):
        """The same with half of the workspace that the header tells of, or the least that the refusal names."""
        with open(header) as f:
            half = int(re.search(r'M_WORKSPACE_SIZE (\d+)', f.read()).group(1)) // 2
        complaint = self.emit(model, target, folder, f'-max-workspace={half or 1}', '-weights', 'incbin')
        least = re.search(r'at least (\d+) bytes', complaint)
        if not least:
            return complaint
        os.rmdir(folder)
        return self.emit(model, target, folder, f'-max-workspace={least[1]}', '-weights', 'incbin')

    def built(self, model, compiler, folder, reference):
        """What is wrong with the program that the compiler makes of the folder, or ''."""
        build = subprocess.run([*compiler.command, '-Wall', '-Wextra', '-Werror', '-o', compiler.name, 'm.c', 'main.c'],
                               cwd=folder, capture_output=True, text=True, timeout=1200, check=False,
                               preexec_fn=within(COSTS.get(model.name, {}).get('cc')))
        if build.returncode:
            return build.stderr or f'the compiler ended with {build.returncode}'
        count = self.count(reference, folder, QEMU_MACS if compiler.runner else MACS)
        arrays, wanted = reference
        stdin = b''.join(a[i].tobytes() for i in range(count) for a in arrays)
        wanted = wanted[:count].reshape(-1)
        run = subprocess.run([*compiler.runner, f'./{compiler.name}'], cwd=folder, input=stdin, capture_output=True,
                             timeout=1800, check=False)
        if run.returncode:
            return f"ended with {run.returncode}: {run.stderr.decode(errors='replace')}"
        got = np.frombuffer(run.stdout, np.uint32)
        if got.size != wanted.size:
            return f'{got.size} values came out, {wanted.size} were expected'
        bad = np.flatnonzero(got != wanted)
        return bad.size and f"{bad.size} of {got.size} values differ from the interpreter's, the first is number {bad[0]}" or ''

    def count(self, reference, folder, macs):
        """How many samples are run, by the work of one, which the C file tells."""
        with open(f'{folder}/m.c') as f:
            each = int(re.search(r'^ \* (\d+) multiply-accumulates', f.read(4096), re.M).group(1))
        count = len(reference[1])
        return count if self.soak else min(count, max(FEW, int(macs / max(each, 1))))

    def emitted(self, model, target, folder, reference):
        """The target's code by all of its compilers."""
        plain, complaint = f'{folder}/{target}', None
        for c in self.compilers(model, target):
            if complaint is None:
                complaint = self.emit(model, target, plain)
            what, place, why = f'{target}/{c.name}', plain, complaint
            if c is TIGHT and not complaint:
                place = f'{folder}/tight'
                why = self.emit_tight(model, target, place, f'{plain}/m.h')
            try:
                self.result(model, what, why or self.built(model, c, place, reference))
            except subprocess.TimeoutExpired as e:  # this one's failure, not the model's end
                self.result(model, what, str(e))

    def reference(self, model, folder, arrays, count):
        """The interpreter's outputs for the first samples, [sample][the emitted structure's values], as bits."""
        few = os.path.join(folder, 'few.npz')
        shapes = dict(model.inputs)
        np.savez(few, **{name: a[:count].reshape([-1] + shapes[name][1:]) if shapes[name] else a[:count]
                         for (name, _), a in zip(model.inputs, arrays)})
        out = os.path.join(folder, 'out.npz')
        p = self.run_qcc(model, '-run', few, '-o', out)
        if p.returncode:
            return None, p.stderr
        z = np.load(out)
        return np.concatenate([z[n].reshape(count, -1) for n in z.files], axis=1).view(np.uint32), ''

    def jit(self, model, folder):
        """The interpreter's outputs, calibration included, by -jit."""
        p = self.run_qcc(model, '-run', f'{folder}/few.npz', '-o', f'{folder}/jit.npz', '-jit', '-v')
        if 'built without libgccjit' in p.stderr:
            self.skipped.add('jit: this qcc was built without libgccjit')
            return
        if p.returncode or 'the interpreter runs it' in p.stderr:
            return self.result(model, 'jit', p.stderr)
        with open(f'{folder}/out.npz', 'rb') as f, open(f'{folder}/jit.npz', 'rb') as g:
            self.result(model, 'jit', '' if f.read() == g.read() else "the outputs differ from the interpreter's")

    def refusal(self, model, p, folder):
        """A diagnostic, and nothing else."""
        complaint = ''
        if p.returncode != 1 or 'error: ' not in p.stderr:
            complaint = f'ended with status {p.returncode}: {p.stderr}'
        elif model.name in BARS or model.qdq:
            complaint = 'refused: ' + p.stderr
        elif os.path.exists(f'{folder}/q.ir') or os.path.exists(f'{folder}/q.npz'):
            complaint = 'it was refused, but there is an output file'
        if complaint:
            self.result(model, 'refusal', complaint)
        else:
            self.refused.append(model.name)

    def model(self, model):
        with tempfile.TemporaryDirectory() as folder:
            model.make_data(folder)
            # calibrated once: outputs and all code come of the quantized graph
            p = self.run_qcc(model, '-io', 'float', '-emit', 'ir', '-o', f'{folder}/q.ir')
            if p.returncode:
                return self.refusal(model, p, folder)
            quantized = copy.copy(model)
            quantized.path, quantized.calib = f'{folder}/q.ir', None
            if model.qdq:
                p = self.run_qcc(model, '-Werror', '-emit', 'ir', '-o', f'{folder}/integer.ir')
                self.result(model, 'integer', p.stderr if p.returncode else '')
            self.accuracy(model)
            self.measure(model, folder)
            arrays, count = model.samples(model.large)
            wanted, complaint = self.reference(quantized, folder, arrays, count)
            if complaint:
                return self.result(model, 'run', complaint)
            self.jit(model, folder)
            for target in TARGETS:
                self.emitted(quantized, target, folder, (arrays, wanted))

    def guarded(self, model):
        """An odd header, a time limit: this model's failure, not the suite's end."""
        try:
            self.model(Model(*model))
        except Exception as e:  # pylint: disable=broad-except
            self.failed.append(f'{model[0]} run')
            print(f'FAIL {model[0]} run: {type(e).__name__}: {e}', flush=True)

    def summary(self):
        print(f'{"model":20} {"float":>7} {"int8":>7} {"same":>7}  SQNR')
        for name, real, int8, same, sqnr in sorted(self.figures):
            values = ' '.join(v for _, v in sqnr)
            print(f'{name:20} {real or "-":>7} {int8 or "-":>7} {same or "-":>7}  {values}')
        print('\n'.join(sorted(self.measured)))
        for text in sorted(self.skipped):
            print(f'skipped: {text}')
        if self.refused:
            print(f'{len(self.refused)} refused: {" ".join(sorted(self.refused))}')
        print(f'{self.passed} passed, {len(self.failed)} failed')
        for name in sorted(self.failed):
            print(f'  {name}')
        return 1 if self.failed else 0


def find_models():
    models = []
    if os.path.isdir(MODELS):
        for name in sorted(os.listdir(MODELS)):
            path = os.path.join(MODELS, name, 'model_f32.onnx')
            if os.path.isfile(path):
                models.append((name, path, os.path.dirname(path)))
    folder = os.path.join(BENCH, 'models')
    if os.path.isdir(folder):
        for file in sorted(os.listdir(folder)):
            if file.endswith('_qdq.onnx'):
                models.append((file.removesuffix('.onnx'), os.path.join(folder, file), None))
    return models


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('qcc')
    soak = os.environ.get('QCC_SOAK', '') not in ('', '0')
    parser.add_argument('--soak', action='store_true', default=soak)
    parser.add_argument('--only', nargs='+', metavar='NAME')
    args = parser.parse_args()
    found = [m for m in find_models() if not args.only or m[0] in args.only]
    if not found:
        print(f'skipped: no models in {MODELS} or {BENCH}')
        return SKIP
    suite = Suite(os.path.abspath(args.qcc), args.soak)
    found.sort(key=lambda m: -os.path.getsize(m[1]))  # what takes long first
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(suite.guarded, found))
    return suite.summary()


if __name__ == '__main__':
    sys.exit(main())

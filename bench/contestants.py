"""Who is timed: each builds itself for one model, and then runs for a while, pinned to a core."""
import os
import re
import subprocess

import ort


class Missing(Exception):
    """This contestant cannot take part in this; the message says why."""


def harness(bench, name):
    path = f'{bench}/{name}'
    if not os.path.exists(path):
        raise Missing(f'{name} is not in {bench} (QCC_BENCH)')
    return path


def sh(cmd, **kw):
    try:
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=900, **kw)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Missing(f'{os.path.basename(cmd[0])}: {e}')
    if r.returncode:
        lines = (r.stderr or r.stdout).strip().splitlines()
        raise Missing(f'{os.path.basename(cmd[0])}: {lines[0] if lines else r.returncode}')
    return r.stdout


def least_ms(text):
    return float(re.search(r'min ([0-9.]+)', text)[1])


class Contestant:
    """`time` answers with the least time of a run, in ms. `pin`: the command in front of what is timed."""

    def __init__(self, pin):
        self.pin = pin
        self.env = dict(os.environ, OMP_NUM_THREADS='1')

    def pinned(self, cmd, **env):
        return sh(self.pin + cmd, env=dict(self.env, **env))


# ---- the emitted code ----

ARRAY = re.compile(r'^  (?:const )?(\w+) \*(\w+);', re.M)


def io_header(header, prefix):
    """model_io.h for ours.c, from the emitted header."""
    lines = [f'#include "{prefix}.h"']
    for kind in 'inputs', 'outputs':
        start = re.search(r'typedef struct \{\n((?:  .*\n)*)\} ' + f'{prefix}_{kind};', header)
        members = ARRAY.findall(start[1])
        upper = prefix.upper()
        for i, (ctype, member) in enumerate(members):
            lines.append(f'static _Alignas(64) {ctype} {kind}{i}[{upper}_{member.upper()}_SIZE];')
        values = ', '.join(f'{kind}{i}' for i in range(len(members)))
        lines.append(f'static const {prefix}_{kind} {kind}_all = {{{values}}};')
        lines.append(f'#define {kind[:-1].upper()} {kind}0')
        lines.append(f'#define {"IN" if kind == "inputs" else "OUT"} {kind}_all')
    lines.append(f'#define RUN {prefix}_run\n#define WORKSPACE {prefix.upper()}_WORKSPACE_SIZE\n')
    return '\n'.join(lines)


# The instruction set of each target, as ONEDNN_MAX_CPU_ISA calls it, and the CPU flag that it needs.
ISA_OF = {'x86-64-v3': ('AVX2', 'avx2'), 'x86-64-v3+avxvnni': ('AVX2_VNNI', 'avx_vnni'),
          'x86-64-v4': ('AVX512', 'avx512bw'), 'x86-64-v4+avx512vnni': ('AVX512_VNNI', 'avx512_vnni')}


class Ours(Contestant):
    """The emitted C, built as any user would, with plain -O2."""

    def __init__(self, pin, qcc, cc, target):
        super().__init__(pin)
        self.qcc, self.cc, self.target = qcc, cc, target
        self.isa = ISA_OF.get(target, (None,))[0]
        self.name = f'qcc {target} {cc}'

    def build(self, model, folder):
        folder = f'{folder}/{self.cc}-{self.target}'
        os.makedirs(folder)
        cmd = [self.qcc, model.path, '-target', self.target, '-name', 'net', '-o', f'{folder}/net.c', '-io', 'float']
        sh(cmd + (['-calib', model.calib] if model.calib else []))
        with open(f'{folder}/net.h') as f:
            text = io_header(f.read(), 'net')
        with open(f'{folder}/model_io.h', 'w') as f:
            f.write(text)
        here = os.path.dirname(os.path.abspath(__file__))
        sh([self.cc, '-O2', '-I', folder, '-o', f'{folder}/ours', f'{here}/ours.c', f'{folder}/net.c'])
        self.program = f'{folder}/ours'
        with open(f'{folder}/net.c') as f:
            self.macs = int(re.search(r'(\d+) multiply-accumulates', f.read(4000))[1])

    def time(self, model, seconds, output=None):
        return least_ms(self.pinned([self.program, model.input, str(seconds)] + ([output] if output else [])))


# ---- the peers ----

def flags_of_cpu():
    with open('/proc/cpuinfo') as f:
        return set(re.search(r'^(?:flags|Features)\s*:(.*)$', f.read(), re.M)[1].split())


def best_isa():
    """Of what the peers choose from by themselves."""
    flags = flags_of_cpu()
    for flag, name in [('avx512_vnni', 'AVX512_VNNI'), ('avx_vnni', 'AVX2_VNNI'), ('avx512bw', 'AVX512'),
                       ('avx2', 'AVX2'), ('i8mm', 'i8mm'), ('asimddp', 'dotprod'), ('asimd', 'NEON')]:
        if flag in flags:
            return name
    return 'unknown'


class OnnxRuntime(Contestant):
    """One thread, all optimisations. It takes the best instructions that the processor has: there is no switch."""

    def __init__(self, pin, bench, cache, tmp):
        super().__init__(pin)
        try:
            self.library = ort.library(cache)
        except ort.Missing as e:
            raise Missing(str(e))
        self.isa = best_isa()
        self.name = f'ORT {self.isa}'
        self.program = f'{tmp}/ort_bench'
        sh(['gcc', '-O2', '-w', '-o', self.program, harness(bench, 'ort_bench.c'), '-ldl'])

    def build(self, model, folder):
        self.runs = 0

    def time(self, model, seconds, output=None):
        if not self.runs:
            first = least_ms(self._run(model, 5, output))
            self.runs = max(10, int(seconds * 1e3 / first))
        return least_ms(self._run(model, self.runs, output))

    def _run(self, model, runs, output):
        cmd = [self.program, self.library, model.path, model.input, str(runs)]
        return self.pinned(cmd + ([output] if output else []))


class OneDnn(Contestant):
    """The same layers, as primitives on u8 tensors; made-up weights. `isa` limits it."""

    def __init__(self, pin, bench, tmp, isa):
        super().__init__(pin)
        self.isa = isa
        self.name = f'oneDNN {isa}'
        self.program = f'{tmp}/onednn_bench'
        if not os.path.exists(self.program):
            sh(['g++', '-O2', '-w', '-o', self.program, harness(bench, 'onednn_bench.cpp'), '-ldnnl'])

    def build(self, model, folder):
        if not model.layers:
            raise Missing('no list of its layers')
        self.runs = 0

    def time(self, model, seconds, output=None):
        if not self.runs:
            self.runs = max(10, int(seconds * 1e3 / least_ms(self._run(model, 5))))
        return least_ms(self._run(model, self.runs))

    def _run(self, model, runs):
        env = {} if self.isa == best_isa() else {'ONEDNN_MAX_CPU_ISA': self.isa}
        return self.pinned([self.program, model.layers, str(runs)], **env)

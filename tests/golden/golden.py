"""What the sections share: the data's tensors, qcc on small texts, and the verdicts."""
import json
import os
import subprocess

import numpy as np


class Skip(Exception):
    """The case needs what qcc does not have yet; the message is the reason that is counted."""


class Failure(Exception):
    pass


class Section:
    """One folder of the data: its cases, and the flat arrays that they refer to."""

    def __init__(self, folder):
        self.folder = folder
        with open(f'{folder}/index.json') as f:
            index = json.load(f)
        self.cases = index['cases']
        self.pools = {t: np.load(f'{folder}/{name}') for t, name in index['pools'].items()}

    def array(self, ref):
        n = int(np.prod(ref['shape'], dtype=np.int64))
        return self.pools[ref['t']][ref['off']:ref['off'] + n].reshape(ref['shape'])

    def path(self, name):
        return os.path.join(self.folder, name)


# ---- types of the text IR ----

DTYPES = {'quint8': 'u8', 'qint8': 's8', 'qint32': 's32', 'uint8': 'u8', 'int8': 's8', 'int32': 's32', 'float32': 'f32'}


def number(x):
    """A float32 as text that reads back equal."""
    return repr(float(np.float32(x)))


def ir_list(values):
    return '[' + ', '.join(str(v) for v in values) + ']'


def ir_type(dtype, shape, scale=None, zero=0, axis=None):
    dims = ir_list(int(d) for d in shape)
    if scale is None:
        return f'{DTYPES[dtype]}{dims}'
    if axis is None:
        return f'{DTYPES[dtype]}<scale={number(scale)}, zero={int(zero)}>{dims}'
    zeros = np.broadcast_to(zero, np.shape(scale))
    return (f'{DTYPES[dtype]}<axis={axis}, scale={ir_list(number(s) for s in scale)}, '
            f'zero={ir_list(int(z) for z in zeros)}>{dims}')


class Model:
    """A text IR model in the making; `inputs` are the data it will be run with."""

    def __init__(self):
        self.head, self.body, self.inputs, self.constants = [], [], {}, {}

    def input(self, array, typ):
        name = f'in{len(self.inputs)}'
        self.inputs[name] = array
        self.head.append(f'input %{name} : {typ}')
        return f'%{name}'

    def constant(self, array, typ):
        name = f'k{len(self.constants)}'
        self.constants[name] = array
        self.head.append(f'const @{name} : {typ}')
        return f'@{name}'

    def nodes(self, op, operands, results, attributes=None, typ=None):
        """A statement; the names of its results."""
        names = [f'%v{len(self.body)}' + (f'.{i}' if i else '') for i in range(results)]
        text = f'{", ".join(names)} = {op}({", ".join(operands)})'
        if attributes:
            text += ' { ' + ', '.join(f'{k} = {value_text(v)}' for k, v in attributes.items()) + ' }'
        self.body.append(text + (f' : {typ}' if typ else ''))
        return names

    def node(self, op, operands, attributes=None, typ=None):
        return self.nodes(op, operands, 1, attributes, typ)[0]

    def text(self, output):
        lines = (['weights "weights.npz"'] if self.constants else []) + self.head + self.body + [f'output {output}']
        return 'model golden {\n' + ''.join(f'  {line}\n' for line in lines) + '}\n'


class Word(str):
    """One of the words that an attribute takes."""


def value_text(v):
    if isinstance(v, bool):
        return 'true' if v else 'false'
    if isinstance(v, (list, tuple)):
        return ir_list(v)
    return number(v) if isinstance(v, (float, np.floating)) else str(v)


class Tools:
    def __init__(self, qcc, observe, tmp):
        self.qcc, self.observe_tool, self.tmp = qcc, observe, tmp
        self.elements = self.equal = 0

    def call(self, cmd):
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=60)
        if r.returncode:
            raise Failure(f'{os.path.basename(cmd[0])}: {r.stderr.strip()[:300]}')
        return r.stdout

    def run_file(self, model, inputs, options=()):
        """`qcc -run` on one sample: the outputs as float32, by name."""
        np.savez(f'{self.tmp}/in.npz', **inputs)
        out = f'{self.tmp}/out.npz'
        self.call([self.qcc, model, '-run', f'{self.tmp}/in.npz', '-o', out, *options])
        with np.load(out) as z:
            return {name: z[name] for name in z.files}

    def run_all(self, model, outputs):
        """The outputs of a Model, by name, as float32."""
        path = f'{self.tmp}/golden.ir'
        with open(path, 'w') as f:
            f.write(model.text(outputs))
        if model.constants:
            np.savez(f'{self.tmp}/weights.npz', **model.constants)
        return self.run_file(path, model.inputs)

    def run(self, model, output):
        """The output of a Model, as float32."""
        return next(iter(self.run_all(model, output).values()))

    def run_quantized(self, model, output, scale, zero, shape):
        """The same in integers; the output's parameters undo what -run did to them."""
        real = self.run(model, output).astype(np.float64)
        axis_shape = np.shape(scale)
        if axis_shape and real.size == int(np.prod(shape)):
            real = real.reshape(shape)
        q = np.rint(real / np.float64(np.float32(scale))) + zero
        if q.size != int(np.prod(shape, dtype=np.int64)):
            raise Failure(f'the output has {q.size} elements, {list(shape)} expected')
        return q.reshape(shape).astype(np.int64)

    def close(self, got, want, most, what=''):
        """Integers within `most`; counts how many are equal."""
        d = np.abs(got.astype(np.int64) - want.astype(np.int64))
        self.elements += d.size
        self.equal += int((d == 0).sum())
        if d.max(initial=0) > most:
            raise Failure(f'{what}{int((d > most).sum())} of {d.size} elements differ by up to {d.max()} quanta')

    def observe(self, observer, batches, spec):
        """What the tool prints after the batches: arrays by name."""
        np.savez(f'{self.tmp}/batches.npz', **{f'b{i}': b.astype(np.float32) for i, b in enumerate(batches)})
        out = self.call([self.observe_tool, f'{self.tmp}/batches.npz', str(len(batches)), observer] +
                        [f'{k}={v}' for k, v in spec.items()])
        rows = (line.split() for line in out.splitlines())
        return {row[0]: np.array([float.fromhex(v) for v in row[1:]], np.float64 if row[0] == 'zero' else np.float32)
                for row in rows}

"""What the suites of made-up models share: a model in few words, and a run of it through onnxrun."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(77)

TYPES = {
    'float32': TensorProto.FLOAT,
    'uint8': TensorProto.UINT8,
    'int8': TensorProto.INT8,
    'int32': TensorProto.INT32,
    'int64': TensorProto.INT64,
    'bool': TensorProto.BOOL,
    'float16': TensorProto.FLOAT16,
    'float64': TensorProto.DOUBLE,
    'int16': TensorProto.INT16,
}


def f32(x):
    return np.asarray(x, np.float32)


def i64(*x):
    return np.asarray(x, np.int64)


def quantize(x, s, z, dtype):
    info = np.iinfo(dtype)
    return np.clip(np.rint(x.astype(np.float32) / s) + z, info.min, info.max).astype(dtype)


def dequantize(q, s, z):
    return ((q.astype(np.int32) - np.asarray(z, np.int32)).astype(np.float32) * s).astype(np.float32)


def node(op, inputs, outputs, name='', domain='', **attrs):
    return helper.make_node(op, inputs.split(), outputs.split(), name=name, domain=domain, **attrs)


def value(name, shape, elem=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, elem, shape)


def model(nodes, inputs, outputs, consts=None, opset=13, ir=8, imports=()):
    """`inputs`: name -> shape or (shape, element type); `outputs`: names, or name -> shape."""
    ins = [value(k, *v) if isinstance(v, tuple) else value(k, v) for k, v in inputs.items()]
    shapes = outputs if isinstance(outputs, dict) else {o: None for o in outputs}
    outs = [value(k, v) if v is not None else onnx.ValueInfoProto(name=k) for k, v in shapes.items()]
    inits = [numpy_helper.from_array(np.asarray(v), k) for k, v in (consts or {}).items()]
    graph = helper.make_graph(nodes, 'g', ins, outs, initializer=inits)
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset), *imports])
    m.ir_version = ir
    return m


class Run:
    """One run of onnxrun: its exit status, standard error, and outputs."""

    def __init__(self, tool, m, ins=None, shapes=(), files=None):
        with tempfile.TemporaryDirectory() as tmp:
            path = f'{tmp}/m.onnx'
            with open(path, 'wb') as f:
                f.write(m if isinstance(m, bytes) else m.SerializeToString())
            if files:
                files(tmp)
            cmd = [tool, *[w for s in shapes for w in ('-shape', s)], path]
            if ins is not None:
                np.savez(f'{tmp}/in.npz', **{f'in{i}': np.asarray(x, order='C') for i, x in enumerate(ins)})
                cmd += ['-in', f'{tmp}/in.npz', '-out', f'{tmp}/out.npz']
            r = subprocess.run(cmd, capture_output=True, timeout=60)
            self.status = r.returncode
            self.text = r.stderr.decode(errors='replace').replace(path, 'm.onnx')
            self.outputs = []
            if os.path.exists(f'{tmp}/out.npz'):
                with np.load(f'{tmp}/out.npz') as z:
                    self.outputs = [z[f'out{i}'] for i in range(len(z.files))]


def report(passed, failed):
    for name, why in failed:
        print(f'FAIL {name}: {why}')
    print(f'{passed} passed, {len(failed)} failed')
    return bool(failed)

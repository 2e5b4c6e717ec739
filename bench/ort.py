"""ONNX Runtime through its C API: where its library comes from, and a session.

The library is the one inside npm's package onnxruntime-node, installed into a cache folder once. Of that package only
the shared library is used; node itself is not needed, nor a compiler.
"""
import ctypes
import glob
import os
import platform
import shutil
import subprocess

import numpy as np

PACKAGE = 'onnxruntime-node@1.30.0'


class Missing(Exception):
    """ONNX Runtime is not here; the message says why."""


class OrtError(Exception):
    """What ONNX Runtime answered."""


def default_cache():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'qcc-bench')


def find_library(cache):
    machine = {'x86_64': 'x64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
    found = glob.glob(f'{cache}/node_modules/onnxruntime-node/bin/napi-v*/linux/{machine}/libonnxruntime.so.1')
    return found[0] if found else None


def library(cache=None):
    """Path of the shared library: QCC_ORT, or that of the package, installed where it is missing. Raises Missing."""
    if os.environ.get('QCC_ORT'):
        return os.environ['QCC_ORT']
    cache = cache or default_cache()
    path = find_library(cache)
    if path:
        return path
    npm = shutil.which('npm')
    if not npm:
        raise Missing('ONNX Runtime: npm is not installed')
    try:
        os.makedirs(cache, exist_ok=True)
        # --ignore-scripts: the package's script would fetch libraries for other processors
        r = subprocess.run([npm, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', cache, PACKAGE],
                           capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Missing(f'ONNX Runtime: {e}')
    path = find_library(cache)
    if not path:
        lines = (r.stderr or r.stdout).strip().splitlines()
        raise Missing(f'ONNX Runtime: npm install failed: {lines[-1] if lines else r.returncode}')
    return path


# Positions in the table OrtApi, which only ever grows at its end. Element types are those of ONNX's TensorProto.
_API_VERSION = 17
(_GetErrorMessage, _CreateEnv, _CreateSessionFromArray, _Run, _CreateSessionOptions, _SetSessionLogSeverity,
 _SetOptimization, _SetIntraOpThreads, _SetInterOpThreads, _InputCount, _OutputCount, _OutputName, _InputName,
 _CreateTensor, _TensorData, _ElementType, _DimensionsCount, _Dimensions, _TypeAndShape, _CreateCpuMemoryInfo,
 _DefaultAllocator, _ReleaseStatus, _ReleaseSession, _ReleaseValue, _ReleaseTypeAndShape, _ReleaseOptions,
 _AddConfigEntry) = (2, 3, 8, 9, 10, 22, 23, 24, 25, 30, 31, 37, 36, 49, 51, 60, 61, 62, 65, 69, 78, 93, 95, 96,
                     99, 100, 130)
_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}
_NUMBERS = {np.dtype(v): k for k, v in _DTYPES.items()}
_ALL_OPTIMIZATIONS, _ERRORS_ONLY = 99, 3


class _Base(ctypes.Structure):
    _fields_ = [('get_api', ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
                ('version', ctypes.CFUNCTYPE(ctypes.c_char_p))]


class Runtime:
    """The loaded library. One per process."""

    def __init__(self, path):
        try:
            lib = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError as e:
            raise Missing(f'ONNX Runtime: {e}')
        lib.OrtGetApiBase.restype = ctypes.POINTER(_Base)
        base = lib.OrtGetApiBase().contents
        self.version = base.version().decode()
        table = base.get_api(_API_VERSION)
        if not table:
            raise Missing(f'ONNX Runtime {self.version} lacks version {_API_VERSION} of its interface')
        self._table = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        self.env, self.memory, self.allocator = (ctypes.c_void_p() for _ in range(3))
        self.call(_CreateEnv, ctypes.c_int(_ERRORS_ONLY), b'qcc', ctypes.byref(self.env))
        self.call(_CreateCpuMemoryInfo, ctypes.c_int(1), ctypes.c_int(0), ctypes.byref(self.memory))
        self.call(_DefaultAllocator, ctypes.byref(self.allocator))

    def call(self, index, *args):
        """Calls a function of the table, which answers with a status. Plain integers are passed as C's int."""
        status = ctypes.CFUNCTYPE(ctypes.c_void_p)(self._table[index])(*args)
        if status:
            message = ctypes.CFUNCTYPE(ctypes.c_char_p)(self._table[_GetErrorMessage])(ctypes.c_void_p(status))
            self.release(_ReleaseStatus, ctypes.c_void_p(status))
            raise OrtError(message.decode(errors='replace'))

    def get(self, index, first, *args, kind=ctypes.c_void_p):
        """What a function of the table stores through its last argument."""
        value = kind()
        self.call(index, first, *args, ctypes.byref(value))
        return value

    def release(self, index, pointer):
        ctypes.CFUNCTYPE(None)(self._table[index])(pointer)


class Session:
    """A model, optimised as far as ONNX Runtime goes, on one thread. On processors without VNNI its 8-bit products are
    told not to saturate, unless `saturating`: that is what its users have, but no reference for anything."""

    def __init__(self, runtime, model, saturating=False):
        self.runtime = r = runtime
        options = ctypes.c_void_p()
        r.call(_CreateSessionOptions, ctypes.byref(options))
        try:
            r.call(_SetIntraOpThreads, options, 1)
            r.call(_SetInterOpThreads, options, 1)
            r.call(_SetSessionLogSeverity, options, _ERRORS_ONLY)
            r.call(_SetOptimization, options, _ALL_OPTIMIZATIONS)
            if not saturating:
                r.call(_AddConfigEntry, options, b'session.x64quantprecision', b'1')
            self.handle = r.get(_CreateSessionFromArray, r.env, model, ctypes.c_size_t(len(model)), options)
        finally:
            r.release(_ReleaseOptions, options)
        self.inputs = self._names(_InputCount, _InputName)
        self.outputs = self._names(_OutputCount, _OutputName)

    def _names(self, count, name):
        r = self.runtime
        n = r.get(count, self.handle, kind=ctypes.c_size_t).value
        # a few bytes each of the allocator's are kept until the process ends
        return [r.get(name, self.handle, ctypes.c_size_t(i), r.allocator, kind=ctypes.c_char_p).value.decode()
                for i in range(n)]

    def run(self, feeds):
        """{name: array} in, {name: array} out."""
        r = self.runtime
        arrays = [np.ascontiguousarray(feeds[name]) for name in self.inputs]
        values, results = [self._tensor(a) for a in arrays], []
        try:
            out = (ctypes.c_void_p * len(self.outputs))()
            r.call(_Run, self.handle, None, _strings(self.inputs), (ctypes.c_void_p * len(values))(*values),
                   ctypes.c_size_t(len(values)), _strings(self.outputs), ctypes.c_size_t(len(self.outputs)), out)
            results = list(out)
            return {name: self._array(ctypes.c_void_p(v)) for name, v in zip(self.outputs, results)}
        finally:
            for v in values + results:
                r.release(_ReleaseValue, ctypes.c_void_p(v))

    def _tensor(self, a):
        dims = (ctypes.c_int64 * a.ndim)(*a.shape)
        return self.runtime.get(_CreateTensor, self.runtime.memory, ctypes.c_void_p(a.ctypes.data),
                                ctypes.c_size_t(a.nbytes), dims, ctypes.c_size_t(a.ndim),
                                ctypes.c_int(_NUMBERS[a.dtype])).value

    def _array(self, value):
        r = self.runtime
        info = r.get(_TypeAndShape, value)
        try:
            dtype = _DTYPES[r.get(_ElementType, info, kind=ctypes.c_int).value]
            rank = r.get(_DimensionsCount, info, kind=ctypes.c_size_t).value
            dims = (ctypes.c_int64 * rank)()
            r.call(_Dimensions, info, dims, ctypes.c_size_t(rank))
        finally:
            r.release(_ReleaseTypeAndShape, info)
        data = r.get(_TensorData, value)
        result = np.empty(list(dims), dtype)
        ctypes.memmove(result.ctypes.data, data, result.nbytes)
        return result

    def __del__(self):
        if getattr(self, 'handle', None):
            self.runtime.release(_ReleaseSession, self.handle)


def _strings(names):
    return (ctypes.c_char_p * len(names))(*[n.encode() for n in names])

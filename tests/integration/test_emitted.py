#!/usr/bin/env python3
"""What C compilers, linkers and callers see of the emitted pair of files."""
import ctypes
import itertools
import os
import re
import shutil
import subprocess

from harness import ROOT, main

TARGETS = {'generic': 'gcc', 'x86-64-v3': 'gcc', 'arm64': 'aarch64-linux-gnu-gcc', 'arm64+dotprod': 'aarch64-linux-gnu-gcc'}
STRICT = ['-Wall', '-Wextra', '-pedantic', '-Werror']
numbers = itertools.count()


def nested(shape, unit=1, first=0):
    """Weights in [-100, 100] units as a literal, without two alike in a row."""
    if not shape:
        return str(((first * 37 + 11) % 201 - 100) * unit)
    step = 1
    for d in shape[1:]:
        step *= d
    return '[' + ', '.join(nested(shape[1:], unit, first + i * step) for i in range(shape[0])) + ']'


INTEGERS = f'''model integers {{
  input %image : u8<scale=0.02, zero=5>[2, 3, 9, 8]
  input %offset : s8<scale=0.1, zero=-3>[1, 10, 1, 1]
  const @w1 : s8<scale=0.01, zero=0>[10, 3, 3, 3] = {nested([10, 3, 3, 3])}
  const @b1 : s32[10] = {nested([10])}
  const @w2 : u8<scale=0.02, zero=200>[10, 1, 3, 3] = {re.sub('-', '', nested([10, 1, 3, 3]))}
  const @w3 : s8<scale=0.01, zero=0>[6, 5, 1, 1] = {nested([6, 5, 1, 1])}
  const @w4 : s8<scale=0.01, zero=0>[7, 24] = {nested([7, 24])}
  %c1 = conv2d(%image, @w1, @b1) {{ pad = [1, 1, 1, 1], act_min = 0 }} : u8<scale=0.05, zero=0>[2, 10, 9, 8]
  %dw = conv2d(%c1, @w2) {{ pad = [1, 0, 1, 1], stride = [2, 2], groups = 10 }} : s8<scale=0.4, zero=9>[2, 10, 5, 4]
  %sum = add(%dw, %offset) : u8<scale=0.4, zero=130>[2, 10, 5, 4]
  %most = max_pool2d(%sum) {{ kernel = [2, 2], pad = [1, 0, 0, 0], stride = [2, 2] }}
  %c3 = conv2d(%most, @w3) {{ groups = 2 }} : u8<scale=0.5, zero=128>[2, 6, 3, 2]
  %mean = avg_pool2d(%c3) {{ kernel = [2, 1] }} : u8<scale=0.3, zero=128>[2, 6, 2, 2]
  %flat = reshape(%mean) {{ shape = [2, 24] }}
  %y = linear(%flat, @w4) : s8<scale=0.6, zero=4>[2, 7]
  %square = mul(%flat, %flat) : u8<scale=20.0, zero=3>[2, 24]
  output %y, %most, %square
}}
'''
FLOATS = f'''model floats {{
  input %x : f32[2, 4, 6, 5]
  input %tokens : f32[2, 7, 9]
  %c = conv2d(%x, {nested([5, 4, 3, 3], 0.01)}) {{ pad = [1, 1, 1, 1] }}
  %s = silu(%c)
  %dw = conv2d(%s, {nested([5, 1, 3, 3], 0.01)}) {{ groups = 5, act_min = 0, act_max = 6 }}
  %mean = reduce_mean(%dw) {{ axes = [2, 3], keepdims = false }}
  %t = transpose(%tokens) {{ perm = [0, 2, 1] }}
  %scores = matmul(%tokens, %t)
  %p = softmax(%scores) {{ axis = -1 }}
  %mixed = matmul(%p, %tokens)
  %g = gelu(%mixed)
  %l = linear(%g, {nested([3, 9], 0.01)})
  %e = exp(%l)
  %r = sqrt(%e)
  %h = erf(%r)
  %u = tanh(%h)
  output %mean, %u, %p
}}
'''
COPIES = '''model copies {
  input %same : f32[2, 3, 4, 5]
  input %scalar : f32[]
  input %unused : s64[3]
  input %deep : u8<scale=0.5, zero=7>[2, 1, 3, 2, 2]
  input %row : s8<scale=0.25, zero=-1>[4]
  const @table : f32[2, 2] = [[1, nan], [inf, -0.0]]
  %n = neg(%scalar)
  %pad = pad(%deep) { pads = [1, 0, 1, 0, 0, 0, 1, 1, 0, 1], mode = edge }
  %slice = slice(%pad) { start = [2, 1, 0, 0, 0], stop = [-1, -1, 4, 2, 3], step = [-2, -1, 1, 1, 2] }
  %twice = concat(%row, %row, %row, %row, %row, %row, %row, %row, %row) { axis = 0 } : s8<scale=0.25, zero=-1>[36]
  %real = dequantize(%twice)
  %three = reshape(%real) { shape = [3, 3, 4] }
  output %same, %n, %slice, %twice, %three, @table, %same
}
'''
HOSTILE = r'''model hostile {
  input %"*/ int x; /*" : f32[1, 2]
  input %"int" : u8<scale=0.5, zero=1>[1, 2]
  %"??/" = relu(%"*/ int x; /*")
  %"end\\" = linear(%"??/", [[1.0, 2.0]])
  %"\"\n#error\n" = add(%"int", %"int") : u8<scale=1.0, zero=1>[1, 2]
  %"LONG" = exp(%"end\\")
  output %"LONG", %"\"\n#error\n"
}
'''.replace('LONG', 'é' * 300)
MODELS = {'hostile': HOSTILE, 'integers': INTEGERS, 'floats': FLOATS, 'copies': COPIES,
          'empty': (ROOT / 'tests/diff/found/empty_tensors.ir').read_text()}


def command(*words, **how):
    """Runs a command, which must succeed without a word."""
    r = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       check=False, timeout=120, **how)
    assert r.returncode == 0, f'{" ".join(map(str, words))}\n{r.stdout[:3000]}'
    return r.stdout


def emitted(t, model, target, *options):
    """The emitted C file, its header beside it."""
    t.write(f'{model}.ir', MODELS[model])
    out = t.dir / target / f'{model}.c'
    out.parent.mkdir(exist_ok=True)
    t.run(f'{model}.ir', '-quantize', 'none', '-target', target, '-name', 'net', '-o', out, *options)
    return out


def targets():
    """Those whose compiler is here."""
    return [t for t, cc in TARGETS.items() if shutil.which(cc)]


def clang_for(target):
    return ['clang'] + (['--target=aarch64-linux-gnu', '-isystem', '/usr/aarch64-linux-gnu/include']
                        if target.startswith('arm64') else [])


def check_symbols(target, o):
    """Nothing is needed, and one function offered."""
    symbols = command(TARGETS[target].replace('gcc', 'nm') if target.startswith('arm64') else 'nm', o).split('\n')
    needed = {s.split()[-1] for s in symbols if ' U ' in s}
    assert not needed, f'{o}: {needed}'
    offered = [s.split()[-1] for s in symbols if re.search(r' [A-TV-Z] ', s)]
    assert sorted(offered) == ['net_input_info', 'net_output_info', 'net_run'], f'{o}: {offered}'


def test_compilers_have_nothing_to_say(t):
    """Nor is anything missing in what they make."""
    for model, target in itertools.product(MODELS, targets()):
        c = emitted(t, model, target)
        o = c.with_suffix('.o')
        builds = [[TARGETS[target], '-O2', '-Wstack-usage=4096']] + ([[*clang_for(target), '-O2']] if shutil.which('clang') else [])
        for build in builds + [['gcc', '-O0']] * (target == 'generic'):
            command(*build, '-std=c99', *STRICT, '-c', c, '-o', o)
            check_symbols(target, o)
        for build, std in itertools.product(builds, ['c11', 'gnu17'] if target == 'generic' else ['gnu17']):
            command(*(w for w in build if w != '-O2'), f'-std={std}', '-fsyntax-only', *STRICT, c)


def test_header_serves_cplusplus(t):
    compilers = [cc for cc in ['g++', 'clang++'] if shutil.which(cc)]
    for model in MODELS:
        c = emitted(t, model, 'generic')
        command('gcc', '-O1', '-c', c, '-o', c.with_suffix('.o'))
        cpp = t.write('generic/main.cpp', f'#include "{model}.h"\n#include "{model}.h"\n'
                      'int main() { net_inputs in = net_inputs(); net_outputs out = net_outputs(); double room[2];\n'
                      '  return net_run(&in, &out, (char *)room + 1) == 1 ? 0 : 1; }\n')
        for cc, std in itertools.product(compilers, ['c++98', 'c++17']):
            command(cc, f'-std={std}', *STRICT, cpp, c.with_suffix('.o'), '-o', t.dir / 'main')
        if compilers and 'WORKSPACE_SIZE 0 ' not in c.with_suffix('.h').read_text():
            command(t.dir / 'main')  # a workspace that is not aligned is told, and nothing touched


def test_info_tells_what_inputs_and_outputs_are(t):
    """Names as the model has them, whatever bytes; shapes in the order of memory; scales that read back equal."""
    t.write('info.ir', r"""model info {
      input %"a \"?\\ b" : u8<scale=0.1, zero=3>[1, 2, 3, 4]
      input %x : f32[]
      %y = transpose(%"a \"?\\ b") { perm = [0, 1, 3, 2] }
      %z = relu(%x)
      output %y, %z
    }""")
    t.run('info.ir', '-quantize', 'none', '-target', 'generic', '-layout', 'nhwc', '-o', 'info.c')
    main_c = t.write('main.c', r"""
#include "info.h"
#include <stdio.h>
static void show(const info_tensor_info *t, int n) {
  for (int i = 0; i < n; i++, t++) {
    printf("%s %s %d:", t->name, t->type, t->rank);
    for (int k = 0; k < t->rank; k++) printf(" %d", t->shape[k]);
    printf(" %.9g %d\n", (double)t->scale, t->zero);
  }
}
int main(void) {
  show(info_input_info, sizeof info_input_info / sizeof *info_input_info);
  show(info_output_info, sizeof info_output_info / sizeof *info_output_info);
  return 0;
}
""")
    command('cc', '-std=c99', *STRICT, main_c, t.dir / 'info.c', '-o', t.dir / 'info')
    assert command(t.dir / 'info').split('\n') == [
        'a "?\\ b uint8_t 4: 1 3 4 2 0.100000001 3',
        'x float 0: 1 0',
        'y uint8_t 4: 1 4 3 2 0.100000001 3',
        'z float 0: 1 0',
        '',
    ]


def test_files_are_the_same_each_time(t):
    for model, target in itertools.product(MODELS, TARGETS):
        first = emitted(t, model, target, '-no-check')
        c, h = first.read_bytes(), first.with_suffix('.h').read_bytes()
        first.unlink()
        assert emitted(t, model, target, '-no-check').read_bytes() == c
        assert first.with_suffix('.h').read_bytes() == h
        assert str(t.dir).encode() not in c + h
        long = [line for line in (c + h).split(b'\n') if len(line) > 120]
        assert not long, long[:3]


def test_sanitizers_find_nothing(t):
    flags = '-g -fsanitize=address,undefined -fno-sanitize-recover=all'
    probe = t.write('probe.c', 'int main(void) { return 0; }\n')
    built = subprocess.run(['gcc', *flags.split(), probe, '-o', t.dir / 'probe'], check=False, capture_output=True)
    if built.returncode:
        print('skipped: no sanitizers')
        return
    environment = dict(os.environ, QCC_CC=f'gcc {flags}', ASAN_OPTIONS='detect_leaks=0')
    for model, target in itertools.product(MODELS, ['generic', 'x86-64-v3']):
        t.write(f'{model}.ir', MODELS[model])
        r = t.run(f'{model}.ir', '-quantize', 'none', '-target', target, '-verify', env=environment)
        assert ' 0 mismatches' in r.stdout + r.stderr, r.stdout + r.stderr


# ---- the interface, called through a shared library ----

def interface(c):
    """Members of the structs: name -> (C type, dims), inputs and outputs; and the macros."""
    text = c.with_suffix('.h').read_text()
    member = re.compile(r'^  (?:const )?(\w+) \*(\w+); /\* ((?:\[\d+\])+) \*/$', re.M)
    structs = [{name: (kind, [int(d) for d in re.findall(r'\d+', dims)]) for kind, name, dims in member.findall(body)}
               for body in re.findall(r'typedef struct \{\n(.*?)\} net_', text, re.S)]
    macros = dict(re.findall(r'^#define NET_(\w+) (\S+)', text, re.M))
    return structs[0], structs[1], macros


def call(np, c, inputs):
    """Compiles the file and runs it on arrays in the layout of the header."""
    types = {'float': np.float32, 'uint8_t': np.uint8, 'int8_t': np.int8, 'int64_t': np.int64}
    ins, outs, macros = interface(c)
    so = c.with_suffix(f'.{next(numbers)}.so')  # a path that was loaded once is not loaded again
    command('gcc', '-O2', '-shared', '-fPIC', c, '-o', so)
    arrays = []
    for name, (kind, dims) in ins.items():
        a = np.ascontiguousarray(inputs[name].astype(types[kind]))
        assert a.size == int(np.prod(dims)) == int(macros[f'{name.upper()}_SIZE']), name
        arrays.append(a)
    results = {name: np.empty(dims, types[kind]) for name, (kind, dims) in outs.items()}

    def struct(list_of_arrays):
        return (ctypes.c_void_p * (len(list_of_arrays) + 1))(*[a.ctypes.data for a in list_of_arrays])
    workspace = np.empty(int(macros['WORKSPACE_SIZE']) + 64, np.uint8)
    start = workspace.ctypes.data + -workspace.ctypes.data % 64
    library = ctypes.CDLL(str(so))
    assert library.net_run(struct(arrays), struct(list(results.values())), ctypes.c_void_p(start)) == 0
    return results


def to_last(np, a):
    return np.moveaxis(a, 1, -1) if a.ndim in (3, 4) else a


def real(np, macros, name, a):
    """Values of an output in float32, by the macros of the header."""
    scale, zero = macros.get(f'{name.upper()}_SCALE'), macros.get(f'{name.upper()}_ZERO')
    if scale is None:
        return a
    return (a.astype('i4') - int(zero)).astype('f4') * np.float32(scale.rstrip('f'))


def check_interface(t, model, *options, calibrated=False):
    import numpy as np
    rng = np.random.default_rng(3)
    extra = []
    t.write(f'{model}.ir', MODELS[model])
    shapes = {'integers': {'image': (2, 3, 9, 8), 'offset': (1, 10, 1, 1)},
              'floats': {'x': (2, 4, 6, 5), 'tokens': (2, 7, 9)}}
    samples = {k: rng.normal(size=(3,) + s).astype('f4') for k, s in shapes[model].items()}
    if calibrated:
        np.savez(t.dir / 'calib.npz', **samples)
        extra = ['-calib', 'calib.npz']
    out = t.dir / f'{"_".join(options).strip("-")}.c'
    quantize = extra or ['-quantize', 'none']
    t.run(f'{model}.ir', *quantize, '-target', 'generic', '-name', 'net', '-o', out, *options)
    ins, outs, macros = interface(out)
    given = {}
    for name, (kind, _) in ins.items():  # values that quantize without a rest
        shape = shapes[model][name]
        if kind == 'float':
            given[name] = samples[name][0]
            samples[name] = given[name][None]
            continue
        low, high = (0, 256) if kind == 'uint8_t' else (-128, 128)
        given[name] = rng.integers(low, high, size=shape)
        scale, zero = np.float32(macros[f'{name.upper()}_SCALE'].rstrip('f')), int(macros[f'{name.upper()}_ZERO'])
        samples[name] = ((given[name] - zero).astype('f4') * scale)[None]
    np.savez(t.dir / 'in.npz', **samples)
    io = [o for o in options if o not in ('-layout', 'nhwc', 'nchw')]
    t.run(f'{model}.ir', *quantize, *io, '-run', 'in.npz', '-o', 'want.npz')
    want = np.load(t.dir / 'want.npz')
    last = 'nhwc' in options
    got = call(np, out, {k: to_last(np, v) if last else v for k, v in given.items()})
    assert sorted(got) == sorted(want.files), (sorted(got), want.files)
    for name, value in got.items():
        expected = want[name][0]
        expected = to_last(np, expected) if last else expected
        assert list(expected.shape) == outs[name][1], name
        got_real = real(np, macros, name, value)
        assert np.array_equal(got_real, expected), f'{name}: {options}\n{got_real}\n{expected}'
    return ins, outs


def test_layouts_and_types_of_the_interface(t):
    for model in ['integers', 'floats']:
        for layout in ['nchw', 'nhwc']:
            check_interface(t, model, '-layout', layout)
    for io, layout in itertools.product(['float', 'quantized'], ['nchw', 'nhwc']):
        ins, outs = check_interface(t, 'floats', '-io', io, '-layout', layout, calibrated=True)
        kinds = {kind for kind, _ in ins.values()}
        assert ('uint8_t' in kinds) == (io == 'quantized'), kinds  # what float ops read stays float
        if io == 'float':
            assert {kind for kind, _ in outs.values()} == {'float'}
    ins, outs = check_interface(t, 'integers', '-io', 'float', '-layout', 'nhwc')
    assert {kind for kind, _ in [*ins.values(), *outs.values()]} == {'float'}


def test_copies_arrive(t):
    import numpy as np
    rng = np.random.default_rng(5)
    inputs = {'same': rng.normal(size=(2, 3, 4, 5)), 'scalar': np.array(2.5), 'unused': np.arange(3),
              'deep': rng.integers(0, 256, size=(2, 1, 3, 2, 2)), 'row': rng.integers(-128, 128, size=4)}
    for last in [False, True]:
        out = emitted(t, 'copies', 'generic', '-layout', 'nhwc' if last else 'nchw')
        ins, outs, _ = interface(out)
        got = list(call(np, out, {k: to_last(np, v) if last else v for k, v in inputs.items()}).values())
        assert list(ins) == list(inputs) and len(outs) == 7
        move = (lambda a: to_last(np, a)) if last else (lambda a: a)
        padded = np.pad(inputs['deep'], [(1, 0), (0, 1), (1, 1), (0, 0), (0, 1)], mode='edge')
        twice = np.tile(inputs['row'], 9)
        expected = [move(inputs['same'].astype('f4')), [-2.5], padded[2::-2, 1::-1, 0:4, :, 0:3:2], twice,
                    move(((twice + 1) * 0.25).astype('f4').reshape(3, 3, 4)),
                    np.array([[1, np.nan], [np.inf, -0.0]]), move(inputs['same'].astype('f4'))]
        for i, (a, b) in enumerate(zip(got, expected)):
            assert np.array_equal(a, b, equal_nan=np.asarray(b).dtype.kind == 'f'), f'{i}\n{a}\n{b}'


if __name__ == '__main__':
    raise SystemExit(main(globals()))

#!/usr/bin/env python3
"""The command line: options, exit codes, lists, messages."""
import os
import pty
import re
import subprocess
import sys

from harness import DIGITS, ROOT, TINY, main


def test_help_and_version(t):
    """Both in every spelling, on standard output."""
    texts = {t.run(a).stdout for a in ('-help', '--help')}
    assert len(texts) == 1 and 'usage: qcc MODEL' in texts.pop()
    assert t.run('--version').stdout.startswith('qcc 0.')
    assert t.run('-version').stdout == t.run('--version').stdout


def test_lists(t):
    """One row each."""
    targets = t.run('-print-targets').stdout
    assert re.search(r'^generic +portable C99, no intrinsics +runs here', targets, re.M)
    assert all(re.search(f'^{re.escape(name)} ', targets, re.M) for name in ('x86-64-v3', 'arm64', 'arm64+dotprod', 'arm64+i8mm'))
    assert len(re.findall('runs here: native$', targets, re.M)) == 1
    passes = t.run('-print-passes').stdout.split('\n')
    assert passes[0].startswith('canonicalize') and any(p.startswith('quantize ') for p in passes)
    ops = t.run('-print-ops').stdout.split('\n')
    assert 'conv2d' in ops and 'softmax' in ops


def test_usage_errors(t):
    """Exit code 2, and a message that says what would be right."""
    t.write('tiny.ir', TINY)
    t.fail(code=2, message='no model given')
    t.fail('tiny.ir', '-taget', 'arm64', code=2, message="did you mean '-target'?")
    t.fail('tiny.ir', '-target', 'arm46', code=2, message="unknown target 'arm46'; did you mean 'arm64'?")
    t.fail('tiny.ir', '-target', 'neon', code=2, message="unknown target 'neon' (it may be generic, x86-64-v3, ")
    t.fail('tiny.ir', '-target', 'generic,arm46', code=2,
           message="unknown target 'arm46' (number 2 of 'generic,arm46'); did you mean 'arm64'?")
    t.fail('tiny.ir', '-target', 'arm64,generic,arm64', code=2,
           message="the target 'arm64' is there twice (number 3 of 'arm64,generic,arm64')")
    t.fail('tiny.ir', '-target', 'arm64,', code=2, message="a target without a name (number 2 of 'arm64,')")
    t.fail('tiny.ir', '-dump-after', 'fuze', code=2, message="did you mean 'fuse'?")
    t.fail('tiny.ir', '-stop-after', 'nothing-like-it', code=2, message="unknown pass 'nothing-like-it' (-print-passes lists them)")
    t.fail('tiny.ir', '-run', 'calib.npz', '-o', 'm.c', code=2, message="-run writes the outputs as an .npz file, not to 'm.c'")
    t.fail('tiny.ir', '-name', '2nd', code=2, message='-name takes a C identifier')
    t.fail('tiny.ir', '-name', 'a' * 41, code=2, message='-name takes a C identifier')
    t.fail('tiny.ir', '-observer', 'best', code=2, message="there is no observer 'best'")
    t.fail('tiny.ir', '-o', 'model.h', code=2, message="two outputs have the same name 'model.h'")
    t.fail('tiny.ir', '-o', 'model.npz', '-emit', 'ir', code=2, message="two outputs have the same name 'model.npz'")
    t.fail('tiny.ir', '-o', 'model.d', '-MD', code=2, message="two outputs have the same name 'model.d'")
    t.fail('tiny.ir', '-o', 'a"b.c', code=2, message="the header's name cannot stand in an #include: 'a\"b.h'")
    t.fail('tiny.ir', '-o', 'a\nb.c', code=2, message="the header's name cannot stand in an #include")
    t.fail('tiny.ir', '-eval', 'e.npz', '-o', '-', code=2, message='-eval writes to standard output itself')
    t.fail('tiny.ir', '-eval', 'e.npz', '-MD', code=2, message='a depfile needs an output file')
    t.fail('tiny.ir', '-o', '-', '-MD', code=2, message='-MD needs -MF FILE')


def test_input_errors(t):
    """Exit code 1, and the place."""
    t.write('bad.ir', 'model bad {\n  input %x : f32[1, 2]\n  %y = rleu(%x)\n  output %y\n}\n')
    r = t.fail('bad.ir', '-o', 'm.c', message="bad.ir:3:8: error: ")
    assert "did you mean 'relu'?" in r.stderr and '^' in r.stderr
    t.fail('missing.ir', '-o', 'm.c', message='missing.ir: error: No such file or directory')
    t.fail('missing.onnx', '-o', 'm.c', message='missing.onnx: error: No such file or directory')
    t.write('d/x', '')
    t.fail('d', '-o', 'm.c', message='is a directory')
    t.write('empty.onnx', '')
    t.fail('empty.onnx', '-o', 'm.c', message='empty.onnx')
    t.write('text.onnx', 'hello')
    t.fail('text.onnx', '-o', 'm.c', message='text.onnx')
    t.write('tiny.ir', TINY)
    t.fail('tiny.ir', '-shape', 'x=1,2', '-o', 'm.c', message='-shape is for ONNX models')
    t.fail('tiny.ir', '-calib', 'none.npz', '-o', 'm.c', message='none.npz: No such file')
    t.fail('tiny.ir', '-quantize', 'static', '-o', 'm.c', message='calib')


def test_contents_decide(t):
    """A file without a known suffix is text IR where it looks like it."""
    t.write('model.txt', '// a comment\n\n  // another\n' + TINY)
    t.run('model.txt', '-quantize', 'none', '-o', 'm.c')
    t.write('model.txt', '\ufeff' + TINY)
    t.run('model.txt', '-quantize', 'none', '-o', 'm.c')
    t.write('model.bin', (DIGITS / 'digits.onnx').read_bytes())
    t.run('model.bin', '-quantize', 'none', '-o', 'm.c')


def test_standard_streams(t):
    """- is standard input and output; the C text is then complete in itself."""
    r = t.run('-', '-quantize', 'none', input=TINY)
    assert 'int model_run(' in r.stdout and '#include "' not in r.stdout
    assert t.files() == []
    assert t.run('-', '-o', '/dev/stdout', '-quantize', 'none', input=TINY).stdout == r.stdout
    with open(t.dir / 'redirected.c', 'w', encoding='utf-8') as f:
        t.run('-', '-o', '/dev/stdout', '-quantize', 'none', input=TINY, stdout=f)
    assert t.read('redirected.c').decode() == r.stdout
    os.unlink(t.dir / 'redirected.c')
    r = t.run('-', '-o', 'm.c', '-quantize', 'none', input=TINY)
    assert t.files() == ['m.c', 'm.h']
    t.fail('-', input='model x {', message='<stdin>:1:')


def test_default_names(t):
    """Without -o the files are named after the model and stand in the working folder."""
    t.write('sub/net.ir', TINY)
    t.run('sub/net.ir', '-quantize', 'none')
    assert t.files() == ['net.c', 'net.h', 'sub/net.ir']
    assert b'int net_run(' in t.read('net.c') and b'#include "net.h"' in t.read('net.c')
    t.run('sub/net.ir', '-quantize', 'none', '-name', 'other_name')
    assert b'int other_name_run(' in t.read('net.c')
    t.run('sub/net.ir', '-quantize', 'none', '-o', '2-nd.x.c')
    assert b'int _2_nd_x_run(' in t.read('2-nd.x.c') and '2-nd.x.h' in t.files()


def test_warnings(t):
    """A float model without data is compiled as float, with a warning that can be an error or silent."""
    t.write('tiny.ir', TINY)
    r = t.run('tiny.ir', '-o', 'm.c')
    assert 'warning:' in r.stderr and '-calib' in r.stderr and '[-Wfloat-model]' in r.stderr
    assert t.run('tiny.ir', '-o', 'm.c', '-Wno-float-model').stderr == ''
    assert t.run('tiny.ir', '-o', 'm.c', '-quantize', 'none').stderr == ''
    (t.dir / 'm.c').unlink()
    (t.dir / 'm.h').unlink()
    t.fail('tiny.ir', '-o', 'm.c', '-Werror', message='[-Werror,-Wfloat-model]')
    t.run('tiny.ir', '-o', 'm.c', '-Werror', '-Wno-float-model')


def test_constant_calibration(t):
    """Dummy data is no calibration: a warning says so."""
    import numpy as np
    t.tiny()
    np.savez(t.dir / 'zeros.npz', x=np.zeros((3, 2, 4, 4), 'f4'))
    r = t.run('tiny.ir', '-calib', 'zeros.npz', '-o', 'm.c')
    assert "calibration: all values of the input 'x' are 0" in r.stderr and '[-Wconstant-input]' in r.stderr, r.stderr
    assert t.run('tiny.ir', '-calib', 'calib.npz', '-o', 'm.c').stderr == ''


def test_modes_without_data(t):
    """Dynamic quantization, small weights: no calibration data, no warning; the report names what ran."""
    import numpy as np
    head = '  %f = reshape(%y) { shape = [1, 3] }\n  %z = linear(%f, [[1, 2, 3], [-1, 0.5, 2]])\n  output %z'
    t.write('tiny.ir', TINY.replace('  output %y', head))
    x = np.random.default_rng(1).normal(size=(4, 2, 4, 4)).astype('f4')
    np.savez(t.dir / 'labels.npz', x=x, y=np.zeros(4, 'i8'))
    for mode, name in (('dynamic', 'dynamic'), ('weights', 'weights'), ('f16', 'f16'), ('none', 'float32')):
        r = t.run('tiny.ir', '-quantize', mode, '-o', 'm.c', '-verify')
        assert r.stderr == '' and ' 0 mismatches' in r.stdout, r.stderr + r.stdout
        r = t.run('tiny.ir', '-quantize', mode, '-eval', 'labels.npz')
        assert re.search(f'^accuracy .* {name} ', r.stdout), r.stdout
    assert t.run('tiny.ir', '-config', 'fbgemm_dynamic', '-emit', 'ir', '-o', '-').stderr == ''


SMALL = """model small {
  weights "small.npz"
  input %x : f32[1, 32, 6, 6]
  const @c : f32[64, 32, 3, 3]
  const @d : f32[64, 1, 5, 5]
  const @l : f32[32, 64]
  const @w : f32[1, 128, 32]
  const @r : f32[1, 128, 32]
  %a = conv2d(%x, @c)
  %b = conv2d(%a, @d) { groups = 64, pad = [1, 1, 1, 1] }
  %p = global_avg_pool(%b)
  %f = reshape(%p) { shape = [1, 1, 64] }
  %h = linear(%f, @l)
  %y, %yh, %yc = lstm(%h, @w, @r)
  output %y
}
"""


def test_small_weights_are_small(t):
    """The emitted constants are as small as the weights: of every kind of layer, of weights that come small."""
    import numpy as np
    shapes = {'c': (64, 32, 3, 3), 'd': (64, 1, 5, 5), 'l': (32, 64), 'w': (1, 128, 32), 'r': (1, 128, 32)}
    rng = np.random.default_rng(3)
    np.savez(t.dir / 'small.npz', **{k: rng.normal(size=s).astype('f4') / 8 for k, s in shapes.items()})
    t.write('small.ir', SMALL)

    def size(*args):
        r = t.run(*args, '-o', 'm.c', '-verify')
        assert ' 0 mismatches' in r.stdout, r.stdout
        return int(re.search(r'_CONSTANTS_SIZE (\d+)', (t.dir / 'm.h').read_text())[1])

    count = sum(np.prod(s) for s in shapes.values())
    whole = size('small.ir', '-quantize', 'none')
    assert 4 * count <= whole
    assert size('small.ir', '-quantize', 'f16') < whole / 2 + 1000
    assert size('small.ir', '-quantize', 'weights') < whole / 4 + 4000
    for mode in ('f16', 'weights'):
        t.run('small.ir', '-quantize', mode, '-emit', 'ir', '-o', 'saved.ir')
        assert size('saved.ir', '-quantize', 'none') == size('small.ir', '-quantize', mode)


def test_idle_options(t):
    """Options about quantizing, given with a model that is quantized: a warning names them."""
    t.tiny()
    t.run('tiny.ir', '-calib', 'calib.npz', '-emit', 'ir', '-o', 'q.ir')
    idle = 'is not used: the model is quantized already and stays as it is [-Wquantized-model]'
    for option in ('-calib calib.npz', '-quantize none', '-quantize static', '-observer minmax'):
        r = t.run('q.ir', *option.split(), '-o', 'm.c')
        assert idle in r.stderr and option.split(' calib')[0].split(' minmax')[0] in r.stderr, r.stderr
        assert t.run('q.ir', *option.split(), '-o', 'm.c', '-Wno-quantized-model').stderr == ''
    assert t.run('q.ir', '-o', 'm.c').stderr == ''


def test_other_files_as_models(t):
    """What is not a model is called by its name."""
    for magic, what in ((b'PK\3\4', 'a zip archive (.npz, .pt, .keras)'), (b'\x93NUMPY\1\0', 'a NumPy array'),
                        (b'\x89HDF\r\n', 'an HDF5 file (Keras)'), (b'\x1c\0\0\0TFL3', 'a TensorFlow Lite model'),
                        (b'\x18\0\0\0ORTM', "a model in ONNX Runtime's own format")):
        t.write('net.bin', magic + bytes(100))
        t.fail('net.bin', '-o', 'm.c', message=f'net.bin: error: is {what}; qcc takes models as ONNX or as text IR')
        t.write('net.onnx', magic + bytes(100))
        t.fail('net.onnx', '-o', 'm.c', message='net.onnx: error: is not a valid ONNX file')


def test_every_warning_can_be_silenced(t):
    """The list in --help is that of the names in the source."""
    used = set()
    for path in ROOT.glob('*/**/*.c'):
        if path.relative_to(ROOT).parts[0] in ('ir', 'passes', 'codegen', 'compiler'):
            used |= set(re.findall(r'diag_warning\([^,"]+, "([a-z-]+)"', path.read_text()))
    listed = re.search(r'-Wno-NAME +silence ((.*,\n)*.*)', t.run('--help').stdout)[1]
    assert set(re.split(r',\s+', listed)) == used and used, (listed, used)


def test_options_twice(t):
    """The last one counts."""
    t.write('tiny.ir', TINY)
    t.run('tiny.ir', '-quantize', 'none', '-o', 'a.c', '-o', 'b.c')
    assert t.files() == ['b.c', 'b.h', 'tiny.ir']


def test_emit_ir(t):
    """To a file with an .npz beside it, to a stream complete in itself; both read back."""
    t.run(DIGITS / 'digits.ir', '-emit', 'ir', '-o', 'q.ir')
    assert t.files() == ['q.ir', 'q.npz']
    assert b'weights "q.npz"' in t.read('q.ir')
    t.run('q.ir', '-o', 'from_file.c', '-name', 'q')
    text = t.run(DIGITS / 'digits.ir', '-emit', 'ir').stdout
    assert 'weights "' not in text
    t.write('whole.ir', text)
    t.run('whole.ir', '-o', 'from_stream.c', '-name', 'q')
    t.run(DIGITS / 'digits.ir', '-o', 'direct.c', '-name', 'q')
    bodies = [b'\n'.join(line for line in t.read(f).split(b'\n') if b'generated by' not in line and b'#include "' not in line)
              for f in ('from_file.c', 'from_stream.c', 'direct.c')]
    assert bodies[0] == bodies[1] == bodies[2]
    t.write('tiny.ir', TINY)
    t.run('tiny.ir', '-emit', 'ir', '-quantize', 'none', '-o', 't.ir')
    assert 't.npz' not in t.files() and b'weights' not in t.read('t.ir')


def test_comments_of_the_c(t):
    """Both files say what they run on; a layer has one name, that of its convolution, wherever it is spoken of."""
    t.run(DIGITS / 'digits.ir', '-target', 'x86-64-v3', '-o', 'm.c')
    c, h = t.read('m.c').decode(), t.read('m.h').decode()
    assert 'for x86-64-v3 (x86-64 with AVX2)' in c and 'for x86-64-v3 (x86-64 with AVX2)' in h
    for layer in ('block1.conv1', 'block3.depthwise'):
        assert f"conv2d '{layer}': " in c and f"weights of '{layer}', " in c, layer
    assert "'block1.bn1'" not in c and '[1 groups]' not in c


def test_emit_dot(t):
    """Graphviz text, on standard output unless named."""
    dot = t.run(DIGITS / 'digits.ir', '-emit', 'dot', '-quantize', 'none').stdout
    assert dot.startswith('digraph "digits" {') and dot.rstrip().endswith('}')
    assert 'label="conv2d' in dot and 'f32 [1, 1, 28, 28]' in dot
    t.run(DIGITS / 'digits.ir', '-emit', 'dot', '-o', 'g.dot')
    assert b'scale ' in t.read('g.dot')


REPORTED = """model reported {
  input %x : u8<scale=1, zero=0>[1, 2, 2, 2]
  const @w1 : s8<axis=0, scale=[1, 1, 1, 1], zero=[0, 0, 0, 0]>[4, 2, 1, 1] = [[[[1]], [[2]]], [[[0]], [[0]]], [[[3]], [[4]]], [[[1]], [[-1]]]]
  const @b1 : s32[4] = [1, 2, 3, 0]
  %a = conv2d(%x, @w1, @b1) { act_min = 0, act_max = 129 } : u8<scale=1, zero=2>[1, 4, 2, 2]
  const @w2 : s8<scale=1, zero=0>[2, 4, 1, 1] = [[[[127]], [[5]], [[0]], [[127]]], [[[8]], [[-3]], [[0]], [[1]]]]
  %c = conv2d(%a, @w2) : u8<scale=64, zero=10>[1, 2, 2, 2]
  output %c
}
"""


def test_report(t):
    """What was proved of each layer and what went; worked out by hand. Channel 1 is 2, nobody reads channel 2."""
    t.write('m.ir', REPORTED)
    text = t.run('m.ir', '-target', 'x86-64-v3', '-emit', 'report').stdout
    assert text.startswith('m.ir for x86-64-v3 (x86-64 with AVX2), int8, 2 operations\nMACs        32; 64 before channels were '
                           'removed: 50.0 % saved\n'), text
    for line in ('channels    removed from the results of layers: 2 of 6, 1 constant, 1 that nothing reads',
                 "   1  conv2d 'a'",
                 '      types     u8 [1, 2, 2, 2], constant s8 [2, 2, 1, 1], constant s32 [2] -> u8 [1, 2, 2, 2]',
                 '      work      16 MACs (50.0 %), 12 bytes of constants',
                 '      values    2 to 131 of 0 to 255; narrower than the type in 2 of 2 channels',
                 '      sums      -255 to 766: 11 bits, exact in float32',
                 '      clamp     2 to 131, values without it -253 to 768: needed on both sides',
                 '      16 bits   hold 100.00 % of the pairs of products, 100.00 % of the quads',
                 '      removed   2 of 4 channels: 1 constant, 1 that nothing reads',
                 '      kernel    tiles of 4 pixels x 8 channels, sums of products in 16 bits',
                 "   2  conv2d 'c'",
                 '      16 bits   hold 50.00 % of the pairs of products, 50.00 % of the quads'):
        assert line in text.split('\n'), line + '\n' + text
    constants, workspace = (re.search(f'{name} .* (\\d+) {what}', text) for name, what in
                            (('constants', 'as they are laid out'), ('workspace', 'bytes')))
    t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c')
    header = t.read('m.h').decode()
    assert f'M_CONSTANTS_SIZE {constants.group(1)} ' in header and f'M_WORKSPACE_SIZE {workspace.group(1)} ' in header
    t.run('m.ir', '-target', 'x86-64-v3', '-emit', 'report', '-o', 'm.txt')
    assert t.read('m.txt').decode() == text
    t.fail('m.ir', '-emit', 'report', '-stop-after', 'fuse', code=2, message='-emit report is about the compiled model')
    t.tiny()
    assert 'clamps' not in t.run('tiny.ir', '-quantize', 'none', '-emit', 'report').stdout


def test_proved_products(t):
    """On AVX2 pairs of 127 and 127 take sign flips, unless the operand is proved to be 129 at most."""
    for act_max, flips in (('inf', True), ('127', False)):
        t.write('m.ir', REPORTED.replace('act_max = 129', f'act_max = {act_max}'))
        r = t.run('m.ir', '-target', 'x86-64-v3', '-o', 'm.c', '-verify')
        assert ' 0 mismatches' in r.stdout, r.stdout + r.stderr
        weights = re.search("weights of 'c'[^/]*", t.read('m.c').decode())
        assert weights and ('mask' in weights.group()) == flips, weights


def test_dump_and_stop(t):
    """-dump-after prints on stderr, -stop-after emits the IR of that moment."""
    r = t.run(DIGITS / 'digits.ir', '-dump-after', 'fold_bn', '-o', 'm.c')
    assert r.stderr.startswith('// after fold_bn\nmodel digits {') and 'batch_norm' not in r.stderr
    r = t.run(DIGITS / 'digits.ir', '-dump-after=all', '-quantize=none', '-o', 'm.c')
    assert 'batch_norm' in r.stderr.split('// after fold_bn')[0]
    r = t.run(DIGITS / 'digits.ir', '-stop-after', 'fuse')
    assert 'batch_norm' not in r.stdout and 'quantize(' not in r.stdout and 'act_min' in r.stdout
    r = t.run(DIGITS / 'digits.ir', '-stop-after', 'canonicalize', '-emit', 'dot')
    assert 'batch_norm' in r.stdout


def test_verbose(t):
    """-v lists the passes with their times, and what the workspace needs, on stderr."""
    r = t.run(DIGITS / 'digits.ir', '-v', '-o', 'm.c')
    assert 'canonicalize' in r.stderr and ' ms' in r.stderr and r.stdout == ''
    size, bound = map(int, re.search(r'^workspace (\d+) bytes, lower bound (\d+)$', r.stderr, re.M).groups())
    assert bound <= size <= bound * 1.05
    assert f'WORKSPACE_SIZE {size} ' in (t.dir / 'm.h').read_text()


def test_progress_bar(t):
    """On a terminal there is a bar while it calibrates, and nothing of it in the end."""
    try:
        terminal, stderr = pty.openpty()
    except OSError as e:  # a container without /dev/pts
        print(f'skipped: test_progress_bar: {e}')
        return
    p = subprocess.Popen([t.qcc, DIGITS / 'digits.ir', '-o', t.dir / 'm.c'], stderr=stderr)
    os.close(stderr)
    text = b''
    try:
        while chunk := os.read(terminal, 4096):
            text += chunk
    except OSError:  # the other side is closed
        pass
    assert p.wait(timeout=60) == 0
    assert b'\rcalibrating [#' in text and b'/128' in text and text.endswith(b'\r\x1b[K'), text


def test_no_progress_bar_in_pipes(t):
    """The bar is for terminals only."""
    r = t.run(DIGITS / 'digits.ir', '-o', 'm.c')
    assert r.stderr == ''


def test_hostile_names(t):
    """Names from the model reach neither messages nor C raw."""
    out = r'"??/\n#include \"evil.h\""'
    t.write('h.ir', 'model "*/ int evil; /*" {\n  input %"a\\x1b[31m\\"*/" : f32[1, 4]\n'
            f'  %{out} = relu(%"a\\x1b[31m\\"*/")\n  output %{out}\n}}\n')
    t.run('h.ir', '-quantize', 'none', '-o', 'h.c')
    text = t.read('h.c') + t.read('h.h')
    assert b'*/ int evil' not in text and b'\n#include "evil' not in text and b'??/' not in text and b'\x1b' not in text
    subprocess.run(['cc', '-std=c99', '-trigraphs', '-pedantic', '-Wall', '-Wextra', '-Werror', '-c', 'h.c'], cwd=t.dir, check=True)
    t.run('h.ir', '-quantize', 'none', '-verify', '-target', 'generic')
    t.fail('h.ir', '-calib', 'none.npz', '-o', 'x.c', message='none.npz')


if __name__ == '__main__':
    sys.exit(main(globals()))

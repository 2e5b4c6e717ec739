#!/usr/bin/env python3
"""-config, -print-qconfig: files and presets, what is printed and what is emitted, messages and exit codes."""
import re
import sys

from harness import DIGITS, ROOT, main

FLOAT_LINEAR = 'preset "minmax" op("linear", { mode = "float" })\n'


def test_a_file_or_a_preset(t):
    """A word without a dot or a slash is a preset."""
    t.tiny()
    t.write('c.lua', 'preset "tensorrt"')
    for config in ('tensorrt', 'c.lua', './c.lua'):
        out = t.run('tiny.ir', '-config', config, '-print-qconfig').stdout
        assert 'max, s8 -127..127 symmetric per channel' in out, out
    assert t.run('tiny.ir', '-print-qconfig').stdout == t.run('tiny.ir', '-config=qcc', '-print-qconfig').stdout
    r = t.fail('tiny.ir', '-config', 'fbgem', '-o', 'm.c', code=2, message="-config: there is no preset 'fbgem'; did you mean 'fbgemm'?")
    assert 'a file has a dot or a slash' in r.stderr
    t.fail('tiny.ir', '-config', 'zzzzzzz', '-o', 'm.c', code=2, message='there are qcc, minmax, fbgemm, ')
    t.fail('tiny.ir', '-config', 'none.lua', '-o', 'm.c', message='none.lua: error: No such file or directory')
    t.fail('tiny.ir', '-config', '.', '-o', 'm.c', message='.: error: is a directory')
    t.fail('tiny.ir', '-config', '/dev/zero', '-o', 'm.c', message='is not a regular file')
    t.write('big.lua', '-- ' + 'x' * (1 << 20))
    t.fail('tiny.ir', '-config', 'big.lua', '-o', 'm.c', message='is larger than the limit of 1 MiB')


def test_printing_stops_there(t):
    """Without calibration data, too; nothing is written but with -o or -emit."""
    t.tiny()
    before = t.files()
    lines = t.run('tiny.ir', '-print-qconfig').stdout.splitlines()
    assert lines[0].split() == ['NODE', 'OP', 'MODE', 'RESULT', 'WEIGHT', 'RULE']
    assert t.files() == before
    with_output = t.run('tiny.ir', '-calib', 'calib.npz', '-print-qconfig', '-o', 'm.c').stdout.splitlines()
    assert with_output == lines and 'm.c' in t.files()
    r = t.run('tiny.ir', '-calib', 'calib.npz', '-print-qconfig', '-eval', 'calib.npz')
    assert r.stdout.splitlines()[:len(lines)] == lines and 'sqnr' in r.stdout
    t.fail('tiny.ir', '-print-qconfig', '-o', '-', code=2, message='-print-qconfig writes to standard output itself')
    assert t.run('tiny.ir', '-print-qconfig', '-quantize', 'none').stdout == 'nothing is quantized: -quantize none\n'


def test_the_manual_has_every_preset(t):
    """A row each."""
    t.tiny()
    names = t.run('tiny.ir', '-config', 'zzzzzzz', code=2).stderr.split('there are ')[1].split(' (')[0].split(', ')
    text = (ROOT / 'docs/quantization.md').read_text()
    assert len(names) > 5 and all(f'`{name}`' in text for name in names), names


def test_a_node_in_float(t):
    """Said by the user, it is not warned about; the file is in the depfile."""
    t.write('c.lua', FLOAT_LINEAR)
    r = t.run(DIGITS / 'digits.ir', '-config', 'c.lua', '-target', 'generic', '-o', 'm.c', '-MD')
    assert r.stderr == '', r.stderr
    assert 'c.lua' in t.read('m.d').decode()
    ir = t.run(DIGITS / 'digits.ir', '-config', 'c.lua', '-emit', 'ir', '-o', 'm.ir')
    text = t.read('m.ir').decode()
    assert ir.stderr == '' and '%head.flatten.f = dequantize(%head.flatten)' in text and '@stem.conv.weight : s8<' in text, text


MIXED = """model mixed {
  input %x : f32[1, 2, 4, 4]
  const @w : f32[2, 2, 1, 1] = [[[[1]], [[0.5]]], [[[-1]], [[2]]]]
  %a = conv2d(%x, @w)
  %b = sigmoid(%a)
  %c = conv2d(%b, @w)
  %d = relu(%c)
  %e = conv2d(%d, @w)
  output %e
}
"""


def test_a_mixed_model_is_saved(t):
    """What the configuration left in float stays there when the model is read again, as text IR and as ONNX."""
    t.tiny()
    t.write('mixed.ir', MIXED)
    t.write('c.lua', 'preset "minmax" op("sigmoid", { mode = "float" }) node("e", { mode = "weights" })')
    t.run('mixed.ir', '-calib', 'calib.npz', '-config', 'c.lua', '-emit', 'ir', '-o', 'q.ir')
    text = t.read('q.ir').decode()
    assert '%b = sigmoid(%a.f) in_float' in text and '%e = conv2d(%c.f, @w' in text, text
    t.run('mixed.ir', '-calib', 'calib.npz', '-config', 'c.lua', '-emit', 'onnx', '-o', 'q.onnx')
    code = []
    for model, options in (('mixed.ir', ['-calib', 'calib.npz', '-config', 'c.lua']), ('q.ir', []), ('q.onnx', [])):
        r = t.run(model, *options, '-target', 'generic', '-name', 'm', '-o', 'm.c')
        assert r.stderr == '', r.stderr
        code.append(re.sub(rb' \* With the script .*\n', b'', t.read('m.c')).replace(model.encode(), b'model'))
    assert code[0] == code[1] == code[2]


def test_output_is_no_input(t):
    """The configuration is not overwritten."""
    t.tiny()
    t.write('c.c', FLOAT_LINEAR)
    t.fail('tiny.ir', '-calib', 'calib.npz', '-config', 'c.c', '-o', 'c.c', message='c.c')


def test_every_preset_compiles(t):
    """Static ones on the digits: they lose little."""
    for preset in ('qcc', 'minmax', 'fbgemm', 'x86', 'qnnpack', 'onednn', 'tensorrt'):
        t.run(DIGITS / 'digits.ir', '-config', preset, '-target', 'generic', '-o', preset + '.c')
        out = t.run(DIGITS / 'digits.ir', '-config', preset, '-eval', DIGITS / 'eval.npz').stdout
        assert float(re.search(r'int8 ([0-9.]+)', out).group(1)) > 0.975, out


def test_the_same_everywhere(t):
    """Two runs give the same table and the same code."""
    t.write('c.lua', 'preset "qnnpack"\nfor i = 1, 4 do pattern("block" .. i .. ".*", { weight = per_channel_minmax {} }) end\n')
    runs = []
    for name in ('a.c', 'b.c'):
        r = t.run(DIGITS / 'digits.ir', '-config', 'c.lua', '-print-qconfig', '-name', 'm', '-target', 'generic', '-o', name)
        runs.append((r.stdout, t.read(name).replace(name[:1].encode() + b'.h', b'.h')))
    assert runs[0] == runs[1]


def test_a_quantized_model(t):
    """Its parameters stay; what is idle is said."""
    t.run(DIGITS / 'digits.ir', '-emit', 'ir', '-o', 'q.ir')
    r = t.run('q.ir', '-config', 'qnnpack', '-target', 'generic', '-o', 'm.c')
    assert '-config is not used: the model is quantized already' in r.stderr
    assert 'is quantized already' in t.run('q.ir', '-print-qconfig').stdout


def test_hostile_files(t):
    """Compiled Lua, endless loops, memory: one message, no hang."""
    t.tiny()
    t.write('c.lua', b'\x1bLua\x54\x00\x19\x93\r\n\x1a\n')
    t.fail('tiny.ir', '-config', 'c.lua', '-o', 'm.c', message='c.lua: error: is compiled Lua')
    t.write('c.lua', 'while true do end')
    t.fail('tiny.ir', '-config', 'c.lua', '-o', 'm.c', message='c.lua:1:1: error: this script runs for more than')
    t.write('c.lua', 'local t = {}\nwhile true do t[#t + 1] = {} end')
    t.fail('tiny.ir', '-config', 'c.lua', '-o', 'm.c', message='c.lua:2:1: error: this script needs more than 64 MiB')
    t.write('c.lua', 'node("\\27[31m", { mode = "\\7" })')
    t.fail('tiny.ir', '-config', 'c.lua', '-o', 'm.c', message="not '\\x07'")


if __name__ == '__main__':
    sys.exit(main(globals()))

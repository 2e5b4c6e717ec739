"""-emit onnx: the file that is written, and that qcc makes of it what it made of the model."""
import re
import sys

from harness import DIGITS, TINY, main

try:
    import onnx
except ImportError:
    onnx = None


def checked(data):
    """The model, where the onnx module is here to read and check it; else None."""
    if not onnx:
        return None
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    return model


def same_c(t, *args, suffix='ir'):
    """The C of the model in m.ir or m.onnx, and of its ONNX form, each made from a file called m.onnx."""
    source = t.read(f'm.{suffix}')
    (t.dir / 'trip').mkdir(exist_ok=True)
    t.run(f'm.{suffix}', *args, '-name', 'm', '-o', t.dir / 'a.c')
    t.run(f'm.{suffix}', *args, '-emit', 'onnx', '-o', t.dir / 'trip' / f'm.{suffix}')
    data = t.read(f'trip/m.{suffix}')
    t.write('trip/m.onnx', data)
    t.run('m.onnx', '-name', 'm', '-o', t.dir / 'b.c', cwd=t.dir / 'trip')
    a, b = (t.read(f).replace(b'"a.h"', b'"b.h"').replace(b'from m.ir', b'from m.onnx') for f in ('a.c', 'b.c'))
    assert a == b, 'the C differs'
    assert t.read('a.h').replace(b'm.ir', b'm.onnx') == t.read('b.h')
    assert t.read(f'm.{suffix}') == source
    return data


def test_quantized(t):
    """A float model with calibration data: QDQ, and the same C again."""
    t.tiny()
    t.write('m.ir', TINY)
    model = checked(same_c(t, '-calib', 'calib.npz', '-config', 'minmax'))
    if not model:
        return
    ops = [n.op_type for n in model.graph.node]
    assert ops.count('Conv') == 1 and ops.count('Relu') == 1 and ops.count('QuantizeLinear') == 3, ops
    assert model.producer_name == 'qcc' and re.fullmatch(r'\d+\.\d+\.\d+', model.producer_version)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    known = {v.name for v in list(model.graph.value_info) + list(model.graph.output)}
    assert known == {o for n in model.graph.node for o in n.output}, 'a value without a shape'


def test_float(t):
    """Without quantization, and from text IR: a float model."""
    t.write('m.ir', TINY)
    model = checked(same_c(t, '-quantize', 'none'))
    if model:
        assert [n.op_type for n in model.graph.node] == ['Conv', 'Relu', 'AveragePool']


def test_io_types(t):
    """Integer inputs and outputs keep their scales without a DequantizeLinear beside them."""
    t.tiny()
    t.write('m.ir', TINY)
    same_c(t, '-calib', 'calib.npz', '-io', 'quantized')
    t.write('m.ir', '''model moves {
  input %x : s8<scale=0.5, zero=3>[1, 4]
  input %unused : u8<scale=0.25, zero=128>[2]
  %a = transpose(%x) { perm = [1, 0] } : s8<scale=0.5, zero=3>[4, 1]
  %b = relu(%x) : u8<scale=0.5, zero=0>[1, 4]
  output %a, %b
}
''')
    model = checked(same_c(t))
    if model:
        annotated = {a.tensor_name for a in model.graph.quantization_annotation}
        assert {'x', 'unused', 'a', 'b'} <= annotated


def test_names_of_nodes(t):
    """Nodes that share a name in the source model have it again, though ONNX Runtime wants it once."""
    t.write('m.ir', '''model shared {
  input %x : f32[1, 4]
  %a = exp(%x) from "block"
  %b = tanh(%a) from "block"
  %c = exp(%b) from "block.2"
  output %c
}
''')
    model = checked(same_c(t))
    if model:
        names = [n.name for n in model.graph.node]
        assert len(set(names)) == 3 and names[0] == 'block', names


def test_output(t):
    """The default name, standard output, a depfile; twice the same bytes."""
    t.write('tiny.ir', TINY)
    t.run('tiny.ir', '-quantize', 'none', '-emit', 'onnx', '-MD')
    data = t.run('tiny.ir', '-quantize', 'none', '-emit', 'onnx', '-o', '-', text=False).stdout
    assert t.read('tiny.onnx') == data and t.read('tiny.d') == b'tiny.onnx: \\\n  tiny.ir\n\ntiny.ir:\n'
    assert t.files() == ['tiny.d', 'tiny.ir', 'tiny.onnx']
    t.run(DIGITS / 'digits.ir', '-emit', 'onnx', '-o', 'a.onnx')
    t.run(DIGITS / 'digits.ir', '-emit', 'onnx', '-o', 'b.onnx')
    assert t.read('a.onnx') == t.read('b.onnx')
    t.fail('a.onnx', '-emit', 'onnx', '-o', 'a.onnx', message='cannot write a.onnx: it is an input of this run')
    t.fail('a.onnx', '-emit', 'onnx', '-verify', code=2, message='-verify checks C')


def test_digits(t):
    """The example: read back it gives the same C for each target."""
    for target in 'generic', 'x86-64-v3', 'arm64':
        t.run(DIGITS / 'digits.ir', '-target', target, '-o', 'a.c', '-name', 'm')
        t.run(DIGITS / 'digits.ir', '-emit', 'onnx', '-o', 'q.onnx')
        t.run('q.onnx', '-target', target, '-o', 'b.c', '-name', 'm')
        a, b = t.read('a.c').decode(), t.read('b.c').decode()
        assert a.replace('from digits.ir', 'from q.onnx').replace('"a.h"', '"b.h"') == b


def refused(t, body, message):
    t.write('m.ir', 'model m {\n' + body + '}\n')
    t.fail('m.ir', '-emit', 'onnx', '-o', 'm.onnx', '-Wno-float-model', message=message)


def test_resize_that_only_requantizes(t):
    t.write('m.ir', '''model m {
  input %x : u8<scale=1, zero=0>[1, 1, 2, 2]
  %y = resize_linear(%x) { size = [1, 1, 2, 2] } : u8<scale=0.5, zero=0>[1, 1, 2, 2]
  output %y
}
''')
    same_c(t)


def test_refusals(t):
    """What ONNX has no place for is refused, with the node's name."""
    refused(t, '''  input %x : f32[1, 1, 8, 8]
  %y = avg_pool2d(%x) { kernel = [2, 2], dilation = [2, 1] }
  output %y
''', "avg_pool2d 'y': AveragePool of ONNX opset 17 has no dilations")
    refused(t, '''  input %x : f32[1, 1, 1, 8]
  %y = avg_pool2d(%x) { kernel = [1, 3], stride = [1, 1], pad = [0, 0, 0, 2], pad_extra = [0, 2], count_include_pad = true }
  output %y
''', "avg_pool2d 'y': ONNX's ceil_mode does not add the pads of pad_extra")
    refused(t, '''  input %x : f32[1, 1, 1, 5]
  %y = avg_pool2d(%x) { kernel = [1, 2], stride = [1, 3], pad = [0, 2, 0, 1], pad_extra = [0, 1], count_include_pad = true }
  output %y
''', "avg_pool2d 'y': its pads are as large as the kernel")
    refused(t, '''  input %x : u8<scale=1e-20, zero=0>[1, 2]
  const @w : s8<scale=1e-20, zero=0>[1, 2] = [[1, 2]]
  const @b : s32[1] = [3]
  %y = linear(%x, @w, @b) : u8<scale=1e-10, zero=0>[1, 1]
  output %y
''', "linear 'y': the scale of its bias")
    refused(t, '''  input %x : f32[1, 1, 2, 2]
  %y = conv_transpose2d(%x, [[[[1.0]]]]) { output_pad = [1, 0] }
  output %y
''', "conv_transpose2d 'y': ONNX's output_padding must be less than the stride or the dilation")
    refused(t, '''  input %x : u8<scale=1, zero=0>[1, 2, 1, 1]
  const @w : s8<axis=0, scale=[1, 2, 3, 4], zero=0>[4, 1, 1, 1] = [[[[1]]], [[[2]]], [[[3]]], [[[4]]]]
  %y = conv_transpose2d(%x, @w) { groups = 2 } : u8<scale=1, zero=0>[1, 4, 1, 1]
  output %y
''', "conv_transpose2d 'y': ONNX has no scales of weights that differ from group to group")
    for name in 'half_pixel_symmetric', 'tf_half_pixel_for_nn':
        refused(t, f'''  input %x : f32[1, 1, 2, 2]
  %y = resize_nearest(%x) {{ size = [1, 1, 3, 3], coordinates = {name} }}
  output %y
''', f"resize_nearest 'y': Resize of ONNX opset 17 has no {name}")
    refused(t, '''  input %x : f32[1, 1, 2, 2]
  %y = resize_linear(%x) { size = [1, 1, 3, 3], scale = [1, 1, 1.5, 2.5] }
  output %y
''', "resize_linear 'y': dim 3 is not resized by its scale alone, as ONNX has it")
    refused(t, '''  input %x : f32[2]
  %y = exp(%x)
  output %y, %y
''', "output 'y' is given twice: ONNX has one output of a name")
    refused(t, '''  input %x : f32[2]
  const @k : f32[1] = [3]
  %y = exp(%x)
  output %y, @k
''', "output 'k' is a constant: ONNX has no such outputs")
    recurrent = '''  input %x : f32[2, 1, 3]
  const @w : s8<scale=0.5, zero=0>[1, 3, 3] = [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]
  const @r : s8<scale=0.5, zero=0>[1, 3, 1] = [[[1], [2], [3]]]
  const @v : u8<scale=0.5, zero=0>[1, 4, 3] = [[[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 1, 1]]]
  const @s : s8<scale=0.5, zero=0>[1, 4, 1] = [[[1], [2], [3], [4]]]
'''
    refused(t, recurrent + '''  %y, %h = gru(%x, @w, @r) { dynamic = true, rule = onnx }
  output %h
''', "gru 'y': ONNX has no form for operands that are quantized at run time so; the mode 'weights' has one")
    refused(t, recurrent + '''  %y, %h, %c = lstm(%x, @v, @s) { dynamic = true }
  output %h
''', "lstm 'y': ONNX has no form for operands that are quantized at run time so; the mode 'weights' has one")
    refused(t, recurrent + '''  %y, %h, %c = lstm(%x, @v, @s) { dynamic = true, rule = onnx }
  output %h
''', "lstm 'y': DynamicQuantizeLSTM has no weights of different integers")
    refused(t, recurrent + '''  %y, %h = gru(%x, _, @r)
  output %h
''', "gru 'y': a projected sequence has no ONNX form")
    for name in r'\xff', r'\xc0\x80', r'\xed\xa0\x80', r'\xf4\x90\x80\x80', r'\xe2\x82':
        refused(t, f'''  input %x : f32[2]
  %"{name}" = exp(%x)
  output %"{name}"
''', 'is not UTF-8, as ONNX wants names')
    t.write('m.ir', 'model m {\n  input %x : f32[2]\n  %"ü€𝄞" = exp(%x)\n  output %"ü€𝄞"\n}\n')
    same_c(t)


if __name__ == '__main__':
    sys.exit(main(globals()))

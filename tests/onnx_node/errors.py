#!/usr/bin/python3
"""errors.py ONNXRUN: every message of the ONNX import, by the smallest model that calls it up. Each model
must be refused with exit status 1, by a short message that holds the expected text."""
import os
import sys

from onnxtest import *

cases = []
X = {'x': [1, 2, 4, 4]}


def case(text, nodes, ins=None, outs=('y',), consts=None, shapes=(), edit=None, files=None, **kw):
    """`edit`: changes the finished model; `files`: makes files beside it, in the folder that it is given."""
    cases.append((text, nodes, ins or X, outs, consts, shapes, edit, files, kw))


def relu(**kw):
    return node('Relu', 'x', 'y', **kw)


def w_of(*shape):
    return np.ones(shape, np.float32)


# ---- the model ----

case(
    'm.onnx: error: is not an ONNX model: it has no ir_version',
    [relu()],
    edit=lambda m: m.ClearField('ir_version'),
)
case('has IR version 99; 1 to 13 are supported', [relu()], ir=99)
case('has no graph', [relu()], edit=lambda m: m.ClearField('graph'))
case('imports no opset of the default domain', [relu()], edit=lambda m: m.ClearField('opset_import'))
case('imports opsets 13 and 14 of the default domain', [relu()], imports=[helper.make_opsetid('ai.onnx', 14)])
case('uses opset 22; 1 to 21 are supported', [relu()], opset=22)
case(
    'has sparse initializers, which are not supported',
    [relu()],
    edit=lambda m: m.graph.sparse_initializer.add(),
)
case('the graph has no outputs', [relu()], outs=())
case(
    "initializer 0 has no name",
    [relu()],
    consts={'w': w_of(1)},
    edit=lambda m: m.graph.initializer[0].ClearField('name'),
)
case(
    "initializer 'w': error: is given twice",
    [relu()],
    consts={'w': w_of(1)},
    edit=lambda m: m.graph.initializer.append(m.graph.initializer[0]),
)
case("input 'x' is given twice", [relu()], edit=lambda m: m.graph.input.append(m.graph.input[0]))
case('input 0 has no name', [relu()], edit=lambda m: m.graph.input[0].ClearField('name'))
case('an output of the graph has no name', [relu()], edit=lambda m: m.graph.output[0].ClearField('name'))
case("node 'y' (Relu): error: its output 'y' is already the output of a node", [relu(), relu()])
case(
    "node 'n' (Relu): error: its output 'x' is already an input or an initializer",
    [node('Relu', 'x', 'x', name='n')],
    outs=['x'],
)
case("node '' (Relu): error: has no outputs", [relu()], edit=lambda m: m.graph.node[0].ClearField('output'))
case("node 'y' (Relu): error: its input 'u' is not defined", [node('Relu', 'u', 'y')])
case(
    "the graph has a cycle through this node",
    [node('Add', 'x b', 'a'), node('Relu', 'a', 'b'), node('Relu', 'b', 'y')],
)
case("output 'y': error: nothing computes it", [node('Relu', 'x', 'z')])
case("output 'y': error: is given twice", [relu()], edit=lambda m: m.graph.output.append(m.graph.output[0]))
case("output 'y': error: is a constant: it depends on no input", [node('Shape', 'x', 'y')])
case(
    "output 'y': error: is declared [1, 2, 4, 5], but is computed as [1, 2, 4, 4]",
    [relu()],
    outs={'y': [1, 2, 4, 5]},
)
case(
    "output 'y': error: is declared INT64, but is computed as f32[1, 2, 4, 4]",
    [relu()],
    edit=lambda m: m.graph.output[0].CopyFrom(value('y', [1, 2, 4, 4], TensorProto.INT64)),
)
case(
    "output 'y': error: is not declared as a tensor",
    [relu()],
    edit=lambda m: m.graph.output[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
)
case(
    "node 'f' (F): error: 'F' is a function of the model; functions are not supported",
    [node('F', 'x', 'y', name='f', domain='d')],
    imports=[helper.make_opsetid('d', 1)],
    edit=lambda m: m.functions.add(name='F', domain='d'),
)
case(
    "operator 'F' of the domain 'd' is not supported",
    [node('F', 'x', 'y', domain='d')],
    imports=[helper.make_opsetid('d', 1)],
)
case(
    "the model imports no opset of the domain 'com.microsoft'",
    [node('QuantizeLinear', 'x s z', 'y', domain='com.microsoft')],
    consts={'s': f32(1), 'z': np.uint8(0)},
)
case("node 'y' (Nonsense): error: operator 'Nonsense' is not supported\n", [node('Nonsense', 'x', 'y')])
case(
    "m.onnx: node 'a' (Nonsense): error: operator 'Nonsense' is not supported (2 nodes)\n"
    "m.onnx: node 'y' (Other): error: operator 'Other' is not supported\n",
    [node('Nonsense', 'x', 'a'), node('Nonsense', 'a', 'b'), node('Other', 'b', 'y')],
)
case(
    "operator 'HardSwish' of opset 13 is not supported; it is from opset 14 on", [node('HardSwish', 'x', 'y')]
)
case("input 1 of Add is missing", [node('Add', 'x', 'y')])
case("input 1 of Add is missing", [helper.make_node('Add', ['x', ''], ['y'])])
case("input 1 of Sum is missing", [helper.make_node('Sum', ['x', '', 'x'], ['y'])])
case('Relu of opset 13 takes at most 1 inputs, not 2', [node('Relu', 'x x', 'y')])
case('Relu has at most 1 outputs, not 2', [node('Relu', 'x', 'y z')])
case("operator 'Mod' is supported for constants only; 'x' is computed", [node('Mod', 'x x', 'y')])
case(
    "operator 'Mod' is not supported for constants of these types",
    [node('Mod', 'a a', 'b'), node('Add', 'x b', 'y')],
    consts={'a': w_of(1)},
)

# ---- inputs ----

for elem, text in [
    (TensorProto.INT32, 'has element type INT32; FLOAT is needed, or quantized UINT8 or INT8'),
    (77, 'has the unknown element type 77'),
]:
    case(f"input 'x': error: {text}", [relu()], {'x': ([1], elem)})
case(
    "input 'x': error: has element type u8, and no DequantizeLinear says what its values mean",
    [node('Neg', 'v', 'y')],
    {'x': ([1], TensorProto.UINT8), 'v': [1]},
)
case("input 'x': error: has no type", [relu()], edit=lambda m: m.graph.input[0].ClearField('type'))
case(
    "input 'x': error: is not a tensor",
    [relu()],
    edit=lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
)
case(
    "input 'x': error: has no shape: give it with -shape x=1,3,224,224",
    [relu()],
    edit=lambda m: m.graph.input[0].type.tensor_type.ClearField('shape'),
)
case("input 'x': error: has 9 dimensions; at most 8 are supported", [relu()], {'x': [1] * 9})
case("input 'x': error: dimension 1 is symbolic, 'N': give it with -shape N=1", [relu()], {'x': [1, 'N']})
case(
    "input 'x': error: dimension 1 is not known: give the shape with -shape x=3,1,1,5",
    [relu()],
    {'x': [3, None, 'N', 5]},
)
case("input 'x': error: dimension 1 is 0; it must be from 1 to 16777216", [relu()], {'x': [1, 0]})
case("input 'x': error: the shape [65536, 65536] is larger than the limit", [relu()], {'x': [65536, 65536]})
case("-shape x=1,2: the model fixes dimension 1 to 3", [relu()], {'x': [1, 3]}, shapes=['x=1,2'])
case("-shape x=1,2 gives 2 dimensions, the model has 3", [relu()], {'x': [1, 3, 4]}, shapes=['x=1,2'])
case("-shape N=1,2: 'N' is a dimension, one number", [relu()], {'x': ['N']}, shapes=['N=1,2'])
case("-shape M=1: no input and no symbolic dimension has this name", [relu()], shapes=['M=1'])
for text in ('x', 'x=', '=1', 'x=1,', 'x=a', 'x=1,,2', 'x=' + '1,' * 8 + '1', 'x=-1'):
    case(f'-shape {text}: the form is NAME=1,3,224,224', [relu()], shapes=[text])
case('-shape x=0: dimensions are from 1 to 16777216', [relu()], shapes=['x=0'])
case('-shape x=99999999999999999999: dimensions are from 1', [relu()], shapes=['x=99999999999999999999'])

# ---- attributes ----


def attr(m, **kw):
    return m.graph.node[0].attribute.add(**kw)


case("attribute 'bogus' of Relu is not supported", [relu(bogus=1)])
case("attribute 'alpha' has type INT; FLOAT is needed", [node('Elu', 'x', 'y', alpha=1)])
case(
    "attribute 'alpha' is given twice",
    [node('Elu', 'x', 'y', alpha=1.0)],
    edit=lambda m: attr(m, name='alpha', f=2, type=1),
)
case(
    "attribute 'alpha' refers to an attribute of a function",
    [node('Elu', 'x', 'y')],
    edit=lambda m: attr(m, name='alpha', ref_attr_name='b', type=1),
)
case("attribute 'alpha' has no type", [node('Elu', 'x', 'y')], edit=lambda m: attr(m, name='alpha', f=1))
case("attribute 'alpha' is NaN", [node('Elu', 'x', 'y', alpha=float('nan'))])
case("attribute 'alpha' is infinite", [node('Elu', 'x', 'y', alpha=float('inf'))])
case(
    "attribute 'mode' holds a NUL byte",
    [node('Pad', 'x p', 'y', mode=b'edge\0')],
    consts={'p': i64(*[0] * 8)},
)
case(
    "attribute 'value' has no value",
    [node('ConstantOfShape', 's', 'c'), node('Add', 'x c', 'y')],
    consts={'s': i64(1)},
    edit=lambda m: attr(m, name='value', type=4),
)
case("attribute 'keepdims' is 2; it must be 0 or 1", [node('ReduceMean', 'x', 'y', keepdims=2)])
case('axis 4 is out of range for a rank of 4', [node('Softmax', 'x', 'y', axis=4)])
case('axis 1 is given twice', [node('ReduceMean', 'x', 'y', axes=[1, -3])])

# ---- tensors ----


def tensor(**kw):
    def change(m):
        t = m.graph.initializer[0]
        t.ClearField('raw_data')
        for k, v in kw.items():
            f = getattr(t, k)
            if hasattr(f, 'extend'):
                del f[:]
                f.extend(v)
            else:
                setattr(t, k, v)

    return change


def tensor_case(text, consts=None, **kw):
    case(
        f"initializer 'w': error: {text}",
        [node('Add', 'x w', 'y')],
        consts=consts or {'w': w_of(4)},
        edit=tensor(**kw),
    )


tensor_case('has the unknown element type 99', data_type=99)
tensor_case('has 9 dimensions; at most 8 are supported', dims=[1] * 9, float_data=[1])
tensor_case('dimension 0 is negative: -4', dims=[-4])
tensor_case('the shape [4294967296, 4294967296] is larger than the limit of', dims=[1 << 32, 1 << 32])
tensor_case('has 16 bytes of data, but FLOAT[5] takes 20', dims=[5], raw_data=bytes(16))
tensor_case('has 3 elements of data, but its shape has 4', float_data=[1, 2, 3])
tensor_case('has 0 elements of data, but its shape has 4')
tensor_case('has data in more than one place, or in a field that is not for FLOAT', int64_data=[1, 2, 3, 4])
tensor_case(
    'has data in more than one place, or in a field that is not for FLOAT',
    float_data=[1] * 4,
    raw_data=bytes(16),
)
tensor_case('has strings in raw_data', data_type=8, raw_data=b'abcd')
tensor_case(
    'element 1, 256, is out of the range of UINT8', consts={'w': np.zeros(2, np.uint8)}, int32_data=[0, 256]
)
tensor_case('element 0 of a BOOL tensor is 2', consts={'w': np.zeros(1, bool)}, raw_data=b'\2')
case(
    "initializer 'w': error: is split into segments",
    [relu()],
    consts={'w': w_of(4)},
    edit=lambda m: m.graph.initializer[0].segment.SetInParent(),
)
case(
    "input 1, 'w', is f16[4]; FLOAT is needed",
    [node('Add', 'x w', 'y')],
    consts={'w': np.ones(4, np.float16)},
)
case(
    "the constant 'w' holds NaN at element 2", [node('Add', 'x w', 'y')], consts={'w': f32([0, 1, np.nan, 3])}
)
case(
    "the constant 'w' holds an infinity at element 3",
    [node('Add', 'x w', 'y')],
    consts={'w': f32([0, 1, 2, -np.inf])},
)
case(
    'the constant result holds an infinity at element 0',
    [node('Div', 'w z', 'v'), node('Add', 'x v', 'y')],
    consts={'w': f32([1]), 'z': f32([0])},
)
case("input 1, 'w', is s64[4]; FLOAT is needed", [node('Add', 'x w', 'y')], consts={'w': i64(1, 2, 3, 4)})
case("input 1, 'w', has no elements: f32[0, 4]", [node('Add', 'x w', 'y')], consts={'w': w_of(0, 4)})


def external(*entries):
    def change(m):
        t = m.graph.initializer[0]
        t.ClearField('raw_data')
        t.data_location = 1
        for k, v in entries:
            t.external_data.add(key=k, value=v)

    return change


def external_case(text, *entries, files=None):
    case(
        f"initializer 'w': error: external data: {text}",
        [node('Add', 'x w', 'y')],
        consts={'w': w_of(4)},
        edit=external(*entries),
        files=files,
    )


def data_file(path):
    with open(path, 'wb') as f:
        f.write(bytes(16))


def linked(folder):
    data_file(f'{folder}/a')
    os.link(f'{folder}/a', f'{folder}/b')


def symlinked(folder):
    os.mkdir(f'{folder}/d')
    data_file(f'{folder}/d/a')
    os.symlink('d', f'{folder}/e')
    os.symlink('d/a', f'{folder}/b')


external_case('there is no location')
external_case('there is no location', ('location', ''))
external_case("'location' is given twice", ('location', 'a'), ('location', 'b'))
external_case("'offset' is given twice", ('location', 'a'), ('offset', '0'), ('offset', '0'))
external_case("the offset '0x10' is not a size", ('location', 'a'), ('offset', '0x10'))
external_case("the length '-1' is not a size", ('location', 'a'), ('length', '-1'))
external_case("the length '' is not a size", ('location', 'a'), ('length', ''))
external_case(
    "the offset '9223372036854775808' is not a size", ('location', 'a'), ('offset', '9223372036854775808')
)
external_case("the key 'mode' is not known", ('location', 'a'), ('mode', 'b'))
for path in ('/etc/passwd', '../a', 'a/../b', 'a/..', '..', 'a//../b', 'a\\b'):
    external_case(f"the path '{path}' must be below the model's folder", ('location', path))
external_case("'none.bin': No such file or directory", ('location', 'none.bin'))
external_case("'.' is not a regular file", ('location', '.'))
external_case("'b' has more than one hard link", ('location', 'b'), files=linked)
external_case("'b': leads through a symbolic link", ('location', 'b'), files=symlinked)
external_case("'e/a': leads through a symbolic link", ('location', 'e/a'), files=symlinked)
external_case("'b' is not a regular file", ('location', 'b'), files=lambda folder: os.mkfifo(f'{folder}/b'))
external_case('the length is 8, the tensor has 16 bytes', ('location', 'm.onnx'), ('length', '8'))
external_case("'m.onnx' has ", ('location', 'm.onnx'), ('offset', '9223372036854775807'))
case(
    "initializer 'w': error: has data in more than one place",
    [relu()],
    consts={'w': w_of(4)},
    edit=lambda m: (external(('location', 'a'))(m), setattr(m.graph.initializer[0], 'raw_data', bytes(16))),
)

# ---- windows ----

W = {'w': w_of(4, 2, 3, 3)}
case(
    "attribute 'strides' has 3 values; 2 are needed", [node('Conv', 'x w', 'y', strides=[1, 1, 1])], consts=W
)
case(
    "attribute 'strides' holds 0; it must be from 1 to 16777216",
    [node('Conv', 'x w', 'y', strides=[1, 0])],
    consts=W,
)
case(
    "attribute 'pads' holds -1; it must be from 0 to 16777216",
    [node('Conv', 'x w', 'y', pads=[0, -1, 0, 0])],
    consts=W,
)
case(
    "attribute 'auto_pad' is 'SAME', which is not known",
    [node('Conv', 'x w', 'y', auto_pad='SAME')],
    consts=W,
)
case(
    "attributes 'auto_pad' and 'pads' exclude each other",
    [node('Conv', 'x w', 'y', auto_pad='VALID', pads=[1, 1, 1, 1])],
    consts=W,
)
case(
    "attribute 'kernel_shape' differs from the weight's shape, [4, 2, 3, 3]",
    [node('Conv', 'x w', 'y', kernel_shape=[3, 2])],
    consts=W,
)
case(
    'an input of rank 6 is not supported: windows over one to three dimensions only',
    [node('Conv', 'x w', 'y')],
    {'x': [1, 2, 4, 4, 4, 4]},
    consts={'w': w_of(4, 2, 3, 3, 3, 3)},
)
case('the weight has rank 3, the input rank 4', [node('Conv', 'x w', 'y')], consts={'w': w_of(4, 2, 3)})
case("the weight 'w' must be a constant", [node('Conv', 'x w', 'y')], {**X, 'w': [4, 2, 3, 3]})
case("the bias 'b' must be a constant", [node('Conv', 'x w b', 'y')], {**X, 'b': [4]}, consts=W)
case("conv2d: 0 groups do not divide", [node('Conv', 'x w', 'y', group=0)], consts=W)
S = {'s': f32([1, 1, 2, 2])}
case("attribute 'mode' is 'area', which is not supported", [node('Resize', 'x r s', 'y', mode='area')],
     consts={**S, 'r': f32([])})
case("attribute 'coordinate_transformation_mode' is 'tf_crop_and_resize', which is not supported",
     [node('Resize', 'x r s', 'y', coordinate_transformation_mode='tf_crop_and_resize')], consts={**S, 'r': f32([])})
case("attribute 'nearest_mode' is 'up', which is not supported", [node('Resize', 'x r s', 'y', nearest_mode='up')],
     consts={**S, 'r': f32([])})
case("attribute 'antialias' is not supported", [node('Resize', 'x r s', 'y', antialias=1)],
     consts={**S, 'r': f32([])}, opset=18)
case('scales and sizes exclude each other', [node('Resize', 'x r s z', 'y')],
     consts={**S, 'r': f32([]), 'z': i64(1, 2, 8, 8)})
case('neither scales nor sizes are given', [node('Resize', 'x', 'y')])
case('neither scales nor sizes are given', [node('Resize', 'x r s', 'y')], consts={'r': f32([]), 's': f32([])})
case('3 factors or sizes for 4 axes', [node('Resize', 'x r s', 'y')], consts={'r': f32([]), 's': f32([1, 2, 2])})
case('4 factors or sizes for 2 axes', [node('Resize', 'x r s', 'y', axes=[2, 3])], consts={**S, 'r': f32([])}, opset=18)
case('the factor of axis 2 is -2', [node('Upsample', 'x s', 'y')], consts={'s': f32([1, 1, -2, 2])}, opset=9)
case('axis 2 would have 0 elements; it must have from 1 to 16777216', [node('Upsample', 'x s', 'y')],
     consts={'s': f32([1, 1, 0.1, 2])}, opset=9)
case('axis 3 would have 99999999 elements', [node('Resize', 'x r r z', 'y')],
     consts={'r': f32([]), 'z': i64(1, 2, 8, 99999999)})
case("scales, input 's', must be a constant", [node('Resize', 'x r s', 'y')], {**X, 's': [4]}, consts={'r': f32([])})
case('scales are s64[4]; a list of FLOAT is needed', [node('Resize', 'x r s', 'y')],
     consts={'r': f32([]), 's': i64(1, 1, 2, 2)})
case('resize_linear changes 4 dims; at most 3 are supported', [node('Resize', 'x r s', 'y', mode='linear')],
     consts={'r': f32([]), 's': f32([2, 2, 2, 2])})
case('resize_cubic changes 3 dims; at most 2 are supported', [node('Resize', 'x r s', 'y', mode='cubic')],
     consts={'r': f32([]), 's': f32([1, 2, 2, 2])})
T = {'w': w_of(2, 4, 3, 3)}
case("attribute 'group' is 3, which does not divide 2 channels", [node('ConvTranspose', 'x w', 'y', group=3)], consts=T)
case("attribute 'group' is 0, which does not divide", [node('ConvTranspose', 'x w', 'y', group=0)], consts=T)
case('the weight [3, 4, 3, 3] does not fit 2 input channels', [node('ConvTranspose', 'x w', 'y')],
     consts={'w': w_of(3, 4, 3, 3)})
case('the bias is [2]; [4] is needed', [node('ConvTranspose', 'x w b', 'y')], consts={**T, 'b': w_of(2)})
case("the weight 'w' must be a constant", [node('ConvTranspose', 'x w', 'y')], {**X, 'w': [2, 4, 3, 3]})
case("attribute 'output_padding' has 1 values; 2 are needed",
     [node('ConvTranspose', 'x w', 'y', output_padding=[1])], consts=T)
case("attribute 'output_shape' holds 0; it must be from 1 to",
     [node('ConvTranspose', 'x w', 'y', output_shape=[0, 4])], consts=T)
case("attribute 'auto_pad' is 'SAME', which is not known", [node('ConvTranspose', 'x w', 'y', auto_pad='SAME')], consts=T)
case('leaves nothing of a height of', [node('ConvTranspose', 'x w', 'y', pads=[9, 0, 9, 0])], consts=T)
case("attribute 'kernel_shape' is missing", [node('MaxPool', 'x', 'y')])
case(
    "the output 'Indices' is not supported",
    [node('MaxPool', 'x', 'y i', kernel_shape=[2, 2])],
    outs=['y', 'i'],
)
case('lies wholly in the padding', [node('AveragePool', 'x', 'y', kernel_shape=[2, 2], pads=[2, 2, 2, 2])])

# ---- matrices ----

case(
    'the inputs must be matrices, not [1, 2, 4, 4] and [4, 4]',
    [node('Gemm', 'x w', 'y')],
    consts={'w': w_of(4, 4)},
)
case(
    '[2, 3] and [4, 4] cannot be multiplied',
    [node('Gemm', 'x w', 'y')],
    {'x': [2, 3]},
    consts={'w': w_of(4, 4)},
)
case(
    '[2, 3] transposed and [4, 4] transposed cannot be multiplied',
    [node('Gemm', 'x w', 'y', transA=1, transB=1)],
    {'x': [2, 3]},
    consts={'w': w_of(4, 4)},
)
case(
    'C, [3], does not broadcast to [2, 4]',
    [node('Gemm', 'x w c', 'y')],
    {'x': [2, 3]},
    consts={'w': w_of(3, 4), 'c': w_of(3)},
)
case(
    "C, [4], is not [2, 4], and attribute 'broadcast' is not set",
    [node('Gemm', 'x w c', 'y')],
    {'x': [2, 3]},
    consts={'w': w_of(3, 4), 'c': w_of(4)},
    opset=6,
)
case(
    '[2, 3] and [4, 4] cannot be multiplied',
    [node('MatMul', 'x w', 'y')],
    {'x': [2, 3]},
    consts={'w': w_of(4, 4)},
)
case(
    'the inputs must have dimensions, not be scalars',
    [node('MatMul', 'x w', 'y')],
    {'x': [2, 3]},
    consts={'w': f32(1)},
)

# ---- element by element ----

case(
    "attribute 'approximate' is 'sigmoid'; none or tanh are known",
    [node('Gelu', 'x', 'y', approximate='sigmoid')],
    opset=20,
)
case("min, input 'a', is f32[2]; one FLOAT is needed", [node('Clip', 'x a', 'y')], {**X, 'a': [2]})
CLIP = {'s': f32(0.1), 'z': np.uint8(3), 'b': np.int8(4)}
case("min, input 'b', is s8[]; one u8 is needed", [node('QuantizeLinear', 'x s z', 'q'), node('Clip', 'q b', 'y')],
     consts=CLIP)
case("max, input 'b', must be a constant",
     [node('QuantizeLinear', 'x s z', 'q'), helper.make_node('Clip', ['q', '', 'b'], ['y'])],
     {**X, 'b': ([], TensorProto.UINT8)}, consts={k: CLIP[k] for k in 'sz'})
case(
    "max, input 'a', is f32[2]; one FLOAT is needed",
    [helper.make_node('Clip', ['x', '', 'a'], ['y'])],
    consts={'a': w_of(2)},
)
case("min, input 'a', is NaN", [node('Clip', 'x a', 'y')], consts={'a': f32(np.nan)})
case(
    "the shapes [1, 2, 4, 4] and [4] differ, and attribute 'broadcast' is not set",
    [node('Add', 'x w', 'y')],
    consts={'w': w_of(4)},
    opset=6,
)
case(
    'axis 9 is out of range for a rank of 4',
    [node('Add', 'x w', 'y', broadcast=1, axis=9)],
    consts={'w': w_of(2)},
    opset=6,
)
case(
    '[4, 4] at axis 3 does not fit [1, 2, 4, 4]',
    [node('Add', 'x w', 'y', broadcast=1, axis=3)],
    consts={'w': w_of(4, 4)},
    opset=6,
)
case(
    'add: the shapes [1, 2, 4, 4] and [3] do not broadcast', [node('Add', 'x w', 'y')], consts={'w': w_of(3)}
)
case("the exponent, input 'e', must be a constant", [node('Pow', 'x e', 'y')], {**X, 'e': []})
case("the exponent, 'e', must be one finite number", [node('Pow', 'x e', 'y')], consts={'e': f32([1, 2, 3, 4])})
case("the exponent, 'e', must be one finite number", [node('Pow', 'x e', 'y')], consts={'e': f32(np.nan)})
case("the exponent, 'e', must be one finite number", [node('Pow', 'x e', 'y')], consts={'e': np.uint8(2)})
case('the exponent has no elements', [node('Pow', 'x e', 'y')], consts={'e': w_of(0)})
case('the exponent, [3], does not broadcast to [1, 2, 4, 4]', [node('Pow', 'x e', 'y')], consts={'e': 2 * w_of(3)})
case('pow: the exponent 2000 is above the limit of 1024', [node('Pow', 'x e', 'y')], consts={'e': f32(2000)})
case('prelu: a slope [3, 1, 1] does not broadcast to [1, 2, 4, 4]', [node('PRelu', 'x a', 'y')],
     consts={'a': w_of(3, 1, 1)})
case('max: the shapes [1, 2, 4, 4] and [3] do not broadcast', [node('Max', 'x w', 'y')], consts={'w': w_of(3)})
case('the input must be [N, C, ...], not [2, 3]', [node('GlobalMaxPool', 'x', 'y')], {'x': [2, 3]})
case("attribute 'p' is 3; it must be 1 or 2", [node('LpPool', 'x', 'y', p=3, kernel_shape=[2, 2])])
case("attribute 'p' is 0; it must be 1 or 2", [node('GlobalLpPool', 'x', 'y', p=0)])
case('the input must be [N, C, ...], not [2, 3]', [node('GlobalLpPool', 'x', 'y')], {'x': [2, 3]})
case('a cast of a computed value to INT8 is not supported', [node('CastLike', 'x k', 'y')], consts={'k': np.int8(0)},
     opset=15)
case('expand: [3] does not broadcast to [4]', [node('LayerNormalization', 'x g', 'y')], consts={'g': w_of(3)}, opset=17)
case('axis 4 is out of range for a rank of 4', [node('LayerNormalization', 'x g', 'y', axis=4)],
     consts={'g': w_of(4)}, opset=17)
case("attribute 'num_groups' is missing", [node('GroupNormalization', 'x g g', 'y')], consts={'g': w_of(2)}, opset=21)
case('group_norm: 3 groups do not divide 2 channels', [node('GroupNormalization', 'x g g', 'y', num_groups=3)],
     consts={'g': w_of(2)}, opset=21)
case('operand 1 of group_norm must be [N, C, ...], not [2]', [node('InstanceNormalization', 'x g g', 'y')], {'x': [2]},
     consts={'g': w_of(2)})
case('the gamma of group_norm must be [2], not [4]', [node('InstanceNormalization', 'x g b', 'y')],
     consts={'g': w_of(4), 'b': w_of(2)})
case("attribute 'size' is 0; it must be from 1 to 64", [node('LRN', 'x', 'y')])
case('the input must be [N, C, ...], not [3]', [node('LRN', 'x', 'y', size=3)], {'x': [3]})
case("attribute 'p' is 3; it must be 1 or 2", [node('LpNormalization', 'x', 'y', p=3)])
case("attribute 'axes' is empty", [node('MeanVarianceNormalization', 'x', 'y', axes=i64())])
case('axis 2 is out of range for a rank of 2', [node('MeanVarianceNormalization', 'x', 'y')], {'x': [2, 3]})
case("the condition, input 'c', must be a constant", [node('Where', 'c x x', 'y')],
     {**X, 'c': [4]})
case('the condition is f32[4]; BOOL is needed', [node('Where', 'c x x', 'y')], consts={'c': w_of(4)})
case('mul: the shapes [1, 2, 4, 4] and [3] do not broadcast', [node('Where', 'c x x', 'y')],
     consts={'c': np.ones(3, bool)})
BN = {k: w_of(2) for k in 'sbmv'}
case(
    'is in training mode, which is not supported',
    [node('BatchNormalization', 'x s b m v', 'y', training_mode=1)],
    consts=BN,
    opset=14,
)
case(
    'is in training mode, which is not supported',
    [node('BatchNormalization', 'x s b m v', 'y')],
    consts=BN,
    opset=6,
)
case(
    "attribute 'spatial' of 0 is not supported",
    [node('BatchNormalization', 'x s b m v', 'y', spatial=0)],
    consts=BN,
    opset=7,
)
case(
    'output 1 exists only in training mode',
    [node('BatchNormalization', 'x s b m v', 'y mo')],
    outs=['y', 'mo'],
    consts=BN,
    opset=9,
)
case(
    'mean must be a constant',
    [node('BatchNormalization', 'x s b m v', 'y')],
    {**X, 'm': [2]},
    consts={k: BN[k] for k in 'sbv'},
)
case(
    'the variance of channel 1 is -1',
    [node('BatchNormalization', 'x s b m v', 'y')],
    consts={**BN, 'v': f32([1, -1])},
)
case(
    'the variance of channel 0 is 0',
    [node('BatchNormalization', 'x s b m v', 'y', epsilon=0.0)],
    consts={**BN, 'v': f32([0, 1])},
)

# ---- movement ----


def reshape_case(text, *shape, **kw):
    case(text, [node('Reshape', 'x s', 'y')], consts={'s': i64(*shape)}, **kw)


reshape_case('[1, 2, 4, 4], of 32 elements, cannot be made into [5, 5]', 5, 5)
reshape_case('[1, 2, 4, 4], of 32 elements, cannot be made into [-1, 7]', -1, 7)
reshape_case('more than one dimension is -1', -1, -1)
reshape_case('dimension 1 is -2', 1, -2)
reshape_case('dimension 4 copies one that [1, 2, 4, 4] has not', 1, 2, 4, 4, 0)
reshape_case('dimension 0 is 4611686018427387904, above the limit', 1 << 62)
reshape_case('a shape of 9 dimensions; at most 8 are supported', *[1] * 9)
case(
    "the shape, 's', must be a list, not a scalar", [node('Reshape', 'x s', 'y')], consts={'s': np.int64(32)}
)
case(
    "shape, input 's', is s64[1, 2]; a list of INT64 is needed",
    [node('Reshape', 'x s', 'y')],
    consts={'s': i64([1, 32])},
)
case("shape, input 's', must be a constant", [node('Reshape', 'x s', 'y')], {**X, 's': [1]})
case('the shape is missing', [node('Reshape', 'x', 'y')], opset=4)
case('dimension 1 of [1, 2, 4, 4] is not 1', [node('Squeeze', 'x a', 'y')], consts={'a': i64(1)})
case('the axes are missing', [node('Unsqueeze', 'x', 'y')], opset=11)
case(
    'the result has 9 dimensions; at most 8 are supported',
    [node('Unsqueeze', 'x a', 'y')],
    consts={'a': i64(0, 1, 2, 3, 4)},
)
case("attribute 'perm' has 3 entries for a rank of 4", [node('Transpose', 'x', 'y', perm=[0, 1, 2])])
case("attribute 'perm' is not a permutation of 0 to 3", [node('Transpose', 'x', 'y', perm=[0, 1, 1, 2])])
case("attribute 'axis' is missing", [node('Concat', 'x x', 'y')])
case(
    "attribute 'mode' is 'wrap'; constant, reflect and edge are supported",
    [node('Pad', 'x p', 'y', mode='wrap')],
    consts={'p': i64(*[0] * 8)},
    opset=19,
)
case('3 pads are given; 8 are needed', [node('Pad', 'x p', 'y')], consts={'p': i64(1, 2, 3)})
case('the pads are missing', [node('Pad', 'x', 'y')], opset=10)
case(
    'pad: a pad of dim 0 is negative; use slice to crop',
    [node('Pad', 'x p', 'y')],
    consts={'p': i64(-1, *[0] * 7)},
)
case(
    "constant_value, input 'v', is NaN",
    [node('Pad', 'x p v', 'y')],
    consts={'p': i64(*[0] * 8), 'v': f32(np.nan)},
)
QP = {'s': f32(1), 'z': np.uint8(0), 'p': i64(*[0] * 8), 'v': f32(0)}
case(
    "constant_value must be one element of the input's type",
    [node('QuantizeLinear', 'x s z', 'q'), node('Pad', 'q p v', 'y')],
    consts=QP,
)
case(
    'an input quantized along an axis is not supported',
    [node('QuantizeLinear', 'x t', 'q', axis=1), node('Pad', 'q p', 'y')],
    consts={**QP, 't': w_of(2)},
)
SL = {'a': i64(0), 'b': i64(1), 'c': i64(0), 'd': i64(0), 'e': i64(0, 1)}
case('the step of axis 0 is 0', [node('Slice', 'x a b c d', 'y')], consts=SL)
case('starts, ends, axes and steps differ in length', [node('Slice', 'x e b', 'y')], consts=SL)
case('5 starts for a rank of 4', [node('Slice', 'x f f', 'y')], consts={'f': i64(0, 0, 0, 0, 0)})
case('starts or ends are missing', [node('Slice', 'x', 'y', starts=[0])], opset=9)
case('the result has no elements: f32[0, 2, 4, 4]', [node('Slice', 'x a a c', 'y')], consts=SL)
case(
    "'split' and 'num_outputs' exclude each other",
    [node('Split', 'x s', 'y z', num_outputs=2)],
    consts={'s': i64(1, 1)},
    opset=18,
)
case(
    "attribute 'num_outputs' is 3, the node has 2 outputs",
    [node('Split', 'x', 'y z', num_outputs=3)],
    opset=18,
)
case('3 sizes for 2 outputs', [node('Split', 'x s', 'y z', axis=1)], consts={'s': i64(1, 1, 1)})
case('dimension 2, of 4, cannot be split into 3 equal parts', [node('Split', 'x', 'y z w', axis=2)])
case(
    'the sizes do not add up to dimension 2, of 4',
    [node('Split', 'x s', 'y z', axis=2)],
    consts={'s': i64(1, 2)},
)
case(
    'the sizes do not add up to dimension 2, of 4',
    [node('Split', 'x s', 'y z', axis=2)],
    consts={'s': i64(5, -1)},
)
case("the indices, input 'i', must be a constant", [node('Gather', 'x i', 'y')], {**X, 'i': [1]})
case('the indices are f32[1]; INT64 or INT32 is needed', [node('Gather', 'x i', 'y')], consts={'i': w_of(1)})
case('index 2 is out of range for a dimension of 2', [node('Gather', 'x i', 'y', axis=1)], consts={'i': i64(2)})
case('index -3 is out of range for a dimension of 2', [node('Gather', 'x i', 'y', axis=1)], consts={'i': i64(-3)})
case('the indices have no elements', [node('Gather', 'x i', 'y')], consts={'i': np.zeros(0, np.int64)})
case(
    'the result has 9 dimensions; at most 8 are supported',
    [node('Gather', 'x i', 'y')],
    consts={'i': np.zeros([1] * 6, np.int64)},
)
case(
    'the indices are more than 256 runs of evenly spaced ones',
    [node('Gather', 'x i', 'y')],
    {'x': [2000]},
    consts={'i': np.cumsum(np.arange(600) % 3 + 1)},
)
case("attribute 'blocksize' is missing", [node('DepthToSpace', 'x', 'y')])
case("attribute 'blocksize' is 0", [node('SpaceToDepth', 'x', 'y', blocksize=0)])
case('the input must be [N, C, H, W], not [2, 3]', [node('DepthToSpace', 'x', 'y', blocksize=2)], {'x': [2, 3]})
case('2 channels cannot be spread over blocks of 2', [node('DepthToSpace', 'x', 'y', blocksize=2)])
case('4 x 4 cannot be cut into blocks of 3', [node('SpaceToDepth', 'x', 'y', blocksize=3)])
case("attribute 'mode' is 'ABC'; DCR and CRD are known", [node('DepthToSpace', 'x', 'y', blocksize=1, mode='ABC')])
case("the shape, input 's', must be a constant", [node('Expand', 'x s', 'y')], {**X, 's': [1]})
case('[1, 2, 4, 4] does not broadcast to [3]', [node('Expand', 'x s', 'y')], consts={'s': i64(3)})
case('dimension 1 is 0', [node('Expand', 'x s', 'y')], consts={'s': i64(1, 0)})
case('a shape of 9 dimensions; at most 8 are supported', [node('Expand', 'x s', 'y')], consts={'s': i64(*[1] * 9)})
case('2 repeats for a rank of 4', [node('Tile', 'x r', 'y')], consts={'r': i64(1, 1)})
case('the repeats of dimension 2 are 0', [node('Tile', 'x r', 'y')], consts={'r': i64(1, 1, 0, 1)})
case('too many of 5 dimensions are repeated', [node('Tile', 'x r', 'y')], {'x': [1, 2, 1, 2, 1]},
     consts={'r': i64(2, 2, 2, 2, 2)})
case("the output 'mask' is not supported", [node('Dropout', 'x', 'y m')], outs=['y', 'm'])
case(
    'is in training mode, which is not supported',
    [node('Dropout', 'x r t', 'y')],
    consts={'r': f32(0.5), 't': np.array(True)},
)
case('training_mode must be one BOOL', [node('Dropout', 'x r t', 'y')], consts={'r': f32(0.5), 't': f32(0)})
case('a cast of a computed value to INT64 is not supported', [node('Cast', 'x', 'y', to=7)])
case("attribute 'to' is 50, which is no element type", [node('Cast', 'x', 'y', to=50)])

# ---- quantization ----

Q = {'s': f32(0.1), 'z': np.uint8(3)}
quantized = [node('QuantizeLinear', 'x s z', 'y')]
for s, text in [(np.nan, 'nan'), (np.inf, 'inf'), (0, '0'), (-1, '-1'), (1e-40, '9.99995e-41')]:
    case(
        f"the scale of y, 's', is {text} at element 0: it must be positive, finite and normal",
        quantized,
        consts={**Q, 's': f32(s)},
    )
case("the scale, input 's', must be a constant", quantized, {**X, 's': []}, consts={'z': np.uint8(0)})
case(
    'the scale of y must be FLOAT, a scalar or a list, not f32[1, 2]',
    quantized,
    consts={**Q, 's': w_of(1, 2)},
)
case(
    'the zero point of y is u8[3]; 2 of u8 are needed',
    [node('QuantizeLinear', 'x s z', 'y', axis=1)],
    consts={'s': w_of(2), 'z': np.zeros(3, np.uint8)},
)
case(
    'the zero point of x is u8[]; 1 of s8 are needed',
    [node('DequantizeLinear', 'w s z', 'v'), node('Add', 'x v', 'y')],
    consts={**Q, 'w': np.zeros(4, np.int8)},
)
case(
    'the zero point of x, an INT32 tensor, must be 0',
    [node('DequantizeLinear', 'w s z', 'v'), node('Add', 'x v', 'y')],
    consts={'s': f32(1), 'z': np.int32(1), 'w': np.zeros(4, np.int32)},
)
case(
    '3 scales for axis 1 of y, [1, 2, 4, 4]',
    [node('QuantizeLinear', 'x s', 'y', axis=1)],
    consts={'s': w_of(3)},
)
case('the result must be UINT8 or INT8, not s32', quantized, consts={'s': f32(1), 'z': np.int32(0)})
case(
    'the result must be UINT8 or INT8, not another type',
    [node('QuantizeLinear', 'x s', 'y', output_dtype=4)],
    consts=Q,
    opset=21,
)
case(
    "attribute 'block_size': blocks are not supported",
    [node('QuantizeLinear', 'x s', 'y', block_size=2)],
    consts=Q,
    opset=21,
)
case(
    'x is f32[1, 2, 4, 4]; UINT8 or INT8 or INT32 is needed', [node('DequantizeLinear', 'x s', 'y')], consts=Q
)
case(
    "input 0, 'q', is u8<scale=0.1, zero=3>[1, 2, 4, 4]; FLOAT is needed",
    [node('QuantizeLinear', 'x s z', 'q'), node('Relu', 'q', 'y')],
    consts=Q,
)

# integer products
U8 = {'x': ([2, 3], TensorProto.UINT8)}
S8 = np.ones((3, 4), np.int8)
for op in ('MatMulInteger', 'ConvInteger'):
    case("input 0, 'x', is f32[2, 3]; UINT8 or INT8 is needed", [node(op, 'x w', 'y')], {'x': [2, 3]}, consts={'w': S8})
    case("input 1, 'w', is s64[2]; UINT8 or INT8 is needed", [node(op, 'x w', 'y')], U8, consts={'w': i64(1, 2)})
    case("input 1, 'w', has element type DOUBLE, which is not supported", [node(op, 'x w', 'y')], U8, consts={'w': np.ones(2)})
    case("input 2, 'z', is s32[]; UINT8 or INT8 is needed", [node(op, 'x w z', 'y')], U8,
         consts={'w': S8, 'z': np.int32(1)})
    case("input 1, 'w', has no elements: s8[0, 4]", [node(op, 'x w', 'y')], U8, consts={'w': S8[:0]})
case('the inputs must have dimensions, not be scalars', [node('MatMulInteger', 'x w', 'y')], U8,
     consts={'w': np.int8(1)})
case('matmul_integer', [node('MatMulInteger', 'x w', 'y')], U8, consts={'w': S8[:2]})
case('ConvInteger over three dimensions is not supported', [node('ConvInteger', 'x w', 'y')],
     {'x': ([1, 1, 3, 3, 3], TensorProto.UINT8)}, consts={'w': np.ones((1, 1, 2, 2, 2), np.int8)})
case("input 0, 'x', is u8[2, 3]; FLOAT is needed", [node('DynamicQuantizeLinear', 'x', 'y s z')], U8)
case("has element type u8, and no DequantizeLinear says what its values mean", [node('Relu', 'f', 'y')],
     {**U8, 'f': [2, 3]})

# integers that look up a table
QT = {**Q, 't': np.zeros(256, np.uint8), 'k': i64(1)}
byte = node('QuantizeLinear', 'x s z', 'q')
index = [byte, node('Cast', 'q', 'i', to=7)]
lookup = [*index, node('Gather', 't i', 'g')]
only = "input 'i' is an integer made of a quantized value; such integers may only be added to a constant and look up"
case(only, [*index, node('Mul', 'i k', 'y')], consts=QT)
case(only, [*index, node('Relu', 'i', 'y')], consts=QT)
case(only, [*index, node('Gather', 'i t', 'y')], consts=QT)
case("output 'y': error: is an integer made of a quantized value", [byte, node('Cast', 'q', 'y', to=6)], consts=Q)
case('a sum of two computed integers is not supported', [*index, node('Add', 'i i', 'y')], consts=QT)
case(
    "what is added to an integer, input 'k', is f32[1]; a list of INT64 is needed",
    [*index, node('Add', 'i k', 'y')],
    consts={**QT, 'k': f32([1])},
)
for bad in [1, 2], [300], [-300]:
    case(
        'what is added to the index of a table must be one number from -256 to 256',
        [*index, node('Add', 'i k', 'y')],
        consts={**QT, 'k': i64(*bad)},
    )
case(
    'the index of a table is out of its range',
    [*index, node('Add', 'i k', 'j'), node('Add', 'k j', 'y')],
    consts={**QT, 'k': i64(200)},
)
case(
    'the index 3 that a quantized value may give is out of range for a table of 3',
    lookup,
    consts={**QT, 't': np.zeros(3, np.uint8)},
    outs=('g',),
)
case(
    'the index -1 that a quantized value may give is out of range for a table of 0',
    [*index, node('Add', 'k i', 'j'), node('Gather', 't j', 'g')],
    consts={**QT, 'k': i64(-1), 't': np.zeros(0, np.uint8)},
    outs=('g',),
)
case(
    'computed indices are supported for a constant list of UINT8, INT8 or FLOAT alone',
    [*index, node('Gather', 't i', 'y', axis=-1)],
    consts=QT,
)
case(
    'the table is s64[256]; a list of UINT8, INT8 or FLOAT is needed',
    lookup,
    consts={**QT, 't': np.zeros(256, np.int64)},
    outs=('g',),
)
case("no DequantizeLinear says what the values of 'g' mean", lookup, consts=QT, outs=('g',))
case(
    "the index 'x' is not quantized: no scale is known",
    [node('Cast', 'x', 'i', to=6), node('Gather', 't i', 'g')],
    {'x': ([4], TensorProto.UINT8)},
    consts=QT,
    outs=('g',),
)
case(
    'the scale of x must be FLOAT',
    [*lookup, node('DequantizeLinear', 'g k z', 'y')],
    consts=QT,
)
case(
    'input 1 of DequantizeLinear is missing',
    [*lookup, onnx.helper.make_node('DequantizeLinear', ['g'], ['y'])],
    consts=QT,
)

# annotations
BYTES = {'x': ([4], TensorProto.UINT8)}
moved = [node('Identity', 'x', 'y')]


def annotate(scale, zero):
    def edit(m):
        a = m.graph.quantization_annotation.add(tensor_name='x')
        for key, name in ('SCALE_TENSOR', scale), ('ZERO_POINT_TENSOR', zero):
            a.quant_parameter_tensor_names.add(key=key, value=name)

    return edit


wrong = "the annotation of 'x' does not name a scale and a zero point, one of FLOAT and one of u8"
for bad in ('s', 'w'), ('s', 'nothing'), ('x', 'z'), ('z', 's'):
    case(wrong, moved, BYTES, consts={**Q, 'w': np.int8(3)}, edit=annotate(*bad))
case(
    "the annotation of 'x' names the scale 0: it must be positive, finite and normal",
    moved,
    BYTES,
    consts={**Q, 's': f32(0)},
    edit=annotate('s', 'z'),
)
case(
    'the inputs are integers with different scales or zero points, u8<scale=0.1, zero=3>',
    [byte, node('QuantizeLinear', 'x k z', 'r'), node('Concat', 'q r', 'y', axis=1)],
    consts={**Q, 'k': f32(2)},
)

# functions
case(
    "'Gelu' is a function of the model; functions are not supported",
    [node('Gelu', 'x', 'y', domain='qcc')],
    imports=[helper.make_opsetid('qcc', 1)],
    edit=lambda m: m.functions.add(name='Gelu', domain='qcc', input=['X'], output=['Y']),
)
case(
    "operator 'Gelu' of the domain 'qcc' is not supported",
    [node('Gelu', 'x', 'y', domain='qcc')],
    imports=[helper.make_opsetid('qcc', 1)],
)

case(
    "is quantized with other parameters, which is supported per tensor only",
    [node('QuantizeLinear', 'x t', 'q', axis=1), node('DequantizeLinear', 'q s z', 'y')],
    consts={**Q, 't': w_of(2)},
)
QC = {
    'xs': f32(1),
    'xz': np.uint8(0),
    'w': np.ones((4, 2, 3, 3), np.int8),
    'ws': f32(1),
    'wz': np.int8(0),
    'ys': f32(1),
    'yz': np.uint8(0),
    'b': np.zeros(4, np.int32),
}
QX = {'x': ([1, 2, 4, 4], TensorProto.UINT8)}
qconv = [node('QLinearConv', 'x xs xz w ws wz ys yz b', 'y')]
case('B is s32[3]; INT32[4] is needed', qconv, QX, consts={**QC, 'b': np.zeros(3, np.int32)})
case(
    'x must have one scale',
    [node('QLinearConv', 'x xs xz w ws wz ys yz b', 'y')],
    {'x': ([2, 2, 4, 4], TensorProto.UINT8)},
    consts={**QC, 'xs': w_of(2), 'xz': np.zeros(2, np.uint8)},
)
case(
    'the product of the scales of x and w is 0 for channel 0',
    qconv,
    QX,
    consts={**QC, 'xs': f32(1e-30), 'ws': f32(1e-30)},
)
case(
    'w must be a constant',
    [node('QLinearConv', 'x xs xz w ws wz ys yz', 'y')],
    {**QX, 'w': ([4, 2, 3, 3], TensorProto.INT8)},
    consts={k: v for k, v in QC.items() if k != 'w'},
)

MS = {'imports': [helper.make_opsetid('com.microsoft', 1)]}
QP5 = {'s': f32(0.1), 'z': np.uint8(3)}


def ms(text, op, inputs, consts=None, ins=None, **attrs):
    n = helper.make_node(op, inputs.replace('_', '').split(' '), ['y'], domain='com.microsoft', **attrs)
    case(text, [n], ins or QX, consts={**QP5, **(consts or {})}, **MS)


ms('input 3 of QLinearSigmoid is missing', 'QLinearSigmoid', 'x s z')
ms('input 3 of QLinearAdd is missing', 'QLinearAdd', 'x s z')
ms('input 6 of QLinearAdd is missing', 'QLinearAdd', 'x s z x s z')
ms("attribute 'channels_last' of 1 is not supported", 'QLinearGlobalAveragePool', 'x s z s z', channels_last=1)
ms("attribute 'kernel_shape' is missing", 'QLinearAveragePool', 'x s z s z')
ms("attribute 'opset' is missing", 'QLinearSoftmax', 'x s z s z')
ms("attribute 'axis' is missing", 'QLinearConcat', 's z x s z')
ms('6 inputs: two, and three for each operand, are needed', 'QLinearConcat', 's z x s z x', axis=1)
ms('input 2 of QLinearConcat is missing', 'QLinearConcat', 's z _ s z', axis=1)
GEMM = {'w': np.ones((4, 3), np.int8), 'wz': np.int8(0), 'c': np.zeros(3, np.int32), 's2': w_of(2), 'z2': np.zeros(2, np.uint8)}
QA = {'x': ([2, 3], TensorProto.UINT8)}
ms('C is s32[3]; INT32[4] is needed', 'QGemm', 'x s z w s wz c s z', GEMM, QA, transB=1)
ms('[2, 3] and [4, 3] cannot be multiplied', 'QGemm', 'x s z w s wz', GEMM, QA)
ms('the inputs must be matrices, not [1, 2, 4, 4] and [4, 3]', 'QGemm', 'x s z w s wz', GEMM)
ms("attribute 'alpha' is -1; it must be positive", 'QGemm', 'x s z w s wz', GEMM, QA, transB=1, alpha=-1.0)
ms('a must have one scale', 'QGemm', 'x s2 z2 w s wz', GEMM, QA, transB=1)
ms('b must be a constant', 'QGemm', 'x s z w s wz', {'wz': np.int8(0)}, {**QA, 'w': ([4, 3], TensorProto.INT8)}, transB=1)
ms("attribute 'channels_last' of 1 is not supported", 'QLinearConv', 'x s z w s wz s z', QC, channels_last=1)

# ---- constants ----


def folded(text, nodes, **consts):
    """`nodes` make 'c', which is then cast and added to x."""
    case(text, [*nodes, node('Cast', 'c', 'f', to=1), node('Add', 'x f', 'y')], consts=consts)


BIG, LEAST = 2**63 - 1, -(2**63)
for op in ('Div', 'Mod'):
    folded('an integer constant is divided by zero', [node(op, 'a b', 'c')], a=i64(1), b=i64(0))
for op, a, b in [('Add', BIG, 1), ('Sub', LEAST, 1), ('Mul', BIG, 2), ('Div', LEAST, -1)]:
    folded('an integer constant overflows 64 bits', [node(op, 'a b', 'c')], a=i64(a), b=i64(b))
folded('an integer constant overflows 64 bits', [node('Neg', 'a', 'c')], a=i64(LEAST))
folded('an integer constant overflows 64 bits', [node('Abs', 'a', 'c')], a=i64(LEAST))
folded(
    'the constant result 2147483648 is out of the range of s32',
    [node('Div', 'a b', 'c')],
    a=np.int32([-(2**31)]),
    b=np.int32([-1]),
)
folded('the constant result 256 is out of the range of u8', [node('Cast', 'a', 'c', to=2)], a=i64(256))
folded('3 integer constants are not supported, 2 are', [node('Max', 'a a a', 'c')], a=i64(1))
folded('the shapes [2] and [3] do not broadcast', [node('Add', 'a b', 'c')], a=i64(1, 2), b=i64(1, 2, 3))
for v in (np.nan, 1e30, -1e30):
    folded(f'the constant {v:g} cannot be cast to an integer', [node('Cast', 'a', 'c', to=7)], a=f32([v]))
folded('a cast to DOUBLE is not supported', [node('Cast', 'a', 'c', to=11)], a=i64(1))
folded(
    "input 0, 'a', has element type DOUBLE, which is supported in casts to FLOAT only",
    [node('Cast', 'a', 'c', to=7)],
    a=np.float64([1]),
)
folded(
    "input 0, 'a', has element type DOUBLE, which is not supported",
    [node('Neg', 'a', 'c')],
    a=np.float64([1]),
)
folded("attribute 'to' is 0, which is no element type", [node('Cast', 'a', 'c', to=0)], a=i64(1))
folded('a reduction of no elements', [node('ReduceSum', 'a', 'c')], a=np.zeros(0, np.int64))
folded('the delta is 0', [node('Range', 'a a b', 'c')], a=np.int64(1), b=np.int64(0))
folded(
    'start, limit and delta must be integers of one type; input 2 is f32[]',
    [node('Range', 'a a b', 'c')],
    a=np.int64(1),
    b=f32(1),
)
folded(
    'the result has more than 16777216 elements',
    [node('Range', 'a b d', 'c')],
    a=np.int64(0),
    b=np.int64(BIG),
    d=np.int64(1),
)
folded('takes one attribute with the value, not 0', [helper.make_node('Constant', [], ['c'])])
folded(
    'takes one attribute with the value, not 2',
    [helper.make_node('Constant', [], ['c'], value_int=1, value_float=1.0)],
)
folded(
    "attribute 'value_string' of Constant is not supported",
    [helper.make_node('Constant', [], ['c'], value_string='s')],
)
folded(
    "attribute 'value' must have one element",
    [node('ConstantOfShape', 'a', 'c', value=helper.make_tensor('v', 1, [2], [1, 2]))],
    a=i64(1),
)
folded('dimension 0 is -1', [node('ConstantOfShape', 'a', 'c')], a=i64(-1))
folded(
    'the result [16777216, 16777216] is larger than the limit',
    [node('ConstantOfShape', 'a', 'c')],
    a=i64(1 << 24, 1 << 24),
)
folded(
    'a shape of 9 dimensions; at most 8 are supported', [node('ConstantOfShape', 'a', 'c')], a=i64(*[1] * 9)
)
folded('[3] does not broadcast to [2]', [node('Expand', 'a b', 'c')], a=i64(1, 2, 3), b=i64(2))
folded('index 3 is out of range for a dimension of 3', [node('Gather', 'a b', 'c')], a=i64(1, 2, 3), b=i64(3))
folded(
    'index -4 is out of range for a dimension of 3', [node('Gather', 'a b', 'c')], a=i64(1, 2, 3), b=i64(-4)
)
folded(
    'the indices are f32[1]; INT64 or INT32 is needed',
    [node('Gather', 'a b', 'c')],
    a=i64(1, 2, 3),
    b=f32([0]),
)
folded(
    'the result has 9 dimensions; at most 8 are supported',
    [node('Gather', 'a b', 'c')],
    a=w_of(1, 1),
    b=np.zeros([1] * 8, np.int64),
)
folded(
    's64[1] and f32[1] cannot be joined at axis 0', [node('Concat', 'a b', 'c', axis=0)], a=i64(1), b=f32([1])
)
folded(
    's64[1] and s64[1, 1] cannot be joined at axis 0',
    [node('Concat', 'a b', 'c', axis=0)],
    a=i64(1),
    b=i64([1]),
)



# ---- recurrent networks ----


def recurrent(text, op='RNN', ins=('x', 'w', 'r'), outs='y h', x=(3, 2, 4), consts=None, opset=14, **attrs):
    gates = {'RNN': 1, 'GRU': 3, 'LSTM': 4}[op]
    n = node(op, '', outs, **attrs)
    n.input.extend(ins)
    given = {'w': w_of(1, gates * 3, 4), 'r': w_of(1, gates * 3, 3), **(consts or {})}
    case(text, [n], {'x': list(x)}, outs.split(), {k: v for k, v in given.items() if k in ins}, opset=opset)


recurrent("attribute 'direction' is 'both'; it must be forward, reverse or bidirectional", direction='both')
recurrent("the activation 'Softplus' is not supported", activations=['Softplus'])
recurrent("attribute 'activations' has 1 names; 3 are needed", 'LSTM', activations=['Tanh'])
recurrent("attribute 'activation_alpha' has 1 values; its activations take 0", activation_alpha=[0.5])
recurrent(
    "attribute 'activation_beta' has 2 values; its activations take 1",
    activations=['HardSigmoid'],
    activation_beta=[0.5, 0.5],
)
recurrent(
    'directions with different activations are not supported',
    direction='bidirectional',
    activations=['Tanh', 'Relu'],
)
recurrent("attribute 'clip' is -1; it must be positive", clip=-1.0)
recurrent("attribute 'layout' is 2; it must be 0 or 1", layout=2)
recurrent("attribute 'input_forget' is 3; it must be 0 or 1", 'LSTM', input_forget=3)
recurrent("attribute 'hidden_size' is 4, but R is [1, 3, 3]", hidden_size=4)
recurrent(
    'sequence_lens says 2 of 3 steps; sequences that end early are not supported',
    ins=('x', 'w', 'r', '', 'n'),
    consts={'n': np.asarray([3, 2], np.int32)},
)
recurrent(
    'sequence_lens has 1 elements for a batch of 2',
    ins=('x', 'w', 'r', '', 'n'),
    consts={'n': np.asarray([3], np.int32)},
)
recurrent("with layout 1, 'x' must have three dimensions, not [3, 8]", x=(3, 8), layout=1)
recurrent('the weight of rnn must be [1, 3, 5], not [1, 3, 4]', x=(3, 2, 5))
recurrent('RNN of opset 14 takes at most 6 inputs, not 7', ins=('x', 'w', 'r', '', '', '', 'r'))
recurrent("attribute 'linear_before_reset' of RNN is not supported", linear_before_reset=1)
recurrent("attribute 'output_sequence' of RNN is not supported", output_sequence=1)


def qlstm(text, w=None, scale=None, zero=None):
    consts = {
        'w': np.ones((1, 4, 12), np.int8) if w is None else w,
        's': w_of(1) if scale is None else scale,
        'z': np.zeros(1, np.int8) if zero is None else zero,
        'r': np.ones((1, 3, 12), np.int8),
        'rs': w_of(1),
        'rz': np.zeros(1, np.int8),
    }
    n = node('DynamicQuantizeLSTM', '', 'y', domain='com.microsoft', hidden_size=3)
    n.input.extend(['x', 'w', 'r', '', '', '', '', '', 's', 'z', 'rs', 'rz'])
    case(text, [n], {'x': [3, 2, 4]}, ['y'], consts, imports=[helper.make_opsetid('com.microsoft', 1)])


qlstm('W is f32[1, 4, 12]; INT8 or UINT8 of three dimensions is needed', w=w_of(1, 4, 12))
qlstm('W is s8[4, 12]; INT8 or UINT8 of three dimensions is needed', w=np.ones((4, 12), np.int8))
qlstm(
    'the scale, f32[5], and the zero point, s8[1], do not fit 1 directions of 12 rows', scale=w_of(5)
)
qlstm('the scale, f32[1], and the zero point, u8[1], do not fit', zero=np.zeros(1, np.uint8))
qlstm('the scale 0 of element 0 is not positive, finite and normal', scale=w_of(1) * 0)
qlstm('the weight of lstm must be [1, 12, 4], not [1, 12, 5]', w=np.ones((1, 5, 12), np.int8))
case(
    "sequence_lens, input 'n', must be a constant",
    [node('Cast', 'f', 'n', to=1), node('RNN', 'x w r  n', 'y')],
    ins={'x': [3, 2, 4], 'f': [2]},
    consts={'w': w_of(1, 3, 4), 'r': w_of(1, 3, 3)},
    edit=lambda m: m.graph.node[1].input.insert(3, ''),
)


def run(tool, c):
    text, nodes, ins, outs, consts, shapes, edit, files, kw = c
    m = model(nodes, ins, outs, consts, **kw)
    if edit:
        edit(m)
    r = Run(tool, m, shapes=shapes, files=files)
    if r.status != 1:
        return f'exit {r.status}: {r.text.strip()}'
    if text not in r.text:
        return f'got: {r.text.strip()}'
    if len(r.text) > 2000 or r.text.count('\n') > 8 or 'Sanitizer' in r.text:
        return f'a long message: {r.text[:300]}'
    return None


def main():
    failed = [(c[0], why) for c in cases if (why := run(sys.argv[1], c))]
    return report(len(cases) - len(failed), failed)


if __name__ == '__main__':
    sys.exit(main())

"""Small QDQ models: u8 tensors in, dequantize, one operator, quantize, one u8 tensor out."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 14  # HardSwish


class Builder:
    """Collects nodes and initializers; inputs are named a0, a1, ..., the output y."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.count = [], [], [], 0

    def name(self):
        self.count += 1
        return f't{self.count}'

    def constant(self, array):
        name = f'k{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.asarray(array, order='C'), name))
        return name

    def node(self, op, inputs, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def parameters(self, scale, zero, dtype):
        return [self.constant(np.asarray(scale, np.float32)), self.constant(np.asarray(zero, dtype))]

    def input(self, shape, scale, zero):
        """A u8 graph input; the name of its dequantized view."""
        name = f'a{len(self.inputs)}'
        self.inputs.append((name, list(shape)))
        return self.node('DequantizeLinear', [name] + self.parameters(scale, zero, np.uint8))

    def weight(self, data, scale):
        """An s8 or s32 constant, per tensor or along axis 0; the name of its dequantized view."""
        scale = np.asarray(scale, np.float32)
        zero = np.zeros(scale.shape, data.dtype)
        return self.node('DequantizeLinear', [self.constant(data)] + self.parameters(scale, zero, data.dtype),
                         **({'axis': 0} if scale.ndim else {}))

    def output(self, x, scale, zero):
        self.nodes.append(helper.make_node('QuantizeLinear', [x] + self.parameters(scale, zero, np.uint8), ['y']))

    def model(self):
        inputs = [helper.make_tensor_value_info(n, TensorProto.UINT8, s) for n, s in self.inputs]
        graph = helper.make_graph(self.nodes, 'one', inputs,
                                  [helper.make_tensor_value_info('y', TensorProto.UINT8, None)], self.constants)
        return finished(graph, [helper.make_opsetid('', OPSET)])


def finished(graph, opsets):
    m = helper.make_model(graph, opset_imports=opsets)
    m.ir_version = 7
    return m


def signed(model):
    """The same model with s8 in place of u8: all values and zero points less 128."""
    g = model.graph
    for v in list(g.input) + list(g.output):
        v.type.tensor_type.elem_type = TensorProto.INT8
    for t in g.initializer:
        if t.data_type == TensorProto.UINT8:
            zero = numpy_helper.to_array(t).astype(np.int32) - 128
            t.CopyFrom(numpy_helper.from_array(zero.astype(np.int8), t.name))
    return model

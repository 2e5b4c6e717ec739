"""Cuts a QDQ network into models of one operator: the u8 tensors that it reads become inputs, the u8 tensor behind it
the output."""
import onnx
from onnx import TensorProto, helper, shape_inference

from qdq import finished

FUSED = {'Relu', 'Clip'}  # may stand between an operator and its QuantizeLinear


class Network:
    def __init__(self, path):
        self.model = shape_inference.infer_shapes(onnx.load(path))
        g = self.model.graph
        self.producer = {o: n for n in g.node for o in n.output}
        self.constants = {t.name: t for t in g.initializer}
        self.shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
                       for v in list(g.value_info) + list(g.input) + list(g.output)}
        self.users = {}
        for n in g.node:
            for i in n.input:
                self.users.setdefault(i, []).append(n)

    def _behind(self, node):
        """The chain of nodes from the operator to its QuantizeLinear; None where it does not end in one."""
        chain = [node]
        while True:
            users = self.users.get(chain[-1].output[0], [])
            if len(users) != 1 or len(chain[-1].output) != 1:
                return None
            chain.append(users[0])
            if users[0].op_type == 'QuantizeLinear':
                return chain
            if users[0].op_type not in FUSED:
                return None

    def cut(self, node):
        """(key, model), the key telling operators of one shape from others; None for what is not between DQ and Q."""
        chain = self._behind(node)
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear') or not chain:
            return None
        nodes, inputs, shapes = [], [], []
        for name in node.input:
            if name in self.constants:
                continue
            dq = self.producer.get(name)
            if not dq or dq.op_type != 'DequantizeLinear':
                return None
            nodes.append(dq)
            if dq.input[0] not in self.constants and not self.shapes.get(dq.input[0]):
                return None
            if dq.input[0] in self.constants:
                shapes.append(tuple(self.constants[dq.input[0]].dims))
            else:
                shapes.append(tuple(self.shapes[dq.input[0]]))
                inputs.append(dq.input[0])
        nodes += chain
        used = {i for n in nodes for i in n.input}
        graph = helper.make_graph(
            nodes, 'one', [helper.make_tensor_value_info(n, TensorProto.UINT8, self.shapes[n])
                           for n in dict.fromkeys(inputs)],
            [helper.make_tensor_value_info(chain[-1].output[0], TensorProto.UINT8, None)],
            [t for n, t in self.constants.items() if n in used])
        attributes = tuple(sorted(a.SerializeToString() for a in node.attribute))
        key = (tuple(n.op_type for n in chain), attributes, tuple(shapes))
        return key, finished(graph, self.model.opset_import)


def kind_of(node, key):
    """As the generated models are listed."""
    if node.op_type != 'Conv':
        return node.op_type
    groups = next((a.i for a in node.attribute if a.name == 'group'), 1)
    weight = key[2][1]
    if groups > 1:
        return 'Conv depthwise' if weight[1] == 1 else 'Conv grouped'
    return 'Conv 1x1' if set(weight[2:]) == {1} else 'Conv'


def cuts(path, seen):
    """(kind, name, model) of each operator whose key is not in `seen` yet."""
    network = Network(path)
    for i, node in enumerate(network.model.graph.node):
        result = network.cut(node)
        if not result or result[0] in seen:
            continue
        seen.add(result[0])
        yield kind_of(node, result[0]), node.name or f'node {i}', result[1]

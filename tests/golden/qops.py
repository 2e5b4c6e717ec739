"""qops/: PyTorch's quantized operators, each as a model of the text IR.

BUILDERS has one row per operator of the data: what builds it, and whether its results must be equal (where our rules
and PyTorch's coincide) or may differ by one quantum. A builder gets a Case and returns the name of the output value.
"""
import numpy as np

import dynamic
import quantize
import recurrent
from golden import Model, Skip, Word, ir_type

RELU = {'act_min': 0}


class Case:
    def __init__(self, data, case):
        self.data, self.case, self.params, self.op = data, case, case['params'], case['op']
        self.model = Model()
        self.relu = RELU if case['op'].endswith('_relu') else {}
        self.want = reference(case)
        self.out_shape = self.want[0]['q']['shape']

    def shape(self, i):
        return self.case['inputs'][i]['v']['shape']

    def input(self, i, shape=None):
        """Input i, with its quantized type; the name of the value."""
        ref = self.case['inputs'][i]
        x = self.data.array(ref['v']).reshape(shape or ref['v']['shape'])
        return self.model.input(x, ir_type(ref['dtype'], x.shape, ref['scale'], ref['zero_point']))

    def out_type(self, shape=None):
        e = self.want[0]
        return ir_type(e['dtype'], shape or self.out_shape, e['scale'], e['zero_point'])

    def dequantized(self, i):
        return self.model.node('dequantize', [self.input(i)])

    def quantized(self, value):
        return self.model.node('quantize', [value], typ=self.out_type())


def reference(case):
    """The results to compare with: of both engines, or of the one that is right."""
    if 'reference_engine' in case:
        return [case['expected'][case['reference_engine']]]
    return [e for e in case['expected'].values() if 'error' not in e]


# ---- layers ----

def weight_and_bias(c, data):
    """The constants of a layer; the bias is rounded as rule 4 of docs/numerics.md says."""
    w = c.case['weight']
    axis = w.get('axis')
    scale = np.float32(w['scale'] if axis is None else c.data.array(w['scales']))
    zero = w['zero_point'] if axis is None else c.data.array(w['zero_points'])
    operands = [c.model.constant(data, ir_type('int8', data.shape, scale, zero, axis))]
    if 'bias' in c.case:
        s_x = np.float32(c.case['inputs'][0]['scale'])
        b = np.rint(c.data.array(c.case['bias']['v']).astype(np.float64) / (np.float64(s_x) * np.float64(scale)))
        # the type's scale is a float32: the layer takes s_x * s_w, whatever is written
        typ = ir_type('int32', b.shape, s_x * scale, 0, axis)
        operands.append(c.model.constant(b.astype(np.int32), typ))
    return operands


def with_height(shape):
    """What goes over one dim, as images of one row."""
    return [*shape[:2], 1, shape[2]] if len(shape) == 3 else list(shape)


def layer(c, op, weight, **more):
    """A convolution of one to three dims."""
    p = c.params
    lists = {'stride': p['stride'], 'pad': p['padding'], 'dilation': p['dilation'], **more}
    if len(p['stride']) == 1:
        lists = {k: [0 if 'pad' in k else 1] + v for k, v in lists.items()}
    lists['pad'] = lists['pad'] * 2
    dims = len(lists['stride'])
    operands = [c.input(0, with_height(c.shape(0)))]
    operands += weight_and_bias(c, weight.reshape(with_height(weight.shape)))
    attributes = {**lists, 'groups': p['groups'], **c.relu}
    return c.model.node(f'{op}{dims}d', operands, attributes, c.out_type(with_height(c.out_shape)))


def conv(c):
    return layer(c, 'conv', c.data.array(c.case['weight']['v']))


def conv_transpose(c):
    """PyTorch's weight [IC, OC / groups, ...] as [OC, IC / groups, ...]."""
    if 'axis' in c.case['weight']:
        raise Skip('a transposed convolution with a scale per channel')
    w, g = c.data.array(c.case['weight']['v']), c.params['groups']
    ic, oc, *kernel = w.shape
    w = w.reshape(g, ic // g, oc, *kernel).swapaxes(1, 2).reshape(g * oc, ic // g, *kernel)
    return layer(c, 'conv_transpose', np.ascontiguousarray(w), output_pad=c.params['output_padding'])


def linear(c):
    operands = [c.input(0)] + weight_and_bias(c, c.data.array(c.case['weight']['v']))
    return c.model.node('linear', operands, c.relu, c.out_type())


# ---- element by element ----

def binary(op):
    return lambda c: c.model.node(op, [c.input(0), c.input(1)], c.relu, c.out_type())


def unary(op, **names):
    """`names`: attribute = parameter of the case, or a number"""
    def build(c):
        attributes = {k: float(c.params[v] if isinstance(v, str) else v) for k, v in names.items()}
        return c.model.node(op, [c.input(0)], attributes, c.out_type())
    return build


def scalar(op):
    """With a constant: in PyTorch the result's parameters change and its integers stay."""
    return lambda c: c.quantized(c.model.node(op, [c.dequantized(0), repr(c.params['c'])]))


def concat(c):
    parts = [c.input(i) for i in range(len(c.case['inputs']))]
    y = c.model.node('concat', parts, {'axis': c.params['axis']}, c.out_type())
    return c.model.node('relu', [y], typ=c.out_type()) if c.relu else y


def batch_norm(c):
    operands = [c.model.constant(c.data.array(c.case[k]['v']), ir_type('float32', c.case[k]['v']['shape']))
                for k in ('gamma', 'beta', 'mean', 'var')]
    y = c.model.node('batch_norm', [c.dequantized(0)] + operands, {'eps': float(c.params['eps'])})
    return c.quantized(c.model.node('relu', [y]) if c.relu else y)


def affine(c):
    return [c.model.constant(c.data.array(c.case[k]['v']), ir_type('float32', c.case[k]['v']['shape']))
            for k in ('gamma', 'beta')]


def layer_norm(c):
    axis = len(c.shape(0)) - len(c.case['gamma']['v']['shape'])
    y = c.model.node('layer_norm', [c.dequantized(0)] + affine(c), {'axis': axis, 'eps': float(c.params['eps'])})
    return c.quantized(y)


def group_norm(c):
    groups = c.params.get('num_groups', c.shape(0)[1])
    y = c.model.node('group_norm', [c.dequantized(0)] + affine(c), {'groups': groups, 'eps': float(c.params['eps'])})
    return c.quantized(y)


def softmax(c):
    return c.quantized(c.model.node('softmax', [c.dequantized(0)], {'axis': c.params['dim']}))


def matmul(c):
    return c.quantized(c.model.node('matmul', [c.dequantized(0), c.dequantized(1)]))


# ---- pools ----

def pair(v):
    return v if isinstance(v, list) else [v, v]


def window(c):
    """Kernel, stride, pads, dilation, and the padding that only rounds the number of windows up (ceil_mode)."""
    p = c.params
    kernel, stride, pad, dilation = (pair(p.get(k, 1)) for k in ('kernel', 'stride', 'padding', 'dilation'))
    extra = [max(0, (out - 1) * s + (k - 1) * d + 1 - (size + 2 * q)) for out, s, k, d, size, q in
             zip(c.out_shape[2:], stride, kernel, dilation, c.shape(0)[2:], pad)]
    pads = pad + [q + e for q, e in zip(pad, extra)]
    return {'kernel': kernel, 'stride': stride, 'pad': pads, 'dilation': dilation}, extra


def max_pool(c):
    return c.model.node('max_pool2d', [c.input(0)], window(c)[0])


def avg_pool(c):
    attributes, extra = window(c)
    attributes.update(pad_extra=extra, count_include_pad=c.params['count_include_pad'],
                      divisor=c.params['divisor_override'] or 0)
    return c.model.node('avg_pool2d', [c.input(0)], attributes, c.out_type())


def adaptive_avg_pool(c):
    return c.model.node('adaptive_avg_pool', [c.input(0)], {'size': c.out_shape[2:]}, c.out_type())


def resize(op):
    """PyTorch's nearest is ONNX's asymmetric with floor."""
    def build(c):
        size = [*c.shape(0)[:2], *c.params['size']]
        if op == 'resize_nearest':
            attributes = {'coordinates': Word('asymmetric'), 'rounding': Word('floor')}
        else:
            attributes = {'coordinates': Word('align_corners' if c.params['align_corners'] else 'half_pixel')}
        own = c.out_type() if op == 'resize_linear' else None
        return c.model.node(op, [c.input(0)], {'size': size, **attributes}, own)
    return build


def mean(c):
    p = c.params
    return c.model.node('reduce_mean', [c.input(0)], {'axes': p['dim'], 'keepdims': p['keepdim']}, c.out_type())


EXACT, QUANTUM = 0, 1
BUILDERS = {
    'conv1d': (conv, QUANTUM), 'conv1d_relu': (conv, QUANTUM),
    'conv2d': (conv, QUANTUM), 'conv2d_relu': (conv, QUANTUM),
    'conv3d': (conv, QUANTUM), 'conv3d_relu': (conv, QUANTUM),
    'conv_transpose1d': (conv_transpose, QUANTUM), 'conv_transpose2d': (conv_transpose, QUANTUM),
    'linear': (linear, QUANTUM), 'linear_relu': (linear, QUANTUM),
    'add': (binary('add'), QUANTUM), 'add_relu': (binary('add'), QUANTUM), 'add_broadcast': (binary('add'), QUANTUM),
    'mul': (binary('mul'), QUANTUM), 'mul_relu': (binary('mul'), QUANTUM),  # PyTorch multiplies by 1 / s_out
    'add_scalar': (scalar('add'), QUANTUM), 'mul_scalar': (scalar('mul'), QUANTUM),
    'cat': (concat, QUANTUM), 'cat_relu': (concat, QUANTUM),
    'relu': (unary('relu'), EXACT), 'relu6': (unary('clip', min=0, max=6), EXACT),
    'clamp': (unary('clip', min='min', max='max'), EXACT),
    'hardswish': (unary('hard_swish'), QUANTUM), 'sigmoid': (unary('sigmoid'), QUANTUM),
    'tanh': (unary('tanh'), QUANTUM), 'hardsigmoid': (unary('hard_sigmoid', alpha=1 / 6, beta=0.5), QUANTUM),
    'leaky_relu': (unary('leaky_relu', alpha='negative_slope'), QUANTUM), 'elu': (unary('elu', alpha='alpha'), QUANTUM),
    'max_pool2d': (max_pool, EXACT), 'avg_pool2d': (avg_pool, QUANTUM),
    'interpolate_nearest': (resize('resize_nearest'), EXACT), 'interpolate_bilinear': (resize('resize_linear'), QUANTUM),
    'adaptive_avg_pool2d': (adaptive_avg_pool, QUANTUM), 'mean': (mean, QUANTUM),
    'batch_norm2d': (batch_norm, QUANTUM), 'batch_norm2d_relu': (batch_norm, QUANTUM),
    'layer_norm': (layer_norm, QUANTUM), 'group_norm': (group_norm, QUANTUM), 'instance_norm': (group_norm, QUANTUM),
    'softmax': (softmax, QUANTUM), 'matmul': (matmul, QUANTUM),
}


# ---- conversions ----

def quantize_tensor(data, case, tools):
    p = case['params']
    axis = p.get('axis')
    scale = p['scale'] if axis is None else data.array(case['scales'])
    zero = p['zero_point'] if axis is None else data.array(case['zero_points'])
    want = data.array(case['expected']['any']['q'])
    quantize.compare(tools, data.array(case['inputs'][0]['v']), scale, zero, p['dtype'], axis, want)


def undefined(data, case, tools):
    raise Skip("PyTorch's undefined behaviour, recorded only")


WHOLE = {
    'choose_qparams_dynamic': dynamic.parameters,
    'linear_dynamic': dynamic.linear,
    'quantize_per_tensor': quantize_tensor,
    'quantize_per_channel': quantize_tensor,
    'quantize_per_tensor_overflow': undefined,
    'quantize_per_tensor_nonfinite': undefined,
    **{f'{op}_dynamic': recurrent.check for op in ('lstm', 'gru', 'lstmcell', 'grucell', 'rnncell')},
}


def check(data, case, tools):
    if case['op'] in WHOLE:
        return WHOLE[case['op']](data, case, tools)
    if case['op'] not in BUILDERS:
        raise Skip(f"operator {case['op']}")
    build, most = BUILDERS[case['op']]
    c = Case(data, case)
    output = build(c)
    e = c.want[0]
    got = tools.run_quantized(c.model, output, e['scale'], e['zero_point'], c.out_shape)
    for e in c.want:
        tools.close(got, data.array(e['q']), most)

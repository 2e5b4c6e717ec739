#include "compiler/onnx_function_bodies.h"
#include "onnx.pb-c.h"

#define CONST(result, v)                                                                                     \
  { ONNX_STEP_FLOAT, result, .value = (v) }
#define CONST_DOUBLE(result, v)                                                                              \
  { ONNX_STEP_DOUBLE, result, .value = (v) }
#define OP1(op, result, x)                                                                                   \
  {                                                                                                          \
    op, result, { x }                                                                                        \
  }
#define OP2(op, result, x, y)                                                                                \
  {                                                                                                          \
    op, result, { x, y }                                                                                     \
  }
#define OP3(op, result, x, y, z)                                                                             \
  {                                                                                                          \
    op, result, { x, y, z }                                                                                  \
  }
#define INTS(result, count, ...)                                                                             \
  { ONNX_STEP_INT64S, result, .ints = {__VA_ARGS__}, .n_ints = (count) }
#define CAST(result, x, type)                                                                                \
  {                                                                                                          \
    "Cast", result, {x}, { "to", ONNX__TENSOR_PROTO__DATA_TYPE__##type, NULL }                               \
  }

static const OnnxStep gelu[] = {
    CONST("half", 0.5f),
    CONST("one", 1),
    CONST("reciprocal_of_root", 0.7071067812f),
    OP2("Mul", "scaled", "X", "reciprocal_of_root"),
    OP1("Erf", "erf", "scaled"),
    OP2("Add", "sum", "one", "erf"),
    OP2("Mul", "half_of_X", "half", "X"),
    OP2("Mul", "Y", "half_of_X", "sum"),
    {0},
};

static const OnnxStep gelu_tanh[] = {
    CONST("half", 0.5f),
    CONST("one", 1),
    CONST("factor", 0.044715f),
    CONST("root", 0.7978845608f),
    OP2("Mul", "square", "X", "X"),
    OP2("Mul", "cube", "square", "X"),
    OP2("Mul", "third", "factor", "cube"),
    OP2("Add", "inner", "X", "third"),
    OP2("Mul", "scaled", "root", "inner"),
    OP1("Tanh", "tanh", "scaled"),
    OP2("Add", "sum", "one", "tanh"),
    OP2("Mul", "half_of_X", "half", "X"),
    OP2("Mul", "Y", "half_of_X", "sum"),
    {0},
};

static const OnnxStep mish[] = {
    OP1("Softplus", "softplus", "X"),
    OP1("Tanh", "tanh", "softplus"),
    OP2("Mul", "Y", "X", "tanh"),
    {0},
};

/* Instance normalization over [N, groups, the rest], then a factor and a term for each channel. */
static const OnnxFunctionAttr group_norm_attrs[] = {
    {"num_groups", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT},
    {"epsilon", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT},
    {0},
};
static const OnnxStep group_norm[] = {
    {"Constant", "number", .attr = {"value_int", 0, "num_groups"}},
    INTS("first", 1, 0),
    INTS("single", 1, 1),
    INTS("rest", 1, -1),
    INTS("by_channel", 3, 0, 0, -1),
    CONST("one", 1),
    CONST("nought", 0),
    OP1("Shape", "shape", "X"),
    OP2("Reshape", "groups", "number", "single"),
    {"Concat", "by_group", {"first", "groups", "rest"}, {"axis", 0, NULL}},
    OP2("Reshape", "rows", "X", "by_group"),
    OP2("Expand", "ones", "one", "groups"),
    OP2("Expand", "noughts", "nought", "groups"),
    {"InstanceNormalization", "normalized", {"rows", "ones", "noughts"}, {"epsilon", 0, "epsilon"}},
    OP2("Reshape", "in_shape", "normalized", "shape"),
    OP2("Reshape", "channels", "in_shape", "by_channel"),
    OP2("Unsqueeze", "factor", "scale", "single"),
    OP2("Unsqueeze", "term", "bias", "single"),
    OP2("Mul", "scaled", "channels", "factor"),
    OP2("Add", "moved", "scaled", "term"),
    OP2("Reshape", "Y", "moved", "shape"),
    {0},
};

/* The parameters that ATen chooses: see ir/quant_dynamic.c, which this follows line by line. */
static const OnnxFunctionAttr dynamic_quantize_attrs[] = {
    {"qmax", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT},
    {0},
};
static const OnnxStep dynamic_quantize[] = {
    {"Constant", "qmax", .attr = {"value_int", 0, "qmax"}},
    CAST("qmax_float", "qmax", FLOAT),
    CAST("qmax_double", "qmax", DOUBLE),
    CAST("qmax_byte", "qmax", UINT8),
    CONST("nought", 0),
    CONST("lowest", -3.40282347e38f),
    CONST("greatest", 3.40282347e38f),
    CONST("least", 6.1e-5f),
    CAST("least_double", "least", DOUBLE),
    CONST_DOUBLE("nought_double", 0),
    CONST_DOUBLE("tenth", 0.1),
    CONST_DOUBLE("none", 0x1.000004p-128),
    {"ReduceMin", "x_min", {"X"}, {"keepdims", 0, NULL}},
    {"ReduceMax", "x_max", {"X"}, {"keepdims", 0, NULL}},
    OP3("Clip", "lo", "x_min", "lowest", "nought"),
    OP3("Clip", "hi", "x_max", "nought", "greatest"),
    CAST("lo_double", "lo", DOUBLE),
    CAST("hi_double", "hi", DOUBLE),
    OP2("Sub", "range", "hi_double", "lo_double"),
    OP2("Div", "scale_of_range", "range", "qmax_double"),
    OP2("LessOrEqual", "is_none", "scale_of_range", "none"),
    OP3("Where", "own_scale", "is_none", "tenth", "scale_of_range"),
    OP2("Less", "is_small", "own_scale", "least_double"),
    OP3("Where", "scale_double", "is_small", "least_double", "own_scale"),
    CAST("y_scale", "scale_double", FLOAT),
    /* the range of a scale that was raised to the least one */
    OP2("Equal", "no_lo", "lo", "nought"),
    OP2("Equal", "no_hi", "hi", "nought"),
    OP2("Mul", "least_range", "least", "qmax_float"),
    OP1("Neg", "least_range_below", "least_range"),
    CAST("own_scale_float", "own_scale", FLOAT),
    OP2("Div", "factor", "least", "own_scale_float"),
    OP2("Mul", "lo_times", "lo", "factor"),
    OP2("Mul", "hi_times", "hi", "factor"),
    OP3("Where", "lo_below", "no_hi", "least_range_below", "lo_times"),
    OP3("Where", "hi_above", "no_hi", "hi", "hi_times"),
    OP3("Where", "lo_wide", "no_lo", "lo", "lo_below"),
    OP3("Where", "hi_wide", "no_lo", "least_range", "hi_above"),
    OP3("Where", "lo_taken", "is_small", "lo_wide", "lo"),
    OP3("Where", "hi_taken", "is_small", "hi_wide", "hi"),
    /* the zero point that makes one end exact, whichever has the smaller error */
    CAST("lo_end", "lo_taken", DOUBLE),
    CAST("hi_end", "hi_taken", DOUBLE),
    OP2("Div", "lo_steps", "lo_end", "scale_double"),
    OP2("Div", "hi_steps", "hi_end", "scale_double"),
    OP1("Neg", "from_lo", "lo_steps"),
    OP2("Sub", "from_hi", "qmax_double", "hi_steps"),
    OP1("Abs", "lo_size", "lo_steps"),
    OP1("Neg", "error_lo", "lo_size"),
    OP1("Abs", "hi_size", "hi_steps"),
    OP2("Sub", "error_hi", "qmax_double", "hi_size"),
    OP2("Less", "lo_decides", "error_lo", "error_hi"),
    OP3("Where", "zero", "lo_decides", "from_lo", "from_hi"),
    OP3("Clip", "zero_in_range", "zero", "nought_double", "qmax_double"),
    OP1("Round", "zero_whole", "zero_in_range"),
    CAST("y_zero_point", "zero_whole", UINT8),
    OP3("QuantizeLinear", "quantized", "X", "y_scale", "y_zero_point"),
    OP3("Clip", "Y", "quantized", "", "qmax_byte"),
    {0},
};

const OnnxFunctionBody onnx_function_bodies[] = {
    {"Gelu", "X / 2 * (1 + erf(X / sqrt(2)))", "X", "Y", NULL, gelu},
    {"GeluTanh", "X / 2 * (1 + tanh(sqrt(2 / pi) * (X + 0.044715 * X^3)))", "X", "Y", NULL, gelu_tanh},
    {"Mish", "X * tanh(softplus(X))", "X", "Y", NULL, mish},
    {"GroupNormalization", "of num_groups groups of channels, then scale and bias for each channel",
     "X scale bias", "Y", group_norm_attrs, group_norm},
    {"DynamicQuantizeLinear", "with the parameters that PyTorch chooses, at most qmax", "X",
     "Y y_scale y_zero_point", dynamic_quantize_attrs, dynamic_quantize},
    {0},
};

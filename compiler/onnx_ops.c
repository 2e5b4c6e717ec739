/* The table of operators, and what is done with each node before its row's functions see it. */
#include "compiler/onnx_function.h"
#include "compiler/onnx_ops.h"

#include <string.h>

/* ---- attributes ---- */

static const OnnxAttr attrs_none[] = {{"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_window[] = {{"auto_pad", ONNX_STRING},
                                        {"kernel_shape", ONNX_INTS},
                                        {"strides", ONNX_INTS},
                                        {"pads", ONNX_INTS},
                                        {"dilations", ONNX_INTS},
                                        {"group", ONNX_INT},
                                        {0}};
static const OnnxAttr attrs_conv_transpose[] = {
    {"auto_pad", ONNX_STRING},     {"kernel_shape", ONNX_INTS}, {"strides", ONNX_INTS},
    {"pads", ONNX_INTS},           {"dilations", ONNX_INTS},    {"group", ONNX_INT},
    {"output_padding", ONNX_INTS}, {"output_shape", ONNX_INTS}, {0}};
static const OnnxAttr attrs_max_pool[] = {{"auto_pad", ONNX_STRING},
                                          {"kernel_shape", ONNX_INTS},
                                          {"strides", ONNX_INTS},
                                          {"pads", ONNX_INTS},
                                          {"dilations", ONNX_INTS},
                                          {"ceil_mode", ONNX_INT},
                                          {"storage_order", ONNX_INT}, /* of the Indices alone */
                                          {0}};
static const OnnxAttr attrs_average_pool[] = {{"auto_pad", ONNX_STRING},       {"kernel_shape", ONNX_INTS},
                                              {"strides", ONNX_INTS},          {"pads", ONNX_INTS},
                                              {"dilations", ONNX_INTS},        {"ceil_mode", ONNX_INT},
                                              {"count_include_pad", ONNX_INT}, {0}};
static const OnnxAttr attrs_upsample[] = {{"mode", ONNX_STRING}, {"scales", ONNX_FLOATS, 8}, {0}};
static const OnnxAttr attrs_resize[] = {{"mode", ONNX_STRING},
                                        {"coordinate_transformation_mode", ONNX_STRING},
                                        {"nearest_mode", ONNX_STRING},
                                        {"cubic_coeff_a", ONNX_FLOAT},       /* of cubic alone */
                                        {"extrapolation_value", ONNX_FLOAT}, /* of tf_crop_and_resize alone */
                                        {"exclude_outside", ONNX_INT},
                                        {"antialias", ONNX_INT},
                                        {"axes", ONNX_INTS},
                                        {"keep_aspect_ratio_policy", ONNX_STRING},
                                        {0}};
static const OnnxAttr attrs_alpha[] = {{"alpha", ONNX_FLOAT}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_alpha_beta[] = {
    {"alpha", ONNX_FLOAT}, {"beta", ONNX_FLOAT}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_selu[] = {
    {"alpha", ONNX_FLOAT}, {"gamma", ONNX_FLOAT}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_gelu[] = {{"approximate", ONNX_STRING}, {0}};
static const OnnxAttr attrs_clip[] = {
    {"min", ONNX_FLOAT, 10, true}, {"max", ONNX_FLOAT, 10, true}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_binary[] = {
    {"axis", ONNX_INT, 6}, {"broadcast", ONNX_INT, 6}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_mod[] = {{"fmod", ONNX_INT}, {0}};
static const OnnxAttr attrs_batch_norm[] = {
    {"epsilon", ONNX_FLOAT},     {"momentum", ONNX_FLOAT}, /* of training alone */
    {"training_mode", ONNX_INT}, {"spatial", ONNX_INT, 8}, {"is_test", ONNX_INT, 6}, {0}};
static const OnnxAttr attrs_layer_norm[] = {
    {"axis", ONNX_INT}, {"epsilon", ONNX_FLOAT}, {"stash_type", ONNX_INT}, {0}};
static const OnnxAttr attrs_group_norm[] = {
    {"num_groups", ONNX_INT}, {"epsilon", ONNX_FLOAT}, {"stash_type", ONNX_INT}, {0}};
static const OnnxAttr attrs_lrn[] = {
    {"alpha", ONNX_FLOAT}, {"beta", ONNX_FLOAT}, {"bias", ONNX_FLOAT}, {"size", ONNX_INT}, {0}};
static const OnnxAttr attrs_lp[] = {{"axis", ONNX_INT}, {"p", ONNX_INT}, {0}};
static const OnnxAttr attrs_mean_variance[] = {{"axes", ONNX_INTS}, {0}};
static const OnnxAttr attrs_epsilon[] = {{"epsilon", ONNX_FLOAT}, {"consumed_inputs", ONNX_INTS, 5}, {0}};
static const OnnxAttr attrs_axis[] = {{"axis", ONNX_INT}, {0}};
static const OnnxAttr attrs_reduce[] = {
    {"axes", ONNX_INTS}, {"keepdims", ONNX_INT}, {"noop_with_empty_axes", ONNX_INT}, {0}};
static const OnnxAttr attrs_gemm[] = {{"alpha", ONNX_FLOAT}, {"beta", ONNX_FLOAT},       {"transA", ONNX_INT},
                                      {"transB", ONNX_INT},  {"broadcast", ONNX_INT, 6}, {0}};
static const OnnxAttr attrs_dropout[] = {{"ratio", ONNX_FLOAT, 11},
                                         {"is_test", ONNX_INT, 6},
                                         {"seed", ONNX_INT}, /* of training alone */
                                         {"consumed_inputs", ONNX_INTS, 5},
                                         {0}};
static const OnnxAttr attrs_constant[] = {{"value", ONNX_TENSOR},
                                          {"value_float", ONNX_FLOAT, 0, true},
                                          {"value_floats", ONNX_FLOATS, 0, true},
                                          {"value_int", ONNX_INT},
                                          {"value_ints", ONNX_INTS},
                                          {0}};
static const OnnxAttr attrs_value[] = {{"value", ONNX_TENSOR}, {0}};
static const OnnxAttr attrs_shape[] = {{"start", ONNX_INT}, {"end", ONNX_INT}, {0}};
static const OnnxAttr attrs_saturate[] = {{"saturate", ONNX_INT}, {0}};
static const OnnxAttr attrs_lp_pool[] = {
    {"auto_pad", ONNX_STRING}, {"kernel_shape", ONNX_INTS}, {"strides", ONNX_INTS}, {"pads", ONNX_INTS},
    {"dilations", ONNX_INTS},  {"ceil_mode", ONNX_INT},     {"p", ONNX_INT},        {0}};
static const OnnxAttr attrs_p[] = {{"p", ONNX_INT}, {0}};
static const OnnxAttr attrs_cast[] = {{"to", ONNX_INT}, {"saturate", ONNX_INT}, {0}};
static const OnnxAttr attrs_reshape[] = {
    {"shape", ONNX_INTS, 4}, {"allowzero", ONNX_INT}, {"consumed_inputs", ONNX_INTS, 4}, {0}};
static const OnnxAttr attrs_axes[] = {{"axes", ONNX_INTS, 12}, {0}};
static const OnnxAttr attrs_perm[] = {{"perm", ONNX_INTS}, {0}};
static const OnnxAttr attrs_pad[] = {
    {"mode", ONNX_STRING}, {"pads", ONNX_INTS, 10}, {"value", ONNX_FLOAT, 10, true}, {0}};
static const OnnxAttr attrs_slice[] = {
    {"starts", ONNX_INTS, 9}, {"ends", ONNX_INTS, 9}, {"axes", ONNX_INTS, 9}, {0}};
static const OnnxAttr attrs_depth[] = {{"blocksize", ONNX_INT}, {"mode", ONNX_STRING}, {0}};
static const OnnxAttr attrs_split[] = {
    {"axis", ONNX_INT}, {"split", ONNX_INTS, 12}, {"num_outputs", ONNX_INT}, {0}};
static const OnnxAttr attrs_quantize[] = {{"axis", ONNX_INT},
                                          {"block_size", ONNX_INT},
                                          {"saturate", ONNX_INT}, /* of float8 alone */
                                          {"output_dtype", ONNX_INT},
                                          {0}};
static const OnnxAttr attrs_dequantize[] = {{"axis", ONNX_INT}, {"block_size", ONNX_INT}, {0}};

#define ATTRS_RECURRENT                                                                                      \
  {"activations", ONNX_STRINGS}, {"activation_alpha", ONNX_FLOATS}, {"activation_beta", ONNX_FLOATS},        \
      {"clip", ONNX_FLOAT}, {"direction", ONNX_STRING}, {"hidden_size", ONNX_INT}, {"layout", ONNX_INT}, {   \
    "output_sequence", ONNX_INT, 6                                                                           \
  } /* whether Y is wanted: the outputs say that */
static const OnnxAttr attrs_lstm[] = {ATTRS_RECURRENT, {"input_forget", ONNX_INT}, {0}};
static const OnnxAttr attrs_gru[] = {ATTRS_RECURRENT, {"linear_before_reset", ONNX_INT}, {0}};
static const OnnxAttr attrs_rnn[] = {ATTRS_RECURRENT, {0}};

static const OnnxAttr attrs_qlinear_conv[] = {
    {"auto_pad", ONNX_STRING}, {"kernel_shape", ONNX_INTS}, {"strides", ONNX_INTS},      {"pads", ONNX_INTS},
    {"dilations", ONNX_INTS},  {"group", ONNX_INT},         {"channels_last", ONNX_INT}, {0}};
static const OnnxAttr attrs_qlinear_pool[] = {{"auto_pad", ONNX_STRING},   {"kernel_shape", ONNX_INTS},
                                              {"strides", ONNX_INTS},      {"pads", ONNX_INTS},
                                              {"ceil_mode", ONNX_INT},     {"count_include_pad", ONNX_INT},
                                              {"channels_last", ONNX_INT}, {0}};
static const OnnxAttr attrs_channels_last[] = {{"channels_last", ONNX_INT}, {0}};
static const OnnxAttr attrs_qlinear_softmax[] = {{"axis", ONNX_INT}, {"opset", ONNX_INT}, {0}};
static const OnnxAttr attrs_qlinear_reduce[] = {{"axes", ONNX_INTS}, {"keepdims", ONNX_INT}, {0}};
static const OnnxAttr attrs_qgemm[] = {
    {"alpha", ONNX_FLOAT}, {"transA", ONNX_INT}, {"transB", ONNX_INT}, {0}};
static const OnnxAttr attrs_qmax[] = {{"qmax", ONNX_INT}, {0}}; /* of our own function */

/* ---- operators ---- */

enum { MANY_INPUTS = 1 << 20 }; /* unlike -1, some of them may be left out */

static const OnnxOp ops[] = {
    /* name, domain, opsets, inputs, outputs, attributes, import, fold */
    {"Conv", "", 1, 0, 2, 3, 1, attrs_window, onnx_import_conv},
    {"ConvTranspose", "", 1, 0, 2, 3, 1, attrs_conv_transpose, onnx_import_conv_transpose},
    {"MaxPool", "", 1, 0, 1, 1, 2, attrs_max_pool, onnx_import_max_pool},
    {"AveragePool", "", 1, 0, 1, 1, 1, attrs_average_pool, onnx_import_average_pool},
    {"LpPool", "", 2, 0, 1, 1, 1, attrs_lp_pool, onnx_import_lp_pool},
    {"GlobalLpPool", "", 2, 0, 1, 1, 1, attrs_p, onnx_import_global_lp_pool},
    {"GlobalAveragePool", "", 1, 0, 1, 1, 1, NULL, onnx_import_global_average_pool},
    {"Upsample", "", 7, 8, 1, 1, 1, attrs_upsample, onnx_import_resize},
    {"Upsample", "", 9, 9, 2, 2, 1, attrs_upsample, onnx_import_resize},
    {"Resize", "", 10, 10, 2, 2, 1, attrs_resize, onnx_import_resize},
    {"Resize", "", 11, 0, 1, 4, 1, attrs_resize, onnx_import_resize},
    {"GlobalMaxPool", "", 1, 0, 1, 1, 1, NULL, onnx_import_global_max_pool},

    {"Gemm", "", 6, 10, 3, 3, 1, attrs_gemm, onnx_import_gemm},
    {"Gemm", "", 11, 0, 2, 3, 1, attrs_gemm, onnx_import_gemm},
    {"MatMul", "", 1, 0, 2, 2, 1, NULL, onnx_import_matmul},

    {"Relu", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Sigmoid", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Tanh", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Exp", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Log", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Sqrt", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Reciprocal", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Neg", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary, onnx_fold_unary},
    {"Abs", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary, onnx_fold_unary},
    {"Sign", "", 9, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"Floor", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Ceil", "", 1, 0, 1, 1, 1, attrs_none, onnx_import_unary},
    {"Round", "", 11, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"Erf", "", 9, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"Softplus", "", 1, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"Softsign", "", 1, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"Mish", "", 18, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"HardSwish", "", 14, 0, 1, 1, 1, NULL, onnx_import_unary},
    {"LeakyRelu", "", 1, 0, 1, 1, 1, attrs_alpha, onnx_import_alpha_beta},
    {"Elu", "", 1, 0, 1, 1, 1, attrs_alpha, onnx_import_alpha_beta},
    {"Celu", "", 12, 0, 1, 1, 1, attrs_alpha, onnx_import_alpha_beta},
    {"ThresholdedRelu", "", 10, 0, 1, 1, 1, attrs_alpha, onnx_import_alpha_beta},
    {"Selu", "", 1, 0, 1, 1, 1, attrs_selu, onnx_import_selu},
    {"HardSigmoid", "", 1, 0, 1, 1, 1, attrs_alpha_beta, onnx_import_alpha_beta},
    {"Gelu", "", 20, 0, 1, 1, 1, attrs_gelu, onnx_import_gelu},
    {"Clip", "", 1, 10, 1, 1, 1, attrs_clip, onnx_import_clip},
    {"Clip", "", 11, 0, 1, 3, 1, attrs_clip, onnx_import_clip},
    {"Add", "", 1, 0, 2, 2, 1, attrs_binary, onnx_import_binary, onnx_fold_binary},
    {"Sub", "", 1, 0, 2, 2, 1, attrs_binary, onnx_import_binary, onnx_fold_binary},
    {"Mul", "", 1, 0, 2, 2, 1, attrs_binary, onnx_import_binary, onnx_fold_binary},
    {"Div", "", 1, 0, 2, 2, 1, attrs_binary, onnx_import_binary, onnx_fold_binary},
    {"Sum", "", 1, 0, 1, -1, 1, attrs_none, onnx_import_variadic},
    {"Mean", "", 1, 0, 1, -1, 1, attrs_none, onnx_import_variadic},
    {"Max", "", 1, 0, 1, -1, 1, attrs_none, onnx_import_variadic, onnx_fold_binary},
    {"Min", "", 1, 0, 1, -1, 1, attrs_none, onnx_import_variadic, onnx_fold_binary},
    {"Pow", "", 1, 0, 2, 2, 1, attrs_binary, onnx_import_pow},
    {"Where", "", 9, 0, 3, 3, 1, NULL, onnx_import_where},
    {"PRelu", "", 1, 0, 2, 2, 1, attrs_none, onnx_import_prelu},
    {"BatchNormalization", "", 6, 0, 5, 5, 5, attrs_batch_norm, onnx_import_batch_norm},
    {"LayerNormalization", "", 17, 0, 2, 3, 3, attrs_layer_norm, onnx_import_layer_norm},
    {"GroupNormalization", "", 18, 0, 3, 3, 1, attrs_group_norm, onnx_import_group_norm},
    {"InstanceNormalization", "", 1, 0, 3, 3, 1, attrs_epsilon, onnx_import_instance_norm},
    {"LRN", "", 1, 0, 1, 1, 1, attrs_lrn, onnx_import_lrn},
    {"LpNormalization", "", 1, 0, 1, 1, 1, attrs_lp, onnx_import_lp_normalization},
    {"MeanVarianceNormalization", "", 9, 0, 1, 1, 1, attrs_mean_variance, onnx_import_mean_variance},
    {"Softmax", "", 1, 0, 1, 1, 1, attrs_axis, onnx_import_softmax},
    {"LogSoftmax", "", 1, 0, 1, 1, 1, attrs_axis, onnx_import_softmax},
    {"ReduceMean", "", 1, 17, 1, 1, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceMean", "", 18, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceSum", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce, onnx_fold_reduce},
    {"ReduceMin", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce, onnx_fold_reduce},
    {"ReduceMax", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce, onnx_fold_reduce},
    {"ReduceL1", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceL2", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceSumSquare", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceLogSum", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},
    {"ReduceLogSumExp", "", 1, 0, 1, 2, 1, attrs_reduce, onnx_import_reduce},

    {"LSTM", "", 1, 0, 3, 8, 3, attrs_lstm, onnx_import_lstm},
    {"GRU", "", 1, 0, 3, 6, 2, attrs_gru, onnx_import_gru},
    {"RNN", "", 1, 0, 3, 6, 2, attrs_rnn, onnx_import_rnn},
    {"DynamicQuantizeLSTM", "com.microsoft", 1, 0, 3, 12, 3, attrs_lstm, onnx_import_dynamic_quantize_lstm},

    {"Identity", "", 1, 0, 1, 1, 1, NULL, onnx_import_identity, onnx_fold_same_data},
    {"Dropout", "", 1, 11, 1, 1, 2, attrs_dropout, onnx_import_dropout},
    {"Dropout", "", 12, 0, 1, 3, 2, attrs_dropout, onnx_import_dropout},
    {"Cast", "", 6, 0, 1, 1, 1, attrs_cast, onnx_import_cast, onnx_fold_cast},
    {"CastLike", "", 15, 0, 2, 2, 1, attrs_saturate, onnx_import_cast, onnx_fold_cast_like, true},
    {"Flatten", "", 1, 0, 1, 1, 1, attrs_axis, onnx_import_flatten, onnx_fold_same_data},
    {"Reshape", "", 1, 4, 1, 1, 1, attrs_reshape, onnx_import_reshape, onnx_fold_same_data},
    {"Reshape", "", 5, 0, 2, 2, 1, attrs_reshape, onnx_import_reshape, onnx_fold_same_data},
    {"Squeeze", "", 1, 12, 1, 1, 1, attrs_axes, onnx_import_squeeze, onnx_fold_same_data},
    {"Squeeze", "", 13, 0, 1, 2, 1, attrs_axes, onnx_import_squeeze, onnx_fold_same_data},
    {"Unsqueeze", "", 1, 12, 1, 1, 1, attrs_axes, onnx_import_unsqueeze, onnx_fold_same_data},
    {"Unsqueeze", "", 13, 0, 2, 2, 1, attrs_axes, onnx_import_unsqueeze, onnx_fold_same_data},
    {"Transpose", "", 1, 0, 1, 1, 1, attrs_perm, onnx_import_transpose, onnx_fold_transpose},
    {"Concat", "", 1, 0, 1, -1, 1, attrs_axis, onnx_import_concat, onnx_fold_concat},
    {"Pad", "", 2, 10, 1, 1, 1, attrs_pad, onnx_import_pad},
    {"Pad", "", 11, 17, 2, 3, 1, attrs_pad, onnx_import_pad},
    {"Pad", "", 18, 0, 2, 4, 1, attrs_pad, onnx_import_pad},
    {"Slice", "", 1, 9, 1, 1, 1, attrs_slice, onnx_import_slice, onnx_fold_slice},
    {"Slice", "", 10, 0, 3, 5, 1, attrs_slice, onnx_import_slice, onnx_fold_slice},
    {"Split", "", 2, 12, 1, 1, -1, attrs_split, onnx_import_split, onnx_fold_split},
    {"Split", "", 13, 0, 1, 2, -1, attrs_split, onnx_import_split, onnx_fold_split},
    {"Gather", "", 1, 0, 2, 2, 1, attrs_axis, onnx_import_gather, onnx_fold_gather},
    {"DepthToSpace", "", 1, 0, 1, 1, 1, attrs_depth, onnx_import_depth_to_space},
    {"SpaceToDepth", "", 1, 0, 1, 1, 1, attrs_depth, onnx_import_space_to_depth},
    {"Expand", "", 8, 0, 2, 2, 1, NULL, onnx_import_expand, onnx_fold_expand},
    {"Tile", "", 6, 0, 2, 2, 1, NULL, onnx_import_tile},

    {"QuantizeLinear", "", 10, 0, 2, 3, 1, attrs_quantize, onnx_import_quantize_linear},
    {"DequantizeLinear", "", 10, 0, 2, 3, 1, attrs_dequantize, onnx_import_dequantize_linear},
    {"QuantizeLinear", "com.microsoft", 1, 0, 3, 3, 1, attrs_quantize, onnx_import_quantize_linear},
    {"DequantizeLinear", "com.microsoft", 1, 0, 3, 3, 1, attrs_dequantize, onnx_import_dequantize_linear},
    /* functions that -emit onnx writes */
    {"Gelu", ONNX_FUNCTION_DOMAIN, 1, 0, 1, 1, 1, NULL, onnx_import_gelu},
    {"GeluTanh", ONNX_FUNCTION_DOMAIN, 1, 0, 1, 1, 1, NULL, onnx_import_gelu},
    {"DynamicQuantizeLinear", ONNX_FUNCTION_DOMAIN, 1, 0, 1, 1, 3, attrs_qmax,
     onnx_import_dynamic_quantize_linear},
    {"GroupNormalization", ONNX_FUNCTION_DOMAIN, 1, 0, 3, 3, 1, attrs_group_norm, onnx_import_group_norm},
    {"Mish", ONNX_FUNCTION_DOMAIN, 1, 0, 1, 1, 1, NULL, onnx_import_unary},

    {"QLinearConv", "", 10, 0, 8, 9, 1, attrs_window, onnx_import_qlinear_conv},
    {"QLinearMatMul", "", 10, 0, 8, 8, 1, NULL, onnx_import_qlinear_matmul},
    {"QLinearConv", "com.microsoft", 1, 0, 8, 9, 1, attrs_qlinear_conv, onnx_import_qlinear_conv},
    {"QGemm", "com.microsoft", 1, 0, 2, 9, 1, attrs_qgemm, onnx_import_qgemm},
    {"QLinearAdd", "com.microsoft", 1, 0, 2, 8, 1, NULL, onnx_import_qlinear_add},
    {"QLinearMul", "com.microsoft", 1, 0, 2, 8, 1, NULL, onnx_import_qlinear_mul},
    {"QLinearConcat", "com.microsoft", 1, 0, 1, MANY_INPUTS, 1, attrs_axis, onnx_import_qlinear_concat},
    {"QLinearSigmoid", "com.microsoft", 1, 0, 2, 5, 1, NULL, onnx_import_qlinear_sigmoid},
    {"QLinearLeakyRelu", "com.microsoft", 1, 0, 2, 5, 1, attrs_alpha, onnx_import_qlinear_leaky_relu},
    {"QLinearSoftmax", "com.microsoft", 1, 0, 2, 5, 1, attrs_qlinear_softmax, onnx_import_qlinear_softmax},
    {"QLinearAveragePool", "com.microsoft", 1, 0, 2, 5, 1, attrs_qlinear_pool,
     onnx_import_qlinear_average_pool},
    {"QLinearGlobalAveragePool", "com.microsoft", 1, 0, 2, 5, 1, attrs_channels_last,
     onnx_import_qlinear_global_average_pool},
    {"QLinearReduceMean", "com.microsoft", 1, 0, 2, 5, 1, attrs_qlinear_reduce,
     onnx_import_qlinear_reduce_mean},
    {"DynamicQuantizeLinear", "", 11, 0, 1, 1, 3, NULL, onnx_import_dynamic_quantize_linear},
    {"ConvInteger", "", 10, 0, 2, 4, 1, attrs_window, onnx_import_conv_integer},
    {"MatMulInteger", "", 10, 0, 2, 4, 1, NULL, onnx_import_matmul_integer},
    {"MatMulIntegerToFloat", "com.microsoft", 1, 0, 4, 7, 1, NULL, onnx_import_matmul_integer_to_float},
    {"DynamicQuantizeMatMul", "com.microsoft", 1, 0, 3, 5, 1, NULL, onnx_import_dynamic_quantize_matmul},

    /* of constants alone */
    {"Constant", "", 1, 0, 0, 0, 1, attrs_constant, NULL, onnx_fold_constant},
    {"ConstantOfShape", "", 9, 0, 1, 1, 1, attrs_value, NULL, onnx_fold_constant_of_shape},
    {"Shape", "", 1, 0, 1, 1, 1, attrs_shape, NULL, onnx_fold_shape, true},
    {"Size", "", 1, 0, 1, 1, 1, NULL, NULL, onnx_fold_size, true},
    {"Mod", "", 10, 0, 2, 2, 1, attrs_mod, NULL, onnx_fold_binary},
    {"Equal", "", 7, 0, 2, 2, 1, NULL, NULL, onnx_fold_binary},
    {"Less", "", 7, 0, 2, 2, 1, NULL, NULL, onnx_fold_binary},
    {"Greater", "", 7, 0, 2, 2, 1, NULL, NULL, onnx_fold_binary},
    {"ReduceProd", "", 1, 0, 1, 2, 1, attrs_reduce, NULL, onnx_fold_reduce},
    {"Range", "", 11, 0, 3, 3, 1, NULL, NULL, onnx_fold_range},
};

const OnnxOp *onnx_find_op(const char *name, const char *domain, int64_t opset, const OnnxOp **other) {
  *other = NULL;
  if (!strcmp(domain, "ai.onnx")) domain = "";
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    const OnnxOp *op = &ops[i];
    if (strcmp(op->name, name) || strcmp(op->domain, domain)) continue;
    if (op->min_opset <= opset && (!op->max_opset || opset <= op->max_opset)) return op;
    *other = op;
  }
  return NULL;
}

/* ---- one node ---- */

SrcLoc onnx_node_loc(const OnnxImporter *im, const Onnx__NodeProto *p) {
  const char *name = onnx_str(p->name);
  for (size_t i = 0; i < p->n_output && !*name; i++) name = onnx_str(p->output[i]);
  return (SrcLoc){.source = im->source,
                  .path = arena_printf(im->arena, "node '%s' (%s)", onnx_shown(im->arena, name),
                                       onnx_shown(im->arena, p->op_type))};
}

/* The opset of the node's domain; 0 where the model imports none. */
static int64_t domain_opset(const OnnxImporter *im, const char *domain) {
  if (!*domain || !strcmp(domain, "ai.onnx")) return im->opset;
  for (size_t i = 0; i < im->model->n_opset_import; i++)
    if (!strcmp(onnx_str(im->model->opset_import[i]->domain), domain))
      return im->model->opset_import[i]->version;
  return 0;
}

static const Onnx__FunctionProto *local_function(const OnnxImporter *im, const char *name,
                                                 const char *domain) {
  for (size_t i = 0; i < im->model->n_functions; i++)
    if (!strcmp(onnx_str(im->model->functions[i]->name), name) &&
        !strcmp(onnx_str(im->model->functions[i]->domain), domain))
      return im->model->functions[i];
  return NULL;
}

/* Functions are compared once, not for every node that calls them. */
static bool is_ours(OnnxImporter *im, const Onnx__FunctionProto *f) {
  const char *key = arena_printf(im->arena, "%p", (const void *)f);
  if (!im->functions) im->functions = strmap_new(im->arena);
  if (!strmap_get(im->functions, key))
    strmap_put(im->functions, key, onnx_function_is_ours(im->arena, f) ? (void *)im : (void *)f);
  return strmap_get(im->functions, key) == im;
}

/* Each operator once, with the number of nodes that have it. Always false. */
static bool unsupported(OnnxNode *n, const char *name, const char *domain) {
  Arena *a = n->im->arena;
  const char *key = arena_printf(a, "%s.%s", domain, name), *count = "";
  size_t nodes = 0;
  if (!n->im->unknown) n->im->unknown = strmap_new(a);
  if (strmap_get(n->im->unknown, key)) return false;
  strmap_put(n->im->unknown, key, n);
  for (size_t i = 0; i < n->im->proto->n_node; i++) {
    const Onnx__NodeProto *p = n->im->proto->node[i];
    nodes += !strcmp(onnx_str(p->op_type), name) && !strcmp(onnx_str(p->domain), domain);
  }
  if (nodes > 1) count = arena_printf(a, " (%zu nodes)", nodes);
  if (*domain)
    return onnx_error(n, "operator '%s' of the domain '%s' is not supported%s; -custom FILE.c adds operators",
                      onnx_shown(a, name), onnx_shown(a, domain), count);
  return onnx_error(n, "operator '%s' is not supported%s", onnx_shown(a, name), count);
}

static bool find_row(OnnxNode *n) {
  const char *name = onnx_str(n->proto->op_type), *domain = onnx_str(n->proto->domain);
  const char *shown = onnx_shown(n->im->arena, name), *shown_domain = onnx_shown(n->im->arena, domain);
  const OnnxOp *other;
  const Onnx__FunctionProto *function = local_function(n->im, name, domain);
  n->opset = domain_opset(n->im, domain);
  n->op = onnx_custom_row(n->im, name, domain);
  if (n->op) return true;
  if (function ? !is_ours(n->im, function) : !strcmp(domain, ONNX_FUNCTION_DOMAIN))
    return function ? onnx_error(n, "'%s' is a function of the model; functions are not supported", shown)
                    : unsupported(n, name, domain);
  n->op = onnx_find_op(name, domain, n->opset, &other);
  if (n->op) return true;
  if (other && !n->opset) return onnx_error(n, "the model imports no opset of the domain '%s'", shown_domain);
  if (other)
    return onnx_error(n, "operator '%s' of opset %lld is not supported; it is from opset %d on", shown,
                      (long long)n->opset, other->min_opset);
  return unsupported(n, name, domain);
}

static bool check_counts(OnnxNode *n) {
  const OnnxOp *op = n->op;
  int inputs = (int)n->proto->n_input, outputs = (int)n->proto->n_output;
  while (inputs > 0 && !onnx_has_input(n, inputs - 1)) inputs--;
  for (int i = 0; i < op->min_inputs || (op->max_inputs < 0 && i < (int)n->proto->n_input); i++)
    if (!onnx_has_input(n, i)) return onnx_error(n, "input %d of %s is missing", i, op->name);
  if (op->max_inputs >= 0 && inputs > op->max_inputs)
    return onnx_error(n, "%s of opset %lld takes at most %d inputs, not %d", op->name, (long long)n->opset,
                      op->max_inputs, inputs);
  if (op->max_outputs >= 0 && outputs > op->max_outputs)
    return onnx_error(n, "%s has at most %d outputs, not %d", op->name, op->max_outputs, outputs);
  return true;
}

/* Whether every input is constant. *usable: none is erroneous or of a type that the IR has not. */
static bool check_inputs(OnnxNode *n, bool *usable) {
  bool constant = true;
  *usable = true;
  for (int i = 0; i < (int)n->proto->n_input && *usable; i++) {
    if (!onnx_has_input(n, i)) continue;
    const OnnxValue *v = onnx_input(n, i);
    if (v->bad) {
      *usable = false; /* reported where it came up */
    } else if (v->doubles && n->op->fold == onnx_fold_cast) {
      continue;
    } else if (!v->data && v->elem) {
      *usable = onnx_error(n, "input %d, '%s', has element type %s, which is not supported", i,
                           onnx_shown(n->im->arena, v->name), onnx_elem_name(v->elem));
    } else if (!v->data) {
      constant = false;
    }
  }
  return constant;
}

static bool constants_only(const OnnxNode *n) {
  for (int i = 0; i < (int)n->proto->n_input; i++)
    if (onnx_has_input(n, i) && !onnx_input(n, i)->data)
      return onnx_error(n, "operator '%s' is supported for constants only; '%s' is computed", n->op->name,
                        onnx_shown(n->im->arena, n->proto->input[i]));
  return onnx_error(n, "operator '%s' is not supported for constants of these types", n->op->name);
}

bool onnx_import_node(OnnxImporter *im, const Onnx__NodeProto *proto) {
  OnnxNode n = {.im = im, .proto = proto, .loc = onnx_node_loc(im, proto)};
  bool usable;
  if (!find_row(&n) || !check_counts(&n) || !onnx_check_attrs(&n)) return false;
  bool constant = check_inputs(&n, &usable);
  if (!usable || !onnx_check_index_inputs(&n)) return false;
  if (n.op->fold && (constant || n.op->fold_always)) {
    OnnxFold fold = n.op->fold(&n);
    if (fold != FOLD_NO) return fold == FOLD_DONE;
  }
  return n.op->import ? n.op->import(&n) : constants_only(&n);
}

/* The import functions of the operators, by family; onnx_ops.c lists them in its table. */
#ifndef QCC_COMPILER_ONNX_OPS_H
#define QCC_COMPILER_ONNX_OPS_H

#include "compiler/onnx_import.h"

/* onnx_op_window.c: what slides a window */
bool onnx_import_conv(OnnxNode *n);
bool onnx_import_max_pool(OnnxNode *n);
bool onnx_import_average_pool(OnnxNode *n);
bool onnx_import_lp_pool(OnnxNode *n);
/* A pool over an operand that is at hand already (QLinearAveragePool). */
Tensor *onnx_emit_pool(OnnxNode *n, const char *name, Tensor *x, bool maximum);
/* Conv over operands that are at hand already (QLinearConv); `name`: of the result. NULL after a diagnostic.
 */
Tensor *onnx_emit_conv(OnnxNode *n, const char *name, Tensor *x, Tensor *w, Tensor *bias);

/* The attributes of a Conv or ConvInteger. False after a diagnostic. */
bool onnx_conv_attrs(const OnnxNode *n, const Tensor *x, const Tensor *w, const Tensor *bias,
                     ConvAttrs *attrs);

/* onnx_op_integer.c: quantized at run time */
bool onnx_import_dynamic_quantize_linear(OnnxNode *n);
bool onnx_import_conv_integer(OnnxNode *n);
bool onnx_import_matmul_integer(OnnxNode *n);
bool onnx_import_matmul_integer_to_float(OnnxNode *n);
bool onnx_import_dynamic_quantize_matmul(OnnxNode *n);

/* onnx_op_conv_transpose.c */
bool onnx_import_conv_transpose(OnnxNode *n);

/* onnx_op_resize.c */
bool onnx_import_resize(OnnxNode *n);

/* onnx_op_dense.c: matrix products */
bool onnx_import_gemm(OnnxNode *n);
bool onnx_import_matmul(OnnxNode *n);
/* An Add that is the bias of the MatMul before it joins that layer: *done. False after a diagnostic. */
bool onnx_import_bias(OnnxNode *n, bool *done);
/* MatMul over operands that are at hand already (QLinearMatMul). */
Tensor *onnx_emit_matmul(OnnxNode *n, const char *name, Tensor *a, Tensor *b);
/* Parts of Gemm for QGemm: two matrices that can be multiplied; B as the weight [N, K] of a linear layer,
 * times alpha. */
bool onnx_gemm_shapes(const OnnxNode *n, const Shape *a, const Shape *b, bool trans_a, bool trans_b);
Tensor *onnx_gemm_weight(OnnxNode *n, Tensor *b, bool trans_b, float alpha);

/* onnx_op_math.c: element by element */
bool onnx_import_unary(OnnxNode *n);
bool onnx_import_alpha_beta(OnnxNode *n);
bool onnx_import_selu(OnnxNode *n);
bool onnx_import_gelu(OnnxNode *n);
bool onnx_import_clip(OnnxNode *n);
bool onnx_import_binary(OnnxNode *n);
bool onnx_import_variadic(OnnxNode *n);
bool onnx_import_pow(OnnxNode *n);
bool onnx_import_prelu(OnnxNode *n);
bool onnx_import_where(OnnxNode *n);
bool onnx_import_batch_norm(OnnxNode *n);

/* onnx_op_norm.c */
bool onnx_import_layer_norm(OnnxNode *n);
bool onnx_import_group_norm(OnnxNode *n);
bool onnx_import_instance_norm(OnnxNode *n);
bool onnx_import_lrn(OnnxNode *n);
bool onnx_import_lp_normalization(OnnxNode *n);
bool onnx_import_mean_variance(OnnxNode *n);

/* onnx_op_reduce.c: one value of many */
bool onnx_import_softmax(OnnxNode *n);
/* Over an operand that is at hand already, with the meaning of that opset of the default domain. */
Tensor *onnx_emit_softmax(OnnxNode *n, OpId op, const char *name, Tensor *x, int64_t opset);
bool onnx_import_reduce(OnnxNode *n);
bool onnx_import_global_average_pool(OnnxNode *n);
bool onnx_import_global_max_pool(OnnxNode *n);
bool onnx_import_global_lp_pool(OnnxNode *n);

/* onnx_op_recurrent.c */
bool onnx_import_lstm(OnnxNode *n);
bool onnx_import_gru(OnnxNode *n);
bool onnx_import_rnn(OnnxNode *n);
bool onnx_import_dynamic_quantize_lstm(OnnxNode *n);

/* onnx_op_shape.c: what only moves values */
bool onnx_import_identity(OnnxNode *n);
bool onnx_import_dropout(OnnxNode *n);
bool onnx_import_cast(OnnxNode *n);
bool onnx_import_flatten(OnnxNode *n);
bool onnx_import_reshape(OnnxNode *n);
bool onnx_import_squeeze(OnnxNode *n);
bool onnx_import_unsqueeze(OnnxNode *n);
bool onnx_import_transpose(OnnxNode *n);
bool onnx_import_concat(OnnxNode *n);
bool onnx_import_pad(OnnxNode *n);
bool onnx_import_slice(OnnxNode *n);
bool onnx_import_split(OnnxNode *n);

/* onnx_op_move.c: what picks, repeats and regroups elements */
bool onnx_import_gather(OnnxNode *n);
bool onnx_import_depth_to_space(OnnxNode *n);
bool onnx_import_space_to_depth(OnnxNode *n);
bool onnx_import_expand(OnnxNode *n);
bool onnx_import_tile(OnnxNode *n);

/* Shape arithmetic that both the import and the folding of constants need. Each reports what is wrong. */
bool onnx_reshaped(const OnnxNode *n, const Shape *from, Shape *to);
bool onnx_squeezed(const OnnxNode *n, const Shape *from, Shape *to);
bool onnx_unsqueezed(const OnnxNode *n, const Shape *from, Shape *to);
bool onnx_flattened(const OnnxNode *n, const Shape *from, Shape *to);
bool onnx_permutation(const OnnxNode *n, int rank, int perm[MAX_RANK]);
bool onnx_concat_axis(const OnnxNode *n, int rank, int *axis);
bool onnx_slice_ranges(const OnnxNode *n, const Shape *from, SliceAttrs *s, Shape *to);
bool onnx_split_sizes(const OnnxNode *n, const Shape *from, int *axis, int64_t **sizes);

/* onnx_op_quant.c */
bool onnx_import_quantize_linear(OnnxNode *n);
bool onnx_import_dequantize_linear(OnnxNode *n);

/* onnx_op_qlinear.c */
bool onnx_import_qlinear_conv(OnnxNode *n);
bool onnx_import_qlinear_matmul(OnnxNode *n);
bool onnx_import_qgemm(OnnxNode *n);
bool onnx_import_qlinear_add(OnnxNode *n);
bool onnx_import_qlinear_mul(OnnxNode *n);
bool onnx_import_qlinear_sigmoid(OnnxNode *n);
bool onnx_import_qlinear_leaky_relu(OnnxNode *n);
bool onnx_import_qlinear_global_average_pool(OnnxNode *n);
bool onnx_import_qlinear_average_pool(OnnxNode *n);
bool onnx_import_qlinear_reduce_mean(OnnxNode *n);
bool onnx_import_qlinear_softmax(OnnxNode *n);
bool onnx_import_qlinear_concat(OnnxNode *n);

/* onnx_op_own.c: nodes that -emit onnx wrote for one op */
bool onnx_is_own_silu(const OnnxNode *n);
bool onnx_import_own_silu(OnnxNode *n);
/* The clamp becomes that of the op before it. False, and nothing has changed, where it is not one of that
 * kind. */
bool onnx_import_own_clamp(OnnxNode *n, float min, float max);

/* onnx_op_table.c: integers that look up a table */
bool onnx_is_lookup(const OnnxNode *n); /* a Gather of that kind */
bool onnx_import_lookup(OnnxNode *n);
bool onnx_import_index_cast(OnnxNode *n, DType to);
bool onnx_is_index_add(const OnnxNode *n);
bool onnx_import_index_add(OnnxNode *n);
/* Such integers go nowhere else. */
bool onnx_check_index_inputs(const OnnxNode *n);

/* onnx_const.c: constants of any element type, moved */
OnnxFold onnx_fold_constant(OnnxNode *n);
OnnxFold onnx_fold_constant_of_shape(OnnxNode *n);
OnnxFold onnx_fold_shape(OnnxNode *n);
OnnxFold onnx_fold_size(OnnxNode *n);
OnnxFold onnx_fold_same_data(OnnxNode *n); /* Identity, Reshape, Flatten, Squeeze, Unsqueeze */
OnnxFold onnx_fold_transpose(OnnxNode *n);
OnnxFold onnx_fold_concat(OnnxNode *n);
OnnxFold onnx_fold_slice(OnnxNode *n);
OnnxFold onnx_fold_split(OnnxNode *n);
OnnxFold onnx_fold_gather(OnnxNode *n);
OnnxFold onnx_fold_expand(OnnxNode *n);
/* onnx_const_math.c: arithmetic on integer constants; floating point is left to the reference kernels */
OnnxFold onnx_fold_cast(OnnxNode *n);
OnnxFold onnx_fold_cast_like(OnnxNode *n);
/* The ONNX element type that Cast or CastLike casts to. */
int64_t onnx_cast_target(const OnnxNode *n);
OnnxFold onnx_fold_binary(OnnxNode *n);
OnnxFold onnx_fold_unary(OnnxNode *n);
OnnxFold onnx_fold_reduce(OnnxNode *n);
OnnxFold onnx_fold_range(OnnxNode *n);

#endif

/* Quantized inputs and results of ONNX nodes: what the operators of onnx_op_quant.c and onnx_op_qlinear.c
 * share. */
#ifndef QCC_COMPILER_ONNX_QUANT_H
#define QCC_COMPILER_ONNX_QUANT_H

#include "compiler/onnx_ops.h"

/* What a pair of scale and zero point inputs says about a tensor. */
typedef struct {
  const char *what; /* for messages: "y", "x" */
  int scale, zero;  /* input numbers; zero -1: there is no such input */
  DType absent;     /* of a result without a zero point; DT_NONE: u8 */
} OnnxParams;

/* Input i as the integers that these parameters explain. NULL after a diagnostic. */
Tensor *onnx_quantized_operand(OnnxNode *n, int i, const Quant *quant);
/* Reads the parameters of input i, one pair or one for each index of `axis`, and the input by them, as
 * float32. NULL after a diagnostic. */
Tensor *onnx_dequantized_operand(OnnxNode *n, const char *name, int i, const OnnxParams *p, int64_t axis,
                                 bool s32_too);
/* The float32 tensor x (NULL: its error has been reported) by the parameters of the result. */
Tensor *onnx_emit_quantize(OnnxNode *n, const char *name, Tensor *x, const OnnxParams *p, int64_t axis);

#endif

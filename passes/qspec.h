/* What a tensor is quantized to, and the scale and zero point that a range gives there: PyTorch's
 * UniformQuantizationObserverBase (torch/ao/quantization/observer.py) and TensorRT's symmetric scheme, which
 * is the case quant_min = -127. All arithmetic is single precision. */
#ifndef QCC_PASSES_QSPEC_H
#define QCC_PASSES_QSPEC_H

#include "ir/type.h"

typedef struct QuantSpec {
  DType dtype;    /* DT_U8, DT_S8; DT_S32: bias; DT_F16: stored as half (weights); DT_F32: not quantized */
  bool symmetric; /* zero point 0 (s8, s32), or the middle (u8: 128); otherwise affine */
  bool per_channel;
  int ch_axis; /* per_channel: of the observed tensor; a weight's output channels are axis 0 */
  int32_t quant_min, quant_max; /* within the dtype's range, quant_min < quant_max; reduce_range is applied.
                                   They set the scale; values may use the dtype's whole range */
  bool custom_range; /* quant_min and quant_max were given: a symmetric u8 then has the middle between them
                        for zero point, 127 and not 128 even for 0 and 255 */
  float eps;         /* the least scale, >= 0; 0: whatever is a normal number */
} QuantSpec;

/* The spec of a dtype with its whole range, or half of it (not of s32): affine, per tensor, PyTorch's eps of
 * 2^-23. */
QuantSpec qspec_of(DType dtype, bool reduce_range);

/* The same with limits of the user's own, which reduce_range halves, rounding down: -127 becomes -64. */
QuantSpec qspec_custom(DType dtype, int32_t quant_min, int32_t quant_max, bool reduce_range);

/* Affine: [lo, hi] widened to hold 0, scale = max((hi - lo) / (qmax - qmin), eps), zero = clamp(qmin - rne(lo
 * / scale)). Symmetric: scale = max(max(-lo, hi) / ((qmax - qmin) / 2), eps). False where the scale would not
 * be a positive normal number (rule 3 of docs/numerics.md): the range is empty and eps is 0. lo and hi are
 * finite, lo <= hi. */
bool qspec_params(const QuantSpec *q, float lo, float hi, float *scale, int32_t *zero);

/* PyTorch's per_channel_affine_float_qparams (tables of embeddings): scale = (hi - lo) / (qmax - qmin), 1
 * where that is not above eps, and a zero point that stays a real number, -lo / scale. */
void qspec_float_params(const QuantSpec *q, float lo, float hi, float *scale, float *zero);

#endif

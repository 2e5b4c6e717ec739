/* The derivations of docs/numerics.md: multipliers, clamps, tables, fixed-point factors. They live here once;
 * the interpreter and the generators both take their numbers from them and share nothing else. */
#ifndef QCC_IR_QUANT_H
#define QCC_IR_QUANT_H

#include "ir/graph.h"

/* Round to nearest, ties to even, of a value within the range of int64_t. */
int64_t rne(double v);

/* Rule 1. q = rne(clamp(x / s, qmin - z, qmax - z)) + z; NaN gives qmin, infinities saturate. */
int32_t quantize_value(float x, float scale, int32_t zero, int32_t qmin, int32_t qmax);
/* Rule 2. */
float dequantize_value(int32_t q, float scale, int32_t zero);

/* Rule 3: positive, finite, normal. */
bool scale_is_valid(float s);

/* Rule 6: m = (s_in * s_w) / s_out with two float roundings. False where m breaks rule 3. */
bool requant_multiplier(float s_in, float s_w, float s_out, float *m);
/* Rule 6: q = rne(clamp((float)acc * m, lo - z, hi - z)) + z. */
int32_t requantize_value(int32_t acc, float m, int32_t zero, int32_t lo, int32_t hi);
/* The same for sums that may leave s32 (rule 5, imported weights): the 64-bit sum is exact and is converted
 * to float once, so wherever it fits s32 both functions agree. */
int32_t requantize_wide(int64_t acc, float m, int32_t zero, int32_t lo, int32_t hi);

/* Rule 11: m = s_in / (s_out * (float)n), two float roundings. False where m breaks rule 3. */
bool pool_multiplier(float s_in, float s_out, int64_t n, float *m);

/* Rule 7: the output range [lo, hi] of a quantized tensor after the fused clamp [act_min, act_max] (real
 * values; -inf, inf: none). lo <= hi always holds. */
void activation_range(const Type *t, float act_min, float act_max, int32_t *lo, int32_t *hi);

/* Rule 8, for add and sub. False where no S in [0, 30] fits. */
typedef struct {
  int32_t m_a, m_b; /* |m| <= 32767; sub: m_b is negated already */
  int shift;        /* S */
} FixedAdd;
bool fixed_add_derive(float s_a, float s_b, float s_out, bool subtract, FixedAdd *f);
/* y = clamp((((a - z_a) * m_a + (b - z_b) * m_b + 2^(S-1)) >> S) + z_out, lo, hi); for S = 0 nothing is
 * added. */
int32_t fixed_add_value(const FixedAdd *f, int32_t a_minus_za, int32_t b_minus_zb, int32_t zero, int32_t lo,
                        int32_t hi);

/* Rule 14: scale and zero point of u8 values in [0, qmax], qmax 255 or 127, for activations that lie in
 * [lo, hi]. The range is widened to hold 0; what is infinite counts as the largest float, NaN as 0. The scale
 * is a normal number always.
 * DYNAMIC_ATEN: PyTorch's ChooseQuantizationParams, in double (ATen/native/quantized/cpu/QuantUtils.h).
 * DYNAMIC_ONNX: ONNX's DynamicQuantizeLinear, in float32. */
typedef enum { DYNAMIC_ATEN, DYNAMIC_ONNX } DynamicRule;
void dynamic_params(float lo, float hi, DynamicRule rule, int32_t qmax, float *scale, int32_t *zero);

/* Rule 4: bias. False where it leaves s32. */
bool quantize_bias(float b, float s_in, float s_w, int32_t *q);

/* Rule 10: table[i] is q = qmin + i of the type `in`, rescaled to the type `out`. */
void rescale_table(const Type *in, const Type *out, int32_t table[256]);

/* Rule 10: table[i] is the result for q = qmin + i of the operand's element type, through `n`'s unary
 * function (requantize: identity). `in` and `out` are the quantized operand and result types. */
void unary_table(const Node *n, const Type *in, const Type *out, int32_t table[256]);

#endif

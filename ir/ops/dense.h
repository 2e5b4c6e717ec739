/* What conv2d, linear and the arithmetic ops share: the checks of their operands' types, and the fused
 * activation. */
#ifndef QCC_IR_OPS_DENSE_H
#define QCC_IR_OPS_DENSE_H

#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

extern const AttrDesc act_attrs[];  /* of ActAttrs */
extern const ActAttrs act_defaults; /* no activation */

/* act_min <= act_max, neither NaN. */
bool act_check(Diag *d, const Node *n, float act_min, float act_max);
/* The fused activation of a float result: nothing at all for (-inf, inf), so that NaN passes; else
 * ref_clamp. In place. */
void act_float(float *v, int64_t count, float act_min, float act_max);

/* The operand [..., IC] and the weight [OC, IC] go together; *result is [..., OC]. */
bool linear_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result);
/* [..., M, K] x [..., K, N], leading dims broadcast. */
bool matmul_check(Diag *d, const Node *n, const Shape *a, const Shape *b, Shape *result);

/* The first `count` operands are all f32 or all u8/s8 quantized per tensor; no mixtures. */
bool infer_same_kind(Diag *d, const Node *n, int count);

/* Operand i is a quantized s8 or u8 weight of `oc` output channels: per tensor, or per channel on axis 0. */
bool dense_check_weight(Diag *d, const Node *n, int i, int64_t oc);
/* Operand i, where it is given, is a bias [oc] of that element type. */
bool dense_check_bias(Diag *d, const Node *n, int i, int64_t oc, DType want);

/* x (operand 0), weight (1), bias (2, may be absent) of a linear op with `oc` output channels. x f32: weight
 * f32, f16 or quantized s8/u8, bias f32. x u8/s8 per tensor: weight quantized s8/u8, bias s32. Sets the
 * result's dtype. For a result that has its type already, the multipliers are checked (rules 3 and 6). */
bool dense_check_types(Diag *d, const Node *n, int64_t oc, Type *result);

#endif

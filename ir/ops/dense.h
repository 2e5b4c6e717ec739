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

/* The first `count` operands are all f32 or all u8/s8 quantized per tensor; no mixtures. */
bool infer_same_kind(Diag *d, const Node *n, int count);

/* x (operand 0), weight (1), bias (2, may be absent) of a linear op with `oc` output channels: all f32, or x
 * u8/s8 per tensor, weight s8/u8 per tensor or per channel on axis 0, bias s32. Checks the bias's shape too.
 * Sets the result's dtype. For a result that has its type already, the multipliers are checked (rules 3 and
 * 6). */
bool dense_check_types(Diag *d, const Node *n, int64_t oc, Type *result);

#endif

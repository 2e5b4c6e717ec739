/* softmax(%x) { axis }, in float only, by rule 12: e = exp(x - max), result e / sum16(e), true division;
 * log_softmax(%x) { axis }: (x - max) - log(sum16(e)). */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/refmath.h"

#include <math.h>

static bool infer_softmax(Diag *d, Node *n, Type *results) {
  AxisAttrs *a = ATTRS(n, AxisAttrs);
  const Type *x = &n->operands[0]->type;
  if (x->dtype != DT_F32)
    return diag_error(d, node_loc(n), "%s has no integer form: its operand must be f32, not %s",
                      op_info[n->op]->name, type_text(d->arena, x));
  if (!infer_axis(d, n, &a->axis, x->shape.rank, x->shape.rank)) return false;
  results[0] = *x;
  return true;
}

/* The maximum passes over NaN, whatever the order; its exp then makes the whole row NaN. */
static void softmax_row(const float *x, float *y, int64_t n, int64_t stride, bool logarithm) {
  float max = -INFINITY;
  for (int64_t i = 0; i < n; i++) max = ref_max(x[i * stride], max);
  for (int64_t i = 0; i < n; i++) y[i * stride] = ref_exp(x[i * stride] - max);
  float sum = ref_sum16(y, (long)n, (long)stride);
  float log_sum = ref_log(sum);
  for (int64_t i = 0; i < n; i++)
    y[i * stride] = logarithm ? (x[i * stride] - max) - log_sum : y[i * stride] / sum;
}

static void eval_softmax(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Shape *s = &n->operands[0]->type.shape;
  int64_t axis = ATTRS(n, AxisAttrs)->axis, inner = 1;
  for (int i = (int)axis + 1; i < s->rank; i++) inner *= s->dim[i];
  int64_t block = s->dim[axis] * inner, count = shape_count(s);
  for (int64_t o = 0; o < count; o += block)
    for (int64_t i = 0; i < inner; i++)
      softmax_row((const float *)in[0] + o + i, (float *)out[0] + o + i, s->dim[axis], inner,
                  n->op == OP_log_softmax);
}

static const AxisAttrs softmax_defaults = {.axis = -1};
static const AttrDesc softmax_attrs[] = {{"axis", ATTR_INT, offsetof(AxisAttrs, axis)}, {0}};

#define SOFTMAX(op)                                                                                          \
  .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .attrs_size = sizeof(AxisAttrs),        \
  .attr_defaults = &softmax_defaults, .attrs = softmax_attrs, .quant = QUANT_FLOAT, .infer = infer_softmax,  \
  .eval = eval_softmax

const OpInfo op_softmax = {SOFTMAX(softmax), .fixed_scale = 1.0f / 256};
const OpInfo op_log_softmax = {SOFTMAX(log_softmax)};

/* clamp(%q) { min, max }: min(max(q, min), max) of the integers themselves; the result has the operand's
 * type. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

static bool infer_clamp(Diag *d, Node *n, Type *results) {
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  const Type *q = &n->operands[0]->type;
  if ((q->dtype != DT_U8 && q->dtype != DT_S8) || !q->quant)
    return diag_error(d, node_loc(n), "operand 1 of clamp must be quantized u8 or s8, not %s",
                      type_text(d->arena, q));
  if (a->min > a->max)
    return diag_error(d, node_loc(n), "clamp: min %lld is above max %lld", (long long)a->min,
                      (long long)a->max);
  if (a->min < dtype_info[q->dtype].min || a->max > dtype_info[q->dtype].max)
    return diag_error(d, node_loc(n), "clamp: %lld to %lld leaves the range of %s", (long long)a->min,
                      (long long)a->max, dtype_info[q->dtype].name);
  results[0] = *q;
  return true;
}

static void eval_clamp(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  const Type *t = &n->operands[0]->type;
  for (int64_t i = 0, count = shape_count(&t->shape); i < count; i++) {
    uint8_t byte = ((const uint8_t *)in[0])[i];
    int64_t q = t->dtype == DT_S8 ? (int8_t)byte : byte;
    ((uint8_t *)out[0])[i] = (uint8_t)(q < a->min ? a->min : q > a->max ? a->max : q);
  }
}

static const ClampAttrs clamp_defaults = {0, 127};
static const AttrDesc clamp_attrs[] = {
    {"min", ATTR_INT, offsetof(ClampAttrs, min)}, {"max", ATTR_INT, offsetof(ClampAttrs, max)}, {0}};

const OpInfo op_clamp = {.name = "clamp",
                         .min_operands = 1,
                         .max_operands = 1,
                         .n_results = 1,
                         .attrs_size = sizeof(ClampAttrs),
                         .attr_defaults = &clamp_defaults,
                         .attrs = clamp_attrs,
                         .quant = QUANT_CONVERT,
                         .infer = infer_clamp,
                         .eval = eval_clamp};

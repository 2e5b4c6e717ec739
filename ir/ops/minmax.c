/* max, min(%a, %b) with NumPy broadcasting: a > b ? a : b, a < b ? a : b, so NaN as %a gives %b. Quantized
 * operands whose parameters differ from the result's are rescaled by rule 10, then compared as integers. */
#include "ir/ops/broadcast.h"
#include "ir/ops/dense.h"
#include "ir/quant.h"
#include "ir/refmath.h"

static bool infer_minmax(Diag *d, Node *n, Type *results) {
  const Type *a = &n->operands[0]->type, *b = &n->operands[1]->type;
  if (!infer_same_kind(d, n, 2)) return false;
  if (!shape_broadcast(&a->shape, &b->shape, &results[0].shape))
    return diag_error(d, node_loc(n), "%s: the shapes %s and %s do not broadcast", op_info[n->op]->name,
                      shape_text(d->arena, &a->shape), shape_text(d->arena, &b->shape));
  return infer_real_result(d, n, &results[0]);
}

static float chosen(const Node *n, float a, float b) {
  return n->op == OP_max ? ref_max(a, b) : ref_min(a, b);
}

/* Element i of an operand as a value of the result's type. */
static int32_t rescaled(const Type *t, const void *data, int64_t i, const int32_t table[256]) {
  return table[((const uint8_t *)data)[i] ^ (t->dtype == DT_S8 ? 0x80 : 0)];
}

static void eval_minmax(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *a = &n->operands[0]->type, *b = &n->operands[1]->type, *y = &n->results[0]->type;
  int64_t stride_a[MAX_RANK + 1] = {0}, stride_b[MAX_RANK + 1] = {0};
  int32_t table_a[256], table_b[256];
  broadcast_strides(&a->shape, &y->shape, stride_a);
  broadcast_strides(&b->shape, &y->shape, stride_b);
  if (y->quant) {
    rescale_table(a, y, table_a);
    rescale_table(b, y, table_b);
  }
  for (int64_t i = 0, count = shape_count(&y->shape); i < count; i++) {
    int64_t ia = broadcast_offset(&y->shape, stride_a, i), ib = broadcast_offset(&y->shape, stride_b, i);
    if (y->quant) {
      int32_t qa = rescaled(a, in[0], ia, table_a), qb = rescaled(b, in[1], ib, table_b);
      ((uint8_t *)out[0])[i] = (uint8_t)((n->op == OP_max) == (qa > qb) ? qa : qb);
    } else {
      ((float *)out[0])[i] = chosen(n, ((const float *)in[0])[ia], ((const float *)in[1])[ib]);
    }
  }
}

#define MINMAX(op)                                                                                           \
  .name = #op, .min_operands = 2, .max_operands = 2, .n_results = 1, .quant = QUANT_CONCAT,                  \
  .infer = infer_minmax, .eval = eval_minmax

const OpInfo op_max = {MINMAX(max)};
const OpInfo op_min = {MINMAX(min)};

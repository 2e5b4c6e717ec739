/* matmul(%a [...,M,K], %b [...,K,N]) { act_min, act_max }: NumPy's, with its broadcasting of the leading
 * dims; both f32. */
#include "ir/ops/broadcast.h"
#include "ir/ops/dense.h"
#include "ir/ops/dot.h"

#include <string.h>

bool matmul_check(Diag *d, const Node *n, const Shape *a, const Shape *b, Shape *result) {
  const char *op = op_info[n->op]->name;
  if (a->rank < 2 || b->rank < 2)
    return diag_error(d, node_loc(n), "the operands of %s must have at least two dims, not %s and %s", op,
                      shape_text(d->arena, a), shape_text(d->arena, b));
  if (a->dim[a->rank - 1] != b->dim[b->rank - 2])
    return diag_error(d, node_loc(n), "%s: %s has %lld columns, %s has %lld rows", op,
                      shape_text(d->arena, a), (long long)a->dim[a->rank - 1], shape_text(d->arena, b),
                      (long long)b->dim[b->rank - 2]);
  Shape batch_a = *a, batch_b = *b;
  batch_a.rank -= 2;
  batch_b.rank -= 2;
  if (!shape_broadcast(&batch_a, &batch_b, result))
    return diag_error(d, node_loc(n), "%s: the leading dims of %s and %s do not broadcast", op,
                      shape_text(d->arena, a), shape_text(d->arena, b));
  result->dim[result->rank++] = a->dim[a->rank - 2];
  result->dim[result->rank++] = b->dim[b->rank - 1];
  return true;
}

static bool infer_matmul(Diag *d, Node *n, Type *results) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  for (int i = 0; i < 2; i++)
    if (n->operands[i]->type.dtype != DT_F32)
      return diag_error(d, node_loc(n),
                        "operand %d of matmul must be f32, not %s: matmul has no integer form, keep it in "
                        "float between dequantize and quantize",
                        i + 1, dtype_info[n->operands[i]->type.dtype].name);
  results[0].dtype = DT_F32;
  return matmul_check(d, n, &n->operands[0]->type.shape, &n->operands[1]->type.shape, &results[0].shape) &&
         act_check(d, n, act->act_min, act->act_max);
}

/* One product: a [m,k], b [k,n], y [m,n]. */
static void multiply(const DotOutput *o, const float *a, const float *b, float *y, int64_t m, int64_t k,
                     int64_t n, float *panel) {
  DotTaps t = {.w = panel, .rows = 1, .cols = 1, .k = k, .x_step = k};
  for (int64_t c = 0; c < n; c += DOT_LANES) {
    int lanes = (int)(n - c < DOT_LANES ? n - c : DOT_LANES);
    for (int64_t i = 0; i < k; i++) memcpy(panel + i * DOT_LANES, b + i * n + c, sizeof *b * (size_t)lanes);
    for (int64_t r = 0; r < m;) {
      int positions = m - r >= DOT_POSITIONS ? DOT_POSITIONS : 1;
      t.x = a + r * k;
      dot_tile(o, &t, positions, c, lanes, y, r * n + c, n, 1);
      r += positions;
    }
  }
}

static void eval_matmul(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Shape *a = &n->operands[0]->type.shape, *b = &n->operands[1]->type.shape;
  Shape batch = n->results[0]->type.shape, batch_a = *a, batch_b = *b;
  int64_t rows = a->dim[a->rank - 2], k = a->dim[a->rank - 1], columns = b->dim[b->rank - 1];
  int64_t stride_a[MAX_RANK], stride_b[MAX_RANK];
  batch.rank -= 2, batch_a.rank -= 2, batch_b.rank -= 2;
  broadcast_strides(&batch_a, &batch, stride_a);
  broadcast_strides(&batch_b, &batch, stride_b);
  DotOutput o = {.act_min = ATTRS(n, ActAttrs)->act_min, .act_max = ATTRS(n, ActAttrs)->act_max};
  float *panel = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)(k * DOT_LANES));
  for (int64_t i = 0, count = shape_count(&batch); i < count; i++)
    multiply(&o, (const float *)in[0] + broadcast_offset(&batch, stride_a, i) * rows * k,
             (const float *)in[1] + broadcast_offset(&batch, stride_b, i) * k * columns,
             (float *)out[0] + i * rows * columns, rows, k, columns, panel);
}

static int64_t macs_matmul(const Node *n) {
  const Shape *a = &n->operands[0]->type.shape;
  return shape_count(&n->results[0]->type.shape) * a->dim[a->rank - 1];
}

const OpInfo op_matmul = {.name = "matmul",
                          .min_operands = 2,
                          .max_operands = 2,
                          .n_results = 1,
                          .attrs_size = sizeof(ActAttrs),
                          .attr_defaults = &act_defaults,
                          .attrs = act_attrs,
                          .quant = QUANT_FLOAT,
                          .infer = infer_matmul,
                          .eval = eval_matmul,
                          .macs = macs_matmul};

/* matmul(%a [...,M,K], %b [...,K,N]) { act_min, act_max }: NumPy's, with its broadcasting of the leading
 * dims. Quantized: rules 5 and 6 with m = (s_a * s_b) / s_y. */
#include "ir/ops/broadcast.h"
#include "ir/ops/dense.h"
#include "ir/ops/dot.h"
#include "ir/quant.h"

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

/* Of a quantized result whose type is known (rules 3 and 6). */
static bool check_multiplier(Diag *d, const Node *n) {
  const Tensor *a = n->operands[0], *b = n->operands[1], *r = n->results[0];
  float m;
  if (!tensor_is_quantized(a) || r->type.dtype == DT_NONE ||
      requant_multiplier(tensor_scale(a), tensor_scale(b), tensor_scale(r), &m))
    return true;
  return diag_error(d, node_loc(n), "matmul '%s': the multiplier %g * %g / %g is not a normal number",
                    r->name, (double)tensor_scale(a), (double)tensor_scale(b), (double)tensor_scale(r));
}

static bool infer_matmul(Diag *d, Node *n, Type *results) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  return infer_same_kind(d, n, 2) &&
         matmul_check(d, n, &n->operands[0]->type.shape, &n->operands[1]->type.shape, &results[0].shape) &&
         act_check(d, n, act->act_min, act->act_max) && infer_real_result(d, n, &results[0]) &&
         check_multiplier(d, n);
}

/* The output stage: of every column the same. */
static DotOutput output_stage(Arena *a, const Node *n, int64_t columns) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  const Tensor *r = n->results[0];
  DotOutput o = {.act_min = act->act_min, .act_max = act->act_max};
  if (!tensor_is_quantized(r)) return o;
  float *m = ARENA_NEW_ARRAY(a, float, (size_t)columns);
  for (int64_t i = 0; i < columns; i++)
    if (!requant_multiplier(tensor_scale(n->operands[0]), tensor_scale(n->operands[1]), tensor_scale(r),
                            &m[i]))
      BUG("multiplier of '%s'", r->name);
  o.kind = DOT_REQUANT;
  o.multiplier = m;
  o.zero = tensor_zero(r);
  activation_range(&r->type, act->act_min, act->act_max, &o.lo, &o.hi);
  return o;
}

/* An operand's elements as real numbers, or as integers without their zero point. */
static const float *elements(Arena *a, const Tensor *t, const void *data) {
  if (!tensor_is_quantized(t)) return data;
  int64_t count = shape_count(&t->type.shape);
  float *copy = ARENA_NEW_ARRAY(a, float, (size_t)count);
  DotSource s = dot_source(t, data);
  dot_load_channel(&s, 0, count, 0, copy, 1);
  return copy;
}

/* One product: a [m,k], b [k,n]; the result's elements from `first` on. */
static void multiply(const DotOutput *o, const float *a, const float *b, void *y, int64_t first, int64_t m,
                     int64_t k, int64_t n, float *panel) {
  DotTaps t = {.w = panel, .rows = 1, .cols = 1, .k = k, .x_step = k};
  for (int64_t c = 0; c < n; c += DOT_LANES) {
    int lanes = (int)(n - c < DOT_LANES ? n - c : DOT_LANES);
    for (int64_t i = 0; i < k; i++) memcpy(panel + i * DOT_LANES, b + i * n + c, sizeof *b * (size_t)lanes);
    for (int64_t r = 0; r < m;) {
      int positions = m - r >= DOT_POSITIONS ? DOT_POSITIONS : 1;
      t.x = a + r * k;
      dot_tile(o, &t, positions, c, lanes, y, first + r * n + c, n, 1);
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
  DotOutput o = output_stage(ctx->scratch, n, columns);
  const float *left = elements(ctx->scratch, n->operands[0], in[0]);
  const float *right = elements(ctx->scratch, n->operands[1], in[1]);
  float *panel = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)(k * DOT_LANES));
  for (int64_t i = 0, count = shape_count(&batch); i < count; i++)
    multiply(&o, left + broadcast_offset(&batch, stride_a, i) * rows * k,
             right + broadcast_offset(&batch, stride_b, i) * k * columns, out[0], i * rows * columns, rows, k,
             columns, panel);
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
                          .quant = QUANT_ARITH,
                          .infer = infer_matmul,
                          .eval = eval_matmul,
                          .macs = macs_matmul};

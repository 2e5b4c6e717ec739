/* layer_norm(%x, @gamma?, @beta?) { axis, eps }, group_norm(%x, @gamma?, @beta?) { groups, eps }: in float
 * only, by rule 12, each operation rounded:
 *   mean = sum16(x) / n, d = x - mean, y = d / sqrt(sum16(d * d) / n + eps) * gamma + beta
 * over rows of n elements: those from `axis` on, or a group of channels in C order. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/refmath.h"

#include <math.h>

static bool check_floats(Diag *d, const Node *n, float eps) {
  const char *op = op_info[n->op]->name;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && n->operands[i]->type.dtype != DT_F32)
      return diag_error(d, node_loc(n), "operand %d of %s must be f32, not %s: %s has no integer form", i + 1,
                        op, type_text(d->arena, &n->operands[i]->type), op);
  if (eps >= 0 && isfinite(eps)) return true;
  return diag_error(d, node_loc(n), "%s: eps must be a finite number of at least 0, not %g", op, (double)eps);
}

/* gamma and beta, where they are given, have this shape. */
static bool check_affine(Diag *d, const Node *n, const Shape *want) {
  for (int i = 1; i < n->n_operands; i++)
    if (n->operands[i] && !shape_equal(&n->operands[i]->type.shape, want))
      return diag_error(d, node_loc(n), "the %s of %s must be %s, not %s", i == 1 ? "gamma" : "beta",
                        op_info[n->op]->name, shape_text(d->arena, want),
                        shape_text(d->arena, &n->operands[i]->type.shape));
  return true;
}

static bool infer_layer_norm(Diag *d, Node *n, Type *results) {
  LayerNormAttrs *a = ATTRS(n, LayerNormAttrs);
  const Type *x = &n->operands[0]->type;
  if (!check_floats(d, n, a->eps) || !infer_axis(d, n, &a->axis, x->shape.rank, x->shape.rank)) return false;
  Shape normalized = {0};
  for (int i = (int)a->axis; i < x->shape.rank; i++) normalized.dim[normalized.rank++] = x->shape.dim[i];
  results[0] = *x;
  return check_affine(d, n, &normalized);
}

static bool infer_group_norm(Diag *d, Node *n, Type *results) {
  const GroupNormAttrs *a = ATTRS(n, GroupNormAttrs);
  const Type *x = &n->operands[0]->type;
  if (!check_floats(d, n, a->eps)) return false;
  if (x->shape.rank < 2)
    return diag_error(d, node_loc(n), "operand 1 of group_norm must be [N, C, ...], not %s",
                      shape_text(d->arena, &x->shape));
  if (a->groups < 1 || x->shape.dim[1] % a->groups)
    return diag_error(d, node_loc(n), "group_norm: %lld groups do not divide %lld channels",
                      (long long)a->groups, (long long)x->shape.dim[1]);
  Shape channels = shape_of(1, x->shape.dim[1]);
  results[0] = *x;
  return check_affine(d, n, &channels);
}

/* y = (x - mean) / sqrt(variance + eps) of one row; `squares` has room for it. */
static void normalize(const float *x, float *y, int64_t n, float eps, float *squares) {
  float mean = ref_sum16(x, (long)n, 1) / (float)n;
  for (int64_t i = 0; i < n; i++) {
    y[i] = x[i] - mean;
    squares[i] = y[i] * y[i];
  }
  float deviation = ref_sqrt(ref_sum16(squares, (long)n, 1) / (float)n + eps);
  for (int64_t i = 0; i < n; i++) y[i] = y[i] / deviation;
}

static float affine(const Node *n, const void *const *in, float v, int64_t i) {
  if (node_operand(n, 1)) v = v * ((const float *)in[1])[i];
  if (node_operand(n, 2)) v = v + ((const float *)in[2])[i];
  return v;
}

static void eval_layer_norm(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const LayerNormAttrs *a = ATTRS(n, LayerNormAttrs);
  const Shape *s = &n->operands[0]->type.shape;
  int64_t length = 1, count = shape_count(s);
  for (int i = (int)a->axis; i < s->rank; i++) length *= s->dim[i];
  float *squares = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)length), *y = out[0];
  for (int64_t row = 0; row < count; row += length) {
    normalize((const float *)in[0] + row, y + row, length, a->eps, squares);
    for (int64_t i = 0; i < length; i++) y[row + i] = affine(n, in, y[row + i], i);
  }
}

static void eval_group_norm(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const GroupNormAttrs *a = ATTRS(n, GroupNormAttrs);
  const Shape *s = &n->operands[0]->type.shape;
  int64_t inner = 1, channels = s->dim[1], count = shape_count(s);
  for (int i = 2; i < s->rank; i++) inner *= s->dim[i];
  int64_t length = channels / a->groups * inner;
  float *squares = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)length), *y = out[0];
  for (int64_t row = 0; row < count; row += length)
    normalize((const float *)in[0] + row, y + row, length, a->eps, squares);
  for (int64_t i = 0; i < count; i++) y[i] = affine(n, in, y[i], i / inner % channels);
}

static const LayerNormAttrs layer_norm_defaults = {-1, 1e-5f};
static const AttrDesc layer_norm_attrs[] = {{"axis", ATTR_INT, offsetof(LayerNormAttrs, axis)},
                                            {"eps", ATTR_FLOAT, offsetof(LayerNormAttrs, eps)},
                                            {0}};
static const GroupNormAttrs group_norm_defaults = {1, 1e-5f};
static const AttrDesc group_norm_attrs[] = {{"groups", ATTR_INT, offsetof(GroupNormAttrs, groups)},
                                            {"eps", ATTR_FLOAT, offsetof(GroupNormAttrs, eps)},
                                            {0}};

#define NORM(op, T)                                                                                          \
  .name = #op, .min_operands = 1, .max_operands = 3, .n_results = 1, .attrs_size = sizeof(T),                \
  .attr_defaults = &op##_defaults, .attrs = op##_attrs, .quant = QUANT_FLOAT, .infer = infer_##op,           \
  .eval = eval_##op

const OpInfo op_layer_norm = {NORM(layer_norm, LayerNormAttrs)};
const OpInfo op_group_norm = {NORM(group_norm, GroupNormAttrs)};

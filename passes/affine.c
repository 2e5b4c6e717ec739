#include "passes/affine.h"

#include <math.h>

static Affine affine_new(Arena *a, int64_t channels) {
  Affine f = {channels, ARENA_NEW_ARRAY(a, double, (size_t)channels),
              ARENA_NEW_ARRAY(a, double, (size_t)channels), ARENA_NEW_ARRAY(a, double, (size_t)channels)};
  for (int64_t c = 0; c < channels; c++) f.scale[c] = 1;
  return f;
}

int layer_channel_axis(const Node *layer) {
  return layer->op == OP_linear ? layer->results[0]->type.shape.rank - 1 : 1;
}

bool batch_norm_affine(Diag *d, Arena *a, const Node *n, Affine *f) {
  static const char *const names[] = {NULL, "weight", "bias", "mean", "variance"};
  for (int i = 1; i < n->n_operands; i++)
    if (!is_const_f32(n->operands[i]))
      return diag_error(d, node_loc(n), "batch_norm '%s': its %s must be a constant", node_label(n),
                        names[i]);
  *f = affine_new(a, n->operands[0]->type.shape.dim[1]);
  const float *weight = const_f32(n->operands[1]), *bias = const_f32(n->operands[2]);
  const float *mean = const_f32(n->operands[3]), *var = const_f32(n->operands[4]);
  double eps = (double)ATTRS(n, BatchNormAttrs)->eps;
  for (int64_t c = 0; c < f->channels; c++) {
    f->center[c] = (double)mean[c];
    f->scale[c] = (double)weight[c] / sqrt((double)var[c] + eps);
    f->shift[c] = (double)bias[c];
    if (isfinite((float)f->center[c]) && isfinite((float)f->scale[c]) && isfinite((float)f->shift[c]))
      continue;
    return diag_error(d, node_loc(n),
                      "batch_norm '%s': channel %lld has no finite scale (weight %g, variance %g, eps %g)",
                      node_label(n), (long long)c, (double)weight[c], (double)var[c], eps);
  }
  return true;
}

bool arith_affine(Arena *a, const Node *n, const Tensor *x, int axis, ConstantValue value, Affine *f) {
  if (n->op != OP_add && n->op != OP_sub && n->op != OP_mul && n->op != OP_div) return false;
  bool swapped = n->operands[1] == x;
  const Tensor *t = n->operands[swapped ? 0 : 1];
  if (t == x || (swapped && (n->op == OP_sub || n->op == OP_div))) return false;
  const float *v = value(a, t);
  if (!v || !is_per_channel(t, &x->type.shape, axis)) return false;
  if (!shape_equal(&x->type.shape, &n->results[0]->type.shape)) return false;
  *f = affine_new(a, x->type.shape.dim[axis]);
  int64_t count = shape_count(&t->type.shape);
  for (int64_t i = 0; i < f->channels; i++) {
    double c = (double)v[count == 1 ? 0 : i];
    if (n->op == OP_mul)
      f->scale[i] = c;
    else if (n->op == OP_div)
      f->scale[i] = 1 / c;
    else
      f->shift[i] = n->op == OP_add ? c : -c;
    if (!isfinite((float)f->scale[i])) return false; /* x / 0 */
  }
  return true;
}

bool affine_bias(const Affine *f, const float *b, float *result) {
  for (int64_t c = 0; c < f->channels; c++) {
    result[c] = (float)(((b ? (double)b[c] : 0) - f->center[c]) * f->scale[c] + f->shift[c]);
    if (!isfinite(result[c])) return false;
  }
  return true;
}

/* batch_norm(%x, @weight, @bias, @mean, @var) { eps } over axis 1, f32 only: a pass folds it before
 * quantization. y = (x - mean) * (weight / sqrt(var + eps)) + bias, each operation rounded. */
#include "ir/graph.h"
#include "ir/ops/attrs.h"
#include "ir/refmath.h"

#include <math.h>

static bool infer_batch_norm(Diag *d, Node *n, Type *results) {
  static const char *const names[] = {"operand 1", "the weight", "the bias", "the mean", "the variance"};
  const Shape *x = &n->operands[0]->type.shape;
  for (int i = 0; i < 5; i++)
    if (n->operands[i]->type.dtype != DT_F32)
      return diag_error(d, node_loc(n),
                        "%s of batch_norm must be f32, not %s: batch_norm has no integer form", names[i],
                        dtype_info[n->operands[i]->type.dtype].name);
  if (x->rank < 2)
    return diag_error(d, node_loc(n), "operand 1 of batch_norm must be [N, C, ...], not %s",
                      shape_text(d->arena, x));
  for (int i = 1; i < 5; i++) {
    const Shape *p = &n->operands[i]->type.shape;
    if (p->rank != 1 || p->dim[0] != x->dim[1])
      return diag_error(d, node_loc(n), "%s of batch_norm must be [%lld], one value per channel, not %s",
                        names[i], (long long)x->dim[1], shape_text(d->arena, p));
  }
  float eps = ATTRS(n, BatchNormAttrs)->eps;
  if (!(eps >= 0) || isinf(eps))
    return diag_error(d, node_loc(n), "batch_norm: eps must be a finite number of at least 0, not %g",
                      (double)eps);
  results[0].dtype = DT_F32;
  results[0].shape = *x;
  return true;
}

static void eval_batch_norm(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Shape *s = &n->results[0]->type.shape;
  const float *x = in[0], *weight = in[1], *bias = in[2], *mean = in[3], *var = in[4];
  float *y = out[0], eps = ATTRS(n, BatchNormAttrs)->eps;
  int64_t inner = 1;
  for (int i = 2; i < s->rank; i++) inner *= s->dim[i];
  for (int64_t i = 0; i < s->dim[0]; i++)
    for (int64_t c = 0; c < s->dim[1]; c++, x += inner, y += inner) {
      float scale = weight[c] / ref_sqrt(var[c] + eps);
      for (int64_t k = 0; k < inner; k++) y[k] = (x[k] - mean[c]) * scale + bias[c];
    }
}

static const BatchNormAttrs batch_norm_defaults = {.eps = 1e-5f};
static const AttrDesc batch_norm_attrs[] = {{"eps", ATTR_FLOAT, offsetof(BatchNormAttrs, eps)}, {0}};

const OpInfo op_batch_norm = {.name = "batch_norm",
                              .min_operands = 5,
                              .max_operands = 5,
                              .n_results = 1,
                              .attrs_size = sizeof(BatchNormAttrs),
                              .attr_defaults = &batch_norm_defaults,
                              .attrs = batch_norm_attrs,
                              .quant = QUANT_FLOAT,
                              .infer = infer_batch_norm,
                              .eval = eval_batch_norm};

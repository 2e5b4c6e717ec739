/* linear(%x [..., IC], @w [OC,IC], @bias [OC]?) { act_min, act_max }: [..., OC] */
#include "ir/ops/dense.h"
#include "ir/ops/dot.h"

bool linear_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result) {
  const char *op = op_info[n->op]->name;
  if (w->rank != 2 || w->dim[0] < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of %s must be [OC, IC], not %s", op,
                      shape_text(d->arena, w));
  if (x->rank < 1) return diag_error(d, node_loc(n), "operand 1 of %s must be [..., IC], not a scalar", op);
  if (x->dim[x->rank - 1] != w->dim[1])
    return diag_error(d, node_loc(n), "%s: the operand has %lld input features, the weight %lld", op,
                      (long long)x->dim[x->rank - 1], (long long)w->dim[1]);
  *result = *x;
  result->dim[x->rank - 1] = w->dim[0];
  return true;
}

static bool infer_linear(Diag *d, Node *n, Type *results) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  return linear_check(d, n, x, w, &results[0].shape) && act_check(d, n, a->act_min, a->act_max) &&
         dense_check_types(d, n, w->dim[0], &results[0]);
}

static void eval_linear(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *ws = &n->operands[1]->type.shape;
  int64_t oc = ws->dim[0], ic = ws->dim[1], rows = shape_count(&n->operands[0]->type.shape) / ic;
  DotSource x = dot_source(n->operands[0], in[0]);
  DotSource w = dot_weight(n->operands[1], in[1], x.dtype == DT_F32);
  DotOutput o = dot_output(ctx->scratch, n, in, a->act_min, a->act_max);
  dot_rows(ctx->scratch, &x, &w, &o, rows, ic, oc, out[0]);
}

static int64_t macs_linear(const Node *n) {
  return shape_count(&n->results[0]->type.shape) * n->operands[1]->type.shape.dim[1];
}

const OpInfo op_linear = {.name = "linear",
                          .min_operands = 2,
                          .max_operands = 3,
                          .n_results = 1,
                          .attrs_size = sizeof(ActAttrs),
                          .attr_defaults = &act_defaults,
                          .attrs = act_attrs,
                          .quant = QUANT_LINEAR,
                          .infer = infer_linear,
                          .eval = eval_linear,
                          .macs = macs_linear};

/* linear(%x [..., IC], @w [OC,IC], @bias [OC]?) { act_min, act_max }: [..., OC] */
#include "ir/ops/dense.h"
#include "ir/ops/dot.h"

static bool infer_linear(Diag *d, Node *n, Type *results) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  if (w->rank != 2 || w->dim[0] < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of linear must be [OC, IC], not %s",
                      shape_text(d->arena, w));
  if (x->rank < 1) return diag_error(d, node_loc(n), "operand 1 of linear must be [..., IC], not a scalar");
  if (x->dim[x->rank - 1] != w->dim[1])
    return diag_error(d, node_loc(n), "linear: the operand has %lld input features, the weight %lld",
                      (long long)x->dim[x->rank - 1], (long long)w->dim[1]);
  if (!act_check(d, n, a->act_min, a->act_max)) return false;
  results[0].shape = *x;
  results[0].shape.dim[x->rank - 1] = w->dim[0];
  return dense_check_types(d, n, w->dim[0], &results[0]);
}

static void eval_linear(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *ws = &n->operands[1]->type.shape;
  int64_t oc = ws->dim[0], ic = ws->dim[1], rows = shape_count(&n->operands[0]->type.shape) / ic;
  DotSource x = dot_source(n->operands[0], in[0]), w = dot_source(n->operands[1], in[1]);
  DotOutput o = dot_output(ctx->scratch, n, in, a->act_min, a->act_max);
  const float *real_x = in[0];
  if (o.quantized) {
    float *copy = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)(rows * ic));
    dot_load(&x, 0, rows * ic, dot_zero(&x, 0), copy, 1);
    real_x = copy;
  }
  float *panel = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)(ic * DOT_LANES));
  DotTaps t = {.w = panel, .rows = 1, .cols = 1, .k = ic, .x_step = ic};
  for (int64_t c = 0; c < oc; c += DOT_LANES) {
    int lanes = (int)(oc - c < DOT_LANES ? oc - c : DOT_LANES);
    for (int l = 0; l < lanes; l++) dot_load(&w, (c + l) * ic, ic, dot_zero(&w, c + l), panel + l, DOT_LANES);
    for (int64_t r = 0; r < rows;) {
      int positions = rows - r >= DOT_POSITIONS ? DOT_POSITIONS : 1;
      t.x = real_x + r * ic;
      dot_tile(&o, &t, positions, c, lanes, out[0], r * oc + c, oc, 1);
      r += positions;
    }
  }
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

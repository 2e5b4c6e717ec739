/* transpose(%x) { perm }: result dim i is operand dim perm[i]. */
#include "ir/ops/attrs.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"

static bool infer_transpose(Diag *d, Node *n, Type *results) {
  const IntList *perm = &ATTRS(n, TransposeAttrs)->perm;
  const Type *x = &n->operands[0]->type;
  Type *r = &results[0];
  if (perm->n != x->shape.rank)
    return diag_error(d, node_loc(n), "transpose: perm has %d entries, the operand's rank is %d", perm->n,
                      x->shape.rank);
  *r = *x;
  bool used[MAX_RANK] = {false};
  for (int i = 0; i < perm->n; i++) {
    int64_t from = perm->v[i];
    if (from < 0 || from >= perm->n || used[from])
      return diag_error(d, node_loc(n), "transpose: perm is not a permutation of 0 to %d", perm->n - 1);
    used[from] = true;
    r->shape.dim[i] = x->shape.dim[from];
    if (x->quant && x->quant->axis == from && i != from)
      r->quant = quant_new(n->graph->arena, i, x->quant->count, x->quant->scale, x->quant->zero);
  }
  return true;
}

static void eval_transpose(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const IntList *perm = &ATTRS(n, TransposeAttrs)->perm;
  const Type *x = &n->operands[0]->type;
  int64_t stride[MAX_RANK];
  shape_strides(&x->shape, stride);
  GatherMap map;
  for (int i = 0; i < perm->n; i++)
    map.offset[i] = gather_line(ctx->scratch, x->shape.dim[perm->v[i]], 0, stride[perm->v[i]]);
  gather(dtype_info[x->dtype].bytes, &n->results[0]->type.shape, &map, in[0], NULL, out[0]);
}

static const TransposeAttrs transpose_defaults = {0};
static const AttrDesc transpose_attrs[] = {{"perm", ATTR_INTS, offsetof(TransposeAttrs, perm)}, {0}};

const OpInfo op_transpose = {.name = "transpose",
                             .min_operands = 1,
                             .max_operands = 1,
                             .n_results = 1,
                             .attrs_size = sizeof(TransposeAttrs),
                             .attr_defaults = &transpose_defaults,
                             .attrs = transpose_attrs,
                             .quant = QUANT_MOVE,
                             .infer = infer_transpose,
                             .eval = eval_transpose};

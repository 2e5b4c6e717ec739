/* reduce_mean(%x) { axes, keepdims }: axes = [] means all. Float: rule 12's sum of the reduced elements in C
 * order, then a true division. Quantized: the average of rule 11. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

static bool normalize_axes(Diag *d, Node *n, IntList *axes, int rank) {
  if (axes->n == 0)
    while (axes->n < rank) {
      axes->v[axes->n] = axes->n;
      axes->n++;
    }
  bool chosen[MAX_RANK] = {false};
  for (int i = 0; i < axes->n; i++) {
    if (!infer_axis(d, n, &axes->v[i], rank, rank)) return false;
    if (chosen[axes->v[i]])
      return diag_error(d, node_loc(n), "reduce_mean: axis %lld is given twice", (long long)axes->v[i]);
    chosen[axes->v[i]] = true;
  }
  axes->n = 0;
  for (int i = 0; i < rank; i++)
    if (chosen[i]) axes->v[axes->n++] = i;
  return true;
}

static bool infer_reduce(Diag *d, Node *n, Type *results) {
  ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  const Type *x = &n->operands[0]->type;
  if (!infer_real_operand(d, n, 0) || !normalize_axes(d, n, &a->axes, x->shape.rank)) return false;
  Shape *r = &results[0].shape;
  int64_t reduced = 1;
  for (int i = 0, k = 0; i < x->shape.rank; i++) {
    bool out = k < a->axes.n && a->axes.v[k] == i;
    k += out;
    if (out) reduced *= x->shape.dim[i];
    if (!out || a->keepdims) r->dim[r->rank++] = out ? 1 : x->shape.dim[i];
  }
  if (reduced == 0) return diag_error(d, node_loc(n), "reduce_mean: the mean of no elements");
  if (x->quant && reduced > INT32_MAX / 255)
    return diag_error(d, node_loc(n), "reduce_mean: %lld quantized elements cannot be summed in 32 bits",
                      (long long)reduced);
  return infer_real_result(d, n, &results[0]);
}

static const ReduceAttrs reduce_defaults = {.keepdims = true};
static const AttrDesc reduce_attrs[] = {{"axes", ATTR_INTS, offsetof(ReduceAttrs, axes)},
                                        {"keepdims", ATTR_BOOL, offsetof(ReduceAttrs, keepdims)},
                                        {0}};

const OpInfo op_reduce_mean = {.name = "reduce_mean",
                               .min_operands = 1,
                               .max_operands = 1,
                               .n_results = 1,
                               .attrs_size = sizeof(ReduceAttrs),
                               .attr_defaults = &reduce_defaults,
                               .attrs = reduce_attrs,
                               .quant = QUANT_POOL,
                               .infer = infer_reduce};

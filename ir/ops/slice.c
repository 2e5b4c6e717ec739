/* slice(%x) { start, stop, step }: one of each per dim; stop is exclusive, and -1 ends a backward slice at
 * the first element. */
#include "ir/ops/attrs.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"

static bool check_range(Diag *d, const Node *n, int i, int64_t dim) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  int64_t start = a->start.v[i], stop = a->stop.v[i], step = a->step.v[i];
  if (step == 0) return diag_error(d, node_loc(n), "slice: the step of dim %d is 0", i);
  bool ok =
      step > 0 ? 0 <= start && start <= stop && stop <= dim : -1 <= stop && stop <= start && start < dim;
  if (ok) return true;
  return diag_error(d, node_loc(n), "slice: %lld to %lld by %lld is outside dim %d, of %lld elements",
                    (long long)start, (long long)stop, (long long)step, i, (long long)dim);
}

/* How many elements of dim i are taken; the range has been checked. */
static int64_t slice_count(const SliceAttrs *a, int i) {
  int64_t span = a->stop.v[i] - a->start.v[i], step = a->step.v[i];
  if (span == 0) return 0;
  return step > 0 ? (span - 1) / step + 1 : (span + 1) / step + 1;
}

static const Quant *sliced_quant(const Node *n, const Quant *q, int64_t count) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  Arena *arena = n->graph->arena;
  float *scale = ARENA_NEW_ARRAY(arena, float, (size_t)count);
  int32_t *zero = ARENA_NEW_ARRAY(arena, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    int64_t from = a->start.v[q->axis] + i * a->step.v[q->axis];
    scale[i] = q->scale[from];
    zero[i] = q->zero[from];
  }
  return quant_new(arena, q->axis, count, scale, zero);
}

static bool infer_slice(Diag *d, Node *n, Type *results) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  const Type *x = &n->operands[0]->type;
  int rank = x->shape.rank;
  if (a->start.n != rank || a->stop.n != rank || a->step.n != rank)
    return diag_error(d, node_loc(n), "slice: start, stop and step take %d entries each, the operand's rank",
                      rank);
  results[0] = *x;
  for (int i = 0; i < rank; i++) {
    if (!check_range(d, n, i, x->shape.dim[i])) return false;
    results[0].shape.dim[i] = slice_count(a, i);
  }
  if (x->quant && x->quant->axis >= 0)
    results[0].quant = sliced_quant(n, x->quant, results[0].shape.dim[x->quant->axis]);
  return true;
}

static void eval_slice(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  const Type *x = &n->operands[0]->type;
  const Shape *y = &n->results[0]->type.shape;
  int64_t stride[MAX_RANK];
  shape_strides(&x->shape, stride);
  GatherMap map;
  for (int i = 0; i < y->rank; i++)
    map.offset[i] = gather_line(ctx->scratch, y->dim[i], a->start.v[i] * stride[i], a->step.v[i] * stride[i]);
  gather(dtype_info[x->dtype].bytes, y, &map, in[0], NULL, out[0]);
}

static const SliceAttrs slice_defaults = {0};
static const AttrDesc slice_attrs[] = {{"start", ATTR_INTS, offsetof(SliceAttrs, start)},
                                       {"stop", ATTR_INTS, offsetof(SliceAttrs, stop)},
                                       {"step", ATTR_INTS, offsetof(SliceAttrs, step)},
                                       {0}};

const OpInfo op_slice = {.name = "slice",
                         .min_operands = 1,
                         .max_operands = 1,
                         .n_results = 1,
                         .attrs_size = sizeof(SliceAttrs),
                         .attr_defaults = &slice_defaults,
                         .attrs = slice_attrs,
                         .quant = QUANT_MOVE,
                         .infer = infer_slice,
                         .eval = eval_slice};

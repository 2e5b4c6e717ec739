/* Ops that keep the elements' order: reshape(%x) { shape }, flatten(%x) { axis }, identity(%x); and
 * expand(%x) { shape }, which repeats elements by NumPy's broadcasting. */
#include "ir/ops/attrs.h"
#include "ir/ops/broadcast.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"

#include <string.h>

static bool infer_reshape(Diag *d, Node *n, Type *results) {
  const IntList *want = &ATTRS(n, ReshapeAttrs)->shape;
  const Type *x = &n->operands[0]->type;
  if (want->n > MAX_RANK)
    return diag_error(d, node_loc(n), "reshape: rank %d is above the limit of %d", want->n, MAX_RANK);
  Shape *r = &results[0].shape;
  r->rank = want->n;
  for (int i = 0; i < want->n; i++) r->dim[i] = want->v[i];
  if (!shape_check(r) || shape_count(r) != shape_count(&x->shape))
    return diag_error(d, node_loc(n), "reshape cannot make %s, of %lld elements, into %s",
                      shape_text(d->arena, &x->shape), (long long)shape_count(&x->shape),
                      shape_text(d->arena, r));
  return infer_reshaped_quant(d, n, x, &results[0]);
}

static bool infer_expand(Diag *d, Node *n, Type *results) {
  const IntList *want = &ATTRS(n, ReshapeAttrs)->shape;
  const Type *x = &n->operands[0]->type;
  Shape to = {.rank = want->n}, joint;
  if (want->n > MAX_RANK)
    return diag_error(d, node_loc(n), "expand: rank %d is above the limit of %d", want->n, MAX_RANK);
  for (int i = 0; i < want->n; i++) to.dim[i] = want->v[i];
  if (!shape_check(&to) || !shape_broadcast(&x->shape, &to, &joint) || !shape_equal(&joint, &to))
    return diag_error(d, node_loc(n), "expand: %s does not broadcast to %s", shape_text(d->arena, &x->shape),
                      shape_text(d->arena, &to));
  if (x->quant && x->quant->axis >= 0)
    return diag_error(d, node_loc(n), "expand: an operand quantized along an axis cannot be expanded");
  results[0] = (Type){x->dtype, to, x->quant};
  return true;
}

static void eval_expand(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Type *x = &n->operands[0]->type;
  const Shape *y = &n->results[0]->type.shape;
  int64_t stride[MAX_RANK];
  broadcast_strides(&x->shape, y, stride);
  GatherMap map;
  for (int i = 0; i < y->rank; i++) map.offset[i] = gather_line(ctx->scratch, y->dim[i], 0, stride[i]);
  gather(dtype_info[x->dtype].bytes, y, &map, in[0], NULL, out[0]);
}

static bool infer_flatten(Diag *d, Node *n, Type *results) {
  AxisAttrs *a = ATTRS(n, AxisAttrs);
  const Type *x = &n->operands[0]->type;
  if (!infer_axis(d, n, &a->axis, x->shape.rank, x->shape.rank + 1)) return false;
  Shape r = {.rank = 2, .dim = {1, 1}};
  for (int i = 0; i < x->shape.rank; i++) r.dim[i >= a->axis] *= x->shape.dim[i];
  results[0].shape = r;
  return infer_reshaped_quant(d, n, x, &results[0]);
}

static bool infer_identity(Diag *d, Node *n, Type *results) {
  (void)d;
  results[0] = n->operands[0]->type;
  return true;
}

static void eval_copy(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  memcpy(out[0], in[0], (size_t)type_bytes(&n->operands[0]->type));
}

static const ReshapeAttrs reshape_defaults = {0};
static const AttrDesc reshape_attrs[] = {{"shape", ATTR_INTS, offsetof(ReshapeAttrs, shape)}, {0}};
static const AxisAttrs flatten_defaults = {.axis = 1};
static const AttrDesc flatten_attrs[] = {{"axis", ATTR_INT, offsetof(AxisAttrs, axis)}, {0}};

const OpInfo op_reshape = {.name = "reshape",
                           .min_operands = 1,
                           .max_operands = 1,
                           .n_results = 1,
                           .attrs_size = sizeof(ReshapeAttrs),
                           .attr_defaults = &reshape_defaults,
                           .attrs = reshape_attrs,
                           .quant = QUANT_MOVE,
                           .infer = infer_reshape,
                           .eval = eval_copy};
const OpInfo op_expand = {.name = "expand",
                          .min_operands = 1,
                          .max_operands = 1,
                          .n_results = 1,
                          .attrs_size = sizeof(ReshapeAttrs),
                          .attr_defaults = &reshape_defaults,
                          .attrs = reshape_attrs,
                          .quant = QUANT_MOVE,
                          .infer = infer_expand,
                          .eval = eval_expand};
const OpInfo op_flatten = {.name = "flatten",
                           .min_operands = 1,
                           .max_operands = 1,
                           .n_results = 1,
                           .attrs_size = sizeof(AxisAttrs),
                           .attr_defaults = &flatten_defaults,
                           .attrs = flatten_attrs,
                           .quant = QUANT_MOVE,
                           .infer = infer_flatten,
                           .eval = eval_copy};
const OpInfo op_identity = {.name = "identity",
                            .min_operands = 1,
                            .max_operands = 1,
                            .n_results = 1,
                            .quant = QUANT_MOVE,
                            .infer = infer_identity,
                            .eval = eval_copy};

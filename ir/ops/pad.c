/* pad(%x) { pads = [before..., after...], mode = constant|reflect|edge, value }. A quantized tensor is filled
 * with the value quantized to its own parameters. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

#include <math.h>

/* An integer tensor without quantization is filled with an integer of its range. */
static bool check_value(Diag *d, const Node *n, const Type *x, float value) {
  if (x->dtype == DT_F32 || x->quant) return true;
  const DTypeInfo *t = &dtype_info[x->dtype];
  /* 2^31 and 2^63 are the bounds' neighbours that a float can hold */
  double v = value, below = (double)t->max + (x->dtype == DT_S64 ? 0 : 1);
  if (v == floor(v) && v >= (double)t->min && v < below) return true;
  return diag_error(d, node_loc(n), "pad: the value %g cannot be held by %s", v, t->name);
}

static bool infer_pad(Diag *d, Node *n, Type *results) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  const Type *x = &n->operands[0]->type;
  int rank = x->shape.rank;
  if (a->pads.n != 2 * rank)
    return diag_error(d, node_loc(n), "pad: an operand of rank %d takes %d pads, not %d", rank, 2 * rank,
                      a->pads.n);
  results[0] = *x;
  for (int i = 0; i < rank; i++) {
    int64_t before = a->pads.v[i], after = a->pads.v[rank + i], dim = x->shape.dim[i];
    if (before < 0 || after < 0)
      return diag_error(d, node_loc(n), "pad: a pad of dim %d is negative; use slice to crop", i);
    if (before > MAX_DIM || after > MAX_DIM)
      return diag_error(d, node_loc(n), "pad: a pad of dim %d is larger than the limit of %lld", i,
                        (long long)MAX_DIM);
    if (a->mode == PAD_REFLECT && (before || after) && (before >= dim || after >= dim))
      return diag_error(d, node_loc(n), "pad: dim %d, of %lld elements, cannot be reflected that far", i,
                        (long long)dim);
    if (a->mode == PAD_EDGE && (before || after) && dim == 0)
      return diag_error(d, node_loc(n), "pad: dim %d has no edge: it is empty", i);
    results[0].shape.dim[i] = before + dim + after;
  }
  if (x->quant && x->quant->axis >= 0)
    return diag_error(d, node_loc(n), "pad: an operand quantized along an axis cannot be padded");
  return a->mode != PAD_CONSTANT || check_value(d, n, x, a->value);
}

static const PadAttrs pad_defaults = {.mode = PAD_CONSTANT};
static const char *const pad_modes[] = {"constant", "reflect", "edge", NULL};
static const AttrDesc pad_attrs[] = {{"pads", ATTR_INTS, offsetof(PadAttrs, pads)},
                                     {"mode", ATTR_ENUM, offsetof(PadAttrs, mode), .values = pad_modes},
                                     {"value", ATTR_FLOAT, offsetof(PadAttrs, value)},
                                     {0}};

const OpInfo op_pad = {.name = "pad",
                       .min_operands = 1,
                       .max_operands = 1,
                       .n_results = 1,
                       .attrs_size = sizeof(PadAttrs),
                       .attr_defaults = &pad_defaults,
                       .attrs = pad_attrs,
                       .quant = QUANT_MOVE,
                       .infer = infer_pad};

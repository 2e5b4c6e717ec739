/* pad(%x) { pads = [before..., after...], mode = constant|reflect|edge, value }. A quantized tensor is filled
 * with the value quantized to its own parameters. */
#include "ir/ops/attrs.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"

#include <math.h>
#include <string.h>

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

/* The operand's index that result index i shows, GATHER_FILL outside. */
static int64_t pad_source(int mode, int64_t i, int64_t before, int64_t dim) {
  int64_t at = i - before;
  if (at >= 0 && at < dim) return at;
  if (mode == PAD_REFLECT) return at < 0 ? -at : 2 * (dim - 1) - at;
  if (mode == PAD_EDGE) return at < 0 ? 0 : dim - 1;
  return GATHER_FILL;
}

static void fill_element(const Type *t, float value, void *element) {
  if (t->dtype == DT_F32) {
    memcpy(element, &value, sizeof value);
    return;
  }
  const DTypeInfo *info = &dtype_info[t->dtype];
  int64_t v = t->quant ? quantize_value(value, t->quant->scale[0], t->quant->zero[0], (int32_t)info->min,
                                        (int32_t)info->max)
                       : (int64_t)value;
  uint8_t byte = (uint8_t)v;
  int32_t word = (int32_t)v;
  memcpy(element,
         info->bytes == 1   ? (void *)&byte
         : info->bytes == 4 ? (void *)&word
                            : (void *)&v,
         (size_t)info->bytes);
}

static void eval_pad(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  const Type *x = &n->operands[0]->type;
  const Shape *y = &n->results[0]->type.shape;
  int64_t stride[MAX_RANK], fill = 0;
  shape_strides(&x->shape, stride);
  GatherMap map;
  for (int k = 0; k < y->rank; k++) {
    int64_t *line = ARENA_NEW_ARRAY(ctx->scratch, int64_t, (size_t)y->dim[k]);
    for (int64_t i = 0; i < y->dim[k]; i++) {
      int64_t from = pad_source(a->mode, i, a->pads.v[k], x->shape.dim[k]);
      line[i] = from < 0 ? GATHER_FILL : from * stride[k];
    }
    map.offset[k] = line;
  }
  fill_element(x, a->value, &fill);
  gather(dtype_info[x->dtype].bytes, y, &map, in[0], &fill, out[0]);
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
                       .infer = infer_pad,
                       .eval = eval_pad};

/* concat(%a, %b, ...) { axis }. A quantized operand whose parameters differ from the result's is rescaled by
 * rule 10. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"

#include <string.h>

static bool check_operand(Diag *d, const Node *n, int i, int64_t axis) {
  if (!n->operands[i]) return diag_error(d, node_loc(n), "operand %d of concat is missing", i + 1);
  const Type *first = &n->operands[0]->type, *t = &n->operands[i]->type;
  bool quantized = first->quant != NULL;
  if (quantized != (t->quant != NULL) || (!quantized && t->dtype != first->dtype))
    return diag_error(d, node_loc(n), "concat cannot join %s and %s", type_text(d->arena, first),
                      type_text(d->arena, t));
  if (quantized && !infer_real_operand(d, n, i)) return false;
  bool fits = t->shape.rank == first->shape.rank;
  for (int k = 0; fits && k < t->shape.rank; k++) fits = k == axis || t->shape.dim[k] == first->shape.dim[k];
  if (!fits)
    return diag_error(d, node_loc(n), "concat: the shapes %s and %s differ beside axis %lld",
                      shape_text(d->arena, &first->shape), shape_text(d->arena, &t->shape), (long long)axis);
  return true;
}

static bool infer_concat(Diag *d, Node *n, Type *results) {
  AxisAttrs *a = ATTRS(n, AxisAttrs);
  const Type *first = &n->operands[0]->type;
  if (!infer_axis(d, n, &a->axis, first->shape.rank, first->shape.rank)) return false;
  int64_t joined = 0;
  for (int i = 0; i < n->n_operands; i++) {
    if (!check_operand(d, n, i, a->axis)) return false;
    joined += n->operands[i]->type.shape.dim[a->axis];
  }
  results[0].shape = first->shape;
  results[0].shape.dim[a->axis] = joined;
  if (first->quant) return infer_real_result(d, n, &results[0]);
  results[0].dtype = first->dtype;
  return true;
}

static void eval_concat(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *y = &n->results[0]->type;
  int64_t axis = ATTRS(n, AxisAttrs)->axis, outer = 1, inner = dtype_info[y->dtype].bytes, done = 0;
  for (int i = 0; i < axis; i++) outer *= y->shape.dim[i];
  for (int i = (int)axis + 1; i < y->shape.rank; i++) inner *= y->shape.dim[i];
  int64_t row = y->shape.dim[axis] * inner; /* bytes */
  for (int i = 0; i < n->n_operands; i++) {
    const Type *x = &n->operands[i]->type;
    int64_t part = x->shape.dim[axis] * inner;
    int32_t table[256];
    bool rescaled = x->quant && (x->dtype != y->dtype || !quant_equal(x->quant, y->quant));
    if (rescaled) rescale_table(x, y, table);
    unsigned first = x->dtype == DT_S8 ? 0x80 : 0; /* the byte of the lowest q */
    for (int64_t o = 0; o < outer; o++) {
      const uint8_t *from = (const uint8_t *)in[i] + o * part;
      uint8_t *to = (uint8_t *)out[0] + o * row + done;
      if (!rescaled) memcpy(to, from, (size_t)part);
      for (int64_t k = 0; rescaled && k < part; k++) to[k] = (uint8_t)table[from[k] ^ first];
    }
    done += part;
  }
}

static const AxisAttrs concat_defaults = {.axis = 1};
static const AttrDesc concat_attrs[] = {{"axis", ATTR_INT, offsetof(AxisAttrs, axis)}, {0}};

const OpInfo op_concat = {.name = "concat",
                          .min_operands = 1,
                          .max_operands = -1,
                          .n_results = 1,
                          .attrs_size = sizeof(AxisAttrs),
                          .attr_defaults = &concat_defaults,
                          .attrs = concat_attrs,
                          .quant = QUANT_CONCAT,
                          .infer = infer_concat,
                          .eval = eval_concat};

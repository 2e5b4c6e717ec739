/* quantize(%x f32), dequantize(%q), requantize(%q), lut(%q, @table): conversions whose types say everything.
 */
#include "ir/ops/infer.h"
#include "ir/quant.h"

/* The result's own type, where it has one, must be u8 or s8 (quantize: or s32) with a quantization that fits
 * the shape. */
static bool check_own_result(Diag *d, const Node *n, const Shape *shape, bool per_axis) {
  const Type *own = &n->results[0]->type;
  const char *op = op_info[n->op]->name;
  if (own->dtype == DT_NONE) return true;
  bool wide = n->op == OP_quantize && own->dtype == DT_S32;
  if ((own->dtype != DT_U8 && own->dtype != DT_S8 && !wide) || !own->quant)
    return diag_error(d, node_loc(n), "the result of %s must be quantized u8 or s8, not %s%s", op,
                      dtype_info[own->dtype].name, own->quant ? "" : " without a scale");
  const Quant *q = own->quant;
  if (q->axis < 0) return true;
  if (!per_axis)
    return diag_error(d, node_loc(n), "the result of %s must be quantized per tensor, not along axis %d", op,
                      q->axis);
  if (q->axis >= shape->rank || shape->dim[q->axis] != q->count)
    return diag_error(d, node_loc(n), "the result of %s, %s, cannot have %lld scales along axis %d", op,
                      shape_text(d->arena, shape), (long long)q->count, q->axis);
  return true;
}

static bool infer_quantize(Diag *d, Node *n, Type *results) {
  const Type *x = &n->operands[0]->type;
  if (x->dtype != DT_F32)
    return diag_error(d, node_loc(n), "operand 1 of quantize must be f32, not %s", type_text(d->arena, x));
  results[0].shape = x->shape;
  return check_own_result(d, n, &x->shape, true);
}

static bool infer_dequantize(Diag *d, Node *n, Type *results) {
  const Type *q = &n->operands[0]->type;
  if (!q->quant)
    return diag_error(d, node_loc(n), "operand 1 of dequantize must be quantized, not %s",
                      type_text(d->arena, q));
  if (q->dtype != DT_U8 && q->dtype != DT_S8 && q->dtype != DT_S32)
    return diag_error(d, node_loc(n), "operand 1 of dequantize must be u8, s8 or s32, not %s",
                      dtype_info[q->dtype].name);
  if (q->quant->axis >= q->shape.rank ||
      (q->quant->axis >= 0 && q->shape.dim[q->quant->axis] != q->quant->count))
    return diag_error(d, node_loc(n), "operand 1 of dequantize, %s, cannot have %lld scales along axis %d",
                      shape_text(d->arena, &q->shape), (long long)q->quant->count, q->quant->axis);
  results[0].dtype = DT_F32;
  results[0].shape = q->shape;
  return true;
}

/* requantize and lut read their table at q - qmin, so the operand is 8 bits wide and has one scale. */
static bool check_table_operand(Diag *d, const Node *n) {
  const Type *q = &n->operands[0]->type;
  if ((q->dtype == DT_U8 || q->dtype == DT_S8) && q->quant && q->quant->axis < 0) return true;
  return diag_error(d, node_loc(n), "operand 1 of %s must be u8 or s8 quantized per tensor, not %s",
                    op_info[n->op]->name, type_text(d->arena, q));
}

static bool infer_requantize(Diag *d, Node *n, Type *results) {
  results[0].shape = n->operands[0]->type.shape;
  return check_table_operand(d, n) && check_own_result(d, n, &results[0].shape, false);
}

static bool infer_lut(Diag *d, Node *n, Type *results) {
  const Type *table = &n->operands[1]->type, *own = &n->results[0]->type;
  if (!check_table_operand(d, n)) return false;
  bool known = table->dtype == DT_U8 || table->dtype == DT_S8 || table->dtype == DT_F32;
  if (!tensor_is_const(n->operands[1]) || !known || table->shape.rank != 1 || table->shape.dim[0] != 256)
    return diag_error(d, node_loc(n), "the table of lut must be a constant u8, s8 or f32 [256], not %s%s",
                      tensor_is_const(n->operands[1]) ? "" : "a computed ", type_text(d->arena, table));
  if (own->dtype != DT_NONE && own->dtype != table->dtype)
    return diag_error(d, node_loc(n), "the result of lut is %s, its table %s", dtype_info[own->dtype].name,
                      dtype_info[table->dtype].name);
  results[0] = (Type){table->dtype, n->operands[0]->type.shape, own->quant};
  return table->dtype == DT_F32 || check_own_result(d, n, &results[0].shape, false);
}

/* Calls `run` for every stretch of elements that share a scale and a zero point. */
typedef void (*ConvertRun)(const Node *n, const void *in, void *out, int64_t first, int64_t count,
                           float scale, int32_t zero);
static void for_each_scale(const Node *n, const Quant *q, const Shape *s, const void *in, void *out,
                           ConvertRun run) {
  int64_t count = shape_count(s), stretch = count, channels = 1;
  if (q->axis >= 0) {
    channels = s->dim[q->axis];
    stretch = 1;
    for (int i = q->axis + 1; i < s->rank; i++) stretch *= s->dim[i];
  }
  for (int64_t i = 0, c = 0; i < count; i += stretch, c = (c + 1) % channels)
    run(n, in, out, i, stretch, q->scale[c], q->zero[c]);
}

static void quantize_run(const Node *n, const void *in, void *out, int64_t first, int64_t count, float scale,
                         int32_t zero) {
  const DTypeInfo *to = &dtype_info[n->results[0]->type.dtype];
  const float *x = (const float *)in + first;
  for (int64_t i = 0; i < count; i++) {
    int32_t q = quantize_value(x[i], scale, zero, (int32_t)to->min, (int32_t)to->max);
    if (to->bytes == 1)
      ((uint8_t *)out)[first + i] = (uint8_t)q;
    else
      ((int32_t *)out)[first + i] = q;
  }
}

static int32_t element(const Type *t, const void *data, int64_t i) {
  if (t->dtype == DT_U8) return ((const uint8_t *)data)[i];
  if (t->dtype == DT_S8) return ((const int8_t *)data)[i];
  return ((const int32_t *)data)[i];
}

static void dequantize_run(const Node *n, const void *in, void *out, int64_t first, int64_t count,
                           float scale, int32_t zero) {
  float *y = (float *)out + first;
  for (int64_t i = 0; i < count; i++)
    y[i] = dequantize_value(element(&n->operands[0]->type, in, first + i), scale, zero);
}

static void eval_quantize(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *r = &n->results[0]->type;
  for_each_scale(n, r->quant, &r->shape, in[0], out[0], quantize_run);
}

static void eval_dequantize(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *q = &n->operands[0]->type;
  for_each_scale(n, q->quant, &q->shape, in[0], out[0], dequantize_run);
}

static void eval_requantize(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *from = &n->operands[0]->type;
  int32_t table[256], least = (int32_t)dtype_info[from->dtype].min;
  unary_table(n, from, &n->results[0]->type, table);
  for (int64_t i = 0, count = shape_count(&from->shape); i < count; i++)
    ((uint8_t *)out[0])[i] = (uint8_t)table[element(from, in[0], i) - least];
}

static void eval_lut(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *from = &n->operands[0]->type;
  int32_t least = (int32_t)dtype_info[from->dtype].min;
  bool real = n->operands[1]->type.dtype == DT_F32;
  for (int64_t i = 0, count = shape_count(&from->shape); i < count; i++) {
    int32_t at = element(from, in[0], i) - least;
    if (real)
      ((float *)out[0])[i] = ((const float *)in[1])[at];
    else
      ((uint8_t *)out[0])[i] = ((const uint8_t *)in[1])[at];
  }
}

#define CONVERT(op, operands)                                                                                \
  .name = #op, .min_operands = (operands), .max_operands = (operands), .n_results = 1, .quant = QUANT_CONVERT

const OpInfo op_quantize = {CONVERT(quantize, 1), .infer = infer_quantize, .eval = eval_quantize};
const OpInfo op_dequantize = {CONVERT(dequantize, 1), .infer = infer_dequantize, .eval = eval_dequantize};
const OpInfo op_requantize = {CONVERT(requantize, 1), .infer = infer_requantize, .eval = eval_requantize};
const OpInfo op_lut = {CONVERT(lut, 2), .infer = infer_lut, .eval = eval_lut};

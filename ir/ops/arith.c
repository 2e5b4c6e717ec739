/* add, sub, mul, div(%a, %b) { act_min, act_max } with NumPy broadcasting. Quantized: add and sub by rule 8,
 * mul by rule 9; div is f32 only. */
#include "ir/ops/broadcast.h"
#include "ir/ops/dense.h"
#include "ir/quant.h"

/* The factors of a quantized result whose type is known (rules 3, 8, 9). */
static bool check_factors(Diag *d, const Node *n) {
  const Tensor *r = n->results[0];
  if (!tensor_is_quantized(n->operands[0]) || r->type.dtype == DT_NONE) return true;
  float s_a = tensor_scale(n->operands[0]), s_b = tensor_scale(n->operands[1]), s_out = tensor_scale(r), m;
  FixedAdd f;
  if (n->op == OP_mul) {
    if (requant_multiplier(s_a, s_b, s_out, &m)) return true;
    return diag_error(d, node_loc(n), "mul '%s': the multiplier %g * %g / %g is not a normal number", r->name,
                      (double)s_a, (double)s_b, (double)s_out);
  }
  if (fixed_add_derive(s_a, s_b, s_out, n->op == OP_sub, &f)) return true;
  return diag_error(d, node_loc(n),
                    "%s '%s': the scales %g and %g are too large for a result of scale %g: no 16-bit factors",
                    op_info[n->op]->name, r->name, (double)s_a, (double)s_b, (double)s_out);
}

static bool infer_arith(Diag *d, Node *n, Type *results) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  const Type *a = &n->operands[0]->type, *b = &n->operands[1]->type;
  if (n->op == OP_div)
    for (int i = 0; i < 2; i++)
      if (n->operands[i]->type.dtype != DT_F32)
        return diag_error(d, node_loc(n),
                          "operand %d of div must be f32, not %s: div has no integer form, keep it in float "
                          "between dequantize and quantize",
                          i + 1, dtype_info[n->operands[i]->type.dtype].name);
  if (!infer_same_kind(d, n, 2)) return false;
  if (!shape_broadcast(&a->shape, &b->shape, &results[0].shape))
    return diag_error(d, node_loc(n), "%s: the shapes %s and %s do not broadcast", op_info[n->op]->name,
                      shape_text(d->arena, &a->shape), shape_text(d->arena, &b->shape));
  return act_check(d, n, act->act_min, act->act_max) && infer_real_result(d, n, &results[0]) &&
         check_factors(d, n);
}

/* How one op is computed: a row of `count` results; the step of an operand along it is 0 or 1. */
typedef struct {
  DType dtype_a, dtype_b, dtype_out;
  int32_t zero_a, zero_b, zero, lo, hi;
  FixedAdd fixed;   /* add, sub */
  float multiplier; /* mul */
} QuantArith;

static int32_t byte_at(DType dtype, const void *data, int64_t i) {
  return dtype == DT_U8 ? ((const uint8_t *)data)[i] : ((const int8_t *)data)[i];
}

static QuantArith quant_arith(const Node *n) {
  const Tensor *a = n->operands[0], *b = n->operands[1], *r = n->results[0];
  QuantArith q = {.dtype_a = a->type.dtype,
                  .dtype_b = b->type.dtype,
                  .dtype_out = r->type.dtype,
                  .zero_a = tensor_zero(a),
                  .zero_b = tensor_zero(b),
                  .zero = tensor_zero(r)};
  activation_range(&r->type, ATTRS(n, ActAttrs)->act_min, ATTRS(n, ActAttrs)->act_max, &q.lo, &q.hi);
  bool ok =
      n->op == OP_mul
          ? requant_multiplier(tensor_scale(a), tensor_scale(b), tensor_scale(r), &q.multiplier)
          : fixed_add_derive(tensor_scale(a), tensor_scale(b), tensor_scale(r), n->op == OP_sub, &q.fixed);
  if (!ok) BUG("the factors of '%s'", r->name);
  return q;
}

static void quantized_row(const Node *n, const QuantArith *q, const void *a, int64_t ia, int64_t step_a,
                          const void *b, int64_t ib, int64_t step_b, uint8_t *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    int32_t va = byte_at(q->dtype_a, a, ia + i * step_a) - q->zero_a;
    int32_t vb = byte_at(q->dtype_b, b, ib + i * step_b) - q->zero_b;
    y[i] = (uint8_t)(n->op == OP_mul ? requantize_value(va * vb, q->multiplier, q->zero, q->lo, q->hi)
                                     : fixed_add_value(&q->fixed, va, vb, q->zero, q->lo, q->hi));
  }
}

static float value_add(float a, float b) { return a + b; }
static float value_sub(float a, float b) { return a - b; }
static float value_mul(float a, float b) { return a * b; }
static float value_div(float a, float b) { return a / b; }
static float (*const value_of[OP_COUNT])(float, float) = {
    [OP_add] = value_add, [OP_sub] = value_sub, [OP_mul] = value_mul, [OP_div] = value_div};

static void float_row(const Node *n, const float *a, int64_t step_a, const float *b, int64_t step_b, float *y,
                      int64_t count) {
  float (*value)(float, float) = value_of[n->op];
  for (int64_t i = 0; i < count; i++) y[i] = value(a[i * step_a], b[i * step_b]);
  act_float(y, count, ATTRS(n, ActAttrs)->act_min, ATTRS(n, ActAttrs)->act_max);
}

static void eval_arith(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  Shape a = n->operands[0]->type.shape, b = n->operands[1]->type.shape, r = n->results[0]->type.shape;
  if (shape_equal(&a, &b)) a = b = r = shape_of(1, shape_count(&r));
  int64_t stride_a[MAX_RANK + 1] = {0}, stride_b[MAX_RANK + 1] = {0};
  broadcast_strides(&a, &r, stride_a);
  broadcast_strides(&b, &r, stride_b);
  int last = r.rank ? r.rank - 1 : 0;
  int64_t row = r.rank ? r.dim[last] : 1, count = shape_count(&r);
  bool quantized = tensor_is_quantized(n->operands[0]);
  QuantArith q = {0};
  if (quantized) q = quant_arith(n);
  for (int64_t i = 0; i < count; i += row) {
    int64_t ia = broadcast_offset(&r, stride_a, i), ib = broadcast_offset(&r, stride_b, i);
    if (quantized)
      quantized_row(n, &q, in[0], ia, stride_a[last], in[1], ib, stride_b[last], (uint8_t *)out[0] + i, row);
    else
      float_row(n, (const float *)in[0] + ia, stride_a[last], (const float *)in[1] + ib, stride_b[last],
                (float *)out[0] + i, row);
  }
}

#define ARITH(op, rule)                                                                                      \
  .name = #op, .min_operands = 2, .max_operands = 2, .n_results = 1, .attrs_size = sizeof(ActAttrs),         \
  .attr_defaults = &act_defaults, .attrs = act_attrs, .quant = (rule), .infer = infer_arith,                 \
  .eval = eval_arith

const OpInfo op_add = {ARITH(add, QUANT_ARITH)};
const OpInfo op_sub = {ARITH(sub, QUANT_ARITH)};
const OpInfo op_mul = {ARITH(mul, QUANT_ARITH)};
const OpInfo op_div = {ARITH(div, QUANT_FLOAT)};

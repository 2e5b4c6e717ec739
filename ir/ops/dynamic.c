/* dynamic_quantize(%x) { rule, qmax }: u8, its scale f32[], its zero point u8[]
 * dynamic_linear(%q, %scale, %zero, @w [OC,IC], @bias [OC]?) { act_min, act_max }: f32
 * dynamic_conv2d(%q, %scale, %zero, @w [OC,IC/groups,KH,KW], @bias [OC]?) { as conv2d }: f32 */
#include "ir/ops/dynamic.h"
#include "ir/ops/conv.h"
#include "ir/ops/dense.h"
#include "ir/quant.h"

/* ---- dynamic_quantize ---- */

static bool infer_dynamic_quantize(Diag *d, Node *n, Type *results) {
  const Type *x = &n->operands[0]->type;
  int64_t qmax = ATTRS(n, DynamicQuantizeAttrs)->qmax;
  if (x->dtype != DT_F32)
    return diag_error(d, node_loc(n), "operand 1 of dynamic_quantize must be f32, not %s",
                      type_text(d->arena, x));
  if (qmax != 255 && qmax != 127)
    return diag_error(d, node_loc(n), "qmax of dynamic_quantize must be 255 or 127, not %lld",
                      (long long)qmax);
  results[0] = (Type){DT_U8, x->shape, NULL};
  results[1] = (Type){.dtype = DT_F32};
  results[2] = (Type){.dtype = DT_U8};
  return true;
}

void dynamic_range(const float *x, int64_t n, float *lo, float *hi) {
  *lo = *hi = 0;
  for (int64_t i = 0; i < n; i++) {
    *lo = x[i] < *lo ? x[i] : *lo;
    *hi = x[i] > *hi ? x[i] : *hi;
  }
}

static void eval_dynamic_quantize(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const DynamicQuantizeAttrs *a = ATTRS(n, DynamicQuantizeAttrs);
  const float *x = in[0];
  int64_t count = shape_count(&n->operands[0]->type.shape);
  float lo, hi, scale;
  int32_t zero, qmax = (int32_t)a->qmax;
  dynamic_range(x, count, &lo, &hi);
  dynamic_params(lo, hi, (DynamicRule)a->rule, qmax, &scale, &zero);
  *(float *)out[1] = scale;
  *(uint8_t *)out[2] = (uint8_t)zero;
  for (int64_t i = 0; i < count; i++)
    ((uint8_t *)out[0])[i] = (uint8_t)quantize_value(x[i], scale, zero, 0, qmax);
}

const char *const dynamic_rule_names[] = {[DYNAMIC_ATEN] = "aten", [DYNAMIC_ONNX] = "onnx", NULL};
static const DynamicQuantizeAttrs quantize_defaults = {DYNAMIC_ATEN, 255};
static const AttrDesc quantize_attrs[] = {
    {"rule", ATTR_ENUM, offsetof(DynamicQuantizeAttrs, rule), .values = dynamic_rule_names},
    {"qmax", ATTR_INT, offsetof(DynamicQuantizeAttrs, qmax)},
    {0}};

const OpInfo op_dynamic_quantize = {.name = "dynamic_quantize",
                                    .min_operands = 1,
                                    .max_operands = 1,
                                    .n_results = 3,
                                    .attrs_size = sizeof(DynamicQuantizeAttrs),
                                    .attr_defaults = &quantize_defaults,
                                    .attrs = quantize_attrs,
                                    .quant = QUANT_CONVERT,
                                    .infer = infer_dynamic_quantize,
                                    .eval = eval_dynamic_quantize};

/* ---- products ---- */

bool dynamic_check_operands(Diag *d, const Node *n, int i) {
  const Type *q = &n->operands[i]->type, *scale = &n->operands[i + 1]->type,
             *zero = &n->operands[i + 2]->type;
  const char *op = op_info[n->op]->name;
  if ((q->dtype != DT_U8 && q->dtype != DT_S8) || q->quant)
    return diag_error(d, node_loc(n), "operand %d of %s must be u8 or s8 without parameters, not %s", i + 1,
                      op, type_text(d->arena, q));
  if (scale->dtype != DT_F32 || scale->shape.rank > 1 || shape_count(&scale->shape) != 1)
    return diag_error(d, node_loc(n), "operand %d of %s, the scale, must be f32[], not %s", i + 2, op,
                      type_text(d->arena, scale));
  if (zero->dtype != q->dtype || zero->quant || zero->shape.rank > 1 || shape_count(&zero->shape) != 1)
    return diag_error(d, node_loc(n), "operand %d of %s, the zero point, must be %s[], not %s", i + 3, op,
                      dtype_info[q->dtype].name, type_text(d->arena, zero));
  return true;
}

DotSource dynamic_source(const Tensor *q, const void *data, const void *zero_data, int32_t *zero) {
  *zero = q->type.dtype == DT_U8 ? *(const uint8_t *)zero_data : *(const int8_t *)zero_data;
  return (DotSource){data, q->type.dtype, zero, NULL, 1};
}

DotOutput dynamic_output(Arena *a, const Type *w, float s_x, const float *bias, float act_min,
                         float act_max) {
  float *m = ARENA_NEW_ARRAY(a, float, (size_t)w->shape.dim[0]);
  for (int64_t i = 0; i < w->shape.dim[0]; i++) m[i] = s_x * w->quant->scale[w->quant->count > 1 ? i : 0];
  return (DotOutput){
      .kind = DOT_SCALED, .bias = bias, .act_min = act_min, .act_max = act_max, .multiplier = m};
}

static bool check_product(Diag *d, const Node *n, Type *result) {
  int64_t oc = n->operands[3]->type.shape.dim[0];
  result->dtype = DT_F32;
  return dense_check_weight(d, n, 3, oc) && dense_check_bias(d, n, 4, oc, DT_F32);
}

static bool infer_dynamic_linear(Diag *d, Node *n, Type *results) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[3]->type.shape;
  return dynamic_check_operands(d, n, 0) && linear_check(d, n, x, w, &results[0].shape) &&
         act_check(d, n, a->act_min, a->act_max) && check_product(d, n, &results[0]);
}

static bool infer_dynamic_conv2d(Diag *d, Node *n, Type *results) {
  return dynamic_check_operands(d, n, 0) &&
         conv_check(d, n, &n->operands[0]->type.shape, &n->operands[3]->type.shape, &results[0].shape) &&
         check_product(d, n, &results[0]);
}

static DotOutput output_of(EvalCtx *ctx, const Node *n, const void *const *in, float act_min, float act_max) {
  return dynamic_output(ctx->scratch, &n->operands[3]->type, *(const float *)in[1],
                        n->n_operands > 4 ? in[4] : NULL, act_min, act_max);
}

static void eval_dynamic_linear(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *ws = &n->operands[3]->type.shape;
  int64_t oc = ws->dim[0], ic = ws->dim[1], rows = shape_count(&n->operands[0]->type.shape) / ic;
  int32_t zero;
  DotSource x = dynamic_source(n->operands[0], in[0], in[2], &zero), w = dot_source(n->operands[3], in[3]);
  DotOutput o = output_of(ctx, n, in, a->act_min, a->act_max);
  dot_rows(ctx->scratch, &x, &w, &o, rows, ic, oc, out[0]);
}

static void eval_dynamic_conv2d(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  int32_t zero;
  DotSource x = dynamic_source(n->operands[0], in[0], in[2], &zero), w = dot_source(n->operands[3], in[3]);
  DotOutput o = output_of(ctx, n, in, a->act_min, a->act_max);
  conv_compute(ctx->scratch, n, &x, &n->operands[0]->type.shape, &w, &n->operands[3]->type.shape, &o, out[0]);
}

static int64_t macs_product(const Node *n) {
  const Shape *w = &n->operands[3]->type.shape;
  return shape_count(&n->results[0]->type.shape) * (shape_count(w) / w->dim[0]);
}

#define PRODUCT(op)                                                                                          \
  .name = #op, .min_operands = 4, .max_operands = 5, .n_results = 1, .quant = QUANT_CONVERT,                 \
  .infer = infer_##op, .eval = eval_##op, .macs = macs_product

const OpInfo op_dynamic_linear = {PRODUCT(dynamic_linear), .attrs_size = sizeof(ActAttrs),
                                  .attr_defaults = &act_defaults, .attrs = act_attrs};
const OpInfo op_dynamic_conv2d = {PRODUCT(dynamic_conv2d), .attrs_size = sizeof(ConvAttrs),
                                  .attr_defaults = &conv2d_defaults, .attrs = conv2d_attrs};

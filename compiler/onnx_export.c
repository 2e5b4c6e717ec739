/* The graph, node by node. How each op is written stands in its row. */
#include "compiler/onnx_export.h"
#include "compiler/onnx_export_ops.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const OnnxExportOp rows[OP_COUNT] = {
    [OP_conv2d] = {"Conv", onnx_export_conv},
    [OP_conv3d] = {"Conv", onnx_export_conv},
    [OP_conv_transpose2d] = {"ConvTranspose", onnx_export_conv_transpose},
    [OP_conv_transpose3d] = {"ConvTranspose", onnx_export_conv_transpose},
    [OP_resize_nearest] = {"Resize", onnx_export_resize},
    [OP_resize_linear] = {"Resize", onnx_export_resize},
    [OP_resize_cubic] = {"Resize", onnx_export_resize},
    [OP_linear] = {NULL, onnx_export_linear},
    [OP_matmul] = {"MatMul", onnx_export_plain},
    [OP_batch_norm] = {"BatchNormalization", onnx_export_batch_norm},
    [OP_add] = {"Add", onnx_export_plain},
    [OP_sub] = {"Sub", onnx_export_plain},
    [OP_mul] = {"Mul", onnx_export_plain},
    [OP_div] = {"Div", onnx_export_plain},
    [OP_max_pool2d] = {"MaxPool", onnx_export_max_pool},
    [OP_max_pool3d] = {"MaxPool", onnx_export_max_pool},
    [OP_avg_pool3d] = {"AveragePool", onnx_export_average_pool},
    [OP_avg_pool2d] = {"AveragePool", onnx_export_average_pool},
    [OP_global_avg_pool] = {"GlobalAveragePool", onnx_export_plain},
    [OP_reduce_mean] = {"ReduceMean", onnx_export_reduce},
    [OP_reduce_sum] = {"ReduceSum", onnx_export_reduce_sum},
    [OP_reduce_max] = {"ReduceMax", onnx_export_reduce_ends},
    [OP_reduce_min] = {"ReduceMin", onnx_export_reduce_ends},
    [OP_max] = {"Max", onnx_export_plain},
    [OP_min] = {"Min", onnx_export_plain},
    [OP_prelu] = {"PRelu", onnx_export_plain},
    [OP_expand] = {"Expand", onnx_export_reshape},
    [OP_concat] = {"Concat", onnx_export_move_axis},
    [OP_pad] = {"Pad", onnx_export_pad},
    [OP_softmax] = {"Softmax", onnx_export_axis},
    [OP_log_softmax] = {"LogSoftmax", onnx_export_axis},
    [OP_lstm] = {"LSTM", onnx_export_recurrent},
    [OP_gru] = {"GRU", onnx_export_recurrent},
    [OP_rnn] = {"RNN", onnx_export_recurrent},
    [OP_layer_norm] = {"LayerNormalization", onnx_export_layer_norm},
    [OP_group_norm] = {"GroupNormalization", onnx_export_group_norm},
    [OP_reshape] = {"Reshape", onnx_export_reshape},
    [OP_flatten] = {"Flatten", onnx_export_move_axis},
    [OP_transpose] = {"Transpose", onnx_export_transpose},
    [OP_slice] = {"Slice", onnx_export_slice},
    [OP_identity] = {"Identity", onnx_export_move},
    [OP_quantize] = {"QuantizeLinear", onnx_export_convert},
    [OP_dequantize] = {"DequantizeLinear", onnx_export_convert},
    [OP_requantize] = {"QuantizeLinear", onnx_export_convert},
    [OP_lut] = {"Gather", onnx_export_lut},
    [OP_dynamic_quantize] = {"DynamicQuantizeLinear", onnx_export_dynamic_quantize},
    [OP_dynamic_linear] = {NULL, onnx_export_dynamic_layer},
    [OP_dynamic_conv2d] = {NULL, onnx_export_dynamic_layer},
    [OP_conv_integer] = {"ConvInteger", onnx_export_integer_product},
    [OP_matmul_integer] = {"MatMulInteger", onnx_export_integer_product},
    [OP_cast] = {"Cast", onnx_export_cast},
    [OP_relu] = {"Relu", onnx_export_plain},
    [OP_clip] = {"Clip", onnx_export_clip},
    [OP_clamp] = {"Clip", onnx_export_integer_clip},
    [OP_leaky_relu] = {"LeakyRelu", onnx_export_floats},
    [OP_sigmoid] = {"Sigmoid", onnx_export_plain},
    [OP_tanh] = {"Tanh", onnx_export_plain},
    [OP_exp] = {"Exp", onnx_export_plain},
    [OP_sqrt] = {"Sqrt", onnx_export_plain},
    [OP_neg] = {"Neg", onnx_export_plain},
    [OP_abs] = {"Abs", onnx_export_plain},
    [OP_erf] = {"Erf", onnx_export_plain},
    [OP_hard_sigmoid] = {"HardSigmoid", onnx_export_floats},
    [OP_hard_swish] = {"HardSwish", onnx_export_plain},
    [OP_silu] = {"Mul", onnx_export_silu},
    [OP_elu] = {"Elu", onnx_export_floats},
    [OP_gelu] = {"Gelu", onnx_export_gelu},
    [OP_log] = {"Log", onnx_export_plain},
    [OP_reciprocal] = {"Reciprocal", onnx_export_plain},
    [OP_pow] = {"Pow", onnx_export_pow},
    [OP_sign] = {"Sign", onnx_export_plain},
    [OP_floor] = {"Floor", onnx_export_plain},
    [OP_ceil] = {"Ceil", onnx_export_plain},
    [OP_round] = {"Round", onnx_export_plain},
    [OP_selu] = {"Selu", onnx_export_floats},
    [OP_celu] = {"Celu", onnx_export_floats},
    [OP_thresholded_relu] = {"ThresholdedRelu", onnx_export_floats},
    [OP_softplus] = {"Softplus", onnx_export_plain},
    [OP_softsign] = {"Softsign", onnx_export_plain},
    [OP_mish] = {"Mish", onnx_export_call},
    [OP_custom] = {NULL, onnx_export_custom},
};

static const char *label(const Node *n) { return *n->name ? n->name : n->results[0]->name; }

bool onnx_export_error(OnnxExport *e, const Node *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(e->arena, fmt, ap);
  va_end(ap);
  return diag_error(e->diag, node_loc(n), "%s '%s': %s", op_info[n->op]->name, label(n), text);
}

/* ---- operands ---- */

Onnx__NodeProto *onnx_export_node(OnnxExport *e, const Node *n, const char *op_type) {
  Onnx__NodeProto *p = onnx_build_node(&e->build, op_type, n->name);
  if (n->in_float)
    p->doc_string = arena_printf(e->arena, ONNX_FLOAT_NOTE "%s", p->doc_string ? p->doc_string : "");
  return p;
}

const char *onnx_export_tensor(OnnxExport *e, const Tensor *t) {
  if (!tensor_is_const(t) || strmap_get(e->initializers, t->name)) return t->name;
  strmap_put(e->initializers, t->name, (void *)t);
  onnx_build_initializer(&e->build, t->name, onnx_elem_of(t->type.dtype), &t->type.shape, t->data,
                         type_bytes(&t->type));
  return t->name;
}

static Onnx__NodeProto *widened(OnnxExport *e, const Tensor *t) {
  Onnx__NodeProto *p = onnx_build_node(&e->build, "Cast", "");
  onnx_build_input(&e->build, p, onnx_export_tensor(e, t));
  onnx_build_int(&e->build, p, "to", onnx_elem_of(DT_F32));
  return p;
}

const char *onnx_export_view(OnnxExport *e, const Tensor *t) {
  if (!t->type.quant && t->type.dtype != DT_F16) return onnx_export_tensor(e, t);
  const char *view = strmap_get(e->views, t->name);
  if (view) return view;
  Onnx__NodeProto *p = t->type.quant ? onnx_export_dequantize(e, "", t) : widened(e, t);
  view = onnx_export_step(e, p, t->name, "view", onnx_elem_of(DT_F32), &t->type.shape);
  strmap_put(e->views, t->name, (void *)view);
  return view;
}

void onnx_export_operands(OnnxExport *e, Onnx__NodeProto *p, const Node *n, int count) {
  for (int i = 0; i < count && i < n->n_operands; i++)
    onnx_build_input(&e->build, p, n->operands[i] ? onnx_export_view(e, n->operands[i]) : "");
}

const char *onnx_export_ints(OnnxExport *e, const Node *n, const char *what, const int64_t *v, int count) {
  const char *name = onnx_build_fresh(&e->build, n->results[0]->name, what);
  Shape shape = shape_of(1, (int64_t)count);
  int64_t *data = arena_memdup(e->arena, v, sizeof *v * (size_t)count);
  onnx_build_initializer(&e->build, name, onnx_elem_of(DT_S64), &shape, data, (int64_t)sizeof *v * count);
  return name;
}

const char *onnx_export_scalar(OnnxExport *e, const Node *n, const char *what, DType dtype, const void *v) {
  const char *name = onnx_build_fresh(&e->build, n->results[0]->name, what);
  int bytes = dtype_info[dtype].bytes;
  onnx_build_initializer(&e->build, name, onnx_elem_of(dtype), &(Shape){0},
                         arena_memdup(e->arena, v, (size_t)bytes), bytes);
  return name;
}

/* ---- results ---- */

const char *onnx_export_step(OnnxExport *e, Onnx__NodeProto *p, const char *base, const char *suffix,
                             int elem, const Shape *shape) {
  const char *name = onnx_build_fresh(&e->build, base, suffix);
  onnx_build_output(&e->build, p, name);
  onnx_build_append(&e->build, p);
  onnx_build_value(&e->build, name, elem, shape);
  return name;
}

void onnx_export_raw_result(OnnxExport *e, const Node *n, Onnx__NodeProto *p) {
  for (int i = 0; i < n->n_results; i++) {
    const Tensor *r = n->results[i];
    onnx_build_output(&e->build, p, r->name);
    if (!r->is_output) onnx_build_value(&e->build, r->name, onnx_elem_of(r->type.dtype), &r->type.shape);
  }
  onnx_build_append(&e->build, p);
}

static bool clamp_of(const Node *n, float *lo, float *hi) {
  const AttrDesc *min = op_attr(n->op, "act_min", 7), *max = op_attr(n->op, "act_max", 7);
  *lo = min ? *(const float *)((const char *)n->attrs + min->offset) : -INFINITY;
  *hi = max ? *(const float *)((const char *)n->attrs + max->offset) : INFINITY;
  return *lo > -INFINITY || *hi < INFINITY;
}

void onnx_export_result(OnnxExport *e, const Node *n, Onnx__NodeProto *p) {
  const Tensor *r = n->results[0];
  int f32 = onnx_elem_of(DT_F32);
  float lo, hi;
  if (clamp_of(n, &lo, &hi))
    p = onnx_export_clamp(e, n, onnx_export_step(e, p, r->name, "sum", f32, &r->type.shape), lo, hi);
  if (r->type.quant) {
    const char *real = onnx_export_step(e, p, r->name, "real", f32, &r->type.shape);
    onnx_export_quantize(e, "", real, r);
  } else {
    onnx_export_raw_result(e, n, p);
  }
}

/* ---- the whole ---- */

/* The length of the UTF-8 sequence at s; 0 where there is none. */
static int utf8_length(const unsigned char *s) {
  static const struct {
    unsigned char mask, lead, least; /* least: of the second byte, which rules out longer forms than needed */
    int length;
  } forms[] = {{0x80, 0, 0, 1}, {0xe0, 0xc0, 0x80, 2}, {0xf0, 0xe0, 0x80, 3}, {0xf8, 0xf0, 0x80, 4}};
  for (int i = 0; i < 4; i++) {
    if ((s[0] & forms[i].mask) != forms[i].lead) continue;
    int length = forms[i].length;
    for (int k = 1; k < length; k++)
      if ((s[k] & 0xc0) != 0x80) return 0;
    bool overlong =
        (length == 2 && s[0] < 0xc2) || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] >= 0xa0) || s[0] > 0xf4 || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || outside ? 0 : length;
  }
  return 0;
}

/* Bytes that are no ASCII as \xHH. */
static const char *escaped(Arena *a, const char *name) {
  StrBuf b;
  strbuf_init(&b, a);
  for (; *name; name++)
    strbuf_printf(&b, (unsigned char)*name < 128 ? "%c" : "\\x%02x", (unsigned char)*name);
  return b.text;
}

static bool check_name(OnnxExport *e, SrcLoc loc, const char *name) {
  for (const unsigned char *s = (const unsigned char *)name; *s;) {
    int length = utf8_length(s);
    if (!length)
      return diag_error(e->diag, loc, "the name '%s' is not UTF-8, as ONNX wants names",
                        escaped(e->arena, name));
    s += length;
  }
  return true;
}

/* The model's own names come before those that the writer makes up. */
static bool claim(OnnxExport *e, const Tensor *t, SrcLoc loc) {
  return !t || !onnx_build_claim(&e->build, t->name) || check_name(e, loc, t->name);
}

static bool claim_names(OnnxExport *e) {
  const Graph *g = e->graph;
  bool ok = check_name(e, (SrcLoc){0}, g->name);
  for (int i = 0; i < g->n_inputs; i++) ok &= claim(e, g->inputs[i], g->inputs[i]->loc);
  for (const Node *n = g->first; n; n = n->next) {
    ok &= check_name(e, node_loc(n), n->name);
    for (int i = 0; i < n->n_operands; i++) ok &= claim(e, n->operands[i], node_loc(n));
    for (int i = 0; i < n->n_results; i++) ok &= claim(e, n->results[i], node_loc(n));
  }
  return ok;
}

static bool check_outputs(OnnxExport *e) {
  const Graph *g = e->graph;
  bool ok = true;
  for (int i = 0; i < g->n_outputs; i++) {
    const Tensor *t = g->outputs[i];
    SrcLoc loc = t->producer ? node_loc(t->producer) : t->loc;
    if (tensor_is_const(t))
      ok = diag_error(e->diag, loc, "output '%s' is a constant: ONNX has no such outputs", t->name);
    for (int k = 0; k < i; k++)
      if (g->outputs[k] == t)
        ok = diag_error(e->diag, loc, "output '%s' is given twice: ONNX has one output of a name", t->name);
  }
  return ok;
}

bool onnx_export_has_form(OpId op) { return rows[op].write != NULL; }

static bool export_node(OnnxExport *e, const Node *n) {
  const OnnxExportOp *row = &rows[n->op];
  if (row->write) return row->write(e, n, row->name);
  return onnx_export_error(e, n, "the op has no ONNX form");
}

/* What integers mean that no QuantizeLinear makes and perhaps no DequantizeLinear reads. */
static void annotate(OnnxExport *e, const Tensor *t) {
  if (!t->type.quant || t->type.quant->axis >= 0 || tensor_is_const(t)) return;
  const QuantNames *p = onnx_export_parameters(e, t);
  onnx_build_annotation(&e->build, t->name, p->scale, p->zero);
}

static bool write_graph(OnnxExport *e) {
  const Graph *g = e->graph;
  bool ok = true;
  for (int i = 0; i < g->n_inputs; i++) {
    const Type *t = &g->inputs[i]->type;
    onnx_build_graph_input(&e->build, g->inputs[i]->name, onnx_elem_of(t->dtype), &t->shape);
    annotate(e, g->inputs[i]);
  }
  for (const Node *n = g->first; n; n = n->next) {
    ok &= export_node(e, n);
    for (int i = 0; i < n->n_results; i++) annotate(e, n->results[i]);
  }
  for (int i = 0; i < g->n_outputs; i++) {
    const Type *t = &g->outputs[i]->type;
    onnx_build_graph_output(&e->build, g->outputs[i]->name, onnx_elem_of(t->dtype), &t->shape);
  }
  return ok;
}

bool onnx_export(Diag *d, Arena *a, const Graph *g, int64_t limit, const void **bytes, size_t *size) {
  OnnxExport e = {.diag = d,
                  .arena = a,
                  .graph = g,
                  .initializers = strmap_new(a),
                  .views = strmap_new(a),
                  .parameters = strmap_new(a)};
  int64_t length;
  onnx_build_init(&e.build, a, *g->name ? g->name : "model"); /* ONNX wants one */
  bool named = claim_names(&e), sound = check_outputs(&e);
  if (!named || !sound || !write_graph(&e)) return false;
  if (!onnx_build_pack(&e.build, limit, bytes, &length))
    return diag_error(d, (SrcLoc){0},
                      "the ONNX file would have %" PRId64 " bytes; a protobuf file ends at %" PRId64, length,
                      limit);
  *size = (size_t)length;
  return true;
}

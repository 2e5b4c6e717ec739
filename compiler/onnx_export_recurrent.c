/* lstm, gru, rnn: as LSTM, GRU and RNN over float weights, which may be views of integers; lstm with products
 * of integers by ONNX's rule as ONNX Runtime's DynamicQuantizeLSTM. */
#include "compiler/onnx_export_ops.h"

#include <math.h>
#include <string.h>

#include "ir/ops/recurrent.h"
#include "ir/quant.h"

/* ---- attributes ---- */

static const char *const directions[] = {"forward", "reverse", "bidirectional"};

/* `parameters`: how many of alpha and beta ONNX's lists hold for the function. */
static const struct {
  const char *name;
  int parameters;
} functions[] = {[GATE_SIGMOID] = {"Sigmoid", 0},
                 [GATE_TANH] = {"Tanh", 0},
                 [GATE_RELU] = {"Relu", 0},
                 [GATE_AFFINE] = {"Affine", 2},
                 [GATE_LEAKY_RELU] = {"LeakyRelu", 1},
                 [GATE_THRESHOLDED_RELU] = {"ThresholdedRelu", 1},
                 [GATE_SCALED_TANH] = {"ScaledTanh", 2},
                 [GATE_HARD_SIGMOID] = {"HardSigmoid", 2},
                 [GATE_ELU] = {"Elu", 1},
                 [GATE_SOFTSIGN] = {"Softsign", 0}};

enum { MAX_FUNCTIONS = 6 }; /* three of two directions */

static void add_functions(OnnxExport *e, Onnx__NodeProto *p, const Node *n, int64_t times) {
  const RecurrentAttrs *a = ATTRS(n, RecurrentAttrs), *usual = op_info[n->op]->attr_defaults;
  const GateFunction *own[] = {&a->f, &a->g, &a->h};
  int each = n->op == OP_lstm ? 3 : n->op == OP_gru ? 2 : 1, count = 0, alphas = 0, betas = 0;
  const char *names[MAX_FUNCTIONS];
  float alpha[MAX_FUNCTIONS], beta[MAX_FUNCTIONS];
  if (a->f.kind == usual->f.kind && (each < 2 || a->g.kind == usual->g.kind) &&
      (each < 3 || a->h.kind == usual->h.kind))
    return;
  for (int64_t d = 0; d < times; d++)
    for (int i = 0; i < each; i++) {
      int parameters = functions[own[i]->kind].parameters;
      names[count++] = functions[own[i]->kind].name;
      if (parameters > 0) alpha[alphas++] = own[i]->alpha;
      if (parameters > 1) beta[betas++] = own[i]->beta;
    }
  onnx_build_strings(&e->build, p, "activations", names, count);
  if (alphas) onnx_build_floats(&e->build, p, "activation_alpha", alpha, alphas);
  if (betas) onnx_build_floats(&e->build, p, "activation_beta", beta, betas);
}

static void add_attrs(OnnxExport *e, Onnx__NodeProto *p, const Node *n) {
  const RecurrentAttrs *a = ATTRS(n, RecurrentAttrs);
  RecurrentDims s = recurrent_dims(n);
  onnx_build_int(&e->build, p, "hidden_size", s.hidden);
  if (a->direction) onnx_build_string(&e->build, p, "direction", directions[a->direction]);
  if (a->clip < INFINITY) onnx_build_float(&e->build, p, "clip", a->clip);
  if (a->input_forget) onnx_build_int(&e->build, p, "input_forget", 1);
  if (a->linear_before_reset) onnx_build_int(&e->build, p, "linear_before_reset", 1);
  add_functions(e, p, n, s.directions);
}

/* ---- operands and results ---- */

/* The float view of a weight, [D, rows, K]. */
static const char *real_weight(OnnxExport *e, const Node *n, int i) {
  const Tensor *w = n->operands[i];
  RecurrentDims s = recurrent_dims(n);
  const char *name = onnx_export_view(e, w);
  int f32 = onnx_elem_of(DT_F32);
  if (w->type.shape.rank == 3) return name;
  Shape shape = shape_of(3, s.directions, s.gates * s.hidden, w->type.shape.dim[1]);
  Onnx__NodeProto *reshape = onnx_build_node(&e->build, "Reshape", "");
  onnx_build_input(&e->build, reshape, name);
  onnx_build_input(&e->build, reshape, onnx_export_ints(e, n, "weight_shape", shape.dim, 3));
  return onnx_export_step(e, reshape, w->name, "directions", f32, &shape);
}

static void add_operand(OnnxExport *e, Onnx__NodeProto *p, const Node *n, int i) {
  const Tensor *t = node_operand(n, i);
  onnx_build_input(&e->build, p, t ? onnx_export_view(e, t) : "");
}

/* From the bias on; ONNX has the lengths of the sequences behind it. `all`: absent ones at the end too. */
static void add_operands(OnnxExport *e, Onnx__NodeProto *p, const Node *n, bool all) {
  int count = n->n_operands;
  while (!node_operand(n, count - 1)) count--;
  if (all) count = RECURRENT_P + 1;
  for (int i = RECURRENT_B; i < count; i++) {
    add_operand(e, p, n, i);
    if (i == RECURRENT_B && count > i + 1) onnx_build_input(&e->build, p, "");
  }
}

static void add_results(OnnxExport *e, Onnx__NodeProto *p, const Node *n) {
  for (int i = 0; i < n->n_results; i++) onnx_build_output(&e->build, p, n->results[i]->name);
  onnx_build_append(&e->build, p);
  for (int i = 0; i < n->n_results; i++) {
    const Tensor *r = n->results[i];
    if (!r->is_output) onnx_build_value(&e->build, r->name, onnx_elem_of(DT_F32), &r->type.shape);
  }
}

/* ---- DynamicQuantizeLSTM ---- */

/* Integers [D, K, rows]. */
static const char *integer_weight(OnnxExport *e, const Node *n, int i) {
  const Tensor *w = n->operands[i];
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, k = w->type.shape.dim[w->type.shape.rank - 1];
  Shape shape = shape_of(3, s.directions, k, rows);
  const uint8_t *from = w->data;
  uint8_t *to = arena_alloc(e->arena, (size_t)shape_count(&shape));
  for (int64_t d = 0; d < s.directions; d++)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < k; c++) to[(d * k + c) * rows + r] = from[(d * rows + r) * k + c];
  /* nobody else wants it under its name, by which qcc knows it again */
  const char *name = w->n_uses == 1 ? w->name : onnx_build_fresh(&e->build, w->name, "transposed");
  onnx_build_initializer(&e->build, name, onnx_elem_of(w->type.dtype), &shape, to, shape_count(&shape));
  return name;
}

/* A scale and a zero point for each direction, or for each of its rows. */
static void add_parameters(OnnxExport *e, Onnx__NodeProto *p, const Node *n, int i) {
  const Type *w = &n->operands[i]->type;
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden;
  bool each_row = w->quant->axis >= 0 && (w->shape.rank == 2 || w->quant->axis == 1);
  Shape shape = each_row ? shape_of(2, s.directions, rows) : shape_of(1, s.directions);
  int64_t count = shape_count(&shape);
  float *scale = ARENA_NEW_ARRAY(e->arena, float, (size_t)count);
  int8_t *zero = arena_alloc(e->arena, (size_t)count);
  for (int64_t k = 0; k < count; k++) {
    int64_t c = recurrent_channel(w, each_row ? k : k * rows, rows);
    scale[k] = w->quant->scale[c];
    zero[k] = (int8_t)w->quant->zero[c];
  }
  const char *base = n->operands[i]->name, *names[] = {onnx_build_fresh(&e->build, base, "scale"),
                                                       onnx_build_fresh(&e->build, base, "zero_point")};
  onnx_build_initializer(&e->build, names[0], onnx_elem_of(DT_F32), &shape, scale,
                         (int64_t)sizeof *scale * count);
  onnx_build_initializer(&e->build, names[1], onnx_elem_of(w->dtype), &shape, zero, count);
  onnx_build_input(&e->build, p, names[0]);
  onnx_build_input(&e->build, p, names[1]);
}

static bool export_dynamic(OnnxExport *e, const Node *n) {
  const DynamicQuantizeAttrs *q = &ATTRS(n, RecurrentAttrs)->quantize;
  if (n->op != OP_lstm || q->rule != DYNAMIC_ONNX || q->qmax != 255)
    return onnx_export_error(e, n,
                             "ONNX has no form for operands that are quantized at run time so; the mode "
                             "'weights' has one");
  if (n->operands[RECURRENT_W]->type.dtype != n->operands[RECURRENT_R]->type.dtype)
    return onnx_export_error(e, n, "DynamicQuantizeLSTM has no weights of different integers");
  Onnx__NodeProto *p = onnx_export_node(e, n, "DynamicQuantizeLSTM");
  onnx_build_domain(&e->build, p, "com.microsoft", 1);
  add_operand(e, p, n, RECURRENT_X);
  onnx_build_input(&e->build, p, integer_weight(e, n, RECURRENT_W));
  onnx_build_input(&e->build, p, integer_weight(e, n, RECURRENT_R));
  add_operands(e, p, n, true);
  add_parameters(e, p, n, RECURRENT_W);
  add_parameters(e, p, n, RECURRENT_R);
  add_attrs(e, p, n);
  add_results(e, p, n);
  return true;
}

bool onnx_export_recurrent(OnnxExport *e, const Node *n, const char *name) {
  if (!n->operands[RECURRENT_W]) return onnx_export_error(e, n, "a projected sequence has no ONNX form");
  if (ATTRS(n, RecurrentAttrs)->dynamic) return export_dynamic(e, n);
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  add_operand(e, p, n, RECURRENT_X);
  onnx_build_input(&e->build, p, real_weight(e, n, RECURRENT_W));
  onnx_build_input(&e->build, p, real_weight(e, n, RECURRENT_R));
  add_operands(e, p, n, false);
  add_attrs(e, p, n);
  add_results(e, p, n);
  return true;
}

/* LSTM, GRU, RNN, and the LSTM of ONNX Runtime's dynamic quantization. */
#include "compiler/onnx_ops.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "ir/ops/recurrent.h"
#include "ir/quant.h"

/* ---- the functions of the gates ---- */

/* `parameters`: how many of alpha and beta the function takes from the lists. */
static const struct {
  const char *name;
  GateKind kind;
  int parameters;
  float alpha, beta;
} functions[] = {{"Sigmoid", GATE_SIGMOID, 0, 1, 0},
                 {"Tanh", GATE_TANH, 0, 1, 0},
                 {"Relu", GATE_RELU, 0, 1, 0},
                 {"Affine", GATE_AFFINE, 2, 1, 0},
                 {"LeakyRelu", GATE_LEAKY_RELU, 1, 0.01f, 0},
                 {"ThresholdedRelu", GATE_THRESHOLDED_RELU, 1, 1, 0},
                 {"ScaledTanh", GATE_SCALED_TANH, 2, 1, 1},
                 {"HardSigmoid", GATE_HARD_SIGMOID, 2, 0.2f, 0.5f},
                 {"Elu", GATE_ELU, 1, 1, 0},
                 {"Softsign", GATE_SOFTSIGN, 0, 1, 0}};

/* A list of parameters, consumed in the order of the functions by those that have such a parameter. */
typedef struct {
  const char *name;
  const float *v;
  size_t n, taken;
} Parameters;

static Parameters parameters(const OnnxNode *n, const char *name) {
  const Onnx__AttributeProto *a = onnx_attr(n, name);
  return a ? (Parameters){name, a->floats, a->n_floats, 0} : (Parameters){name, NULL, 0, 0};
}

static float take(Parameters *p, float absent) { return p->taken < p->n ? p->v[p->taken++] : absent; }

static bool all_taken(const OnnxNode *n, const Parameters *p) {
  if (p->taken == p->n) return true;
  return onnx_error(n, "attribute '%s' has %zu values; its activations take %zu", p->name, p->n, p->taken);
}

static bool read_function(const OnnxNode *n, const ProtobufCBinaryData *name, Parameters *alpha,
                          Parameters *beta, GateFunction *f) {
  Arena *a = n->im->arena;
  const char *text = arena_strndup(a, (const char *)name->data, name->len);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    if (strcasecmp(functions[i].name, text)) continue;
    *f = (GateFunction){functions[i].kind, functions[i].alpha, functions[i].beta};
    if (functions[i].parameters > 0) f->alpha = take(alpha, f->alpha);
    if (functions[i].parameters > 1) f->beta = take(beta, f->beta);
    return true;
  }
  return onnx_error(n, "the activation '%s' is not supported", onnx_shown(a, text));
}

static bool same_function(const GateFunction *x, const GateFunction *y) {
  return x->kind == y->kind && x->alpha == y->alpha && x->beta == y->beta;
}

/* Both directions of the op have the same functions. */
static bool read_functions(const OnnxNode *n, int each, int directions, RecurrentAttrs *attrs) {
  const Onnx__AttributeProto *a = onnx_attr(n, "activations");
  GateFunction *own[] = {&attrs->f, &attrs->g, &attrs->h}, f;
  Parameters alpha = parameters(n, "activation_alpha"), beta = parameters(n, "activation_beta");
  if (a && a->n_strings != (size_t)(each * directions))
    return onnx_error(n, "attribute 'activations' has %zu names; %d are needed", a->n_strings,
                      each * directions);
  for (int i = 0; a && i < each * directions; i++) {
    if (!read_function(n, &a->strings[i], &alpha, &beta, i < each ? own[i] : &f)) return false;
    if (i >= each && !same_function(&f, own[i - each]))
      return onnx_error(n, "directions with different activations are not supported");
  }
  return all_taken(n, &alpha) && all_taken(n, &beta);
}

/* ---- attributes ---- */

static bool read_direction(const OnnxNode *n, int *direction) {
  static const char *const names[] = {"forward", "reverse", "bidirectional"};
  const char *text = onnx_attr_string(n, "direction", "forward");
  for (*direction = 0; *direction < 3; ++*direction)
    if (!strcmp(names[*direction], text)) return true;
  return onnx_error(n, "attribute 'direction' is '%s'; it must be forward, reverse or bidirectional",
                    onnx_shown(n->im->arena, text));
}

static bool read_attrs(const OnnxNode *n, OpId op, RecurrentAttrs *attrs) {
  *attrs = *(const RecurrentAttrs *)op_info[op]->attr_defaults;
  if (!read_direction(n, &attrs->direction)) return false;
  int each = op == OP_lstm ? 3 : op == OP_gru ? 2 : 1;
  int directions = attrs->direction == DIRECTION_BIDIRECTIONAL ? 2 : 1;
  if (!read_functions(n, each, directions, attrs)) return false;
  attrs->clip = onnx_attr_float(n, "clip", INFINITY);
  if (!(attrs->clip > 0))
    return onnx_error(n, "attribute 'clip' is %g; it must be positive", (double)attrs->clip);
  attrs->linear_before_reset = onnx_attr_int(n, "linear_before_reset", 0) != 0;
  return onnx_attr_flag(n, "input_forget", false, &attrs->input_forget);
}

/* ---- operands ---- */

/* Every sequence of the batch has all steps. */
static bool check_lengths(const OnnxNode *n, int64_t steps, int64_t batch) {
  OnnxInts lengths;
  if (!onnx_has_input(n, 4)) return true;
  if (!onnx_ints_input(n, 4, "sequence_lens", &lengths)) return false;
  if (lengths.n != batch)
    return onnx_error(n, "sequence_lens has %lld elements for a batch of %lld", (long long)lengths.n,
                      (long long)batch);
  for (int64_t i = 0; i < lengths.n; i++)
    if (lengths.v[i] != steps)
      return onnx_error(n,
                        "sequence_lens says %lld of %lld steps; sequences that end early are not supported",
                        (long long)lengths.v[i], (long long)steps);
  return true;
}

static bool check_hidden_size(const OnnxNode *n, const Tensor *r) {
  int rank = r->type.shape.rank;
  int64_t hidden = rank == 2 || rank == 3 ? r->type.shape.dim[rank - 1] : 0;
  int64_t given = onnx_attr_int(n, "hidden_size", hidden);
  return given == hidden || onnx_error(n, "attribute 'hidden_size' is %lld, but R is %s", (long long)given,
                                       shape_text(n->im->arena, &r->type.shape));
}

/* [batch, ...] to [steps or directions, batch, ...], or back: the first two dims change places. */
static Tensor *swapped(OnnxNode *n, const char *name, Tensor *t) {
  TransposeAttrs attrs = {{3, {1, 0, 2}}};
  if (t && t->type.shape.rank != 3) {
    onnx_error(n, "with layout 1, '%s' must have three dimensions, not %s", t->name,
               shape_text(n->im->arena, &t->type.shape));
    return NULL;
  }
  return onnx_emit1(n, OP_transpose, name, t, &attrs);
}

/* Where the op has ONNX's inputs. */
static const int input_of[RECURRENT_P + 1] = {
    [RECURRENT_X] = 0,  [RECURRENT_W] = 1,  [RECURRENT_R] = 2, [RECURRENT_B] = 3,
    [RECURRENT_H0] = 5, [RECURRENT_C0] = 6, [RECURRENT_P] = 7,
};

/* The integers under a dequantize, where the op can take them as a weight that is stored small; else `t`. A
 * reshape between them has made the rows of all directions one axis into two. */
static Tensor *small_weight(Tensor *t) {
  Tensor *w = t;
  if (w->producer && w->producer->op == OP_reshape) w = w->producer->operands[0];
  if (!w->producer || w->producer->op != OP_dequantize) return t;
  Tensor *q = w->producer->operands[0];
  int rank = q->type.shape.rank;
  bool bytes = q->type.dtype == DT_S8 || q->type.dtype == DT_U8;
  bool fits = tensor_is_const(q) && bytes && (rank == 2 || rank == 3) && q->type.quant->axis < rank - 1;
  return fits && (w == t || rank == 2) ? q : t;
}

/* Returns how many there are; -1 after a diagnostic. Weights that are there already stay. */
static int read_operands(OnnxNode *n, OpId op, bool batch_first, Tensor **operands) {
  int count = 0;
  for (int i = 0; i < op_info[op]->max_operands; i++) {
    bool weight = i == RECURRENT_W || i == RECURRENT_R;
    if (!onnx_has_input(n, input_of[i])) continue;
    count = i + 1;
    if (operands[i]) continue;
    Tensor *t = onnx_operand(n, input_of[i], false);
    bool moves = i == RECURRENT_X || i == RECURRENT_H0 || i == RECURRENT_C0;
    if (t && batch_first && moves) t = swapped(n, NULL, t);
    if (!t) return -1;
    operands[i] = weight ? small_weight(t) : t;
  }
  return count;
}

/* ---- the node ---- */

static const char *result_name(OnnxNode *n, int i, bool final) {
  static const char *const suffixes[] = {"all", "last", "cell"};
  const char *name = onnx_output_name(n, i);
  return final && *name ? name : onnx_temp_name(n, suffixes[i]);
}

static bool set_results(OnnxNode *n, const Node *node, bool batch_first) {
  TransposeAttrs all = {{4, {2, 0, 1, 3}}};
  for (int i = 0; i < node->n_results; i++) {
    Tensor *t = node->results[i];
    const char *name = onnx_output_name(n, i);
    if (!*name) continue;
    if (batch_first && !onnx_output_used(n, i)) continue;
    if (batch_first) t = i ? swapped(n, name, t) : onnx_emit1(n, OP_transpose, name, t, &all);
    if (!onnx_set_output(n, i, t)) return false;
  }
  return true;
}

/* w and r: weights that are at hand already; NULL: they are inputs 1 and 2. dynamic NULL: float. */
static bool import_recurrent(OnnxNode *n, OpId op, Tensor *w, Tensor *r,
                             const DynamicQuantizeAttrs *dynamic) {
  RecurrentAttrs attrs;
  Tensor *operands[RECURRENT_P + 1] = {[RECURRENT_W] = w, [RECURRENT_R] = r};
  bool batch_first;
  if (!onnx_attr_flag(n, "layout", false, &batch_first) || !read_attrs(n, op, &attrs)) return false;
  if ((attrs.dynamic = dynamic != NULL)) attrs.quantize = *dynamic;
  int count = read_operands(n, op, batch_first, operands);
  if (count < 0 || !check_hidden_size(n, operands[RECURRENT_R])) return false;
  const char *names[3];
  for (int i = 0; i < op_info[op]->n_results; i++) names[i] = result_name(n, i, !batch_first);
  Node *node = graph_node(n->im->graph, op, operands, count, names, op_info[op]->n_results, n->loc, NULL);
  onnx_label_node(n, node);
  memcpy(node->attrs, &attrs, sizeof attrs);
  const Shape *x = &operands[RECURRENT_X]->type.shape;
  return node_infer(n->im->diag, node) && check_lengths(n, x->dim[0], x->dim[1]) &&
         set_results(n, node, batch_first);
}

bool onnx_import_lstm(OnnxNode *n) { return import_recurrent(n, OP_lstm, NULL, NULL, NULL); }
bool onnx_import_gru(OnnxNode *n) { return import_recurrent(n, OP_gru, NULL, NULL, NULL); }
bool onnx_import_rnn(OnnxNode *n) { return import_recurrent(n, OP_rnn, NULL, NULL, NULL); }

/* ---- DynamicQuantizeLSTM of com.microsoft ---- */

enum { QLSTM_W = 1, QLSTM_R = 2, QLSTM_W_SCALE = 8, QLSTM_R_SCALE = 10 };

/* The scales and zero points at inputs i and i + 1 for a weight of `directions` times `rows`: one each for a
 * direction, or for a row. */
static const Quant *read_quant(const OnnxNode *n, int i, DType dtype, int64_t directions, int64_t rows) {
  const OnnxValue *scale = onnx_const_input(n, i, "the scale");
  const OnnxValue *zero = scale ? onnx_const_input(n, i + 1, "the zero point") : NULL;
  if (!zero) return NULL;
  Arena *a = n->im->arena;
  int64_t count = shape_count(&scale->type.shape);
  if (scale->type.dtype != DT_F32 || zero->type.dtype != dtype || shape_count(&zero->type.shape) != count ||
      (count != directions && count != directions * rows)) {
    onnx_error(n, "the scale, %s, and the zero point, %s, do not fit %lld directions of %lld rows",
               type_text(a, &scale->type), type_text(a, &zero->type), (long long)directions, (long long)rows);
    return NULL;
  }
  int32_t *zeros = ARENA_NEW_ARRAY(a, int32_t, (size_t)count);
  for (int64_t k = 0; k < count; k++) {
    float s = ((const float *)scale->data)[k];
    zeros[k] = dtype == DT_U8 ? ((const uint8_t *)zero->data)[k] : ((const int8_t *)zero->data)[k];
    if (scale_is_valid(s)) continue;
    onnx_error(n, "the scale %g of element %lld is not positive, finite and normal", (double)s, (long long)k);
    return NULL;
  }
  return quant_new(a, count == 1 ? -1 : 0, count, scale->data, zeros);
}

/* [directions, K, rows] as [directions, rows, K], or as one matrix where each row has its scale. NULL after a
 * diagnostic. */
static Tensor *quantized_weight(OnnxNode *n, int i, int scale) {
  const OnnxValue *v = onnx_const_input(n, i, i == QLSTM_W ? "W" : "R");
  if (!v) return NULL;
  const Shape *s = &v->type.shape;
  if ((v->type.dtype != DT_S8 && v->type.dtype != DT_U8) || s->rank != 3 || !shape_count(s)) {
    onnx_error(n, "%s is %s; INT8 or UINT8 of three dimensions is needed", i == QLSTM_W ? "W" : "R",
               type_text(n->im->arena, &v->type));
    return NULL;
  }
  int64_t directions = s->dim[0], k = s->dim[1], rows = s->dim[2];
  const Quant *q = read_quant(n, scale, v->type.dtype, directions, rows);
  if (!q) return NULL;
  const uint8_t *from = v->data;
  uint8_t *to = arena_alloc(n->im->arena, (size_t)shape_count(s));
  for (int64_t d = 0; d < directions; d++)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < k; c++) to[(d * rows + r) * k + c] = from[(d * k + c) * rows + r];
  bool each_row = q->count > 1 && q->count != directions;
  Shape shape = each_row ? shape_of(2, directions * rows, k) : shape_of(3, directions, rows, k);
  return onnx_constant(n, v->name, (Type){v->type.dtype, shape, q}, to);
}

bool onnx_import_dynamic_quantize_lstm(OnnxNode *n) {
  static const DynamicQuantizeAttrs quantize = {DYNAMIC_ONNX, 255};
  Tensor *w = quantized_weight(n, QLSTM_W, QLSTM_W_SCALE);
  Tensor *r = w ? quantized_weight(n, QLSTM_R, QLSTM_R_SCALE) : NULL;
  return r && import_recurrent(n, OP_lstm, w, r, &quantize);
}

/* lstm, gru, rnn over whole sequences: attributes, types, the functions of the gates. */
#include "ir/ops/recurrent.h"
#include "ir/ops/dynamic.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>

static int gates_of(OpId op) { return op == OP_lstm ? 4 : op == OP_gru ? 3 : 1; }
static int64_t directions_of(const Node *n) {
  return ATTRS(n, RecurrentAttrs)->direction == DIRECTION_BIDIRECTIONAL ? 2 : 1;
}

RecurrentDims recurrent_dims(const Node *n) {
  const Shape *x = &n->operands[RECURRENT_X]->type.shape, *r = &n->operands[RECURRENT_R]->type.shape;
  const Tensor *w = n->operands[RECURRENT_W];
  return (RecurrentDims){.gates = gates_of(n->op),
                         .directions = directions_of(n),
                         .steps = x->dim[0],
                         .batch = x->dim[1],
                         .inputs = w ? x->dim[2] : 0,
                         .hidden = r->dim[r->rank - 1],
                         .projected = !w};
}

/* --- the functions --- */

float recurrent_function(const GateFunction *f, float x) {
  switch ((GateKind)f->kind) {
  case GATE_SIGMOID:
    return ref_sigmoid(x);
  case GATE_TANH:
    return ref_tanh(x);
  case GATE_RELU:
    return ref_max(x, 0);
  case GATE_AFFINE:
    return f->alpha * x + f->beta;
  case GATE_LEAKY_RELU:
    return x < 0 ? f->alpha * x : x;
  case GATE_THRESHOLDED_RELU:
    return f->alpha - x < 0 ? x : 0;
  case GATE_SCALED_TANH:
    return f->alpha * ref_tanh(f->beta * x);
  case GATE_HARD_SIGMOID:
    return ref_clamp(f->alpha * x + f->beta, 0, 1);
  case GATE_ELU:
    return x < 0 ? f->alpha * (ref_exp(x) - 1.0f) : x;
  case GATE_SOFTSIGN:
    return x / (1.0f + fabsf(x));
  }
  BUG("gate function %d", f->kind);
}

/* --- types --- */

static const char *op_name(const Node *n) { return op_info[n->op]->name; }

static bool check_shape(Diag *d, const Node *n, const char *what, const Shape *shape, const Shape *wanted) {
  return shape_equal(shape, wanted) ||
         diag_error(d, node_loc(n), "%s of %s must be %s, not %s", what, op_name(n),
                    shape_text(d->arena, wanted), shape_text(d->arena, shape));
}

/* Operand i, where it is there, is f32 of this shape. `what` names it in the message. */
static bool check_operand(Diag *d, const Node *n, int i, const char *what, Shape shape) {
  const Tensor *t = node_operand(n, i);
  if (!t) return true;
  if (t->type.dtype != DT_F32)
    return diag_error(d, node_loc(n), "%s of %s must be f32, not %s", what, op_name(n),
                      type_text(d->arena, &t->type));
  return check_shape(d, n, what, &t->type.shape, &shape);
}

/* w or r: f32, or stored smaller; where they are dynamic, quantized. */
static bool check_weight(Diag *d, const Node *n, int i, const char *what, int64_t rows, int64_t k) {
  const Tensor *t = node_operand(n, i);
  if (!t) return true;
  const Type *w = &t->type;
  int64_t directions = directions_of(n);
  Shape wanted = w->shape.rank == 2 ? shape_of(2, directions * rows, k) : shape_of(3, directions, rows, k);
  bool bytes = (w->dtype == DT_S8 || w->dtype == DT_U8) && w->quant,
       real = w->dtype == DT_F32 || w->dtype == DT_F16;
  if (!check_shape(d, n, what, &w->shape, &wanted)) return false;
  if (ATTRS(n, RecurrentAttrs)->dynamic && !bytes)
    return diag_error(d, node_loc(n), "%s of a dynamic %s must be quantized s8 or u8, not %s%s", what,
                      op_name(n), dtype_info[w->dtype].name, w->quant || real ? "" : " without a scale");
  if (!bytes && !real)
    return diag_error(d, node_loc(n), "%s of %s must be f32, f16, or quantized s8 or u8, not %s%s", what,
                      op_name(n), dtype_info[w->dtype].name,
                      w->dtype == DT_S8 || w->dtype == DT_U8 ? " without a scale" : "");
  if (bytes && w->quant->axis == w->shape.rank - 1)
    return diag_error(d, node_loc(n), "%s of %s must not be quantized along its last axis", what, op_name(n));
  return true;
}

/* Parameters that a function does not have get one value, so that equal functions look equal. */
static void drop_parameters(GateFunction *f) {
  bool beta = f->kind == GATE_AFFINE || f->kind == GATE_SCALED_TANH || f->kind == GATE_HARD_SIGMOID;
  bool alpha = beta || f->kind == GATE_LEAKY_RELU || f->kind == GATE_THRESHOLDED_RELU || f->kind == GATE_ELU;
  if (!alpha) f->alpha = 1;
  if (!beta) f->beta = 0;
}

static bool check_function(Diag *d, const Node *n, const char *name, const GateFunction *f) {
  if (isfinite(f->alpha) && isfinite(f->beta)) return true;
  return diag_error(d, node_loc(n), "%s: %s_alpha and %s_beta must be finite numbers", op_name(n), name,
                    name);
}

static bool check_attrs(Diag *d, const Node *n) {
  const RecurrentAttrs *a = ATTRS(n, RecurrentAttrs);
  if (!(a->clip > 0)) return diag_error(d, node_loc(n), "%s: clip must be a positive number", op_name(n));
  if (a->quantize.qmax != 255 && a->quantize.qmax != 127)
    return diag_error(d, node_loc(n), "%s: qmax must be 255 or 127, not %lld", op_name(n),
                      (long long)a->quantize.qmax);
  return check_function(d, n, "f", &a->f) && check_function(d, n, "g", &a->g) &&
         check_function(d, n, "h", &a->h);
}

/* The sequence and the recurrent weight, from whose shapes all others follow. */
static bool check_first(Diag *d, const Node *n) {
  const Shape *x = &n->operands[RECURRENT_X]->type.shape, *r = &n->operands[RECURRENT_R]->type.shape;
  int64_t gates = gates_of(n->op);
  if (x->rank != 3 || x->dim[0] < 1 || x->dim[1] < 1 || x->dim[2] < 1)
    return diag_error(d, node_loc(n), "the sequence of %s must be [steps, batch, inputs], not %s", op_name(n),
                      shape_text(d->arena, x));
  int64_t hidden = r->rank ? r->dim[r->rank - 1] : 0, directions = directions_of(n);
  bool fits = r->rank == 3 ? r->dim[0] == directions && r->dim[1] == gates * hidden
                           : r->rank == 2 && r->dim[0] == directions * gates * hidden;
  if (!fits || hidden < 1)
    return diag_error(d, node_loc(n),
                      "the recurrent weight of %s must be [%lld, %lld * hidden, hidden], not %s", op_name(n),
                      (long long)directions, (long long)gates, shape_text(d->arena, r));
  return true;
}

bool infer_recurrent(Diag *d, Node *n, Type *results) {
  if (!check_attrs(d, n) || !check_first(d, n)) return false;
  RecurrentAttrs *a = ATTRS(n, RecurrentAttrs);
  drop_parameters(&a->f);
  drop_parameters(&a->g);
  drop_parameters(&a->h);
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden;
  Shape x = n->operands[RECURRENT_X]->type.shape, state = shape_of(3, s.directions, s.batch, s.hidden);
  if (s.projected) x.dim[2] = s.directions * rows;
  const char *sequence = s.projected ? "the sequence without a weight" : "the sequence";
  if (!check_operand(d, n, RECURRENT_X, sequence, x) ||
      !check_weight(d, n, RECURRENT_W, "the weight", rows, s.inputs) ||
      !check_weight(d, n, RECURRENT_R, "the recurrent weight", rows, s.hidden) ||
      !check_operand(d, n, RECURRENT_B, "the bias",
                     shape_of(2, s.directions, s.projected ? rows : 2 * rows)) ||
      !check_operand(d, n, RECURRENT_H0, "the initial state", state) ||
      !check_operand(d, n, RECURRENT_C0, "the initial cell", state) ||
      !check_operand(d, n, RECURRENT_P, "the peephole weight", shape_of(2, s.directions, 3 * s.hidden)))
    return false;
  results[0] = (Type){DT_F32, shape_of(4, s.steps, s.directions, s.batch, s.hidden), NULL};
  for (int i = 1; i < n->n_results; i++) results[i] = (Type){DT_F32, state, NULL};
  return true;
}

int64_t recurrent_macs(const Node *n) {
  RecurrentDims s = recurrent_dims(n);
  return s.steps * s.batch * s.directions * s.gates * s.hidden * (s.inputs + s.hidden);
}

/* --- attributes --- */

static const char *const directions[] = {"forward", "reverse", "bidirectional", NULL};
static const char *const functions[] = {
    [GATE_SIGMOID] = "sigmoid",
    [GATE_TANH] = "tanh",
    [GATE_RELU] = "relu",
    [GATE_AFFINE] = "affine",
    [GATE_LEAKY_RELU] = "leaky_relu",
    [GATE_THRESHOLDED_RELU] = "thresholded_relu",
    [GATE_SCALED_TANH] = "scaled_tanh",
    [GATE_HARD_SIGMOID] = "hard_sigmoid",
    [GATE_ELU] = "elu",
    [GATE_SOFTSIGN] = "softsign",
    NULL,
};

#define AT(field) offsetof(RecurrentAttrs, field)
/* clang-format off */
#define DIRECTION {"direction", ATTR_ENUM, AT(direction), .values = directions}
#define FUNCTION(name)                                                                                       \
  {#name, ATTR_ENUM, AT(name.kind), .values = functions}, {#name "_alpha", ATTR_FLOAT, AT(name.alpha)},      \
  {#name "_beta", ATTR_FLOAT, AT(name.beta)}
#define CLIP {"clip", ATTR_FLOAT, AT(clip)}
#define DYNAMIC                                                                                              \
  {"dynamic", ATTR_BOOL, AT(dynamic)}, {"rule", ATTR_ENUM, AT(quantize.rule), .values = dynamic_rule_names}, \
  {"qmax", ATTR_INT, AT(quantize.qmax)}
/* clang-format on */

static const AttrDesc lstm_attrs[] = {DIRECTION,   FUNCTION(f), FUNCTION(g),
                                      FUNCTION(h), CLIP,        {"input_forget", ATTR_BOOL, AT(input_forget)},
                                      DYNAMIC,     {0}};
static const AttrDesc gru_attrs[] = {
    DIRECTION, FUNCTION(f), FUNCTION(g), CLIP, {"linear_before_reset", ATTR_BOOL, AT(linear_before_reset)},
    DYNAMIC,   {0}};
static const AttrDesc rnn_attrs[] = {DIRECTION, FUNCTION(f), CLIP, DYNAMIC, {0}};

static const RecurrentAttrs lstm_defaults = {.f = {GATE_SIGMOID, 1, 0},
                                             .g = {GATE_TANH, 1, 0},
                                             .h = {GATE_TANH, 1, 0},
                                             .clip = INFINITY,
                                             .quantize = {DYNAMIC_ATEN, 255}};
static const RecurrentAttrs gru_defaults = {
    .f = {GATE_SIGMOID, 1, 0}, .g = {GATE_TANH, 1, 0}, .clip = INFINITY, .quantize = {DYNAMIC_ATEN, 255}};
static const RecurrentAttrs rnn_defaults = {
    .f = {GATE_TANH, 1, 0}, .clip = INFINITY, .quantize = {DYNAMIC_ATEN, 255}};

#define RECURRENT(op, most, results)                                                                         \
  .name = #op, .min_operands = RECURRENT_R + 1, .max_operands = (most), .optional = 1 << RECURRENT_W,        \
  .n_results = (results), .attrs_size = sizeof(RecurrentAttrs), .attr_defaults = &op##_defaults,             \
  .attrs = op##_attrs, .quant = QUANT_FLOAT, .infer = infer_recurrent, .eval = eval_recurrent,               \
  .macs = recurrent_macs

const OpInfo op_lstm = {RECURRENT(lstm, RECURRENT_P + 1, 3)};
const OpInfo op_gru = {RECURRENT(gru, RECURRENT_H0 + 1, 2)};
const OpInfo op_rnn = {RECURRENT(rnn, RECURRENT_H0 + 1, 2)};

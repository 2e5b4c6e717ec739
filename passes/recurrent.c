#include "ir/quant.h"
#include "passes/recurrent.h"

#include <string.h>

#include "ir/ops/recurrent.h"
#include "passes/rewrite.h"
#include "passes/small_weights.h"

bool is_recurrent(const Node *n) { return n->op == OP_lstm || n->op == OP_gru || n->op == OP_rnn; }

bool is_float_recurrent(const Node *n) {
  const Tensor *w = n->operands[RECURRENT_W], *bias = node_operand(n, RECURRENT_B);
  return is_recurrent(n) && (!w || is_const_f32(w)) && is_const_f32(n->operands[RECURRENT_R]) &&
         (!bias || is_const_f32(bias));
}

/* Direction d of the weight alone, [rows, k]. */
static Tensor direction_of(const Tensor *w, int64_t d, int64_t rows, int64_t k) {
  Tensor t = *w;
  t.type.shape = shape_of(2, rows, k);
  t.data = (const float *)w->data + d * rows * k;
  return t;
}

/* The parts one behind the other, each with its scale: [directions, rows, k]. */
static void join(Arena *a, const Type *parts, const void *const *data, int64_t directions, Type *type,
                 const void **joined) {
  size_t bytes = (size_t)type_bytes(&parts[0]);
  char *all = arena_alloc(a, bytes * (size_t)directions);
  float scale[2];
  int32_t zero[2];
  for (int64_t d = 0; d < directions; d++) {
    memcpy(all + (size_t)d * bytes, data[d], bytes);
    if (!parts[0].quant) continue;
    scale[d] = parts[d].quant->scale[0];
    zero[d] = parts[d].quant->zero[0];
  }
  *type = (Type){parts[0].dtype, shape_of(3, directions, parts[0].shape.dim[0], parts[0].shape.dim[1]), NULL};
  if (parts[0].quant) type->quant = quant_new(a, directions > 1 ? 0 : -1, directions, scale, zero);
  *joined = all;
}

/* Every channel has the same parameters. */
static bool is_uniform(const Quant *q) {
  for (int64_t c = 1; c < q->count; c++)
    if (q->scale[c] != q->scale[0] || q->zero[c] != q->zero[0]) return false;
  return true;
}

/* A scale for each row that both directions have in common is one for each row of both. */
static bool split_rows(Node *n, int i) {
  const Type *w = &n->operands[i]->type;
  const Quant *q = w->quant;
  if (w->shape.rank != 3 || w->shape.dim[0] != 2 || !q || q->axis != 1 || is_uniform(q)) return false;
  Arena *a = n->graph->arena;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)(2 * q->count));
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)(2 * q->count));
  for (int64_t k = 0; k < 2 * q->count; k++) {
    scale[k] = q->scale[k % q->count];
    zero[k] = q->zero[k % q->count];
  }
  Type t = {w->dtype, shape_of(2, 2 * q->count, w->shape.dim[2]), quant_new(a, 0, 2 * q->count, scale, zero)};
  set_const_operand(n, i, t, n->operands[i]->data);
  return true;
}

static bool simplify_weight(Node *n, int i) {
  const Tensor *w = n->operands[i];
  if (!w || !tensor_is_const(w)) return false;
  if (split_rows(n, i)) return true;
  int64_t directions = recurrent_dims(n).directions;
  Type type = w->type;
  const Quant *q = type.quant;
  bool along = q && q->axis >= 0, one = along && is_uniform(q),
       split = type.shape.rank == 2 && (!along || one || directions == 1);
  if (!one && !split) return false;
  int axis = one ? -1 : along ? q->axis + 1 : -1;
  if (split) type.shape = shape_of(3, directions, type.shape.dim[0] / directions, type.shape.dim[1]);
  if (q) type.quant = quant_new(n->graph->arena, axis, one ? 1 : q->count, q->scale, q->zero);
  set_const_operand(n, i, type, w->data);
  return true;
}

static bool small_operand(Diag *d, Node *n, int i, const ObserverSpec *spec) {
  Tensor *w = n->operands[i];
  if (!w) return true;
  Arena *a = n->graph->arena;
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, k = i == RECURRENT_W ? s.inputs : s.hidden;
  Type type, part[2];
  const void *data, *part_data[2];
  if (spec->quant.per_channel) {
    Tensor all = direction_of(w, 0, s.directions * rows, k);
    if (!small_weight(d, a, n, &all, spec, &type, &data)) return false;
  } else {
    for (int64_t j = 0; j < s.directions; j++) {
      Tensor t = direction_of(w, j, rows, k);
      if (!small_weight(d, a, n, &t, spec, &part[j], &part_data[j])) return false;
    }
    join(a, part, part_data, s.directions, &type, &data);
  }
  set_const_operand(n, i, type, data);
  simplify_weight(n, i);
  return true;
}

bool simplify_recurrent_weights(Node *n) {
  bool w = simplify_weight(n, RECURRENT_W), r = simplify_weight(n, RECURRENT_R);
  return w || r;
}

bool small_recurrent_weights(Diag *d, Node *n, const ObserverSpec *spec) {
  return small_operand(d, n, RECURRENT_W, spec) && small_operand(d, n, RECURRENT_R, spec);
}

/* Parameters that a gate's function does not read are the usual ones, as are those of a quantization that is
 * not done. */
static bool simplify_gate(GateFunction *f) {
  static const struct {
    bool alpha, beta;
  } reads[] = {[GATE_AFFINE] = {true, true},
               [GATE_LEAKY_RELU] = {true, false},
               [GATE_THRESHOLDED_RELU] = {true, false},
               [GATE_SCALED_TANH] = {true, true},
               [GATE_HARD_SIGMOID] = {true, true},
               [GATE_ELU] = {true, false},
               [GATE_SOFTSIGN] = {false, false}};
  GateFunction usual = {f->kind, reads[f->kind].alpha ? f->alpha : 1, reads[f->kind].beta ? f->beta : 0};
  bool changed = usual.alpha != f->alpha || usual.beta != f->beta;
  *f = usual;
  return changed;
}

bool simplify_recurrent_attrs(Node *n) {
  RecurrentAttrs *a = ATTRS(n, RecurrentAttrs);
  bool f = simplify_gate(&a->f), g = n->op != OP_rnn && simplify_gate(&a->g),
       h = n->op == OP_lstm && simplify_gate(&a->h);
  bool idle = !a->dynamic && (a->quantize.rule != DYNAMIC_ATEN || a->quantize.qmax != 255);
  if (idle) a->quantize = (DynamicQuantizeAttrs){DYNAMIC_ATEN, 255};
  return f || g || h || idle;
}

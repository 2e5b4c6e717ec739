/* What lstm, gru and rnn have in common: operands, dimensions, the functions of the gates.
 *
 * Operands: %x [T, B, I], @w [D, G*H, I], @r [D, G*H, H], @b [D, 2*G*H] (of w, then of r), %h0 [D, B, H], and
 * of lstm %c0 [D, B, H] and @p [D, 3*H] (peepholes of i, o, f). Where w is absent, x is the projected input
 * [T, B, D*G*H], w's bias included, and b is r's alone, [D, G*H]. Gates lie in ONNX's order: lstm i, o, f, c;
 * gru z, r, h. w and r may have their first two dims as one, so that a quantization along axis 0 is one of
 * all rows. */
#ifndef QCC_IR_OPS_RECURRENT_H
#define QCC_IR_OPS_RECURRENT_H

#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

enum { RECURRENT_X, RECURRENT_W, RECURRENT_R, RECURRENT_B, RECURRENT_H0, RECURRENT_C0, RECURRENT_P };
enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };
enum { GRU_Z, GRU_R, GRU_H };

typedef struct {
  int64_t gates, directions, steps, batch, inputs, hidden;
  bool projected; /* w is absent */
} RecurrentDims;

/* Of a node that has been inferred. */
RecurrentDims recurrent_dims(const Node *n);
/* Step number t, in the order of time, of direction d works on this element of the sequence. */
static inline int64_t recurrent_time(const Node *n, int64_t steps, int64_t d, int64_t t) {
  bool reverse = ATTRS(n, RecurrentAttrs)->direction == DIRECTION_REVERSE || d == 1;
  return reverse ? steps - 1 - t : t;
}

/* Which of the weight's scales the row has; rows count over all directions, `rows` in each. */
static inline int64_t recurrent_channel(const Type *w, int64_t row, int64_t rows) {
  const Quant *q = w->quant;
  if (!q || q->axis < 0) return 0;
  return w->shape.rank == 2 ? row : q->axis ? row % rows : row / rows;
}

float recurrent_function(const GateFunction *f, float x);

bool infer_recurrent(Diag *d, Node *n, Type *results);
int64_t recurrent_macs(const Node *n);
void eval_recurrent(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out);

#endif

/* The reference kernel of lstm, gru and rnn: rule 16 of docs/numerics.md. */
#include "ir/ops/dynamic.h"
#include "ir/ops/recurrent.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>
#include <string.h>

/* Rows of a weight, packed for dot_tile: panels of DOT_LANES rows, [panel][k][lane]. */
typedef struct {
  int64_t rows, k;
  const float *panels, *bias;           /* bias NULL: 0 */
  const DynamicQuantizeAttrs *quantize; /* of the other operand, at run time; NULL: float products */
  const float *scale;                   /* [rows]: of the rows, where the products are of integers */
} Matrix;

/* Rows [first, first + rows) of operand i, which has `all` rows a direction. */
static Matrix matrix(Arena *a, const Node *n, int i, const void *data, const float *bias, int64_t first,
                     int64_t rows, int64_t all) {
  const Type *w = &n->operands[i]->type;
  int64_t k = w->shape.dim[w->shape.rank - 1], panels = (rows + DOT_LANES - 1) / DOT_LANES;
  const RecurrentAttrs *attrs = ATTRS(n, RecurrentAttrs);
  DotSource source = dot_weight(n->operands[i], data, !attrs->dynamic);
  float *packed = ARENA_NEW_ARRAY(a, float, (size_t)(panels * k * DOT_LANES));
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)rows);
  for (int64_t r = 0; r < rows; r++) {
    int64_t channel = recurrent_channel(w, first + r, all);
    float *to = packed + r / DOT_LANES * k * DOT_LANES + r % DOT_LANES;
    dot_load_channel(&source, (first + r) * k, k, channel, to, DOT_LANES);
    if (attrs->dynamic) scale[r] = w->quant->scale[channel];
  }
  return (Matrix){rows, k, packed, bias, attrs->dynamic ? &attrs->quantize : NULL, scale};
}

/* The integers of x, as float, by rule 14; the output stage that goes with them. */
static const float *quantized(Arena *a, const Matrix *m, const float *x, int64_t count, DotOutput *o) {
  float lo, hi, scale, *q = ARENA_NEW_ARRAY(a, float, (size_t)count),
                       *multiplier = ARENA_NEW_ARRAY(a, float, (size_t)m->rows);
  int32_t zero, qmax = (int32_t)m->quantize->qmax;
  dynamic_range(x, count, &lo, &hi);
  dynamic_params(lo, hi, (DynamicRule)m->quantize->rule, qmax, &scale, &zero);
  for (int64_t i = 0; i < count; i++) q[i] = (float)(quantize_value(x[i], scale, zero, 0, qmax) - zero);
  for (int64_t r = 0; r < m->rows; r++) multiplier[r] = scale * m->scale[r];
  o->kind = DOT_SCALED;
  o->multiplier = multiplier;
  return q;
}

/* y[j * y_step + row] = bias[row] + sum of x[j, i] * w[row, i] for j < count, as `linear` or `dynamic_linear`
 * has it. */
static void product(const Matrix *m, const float *x, int64_t count, float *y, int64_t y_step) {
  Arena *scratch = arena_new();
  DotOutput o = {.bias = m->bias, .act_min = -INFINITY, .act_max = INFINITY};
  if (m->quantize) x = quantized(scratch, m, x, count * m->k, &o);
  DotTaps t = {.rows = 1, .cols = 1, .k = m->k, .x_step = m->k};
  for (int64_t c = 0; c < m->rows; c += DOT_LANES) {
    int lanes = (int)(m->rows - c < DOT_LANES ? m->rows - c : DOT_LANES);
    t.w = m->panels + c * m->k;
    for (int64_t j = 0; j < count;) {
      int positions = count - j >= DOT_POSITIONS ? DOT_POSITIONS : 1;
      t.x = x + j * m->k;
      dot_tile(&o, &t, positions, c, lanes, y, j * y_step + c, y_step, 1);
      j += positions;
    }
  }
  arena_free(scratch);
}

/* What a direction needs in each step. */
typedef struct {
  const Node *node;
  const RecurrentAttrs *attrs;
  int64_t batch, hidden;
  Matrix all;     /* the recurrent weight; gru, reset before the product: of z and r alone */
  Matrix reset;   /* gru, reset before the product: of h */
  const float *p; /* peepholes; NULL: none */
  float *q;       /* [batch, gates, hidden]: the recurrent products */
  float *rh;      /* [batch, hidden]: the state times the reset gate */
  float *h, *c;   /* [batch, hidden]: the state; lstm: the cell */
} Direction;

static float gate(const Direction *d, const GateFunction *f, float a) {
  float clip = d->attrs->clip;
  return recurrent_function(f, clip < INFINITY ? ref_clamp(a, -clip, clip) : a);
}

/* `x`: the projected input of the step, [batch] rows `step` apart. */
static void step_lstm(const Direction *d, const float *x, int64_t step) {
  const RecurrentAttrs *a = d->attrs;
  int64_t n = d->hidden;
  product(&d->all, d->h, d->batch, d->q, 4 * n);
  for (int64_t b = 0; b < d->batch; b++)
    for (int64_t j = 0; j < n; j++) {
      const float *px = x + b * step + j, *pq = d->q + b * 4 * n + j;
      float *c = &d->c[b * n + j], s[4];
      for (int g = 0; g < 4; g++) s[g] = px[g * n] + pq[g * n];
      if (d->p) {
        s[LSTM_I] += d->p[j] * *c;
        s[LSTM_F] += d->p[2 * n + j] * *c;
      }
      float i = gate(d, &a->f, s[LSTM_I]);
      float f = a->input_forget ? 1.0f - i : gate(d, &a->f, s[LSTM_F]);
      *c = f * *c + i * gate(d, &a->g, s[LSTM_C]);
      if (d->p) s[LSTM_O] += d->p[n + j] * *c;
      d->h[b * n + j] = gate(d, &a->f, s[LSTM_O]) * recurrent_function(&a->h, *c);
    }
}

static void step_gru(const Direction *d, const float *x, int64_t step) {
  const RecurrentAttrs *a = d->attrs;
  int64_t n = d->hidden;
  product(&d->all, d->h, d->batch, d->q, 3 * n);
  if (!a->linear_before_reset) {
    for (int64_t b = 0; b < d->batch; b++)
      for (int64_t j = 0; j < n; j++) {
        float r = gate(d, &a->f, x[b * step + n + j] + d->q[b * 3 * n + n + j]);
        d->rh[b * n + j] = r * d->h[b * n + j];
      }
    product(&d->reset, d->rh, d->batch, d->q + 2 * n, 3 * n);
  }
  for (int64_t b = 0; b < d->batch; b++)
    for (int64_t j = 0; j < n; j++) {
      const float *px = x + b * step + j, *pq = d->q + b * 3 * n + j;
      float *h = &d->h[b * n + j];
      float z = gate(d, &a->f, px[0] + pq[0]), q = pq[2 * n];
      if (a->linear_before_reset) q *= gate(d, &a->f, px[n] + pq[n]);
      float next = gate(d, &a->g, px[2 * n] + q);
      *h = (1.0f - z) * next + z * *h;
    }
}

static void step_rnn(const Direction *d, const float *x, int64_t step) {
  int64_t n = d->hidden;
  product(&d->all, d->h, d->batch, d->q, n);
  for (int64_t b = 0; b < d->batch; b++)
    for (int64_t j = 0; j < n; j++)
      d->h[b * n + j] = gate(d, &d->attrs->f, x[b * step + j] + d->q[b * n + j]);
}

static const float *part(const void *const *in, const Node *n, int i, int64_t offset) {
  return i < n->n_operands && in[i] ? (const float *)in[i] + offset : NULL;
}

static void copy_state(float *to, const float *from, int64_t count) {
  if (from)
    memcpy(to, from, sizeof *to * (size_t)count);
  else
    memset(to, 0, sizeof *to * (size_t)count);
}

static void prepare(Direction *d, Arena *a, const void *const *in, void *const *out, int64_t index) {
  const Node *n = d->node;
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, state = s.batch * s.hidden, bias_rows = s.projected ? rows : 2 * rows;
  const float *b = part(in, n, RECURRENT_B, index * bias_rows + bias_rows - rows);
  d->p = n->op == OP_lstm ? part(in, n, RECURRENT_P, index * 3 * s.hidden) : NULL;
  int64_t first = n->op == OP_gru && !d->attrs->linear_before_reset ? 2 * s.hidden : rows;
  const void *r = in[RECURRENT_R];
  d->all = matrix(a, n, RECURRENT_R, r, b, index * rows, first, rows);
  if (first < rows)
    d->reset = matrix(a, n, RECURRENT_R, r, b ? b + first : NULL, index * rows + first, rows - first, rows);
  d->q = ARENA_NEW_ARRAY(a, float, (size_t)(s.batch * rows));
  d->rh = ARENA_NEW_ARRAY(a, float, (size_t)state);
  d->h = (float *)out[1] + index * state;
  copy_state(d->h, part(in, n, RECURRENT_H0, index * state), state);
  if (n->op != OP_lstm) return;
  d->c = (float *)out[2] + index * state;
  copy_state(d->c, part(in, n, RECURRENT_C0, index * state), state);
}

/* [T, B, D * G*H] */
static const float *project(Arena *a, const Node *n, const void *const *in) {
  RecurrentDims s = recurrent_dims(n);
  if (s.projected) return in[RECURRENT_X];
  int64_t rows = s.gates * s.hidden, count = s.steps * s.batch, width = s.directions * rows;
  float *x = ARENA_NEW_ARRAY(a, float, (size_t)(count * width));
  for (int64_t d = 0; d < s.directions; d++) {
    const float *bias = part(in, n, RECURRENT_B, d * 2 * rows);
    Matrix m = matrix(a, n, RECURRENT_W, in[RECURRENT_W], bias, d * rows, rows, rows);
    product(&m, in[RECURRENT_X], count, x + d * rows, width);
  }
  return x;
}

void eval_recurrent(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  void (*step)(const Direction *, const float *, int64_t) = n->op == OP_lstm  ? step_lstm
                                                            : n->op == OP_gru ? step_gru
                                                                              : step_rnn;
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, state = s.batch * s.hidden, width = s.directions * rows;
  const float *x = project(ctx->scratch, n, in);
  for (int64_t index = 0; index < s.directions; index++) {
    Direction d = {.node = n, .attrs = ATTRS(n, RecurrentAttrs), .batch = s.batch, .hidden = s.hidden};
    prepare(&d, ctx->scratch, in, out, index);
    for (int64_t t = 0; t < s.steps; t++) {
      int64_t at = recurrent_time(n, s.steps, index, t);
      step(&d, x + at * s.batch * width + index * rows, width);
      memcpy((float *)out[0] + (at * s.directions + index) * state, d.h, sizeof(float) * (size_t)state);
    }
  }
}

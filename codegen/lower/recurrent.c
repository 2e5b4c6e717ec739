/* lstm, gru and rnn by rule 16 of docs/numerics.md. The input projection becomes a linear layer of its own,
 * over all steps at once; what is left is one kernel per direction: a loop over time, in it the product with
 * the state, by the register tiles of linear layers, and the gates, vectorised over the hidden state. The
 * state lives in the results Y_h and Y_c. */
#include <math.h>

#include "codegen/dense_pack.h"
#include "codegen/dynamic.h"
#include "codegen/gate.h"
#include "codegen/recurrent.h"
#include "ir/ops/recurrent.h"

/* One direction's kernel. */
typedef struct {
  Cg *cg;
  const Node *node;
  const RecurrentAttrs *attrs;
  RecurrentDims s;
  int64_t index; /* of the direction */
  VirBuilder b;
  const VirBase *x, *y, *h, *c, *q; /* y NULL: nobody reads it */
  const VirBase *p;                 /* peepholes; or NULL */
  const VirBase *start, *bytes;     /* dynamic: the scratch memory as s32 and as bytes, as q is as f32 */
} Direction;

/* Where things lie in the scratch memory, in elements of 4 bytes (bytes: in bytes). The state times the reset
 * gate is there where the product with it comes second. */
typedef struct {
  int64_t left, factors, start, bytes, size;
} ScratchPlan;

/* The product of a part of the recurrent weight's rows with a vector per batch element. */
typedef struct {
  Tensor weight, bias;
  Dense dense;
  DensePack pack;
  DenseTiles tiles;
} Product;

/* The gates of H elements, or of the `part` last ones: addresses of their first element. */
typedef struct {
  VirAddr x, q, h, c, y, p;
  int part;
} Gates;

static int64_t row_major(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  (void)phase, (void)run;
  return c * d->length + i;
}

static bool resets_first(const Node *n) {
  return n->op == OP_gru && !ATTRS(n, RecurrentAttrs)->linear_before_reset;
}

static ScratchPlan plan_scratch(const Cg *cg, const Node *n) {
  RecurrentDims s = recurrent_dims(n);
  int64_t lanes = cg->target->lanes, rows = s.gates * s.hidden, state = s.batch * s.hidden;
  ScratchPlan p = {.left = s.batch * rows};
  p.factors = p.start = p.left + (resets_first(n) ? state : 0);
  if (ATTRS(n, RecurrentAttrs)->dynamic) {
    int64_t channels = (rows + lanes - 1) / lanes * lanes;
    p.start = p.factors + channels;
    p.bytes = 4 * (p.start + channels);
    p.size = p.bytes + (state + DENSE_OVERRUN + 3) / 4 * 4;
  } else {
    p.size = 4 * p.start;
  }
  return p;
}

/* The rows alone, as they are stored. */
static Tensor rows_of(const Direction *d, const Tensor *r, int64_t first, int64_t rows) {
  int64_t k = d->s.hidden, all = d->s.gates * k;
  const Quant *q = r->type.quant;
  Tensor t = {.name = r->name, .type = {r->type.dtype, shape_of(2, rows, k), NULL}};
  t.data = (const char *)r->data + first * k * dtype_info[r->type.dtype].bytes;
  if (!q) return t;
  float *scale = ARENA_NEW_ARRAY(d->cg->arena, float, (size_t)rows);
  int32_t *zero = ARENA_NEW_ARRAY(d->cg->arena, int32_t, (size_t)rows);
  for (int64_t i = 0; i < rows; i++) {
    int64_t channel = recurrent_channel(&r->type, first + i, all);
    scale[i] = q->scale[channel];
    zero[i] = q->zero[channel];
  }
  t.type.quant = quant_new(d->cg->arena, 0, rows, scale, zero);
  return t;
}

/* The weight as integers, their zero points subtracted. */
static void take_integers(Product *p, const Direction *d) {
  const Tensor *w = &p->weight;
  int64_t rows = w->type.shape.dim[0], k = w->type.shape.dim[1];
  int32_t *weights = ARENA_NEW_ARRAY(d->cg->arena, int32_t, (size_t)(rows * k));
  for (int64_t i = 0; i < rows * k; i++) {
    int32_t q = w->type.dtype == DT_U8 ? ((const uint8_t *)w->data)[i] : ((const int8_t *)w->data)[i];
    weights[i] = q - w->type.quant->zero[i / k];
  }
  dense_run_time(&p->pack, rows, k, weights, w->type.quant->scale);
}

/* Rows [first, first + rows) of the direction. */
static void make_product(Product *p, const Direction *d, int64_t first, int64_t rows) {
  const Node *n = d->node;
  const Tensor *r = n->operands[RECURRENT_R], *bias = node_operand(n, RECURRENT_B);
  int64_t all = d->s.gates * d->s.hidden, k = d->s.hidden, at = d->index * all + first;
  DType act = d->cg->target->act;
  *p = (Product){0};
  p->weight = rows_of(d, r, at, rows);
  if (bias) p->bias = (Tensor){.name = bias->name, .type = {DT_F32, shape_of(1, rows), NULL}};
  if (bias) p->bias.data = (const float *)bias->data + at;
  p->dense = (Dense){.node = n,
                     .weight = &p->weight,
                     .bias = bias ? &p->bias : NULL,
                     .act_min = -INFINITY,
                     .act_max = INFINITY,
                     .groups = 1,
                     .oc = rows,
                     .runs = {1, 1, 1},
                     .length = k,
                     .count = {1, 1, 1, d->s.batch},
                     .x_step = {0, 0, 0, k},
                     .y_step = {0, 0, 0, all},
                     .phases = 1,
                     .weight_index = row_major};
  bool dynamic = d->attrs->dynamic;
  p->pack = (DensePack){.cg = d->cg, .d = &p->dense, .x_elem = dynamic ? act : DT_F32, .y_elem = DT_F32};
  if (dynamic && act == DT_U8) p->pack.x_most = (int32_t)d->attrs->quantize.qmax;
  if (dynamic) take_integers(p, d);
  dense_pack(&p->pack);
  dense_tiles(&p->pack, &p->tiles);
}

/* The vectors at x + x_at, quantized together, times the weight. */
static void call_dynamic(Direction *d, const Product *p, VirAddr x, VirAddr y) {
  Cg *cg = d->cg;
  VirBuilder *b = &d->b;
  const DynamicQuantizeAttrs *a = &d->attrs->quantize;
  ScratchPlan at = plan_scratch(cg, d->node);
  int32_t bias = cg_dynamic_bias(cg), qmax = (int32_t)a->qmax;
  int64_t count = d->s.batch * d->s.hidden;
  const VirVar *lo, *hi, *scale, *zero;
  VirAddr bytes = vir_addr(d->bytes, at.bytes), start = vir_addr(d->start, at.start),
          factors = vir_addr(d->q, at.factors);
  vir_scope(b, NULL);
  cg_dynamic_range(cg, b, x, count, &lo, &hi);
  cg_dynamic_choose(b, lo, hi, (DynamicRule)a->rule, qmax, bias, &scale, &zero);
  const DynamicVectors v = cg_dynamic_vectors(b, scale, zero, qmax, bias, false);
  cg_dynamic_store(cg, b, x, bytes, count, &v);
  run_time_start(cg, b, &p->pack.start, scale, zero, start, factors);
  vir_end(b);
  dense_calls_run_time(&p->pack, &p->tiles, b, bytes, y, start, factors);
}

static void call_product(Direction *d, const Product *p, const VirBase *x, int64_t x_at, int64_t y_at) {
  VirAddr from = vir_addr(x, x_at), to = vir_addr(d->q, y_at);
  if (d->attrs->dynamic) {
    call_dynamic(d, p, from, to);
  } else {
    dense_calls(&p->pack, &p->tiles, &d->b, from, to, (ResidualBases){NULL, NULL});
  }
}

/* --- vectors --- */

static const VirVar *load(VirBuilder *b, const char *name, VirAddr at, int part) {
  return part ? VIR_LET(b, name, load_f32_part, vir_at(at), vir_n(part))
              : VIR_LET(b, name, load_f32, vir_at(at));
}
static void store(VirBuilder *b, VirAddr at, const VirVar *v, int part) {
  if (part) {
    VIR_DO(b, store_f32_part, vir_at(at), vir_v(v), vir_n(part));
  } else {
    VIR_DO(b, store_f32, vir_at(at), vir_v(v));
  }
}
static const VirVar *two(VirBuilder *b, const char *name, VirOp op, const VirVar *x, const VirVar *y) {
  return vir_let(b, name, op, VIR_ARGS(vir_v(x), vir_v(y)));
}

/* The sum of both products of a gate: its argument. */
static const VirVar *argument(Direction *d, const Gates *g, int gate) {
  VirBuilder *b = &d->b;
  int64_t at = gate * d->s.hidden;
  const VirVar *x = load(b, "from_x", vir_offset(g->x, at), g->part);
  return two(b, "sum", VIR_add_f32, x, load(b, "from_h", vir_offset(g->q, at), g->part));
}
/* sum + p * c with the peephole weights number i. */
static const VirVar *peek(Direction *d, const Gates *g, const VirVar *sum, int i, const VirVar *c) {
  if (!d->p) return sum;
  const VirVar *p = load(&d->b, "peephole", vir_offset(g->p, i * d->s.hidden), g->part);
  return two(&d->b, "sum", VIR_add_f32, sum, two(&d->b, "from_c", VIR_mul_f32, p, c));
}
static const VirVar *apply(Direction *d, const char *name, const GateFunction *f, const VirVar *sum) {
  return gate_function(&d->b, name, f, d->attrs->clip, sum);
}
static const VirVar *one_minus(VirBuilder *b, const char *name, const VirVar *x) {
  return two(b, name, VIR_sub_f32, VIR_ONCE(b, "one", splat_f32, vir_m(1)), x);
}

static void put_state(Direction *d, const Gates *g, const VirVar *h) {
  store(&d->b, g->h, h, g->part);
  if (d->y) store(&d->b, g->y, h, g->part);
}

/* --- the gates --- */

static void lstm_gates(Direction *d, const Gates *g) {
  const RecurrentAttrs *a = d->attrs;
  VirBuilder *b = &d->b;
  const VirVar *cell = load(b, "cell", g->c, g->part), *forget;
  const VirVar *input = apply(d, "input", &a->f, peek(d, g, argument(d, g, LSTM_I), 0, cell));
  forget = a->input_forget ? one_minus(b, "forget", input)
                           : apply(d, "forget", &a->f, peek(d, g, argument(d, g, LSTM_F), 2, cell));
  const VirVar *candidate = apply(d, "candidate", &a->g, argument(d, g, LSTM_C));
  const VirVar *kept = two(b, "kept", VIR_mul_f32, forget, cell);
  cell = two(b, "next_cell", VIR_add_f32, kept, two(b, "added", VIR_mul_f32, input, candidate));
  store(b, g->c, cell, g->part);
  const VirVar *output = apply(d, "output", &a->f, peek(d, g, argument(d, g, LSTM_O), 1, cell));
  const VirVar *shown = gate_function(b, "shown", &a->h, INFINITY, cell);
  put_state(d, g, two(b, "state", VIR_mul_f32, output, shown));
}

/* The state times the reset gate goes to y, which is scratch here. */
static void gru_reset(Direction *d, const Gates *g) {
  VirBuilder *b = &d->b;
  const VirVar *reset = apply(d, "reset", &d->attrs->f, argument(d, g, GRU_R));
  store(b, g->y, two(b, "left", VIR_mul_f32, reset, load(b, "state", g->h, g->part)), g->part);
}

static void gru_gates(Direction *d, const Gates *g) {
  const RecurrentAttrs *a = d->attrs;
  VirBuilder *b = &d->b;
  int64_t last = GRU_H * d->s.hidden;
  const VirVar *update = apply(d, "update", &a->f, argument(d, g, GRU_Z)), *sum;
  if (a->linear_before_reset) {
    const VirVar *reset = apply(d, "reset", &a->f, argument(d, g, GRU_R));
    const VirVar *h = load(b, "from_h", vir_offset(g->q, last), g->part);
    const VirVar *x = load(b, "from_x", vir_offset(g->x, last), g->part);
    sum = two(b, "sum", VIR_add_f32, x, two(b, "left", VIR_mul_f32, h, reset));
  } else {
    sum = argument(d, g, GRU_H);
  }
  const VirVar *candidate = apply(d, "candidate", &a->g, sum), *rest = one_minus(b, "rest", update);
  const VirVar *added = two(b, "added", VIR_mul_f32, rest, candidate);
  const VirVar *kept = two(b, "kept", VIR_mul_f32, update, load(b, "old", g->h, g->part));
  put_state(d, g, two(b, "state", VIR_add_f32, added, kept));
}

static void rnn_gates(Direction *d, const Gates *g) {
  put_state(d, g, apply(d, "state", &d->attrs->f, argument(d, g, 0)));
}

static void step(Gates *g, const VirVar *v, int64_t x, int64_t q, int64_t state) {
  VirAddr *each[] = {&g->h, &g->c, &g->y};
  g->x = vir_plus(g->x, v, x);
  g->q = vir_plus(g->q, v, q);
  for (int i = 0; i < 3; i++) *each[i] = vir_plus(*each[i], v, state);
}
static void move(Gates *g, int64_t elements) {
  VirAddr *each[] = {&g->x, &g->q, &g->h, &g->c, &g->y, &g->p};
  for (int i = 0; i < 6; i++) *each[i] = vir_offset(*each[i], elements);
}

/* Loops over the batch and the state's vectors. */
static void for_each_vector(Direction *d, Gates g, void (*gates)(Direction *, const Gates *)) {
  int64_t lanes = d->cg->target->lanes, whole = d->s.hidden / lanes, rows = d->s.gates * d->s.hidden;
  bool batch = d->s.batch > 1;
  if (batch) step(&g, vir_loop(&d->b, "n", 0, d->s.batch, 1), d->s.directions * rows, rows, d->s.hidden);
  if (whole > 1) {
    Gates each = g;
    const VirVar *j = vir_loop(&d->b, "j", 0, whole * lanes, lanes);
    step(&each, j, 1, 1, 1);
    each.p = vir_plus(each.p, j, 1);
    gates(d, &each);
    vir_end(&d->b);
  } else if (whole) {
    vir_scope(&d->b, NULL);
    gates(d, &g);
    vir_end(&d->b);
  }
  if (d->s.hidden % lanes) {
    g.part = (int)(d->s.hidden % lanes);
    move(&g, whole * lanes);
    vir_scope(&d->b, NULL);
    gates(d, &g);
    vir_end(&d->b);
  }
  if (batch) vir_end(&d->b);
}

/* --- the kernel --- */

/* The initial state, or zeros. */
static void copy_state(Direction *d, const VirBase *to, const Tensor *from, const char *name) {
  VirBuilder *b = &d->b;
  int64_t lanes = d->cg->target->lanes, count = d->s.batch * d->s.hidden, first = d->index * count;
  VirAddr source = {0}, at = vir_addr(to, first);
  if (from) source = vir_addr(cg_read(d->cg, b, from, name), cg_storage(d->cg, from)->offset + first);
  const VirVar *zero = from ? NULL : VIR_ONCE(b, "zero", splat_f32, vir_m(0));
  int64_t whole = count / lanes * lanes;
  if (whole) {
    const VirVar *j = vir_loop(b, "j", 0, whole, lanes);
    store(b, vir_plus(at, j, 1), from ? load(b, "v", vir_plus(source, j, 1), 0) : zero, 0);
    vir_end(b);
  }
  if (count == whole) return;
  int part = (int)(count - whole);
  store(b, vir_offset(at, whole), from ? load(b, "v", vir_offset(source, whole), part) : zero, part);
}

/* Where the first step of the direction works, and how far it is to the next one. */
static Gates first_step(const Direction *d, int64_t *x_step, int64_t *y_step) {
  int64_t rows = d->s.gates * d->s.hidden, state = d->s.batch * d->s.hidden;
  *x_step = d->s.batch * d->s.directions * rows;
  *y_step = d->s.directions * state;
  int64_t first = recurrent_time(d->node, d->s.steps, d->index, 0);
  Gates g = {.x = vir_addr(d->x, first * *x_step + d->index * rows),
             .q = vir_addr(d->q, 0),
             .h = vir_addr(d->h, d->index * state),
             .c = vir_addr(d->c, d->index * state),
             .y = vir_addr(d->y, first * *y_step + d->index * state),
             .p = vir_addr(d->p, d->index * 3 * d->s.hidden)};
  if (first) *x_step = -*x_step, *y_step = -*y_step;
  return g;
}

static void bind(Direction *d, Buffer *scratch) {
  const Node *n = d->node;
  Cg *cg = d->cg;
  d->x = cg_read(cg, &d->b, n->operands[RECURRENT_X], "x");
  if (!cg_is_idle(cg, n, n->results[0])) d->y = cg_write(cg, &d->b, n->results[0], "y");
  d->h = cg_write(cg, &d->b, n->results[1], "h");
  if (n->op == OP_lstm) d->c = cg_write(cg, &d->b, n->results[2], "c");
  d->q = cg_scratch(cg, &d->b, scratch, "q", DT_F32);
  if (d->attrs->dynamic) {
    d->start = cg_scratch(cg, &d->b, scratch, "start", DT_S32);
    d->bytes = cg_scratch(cg, &d->b, scratch, "bytes", cg->target->act);
  }
  const Tensor *p = node_operand(n, RECURRENT_P);
  if (p) d->p = cg_read(cg, &d->b, p, "p");
  copy_state(d, d->h, node_operand(n, RECURRENT_H0), "h0");
  if (d->c) copy_state(d, d->c, node_operand(n, RECURRENT_C0), "c0");
}

static const struct {
  const char *what;
  void (*gates)(Direction *, const Gates *);
} kind_of[OP_COUNT] = {
    [OP_lstm] = {"i, o, f, c", lstm_gates}, [OP_gru] = {"z, r, h", gru_gates}, [OP_rnn] = {"one", rnn_gates}};

static void emit_direction(Cg *cg, const Node *n, Buffer *scratch, int64_t index) {
  Direction d = {
      .cg = cg, .node = n, .attrs = ATTRS(n, RecurrentAttrs), .s = recurrent_dims(n), .index = index};
  bool reverse = recurrent_time(n, 2, index, 0) != 0, two_products = resets_first(n);
  int64_t hidden = d.s.hidden, rows = d.s.gates * hidden, products = two_products ? GRU_H * hidden : rows;
  Product all, reset;
  make_product(&all, &d, 0, products);
  if (two_products) make_product(&reset, &d, products, rows - products);
  cg_kernel(cg, &d.b, n, reverse ? "reverse" : "forward", "%lld step%s%s of %lld, hidden state %s, gates %s",
            (long long)d.s.steps, d.s.steps == 1 ? "" : "s", reverse ? " from the last one" : "",
            (long long)d.s.batch, shape_text(cg->arena, &n->results[1]->type.shape), kind_of[n->op].what);
  bind(&d, scratch);
  int64_t x_step, y_step;
  Gates g = first_step(&d, &x_step, &y_step);
  const VirVar *t = d.s.steps > 1 ? vir_loop(&d.b, "t", 0, d.s.steps, 1) : NULL;
  if (t) {
    g.x = vir_plus(g.x, t, x_step);
    g.y = vir_plus(g.y, t, y_step);
  }
  call_product(&d, &all, d.h, index * d.s.batch * hidden, 0);
  if (two_products) {
    Gates r = g;
    int64_t left = plan_scratch(cg, n).left;
    r.y = vir_addr(d.q, left);
    for_each_vector(&d, r, gru_reset);
    call_product(&d, &reset, d.q, left, products);
  }
  for_each_vector(&d, g, kind_of[n->op].gates);
  if (t) vir_end(&d.b);
  cg_done(cg, &d.b);
}

static bool recurrent_emit(Cg *cg, const Node *n, Buffer *scratch) {
  for (int64_t d = 0; d < recurrent_dims(n).directions; d++) emit_direction(cg, n, scratch, d);
  return true;
}

static int64_t recurrent_scratch(const Cg *cg, const Node *n) { return plan_scratch(cg, n).size; }

const Lowering lower_recurrent = {.layout = LAYOUT_ROW_MAJOR,
                                  .constants = RECURRENT_W,
                                  .computed = 1 << RECURRENT_H0 | 1 << RECURRENT_C0,
                                  .idle_results = 1,
                                  .expand = recurrent_expand,
                                  .scratch = recurrent_scratch,
                                  .emit = recurrent_emit};

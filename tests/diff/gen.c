#include "tests/diff/gen_state.h"

#include "ir/ops/attrs.h"
#include "ir/quant.h"

/* ---- choosing operands ---- */

static bool is_live_form(const Gen *g, const Tensor *t) {
  return (g->form == GEN_QUANTIZED) == tensor_is_quantized(t);
}

Live *gen_pick(Gen *g, int lo, int hi) {
  Live *fitting[GEN_MAX_POOL];
  int n = 0;
  for (int i = 0; i < g->n_pool; i++) {
    const Tensor *t = g->pool[i].tensor;
    if (is_live_form(g, t) && t->type.shape.rank >= lo && t->type.shape.rank <= hi)
      fitting[n++] = &g->pool[i];
  }
  if (!n) return NULL;
  return rng_chance(&g->rng, 60) ? fitting[n - 1] : fitting[rng_range(&g->rng, 0, n - 1)];
}

Live *gen_pick_like(Gen *g, const Tensor *t, bool (*fits)(const Shape *a, const Shape *b, int axis),
                    int axis) {
  Live *fitting[GEN_MAX_POOL];
  int n = 0;
  for (int i = 0; i < g->n_pool; i++) {
    const Tensor *u = g->pool[i].tensor;
    if (is_live_form(g, u) && fits(&t->type.shape, &u->type.shape, axis)) fitting[n++] = &g->pool[i];
  }
  return n ? fitting[rng_range(&g->rng, 0, n - 1)] : NULL;
}

/* ---- types ---- */

static int32_t random_zero(Rng *r, DType dtype) {
  int32_t min = (int32_t)dtype_info[dtype].min, max = (int32_t)dtype_info[dtype].max;
  const int32_t usual[] = {min, min, max, 0, (min + max + 1) / 2, (min + max + 1) / 2};
  return rng_chance(r, 60) ? RNG_PICK(r, usual) : (int32_t)rng_range(r, min, max);
}

Type gen_quantized_type(Gen *g, Shape shape, double amp) {
  DType dtype = rng_chance(&g->rng, 75) ? DT_U8 : DT_S8;
  double scale = amp / 100 * rng_scale(&g->rng, -2, 1);
  if (rng_chance(&g->rng, 3)) scale *= rng_scale(&g->rng, -20, 20); /* all saturates, or all is zero */
  float s = (float)scale;
  if (!scale_is_valid(s)) s = 1;
  return (Type){dtype, shape, quant_per_tensor(g->arena, s, random_zero(&g->rng, dtype))};
}

/* ---- adding nodes ---- */

Node *gen_node(Gen *g, OpId op, Tensor **operands, int n) {
  return graph_node1(g->graph, op, operands, n, NULL, (SrcLoc){0}, NULL);
}

/* A trial's refusal is no error of the run. */
static bool infer_silently(Gen *g, Node *n) {
  Diag silent;
  diag_init(&silent, g->arena, NULL);
  return node_infer(&silent, n);
}

static bool own_parameters(const Node *n) {
  QuantRule rule = op_info[n->op]->quant;
  return rule == QUANT_LINEAR || rule == QUANT_CONCAT || rule == QUANT_ARITH || rule == QUANT_POOL ||
         rule == QUANT_UNARY || rule == QUANT_FIRST || n->op == OP_quantize || n->op == OP_requantize;
}

bool gen_live(Gen *g, Tensor *t, double amp) {
  int64_t count = shape_count(&t->type.shape);
  if (count < 1 || count > GEN_MAX_COUNT || g->n_pool == GEN_MAX_POOL) return false;
  g->pool[g->n_pool++] = (Live){t, tensor_is_quantized(t) ? 100 * (double)tensor_scale(t) : amp};
  return true;
}

bool gen_finish(Gen *g, Node *n, double amp) {
  Tensor *r = n->results[0];
  if (g->form == GEN_QUANTIZED && own_parameters(n) && r->type.dtype == DT_NONE) {
    /* the shape is inferred twice: the type that is chosen takes part in the checks */
    if (!infer_silently(g, n)) return false;
    r->type = gen_quantized_type(g, r->type.shape, amp);
  }
  if (!infer_silently(g, n)) return false;
  int64_t macs = op_info[n->op]->macs ? op_info[n->op]->macs(n) : 0;
  return macs <= GEN_MAX_MACS && gen_live(g, r, amp);
}

Tensor *gen_finish_float(Gen *g, Node *n) { return infer_silently(g, n) ? n->results[0] : NULL; }

/* ---- the whole ---- */

/* Ops over [N, C, D, H, W]. */
static bool is_3d(OpId op) {
  return op == OP_conv3d || op == OP_conv_transpose3d || op == OP_max_pool3d || op == OP_avg_pool3d;
}

static bool is_conv(OpId op) {
  return op == OP_conv2d || op == OP_conv3d || op == OP_conv_transpose2d || op == OP_conv_transpose3d;
}

static Shape random_shape(Rng *r, OpId only) {
  static const int ranks[] = {4, 4, 4, 4, 4, 4, 3, 3, 2, 2, 1, 5, 5};
  static const int64_t channels[] = {1, 2, 3, 3, 4, 5, 6, 8, 8, 9, 12, 16, 16, 17, 24, 32};
  Shape s = {.rank = RNG_PICK(r, ranks)};
  if (is_3d(only)) s.rank = 5;
  for (int i = 0; i < s.rank; i++) s.dim[i] = rng_range(r, 1, s.rank == 5 ? 6 : s.rank == 4 ? 9 : 17);
  s.dim[0] = rng_chance(r, 80) ? 1 : rng_range(r, 2, 3);
  if (s.rank > 1) s.dim[1] = RNG_PICK(r, channels);
  if (s.rank == 1) s.dim[0] = RNG_PICK(r, channels);
  if (rng_chance(r, 10)) s.dim[s.rank - 1] = 1;
  if (rng_chance(r, 8)) s.dim[s.rank - 1] = rng_range(r, 17, 40);
  if (rng_chance(r, 3)) s = shape_of(2, (int64_t)1, rng_range(r, 250, 900));
  if (rng_chance(r, 3))
    s = shape_of(4, (int64_t)1, rng_range(r, 48, 130), rng_range(r, 1, 5), rng_range(r, 1, 5));
  if (rng_chance(r, 2)) s.rank = 0;
  if (is_conv(only) && s.rank > 3 && rng_chance(r, 30))
    s.dim[1] = rng_range(r, 33, 150); /* several vectors */
  return s;
}

static void add_input(Gen *g, OpId only) {
  Type t = {.dtype = DT_F32, .shape = random_shape(&g->rng, only)};
  double amp = 4;
  if (g->form == GEN_QUANTIZED) {
    amp = rng_scale(&g->rng, -8, 4);
    if (rng_chance(&g->rng, 3)) amp *= rng_scale(&g->rng, -60, 60);
    t = gen_quantized_type(g, t.shape, amp);
    amp = 100 * (double)t.quant->scale[0];
  }
  /* some names collide as C identifiers, or are none at all */
  static const char *const names[] = {"x", "in put", "in-put", "image", "int", "1st", "x.y", "x_y"};
  g->pool[g->n_pool++] = (Live){graph_input(g->graph, RNG_PICK(&g->rng, names), t, (SrcLoc){0}), amp};
}

static const GenStep *any_step(Gen *g, OpId only) {
  int total = 0;
  for (const GenStep *s = gen_steps; s->weight; s++)
    if ((s->forms & 1 << g->form) && (only == OP_COUNT || only == s->op)) total += s->weight;
  int64_t at = total ? rng_range(&g->rng, 0, total - 1) : 0;
  for (const GenStep *s = gen_steps; s->weight && total; s++) {
    if (!(s->forms & 1 << g->form) || (only != OP_COUNT && only != s->op)) continue;
    if (at < s->weight) return s;
    at -= s->weight;
  }
  return NULL;
}

/* Where channels are planted, layers follow each other more often. */
static const GenStep *choose_step(Gen *g, OpId only) {
  enum { TRIES = 6 };
  const GenStep *s = any_step(g, only);
  bool layer = g->planted && only == OP_COUNT && rng_chance(&g->rng, 50);
  for (int i = 0; layer && i < TRIES && op_info[s->op]->quant != QUANT_LINEAR; i++) s = any_step(g, only);
  return s;
}

/* A step that fails leaves nothing behind. */
static bool add_step(Gen *g, OpId only) {
  const GenStep *s = choose_step(g, only);
  const Node *last = g->graph->last;
  int n_pool = g->n_pool;
  if (s && s->step(g, s->op)) return true;
  while (g->graph->last != last) node_remove(g->graph->last);
  g->n_pool = n_pool;
  return false;
}

/* Whatever nothing uses is an output, up to a few; so may be a tensor that something does use. */
static void choose_outputs(Gen *g) {
  enum { MAX_OUTPUTS = 5 };
  for (int i = g->n_pool - 1; i >= 0 && g->graph->n_outputs < MAX_OUTPUTS; i--) {
    Tensor *t = g->pool[i].tensor;
    if (!t->is_input && (!t->n_uses || rng_chance(&g->rng, 12))) graph_output(g->graph, t);
  }
  if (rng_chance(&g->rng, 3)) graph_output(g->graph, g->graph->inputs[0]);
  if (rng_chance(&g->rng, 3)) graph_output(g->graph, g->graph->outputs[0]); /* twice the same */
}

Graph *gen_graph(Diag *d, Arena *a, const GenOptions *o) {
  Gen g = {.rng = rng_new(o->seed, 1), .diag = d, .arena = a, .form = o->form};
  enum { MAX_TRIES = 400 };
  g.planted = rng_chance(&g.rng, 30);
  g.graph = graph_new(a, arena_printf(a, "g%llu", (unsigned long long)o->seed));
  for (int64_t i = rng_chance(&g.rng, 70) ? 1 : rng_range(&g.rng, 2, 3); i > 0; i--) add_input(&g, o->only);
  int64_t wanted = rng_range(&g.rng, 1, o->max_ops);
  for (int tries = 0; wanted > 0 && tries < MAX_TRIES; tries++)
    if (add_step(&g, o->only)) wanted--;
  if (!g.graph->n_nodes) {
    if (o->only != OP_COUNT) return NULL; /* the inputs have no shape for it */
    diag_error(d, (SrcLoc){0}, "seed %llu: no op fits", (unsigned long long)o->seed);
    return NULL;
  }
  choose_outputs(&g);
  return g.graph;
}

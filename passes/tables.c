#include "passes/tables.h"

#include <string.h>

#include "ir/quant.h"
#include "ir/refmath.h"

bool pass_tables(PassCtx *ctx, Graph *g);

enum { MAX_STEPS = 64 }; /* of a walk up a function: a few ops in practice, but shared operands may double */

static bool is_single_constant(const Tensor *t) {
  return is_const_f32(t) && shape_count(&t->type.shape) == 1;
}

/* add, sub, mul, div of a tensor and a constant of one element that broadcasts into it: the tensor, else
 * NULL. */
static Tensor *scalar_arith_operand(const Node *n) {
  if (n->op != OP_add && n->op != OP_sub && n->op != OP_mul && n->op != OP_div) return NULL;
  for (int i = 0; i < 2; i++) {
    Tensor *x = n->operands[i];
    if (is_single_constant(n->operands[1 - i]) && !tensor_is_const(x) &&
        shape_equal(&x->type.shape, &n->results[0]->type.shape))
      return x;
  }
  return NULL;
}

static float arith_value(const Node *n, float a, float b) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  float v = n->op == OP_add ? a + b : n->op == OP_sub ? a - b : n->op == OP_mul ? a * b : a / b;
  return node_has_clamp(n) ? ref_clamp(v, act->act_min, act->act_max) : v;
}

/* A unary op, or arithmetic with a single constant, of one element. */
static float elementwise_value(const Node *n, float x) {
  const OpInfo *info = op_info[n->op];
  if (info->quant == QUANT_UNARY) return info->unary(n, x);
  bool swapped = is_single_constant(n->operands[0]);
  float c = *const_f32(n->operands[swapped ? 0 : 1]);
  return swapped ? arith_value(n, c, x) : arith_value(n, x, c);
}

static bool is_arith(const Node *n) {
  return n->op == OP_add || n->op == OP_sub || n->op == OP_mul || n->op == OP_div;
}

/* Sets *source, or finds that it is that already. */
static bool find_source(const Tensor *t, Tensor **source, int *steps) {
  const Node *p = t->producer;
  if (!p || ++*steps > MAX_STEPS || t->type.dtype != DT_F32) return false;
  if (p->op == OP_dequantize) {
    Tensor *q = p->operands[0];
    if (tensor_is_const(q) || !type_is_q8(&q->type) || (*source && *source != q)) return false;
    *source = q;
    return true;
  }
  if (op_info[p->op]->quant == QUANT_UNARY) return find_source(p->operands[0], source, steps);
  if (!is_arith(p)) return false;
  Tensor *x = scalar_arith_operand(p);
  if (x) return find_source(x, source, steps);
  if (!shape_equal(&p->operands[0]->type.shape, &p->operands[1]->type.shape)) return false;
  return find_source(p->operands[0], source, steps) && find_source(p->operands[1], source, steps);
}

Tensor *table_source(const Tensor *t) {
  Tensor *source = NULL;
  int steps = 0;
  return find_source(t, &source, &steps) ? source : NULL;
}

/* Where a walk up from `t` stops; `root`: t's own uses do not matter. */
static Tensor *walk_up(Tensor *t, bool root, int *steps) {
  const Node *p = t->producer;
  if (!p || (!root && !tensor_single_use(t)) || ++*steps > MAX_STEPS || t->type.dtype != DT_F32) return t;
  if (op_info[p->op]->quant == QUANT_UNARY) return walk_up(p->operands[0], false, steps);
  Tensor *x = scalar_arith_operand(p);
  if (x) return walk_up(x, false, steps);
  if (!is_arith(p) || tensor_is_const(p->operands[0]) || tensor_is_const(p->operands[1])) return t;
  if (!shape_equal(&p->operands[0]->type.shape, &p->operands[1]->type.shape)) return t;
  Tensor *a = walk_up(p->operands[0], false, steps), *b = walk_up(p->operands[1], false, steps);
  return a == b ? a : t;
}

Tensor *pointwise_source(Tensor *t) {
  int steps = 0;
  Tensor *source = walk_up(t, true, &steps);
  return source == t || steps > MAX_STEPS ? NULL : source;
}

/* The value of `t` where the source holds x. */
static float value_at(const Tensor *t, const Tensor *source, float x) {
  const Node *p = t->producer;
  if (t == source || p->op == OP_dequantize) return x;
  if (op_info[p->op]->quant == QUANT_UNARY) return elementwise_value(p, value_at(p->operands[0], source, x));
  const Tensor *operand = scalar_arith_operand(p);
  if (operand) return elementwise_value(p, value_at(operand, source, x));
  return arith_value(p, value_at(p->operands[0], source, x), value_at(p->operands[1], source, x));
}

static int32_t quantized(float v, const Type *out) {
  return quantize_value(v, out->quant->scale[0], out->quant->zero[0], (int32_t)dtype_info[out->dtype].min,
                        (int32_t)dtype_info[out->dtype].max);
}

static float entry_value(int i, const Type *in) {
  return dequantize_value((int32_t)dtype_info[in->dtype].min + i, in->quant->scale[0], in->quant->zero[0]);
}

void table_of(const Tensor *t, const Tensor *source, const Type *in, const Type *out, int32_t table[256]) {
  for (int i = 0; i < 256; i++) table[i] = quantized(value_at(t, source, entry_value(i, in)), out);
}

void float_table_of(const Tensor *t, const Tensor *source, const Type *in, float table[256]) {
  for (int i = 0; i < 256; i++) table[i] = value_at(t, source, entry_value(i, in));
}

static Tensor *table_constant(Node *n, DType dtype, const int32_t table[256]) {
  Graph *g = n->graph;
  uint8_t *bytes = arena_alloc(g->arena, 256);
  for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)table[i]; /* s8 in two's complement */
  return graph_constant(g, arena_printf(g->arena, "%s.table", n->results[0]->name),
                        (Type){.dtype = dtype, .shape = shape_of(1, (int64_t)256)}, bytes, node_loc(n));
}

void become_lut(PassCtx *ctx, Node *old, Tensor *q, const Type *out, const int32_t table[256]) {
  Node *lut = node_replacement(old, OP_lut, (Tensor *[]){q, table_constant(old, out->dtype, table)}, 2);
  lut->results[0]->type = *out;
  node_replace(ctx, old, lut);
}

void become_float_lut(PassCtx *ctx, Node *old, Tensor *q, const float table[256]) {
  Arena *a = old->graph->arena;
  Type type = {.dtype = DT_F32, .shape = shape_of(1, (int64_t)256)};
  Tensor *t = graph_constant(old->graph, arena_printf(a, "%s.table", old->results[0]->name), type,
                             arena_memdup(a, table, 256 * sizeof *table), node_loc(old));
  node_replace(ctx, old, node_replacement(old, OP_lut, (Tensor *[]){q, t}, 2));
}

static bool has_float_table(const Node *n) { return n->operands[1]->type.dtype == DT_F32; }

static int32_t entry(const Tensor *table, int i) {
  return table->type.dtype == DT_U8 ? ((const uint8_t *)table->data)[i] : ((const int8_t *)table->data)[i];
}

/* lut(lut(x)) is one lut, where nobody else wants what is between. */
static bool compose(Node *n) {
  Tensor *x = n->operands[0];
  if (!produced_by(x, OP_lut) || !tensor_single_use(x) || has_float_table(n)) return false;
  Node *first = x->producer;
  int32_t table[256], qmin = (int32_t)dtype_info[x->type.dtype].min;
  for (int i = 0; i < 256; i++) table[i] = entry(n->operands[1], entry(first->operands[1], i) - qmin);
  Tensor *composed = table_constant(n, n->operands[1]->type.dtype, table);
  node_set_operands(n, (Tensor *[]){first->operands[0], composed}, 2);
  node_add_locs(n, first);
  return true;
}

static bool is_identity_table(const Node *n) {
  const Tensor *x = n->operands[0];
  if (has_float_table(n)) return false;
  int qmin = (int)dtype_info[x->type.dtype].min;
  for (int i = 0; i < 256; i++)
    if (entry(n->operands[1], i) != i + qmin) return false;
  return true;
}

/* Operands of a concat, a max or a min whose parameters differ from the result's are rescaled, each once. A
 * concat of one is nothing else. */
static void rescale_operands(PassCtx *ctx, Node *n) {
  const Type *y = &n->results[0]->type;
  if (n->n_operands == 1) {
    Node *q = node_replacement(n, OP_requantize, n->operands, 1);
    q->results[0]->type = *y;
    node_replace(ctx, n, q);
    return;
  }
  for (int i = 0; i < n->n_operands; i++) {
    Tensor *x = n->operands[i];
    if (x->type.dtype == y->dtype && quant_equal(x->type.quant, y->quant)) continue;
    Node *q = graph_node1(n->graph, OP_requantize, &x, 1, NULL, node_loc(n), n);
    q->results[0]->type = (Type){y->dtype, x->type.shape, y->quant};
    node_must_infer(ctx, q);
    for (int k = i; k < n->n_operands; k++)
      if (n->operands[k] == x) node_set_operand(n, k, q->results[0]);
  }
}

/* The table of an op of one quantized tensor and, by the tables of unary ops, of requantize. */
static void make_table(PassCtx *ctx, Node *n) {
  const Type *x = &n->operands[0]->type, *y = &n->results[0]->type;
  int32_t table[256];
  unary_table(n, x, y, table);
  become_lut(ctx, n, n->operands[0], y, table);
}

/* add, sub or mul of a quantized tensor with itself: a function of one value, by the op's own rule. */
static bool is_of_itself(const Node *n) {
  return op_info[n->op]->quant == QUANT_ARITH && n->op != OP_matmul && n->operands[0] == n->operands[1] &&
         tensor_is_quantized(n->operands[0]);
}

static void tabulate(PassCtx *ctx, Node *n) {
  uint8_t in[256], out[256];
  int32_t table[256];
  Tensor *x = n->operands[0], all = *x;
  Tensor result = *n->results[0], *operands[] = {&all, &all}, *results[] = {&result};
  Node over_all = *n;
  Arena *scratch = arena_new();
  all.type.shape = result.type.shape = shape_of(1, (int64_t)256);
  over_all.operands = operands;
  over_all.results = results;
  for (int i = 0; i < 256; i++) in[i] = (uint8_t)(dtype_info[x->type.dtype].min + i);
  op_info[n->op]->eval(&(EvalCtx){scratch}, &over_all, (const void *[]){in, in}, (void *[]){out});
  arena_free(scratch);
  for (int i = 0; i < 256; i++) table[i] = out[i];
  become_lut(ctx, n, x, &n->results[0]->type, table);
}

static int make_tables(PassCtx *ctx, Graph *g) {
  int made = 0;
  GRAPH_FOREACH_NODE(g, n) {
    Tensor *x = node_operand(n, 0);
    bool unary = (op_info[n->op]->quant == QUANT_UNARY || n->op == OP_requantize) && tensor_is_quantized(x);
    if (unary)
      make_table(ctx, n);
    else if (is_of_itself(n))
      tabulate(ctx, n);
    else
      continue;
    made++;
  }
  return made;
}

static int compose_tables(Graph *g) {
  int composed = 0;
  GRAPH_FOREACH_NODE(g, n) {
    if (n->op != OP_lut) continue;
    while (compose(n)) composed++;
  }
  graph_remove_dead(g);
  GRAPH_FOREACH_NODE(g, n) { /* same type, same values */
    if (n->op == OP_lut && is_identity_table(n)) composed += node_bypass(n);
  }
  return composed;
}

int settle_tables(PassCtx *ctx, Graph *g) {
  int changed = fuse_activations(g), round;
  do {
    round = make_tables(ctx, g) + compose_tables(g) + canonical_forms(ctx, g);
    changed += round;
  } while (round);
  return changed;
}

bool pass_tables(PassCtx *ctx, Graph *g) {
  GRAPH_FOREACH_NODE(g, n) {
    if (op_info[n->op]->quant == QUANT_CONCAT && tensor_is_quantized(n->results[0])) rescale_operands(ctx, n);
  }
  settle_tables(ctx, g);
  return true;
}

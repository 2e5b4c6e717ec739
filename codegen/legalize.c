/* The graph made legal: nodes that generators replace, what code generation refuses, the layout of each
 * tensor, and copies where public tensors meet kernels that cannot read or write them as they are, or
 * operands lie otherwise than their kernels want. */
#include "codegen/alias.h"

static const Lowering *lowering(const Node *n) { return lowering_of[n->op]; }

/* Puts a copy between tensor and one use. */
static void copy_for_use(Cg *cg, Tensor *t, Use use) {
  Node *copy = graph_node1(cg->graph, OP_identity, &t, 1, t->name, t->loc, use.node);
  copy->results[0]->type = t->type;
  node_set_operand(use.node, use.operand, copy->results[0]);
}

/* A public tensor can be read or written where it lies by kernels that take any strides, or, in float32, by
 * any kernel when it lies as an internal one would. (8-bit kernels may read a little beyond the end, which
 * only the workspace allows.) */
static bool lies_alike(const Cg *cg, const Tensor *t) {
  Storage p = cg_public_storage(cg, t), s = cg_internal_storage(cg, t, cg_wanted_halo(t));
  return t->type.dtype == DT_F32 && storage_alike(&p, &s);
}

static void legalize_inputs(Cg *cg) {
  for (int i = 0; i < cg->graph->n_inputs; i++) {
    Tensor *t = cg->graph->inputs[i];
    Tensor *inside = NULL; /* one copy serves all kernels that need one */
    bool alike = lies_alike(cg, t);
    for (int u = t->n_uses - 1; u >= 0; u--) {
      Use use = t->uses[u];
      if (use.node->op == OP_identity || lowering(use.node)->any_strides || alike) continue;
      if (inside) {
        node_set_operand(use.node, use.operand, inside);
      } else {
        Node *copy = graph_node1(cg->graph, OP_identity, &t, 1, t->name, t->loc, cg->graph->first);
        inside = copy->results[0];
        inside->type = t->type;
        node_set_operand(use.node, use.operand, inside);
      }
    }
  }
}

static void legalize_outputs(Cg *cg) {
  Graph *g = cg->graph;
  for (int i = 0; i < g->n_outputs; i++) {
    Tensor *t = g->outputs[i];
    int times = 0;
    for (int j = 0; j < g->n_outputs; j++) times += g->outputs[j] == t;
    bool direct =
        t->producer && !t->n_uses && times == 1 && (lowering(t->producer)->any_strides || lies_alike(cg, t));
    if (direct) continue;
    Node *copy = graph_node1(g, OP_identity, &t, 1, t->name, t->loc, NULL);
    copy->results[0]->type = t->type;
    graph_replace_output(g, i, copy->results[0]);
  }
}

/* Layouts: kernels may demand channels-last or row-major for their first operand and their results; the
 * producer's demand comes first, users that demand otherwise get a copy. */
static LayoutDemand demand_of(const Node *n) { return lowering(n)->layout; }

static void set_channels_last(Cg *cg, Tensor *t) { strmap_put(cg->channels_last, t->name, t); }

/* [N, C, L] beside [N, C, 1, L]: a one-dimensional convolution's tensor. */
static bool is_1d_view(const Tensor *a, const Tensor *b) {
  const Shape *s = &a->type.shape, *l = &b->type.shape;
  return s->rank == 3 && l->rank == 4 && s->dim[0] == l->dim[0] && s->dim[1] == l->dim[1] &&
         (l->dim[2] == 1 || l->dim[3] == 1) && l->dim[2] * l->dim[3] == s->dim[2];
}

/* A node that only moves elements moves none where its result has the layout in which they lie already. */
static bool moved_last(const Cg *cg, const Node *n, bool otherwise) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  Storage in = {0}, out = {0};
  const Alias a = {.node = n};
  storage_layout(&in, &x->type.shape, cg_channels_last(cg, x), (Halo){.before = {0}});
  if (!alias_map(&a, &in, false, &out)) return otherwise;
  bool row_major = storage_is_ordered(&out, &y->type.shape, false),
       last = storage_is_ordered(&out, &y->type.shape, true);
  return last == row_major ? otherwise : last;
}

static void choose_layouts(Cg *cg) {
  cg->channels_last = strmap_new(cg->arena);
  for (int i = 0; i < cg->graph->n_inputs; i++)
    if (cg->graph->inputs[i]->type.shape.rank == 4) set_channels_last(cg, cg->graph->inputs[i]);
  for (Node *n = cg->graph->first; n; n = n->next)
    for (int r = 0; r < n->n_results; r++) {
      Tensor *t = n->results[r];
      int rank = t->type.shape.rank;
      LayoutDemand demand = demand_of(n);
      for (int u = 0; demand == LAYOUT_ANY && u < t->n_uses; u++) demand = demand_of(t->uses[u].node);
      bool last = demand == LAYOUT_CHANNELS_LAST || (demand == LAYOUT_ANY && rank == 4);
      if (demand == LAYOUT_ANY && rank == 5 && n->op != OP_reshape)
        last = n->n_operands && n->operands[0]->type.shape.rank == 5 && cg_channels_last(cg, n->operands[0]);
      if (demand == LAYOUT_ANY && rank == 3) {
        if (n->op == OP_reshape) {
          last = is_1d_view(t, n->operands[0]) && cg_channels_last(cg, n->operands[0]);
        } else { /* elementwise kernels keep the layout of what they read */
          last =
              n->n_operands && n->operands[0]->type.shape.rank == 3 && cg_channels_last(cg, n->operands[0]);
        }
        for (int u = 0; u < t->n_uses; u++)
          last |= t->uses[u].node->op == OP_reshape && is_1d_view(t, t->uses[u].node->results[0]);
      }
      if (demand == LAYOUT_ANY && rank >= 3 && (n->op == OP_transpose || n->op == OP_reshape))
        last = moved_last(cg, n, last);
      if (last) set_channels_last(cg, t);
    }
}

/* Constants lie row-major, and end with their last byte: 8-bit kernels may read a little beyond. */
static bool lies_wrong(const Cg *cg, const Node *n, int i, LayoutDemand demand) {
  const Tensor *t = n->operands[i];
  if (tensor_is_const(t) && lowering(n)->stays >> i & 1) return false;
  if (tensor_is_const(t))
    return !lowering_packs(lowering(n), i) && (demand == LAYOUT_CHANNELS_LAST || t->type.dtype != DT_F32);
  return t->type.shape.rank >= 3 && cg_channels_last(cg, t) != (demand == LAYOUT_CHANNELS_LAST);
}

static void legalize_layouts(Cg *cg) {
  GRAPH_FOREACH_NODE(cg->graph, n) {
    LayoutDemand demand = demand_of(n);
    if (demand == LAYOUT_ANY) continue;
    for (int i = 0; i < n->n_operands; i++) {
      Tensor *t = n->operands[i];
      if (!t || !lies_wrong(cg, n, i, demand)) continue;
      copy_for_use(cg, t, (Use){n, i});
      if (demand == LAYOUT_CHANNELS_LAST) set_channels_last(cg, n->operands[i]);
    }
  }
}

static bool check_type(const Cg *cg, SrcLoc loc, const Tensor *t) {
  DType e = t->type.dtype;
  return e == DT_F32 || e == DT_U8 || e == DT_S8 || e == DT_S32 ||
         diag_error(cg->diag, loc, "'%s': code generation has no %s tensors", t->name, dtype_info[e].name);
}

static bool check_operand(const Cg *cg, const Node *n, int i) {
  const Tensor *t = n->operands[i];
  if (!t) return true;
  if (!lowering_packs(lowering(n), i)) return check_type(cg, node_loc(n), t);
  return tensor_is_const(t) ||
         diag_error(cg->diag, node_loc(n),
                    "'%s': operand %d of %s, '%s', must be a constant for code generation",
                    n->results[0]->name, i + 1, op_info[n->op]->name, t->name);
}

/* The halo may make much of a small tensor; indices are 32-bit. */
static bool check_halo(const Cg *cg, const Node *n, const Tensor *t) {
  const Shape *s = &t->type.shape;
  Halo h = cg_wanted_halo(t);
  if (halo_is_none(h)) return true;
  Shape pads = {.rank = 2 * (s->rank - 2)};
  for (int i = 2; i < s->rank; i++) {
    int at = halo_index(s->rank, i);
    pads.dim[i - 2] = h.before[at];
    pads.dim[s->rank - 4 + i] = h.after[at];
  }
  return halo_fits(s, h) ||
         diag_error(cg->diag, n ? node_loc(n) : t->loc,
                    "'%s': %s with padding of %s is larger than the limit of %lld elements", t->name,
                    shape_text(cg->arena, s), shape_text(cg->arena, &pads), (long long)MAX_ELEMENTS);
}

static bool check_graph(const Cg *cg) {
  const Graph *g = cg->graph;
  bool ok = true;
  for (int i = 0; i < g->n_inputs; i++) ok &= check_halo(cg, NULL, g->inputs[i]);
  for (const Node *n = g->first; n; n = n->next) {
    if (!lowering(n)->emit && !cg->options->host_ops) {
      ok = diag_error(cg->diag, node_loc(n), "'%s': code generation has no %s", n->results[0]->name,
                      op_info[n->op]->name);
      continue;
    }
    for (int i = 0; i < n->n_operands; i++) ok &= check_operand(cg, n, i);
    for (int r = 0; r < n->n_results; r++)
      ok &= check_type(cg, node_loc(n), n->results[r]) && check_halo(cg, n, n->results[r]);
  }
  for (int i = 0; i < g->n_outputs; i++)
    if (!g->outputs[i]->producer) ok &= check_type(cg, g->outputs[i]->loc, g->outputs[i]);
  return ok;
}

static bool expand_nodes(Cg *cg) {
  bool ok = true;
  GRAPH_FOREACH_NODE(cg->graph, n) {
    if (lowering(n)->expand) ok &= lowering(n)->expand(cg, n);
  }
  return ok;
}

bool cg_legalize(Cg *cg) {
  if (!expand_nodes(cg) || !check_graph(cg)) return false;
  choose_layouts(cg);
  legalize_inputs(cg);
  legalize_outputs(cg);
  choose_layouts(cg);
  legalize_layouts(cg);
  choose_layouts(cg);
  return true;
}

/* Storage of every tensor: layouts first (legalize.c), then what lies in what (alias.c), halos and buffers.
 */
#include "codegen/place.h"

#include "codegen/alias.h"
#include "codegen/residual.h"

static const Lowering *lowering(const Node *n) { return lowering_of[n->op]; }

bool cg_channels_last(const Cg *cg, const Tensor *t) {
  return strmap_get(cg->channels_last, t->name) != NULL;
}

Halo cg_wanted_halo(const Tensor *t) {
  Halo h = {.before = {0}};
  for (int i = 0; i < t->n_uses; i++) {
    const Node *user = t->uses[i].node;
    if (lowering(user)->halo) h = halo_union(h, lowering(user)->halo(user, t->uses[i].operand));
  }
  return h;
}

static bool public_channels_last(const Cg *cg, const Tensor *t) {
  return cg->options->nhwc_io && (t->type.shape.rank == 3 || t->type.shape.rank == 4);
}

Storage cg_public_storage(const Cg *cg, const Tensor *t) {
  Storage s = {.elem = t->type.dtype};
  storage_layout(&s, &t->type.shape, public_channels_last(cg, t), (Halo){.before = {0}});
  if (t->type.quant) s.zero = tensor_zero(t);
  return s;
}

Storage cg_internal_storage(const Cg *cg, const Tensor *t, Halo halo) {
  Storage s = {.elem = t->type.dtype};
  storage_layout(&s, &t->type.shape, cg_channels_last(cg, t), halo);
  bool act = t->type.quant || (!tensor_is_const(t) && (s.elem == DT_U8 || s.elem == DT_S8));
  if (act && dtype_info[s.elem].bytes == 1) {
    s.bias = (int32_t)(dtype_info[s.elem].min - dtype_info[cg->target->act].min);
    s.elem = cg->target->act;
  }
  if (t->type.quant) s.zero = t->type.quant->zero[0] - s.bias;
  return s;
}

/* ---- positions ---- */

static void find_positions(Cg *cg) {
  cg->position_of = strmap_new(cg->arena);
  int at = 0;
  for (Node *n = cg->graph->first; n; n = n->next)
    strmap_put(cg->position_of, n->results[0]->name, (void *)(intptr_t)++at);
}

int cg_position(const Cg *cg, const Node *n) {
  return (int)(intptr_t)strmap_get(cg->position_of, n->results[0]->name) - 1;
}

int cg_last_use(const Cg *cg, const Tensor *t) {
  if (t->is_output) return cg->graph->n_nodes;
  int last = t->producer ? cg_position(cg, t->producer) : -1;
  for (int u = 0; u < t->n_uses; u++) {
    int p = cg_position(cg, t->uses[u].node);
    if (p > last) last = p;
  }
  return last;
}

/* ---- buffers ---- */

static Buffer *new_buffer(Cg *cg, BufferKind kind, int index, int64_t bytes) {
  Buffer *b = ARENA_NEW(cg->arena, Buffer);
  *b = (Buffer){.kind = kind, .index = index, .bytes = bytes, .first = cg->position, .last = cg->position};
  *cg->buffers_tail = b;
  cg->buffers_tail = &b->next;
  return b;
}

static int64_t storage_bytes(const Storage *s) { return s->size * dtype_info[s->elem].bytes; }

/* A halo of known zeros. */
static bool has_parameters(const Tensor *t) { return t->type.quant || t->type.dtype == DT_F32; }

/* May the node's result take this operand's memory? Its buffer must die here, hold nothing else that the node
 * reads, and lie alike. */
static bool can_take(const Cg *cg, const Node *n, const Tensor *operand, const Storage *result) {
  const Storage *s = cg_storage(cg, operand);
  if (!s->buffer || s->buffer->kind != BUFFER_WORKSPACE || s->buffer->last != cg->position) return false;
  for (int i = 0; i < n->n_operands; i++) {
    const Storage *other = n->operands[i] ? cg_storage(cg, n->operands[i]) : NULL;
    if (other && other->buffer == s->buffer && !storage_alike(other, result)) return false;
  }
  return true;
}

static Buffer *taken_buffer(const Cg *cg, const Node *n, const Tensor *t, Storage *s) {
  for (int i = 0; lowering(n)->in_place && i < n->n_operands; i++) {
    const Tensor *x = n->operands[i];
    if (!x || tensor_is_const(x) || !can_take(cg, n, x, s)) continue;
    s->halo_filled = cg_storage(cg, x)->zero == s->zero && has_parameters(x) && has_parameters(t);
    return cg_storage(cg, x)->buffer;
  }
  return NULL;
}

static int index_of_output(const Cg *cg, const Tensor *t) {
  for (int i = 0; i < cg->graph->n_outputs; i++)
    if (cg->graph->outputs[i] == t) return i;
  return -1;
}

bool cg_is_idle(const Cg *cg, const Node *n, const Tensor *t) {
  if (cg->options->all_results) return false;
  for (int i = 0; i < n->n_results; i++)
    if (n->results[i] == t) return lowering(n)->idle_results >> i & 1 && !t->n_uses && !t->is_output;
  return false;
}

/* The buffer of the root appears with the first tensor in it. */
static void place_result(Cg *cg, Node *n, const Tensor *t) {
  Storage *s = cg_storage(cg, t);
  if (t->is_output) {
    s->buffer = new_buffer(cg, BUFFER_OUTPUT, index_of_output(cg, t), storage_bytes(s));
    return;
  }
  const Tensor *root = alias_root(cg, t);
  Storage *sr = cg_storage(cg, root);
  if (!sr->buffer && root == t) sr->buffer = taken_buffer(cg, n, t, sr);
  if (!sr->buffer)
    sr->buffer = new_buffer(cg, BUFFER_WORKSPACE, 0, cg_is_idle(cg, n, t) ? 0 : storage_bytes(sr));
  s->buffer = sr->buffer;
  int last = alias_last_use(cg, root);
  if (last > s->buffer->last) s->buffer->last = last;
}

static void place_constant(Cg *cg, const Tensor *t) {
  if (!t || !tensor_is_const(t) || strmap_get(cg->storage_of, t->name)) return;
  Storage s = cg_internal_storage(cg, t, (Halo){.before = {0}});
  strmap_put(cg->storage_of, t->name, arena_memdup(cg->arena, &s, sizeof s));
}

static void place_input(Cg *cg, int i) {
  const Tensor *t = cg->graph->inputs[i];
  Storage s = cg_public_storage(cg, t);
  cg->position = 0;
  s.buffer = new_buffer(cg, BUFFER_INPUT, i, storage_bytes(&s));
  strmap_put(cg->storage_of, t->name, arena_memdup(cg->arena, &s, sizeof s));
}

static void place_scratch(Cg *cg, const Node *n) {
  if (!lowering(n)->scratch || !shape_count(&n->results[0]->type.shape)) return;
  int64_t bytes = lowering(n)->scratch(cg, n);
  if (bytes) strmap_put(cg->scratch_of, n->results[0]->name, new_buffer(cg, BUFFER_WORKSPACE, 0, bytes));
}

/* Storages and buffers by the aliases that are wanted; returns what they need at least. */
static int64_t place_tensors(Cg *cg) {
  alias_settle(cg);
  cg->scratch_of = strmap_new(cg->arena);
  cg->buffers = NULL;
  cg->buffers_tail = &cg->buffers;
  for (int i = 0; i < cg->graph->n_inputs; i++) place_input(cg, i);
  cg->position = 0;
  for (Node *n = cg->graph->first; n; n = n->next, cg->position++) {
    for (int i = 0; i < n->n_operands; i++) place_constant(cg, n->operands[i]);
    for (int r = 0; r < n->n_results; r++) place_result(cg, n, n->results[r]);
    place_scratch(cg, n);
  }
  int position;
  return cg_memory_bound(cg, &position);
}

/* ---- which aliases are worth their memory ---- */

static void want_all(Cg *cg, bool wanted) {
  for (int i = 0; i < cg->n_aliases; i++) cg->aliases[i].wanted = wanted;
}

/* Those of one node stand together. */
static int want_node(Cg *cg, int first, bool wanted) {
  int i = first;
  for (; i < cg->n_aliases && cg->aliases[i].node == cg->aliases[first].node; i++)
    cg->aliases[i].wanted = wanted;
  return i;
}

/* What lies in another tensor keeps all of that in memory. The aliases of a node are left out where more
 * memory would be needed than without any. */
static int64_t choose_aliases(Cg *cg) {
  alias_find(cg);
  int64_t all = place_tensors(cg);
  want_all(cg, false);
  int64_t none = place_tensors(cg);
  want_all(cg, all <= none);
  for (int i = 0; all > none && i < cg->n_aliases;) {
    int next = want_node(cg, i, true);
    if (place_tensors(cg) > none) want_node(cg, i, false);
    i = next;
  }
  return place_tensors(cg);
}

/* ---- which additions layers do ---- */

static int64_t place_residuals(Cg *cg, bool wanted) {
  for (int i = 0; i < cg->n_residuals; i++) cg->residuals[i].wanted = wanted;
  return choose_aliases(cg);
}

/* Those without which more memory would be needed. */
static void choose_residuals(Cg *cg) {
  int64_t none = place_residuals(cg, false);
  if (!cg->n_residuals) return;
  int64_t least = place_residuals(cg, true);
  for (int i = 0; i < cg->n_residuals; i++) {
    cg->residuals[i].wanted = false;
    int64_t without = choose_aliases(cg);
    cg->residuals[i].wanted = without > least;
    if (without < least) least = without;
  }
  if (least >= none) {
    place_residuals(cg, false);
  } else {
    choose_aliases(cg);
  }
}

bool cg_place(Cg *cg) {
  if (!cg_legalize(cg)) return false;
  residual_find(cg);
  find_positions(cg);
  choose_residuals(cg);
  return true;
}

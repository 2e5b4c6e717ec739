/* The limit that cannot be met, and what is in memory at the fullest node. */
#include <inttypes.h>

#include "codegen/alias.h"
#include "codegen/fit_search.h"

/* A tensor of the graph, or the rows of it that bands have in memory. */
typedef struct {
  const Tensor *tensor;
  int64_t bytes, rows; /* rows 0: all of it */
} Held;

static const Origin *origin_of(const Trial *t, const Node *n) {
  const Origin *o = t->cg->origins ? strmap_get(t->cg->origins, n->results[0]->name) : NULL;
  return o && o->band >= 0 ? o : NULL;
}

/* The tensor of the graph that a node of a band has a part of. */
static const Tensor *whole_of(const Search *s, const Origin *o) {
  const Node *n = s->nodes[o->node];
  return o->operand < 0 ? n->results[0] : n->operands[o->operand];
}

static void add(Held *held, int *n, Held h) {
  int i = 0;
  while (i < *n && held[i].tensor != h.tensor) i++;
  if (i == *n) held[(*n)++] = (Held){.tensor = h.tensor};
  held[i].bytes += h.bytes;
  held[i].rows += h.rows;
}

static bool is_live(const Trial *t, const Tensor *x, int position) {
  return cg_position(t->cg, x->producer) <= position && position <= alias_last_use(t->cg, x);
}

/* The outermost tensor in the buffer, of several that take it in turn the one that is there. */
static const Tensor *tensor_in(const Trial *t, const Buffer *b, int position) {
  const Tensor *found = NULL;
  for (const Node *n = t->cg->graph->first; n; n = n->next)
    for (int r = 0; r < n->n_results; r++) {
      const Tensor *x = n->results[r];
      if (cg_storage(t->cg, x)->buffer != b || alias_root(t->cg, x) != x) continue;
      if (!found || is_live(t, x, position)) found = x;
    }
  return found;
}

static int find_held(const Search *s, const Trial *t, int position, Held *held) {
  int n = 0;
  for (const Buffer *b = t->cg->buffers; b; b = b->next) {
    if (b->kind != BUFFER_WORKSPACE || b->first > position || position > b->last) continue;
    const Tensor *x = tensor_in(t, b, position);
    if (!x) continue; /* scratch */
    const Origin *o = origin_of(t, x->producer);
    add(held, &n, o ? (Held){whole_of(s, o), b->bytes, rows_of(x)} : (Held){x, b->bytes, 0});
  }
  return n;
}

static void note(const Search *s, const Held *h) {
  char *part =
      h->rows ? arena_printf(s->arena, ", %" PRId64 " of %" PRId64 " rows", h->rows, rows_of(h->tensor)) : "";
  diag_note(s->cg->diag, h->tensor->loc, "%" PRId64 " bytes: '%s', %s%s", h->bytes, h->tensor->name,
            type_text(s->arena, &h->tensor->type), part);
}

void fit_error(const Search *s, const Trial *t) {
  int position;
  cg_memory_bound(t->cg, &position);
  const Node *n = t->cg->graph->first;
  for (int i = 0; i < position; i++) n = n->next;
  const Origin *o = origin_of(t, n);
  const Node *whole = o ? s->nodes[o->node] : n;
  diag_error(s->cg->diag, node_loc(whole),
             "the workspace does not fit -max-workspace=%" PRId64 ": at least %" PRId64
             " bytes are needed, for %s at '%s' (%s), where these are in memory:",
             s->cg->options->max_workspace, t->cg->memory.workspace, s->cg->target->name,
             whole->results[0]->name, op_info[whole->op]->name);
  Held *held = ARENA_NEW_ARRAY(s->arena, Held, (size_t)t->cg->graph->n_nodes * 2 + 1);
  int n_held = find_held(s, t, position, held);
  for (int i = 0; i < n_held; i++) note(s, &held[i]);
  const Buffer *scratch = strmap_get(t->cg->scratch_of, n->results[0]->name);
  if (scratch)
    diag_note(s->cg->diag, node_loc(whole), "%" PRId64 " bytes: what the kernel itself needs",
              scratch->bytes);
}

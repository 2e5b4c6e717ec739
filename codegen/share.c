#include "codegen/share.h"

#include <string.h>

#include "codegen/chain.h"
#include "codegen/residual.h"
#include "ir/ops/attrs.h"

typedef struct Template {
  const Node *node;
  const Kernel *first;
  int count;
  int uses;
  struct Template *next;
} Template;

static char *key_of(const Cg *cg, const Node *n, ShareKind kind) {
  const Origin *o = cg->origins ? strmap_get(cg->origins, n->results[0]->name) : NULL;
  if (!o || o->band < 0) return NULL;
  return arena_printf(cg->arena, "%d %d %d", o->node, o->operand, (int)kind);
}

/* ---- what makes two nodes alike ---- */

static bool same_ranges(const Cg *cg, const Tensor *a, const Tensor *b) {
  const ChannelRanges *x = ranges_tensor(cg->ranges, a), *y = ranges_tensor(cg->ranges, b);
  if (!x || !y) return x == y;
  return x->axis == y->axis && x->count == y->count &&
         !memcmp(x->channel, y->channel, sizeof *x->channel * (size_t)x->count);
}

/* Lie alike, at different places. */
static bool same_form(const Cg *cg, const Tensor *a, const Tensor *b) {
  const Storage *x = cg_storage(cg, a), *y = cg_storage(cg, b);
  return x->elem == y->elem && x->bias == y->bias && x->zero == y->zero && x->offset == y->offset &&
         !memcmp(x->stride, y->stride, sizeof x->stride) && !memcmp(&x->halo, &y->halo, sizeof x->halo);
}

static bool same_tensors(const Cg *cg, const Tensor *a, const Tensor *b) {
  if (!a || !b || tensor_is_const(a) || tensor_is_const(b)) return a == b;
  return type_equal(&a->type, &b->type) && same_form(cg, a, b) && same_ranges(cg, a, b);
}

/* Slices may begin elsewhere. */
static bool same_attrs(const Node *a, const Node *b) {
  if (a->op == OP_slice)
    return !memcmp(&ATTRS(a, SliceAttrs)->step, &ATTRS(b, SliceAttrs)->step, sizeof(IntList));
  return !op_info[a->op]->attrs_size || !memcmp(a->attrs, b->attrs, op_info[a->op]->attrs_size);
}

/* What the kernels of two layers do with their results. */
static bool same_residuals(const Cg *cg, const Node *a, const Node *b);

static bool same_nodes(const Cg *cg, const Node *a, const Node *b) {
  if (a->op != b->op || a->n_operands != b->n_operands || !same_attrs(a, b)) return false;
  for (int i = 0; i < a->n_operands; i++) {
    if (!same_tensors(cg, a->operands[i], b->operands[i])) return false;
    if (a->operands[i] && cg_lies_in_place(cg, a, i) != cg_lies_in_place(cg, b, i)) return false;
  }
  return same_tensors(cg, a->results[0], b->results[0]) && same_residuals(cg, a, b);
}

static bool same_residuals(const Cg *cg, const Node *a, const Node *b) {
  const Node *x = residual_of(cg, a), *y = residual_of(cg, b);
  if (residual_is_done(cg, a) != residual_is_done(cg, b)) return false;
  return x && y ? same_nodes(cg, x, y) : !x && !y;
}

/* ---- the calls ---- */

static const Tensor *counterpart(const Cg *cg, const Node *from, const Node *to, const Tensor *t) {
  if (t == from->results[0]) return to->results[0];
  for (int i = 0; i < from->n_operands; i++)
    if (t == from->operands[i]) return to->operands[i];
  const Node *add = residual_of(cg, from);
  return add ? counterpart(cg, add, residual_of(cg, to), t) : NULL;
}

/* How much further on in the operand a slice begins. */
static int64_t slice_distance(const Cg *cg, const Node *from, const Node *to) {
  int64_t distance = 0;
  for (int i = 0; i < from->operands[0]->type.shape.rank; i++)
    distance += (ATTRS(to, SliceAttrs)->start.v[i] - ATTRS(from, SliceAttrs)->start.v[i]) *
                cg_storage(cg, from->operands[0])->stride[i];
  return distance;
}

static bool move_arg(const Cg *cg, const Node *from, const Node *to, KernelArg *a) {
  const Tensor *t = a->tensor ? counterpart(cg, from, to, a->tensor) : NULL;
  if (!a->tensor) {
    Buffer *own = strmap_get(cg->scratch_of, to->results[0]->name);
    if (!own || own->bytes != a->buffer->bytes) return false;
    a->buffer = own;
    return true;
  }
  if (!t) return false;
  const Storage *s = cg_storage(cg, t);
  a->buffer = s->buffer;
  a->base = s->base;
  if (to->op == OP_slice && a->tensor == from->operands[0]) a->base += slice_distance(cg, from, to);
  a->tensor = t;
  a->what = t->name;
  return true;
}

/* What shares a buffer must be as far from each other: the parts that threads do were proved so. */
static bool same_distances(const Kernel *a, const Kernel *b) {
  for (int i = 0; i < a->n_args; i++)
    for (int k = 0; k < i; k++) {
      const KernelArg *x = &a->args[i], *y = &a->args[k], *u = &b->args[i], *v = &b->args[k];
      bool share = x->buffer == y->buffer;
      if (share != (u->buffer == v->buffer)) return false;
      if (share && (x->writable || y->writable) && x->base - y->base != u->base - v->base) return false;
    }
  return true;
}

/* The calls for `n` as for the template; NULL where they differ in more than places. */
static Kernel *make_calls(const Cg *cg, const Node *n, const Template *t) {
  Kernel *calls = ARENA_NEW_ARRAY(cg->arena, Kernel, (size_t)t->count + 1);
  const Kernel *k = t->first;
  for (int i = 0; i < t->count; i++, k = k->next) {
    calls[i] = *k;
    calls[i].next = NULL;
    calls[i].node = n;
    calls[i].comment = NULL;
    calls[i].task = arena_printf(cg->arena, "%s_again%d", k->func->name, t->uses);
    for (int a = 0; a < k->n_args; a++)
      if (!move_arg(cg, t->node, n, &calls[i].args[a])) return NULL;
    if (!same_distances(k, &calls[i])) return NULL;
  }
  return calls;
}

bool share_kernels(Cg *cg, const Node *n, ShareKind kind) {
  char *key = key_of(cg, n, kind);
  if (!key || !cg->shared) return false;
  for (Template *t = strmap_get(cg->shared, key); t; t = t->next) {
    Kernel *calls = same_nodes(cg, t->node, n) ? make_calls(cg, n, t) : NULL;
    if (!calls) continue;
    t->uses++;
    for (int i = 0; i < t->count; i++) cg_call(cg, &calls[i]);
    return true;
  }
  return false;
}

void share_offer(Cg *cg, const Node *n, ShareKind kind, const Kernel *first) {
  char *key = key_of(cg, n, kind);
  if (!key) return;
  if (!cg->shared) cg->shared = strmap_new(cg->arena);
  Template *t = ARENA_NEW(cg->arena, Template);
  *t = (Template){.node = n, .first = first, .uses = 1, .next = strmap_get(cg->shared, key)};
  for (const Kernel *k = first; k; k = k->next) t->count++;
  strmap_put(cg->shared, key, t);
}

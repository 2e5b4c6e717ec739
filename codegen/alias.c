/* What may lie in what, and what does: candidates are found from the last node to the first, so that it is
 * known where a result lies when its operands are looked at; those that lead to a storage which some kernel
 * cannot take are left out. */
#include "codegen/alias.h"

#include "codegen/residual.h"

#include "ir/ops/attrs.h"

static const Lowering *lowering(const Node *n) { return lowering_of[n->op]; }

const Alias *alias_of(const Cg *cg, const Tensor *t) { return strmap_get(cg->alias_of, t->name); }

const Tensor *alias_root(const Cg *cg, const Tensor *t) {
  for (const Alias *a; (a = alias_of(cg, t));) t = alias_host(a);
  return t;
}

bool cg_lies_in_place(const Cg *cg, const Node *n, int i) {
  const Alias *of_result = alias_of(cg, n->results[0]), *of_operand = alias_of(cg, n->operands[i]);
  if (of_result && of_result->node == n && of_result->operand == i) return true;
  return of_operand && of_operand->node == n && of_operand->operand == i && !of_operand->overwrites;
}

/* ---- candidates ---- */

typedef struct {
  Cg *cg;
  StrMap *inside;  /* the tensors that have a host */
  StrMap *refused; /* candidates of an earlier try, by key_of */
  int cap;
} Search;

static char *key_of(Arena *a, const Node *n, int operand, bool operand_inside) {
  return arena_printf(a, "%d%c%s", operand, operand_inside ? '>' : '<', n->results[0]->name);
}

/* In the workspace, and not empty. */
static bool may_share(const Tensor *t) {
  return !tensor_is_const(t) && !t->is_input && !t->is_output && shape_count(&t->type.shape);
}

/* Adds the candidate, unless the tensor that would lie inside has a host already. */
static bool offer(Search *s, Node *n, int operand, bool operand_inside, bool overwrites) {
  Cg *cg = s->cg;
  Alias a = {.node = n,
             .operand = operand,
             .operand_inside = operand_inside,
             .overwrites = overwrites,
             .wanted = true};
  const Tensor *inside = alias_inside(&a);
  if (!may_share(inside) || !may_share(alias_host(&a)) || strmap_get(s->inside, inside->name)) return false;
  if (strmap_get(s->refused, key_of(cg->arena, n, operand, operand_inside))) return false;
  if (cg->n_aliases == s->cap) {
    s->cap = s->cap ? 2 * s->cap : 64;
    Alias *more = ARENA_NEW_ARRAY(cg->arena, Alias, (size_t)s->cap);
    for (int i = 0; i < cg->n_aliases; i++) more[i] = cg->aliases[i];
    cg->aliases = more;
  }
  cg->aliases[cg->n_aliases++] = a;
  strmap_put(s->inside, inside->name, n);
  return true;
}

/* The operand that a node in place may take from the result's place: it dies here. */
static void offer_overwritten(Search *s, Node *n) {
  const Tensor *y = n->results[0];
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *x = n->operands[i];
    if (!x || tensor_is_const(x) || !shape_equal(&x->type.shape, &y->type.shape) ||
        x->type.dtype != y->type.dtype)
      continue;
    if (cg_last_use(s->cg, x) == cg_position(s->cg, n) && offer(s, n, i, true, true)) return;
  }
}

/* Both operands of an addition that a layer's kernel does: the layer's result is never there, and the other
 * one dies. False: it does not. */
static bool offer_residual(Search *s, Node *add) {
  const Residual *r = residual_of_sum(s->cg, add);
  if (!r) return false;
  if (offer(s, add, r->operand, true, true) && residual_may_overwrite(s->cg, r))
    offer(s, add, 1 - r->operand, true, true);
  return true;
}

/* Of a result with the operand's elements either may be the host: rather what lies in something already, and
 * what wants a halo. */
static void offer_moved(Search *s, Node *n) {
  const Tensor *y = n->results[0];
  bool has_host = strmap_get(s->inside, y->name) != NULL;
  bool either = n->op != OP_slice && n->op != OP_concat && n->op != OP_pad;
  if (n->op == OP_concat || n->op == OP_pad) {
    for (int i = 0; i < (n->op == OP_pad ? 1 : n->n_operands); i++) offer(s, n, i, true, false);
  } else if (either && (has_host || !halo_is_none(cg_wanted_halo(y)))) {
    if (!offer(s, n, 0, true, false)) offer(s, n, 0, false, false);
  } else if (!offer(s, n, 0, false, false) && either) {
    offer(s, n, 0, true, false);
  }
}

static void find(Cg *cg, StrMap *refused) {
  Search s = {.cg = cg, .inside = strmap_new(cg->arena), .refused = refused};
  cg->n_aliases = 0;
  cg->aliases = NULL;
  for (Node *n = cg->graph->last; n; n = n->prev) {
    if (!n->n_operands || !shape_count(&n->results[0]->type.shape)) continue;
    if (alias_moves(n->op)) {
      offer_moved(&s, n);
    } else if (!offer_residual(&s, n) && lowering(n)->in_place && strmap_get(s.inside, n->results[0]->name)) {
      offer_overwritten(&s, n);
    }
  }
}

/* ---- storages ---- */

static void use_wanted(Cg *cg) {
  cg->alias_of = strmap_new(cg->arena);
  cg->insides_of = strmap_new(cg->arena);
  for (int i = 0; i < cg->n_aliases; i++) {
    Alias *a = &cg->aliases[i];
    a->used = a->wanted;
    if (!a->used) continue;
    const char *host = alias_host(a)->name;
    strmap_put(cg->alias_of, alias_inside(a)->name, a);
    a->next_inside = strmap_get(cg->insides_of, host);
    strmap_put(cg->insides_of, host, a);
  }
}

/* What the tensor and all that lie in it want around themselves. */
static Halo needed_halo(const Cg *cg, const Tensor *t) {
  Halo h = cg_wanted_halo(t);
  for (const Alias *a = strmap_get(cg->insides_of, t->name); a; a = a->next_inside)
    h = halo_union(h, alias_outer_halo(a, needed_halo(cg, alias_inside(a))));
  return h;
}

static Storage *add_storage(Cg *cg, const Tensor *t, Storage s) {
  Storage *p = arena_memdup(cg->arena, &s, sizeof s);
  strmap_put(cg->storage_of, t->name, p);
  return p;
}

static bool map_inside(Cg *cg, const Alias *a, const Storage *host, Storage *s) {
  const Tensor *t = alias_inside(a);
  bool same_bytes = s->elem == host->elem && s->bias == host->bias;
  if (!same_bytes || (!a->overwrites && s->zero != host->zero)) return false;
  if (!alias_map(a, host, cg_channels_last(cg, t), s)) return false;
  if (s->zero != host->zero) s->halo = (Halo){.before = {0}}; /* what is around it is not its zero */
  return halo_contains(s->halo, cg_wanted_halo(t));
}

/* Sets the storage of the tensor, its host's first. Returns the alias that is impossible; NULL: none is. */
static Alias *add_storages(Cg *cg, const Tensor *t) {
  if (strmap_get(cg->storage_of, t->name)) return NULL;
  Alias *a = strmap_get(cg->alias_of, t->name);
  if (!a) {
    Halo halo = needed_halo(cg, t);
    bool fits = halo_fits(&t->type.shape, halo); /* else some that lie in it ask for too much */
    add_storage(cg, t, cg_internal_storage(cg, t, fits ? halo : cg_wanted_halo(t)));
    return NULL;
  }
  Alias *impossible = add_storages(cg, alias_host(a));
  if (impossible) return impossible;
  Storage s = cg_internal_storage(cg, t, (Halo){.before = {0}});
  if (!map_inside(cg, a, cg_storage(cg, alias_host(a)), &s)) return a;
  add_storage(cg, t, s);
  return NULL;
}

/* ---- what kernels can take ---- */

/* As if nothing shared its memory. */
static bool lies_alone(const Cg *cg, const Tensor *t) {
  const Storage *s = cg_storage(cg, t);
  Storage alone = cg_internal_storage(cg, t, alias_of(cg, t) ? (Halo){.before = {0}} : cg_wanted_halo(t));
  return storage_alike(s, &alone);
}

static bool place_fits(const Cg *cg, const Tensor *t, const Node *n, PlaceDemand demand) {
  int64_t step;
  const Storage *s = cg_storage(cg, t);
  if (alias_moves(n->op)) return true;
  if (!storage_is_ordered(s, &t->type.shape, cg_channels_last(cg, t))) return false;
  if (demand == PLACE_STRIDED) return true;
  return (demand == PLACE_ROWS && storage_has_rows(s, &t->type.shape, &step)) || lies_alone(cg, t);
}

static bool kernels_can_take(const Cg *cg, const Tensor *t) {
  if (!place_fits(cg, t, t->producer, lowering(t->producer)->writes)) return false;
  for (int u = 0; u < t->n_uses; u++)
    if (!place_fits(cg, t, t->uses[u].node, lowering(t->uses[u].node)->reads)) return false;
  return true;
}

static int last_use_inside(const Cg *cg, const Tensor *t) {
  int last = -1;
  for (const Alias *a = strmap_get(cg->insides_of, t->name); a; a = a->next_inside) {
    int own = alias_last_use(cg, alias_inside(a));
    if (own > last) last = own;
  }
  return last;
}

int alias_last_use(const Cg *cg, const Tensor *t) {
  int own = cg_last_use(cg, t), inside = last_use_inside(cg, t);
  return own > inside ? own : inside;
}

/* What an op in place writes over must be dead: all that lies there, but for the operand itself. An addition
 * may be done by the kernel before it. */
static bool is_dead_before(const Cg *cg, const Alias *a) {
  if (!a->overwrites) return true;
  int writes = cg_position(cg, a->node) - (residual_of_sum(cg, a->node) != NULL);
  return last_use_inside(cg, alias_inside(a)) < writes;
}

/* ---- the rounds ---- */

/* The alias because of which the tensor cannot lie as it would; NULL: it can. */
static Alias *obstacle(Cg *cg, const Tensor *t) {
  Alias *a = strmap_get(cg->alias_of, t->name), *impossible = add_storages(cg, t);
  if (impossible) return impossible;
  if (kernels_can_take(cg, t) && (!a || is_dead_before(cg, a))) return NULL;
  if (!a) a = strmap_get(cg->insides_of, t->name); /* a halo that only those in it want */
  if (!a) BUG("no kernel can take '%s' as it lies", t->name);
  return a;
}

/* Storages by what is wanted. Refuses what is impossible: in each root the first, since the others may depend
 * on it. False where it did. */
static bool settle_once(Cg *cg, StrMap *refused) {
  use_wanted(cg);
  cg->storage_of = strmap_new(cg->arena);
  StrMap *disturbed = strmap_new(cg->arena);
  bool ok = true;
  for (Node *n = cg->graph->first; n; n = n->next)
    for (int r = 0; r < n->n_results; r++) {
      const Tensor *t = n->results[r];
      if (t->is_output) {
        add_storage(cg, t, cg_public_storage(cg, t));
        continue;
      }
      const char *root = alias_root(cg, t)->name;
      Alias *a = strmap_get(disturbed, root) ? NULL : obstacle(cg, t);
      if (!a) continue;
      strmap_put(disturbed, root, a);
      a->wanted = false;
      if (refused) strmap_put(refused, key_of(cg->arena, a->node, a->operand, a->operand_inside), a);
      ok = false;
    }
  return ok;
}

void alias_settle(Cg *cg) {
  while (!settle_once(cg, NULL)) {
  }
}

/* Refused candidates may make room for others. */
void alias_find(Cg *cg) {
  StrMap *refused = strmap_new(cg->arena);
  do {
    find(cg, refused);
  } while (!settle_once(cg, refused));
}

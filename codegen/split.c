/* A kernel's effects lie in units: loops whose iterations are shared out among the parts, and what only the
 * first part does. Parts are independent where, in each buffer that is written,
 * - the iterations of a unit's loop touch places apart: with c bytes from one iteration to the next, all that
 * an iteration touches lies in a window of c bytes, whatever the other variables are; or so modulo M, where
 * the steps of outer variables are multiples of M and the windows of all iterations fit into M (panels of
 * channels, in pixels of M bytes);
 * - and units touch places apart from each other's. */
#include "codegen/split.h"

#include <string.h>

enum {
  PART_OPS = 8192, /* vector operations of a part, at least: some 3 us */
  LEAST_PARTS = 4, /* of a kernel that is split */
  MAX_PARTS = 64,
  GOOD_COUNT = 16, /* iterations that are enough: inner loops are not looked at */
  MAX_UNITS = 64,
  MAX_TOUCHES = 2048,
  MAX_VARS = 64,
  MAX_COUNT = 1 << 24, /* iterations: times MAX_PARTS they must fit an int */
};

/* The values of an index variable: low, low + step, ..., count of them. */
typedef struct {
  const VirVar *var;
  int64_t low, step, count;
} Values;

typedef struct {
  const VirVar *var;
  int64_t step, count; /* bytes from one value to the next */
} Term;

/* What one operation touches. */
typedef struct {
  const void *memory; /* the Buffer, or a local array */
  bool write;
  int64_t at, width; /* bytes, where all variables have their first value */
  int n;
  Term term[VIR_MAX_TERMS * 2];
} Touch;

typedef struct {
  VirStmt *stmt;
  const VirVar *var; /* of the loop that is shared out; NULL: the first part does it all */
  int64_t count, ops;
  int first, n; /* touches */
} Unit;

/* A parameter of a function that is called: where it points in the kernel. */
typedef struct {
  const VirBase *param;
  const void *memory;
  int64_t at;
  int n;
  Term term[VIR_MAX_TERMS];
} Binding;

typedef struct {
  Arena *arena;
  const VirModule *m;
  const Kernel *kernel;
  Values values[MAX_VARS];
  int n_values;
  const VirFunc *f; /* that is being read */
  const Binding *bindings;
  int n_bindings;
  Touch *touches;
  int n_touches;
  Unit units[MAX_UNITS];
  int n_units;
  int64_t repeated; /* how often the loops around are run */
  bool failed;      /* something is not understood */
} Split;

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a < 0 ? -a : a;
}

static int elem_bytes(const VirBase *b) { return b->elem16 ? 2 : dtype_info[b->elem].bytes; }

/* ---- variables ---- */

static const Values *values_of(const Split *s, const VirVar *v) {
  for (int i = s->n_values; i-- > 0;)
    if (s->values[i].var == v) return &s->values[i];
  return NULL;
}

static void add_values(Split *s, Values v) {
  if (s->n_values == MAX_VARS) {
    s->failed = true;
    return;
  }
  s->values[s->n_values++] = v;
}

static Values loop_values(Split *s, const VirStmt *l) {
  Values v = {l->var, l->begin, l->step, l->end > l->begin ? (l->end - l->begin + l->step - 1) / l->step : 0};
  if (!l->begin_var) return v;
  const Values *begin = values_of(s, l->begin_var), *end = values_of(s, l->end_var);
  if (!begin || !end) {
    s->failed = true;
    return v;
  }
  int64_t last = end->low + end->step * (end->count - 1); /* any value between */
  return (Values){l->var, begin->low, 1, last > begin->low ? last - begin->low : 0};
}

static Values index_values(const VirStmt *i) {
  const VirBase *table = i->args[0].addr.base;
  if (table->indices) return (Values){i->var, 0, 1, (int64_t)table->most + 1}; /* whatever callers pass */
  const int32_t *v = table->data;
  int64_t low = v[0], high = v[0], step = 0;
  for (int64_t k = 1; k < table->count; k++) {
    low = v[k] < low ? v[k] : low;
    high = v[k] > high ? v[k] : high;
    step = gcd(step, (int64_t)v[k] - v[0]);
  }
  return (Values){i->var, low, step ? step : 1, step ? (high - low) / step + 1 : 1};
}

/* ---- what is touched ---- */

static const Binding *binding_of(const Split *s, const VirBase *param) {
  for (int i = 0; i < s->n_bindings; i++)
    if (s->bindings[i].param == param) return &s->bindings[i];
  return NULL;
}

/* The address in bytes, its variables in `term`; returns how many there are, -1 where it is not understood.
 */
static int resolve(const Split *s, const VirAddr *a, int64_t *at, Term *term) {
  int bytes = elem_bytes(a->base), n = 0;
  *at = a->offset * bytes;
  for (int i = 0; i < a->n_terms; i++) {
    const Values *v = values_of(s, a->term[i].var);
    int64_t step = a->term[i].coef * bytes;
    if (!v) return -1;
    *at += step * v->low;
    if (v->count > 1 && step) term[n++] = (Term){v->var, step * v->step, v->count};
  }
  return n;
}

/* Reads of memory that nobody writes are left out. */
static bool matters(const Split *s, const void *memory) {
  bool bound = false;
  for (int i = 0; i < s->kernel->n_args; i++) {
    bound |= s->kernel->args[i].buffer == memory;
    if (s->kernel->args[i].buffer == memory && s->kernel->args[i].writable) return true;
  }
  return !bound; /* a local array */
}

/* Constants, and parameters that are bound to one, have no binding and are no local arrays. */
static bool is_param(const VirFunc *f, const VirBase *base) {
  for (int i = 0; i < f->n_params; i++)
    if (f->params[i] == base) return true;
  return false;
}

static void touch(Split *s, const VirAddr *a, int64_t width, bool write) {
  const Binding *b = binding_of(s, a->base);
  if (a->base->data || (!b && is_param(s->f, a->base))) return;
  if (!matters(s, b ? b->memory : a->base)) return;
  if (s->n_touches == MAX_TOUCHES) s->failed = true;
  if (s->failed) return;
  Touch *t = &s->touches[s->n_touches++];
  *t = (Touch){.memory = b ? b->memory : a->base, .write = write, .width = width};
  t->n = resolve(s, a, &t->at, t->term);
  if (t->n < 0) {
    s->failed = true;
    return;
  }
  if (!b) return;
  t->at += b->at;
  memcpy(t->term + t->n, b->term, sizeof *b->term * (size_t)b->n);
  t->n += b->n;
}

/* Pieces that are apart are touched one by one: other parts may have what lies between them. */
static void touch_op(Split *s, const VirStmt *op) {
  const char *signature = vir_op_info[op->op].signature;
  int pieces = vir_pieces(op->op);
  for (int i = 0; i < op->n_args; i++) {
    if (signature[i] != 'r' && signature[i] != 'w') continue;
    VirAddr at = op->args[i].addr;
    int64_t apart = pieces > 1 ? op->args[op->n_args - 1].n : 0;
    int64_t width = vir_extent(s->m, op) - (pieces - 1) * apart;
    for (int k = 0; k < pieces; k++, at.offset += apart)
      touch(s, &at, width * elem_bytes(at.base), signature[i] == 'w');
  }
}

static int64_t read_body(Split *s, const VirStmt *body);

/* With the callee's parameters bound to what it is called with. */
static int64_t read_call(Split *s, const VirStmt *call) {
  Binding *bindings = ARENA_NEW_ARRAY(s->arena, Binding, (size_t)call->n_args + 1);
  int n = 0;
  for (int i = 0; i < call->n_args; i++) {
    const VirAddr *a = &call->call_args[i];
    const Binding *outer = binding_of(s, a->base);
    if (a->base->data || (!outer && is_param(s->f, a->base))) continue;
    Binding *b = &bindings[n++];
    *b = (Binding){.param = call->callee->params[i], .memory = outer ? outer->memory : a->base};
    b->n = resolve(s, a, &b->at, b->term);
    if (b->n < 0 || (outer && b->n + outer->n > VIR_MAX_TERMS)) {
      s->failed = true;
      return 0;
    }
    if (!outer) continue;
    b->at += outer->at;
    memcpy(b->term + b->n, outer->term, sizeof *b->term * (size_t)outer->n);
    b->n += outer->n;
  }
  const Split before = *s;
  s->f = call->callee;
  s->bindings = bindings;
  s->n_bindings = n;
  int64_t ops = read_body(s, call->callee->body);
  s->f = before.f;
  s->bindings = before.bindings;
  s->n_bindings = before.n_bindings;
  return ops;
}

/* Adds what the statement touches; returns how many operations it executes. */
static int64_t read_stmt(Split *s, const VirStmt *stmt) {
  int n_values = s->n_values;
  int64_t ops = 0;
  switch (stmt->kind) {
  case VIR_STMT_OP:
    touch_op(s, stmt);
    return 1;
  case VIR_STMT_CALL:
    return read_call(s, stmt);
  case VIR_STMT_EXTERN: /* nothing is known of it */
    s->failed = true;
    return 0;
  case VIR_STMT_INDEX:
    add_values(s, index_values(stmt));
    return 0;
  case VIR_STMT_LOOP:
    add_values(s, loop_values(s, stmt));
    if (s->failed) return 0;
    ops = s->values[n_values].count * read_body(s, stmt->body);
    break;
  case VIR_STMT_SCOPE:
    ops = read_body(s, stmt->body);
    break;
  case VIR_STMT_COMMENT:
  case VIR_STMT_LOCAL:
  case VIR_STMT_OPAQUE:
  case VIR_STMT_FENCE:
    break;
  }
  s->n_values = n_values;
  return ops;
}

static int64_t read_body(Split *s, const VirStmt *body) {
  int64_t ops = 0;
  for (; body && !s->failed; body = body->next) ops += read_stmt(s, body);
  return ops;
}

/* ---- proofs ---- */

/* Bytes [low, high). */
typedef struct {
  int64_t low, high;
} Window;

/* All that a touch may be, from `origin` on, with `var` at its first value; modulo `m` (0: not so), where the
 * variables whose steps are multiples of m make no difference. */
static Window window_of(const Touch *t, int64_t origin, int64_t m, const VirVar *var) {
  int64_t at = t->at - origin;
  if (m) at = (at % m + m) % m;
  Window w = {at, at + t->width};
  for (int i = 0; i < t->n; i++) {
    int64_t reach = t->term[i].step * (t->term[i].count - 1);
    if (t->term[i].var == var || (m && t->term[i].step % m == 0)) continue;
    *(reach < 0 ? &w.low : &w.high) += reach;
  }
  return w;
}

static void widen(Window *w, Window other) {
  if (w->low == w->high) *w = other;
  if (other.low < w->low) w->low = other.low;
  if (other.high > w->high) w->high = other.high;
}

static int64_t step_of(const Touch *t, const VirVar *var) {
  int64_t step = 0;
  for (int i = 0; i < t->n; i++)
    if (t->term[i].var == var) step += t->term[i].step;
  return step;
}

/* Touches of one buffer, some of which write, by one or two units. */
typedef struct {
  const Touch *all;
  int first[2], n[2];
  const void *memory;
} Group;

static bool in_group(const Group *g, const Touch *t) { return t->memory == g->memory; }

static int64_t origin_of(const Group *g) {
  int64_t origin = INT64_MAX;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < g->n[k]; i++) {
      const Touch *t = &g->all[g->first[k] + i];
      if (in_group(g, t) && t->at < origin) origin = t->at;
    }
  return origin;
}

static bool proves_apart(const Group *g, const Unit *u, int64_t m) {
  Window w = {0, 0};
  int64_t step = 0, origin = origin_of(g);
  for (int i = 0; i < g->n[0]; i++) {
    const Touch *t = &g->all[g->first[0] + i];
    if (!in_group(g, t)) continue;
    int64_t c = step_of(t, u->var);
    if (c <= 0 || (step && c != step)) return false;
    step = c;
    widen(&w, window_of(t, origin, m, u->var));
  }
  return w.high - w.low <= step && (!m || step * (u->count - 1) + w.high - w.low <= m);
}

/* Everything that the one touches beside everything that the other does. */
static bool proves_disjoint(const Group *g, int64_t m) {
  Window w[2] = {{0, 0}, {0, 0}};
  int64_t origin = origin_of(g);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < g->n[k]; i++) {
      const Touch *t = &g->all[g->first[k] + i];
      if (in_group(g, t)) widen(&w[k], window_of(t, origin, m, NULL));
    }
  bool apart = w[0].high <= w[1].low || w[1].high <= w[0].low;
  int64_t low = w[0].low < w[1].low ? w[0].low : w[1].low,
          high = w[0].high > w[1].high ? w[0].high : w[1].high;
  return apart && (!m || high - low <= m);
}

static bool proves(const Group *g, const Unit *u, int64_t m) {
  return u ? proves_apart(g, u, m) : proves_disjoint(g, m);
}

/* Moduli that are tried: the steps of variables, and distances between touches. */
static bool proved(const Group *g, const Unit *u) {
  int64_t origin = origin_of(g), tried[64];
  int n_tried = 0;
  if (proves(g, u, 0)) return true;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < g->n[k]; i++) {
      const Touch *t = &g->all[g->first[k] + i];
      if (!in_group(g, t)) continue;
      for (int j = -1; j < t->n; j++) {
        int64_t m = j < 0 ? t->at - origin : gcd(t->term[j].step, 0);
        bool new = m > 1 && n_tried < (int)(sizeof tried / sizeof *tried);
        for (int l = 0; l < n_tried && new; l++) new = tried[l] != m;
        if (!new) continue;
        if (proves(g, u, m)) return true;
        tried[n_tried++] = m;
      }
    }
  return false;
}

static bool iterations_apart(const Split *s, const Unit *u) {
  const Touch *t = s->touches + u->first;
  for (int i = 0; i < u->n; i++) {
    Group g = {s->touches, {u->first, 0}, {u->n, 0}, t[i].memory};
    if (t[i].write && !proved(&g, u)) return false;
  }
  return true;
}

static bool units_apart(const Split *s, const Unit *a, const Unit *b) {
  for (int k = 0; k < 2; k++) {
    const Unit *writer = k ? b : a, *other = k ? a : b;
    const Touch *t = s->touches + writer->first;
    for (int i = 0; i < writer->n; i++) {
      Group g = {s->touches, {writer->first, other->first}, {writer->n, other->n}, t[i].memory};
      bool shared = false;
      for (int j = 0; j < other->n; j++) shared |= in_group(&g, &s->touches[other->first + j]);
      if (t[i].write && shared && !proved(&g, NULL)) return false;
    }
  }
  return true;
}

/* ---- units ---- */

static bool declared_in(const VirStmt *s, const VirVar *v) {
  for (; s; s = s->next) {
    if (s->kind == VIR_STMT_OP && s->dst == v && s->declares) return true;
    if ((s->kind == VIR_STMT_LOOP || s->kind == VIR_STMT_SCOPE) && declared_in(s->body, v)) return true;
  }
  return false;
}

/* True where each variable that is set is declared in `body` too: nothing is carried on. */
static bool carries_nothing(const VirStmt *body, const VirStmt *s) {
  for (; s; s = s->next) {
    if (s->kind == VIR_STMT_OP && s->dst && !s->declares && !declared_in(body, s->dst)) return false;
    if ((s->kind == VIR_STMT_LOOP || s->kind == VIR_STMT_SCOPE) && !carries_nothing(body, s->body))
      return false;
  }
  return true;
}

static void drop_locals(Split *s, int first, const VirStmt *body) {
  for (; body; body = body->next) {
    if (body->kind == VIR_STMT_LOOP || body->kind == VIR_STMT_SCOPE) drop_locals(s, first, body->body);
    if (body->kind == VIR_STMT_CALL) drop_locals(s, first, body->callee->body);
    if (body->kind != VIR_STMT_LOCAL) continue;
    int n = first;
    for (int i = first; i < s->n_touches; i++)
      if (s->touches[i].memory != body->local) s->touches[n++] = s->touches[i];
    s->n_touches = n;
  }
}

/* A statement as a unit; `share`: a loop whose iterations are shared out. Its touches are added, but for
 * those of arrays that are its own: each iteration has them anew. */
static Unit make_unit(Split *s, VirStmt *stmt, bool share) {
  Unit u = {.stmt = stmt, .first = s->n_touches};
  u.ops = read_stmt(s, stmt) * s->repeated;
  if (share) {
    Values v = loop_values(s, stmt);
    u.var = v.var;
    u.count = v.count;
  }
  drop_locals(s, u.first, stmt->kind == VIR_STMT_CALL ? stmt->callee->body : stmt->body);
  u.n = s->n_touches - u.first;
  return u;
}

static void add_unit(Split *s, Unit u) {
  if (s->n_units == MAX_UNITS) {
    s->failed = true;
    return;
  }
  s->units[s->n_units++] = u;
}

static void find_units(Split *s, VirStmt *body);

static int64_t least_count(const Split *s, int first) {
  int64_t least = INT64_MAX;
  for (int i = first; i < s->n_units; i++) {
    int64_t count = s->units[i].var ? s->units[i].count : 1;
    if (count < least) least = count;
  }
  return s->n_units > first ? least : 0;
}

/* This loop, or those within it where they have more iterations. */
static void loop_units(Split *s, VirStmt *loop) {
  int n_units = s->n_units, n_touches = s->n_touches, n_values = s->n_values;
  bool alone = carries_nothing(loop->body, loop->body);
  Unit here = make_unit(s, loop, alone && !loop->begin_var);
  s->failed |= !alone;
  if (s->failed) return;
  bool can = here.var && here.count > 1 && here.count <= MAX_COUNT && iterations_apart(s, &here);
  s->n_touches = n_touches;
  if (!can || here.count < GOOD_COUNT) {
    int64_t repeated = s->repeated;
    Values v = loop_values(s, loop);
    add_values(s, v);
    s->repeated *= v.count;
    find_units(s, loop->body);
    s->repeated = repeated;
    s->n_values = n_values;
    if (!s->failed && least_count(s, n_units) > (can ? here.count : 1)) return;
    s->failed = false;
    s->n_units = n_units;
    s->n_touches = n_touches;
  }
  add_unit(s, make_unit(s, loop, can));
}

/* Operations that only compute are done by all parts, what else stands between loops by the first one. */
static void find_units(Split *s, VirStmt *body) {
  for (; body && !s->failed; body = body->next) {
    switch (body->kind) {
    case VIR_STMT_LOOP:
      loop_units(s, body);
      break;
    case VIR_STMT_SCOPE:
      find_units(s, body->body);
      break;
    case VIR_STMT_CALL:
      add_unit(s, make_unit(s, body, false));
      break;
    case VIR_STMT_EXTERN:
      s->failed = true;
      break;
    case VIR_STMT_INDEX:
      add_values(s, index_values(body));
      break;
    case VIR_STMT_OP:
      if (body->dst)
        touch_op(s, body);
      else
        add_unit(s, make_unit(s, body, false)); /* a store */
      break;
    case VIR_STMT_COMMENT:
    case VIR_STMT_LOCAL:
    case VIR_STMT_OPAQUE:
    case VIR_STMT_FENCE:
      break;
    }
  }
}

/* Reads between the units, which all parts do. */
static bool reads_between_are_safe(const Split *s) {
  for (int i = 0, u = 0; i < s->n_touches; i++) {
    while (u < s->n_units && i >= s->units[u].first + s->units[u].n) u++;
    if (u < s->n_units && i >= s->units[u].first) continue;
    for (int k = 0; k < s->n_touches; k++)
      if (s->touches[k].write && s->touches[k].memory == s->touches[i].memory) return false;
  }
  return true;
}

static bool independent(const Split *s) {
  for (int i = 0; i < s->n_units; i++)
    for (int k = 0; k < i; k++)
      if ((s->units[i].var || s->units[k].var) && !units_apart(s, &s->units[i], &s->units[k])) return false;
  return reads_between_are_safe(s);
}

static int64_t parts_of(const Split *s, int64_t part_ops) {
  int64_t ops = 0, parts = MAX_PARTS;
  const Unit *largest = NULL;
  for (int i = 0; i < s->n_units; i++) {
    const Unit *u = &s->units[i];
    if (!u->var) continue;
    ops += u->ops;
    if (!largest || u->ops > largest->ops) largest = u;
  }
  if (!largest || ops < LEAST_PARTS * part_ops) return 0;
  if (largest->count < parts) parts = largest->count;
  return ops / part_ops < parts ? ops / part_ops : parts;
}

void cg_split(const Cg *cg, const Kernel *k) {
  int64_t part_ops = cg->options->part_ops ? cg->options->part_ops : PART_OPS;
  Arena *a = arena_new();
  Split *s = ARENA_NEW(a, Split);
  Binding bindings[sizeof k->args / sizeof *k->args] = {{0}};
  for (int i = 0; i < k->n_args; i++)
    bindings[i] = (Binding){.param = k->func->params[i],
                            .memory = k->args[i].buffer,
                            .at = k->args[i].base * dtype_info[k->args[i].elem].bytes};
  *s = (Split){.arena = a, .m = cg->module, .kernel = k, .f = k->func, .repeated = 1};
  s->bindings = bindings;
  s->n_bindings = k->n_args;
  s->touches = ARENA_NEW_ARRAY(a, Touch, MAX_TOUCHES);
  find_units(s, k->func->body);
  int64_t parts = s->failed || !independent(s) ? 0 : parts_of(s, part_ops);
  for (int i = 0; i < s->n_units && parts; i++) {
    s->units[i].stmt->shared = s->units[i].var ? s->units[i].count : 0;
    s->units[i].stmt->first_part = !s->units[i].var;
  }
  k->func->parts = (int)parts;
  arena_free(a);
}

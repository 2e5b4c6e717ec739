#include "codegen/vir.h"

#include <math.h>
#include <string.h>

#include "ir/diag.h"

/* What an operation reads or writes at its address. */
typedef enum { NO_MEMORY, BYTES, U8, S8, S16, S32, F32, F16 } MemElem; /* BYTES: u8 or s8 */
typedef enum {
  ONE,
  LANES,
  LANES2,
  LANES4,
  TWO,
  FOUR,
  PART,
  PART_Q,
  APART,
  BLOCKS,
  PIECES4,
  PIECES2,
  PIXELS
} MemExtent;
typedef struct {
  MemElem elem;
  MemExtent extent; /* elements from the address; PART: the last argument, 1..LANES; PART_Q: 1..4*LANES;
                       APART: LANES elements that are the last argument apart;
                       BLOCKS: of 16 bytes, so far apart;
                       PIECES4: four of LANES, that far apart; PIECES2: two of 2*LANES;
                       PIXELS: LANES of so many */
} MemAccess;

static const MemAccess access_of[VIR_OP_COUNT] = {
    [VIR_load_s32] = {S32, LANES},
    [VIR_load_f32] = {F32, LANES},
    [VIR_load_f32_part] = {F32, PART},
    [VIR_load_s32_part] = {S32, PART},
    [VIR_store_s32] = {S32, LANES},
    [VIR_store_f32] = {F32, LANES},
    [VIR_store_s32_part] = {S32, PART},
    [VIR_store_f32_part] = {F32, PART},
    [VIR_load_u8] = {U8, LANES},
    [VIR_load_s8] = {S8, LANES},
    [VIR_load_u8_part] = {U8, PART},
    [VIR_load_s8_part] = {S8, PART},
    [VIR_load_f16] = {F16, LANES},
    [VIR_load_f16_part] = {F16, PART},
    [VIR_store_u8] = {U8, LANES},
    [VIR_store_s8] = {S8, LANES},
    [VIR_store_u8_part] = {U8, PART},
    [VIR_store_s8_part] = {S8, PART},
    [VIR_scatter_u8] = {U8, APART},
    [VIR_scatter_s8] = {S8, APART},
    [VIR_load_q] = {BYTES, LANES4},
    [VIR_load_q_once] = {BYTES, LANES4},
    [VIR_load_q_blocks] = {BYTES, BLOCKS},
    [VIR_split4] = {BYTES, PIECES4},
    [VIR_split2] = {BYTES, PIECES2},
    [VIR_join4] = {BYTES, PIECES4},
    [VIR_join2] = {BYTES, PIECES2},
    [VIR_store_pixels] = {BYTES, PIXELS},
    [VIR_load_q_part] = {BYTES, PART_Q},
    [VIR_store_q] = {BYTES, LANES4},
    [VIR_store_q_part] = {BYTES, PART_Q},
    [VIR_bcast4] = {BYTES, FOUR},
    [VIR_bcast2x2] = {BYTES, FOUR},
    [VIR_dot_mem] = {BYTES, LANES4},
    [VIR_dot_sat_mem] = {BYTES, LANES4},
    [VIR_xor_mem] = {BYTES, LANES4},
    [VIR_load_p] = {S16, LANES2},
    [VIR_store_p] = {S16, LANES2},
    [VIR_load_p_u8] = {U8, LANES2},
    [VIR_load_p_s8] = {S8, LANES2},
    [VIR_bcast2] = {S16, TWO},
    [VIR_pair_u8] = {U8, LANES},
    [VIR_pair_s8] = {S8, LANES},
    [VIR_pair_u8_part] = {U8, PART},
    [VIR_pair_s8_part] = {S8, PART},
    [VIR_get_u8] = {U8, ONE},
    [VIR_get_s8] = {S8, ONE},
    [VIR_get_s32] = {S32, ONE},
    [VIR_get_f32] = {F32, ONE},
    [VIR_put_u8] = {U8, ONE},
    [VIR_put_s8] = {S8, ONE},
    [VIR_put_s32] = {S32, ONE},
    [VIR_put_f32] = {F32, ONE},
    /* the index is data: only the table's place can be checked */
    [VIR_lookup_u8] = {U8, ONE},
    [VIR_lookup_s8] = {S8, ONE},
    [VIR_lookup_f32] = {F32, ONE},
};

/* Ranges of integer constants where they are narrower than int32. */
typedef struct {
  int64_t min, max;
} ConstRange;
static const ConstRange const_range[VIR_OP_COUNT] = {
    [VIR_load_q_blocks] = {0, INT32_MAX / 64},
    [VIR_store_pixels] = {2, 4},
    [VIR_splat_q] = {-128, 255},
    [VIR_dynamic_scale] = {0, 255},
    [VIR_dynamic_zero] = {0, 255},
    [VIR_splat_p] = {INT16_MIN, INT16_MAX},
    [VIR_shr_s32] = {0, 31},
    [VIR_int_shr] = {0, 31},
    [VIR_dot_s8_lane] = {0, 3},
    [VIR_mla_lo_lane] = {0, 7},
    [VIR_mla_hi_lane] = {0, 7},
};

/* A variable, parameter or local array, and whether it can be named now. */
typedef struct Name {
  const void *what;
  bool in_scope;
  struct Name *enclosing; /* what came into scope before it */
} Name;

/* An index variable in scope and the values that it may have. */
typedef struct {
  const VirVar *var;
  int64_t low, high;
  bool empty; /* of a loop that never runs */
} Range;

typedef struct {
  Arena *arena;
  const VirModule *m;
  const VirFunc *f;
  StrMap *names;
  Name *newest;
  Range ranges[64];
  int n_ranges, depth; /* depth: open loops and scopes */
  bool dead;           /* within a loop that never runs */
  const char *fault;
} Check;

static bool fault(Check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fault(Check *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *what = arena_vprintf(c->arena, fmt, ap);
  va_end(ap);
  c->fault = arena_printf(c->arena, "%s: %s", c->f->name, what);
  return false;
}

static bool enter(Check *c, const char *name, const void *what) {
  const Name *other = strmap_get(c->names, name);
  if (other && other->in_scope) return fault(c, "%s is declared twice", name);
  Name *n = ARENA_NEW(c->arena, Name);
  *n = (Name){what, true, c->newest};
  strmap_put(c->names, name, n);
  c->newest = n;
  return true;
}

static bool visible(const Check *c, const char *name, const void *what) {
  const Name *n = strmap_get(c->names, name);
  return n && n->what == what && n->in_scope;
}

static void leave(Check *c, Name *outer, int n_ranges) {
  for (; c->newest != outer; c->newest = c->newest->enclosing) c->newest->in_scope = false;
  c->n_ranges = n_ranges;
}

static const Range *range_of(const Check *c, const VirVar *var) {
  for (int i = c->n_ranges; i-- > 0;)
    if (c->ranges[i].var == var) return &c->ranges[i];
  return NULL;
}

static bool add_range(Check *c, Range r) {
  if (c->n_ranges == (int)(sizeof c->ranges / sizeof *c->ranges)) return fault(c, "too many index variables");
  c->ranges[c->n_ranges++] = r;
  return enter(c, r.var->name, r.var);
}

/* `extent` elements from the address must lie within its base, whatever the loop variables are; 0: not
 * known. */
static bool check_addr(Check *c, const char *who, const VirAddr *a, int64_t extent, bool write) {
  const VirBase *b = a->base;
  if (!b) return fault(c, "%s: an address without a base", who);
  if (b->data ? strmap_get(c->m->globals, b->name) != b : !visible(c, b->name, b))
    return fault(c, "%s: %s is not in scope", who, b->name);
  if (write && !b->writable) return fault(c, "%s writes to %s, which is read-only", who, b->name);
  int64_t low = a->offset, high = a->offset;
  if (a->n_terms < 0 || a->n_terms > VIR_MAX_TERMS) return fault(c, "%s: bad number of terms", who);
  for (int i = 0; i < a->n_terms; i++) {
    int64_t coef = a->term[i].coef;
    const Range *r = range_of(c, a->term[i].var);
    if (!r) return fault(c, "%s: %s is no variable of an open loop", who, a->term[i].var->name);
    if (coef < -INT32_MAX || coef > INT32_MAX) return fault(c, "%s: %s is indexed too widely", who, b->name);
    if (r->empty) continue;
    int64_t at_low = coef * r->low, at_high = coef * r->high;
    if (at_low < -INT32_MAX || at_low > INT32_MAX || at_high < -INT32_MAX || at_high > INT32_MAX)
      return fault(c, "%s: an index of %s leaves int", who, b->name);
    low += coef > 0 ? at_low : at_high;
    high += coef > 0 ? at_high : at_low;
  }
  if (c->dead) return true;
  if (low < 0 || high > INT32_MAX || (b->count && high + extent > b->count))
    return fault(c, "%s: elements %lld..%lld of %s, which has %lld", who, (long long)low,
                 (long long)(high + extent - 1), b->name, (long long)b->count);
  return true;
}

static bool elem_fits(MemElem e, const VirBase *b) {
  switch (e) {
  case NO_MEMORY:
    return false;
  case BYTES:
    return !b->elem16 && (b->elem == DT_U8 || b->elem == DT_S8);
  case U8:
    return !b->elem16 && b->elem == DT_U8;
  case S8:
    return !b->elem16 && b->elem == DT_S8;
  case S16:
    return b->elem16;
  case S32:
    return !b->elem16 && b->elem == DT_S32;
  case F32:
    return !b->elem16 && b->elem == DT_F32;
  case F16:
    return !b->elem16 && b->elem == DT_F16;
  }
  return false;
}

/* The number of elements that the operation touches; 0 after a fault. */
static int64_t extent_of(Check *c, const VirStmt *s) {
  int lanes = c->m->lanes;
  MemExtent extent = access_of[s->op].extent;
  if (extent == PART || extent == PART_Q) {
    int64_t n = s->args[s->n_args - 1].n, max = extent == PART ? lanes : 4 * lanes;
    if (n >= 1 && n <= max) return n;
    fault(c, "v_%s: a part of %lld of %lld", vir_op_info[s->op].name, (long long)n, (long long)max);
    return 0;
  }
  if (extent == APART) {
    int64_t apart = s->args[s->n_args - 1].n;
    if (apart >= 1) return (lanes - 1) * apart + 1;
    fault(c, "v_%s: elements %lld apart", vir_op_info[s->op].name, (long long)apart);
    return 0;
  }
  if (extent == PIECES4 || extent == PIECES2) {
    int64_t apart = s->args[s->n_args - 1].n, pieces = extent == PIECES4 ? 4 : 2, each = 4 * lanes / pieces;
    if (apart >= each) return (pieces - 1) * apart + each;
    fault(c, "v_%s: pieces of %lld elements %lld apart", vir_op_info[s->op].name, (long long)each,
          (long long)apart);
    return 0;
  }
  if (extent == PIXELS) return lanes * s->args[2].n;
  if (extent == BLOCKS) return (lanes / 4 - 1) * s->args[1].n + 16;
  const int whole[] = {
      [ONE] = 1, [LANES] = lanes, [LANES2] = 2 * lanes, [LANES4] = 4 * lanes, [TWO] = 2, [FOUR] = 4};
  return whole[extent];
}

int vir_pieces(VirOp op) {
  MemExtent extent = access_of[op].extent;
  return extent == PIECES4 ? 4 : extent == PIECES2 ? 2 : 1;
}

int64_t vir_extent(const VirModule *m, const VirStmt *s) {
  enum { TABLE = 256 };
  Check c = {.m = m};
  bool table = s->op == VIR_lookup_u8 || s->op == VIR_lookup_s8 || s->op == VIR_lookup_f32;
  return table ? TABLE : extent_of(&c, s);
}

static bool check_arg(Check *c, const VirStmt *s, int i, char kind) {
  const char *op = vir_op_info[s->op].name;
  const VirArg *arg = &s->args[i];
  bool memory = kind == 'r' || kind == 'w';
  if (memory ? arg->kind != 'r' && arg->kind != 'w' : arg->kind != kind)
    return fault(c, "v_%s: argument %d is of kind %c where %c belongs", op, i + 1, arg->kind, kind);
  if (memory) {
    const MemAccess *access = &access_of[s->op];
    if (access->elem == NO_MEMORY) return fault(c, "v_%s: the verifier does not know what it touches", op);
    int64_t extent = extent_of(c, s);
    if (!extent) return false;
    if (arg->addr.base && !elem_fits(access->elem, arg->addr.base))
      return fault(c, "v_%s: %s has elements of another type", op, arg->addr.base->name);
    return check_addr(c, arena_printf(c->arena, "v_%s", op), &arg->addr, extent, kind == 'w');
  }
  if (kind == 'n') {
    ConstRange r = const_range[s->op];
    if (!r.min && !r.max) r = (ConstRange){INT32_MIN, INT32_MAX};
    if (arg->n < r.min || arg->n > r.max)
      return fault(c, "v_%s: the constant %lld is out of range", op, (long long)arg->n);
    return true;
  }
  if (kind == 'm') {
    if (isnan(arg->m) && s->op != VIR_float_const && s->op != VIR_splat_f32)
      return fault(c, "v_%s: a constant that is not a number", op);
    return true;
  }
  if (!arg->var || (char)arg->var->type != kind || !visible(c, arg->var->name, arg->var))
    return fault(c, "v_%s: %s is not in scope", op, arg->var ? arg->var->name : "a missing variable");
  return true;
}

static bool check_op(Check *c, const VirStmt *s) {
  if (s->op < 0 || s->op >= VIR_OP_COUNT) return fault(c, "an unknown operation");
  const VirOpInfo *info = &vir_op_info[s->op];
  if (!c->m->used[s->op]) return fault(c, "v_%s is not marked as used", info->name);
  if (s->n_args != (int)strlen(info->signature))
    return fault(c, "v_%s: %d arguments where %d belong", info->name, s->n_args,
                 (int)strlen(info->signature));
  for (int i = 0; i < s->n_args; i++)
    if (!check_arg(c, s, i, info->signature[i])) return false;
  if (info->result == VIR_VOID)
    return !s->dst || fault(c, "v_%s has no result to put into %s", info->name, s->dst->name);
  if (!s->dst) return fault(c, "v_%s: its result is lost", info->name);
  if (s->dst->type != info->result)
    return fault(c, "v_%s: its result does not fit %s", info->name, s->dst->name);
  if (s->declares) return enter(c, s->dst->name, s->dst);
  if (!visible(c, s->dst->name, s->dst)) return fault(c, "%s is set where it is not in scope", s->dst->name);
  return s->dst->reassigned || fault(c, "%s is set, but not marked so", s->dst->name);
}

/* What is passed as indices: the constant's elements, or indices again. */
static bool indices_fit(const VirBase *param, const VirBase *given) {
  if (!given->data) return given->indices && given->most <= param->most;
  const int32_t *v = given->data;
  for (int64_t i = 0; i < given->count; i++)
    if (v[i] < 0 || v[i] > param->most) return false;
  return true;
}

static bool check_call(Check *c, const VirStmt *s) {
  const VirFunc *callee = s->callee;
  const VirFunc *f = c->m->funcs;
  while (f && f != callee && f != c->f) f = f->next;
  if (!callee || f != callee || callee == c->f) return fault(c, "calls a function that is not above it");
  if (s->n_args != callee->n_params)
    return fault(c, "%s: %d arguments where %d belong", callee->name, s->n_args, callee->n_params);
  for (int i = 0; i < s->n_args; i++) {
    const VirBase *p = callee->params[i], *b = s->call_args[i].base;
    if (b && (b->elem != p->elem || b->elem16 != p->elem16))
      return fault(c, "%s: %s has other elements than its parameter %s", callee->name, b->name, p->name);
    if (!check_addr(c, callee->name, &s->call_args[i], p->count, p->writable)) return false;
    if (p->indices && !indices_fit(p, b))
      return fault(c, "%s: the indices of %s are too large", callee->name, p->name);
  }
  return true;
}

static bool check_extern(Check *c, const VirStmt *s) {
  for (int i = 0; i < s->n_args; i++) {
    const VirArg *arg = &s->extern_args[i];
    bool memory = arg->kind == 'r' || arg->kind == 'w';
    if (memory && !check_addr(c, s->external->name, &arg->addr, s->extern_counts[i], arg->kind == 'w'))
      return false;
    if (!memory && (!s->c_types[i] || (arg->kind != 'n' && arg->kind != 'm')))
      return fault(c, "%s: argument %d is no number", s->external->name, i + 1);
  }
  return true;
}

static bool check_body(Check *c, const VirStmt *s);

/* The values of a loop's variable. */
static bool loop_range(Check *c, const VirStmt *s, Range *r) {
  *r = (Range){s->var, s->begin, s->end, false};
  if (s->begin_var) {
    const Range *begin = range_of(c, s->begin_var), *end = s->end_var ? range_of(c, s->end_var) : NULL;
    if (!begin || !end) return fault(c, "the loop over %s has bounds that are not in scope", s->var->name);
    r->low = begin->low;
    r->high = end->high;
  } else if (s->begin > s->end) {
    return fault(c, "the loop over %s has bad bounds", s->var->name);
  }
  if (r->low < 0 || s->step < 1 || r->high > INT32_MAX - s->step)
    return fault(c, "the loop over %s has bad bounds", s->var->name);
  r->empty = r->low >= r->high;
  r->high -= 1;
  if (!s->begin_var && !r->empty) r->high = r->low + (r->high - r->low) / s->step * s->step;
  return true;
}

static bool check_loop(Check *c, const VirStmt *s) {
  Range range;
  if (!loop_range(c, s, &range)) return false;
  if (s->var->type != VIR_INDEX) return fault(c, "the loop over %s has no index", s->var->name);
  if (c->depth == 32) return fault(c, "loops are nested too deep");
  if (!s->body_tail) return fault(c, "the loop over %s is not closed", s->var->name);
  Name *outer = c->newest;
  int n_ranges = c->n_ranges;
  bool dead = c->dead;
  if (!add_range(c, range)) return false;
  c->depth++;
  c->dead |= range.empty;
  if (!check_body(c, s->body)) return false;
  c->dead = dead;
  c->depth--;
  leave(c, outer, n_ranges);
  return true;
}

static bool check_index(Check *c, const VirStmt *s) {
  const VirBase *table = s->args[0].addr.base;
  if (!table || (!table->data && !table->indices) || table->elem != DT_S32 || table->elem16)
    return fault(c, "the index %s is no element of a constant of s32", s->var->name);
  if (!check_addr(c, s->var->name, &s->args[0].addr, 1, false)) return false;
  if (table->indices) return add_range(c, (Range){s->var, 0, table->most, false});
  const int32_t *v = table->data;
  Range r = {s->var, v[0], v[0], false};
  for (int64_t i = 1; i < table->count; i++) {
    if (v[i] < r.low) r.low = v[i];
    if (v[i] > r.high) r.high = v[i];
  }
  return add_range(c, r);
}

static bool check_scope(Check *c, const VirStmt *s) {
  if (!s->body_tail) return fault(c, "a scope is not closed");
  Name *outer = c->newest;
  int n_ranges = c->n_ranges;
  bool ok = check_body(c, s->body);
  leave(c, outer, n_ranges);
  return ok;
}

static bool is_read_param(const VirFunc *f, const VirBase *base) {
  for (int i = 0; i < f->n_params; i++)
    if (f->params[i] == base) return !base->writable;
  return false;
}

static bool check_body(Check *c, const VirStmt *s) {
  for (; s; s = s->next) {
    bool ok = true;
    switch (s->kind) {
    case VIR_STMT_OP:
      ok = check_op(c, s);
      break;
    case VIR_STMT_LOOP:
      ok = check_loop(c, s);
      break;
    case VIR_STMT_INDEX:
      ok = check_index(c, s);
      break;
    case VIR_STMT_CALL:
      ok = check_call(c, s);
      break;
    case VIR_STMT_EXTERN:
      ok = check_extern(c, s);
      break;
    case VIR_STMT_LOCAL:
      ok = s->local->count > 0 ? enter(c, s->local->name, s->local) : fault(c, "%s is empty", s->local->name);
      break;
    case VIR_STMT_SCOPE:
      ok = check_scope(c, s);
      break;
    case VIR_STMT_OPAQUE:
      ok = is_read_param(c->f, s->args[0].addr.base) ||
           fault(c, "what is opaque is no parameter that is read");
      break;
    case VIR_STMT_COMMENT:
    case VIR_STMT_FENCE:
      break;
    }
    if (!ok) return false;
  }
  return true;
}

const char *vir_check(Arena *a, const VirModule *m) {
  for (const VirFunc *f = m->funcs; f; f = f->next) {
    Check c = {.arena = a, .m = m, .f = f, .names = strmap_new(a)};
    for (int i = 0; i < f->n_params; i++)
      if (!enter(&c, f->params[i]->name, f->params[i])) return c.fault;
    if (!check_body(&c, f->body)) return c.fault;
  }
  return NULL;
}

void vir_verify(const VirModule *m) {
  Arena *a = arena_new();
  const char *fault_text = vir_check(a, m);
  if (fault_text) BUG("VIR of %s", fault_text);
  arena_free(a);
}

/* The verifier. What it finds after a pass is a fault of ours, but it may also be a hostile file's: either
 * way it reports and does not stop the program. */
#include "ir/quant.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_RESULTS = 16 };

typedef struct {
  Diag *diag;
  Graph *graph;
  Arena *scratch;
  StrMap *seen; /* tensors that are defined so far: name -> Tensor */
  StrMap *refs; /* how often each tensor is an operand: name -> int */
  bool ok;
} Verifier;

static void fail(Verifier *v, SrcLoc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fail(Verifier *v, SrcLoc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  v->ok = diag_error(v->diag, loc, "%s", arena_vprintf(v->scratch, fmt, ap));
  va_end(ap);
}

static void check_quant(Verifier *v, const Tensor *t) {
  const Quant *q = t->type.quant;
  DType dtype = t->type.dtype;
  int64_t count = 1;
  if (dtype != DT_U8 && dtype != DT_S8 && dtype != DT_S32) {
    fail(v, t->loc, "'%s': %s cannot be quantized", t->name, dtype_info[dtype].name);
    return;
  }
  if (q->axis >= 0) count = q->axis < t->type.shape.rank ? t->type.shape.dim[q->axis] : -1;
  if (q->axis < -1 || q->count != count || count < 1) {
    fail(v, t->loc, "'%s': %lld scales along axis %d do not fit the shape %s", t->name, (long long)q->count,
         q->axis, shape_text(v->scratch, &t->type.shape));
    return;
  }
  for (int64_t i = 0; i < q->count; i++) {
    if (!scale_is_valid(q->scale[i])) {
      char text[32];
      float_text(text, q->scale[i]);
      fail(v, t->loc, "'%s': scale %s of channel %lld is not positive, finite and normal", t->name, text,
           (long long)i);
      return;
    }
    if (q->zero[i] < dtype_info[dtype].min || q->zero[i] > dtype_info[dtype].max) {
      fail(v, t->loc, "'%s': zero point %d of channel %lld is out of range for %s", t->name, q->zero[i],
           (long long)i, dtype_info[dtype].name);
      return;
    }
  }
}

static void check_type(Verifier *v, const Tensor *t) {
  if (t->type.dtype <= DT_NONE || t->type.dtype >= DT_COUNT) {
    fail(v, t->loc, "'%s' has no element type", t->name);
  } else if (t->type.shape.rank < 0 || t->type.shape.rank > MAX_RANK || !shape_check(&t->type.shape)) {
    fail(v, t->loc, "'%s' has a shape beyond the limits", t->name);
  } else if (t->type.dtype == DT_F16 && !tensor_is_const(t)) {
    fail(v, t->loc, "'%s' is f16, but no constant", t->name);
  } else if (t->type.quant) {
    check_quant(v, t);
  }
}

/* A tensor that has just been met where it is defined. */
static void define(Verifier *v, Tensor *t) {
  if (!*t->name) fail(v, t->loc, "a tensor has no name");
  if (strmap_get(v->seen, t->name)) fail(v, t->loc, "the name '%s' stands for two tensors", t->name);
  if (graph_find(v->graph, t->name) != t)
    fail(v, t->loc, "the graph does not find '%s' by its name", t->name);
  strmap_put(v->seen, t->name, t);
  check_type(v, t);
}

/* Inputs and results must be defined before; constants are, at their first use. */
static bool is_defined(Verifier *v, Tensor *t) {
  if (strmap_get(v->seen, t->name) == t) return true;
  if (!tensor_is_const(t) || t->producer || t->is_input) return false;
  define(v, t);
  return true;
}

static int compare_uses(const void *a, const void *b) {
  const Use *x = a, *y = b;
  if (x->node != y->node) return (uintptr_t)x->node < (uintptr_t)y->node ? -1 : 1;
  return (x->operand > y->operand) - (x->operand < y->operand);
}

/* The use list holds each of the `refs` uses once, and nothing else. */
static void check_uses(Verifier *v, const Tensor *t) {
  const int *refs = strmap_get(v->refs, t->name);
  bool ok = t->n_uses == (refs ? *refs : 0);
  Use *uses = arena_memdup(v->scratch, t->uses, sizeof *uses * (size_t)t->n_uses);
  if (t->n_uses) qsort(uses, (size_t)t->n_uses, sizeof *uses, compare_uses);
  for (int i = 0; i < t->n_uses && ok; i++) {
    const Use *u = &uses[i];
    ok = u->operand < u->node->n_operands && u->node->operands[u->operand] == t &&
         (!i || compare_uses(u - 1, u));
  }
  if (!ok) fail(v, t->loc, "the list of uses of '%s' does not match the operands", t->name);
}

static void check_operands(Verifier *v, const Node *n) {
  const OpInfo *info = op_info[n->op];
  if (n->n_operands < info->min_operands || (info->max_operands >= 0 && n->n_operands > info->max_operands))
    fail(v, node_loc(n), "%s has %d operands", info->name, n->n_operands);
  for (int i = 0; i < n->n_operands; i++) {
    Tensor *t = n->operands[i];
    if (!t) {
      if (i < info->min_operands && !(info->optional >> i & 1))
        fail(v, node_loc(n), "operand %d of %s is missing", i + 1, info->name);
    } else if (!is_defined(v, t)) {
      fail(v, node_loc(n), "operand '%s' of %s is not defined before it", t->name, info->name);
    } else {
      int *refs = strmap_get(v->refs, t->name);
      if (!refs) strmap_put(v->refs, t->name, refs = ARENA_NEW(v->scratch, int));
      ++*refs;
    }
  }
}

static void check_results(Verifier *v, const Node *n) {
  const OpInfo *info = op_info[n->op];
  if (n->n_results != info->n_results) fail(v, node_loc(n), "%s has %d results", info->name, n->n_results);
  for (int i = 0; i < n->n_results; i++) {
    Tensor *r = n->results[i];
    if (r->producer != n) fail(v, node_loc(n), "result '%s' does not name its producer", r->name);
    if (r->data || r->is_input) fail(v, node_loc(n), "result '%s' is also a constant or an input", r->name);
    define(v, r);
  }
}

/* The types that inference gives again. Only called where the operands are sound. */
static void check_inferred(Verifier *v, Node *n) {
  Type types[MAX_RESULTS] = {{0}};
  if (!op_info[n->op]->infer(v->diag, n, types)) {
    v->ok = false;
    return;
  }
  for (int i = 0; i < n->n_results; i++) {
    const Tensor *r = n->results[i];
    if (types[i].dtype == DT_NONE) {
      types[i].dtype = r->type.dtype;
      types[i].quant = r->type.quant;
    }
    if (!type_equal(&types[i], &r->type))
      fail(v, node_loc(n), "'%s' has the type %s, but %s gives %s", r->name, type_text(v->scratch, &r->type),
           op_info[n->op]->name, type_text(v->scratch, &types[i]));
  }
}

static void check_nodes(Verifier *v) {
  int count = 0;
  const Node *prev = NULL;
  for (Node *n = v->graph->first; n; prev = n, n = n->next) {
    if (n->prev != prev || n->graph != v->graph || n->op >= OP_COUNT || ++count > v->graph->n_nodes) {
      fail(v, (SrcLoc){0}, "the list of nodes is broken");
      return;
    }
    check_operands(v, n);
    if (v->ok) check_results(v, n);
    if (v->ok) check_inferred(v, n);
  }
  if (count != v->graph->n_nodes || v->graph->last != prev)
    fail(v, (SrcLoc){0}, "the list of nodes is broken");
}

static void check_outputs(Verifier *v) {
  if (!v->graph->n_outputs) fail(v, (SrcLoc){0}, "the graph has no output");
  for (int i = 0; i < v->graph->n_outputs; i++) {
    Tensor *t = v->graph->outputs[i];
    if (!is_defined(v, t)) {
      fail(v, t->loc, "output '%s' is not in the graph", t->name);
    } else if (!t->is_output) {
      fail(v, t->loc, "output '%s' is not marked as one", t->name);
    }
  }
}

/* Uses can be counted only when all nodes have been seen. */
static void check_all_uses(Verifier *v) {
  StrMap *checked = strmap_new(v->scratch);
  for (int i = 0; i < v->graph->n_inputs; i++) check_uses(v, v->graph->inputs[i]);
  for (const Node *n = v->graph->first; n; n = n->next) {
    for (int i = 0; i < n->n_operands; i++) {
      Tensor *t = n->operands[i];
      if (!t || !tensor_is_const(t) || strmap_get(checked, t->name)) continue;
      strmap_put(checked, t->name, t);
      check_uses(v, t);
    }
    for (int i = 0; i < n->n_results; i++) check_uses(v, n->results[i]);
  }
}

bool graph_verify(Diag *d, Graph *g) {
  Arena *scratch = arena_new();
  Verifier v = {.diag = d, .graph = g, .scratch = scratch, .ok = true};
  v.seen = strmap_new(scratch);
  v.refs = strmap_new(scratch);
  for (int i = 0; i < g->n_inputs; i++) {
    Tensor *t = g->inputs[i];
    if (!t->is_input || t->producer || t->data)
      fail(&v, t->loc, "input '%s' is also something else", t->name);
    define(&v, t);
  }
  check_nodes(&v);
  if (v.ok) check_all_uses(&v);
  check_outputs(&v);
  arena_free(scratch);
  return v.ok;
}

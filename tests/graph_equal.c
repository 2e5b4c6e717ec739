#include "tests/graph_equal.h"

#include <math.h>
#include <string.h>

static bool same_float(float a, float b) { return !memcmp(&a, &b, sizeof a) || (isnan(a) && isnan(b)); }

static bool same_data(const Tensor *x, const Tensor *y) {
  if (x->type.dtype != DT_F32) return !memcmp(x->data, y->data, (size_t)type_bytes(&x->type));
  const float *a = x->data, *b = y->data;
  for (int64_t i = 0; i < shape_count(&x->type.shape); i++)
    if (!same_float(a[i], b[i])) return false;
  return true;
}

static const char *differ(Arena *a, const Tensor *x, const Tensor *y) {
  if (!x || !y) return x == y ? NULL : "an absent operand";
  if (strcmp(x->name, y->name)) return arena_printf(a, "the names '%s' and '%s'", x->name, y->name);
  if (!type_equal(&x->type, &y->type))
    return arena_printf(a, "the types of '%s': %s and %s", x->name, type_text(a, &x->type),
                        type_text(a, &y->type));
  if (!x->data != !y->data || (x->data && !same_data(x, y)))
    return arena_printf(a, "the data of '%s'", x->name);
  return NULL;
}

static const char *tensors_differ(Arena *a, Tensor *const *x, int nx, Tensor *const *y, int ny) {
  if (nx != ny) return "a number of tensors";
  for (int i = 0; i < nx; i++) {
    const char *why = differ(a, x[i], y[i]);
    if (why) return why;
  }
  return NULL;
}

static bool same_attr(const AttrDesc *d, const void *x, const void *y) {
  const IntList *a = x, *b = y;
  const RealList *r = x, *s = y;
  switch (d->kind) {
  case ATTR_INT:
    return *(const int64_t *)x == *(const int64_t *)y;
  case ATTR_INTS:
    return a->n == b->n && !memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n);
  case ATTR_FLOAT:
    return same_float(*(const float *)x, *(const float *)y);
  case ATTR_REALS:
    return r->n == s->n && !memcmp(r->v, s->v, sizeof *r->v * (size_t)r->n);
  case ATTR_BOOL:
    return *(const bool *)x == *(const bool *)y;
  case ATTR_ENUM:
    return *(const int *)x == *(const int *)y;
  }
  return false;
}

/* A node without a name of its own goes by its result's. */
static const char *node_name(const Node *n) { return *n->name ? n->name : n->results[0]->name; }

static const char *nodes_differ(Arena *a, const Node *x, const Node *y) {
  if (x->op != y->op) return arena_printf(a, "the op of '%s'", x->results[0]->name);
  if (x->in_float != y->in_float) return arena_printf(a, "in_float of '%s'", x->results[0]->name);
  if (strcmp(node_name(x), node_name(y)))
    return arena_printf(a, "the node name of '%s'", x->results[0]->name);
  for (const AttrDesc *d = op_info[x->op]->attrs; d && d->name; d++)
    if (!same_attr(d, (const char *)x->attrs + d->offset, (const char *)y->attrs + d->offset))
      return arena_printf(a, "attribute %s of '%s'", d->name, x->results[0]->name);
  const char *why = tensors_differ(a, x->operands, x->n_operands, y->operands, y->n_operands);
  return why ? why : tensors_differ(a, x->results, x->n_results, y->results, y->n_results);
}

bool graph_equal(Arena *a, const Graph *x, const Graph *y, const char **why) {
  const char *unused;
  if (!why) why = &unused;
  *why = tensors_differ(a, x->inputs, x->n_inputs, y->inputs, y->n_inputs);
  const Node *m = x->first, *n = y->first;
  for (; m && n && !*why; m = m->next, n = n->next) *why = nodes_differ(a, m, n);
  if (!*why && (m || n)) *why = "the number of nodes";
  if (!*why) *why = tensors_differ(a, x->outputs, x->n_outputs, y->outputs, y->n_outputs);
  if (!*why && strcmp(x->name, y->name)) *why = "the models' names";
  if (!*why && !x->calibrate_path != !y->calibrate_path) *why = "the calibration file";
  if (!*why && x->calibrate_path && strcmp(x->calibrate_path, y->calibrate_path))
    *why = "the calibration file";
  return !*why;
}

#include "codegen/residual.h"

#include <string.h>

#include "codegen/alias.h"
#include "codegen/dense.h"
#include "codegen/depthwise.h"
#include "codegen/fixed_sum.h"
#include "codegen/winograd.h"

/* ---- what belongs together ---- */

/* Layers whose kernels end in codegen/requant.h and write each result in one place. */
static bool is_layer(const Node *n) {
  if (!n || !tensor_is_quantized(n->results[0]) || !tensor_is_quantized(n->operands[0])) return false;
  if (n->op != OP_linear && (n->op != OP_conv2d || is_depthwise(n))) return false;
  return !linear_is_wide(n);
}

static bool is_sum(const Node *n) {
  const Tensor *y = n->results[0], *a = n->operands[0], *b = n->operands[1];
  return tensor_is_quantized(y) && !y->is_output && a != b && shape_equal(&a->type.shape, &y->type.shape) &&
         shape_equal(&b->type.shape, &y->type.shape) && a->type.dtype == y->type.dtype &&
         b->type.dtype == y->type.dtype && shape_count(&y->type.shape);
}

static bool is_addend(const Tensor *t) { return t->n_uses == 1 && !t->is_output && is_layer(t->producer); }

/* The operand that is made last, if it is a layer's result: then the other one is there. -1. */
static int last_operand(const Graph *g, const Node *add) {
  const Tensor *a = add->operands[0], *b = add->operands[1];
  int last = -1;
  for (const Node *n = g->first; n != add; n = n->next) {
    if (n == a->producer) last = 0;
    if (n == b->producer) last = 1;
  }
  const Tensor *other = last < 0 ? NULL : add->operands[1 - last];
  return other && is_addend(add->operands[last]) && !tensor_is_const(other) ? last : -1;
}

void residual_find(Cg *cg) {
  cg->residuals = ARENA_NEW_ARRAY(cg->arena, Residual, (size_t)cg->graph->n_nodes + 1);
  cg->n_residuals = 0;
  GRAPH_FOREACH_NODE(cg->graph, n) {
    int operand = (n->op == OP_add || n->op == OP_sub) && is_sum(n) ? last_operand(cg->graph, n) : -1;
    if (operand < 0) continue;
    Node *layer = n->operands[operand]->producer;
    if (layer->next != n) node_move_before(n, layer->next);
    cg->residuals[cg->n_residuals++] = (Residual){.layer = layer, .add = n, .operand = operand};
  }
}

/* ---- what is asked for ---- */

const Residual *residual_of_sum(const Cg *cg, const Node *add) {
  for (int i = 0; i < cg->n_residuals; i++)
    if (cg->residuals[i].wanted && cg->residuals[i].add == add) return &cg->residuals[i];
  return NULL;
}

const Residual *residual_of_layer(const Cg *cg, const Node *layer) {
  for (int i = 0; i < cg->n_residuals; i++)
    if (cg->residuals[i].wanted && cg->residuals[i].layer == layer) return &cg->residuals[i];
  return NULL;
}

const Tensor *residual_other(const Residual *r) { return r->add->operands[1 - r->operand]; }

/* Winograd's last tiles write over what those before have written, where rows or columns are no multiple of
 * its results. */
static bool may_write_twice(const Cg *cg, const Node *layer) {
  const Shape *y = &layer->results[0]->type.shape;
  return winograd_has_shape(cg->target, layer) &&
         (y->dim[2] % WINOGRAD_RESULTS || y->dim[3] % WINOGRAD_RESULTS);
}

bool residual_may_overwrite(const Cg *cg, const Residual *r) {
  const Tensor *other = residual_other(r);
  if (may_write_twice(cg, r->layer)) return false;
  for (int u = 0; u < other->n_uses; u++) {
    const Node *user = other->uses[u].node;
    if (user != r->add && cg_position(cg, user) >= cg_position(cg, r->layer)) return false;
  }
  return cg_last_use(cg, other) == cg_position(cg, r->add);
}

/* One address, but for the base, is enough for both. */
static bool lie_alike(const Storage *a, const Storage *b) {
  return a->elem == b->elem && a->bias == b->bias && a->offset == b->offset &&
         !memcmp(a->stride, b->stride, sizeof a->stride);
}

const Node *residual_of(const Cg *cg, const Node *layer) {
  const Residual *r = residual_of_layer(cg, layer);
  const Alias *place = r ? alias_of(cg, layer->results[0]) : NULL;
  if (!place || place->node != r->add) return NULL;
  const Storage *other = cg_storage(cg, residual_other(r));
  return other->buffer && lie_alike(other, cg_storage(cg, r->add->results[0])) ? r->add : NULL;
}

ResidualBases residual_bases(Cg *cg, VirBuilder *b, const Node *add) {
  if (!add) return (ResidualBases){NULL, NULL};
  FixedSum sum = fixed_sum(cg, add);
  return (ResidualBases){cg_read(cg, b, residual_other(residual_of_sum(cg, add)), "r"),
                         fixed_sum_terms(cg, add, &sum)};
}

ResidualBases residual_params(const Cg *cg, VirBuilder *b, const Node *add, int64_t results) {
  if (!add) return (ResidualBases){NULL, NULL};
  DType elem = cg_storage(cg, add->results[0])->elem;
  return (ResidualBases){vir_param(b, "r", elem, false, results),
                         vir_param(b, "sum", DT_S32, false, FIXED_SUM_TERMS)};
}

int residual_args(const ResidualBases *r, VirAddr y, VirAddr *args) {
  if (!r->other) return 0;
  args[0] = y;
  args[0].base = r->other;
  args[1] = vir_addr(r->terms, 0);
  return 2;
}

const char *residual_text(const Cg *cg, const Node *add) {
  return add ? arena_printf(cg->arena, ", then %s '%s'", op_info[add->op]->name, cg_title(cg, add)) : "";
}

bool residual_is_done(const Cg *cg, const Node *add) {
  const Residual *r = residual_of_sum(cg, add);
  return r && residual_of(cg, r->layer) == add;
}

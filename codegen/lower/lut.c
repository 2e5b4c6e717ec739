/* lut: a 256-entry table over the stored byte (rule 10). */
#include "codegen/elementwise.h"

typedef struct {
  const VirBase *table;
  int32_t first; /* the stored value that entry 0 belongs to */
} Lut;

static void lut_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Lut *k = e->user;
  const ActOps *in = act_ops(cg_storage(e->cg, e->operands[0])->elem),
               *out = act_ops(cg_storage(e->cg, e->result)->elem);
  const VirVar *x = vir_let(b, "i", in->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *v = vir_let(b, "v", out->lookup, VIR_ARGS(vir_at(vir_addr(k->table, -k->first)), vir_v(x)));
  vir_do(b, out->put, VIR_ARGS(vir_at(at[0]), vir_v(v)));
}

static bool lut_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *table = n->operands[1], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  uint8_t stored[256];
  for (int i = 0; i < 256; i++) /* the table is in q's order, so is the stored value's */
    stored[i] = (uint8_t)(((const uint8_t *)table->data)[i] - sy->bias);
  Lut k = {.first = (int32_t)dtype_info[sx->elem].min};
  k.table =
      vir_constant(cg->module, cg_name(cg, n, "table"), sy->elem, 256, stored, "table over the stored byte");
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {x},
                   .result = y,
                   .what = "",
                   .element = lut_element,
                   .cg = cg,
                   .user = &k};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_lut = {.constants = 1, .in_place = true, .emit = lut_emit};

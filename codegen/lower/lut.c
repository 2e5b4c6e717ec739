/* lut: a 256-entry table over the stored byte (rule 10), of bytes or of float32. */
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

static void float_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Lut *k = e->user;
  const ActOps *in = act_ops(cg_storage(e->cg, e->operands[0])->elem);
  const VirVar *x = vir_let(b, "i", in->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *v = VIR_LET(b, "v", lookup_f32, vir_at(vir_addr(k->table, -k->first)), vir_v(x));
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(v));
}

/* The table as the result is stored: it is in q's order, so is the stored value's. */
static const VirBase *stored_table(Cg *cg, const Node *n) {
  const Tensor *table = n->operands[1];
  const Storage *y = cg_storage(cg, n->results[0]);
  const char *name = cg_name(cg, n, "table"), *comment = "table over the stored byte";
  if (table->type.dtype == DT_F32) return vir_constant(cg->module, name, DT_F32, 256, table->data, comment);
  uint8_t stored[256];
  for (int i = 0; i < 256; i++) stored[i] = (uint8_t)(((const uint8_t *)table->data)[i] - y->bias);
  return vir_constant(cg->module, name, y->elem, 256, stored, comment);
}

static bool lut_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *y = n->results[0];
  bool real = y->type.dtype == DT_F32;
  Lut k = {.table = stored_table(cg, n), .first = (int32_t)dtype_info[cg_storage(cg, x)->elem].min};
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {x},
                   .result = y,
                   .what = "",
                   .element = real ? float_element : lut_element,
                   .cg = cg,
                   .user = &k};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_lut = {
    .constants = 1, .in_place = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = lut_emit};

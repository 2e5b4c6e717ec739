/* max and min of two tensors with broadcasting; 8-bit ones share their parameters by now. */
#include "codegen/elementwise.h"

typedef struct {
  VirOp load, load_part, store, store_part, get, put, spread, vector, element;
} MinMax;

static MinMax operations(const Elementwise *e) {
  bool max = e->node->op == OP_max;
  if (!tensor_is_quantized(e->result))
    return (MinMax){VIR_load_f32,
                    VIR_load_f32_part,
                    VIR_store_f32,
                    VIR_store_f32_part,
                    VIR_get_f32,
                    VIR_put_f32,
                    VIR_bcast_f32,
                    max ? VIR_max_f32 : VIR_min_f32,
                    max ? VIR_float_max : VIR_float_min};
  const ActOps *ops = act_ops(cg_storage(e->cg, e->result)->elem);
  return (MinMax){ops->load,
                  ops->load_part,
                  ops->store,
                  ops->store_part,
                  ops->get,
                  ops->put,
                  VIR_bcast_s32,
                  max ? VIR_max_s32 : VIR_min_s32,
                  max ? VIR_int_max : VIR_int_min};
}

static void minmax_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                          int part) {
  MinMax o = operations(e);
  const VirVar *x[2];
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "b" : "a";
    if (constant[i]) {
      const VirVar *v = vir_let(b, "s", o.get, VIR_ARGS(vir_at(at[i + 1])));
      x[i] = vir_let(b, name, o.spread, VIR_ARGS(vir_v(v)));
    } else {
      x[i] = part ? vir_let(b, name, o.load_part, VIR_ARGS(vir_at(at[i + 1]), vir_n(part)))
                  : vir_let(b, name, o.load, VIR_ARGS(vir_at(at[i + 1])));
    }
  }
  const VirVar *v = vir_let(b, "v", o.vector, VIR_ARGS(vir_v(x[0]), vir_v(x[1])));
  if (part)
    vir_do(b, o.store_part, VIR_ARGS(vir_at(at[0]), vir_v(v), vir_n(part)));
  else
    vir_do(b, o.store, VIR_ARGS(vir_at(at[0]), vir_v(v)));
}

static void minmax_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  MinMax o = operations(e);
  const VirVar *x = vir_let(b, "a", o.get, VIR_ARGS(vir_at(at[1])));
  const VirVar *y = vir_let(b, "b", o.get, VIR_ARGS(vir_at(at[2])));
  const VirVar *v = vir_let(b, "v", o.element, VIR_ARGS(vir_v(x), vir_v(y)));
  vir_do(b, o.put, VIR_ARGS(vir_at(at[0]), vir_v(v)));
}

static bool minmax_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *y = n->results[0];
  for (int i = 0; i < 2; i++)
    if (n->operands[i]->type.dtype != y->type.dtype ||
        !quant_equal(n->operands[i]->type.quant, y->type.quant))
      return diag_error(cg->diag, node_loc(n),
                        "'%s': operand %d has other quantization parameters than the result", y->name, i + 1);
  Elementwise e = {.node = n,
                   .n_operands = 2,
                   .operands = {n->operands[0], n->operands[1]},
                   .result = y,
                   .what = "",
                   .vector = minmax_vector,
                   .element = minmax_element,
                   .cg = cg};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_minmax = {
    .in_place = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = minmax_emit};

#include "codegen/product.h"

#include "ir/ops/attrs.h"

#include <math.h>

/* Where each op has its operands; -1: it has none. */
typedef struct {
  int scale, x_zero, weight, weight_zero, bias;
} Places;
static const Places dynamic_places = {1, 2, 3, -1, 4}, integer_places = {-1, 2, 1, 3, -1};

static const Tensor *operand(const Node *n, int i) { return i < 0 ? NULL : node_operand(n, i); }

Product product_of(const Node *n) {
  bool dynamic = n->op == OP_dynamic_linear || n->op == OP_dynamic_conv2d;
  const Places *at = dynamic ? &dynamic_places : &integer_places;
  Product p = {.node = n,
               .x = n->operands[0],
               .x_zero = operand(n, at->x_zero),
               .weight = operand(n, at->weight),
               .weight_zero = operand(n, at->weight_zero),
               .y = n->results[0],
               .scale = operand(n, at->scale),
               .bias = operand(n, at->bias),
               .act_min = -INFINITY,
               .act_max = INFINITY};
  if (n->op == OP_dynamic_linear) {
    p.act_min = ATTRS(n, ActAttrs)->act_min;
    p.act_max = ATTRS(n, ActAttrs)->act_max;
  } else if (n->op == OP_dynamic_conv2d) {
    p.act_min = ATTRS(n, ConvAttrs)->act_min;
    p.act_max = ATTRS(n, ConvAttrs)->act_max;
  }
  return p;
}

static int32_t integer_at(const Tensor *t, int64_t i) {
  return t->type.dtype == DT_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

int32_t product_weight(const Product *p, int64_t i) { return integer_at(p->weight, i); }

int32_t product_weight_zero(const Product *p, int64_t c) {
  const Quant *q = p->weight->type.quant;
  if (q) return q->zero[q->count > 1 ? c : 0];
  if (!p->weight_zero) return 0;
  return integer_at(p->weight_zero, shape_count(&p->weight_zero->type.shape) > 1 ? c : 0);
}

const VirVar *product_zero(Cg *cg, VirBuilder *b, const Tensor *t, const Tensor *zero, const char *name) {
  const Storage *s = cg_storage(cg, t);
  if (!zero) return VIR_ONCE(b, name, int_const, vir_n(-s->bias));
  if (tensor_is_const(zero)) return VIR_ONCE(b, name, int_const, vir_n(integer_at(zero, 0) - s->bias));
  const Storage *sz = cg_storage(cg, zero);
  VirAddr at = vir_addr(cg_read(cg, b, zero, arena_printf(cg->arena, "%s_in", name)), sz->offset);
  const VirVar *v = vir_once(b, name, act_ops(sz->elem)->get, VIR_ARGS(vir_at(at)));
  if (sz->bias == s->bias) return v;
  const VirVar *shift = VIR_ONCE(b, "shift", int_const, vir_n(sz->bias - s->bias));
  return VIR_ONCE(b, arena_printf(cg->arena, "stored_%s", name), int_add, vir_v(v), vir_v(shift));
}

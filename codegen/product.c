#include "codegen/product.h"

#include "ir/ops/attrs.h"

#include <math.h>
#include <stdlib.h>

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

static bool is_matmul(const Product *p) { return p->node->op == OP_matmul_integer; }

int64_t product_channels(const Product *p) {
  const Shape *w = &p->weight->type.shape;
  return w->dim[is_matmul(p) ? w->rank - 1 : 0];
}

int64_t product_channel(const Product *p, int64_t i) {
  int64_t channels = product_channels(p);
  return is_matmul(p) ? i % channels : i / (shape_count(&p->weight->type.shape) / channels);
}

static int32_t weight_zero(const Product *p, int64_t c) {
  const Quant *q = p->weight->type.quant;
  if (q) return q->zero[q->count > 1 ? c : 0];
  if (!p->weight_zero) return 0;
  return integer_at(p->weight_zero, shape_count(&p->weight_zero->type.shape) > 1 ? c : 0);
}

int32_t product_weight(const Product *p, int64_t i) {
  return integer_at(p->weight, i) - weight_zero(p, product_channel(p, i));
}

void product_constants(Cg *cg, const Product *p, LinearConstants *out) {
  int64_t channels = product_channels(p), count = shape_count(&p->weight->type.shape);
  const Quant *q = p->weight->type.quant;
  *out = (LinearConstants){.channels = channels, .k = count / channels};
  out->weights = ARENA_NEW_ARRAY(cg->kernel_arena, int32_t, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) out->weights[i] = product_weight(p, i);
  if (!p->scale) return;
  out->multiplier = ARENA_NEW_ARRAY(cg->kernel_arena, float, (size_t)channels);
  for (int64_t c = 0; c < channels; c++) out->multiplier[c] = q->scale[q->count > 1 ? c : 0];
}

/* |x - zero| is at most 255. */
bool product_fits(const Product *p) {
  int64_t channels = product_channels(p), count = shape_count(&p->weight->type.shape);
  Arena *tmp = arena_new();
  int64_t *size = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)channels);
  bool fits = true;
  for (int64_t i = 0; i < count && fits; i++) {
    int64_t c = product_channel(p, i);
    size[c] += labs(product_weight(p, i));
    fits = size[c] <= INT32_MAX / 255;
  }
  arena_free(tmp);
  return fits;
}

int64_t product_scratch(const Product *p, int64_t padded) { return padded * (p->scale ? 8 : 4); }

ProductStart product_start(Cg *cg, VirBuilder *b, const Product *p, const RunTimeStart *start,
                           Buffer *scratch) {
  ProductStart at = {.start = vir_addr(cg_scratch(cg, b, scratch, "start", DT_S32), 0)};
  const VirVar *scale = NULL;
  if (p->scale) {
    at.factors = vir_addr(cg_scratch(cg, b, scratch, "factors", DT_F32), start->channels);
    VirAddr from = vir_addr(cg_read(cg, b, p->scale, "scale_in"), cg_storage(cg, p->scale)->offset);
    scale = VIR_ONCE(b, "scale", get_f32, vir_at(from));
  }
  run_time_start(cg, b, start, scale, product_zero(cg, b, p->x, p->x_zero, "zero"), at.start, at.factors);
  return at;
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

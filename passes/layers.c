#include "passes/layers.h"

#include "ir/quant.h"

bool layer_is_conv(const Node *n) {
  return n->op == OP_conv2d || n->op == OP_conv3d || n->op == OP_conv_transpose2d ||
         n->op == OP_conv_transpose3d;
}

Tensor *s8_weight(Graph *g, Tensor *w) {
  if (w->type.dtype == DT_S8) return w;
  int64_t n = shape_count(&w->type.shape), count = w->type.quant->count;
  const uint8_t *from = w->data;
  int8_t *to = arena_alloc(g->arena, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) to[i] = (int8_t)(from[i] - 128);
  int32_t *zero = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) zero[i] = w->type.quant->zero[i] - 128;
  Type t = {DT_S8, w->type.shape,
            quant_new(g->arena, w->type.quant->axis, count, w->type.quant->scale, zero)};
  return graph_constant(g, w->name, t, to, w->loc);
}

Type bias_type(Arena *a, float s_in, const Quant *w, int64_t channels) {
  Type t = {.dtype = DT_S32, .shape = shape_of(1, channels)};
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)channels);
  for (int64_t c = 0; c < channels; c++) {
    scale[c] = s_in * w->scale[w->axis < 0 ? 0 : c];
    if (!scale_is_valid(scale[c])) return t;
  }
  t.quant = quant_new(a, 0, channels, scale, zero);
  return t;
}

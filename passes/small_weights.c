#include "passes/small_weights.h"

#include <float.h>
#include <math.h>

#include "ir/half.h"
#include "ir/quant.h"
#include "passes/constant.h"
#include "passes/rewrite.h"

static bool half_weight(Diag *d, Arena *a, const Node *n, const Tensor *w, Type *type, const void **data) {
  int64_t count = shape_count(&w->type.shape), beyond = 0;
  const float *x = w->data;
  float lo, hi;
  uint16_t *h = ARENA_NEW_ARRAY(a, uint16_t, (size_t)count + 1);
  if (!finite_range(x, count, &lo, &hi))
    return diag_error(d, node_loc(n), "the constant '%s' holds values that are not finite numbers", w->name);
  for (int64_t i = 0; i < count; i++) {
    float v = x[i] > HALF_MAX ? HALF_MAX : x[i] < -HALF_MAX ? -HALF_MAX : x[i];
    beyond += isinf(half_to_float(half_from_float(x[i])));
    h[i] = half_from_float(v);
  }
  if (beyond)
    diag_warning(d, "half-range", node_loc(n),
                 "%lld value%s of the weight '%s' of '%s' beyond the range of f16 saturate%s",
                 (long long)beyond, beyond == 1 ? "" : "s", w->name, node_label(n), beyond == 1 ? "s" : "");
  *type = (Type){DT_F16, w->type.shape, NULL};
  *data = h;
  return true;
}

/* A scale that can be divided by. */
static float usable_scale(const ObservedChannels *o, int64_t c) {
  if (scale_is_valid(o->scale[c])) return o->scale[c];
  return o->lo[c] == 0 && o->hi[c] == 0 ? 1 : FLT_MIN;
}

static const Quant *s8_quant(Arena *a, const QuantSpec *spec, const ObservedChannels *o) {
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)o->channels);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)o->channels);
  for (int64_t c = 0; c < o->channels; c++) {
    scale[c] = usable_scale(o, c);
    zero[c] = o->zero[c] - (spec->dtype == DT_U8 ? 128 : 0);
  }
  return quant_new(a, spec->per_channel ? spec->ch_axis : -1, o->channels, scale, zero);
}

bool small_weight(Diag *d, Arena *a, const Node *n, const Tensor *w, const ObserverSpec *spec, Type *type,
                  const void **data) {
  const QuantSpec *q = &spec->quant;
  ObservedChannels o;
  if (q->dtype == DT_F16) return half_weight(d, a, n, w, type, data);
  if (!observe_channels(d, a, spec, w->name, node_loc(n), w->data, &w->type.shape, &o)) return false;
  int64_t count = shape_count(&w->type.shape), inner = 1;
  for (int i = q->ch_axis + 1; i < w->type.shape.rank; i++) inner *= w->type.shape.dim[i];
  const Quant *quant = s8_quant(a, q, &o);
  bool narrow = q->dtype == DT_S8 && q->symmetric && q->quant_min >= -127;
  int8_t *v = arena_alloc(a, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) {
    int64_t c = o.channels > 1 ? i / inner % o.channels : 0;
    v[i] = (int8_t)quantize_value(((const float *)w->data)[i], quant->scale[c], quant->zero[c],
                                  narrow ? -127 : -128, 127);
  }
  *type = (Type){DT_S8, w->type.shape, quant};
  *data = v;
  return true;
}

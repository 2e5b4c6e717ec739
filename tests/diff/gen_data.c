#include "tests/diff/gen.h"

#include <string.h>

static float float_value(Rng *r, DataStyle style, float constant) {
  static const float extremes[] = {-100, -8, 8, 100, 0};
  static const float hostile[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-40f, -1e-40f, 1e30f, -1e30f, 3e38f};
  switch (style) {
  case DATA_EXTREME:
    return RNG_PICK(r, extremes);
  case DATA_CONSTANT:
    return constant;
  case DATA_HOSTILE:
    if (rng_chance(r, 10)) return RNG_PICK(r, hostile);
    break;
  default:
    break;
  }
  return (float)(rng_normal(r) * 2);
}

static int64_t int_value(Rng *r, const DTypeInfo *t, DataStyle style, int64_t constant) {
  int64_t min = t->min, max = t->max;
  if (t->bytes > 1) min = -1000, max = 1000;
  if (style == DATA_CONSTANT) return constant;
  if ((style == DATA_EXTREME && rng_chance(r, 95)) || (style == DATA_HOSTILE && rng_chance(r, 40)))
    return rng_chance(r, 50) ? min : max;
  return rng_range(r, min, max);
}

void gen_data(Rng *r, const Type *t, DataStyle style, void *data) {
  const DTypeInfo *info = &dtype_info[t->dtype];
  int64_t n = shape_count(&t->shape);
  float constant = (float)(rng_normal(r) * 2);
  int64_t whole = int_value(r, info, DATA_TYPICAL, 0);
  if (rng_chance(r, 30)) whole = rng_chance(r, 50) ? info->min : info->max;
  for (int64_t i = 0; i < n; i++) {
    char *to = (char *)data + i * info->bytes;
    if (t->dtype == DT_F32) {
      float v = float_value(r, style, constant);
      memcpy(to, &v, sizeof v);
    } else {
      int64_t v = int_value(r, info, style, whole);
      uint8_t byte = (uint8_t)v;
      int32_t word = (int32_t)v;
      memcpy(to,
             info->bytes == 1   ? (void *)&byte
             : info->bytes == 4 ? (void *)&word
                                : (void *)&v,
             (size_t)info->bytes);
    }
  }
}

#include "ir/half.h"

#include <math.h>
#include <string.h>

float half_to_float(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                    : exponent == 0 ? ldexpf((float)fraction, -24)
                                    : ldexpf((float)(fraction + 1024), exponent - 25);
  return h >> 15 ? -magnitude : magnitude;
}

/* The fraction is rounded in a float whose unit in the last place is the half's: 2^-24 below 2^-14, then 2^10
 * less than the value's power of two. */
uint16_t half_from_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  float a = fabsf(x);
  if (isnan(x)) return sign | 0x7e00;
  if (a >= 65520.0f) return sign | 0x7c00;
  int exponent = -14;
  if (a >= 0x1p-14f) exponent = ilogbf(a);
  float magic = ldexpf(1.0f, exponent + 13); /* its unit in the last place: 2^(exponent - 10) */
  uint32_t units = (uint32_t)ldexpf((a + magic) - magic, 10 - exponent);
  if (a < 0x1p-14f) return sign | (uint16_t)units; /* 1024 units are the least normal number */
  return (uint16_t)(sign | (((exponent + 15) << 10) + (int)units - 1024)); /* 2048 carry into the exponent */
}

void half_widen(const uint16_t *h, int64_t n, float *x) {
  for (int64_t i = 0; i < n; i++) x[i] = half_to_float(h[i]);
}

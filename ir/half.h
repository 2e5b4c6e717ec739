/* IEEE 754 half precision, binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Storage only: values are
 * widened, which is exact, and computed with in float32. */
#ifndef QCC_IR_HALF_H
#define QCC_IR_HALF_H

#include <stdint.h>

#define HALF_MAX 65504.0f

float half_to_float(uint16_t h);
/* To nearest, ties to even. Magnitudes from 65520 on become infinity; NaN becomes the quiet NaN 0x7e00 with
 * the sign of x. */
uint16_t half_from_float(float x);
void half_widen(const uint16_t *h, int64_t n, float *x);

#endif

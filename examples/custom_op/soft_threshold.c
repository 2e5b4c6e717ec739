/* Custom operators: what qcc has to know of each function stands in the lines that begin with `// qcc:`. */
#include <math.h>
#include <stdint.h>

/* Shrinks towards zero, channel by channel: a float function, which stays in float32 in a quantized model. */
// qcc: op soft_threshold(x: f32[n, c, h, w], limit: f32[c]) -> y: f32[n, c, h, w]
// qcc: attr gain = 1.0
void soft_threshold(const float *x, const float *limit, float *y, int n, int c, int h, int w, float gain) {
  for (int i = 0; i < n * c; i++)
    for (int k = 0; k < h * w; k++) {
      const float v = x[i * h * w + k], rest = fabsf(v) - limit[i % c];
      y[i * h * w + k] = rest > 0 ? gain * copysignf(rest, v) : 0.0f;
    }
}

/* The largest of each row and where it is, on 8-bit integers: the function is told their parameters. */
// qcc: op peak(x: u8<scale=0.05, zero=0>[n, k]) -> y: u8<scale=0.05, zero=0>[n, 2]
void peak(const uint8_t *x, uint8_t *y, int n, int k, float y_scale, int y_zero) {
  for (int i = 0; i < n; i++) {
    int at = 0;
    for (int j = 1; j < k; j++)
      if (x[i * k + j] > x[i * k + at]) at = j;
    const float place = (float)at / (y_scale * (float)k);
    y[2 * i] = x[i * k + at];
    y[2 * i + 1] = (uint8_t)(place + 0.5f + (float)y_zero);
  }
}

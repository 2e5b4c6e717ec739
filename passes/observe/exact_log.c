#include "passes/observe/exact_log.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* x = m * 2^e with m in [sqrt(1/2), sqrt(2)), and log m = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m +
 * 1), |s| < 0.1716. */
static double split(double x, int *e) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  *e = (int)(bits >> 52) - 1023;
  bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m < 1.4142135623730951) return m;
  *e += 1;
  return m / 2;
}

/* s^2/(2k+1) + s^4/(2k+3) + ..., the series from its term k on, up to `last`. */
static double tail(double s2, int k, int last) {
  double sum = 0;
  for (; last >= k; last--) sum = sum * s2 + 1.0 / (2 * last + 1);
  return sum;
}

double quick_log(double x) {
  int e;
  double m = split(x, &e), s = (m - 1) / (m + 1);
  return 2 * s * tail(s * s, 0, 10) + e * 0x1.62e42fefa39efp-1;
}

/* Numbers of about 106 bits: hi + lo, |lo| at most half a unit of hi's last place. */
typedef struct {
  double hi, lo;
} Wide;

static Wide renorm(double hi, double lo) {
  double sum = hi + lo;
  return (Wide){sum, lo - (sum - hi)};
}

static Wide add(Wide a, Wide b) {
  double sum = a.hi + b.hi, part = sum - a.hi, error = (a.hi - (sum - part)) + (b.hi - part);
  return renorm(sum, error + a.lo + b.lo);
}

/* The exact product of two doubles (Dekker): no fma, which some hosts would emulate. */
static Wide product(double a, double b) {
  double ca = 0x1.0000002p27 * a, cb = 0x1.0000002p27 * b;
  double ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh, p = a * b;
  return (Wide){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static Wide mul(Wide a, Wide b) {
  Wide p = product(a.hi, b.hi);
  return renorm(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static Wide divide(Wide a, Wide b) {
  double q = a.hi / b.hi;
  Wide r = mul(b, (Wide){q, 0});
  r = add(a, (Wide){-r.hi, -r.lo});
  double q2 = r.hi / b.hi;
  Wide r2 = mul(b, (Wide){q2, 0});
  r2 = add(r, (Wide){-r2.hi, -r2.lo});
  return add(renorm(q, q2), (Wide){r2.hi / b.hi, 0});
}

double exact_log(double x) {
  enum { WIDE_TERMS = 11, TERMS = 22 }; /* from term 11 on, s^22 < 2^-55 leaves double enough */
  int e;
  double m = split(x, &e);
  if (m == 1 && e == 0) return 0;
  double sum = m + 1, rest = m - (sum - 1);
  Wide s = divide((Wide){m - 1, 0}, renorm(sum, rest)), s2 = mul(s, s);
  Wide series = {tail(s2.hi, WIDE_TERMS, TERMS), 0};
  for (int k = WIDE_TERMS - 1; k >= 0; k--)
    series = add(mul(series, s2), divide((Wide){1, 0}, (Wide){2 * k + 1, 0}));
  Wide log_m = mul((Wide){2 * s.hi, 2 * s.lo}, series);
  Wide ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
  Wide log = add(mul((Wide){e, 0}, ln2), log_m);
  return log.hi + log.lo;
}

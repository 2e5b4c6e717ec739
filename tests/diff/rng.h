/* Random numbers that are the same on every machine: a failing graph is named by its seed. */
#ifndef QCC_TESTS_DIFF_RNG_H
#define QCC_TESTS_DIFF_RNG_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint64_t state;
} Rng;

/* splitmix64 (Steele, Lea, Flood 2014) */
static inline uint64_t rng_next(Rng *r) {
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
static inline Rng rng_new(uint64_t seed, uint64_t stream) {
  Rng r = {seed * 0x2545f4914f6cdd1du + stream};
  rng_next(&r);
  return r;
}
/* In [lo, hi], both included. */
static inline int64_t rng_range(Rng *r, int64_t lo, int64_t hi) {
  return lo + (int64_t)(rng_next(r) % (uint64_t)(hi - lo + 1));
}
static inline bool rng_chance(Rng *r, int percent) { return rng_range(r, 0, 99) < percent; }
/* In [0, 1). */
static inline double rng_unit(Rng *r) { return (double)(rng_next(r) >> 11) / 9007199254740992.0; }
/* About normal: mean 0, deviation 1, within +-6. Sums, so that no libm is asked. */
static inline double rng_normal(Rng *r) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += rng_unit(r);
  return sum;
}
/* A power of two in [2^lo, 2^hi] times a mantissa in [1, 2). */
static inline double rng_scale(Rng *r, int lo, int hi) {
  return ldexp(1 + rng_unit(r), (int)rng_range(r, lo, hi));
}
#define RNG_PICK(r, array) ((array)[rng_range((r), 0, (int64_t)(sizeof(array) / sizeof *(array)) - 1)])

#endif

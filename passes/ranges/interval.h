/* Closed intervals of integers. */
#ifndef QCC_PASSES_RANGES_INTERVAL_H
#define QCC_PASSES_RANGES_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  int64_t lo, hi;
} Interval;

static inline Interval interval_hull(Interval a, Interval b) {
  return (Interval){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

static inline Interval interval_moved(Interval a, int64_t by) { return (Interval){a.lo + by, a.hi + by}; }

static inline Interval interval_sum(Interval a, Interval b) { return (Interval){a.lo + b.lo, a.hi + b.hi}; }

/* Of `n` >= 0 summands. */
static inline Interval interval_times(Interval a, int64_t n) { return (Interval){a.lo * n, a.hi * n}; }

static inline Interval interval_product(Interval a, Interval b) {
  Interval low = {a.lo * b.lo, a.lo * b.lo}, high = {a.hi * b.hi, a.hi * b.hi};
  Interval mixed = {a.lo * b.hi, a.lo * b.hi}, other = {a.hi * b.lo, a.hi * b.lo};
  return interval_hull(interval_hull(low, high), interval_hull(mixed, other));
}

static inline Interval interval_clamped(Interval a, int64_t lo, int64_t hi) {
  a.lo = a.lo < lo ? lo : a.lo > hi ? hi : a.lo;
  a.hi = a.hi < lo ? lo : a.hi > hi ? hi : a.hi;
  return a;
}

static inline bool interval_is_value(Interval a) { return a.lo == a.hi; }
static inline bool interval_within(Interval a, Interval b) { return a.lo >= b.lo && a.hi <= b.hi; }

#endif

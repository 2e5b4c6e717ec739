#include "passes/refine/rounding.h"

#include <math.h>
#include <stdlib.h>

#include "ir/quant.h"

/* H = R^T R of the inputs in the order of `order`; R is upper triangular. */
struct Metric {
  int64_t k;
  int64_t *order; /* r's index -> the weight's */
  double *r;      /* [k][k] */
};

typedef double V2 __attribute__((vector_size(16)));
typedef double V2Unaligned __attribute__((vector_size(16), aligned(8), may_alias));

/* y[0..n) += a * x[0..n) */
static void axpy(double *y, const double *x, double a, int64_t n) {
  V2 va = {a, a};
  int64_t i = 0;
  for (; i + 2 <= n; i += 2) *(V2Unaligned *)(y + i) += va * *(const V2Unaligned *)(x + i);
  for (; i < n; i++) y[i] += a * x[i];
}

static double *means_of(Arena *a, const Columns *c, int64_t first, int64_t k) {
  double *mean = ARENA_NEW_ARRAY(a, double, (size_t)k);
  for (int64_t row = 0; row < c->rows; row++)
    for (int64_t i = 0; i < k; i++) mean[i] += (double)c->x[row * c->k + first + i];
  for (int64_t i = 0; i < k; i++) mean[i] /= (double)c->rows;
  return mean;
}

/* The upper triangle of the covariance. */
static double *covariance(Arena *a, const Columns *c, int64_t first, int64_t k) {
  double *h = ARENA_NEW_ARRAY(a, double, (size_t)(k * k)), *x = ARENA_NEW_ARRAY(a, double, (size_t)k);
  const double *mean = means_of(a, c, first, k);
  for (int64_t row = 0; row < c->rows; row++) {
    for (int64_t i = 0; i < k; i++) x[i] = (double)c->x[row * c->k + first + i] - mean[i];
    for (int64_t i = 0; i < k; i++)
      if (x[i] != 0) axpy(h + i * k + i, x + i, x[i], k - i);
  }
  for (int64_t i = 0; i < k * k; i++) h[i] /= (double)c->rows;
  return h;
}

typedef struct {
  double variance;
  int64_t index;
} Input;

static int by_variance(const void *a, const void *b) {
  const Input *x = a, *y = b;
  if (x->variance != y->variance) return x->variance < y->variance ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* In place: the upper triangle becomes R. The damping has made it positive. */
static void cholesky(double *h, int64_t k) {
  for (int64_t j = 0; j < k; j++) {
    double pivot = sqrt(h[j * k + j]);
    for (int64_t i = j; i < k; i++) h[j * k + i] /= pivot;
    for (int64_t i = j + 1; i < k; i++)
      if (h[j * k + i] != 0) axpy(h + i * k + i, h + j * k + i, -h[j * k + i], k - i);
  }
}

Metric *metric_new(Arena *a, const Columns *c, int64_t first, int64_t k) {
  enum { DAMPING = 100 }; /* one part in so many of the mean variance */
  Arena *tmp = arena_new();
  Metric *m = ARENA_NEW(a, Metric);
  *m = (Metric){k, ARENA_NEW_ARRAY(a, int64_t, (size_t)k), ARENA_NEW_ARRAY(a, double, (size_t)(k * k))};
  const double *h = covariance(tmp, c, first, k);
  Input *inputs = ARENA_NEW_ARRAY(tmp, Input, (size_t)k);
  double mean = 0;
  for (int64_t i = 0; i < k; i++) {
    inputs[i] = (Input){h[i * k + i], i};
    mean += h[i * k + i] / (double)k;
  }
  qsort(inputs, (size_t)k, sizeof *inputs, by_variance); /* the largest are rounded first */
  for (int64_t i = 0; i < k; i++) m->order[i] = inputs[i].index;
  double damping = mean > 0 ? mean / DAMPING : 1;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = i; j < k; j++) {
      int64_t p = m->order[i], q = m->order[j];
      m->r[i * k + j] = h[p < q ? p * k + q : q * k + p] + (i == j ? damping : 0);
    }
  arena_free(tmp);
  cholesky(m->r, k);
  return m;
}

enum { LANES = 4 };

static int32_t rounded(const Rounding *r, double w) {
  double v = w / (double)r->scale + r->zero;
  return v <= r->lo ? r->lo : v >= r->hi ? r->hi : (int32_t)rne(v);
}

/* Some outputs at once; errors lie as [input][lane]. */
static void round_lanes(const Metric *m, const Rounding *r, int lanes, double *error) {
  for (int64_t j = m->k - 1; j >= 0; j--) {
    const double *row = m->r + j * m->k;
    double sum[LANES] = {0};
    for (int64_t i = j + 1; i < m->k; i++)
      for (int l = 0; l < LANES; l++) sum[l] += row[i] * error[i * LANES + l];
    for (int l = 0; l < lanes; l++) {
      double w = (double)r[l].w[m->order[j]];
      int32_t q = rounded(&r[l], w + sum[l] / row[j]);
      r[l].q[m->order[j]] = (int8_t)q;
      error[j * LANES + l] = w - (double)r[l].scale * (q - r[l].zero);
    }
  }
}

void metric_round(const Metric *m, const Rounding *r, int64_t n) {
  Arena *tmp = arena_new();
  double *error = ARENA_NEW_ARRAY(tmp, double, (size_t)(m->k * LANES));
  for (int64_t i = 0; i < n; i += LANES) round_lanes(m, r + i, n - i < LANES ? (int)(n - i) : LANES, error);
  arena_free(tmp);
}

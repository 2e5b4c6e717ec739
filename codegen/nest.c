#include "codegen/nest.h"

static void swap_dims(Nest *t, int i, int j) {
  int64_t d = t->dim[i];
  t->dim[i] = t->dim[j];
  t->dim[j] = d;
  for (int a = 0; a < t->n_arrays; a++) {
    int64_t s = t->stride[a][i];
    t->stride[a][i] = t->stride[a][j];
    t->stride[a][j] = s;
  }
}

static void remove_dim(Nest *t, int i) {
  for (int k = i; k + 1 < t->n; k++) {
    t->dim[k] = t->dim[k + 1];
    for (int a = 0; a < t->n_arrays; a++) t->stride[a][k] = t->stride[a][k + 1];
  }
  t->n--;
}

static bool mergeable(const Nest *t, int i) {
  for (int a = 0; a < t->n_arrays; a++)
    if (t->stride[a][i] != t->stride[a][i + 1] * t->dim[i + 1]) return false;
  return true;
}

void nest_simplify(Nest *t) {
  for (int i = t->n - 1; i >= 0; i--)
    if (t->dim[i] == 1) remove_dim(t, i);
  for (int i = 1; i < t->n; i++) /* insertion sort: stable, and there are at most 8 */
    for (int j = i; j > 0 && t->stride[0][j] > t->stride[0][j - 1]; j--) swap_dims(t, j, j - 1);
  for (int i = t->n - 2; i >= 0; i--)
    if (mergeable(t, i)) {
      t->dim[i + 1] *= t->dim[i];
      remove_dim(t, i);
    }
  if (t->n == 0) {
    t->n = 1;
    t->dim[0] = 1;
    for (int a = 0; a < t->n_arrays; a++) t->stride[a][0] = 1;
  }
}

bool nest_is_dense(const Nest *t) {
  int inner = t->n - 1;
  if (t->stride[0][inner] != 1) return false;
  for (int a = 1; a < t->n_arrays; a++)
    if (t->stride[a][inner] != 0 && t->stride[a][inner] != 1) return false;
  return true;
}

void nest_make_innermost(Nest *t, int d) {
  for (int i = d; i + 1 < t->n; i++) swap_dims(t, i, i + 1);
}

void nest_step(const Nest *nest, VirAddr *at, const VirVar *v, int64_t offset) {
  for (int a = 0; a < nest->n_arrays; a++) {
    int64_t stride = nest->stride[a][nest->n - 1];
    at[a] = v ? vir_plus(at[a], v, stride) : vir_offset(at[a], offset * stride);
  }
}

void nest_open(VirBuilder *b, const Nest *t, const VirBase *const *bases, VirAddr *at) {
  static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  for (int a = 0; a < t->n_arrays; a++) at[a] = vir_addr(bases[a], t->offset[a]);
  for (int i = 0; i + 1 < t->n; i++) {
    const VirVar *v = vir_loop(b, names[i], 0, t->dim[i], 1);
    for (int a = 0; a < t->n_arrays; a++) at[a] = vir_plus(at[a], v, t->stride[a][i]);
  }
}

void nest_close(VirBuilder *b, const Nest *t) {
  for (int i = 0; i + 1 < t->n; i++) vir_end(b);
}

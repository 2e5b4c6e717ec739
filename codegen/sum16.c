#include "codegen/sum16.h"

#include <stdio.h>

enum { PARTIALS = 16 };

static void add_to(VirBuilder *b, const VirVar *partial, VirAddr at) {
  const VirVar *v = VIR_LET(b, "v", get_f32, vir_at(at));
  VIR_SET(b, partial, float_add, vir_v(partial), vir_v(v));
}

/* The last halvings, of partial sums that are variables. */
static const VirVar *add_tree(VirBuilder *b, const VirVar **partial, int used, int width) {
  for (; width; width /= 2)
    for (int i = 0; i < width && i + width < used; i++)
      VIR_SET(b, partial[i], float_add, vir_v(partial[i]), vir_v(partial[i + width]));
  return partial[0];
}

static const VirVar *sum_strided(VirBuilder *b, VirAddr at, int64_t count, int64_t step) {
  const VirVar *partial[PARTIALS];
  int used =
      count < PARTIALS ? (int)count : PARTIALS; /* the others stay +0, and adding that changes nothing */
  for (int i = 0; i < used; i++) {
    char name[16];
    snprintf(name, sizeof name, "sum%d", i);
    partial[i] = VIR_LET(b, name, float_const, vir_m(0));
  }
  int64_t rounds = count / PARTIALS;
  if (rounds) {
    VirAddr row = at;
    if (rounds > 1) row = vir_plus(at, vir_loop(b, "k", 0, rounds * PARTIALS, PARTIALS), step);
    for (int i = 0; i < PARTIALS; i++) add_to(b, partial[i], vir_offset(row, i * step));
    if (rounds > 1) vir_end(b);
  }
  for (int64_t i = rounds * PARTIALS; i < count; i++)
    add_to(b, partial[i % PARTIALS], vir_offset(at, i * step));
  return add_tree(b, partial, used, PARTIALS / 2);
}

/* sum += `lanes` elements, or `part` of them and zeros: a sum that starts from +0 is never -0, so adding +0
 * changes nothing. */
static void add_vector(VirBuilder *b, const VirVar *sum, VirAddr at, int part) {
  const VirVar *v =
      part ? VIR_LET(b, "v", load_f32_part, vir_at(at), vir_n(part)) : VIR_LET(b, "v", load_f32, vir_at(at));
  VIR_SET(b, sum, add_f32, vir_v(sum), vir_v(v));
}

/* Contiguous elements: the 16 partial sums are the lanes of vectors. */
static const VirVar *sum_vectors(VirBuilder *b, VirAddr at, int64_t count) {
  int lanes = b->m->lanes, vectors = PARTIALS / lanes;
  const VirVar *sum[PARTIALS];
  for (int i = 0; i < vectors; i++) {
    char name[16];
    snprintf(name, sizeof name, "sums%d", i);
    sum[i] = VIR_LET(b, name, splat_f32, vir_m(0));
  }
  int64_t whole = count / PARTIALS * PARTIALS;
  VirAddr row = at;
  if (whole > PARTIALS) row = vir_plus(at, vir_loop(b, "k", 0, whole, PARTIALS), 1);
  for (int i = 0; i < vectors; i++) add_vector(b, sum[i], vir_offset(row, (int64_t)i * lanes), 0);
  if (whole > PARTIALS) vir_end(b);
  for (int64_t i = whole; i < count; i += lanes)
    add_vector(b, sum[(i - whole) / lanes], vir_offset(at, i), count - i < lanes ? (int)(count - i) : 0);
  for (; vectors > 1; vectors /= 2)
    for (int i = 0; i < vectors / 2; i++)
      VIR_SET(b, sum[i], add_f32, vir_v(sum[i]), vir_v(sum[i + vectors / 2]));
  const VirBase *memory = vir_local(b, "partial", DT_F32, lanes);
  VIR_DO(b, store_f32, vir_at(vir_addr(memory, 0)), vir_v(sum[0]));
  const VirVar *partial[PARTIALS];
  for (int i = 0; i < lanes; i++) partial[i] = VIR_LET(b, "s", get_f32, vir_at(vir_addr(memory, i)));
  return add_tree(b, partial, lanes, lanes / 2);
}

const VirVar *sum16(VirBuilder *b, VirAddr at, int64_t count, int64_t step) {
  return step == 1 && count >= PARTIALS ? sum_vectors(b, at, count) : sum_strided(b, at, count, step);
}

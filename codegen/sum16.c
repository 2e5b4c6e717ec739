#include "codegen/sum16.h"

#include <stdio.h>

enum { PARTIALS = 16 };

static void add_to(VirBuilder *b, const VirVar *partial, VirAddr at) {
  const VirVar *v = VIR_LET(b, "v", get_f32, vir_at(at));
  VIR_SET(b, partial, float_add, vir_v(partial), vir_v(v));
}

const VirVar *sum16(VirBuilder *b, VirAddr at, int64_t count, int64_t step) {
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
  for (int width = PARTIALS / 2; width; width /= 2)
    for (int i = 0; i < width && i + width < used; i++)
      VIR_SET(b, partial[i], float_add, vir_v(partial[i]), vir_v(partial[i + width]));
  return partial[0];
}

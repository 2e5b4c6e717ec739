#include "codegen/pixels.h"

#include <string.h>

/* Array 1 is contiguous along dim d of the nest, array 0 goes from pixel to pixel, and what else there is
 * stays where it is, there and from channel to channel. */
static bool is_plane(const Nest *nest, int d, int64_t channels) {
  if (nest->stride[0][d] != channels || nest->stride[1][d] != 1) return false;
  for (int a = 2; a < nest->n_arrays; a++)
    if (nest->stride[a][d] || nest->stride[a][nest->n - 1]) return false;
  return true;
}

bool pixels_in(Nest *nest, const Target *target, Pixels *p) {
  int inner = nest->n - 1;
  int64_t channels = nest->dim[inner];
  if (target->arch == ARCH_ANY) return false; /* portable C moves bytes one by one anyway: no gain */
  if (nest->n_arrays < 2 || nest->stride[0][inner] != 1 || nest->stride[1][inner] == 1 || channels < 2 ||
      channels > PIXELS_MAX_CHANNELS)
    return false;
  for (int d = 0; d < inner; d++) {
    if (!is_plane(nest, d, channels) || nest->dim[d] < target->lanes) continue;
    *p = (Pixels){(int)channels, nest->stride[1][inner]};
    nest->n--;
    nest_make_innermost(nest, d);
    return true;
  }
  return false;
}

static void elements(const Pixels *p, VirBuilder *b, int n_arrays, const VirAddr *at, const PixelOps *ops) {
  VirAddr channel[NEST_MAX_ARRAYS];
  for (int j = 0; j < p->channels; j++) {
    for (int a = 2; a < n_arrays; a++) channel[a] = at[a];
    channel[0] = vir_offset(at[0], j);
    channel[1] = pixels_plane(p, at, j);
    ops->element(ops->user, b, channel);
  }
}

/* What is left of a row is the end of one more vector, which begins within the one before; what is left of
 * all goes element by element, so that the parts of the loop stay apart (codegen/split.h). */
void pixels_emit(const Pixels *p, VirBuilder *b, const Nest *nest, const VirAddr *start,
                 const PixelOps *ops) {
  int64_t count = nest->dim[nest->n - 1], lanes = b->m->lanes, whole = count / lanes * lanes;
  VirAddr at[NEST_MAX_ARRAYS];
  size_t size = sizeof *at * (size_t)nest->n_arrays;
  memcpy(at, start, size);
  nest_step(nest, at, vir_loop(b, "c", 0, whole, lanes), 0);
  ops->vector(ops->user, b, at, p);
  vir_end(b);
  if (whole == count) return;
  memcpy(at, start, size);
  if (nest->n > 1) {
    nest_step(nest, at, NULL, count - lanes);
    ops->vector(ops->user, b, at, p);
    return;
  }
  nest_step(nest, at, vir_loop(b, "c", whole, count, 1), 0);
  elements(p, b, nest->n_arrays, at, ops);
  vir_end(b);
}

VirAddr pixels_plane(const Pixels *p, const VirAddr *at, int channel) {
  return vir_offset(at[1], channel * p->planes);
}

void pixels_store(const Pixels *p, VirBuilder *b, VirAddr at, const VirVar *const *q, int32_t zero) {
  const VirVar *zeros = VIR_ONCE(b, "zeros", splat_p, vir_n(zero), vir_n(zero));
  VirArg args[PIXELS_MAX_CHANNELS + 1];
  for (int j = 0; j < PIXELS_MAX_CHANNELS; j++) args[j] = vir_v(q[j % p->channels]); /* any fills the rest */
  args[PIXELS_MAX_CHANNELS] = vir_v(zeros);
  const VirVar *y = vir_let(b, "y0", act_ops(at.base->elem)->narrow_x4, PIXELS_MAX_CHANNELS + 1, args);
  VIR_DO(b, store_pixels, vir_at(at), vir_v(y), vir_n(p->channels));
}

#include "codegen/tile_build.h"

const TileKernel *tile_kernel(const DensePack *s) {
  const Target *t = s->cg->target;
  if (s->form == FORM_FLIP) return &tile_flips;
  for (int i = 0; i < TARGET_KERNELS && t->kernels[i]; i++)
    if (t->kernels[i]->suits(s)) return t->kernels[i];
  return &tile_broadcast;
}

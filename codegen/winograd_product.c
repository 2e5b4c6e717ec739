/* The 36 products of a group of tiles: a loop over the points, around what the target's kernel does. */
#include "codegen/winograd_product.h"

static void start(WinogradProduct *t) {
  for (int m = 0; m < t->tiles; m++)
    for (int n = 0; n < t->nv; n++)
      t->acc[m][n] = VIR_LET(&t->b, arena_printf(t->s->cg->arena, "acc%d_%d", m, n), splat_s32, vir_n(0));
}

/* Layers of one shape share it. */
VirFunc *winograd_product(const Winograd *s, int tiles, int nv) {
  WinogradProduct t = {.s = s, .tiles = tiles, .nv = nv};
  VirBuilder *b = &t.b;
  Arena *a = s->cg->arena;
  const char *name = arena_printf(a, "winograd_product_%dx%d_%lld_of_%dx%d", tiles, nv * s->lanes,
                                  (long long)s->ic, s->down * s->across, s->nv * s->lanes);
  VirFunc *same = vir_find_func(s->cg->module, name);
  if (same) return same;
  int64_t elements = winograd_elements(s), sums = winograd_sums(s);
  vir_func(b, s->cg->module, name, true,
           arena_printf(a, "36 products of %d tile%s of %lld channels and weights of %d", tiles,
                        tiles == 1 ? "" : "s", (long long)s->ic, nv * s->lanes));
  const VirBase *v = vir_param_s16(b, "v", false, elements);
  t.w = vir_param(b, "w", DT_S8, false, nv * winograd_weights(s));
  const VirBase *to = vir_param(b, "sums", DT_S32, true, sums);
  vir_opaque(b, t.w);
  const VirVar *p = vir_loop(b, "point", 0, WINOGRAD_POINTS, 1);
  start(&t);
  s->kernel->multiply(&t, vir_plus(vir_addr(v, 0), p, elements / WINOGRAD_POINTS),
                      vir_plus(vir_addr(t.w, 0), p, nv * winograd_weights(s) / WINOGRAD_POINTS));
  VirAddr out = vir_plus(vir_addr(to, 0), p, sums / WINOGRAD_POINTS);
  for (int m = 0; m < tiles; m++)
    for (int n = 0; n < nv; n++)
      VIR_DO(b, store_s32, vir_at(vir_offset(out, (m * s->nv + n) * s->lanes)), vir_v(t.acc[m][n]));
  vir_end(b);
  return b->f;
}

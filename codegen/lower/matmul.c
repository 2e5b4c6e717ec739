/* matmul of two activations: float32 (rule 12) one output row at a time, vectorised over its columns; 8-bit
 * in codegen/matmul_int.c. */
#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/lower.h"
#include "codegen/matmul_int.h"
#include "ir/ops/attrs.h"

enum { MAX_VECTORS = 4 };

/* Adds the product for `vectors` vectors of columns (the last of `part` lanes; 0: whole) and stores them. */
static void columns(VirBuilder *b, const ActAttrs *act, VirAddr a, VirAddr x, VirAddr y, int64_t k_count,
                    int64_t row, int lanes, int vectors, int part) {
  const VirVar *acc[MAX_VECTORS];
  char name[16];
  for (int v = 0; v < vectors; v++) {
    snprintf(name, sizeof name, "acc%d", v);
    acc[v] = VIR_LET(b, name, splat_f32, vir_m(0));
  }
  const VirVar *k = vir_loop(b, "k", 0, k_count, 1);
  const VirVar *s = VIR_LET(b, "s", get_f32, vir_at(vir_plus(a, k, 1)));
  const VirVar *broadcast = VIR_LET(b, "a", bcast_f32, vir_v(s));
  for (int v = 0; v < vectors; v++) {
    VirAddr at = vir_offset(vir_plus(x, k, row), v * lanes);
    const VirVar *value = part && v + 1 == vectors ? VIR_LET(b, "b", load_f32_part, vir_at(at), vir_n(part))
                                                   : VIR_LET(b, "b", load_f32, vir_at(at));
    const VirVar *product = VIR_LET(b, "p", mul_f32, vir_v(broadcast), vir_v(value));
    VIR_SET(b, acc[v], add_f32, vir_v(acc[v]), vir_v(product));
  }
  vir_end(b);
  for (int v = 0; v < vectors; v++) {
    VirAddr at = vir_offset(y, v * lanes);
    clamp_float(b, acc[v], act->act_min, act->act_max);
    if (part && v + 1 == vectors) {
      VIR_DO(b, store_f32_part, vir_at(at), vir_v(acc[v]), vir_n(part));
    } else {
      VIR_DO(b, store_f32, vir_at(at), vir_v(acc[v]));
    }
  }
}

static bool matmul_emit(Cg *cg, const Node *n, Buffer *scratch) {
  if (tensor_is_quantized(n->operands[0])) {
    matmul_int_emit(cg, n, scratch);
    return true;
  }
  const Tensor *ta = n->operands[0], *tb = n->operands[1], *ty = n->results[0];
  const Shape *a = &ta->type.shape, *x = &tb->type.shape, *y = &ty->type.shape;
  if (a->rank < 2 || x->rank < 2) BUG("'%s' is no matmul of matrices", ty->name); /* to the verifier */
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "%s x %s -> %s", shape_text(cg->arena, a), shape_text(cg->arena, x),
            shape_text(cg->arena, y));
  const VirBase *base_a = cg_read(cg, &b, ta, "a"), *base_b = cg_read(cg, &b, tb, "b"),
                *base_y = cg_write(cg, &b, ty, "y");
  VirAddr at_a = vir_addr(base_a, 0), at_b = vir_addr(base_b, 0), at_y = vir_addr(base_y, 0);
  int loops = 0;
  for (int i = 0; i < y->rank - 1; i++) { /* batch dims, then the rows of a */
    if (y->dim[i] == 1) continue;
    int ia = i - (y->rank - a->rank), ib = i - (y->rank - x->rank);
    const VirVar *v =
        vir_loop(&b, i == y->rank - 2 ? "m" : arena_printf(cg->arena, "i%d", i), 0, y->dim[i], 1);
    if (ia >= 0 && a->dim[ia] > 1) at_a = vir_plus(at_a, v, cg_storage(cg, ta)->stride[ia]);
    if (ib >= 0 && x->dim[ib] > 1 && i < y->rank - 2)
      at_b = vir_plus(at_b, v, cg_storage(cg, tb)->stride[ib]);
    at_y = vir_plus(at_y, v, cg_storage(cg, ty)->stride[i]);
    loops++;
  }
  int lanes = cg->target->lanes;
  int64_t k = a->dim[a->rank - 1], width = y->dim[y->rank - 1], panel = (int64_t)MAX_VECTORS * lanes,
          whole = width / panel;
  const ActAttrs *act = ATTRS(n, ActAttrs);
  if (whole > 1) {
    const VirVar *v = vir_loop(&b, "n", 0, whole * panel, panel);
    columns(&b, act, at_a, vir_plus(at_b, v, 1), vir_plus(at_y, v, 1), k, width, lanes, MAX_VECTORS, 0);
    vir_end(&b);
  } else if (whole) {
    columns(&b, act, at_a, at_b, at_y, k, width, lanes, MAX_VECTORS, 0);
  }
  int64_t rest = width - whole * panel;
  if (rest)
    columns(&b, act, at_a, vir_offset(at_b, whole * panel), vir_offset(at_y, whole * panel), k, width, lanes,
            (int)((rest + lanes - 1) / lanes), (int)(rest % lanes));
  while (loops--) vir_end(&b);
  cg_done(cg, &b);
  return true;
}

const Lowering lower_matmul = {
    .layout = LAYOUT_ROW_MAJOR, .scratch = matmul_int_scratch, .emit = matmul_emit};

/* Halos: real zeros around the tensors that padded windows read. */
#include "codegen/layout.h"

/* `count` elements of real zero from `at` on. */
static void fill(Cg *cg, VirBuilder *b, VirAddr at, const Storage *s, int64_t count) {
  if (!count) return;
  bool bytes = dtype_info[s->elem].bytes == 1;
  int64_t vector = cg->target->lanes * (bytes ? 4 : 1);
  const VirVar *v = s->filler ? s->filler
                    : bytes   ? VIR_ONCE(b, "zero", splat_q, vir_n(s->zero))
                              : VIR_ONCE(b, "zero", splat_f32, vir_m(0));
  VirOp store = bytes ? VIR_store_q : VIR_store_f32, part = bytes ? VIR_store_q_part : VIR_store_f32_part;
  int64_t whole = count / vector * vector;
  if (whole > vector * 4) {
    const VirVar *i = vir_loop(b, "k", 0, whole, vector);
    vir_do(b, store, VIR_ARGS(vir_at(vir_plus(at, i, 1)), vir_v(v)));
    vir_end(b);
  } else {
    for (int64_t i = 0; i < whole; i += vector)
      vir_do(b, store, VIR_ARGS(vir_at(vir_offset(at, i)), vir_v(v)));
  }
  if (count > whole) vir_do(b, part, VIR_ARGS(vir_at(vir_offset(at, whole)), vir_v(v), vir_n(count - whole)));
}

/* What is known of its zero point at run time only. */
static bool has_parameters(const Storage *s, const Tensor *t) {
  return dtype_info[s->elem].bytes > 1 || t->type.quant;
}

static const VirVar *filler_of(Cg *cg, VirBuilder *b, const Storage *s, const Tensor *zero) {
  if (!zero) {
    return VIR_ONCE(b, "fill", splat_q, vir_n(-s->bias));
  }
  const Storage *sz = cg_storage(cg, zero);
  VirAddr at = vir_addr(cg_read(cg, b, zero, "z"), sz->offset);
  const VirVar *v = vir_once(b, "zero", act_ops(sz->elem)->get, VIR_ARGS(vir_at(at)));
  if (sz->bias != s->bias) {
    const VirVar *shift = VIR_ONCE(b, "shift", int_const, vir_n(sz->bias - s->bias));
    v = VIR_ONCE(b, "stored_zero", int_add, vir_v(v), vir_v(shift));
  }
  return VIR_ONCE(b, "fill", bcast_q, vir_v(v));
}

static void fill_halo(Cg *cg, const Node *n, const Tensor *t, bool at_run_time, const Tensor *zero);

void cg_fill_halo(Cg *cg, const Node *n, const Tensor *t) {
  if (has_parameters(cg_storage(cg, t), t)) fill_halo(cg, n, t, false, NULL);
}

void cg_fill_halo_with(Cg *cg, const Node *n, const Tensor *t, const Tensor *zero) {
  fill_halo(cg, n, t, true, zero);
}

static void fill_halo(Cg *cg, const Node *n, const Tensor *t, bool at_run_time, const Tensor *zero) {
  Storage *s = cg_storage(cg, t);
  if (halo_is_none(s->halo)) return;
  const Shape *shape = &t->type.shape;
  Halo h = s->halo;
  int64_t height = shape->dim[2] + h.top + h.bottom, row = s->stride[2];
  VirBuilder b;
  cg_kernel(cg, &b, n, "halo", "zeros around %s: %lld above, %lld left, %lld below, %lld right",
            shape_text(cg->arena, shape), (long long)h.top, (long long)h.left, (long long)h.bottom,
            (long long)h.right);
  const VirBase *y = cg_write(cg, &b, t, "y");
  s->filler = at_run_time ? filler_of(cg, &b, s, zero) : NULL;
  VirAddr base = vir_addr(y, 0);
  if (shape->dim[0] > 1) base = vir_plus(base, vir_loop(&b, "n", 0, shape->dim[0], 1), s->stride[0]);
  int64_t side = (h.left + h.right) * s->stride[3]; /* the right of one row and the left of the next touch */
  fill(cg, &b, base, s, h.top * row + h.left * s->stride[3]);
  if (side) {
    VirAddr right = vir_offset(base, h.top * row + (h.left + shape->dim[3]) * s->stride[3]);
    if (shape->dim[2] > 1) {
      const VirVar *i = vir_loop(&b, "i", 0, shape->dim[2] - 1, 1);
      fill(cg, &b, vir_plus(right, i, row), s, side);
      vir_end(&b);
    }
  }
  int64_t last = (height - h.bottom) * row - h.right * s->stride[3];
  fill(cg, &b, vir_offset(base, last), s, height * row - last);
  if (shape->dim[0] > 1) vir_end(&b);
  s->filler = NULL;
  cg_done(cg, &b);
}

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

/* The zeros around one image of two dims, which begins at `base` with those above it. */
static void fill_around(Cg *cg, VirBuilder *b, VirAddr base, const Storage *s, const Shape *shape) {
  int64_t row = s->stride[shape->rank - 2], pixel = s->stride[shape->rank - 1];
  int64_t rows = shape->dim[shape->rank - 2], width = shape->dim[shape->rank - 1];
  int64_t top = s->halo.before[1], left = s->halo.before[2], bottom = s->halo.after[1],
          right = s->halo.after[2];
  int64_t side = (left + right) * pixel; /* the right of one row and the left of the next touch */
  fill(cg, b, base, s, top * row + left * pixel);
  if (side && rows > 1) {
    VirAddr behind = vir_offset(base, top * row + (left + width) * pixel);
    const VirVar *i = vir_loop(b, "i", 0, rows - 1, 1);
    fill(cg, b, vir_plus(behind, i, row), s, side);
    vir_end(b);
  }
  int64_t height = top + rows + bottom, last = (height - bottom) * row - right * pixel;
  fill(cg, b, vir_offset(base, last), s, height * row - last);
}

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
  VirBuilder b;
  cg_kernel(cg, &b, n, "halo", "zeros around %s: %lld above, %lld left, %lld below, %lld right",
            shape_text(cg->arena, shape), (long long)h.before[1], (long long)h.before[2],
            (long long)h.after[1], (long long)h.after[2]);
  const VirBase *y = cg_write(cg, &b, t, "y");
  s->filler = at_run_time ? filler_of(cg, &b, s, zero) : NULL;
  VirAddr base = vir_addr(y, s->offset);
  for (int i = 0; i < shape->rank; i++) {
    int at = halo_index(shape->rank, i);
    if (at >= 0) base = vir_offset(base, -h.before[at] * s->stride[i]);
  }
  if (shape->dim[0] > 1) base = vir_plus(base, vir_loop(&b, "n", 0, shape->dim[0], 1), s->stride[0]);
  if (shape->rank == 5) {
    vir_comment(&b, "%lld planes in front, %lld behind", (long long)h.before[0], (long long)h.after[0]);
    fill(cg, &b, base, s, h.before[0] * s->stride[2]);
    fill(cg, &b, vir_offset(base, (h.before[0] + shape->dim[2]) * s->stride[2]), s,
         h.after[0] * s->stride[2]);
    base = vir_offset(base, h.before[0] * s->stride[2]);
    if (shape->dim[2] > 1) base = vir_plus(base, vir_loop(&b, "d", 0, shape->dim[2], 1), s->stride[2]);
  }
  fill_around(cg, &b, base, s, shape);
  if (shape->rank == 5 && shape->dim[2] > 1) vir_end(&b);
  if (shape->dim[0] > 1) vir_end(&b);
  s->filler = NULL;
  cg_done(cg, &b);
}

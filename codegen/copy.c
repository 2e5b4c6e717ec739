#include "codegen/copy.h"

#include "codegen/nest.h"
#include "codegen/pixels.h"
#include "ir/ops/attrs.h"

int concat_axis(const Node *n) {
  int64_t axis = ATTRS(n, AxisAttrs)->axis;
  return (int)(axis < 0 ? axis + n->results[0]->type.shape.rank : axis);
}

bool copy_flips(const Storage *a, const Storage *b) { return a->bias != b->bias; }

/* The operations on elements of one type. */
typedef struct {
  VirOp load, load_part, store, store_part; /* of a vector of them */
  VirOp get, put;
} CopyOps;
static const CopyOps ops_f32 = {VIR_load_f32,       VIR_load_f32_part, VIR_store_f32,
                                VIR_store_f32_part, VIR_get_f32,       VIR_put_f32};
static const CopyOps ops_s32 = {VIR_load_s32,       VIR_load_s32_part, VIR_store_s32,
                                VIR_store_s32_part, VIR_get_s32,       VIR_put_s32};
static const CopyOps ops_u8 = {VIR_load_q,       VIR_load_q_part, VIR_store_q,
                               VIR_store_q_part, VIR_get_u8,      VIR_put_u8};
static const CopyOps ops_s8 = {VIR_load_q,       VIR_load_q_part, VIR_store_q,
                               VIR_store_q_part, VIR_get_s8,      VIR_put_s8};

static const CopyOps *ops_of(const VirBase *base) {
  switch (base->elem) {
  case DT_F32:
    return &ops_f32;
  case DT_S32:
    return &ops_s32;
  default:
    return base->elem == DT_S8 ? &ops_s8 : &ops_u8;
  }
}

/* A contiguous run by vectors; one that does not end with a whole one ends with a partial one. */
void copy_run(Cg *cg, VirBuilder *b, VirAddr x, VirAddr y, int64_t count, bool flip) {
  int64_t width = cg->target->lanes * (dtype_info[y.base->elem].bytes == 1 ? 4 : 1);
  int64_t whole = count / width, rest = count % width;
  const CopyOps *from = ops_of(x.base), *to = ops_of(y.base);
  const VirVar *sign = flip ? VIR_ONCE(b, "sign", splat_q, vir_n(128)) : NULL;
  bool loop = whole > 4;
  const VirVar *k = loop ? vir_loop(b, "c", 0, whole * width, width) : NULL;
  for (int64_t i = 0; i < (loop ? 1 : whole); i++) {
    VirAddr at = k ? vir_plus(x, k, 1) : vir_offset(x, i * width),
            at_y = k ? vir_plus(y, k, 1) : vir_offset(y, i * width);
    const VirVar *v = vir_let(b, "v", from->load, VIR_ARGS(vir_at(at)));
    if (flip) VIR_SET(b, v, xor_q, vir_v(v), vir_v(sign));
    vir_do(b, to->store, VIR_ARGS(vir_at(at_y), vir_v(v)));
  }
  if (loop) vir_end(b);
  if (!rest) return;
  const VirVar *v =
      vir_let(b, "v", from->load_part, VIR_ARGS(vir_at(vir_offset(x, whole * width)), vir_n(rest)));
  if (flip) VIR_SET(b, v, xor_q, vir_v(v), vir_v(sign));
  vir_do(b, to->store_part, VIR_ARGS(vir_at(vir_offset(y, whole * width)), vir_v(v), vir_n(rest)));
}

void copy_element(VirBuilder *b, VirAddr x, VirAddr y, bool flip) {
  const VirVar *v = vir_let(b, "v", ops_of(x.base)->get, VIR_ARGS(vir_at(x)));
  if (flip) {
    const VirVar *shift = VIR_ONCE(b, "shift", int_const, vir_n(x.base->elem == DT_U8 ? 128 : -128));
    v = VIR_LET(b, "w", int_sub, vir_v(v), vir_v(shift));
  }
  vir_do(b, ops_of(y.base)->put, VIR_ARGS(vir_at(y), vir_v(v)));
}

/* Bytes of planes, and what takes them from one storage to the other, as in copy_element. */
static void copy_pixels(const void *user, VirBuilder *b, const VirAddr *at, const Pixels *p) {
  bool flip = *(const bool *)user;
  DType from = at[1].base->elem;
  const VirVar *q[PIXELS_MAX_CHANNELS];
  for (int j = 0; j < p->channels; j++)
    q[j] = vir_let(b, "v", act_ops(from)->load, VIR_ARGS(vir_at(pixels_plane(p, at, j))));
  pixels_store(p, b, at[0], q, !flip ? 0 : from == DT_U8 ? -128 : 128);
}

static void copy_pixel_element(const void *user, VirBuilder *b, const VirAddr *at) {
  copy_element(b, at[1], at[0], *(const bool *)user);
}

void copy_block(Cg *cg, VirBuilder *b, const VirBase *x, const VirBase *y, const CopyBlock *block,
                bool flip) {
  Nest nest = {.n = block->rank, .n_arrays = 2, .offset = {block->offset_y, block->offset_x}};
  for (int i = 0; i < block->rank; i++) {
    if (block->dim[i] == 0) return;
    nest.dim[i] = block->dim[i];
    nest.stride[0][i] = block->stride_y[i];
    nest.stride[1][i] = block->stride_x[i];
  }
  nest_simplify(&nest);
  const VirBase *bases[2] = {y, x};
  VirAddr at[2];
  Pixels pixels;
  bool is_image = dtype_info[y->elem].bytes == 1 && pixels_in(&nest, cg->target, &pixels);
  nest_open(b, &nest, bases, at);
  if (is_image) {
    pixels_emit(&pixels, b, &nest, at, &(PixelOps){copy_pixels, copy_pixel_element, &flip});
    nest_close(b, &nest);
    return;
  }
  int inner = nest.n - 1;
  int64_t count = nest.dim[inner];
  if (count > 1 && nest.stride[0][inner] == 1 && nest.stride[1][inner] == 1) {
    copy_run(cg, b, at[1], at[0], count, flip);
  } else {
    const VirVar *k = count > 1 ? vir_loop(b, "c", 0, count, 1) : NULL;
    copy_element(b, k ? vir_plus(at[1], k, nest.stride[1][inner]) : at[1],
                 k ? vir_plus(at[0], k, nest.stride[0][inner]) : at[0], flip);
    if (k) vir_end(b);
  }
  nest_close(b, &nest);
}

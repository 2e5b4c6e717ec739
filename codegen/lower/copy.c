/* Ops that only move values: identity (a change of layout), transpose, slice, expand, concat, pad. Each is
 * one or more strided copies. */
#include <math.h>

#include "codegen/copy.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

typedef struct {
  Cg *cg;
  VirBuilder b;
  const Node *node;
  const Tensor *y;
  const Storage *sy;
  const VirBase *base_y;
} Copy;

/* A block over the whole of x, as it lies, onto y's dims of the same number. */
static CopyBlock whole(const Copy *c, const Tensor *x) {
  const Storage *sx = cg_storage(c->cg, x);
  CopyBlock k = {.rank = x->type.shape.rank, .offset_x = sx->offset, .offset_y = c->sy->offset};
  for (int i = 0; i < k.rank; i++) {
    k.dim[i] = x->type.shape.dim[i];
    k.stride_x[i] = sx->stride[i];
    k.stride_y[i] = c->sy->stride[i];
  }
  return k;
}

static void emit_block(Copy *c, const Tensor *x, const VirBase *base_x, const CopyBlock *k) {
  copy_block(c->cg, &c->b, base_x, c->base_y, k, copy_flips(cg_storage(c->cg, x), c->sy));
}

static void identity_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  CopyBlock k = whole(c, x);
  emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &k);
}

static void transpose_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const int64_t *perm = ATTRS(c->node, TransposeAttrs)->perm.v;
  CopyBlock k = whole(c, x);
  for (int i = 0; i < k.rank; i++) k.stride_y[perm[i]] = c->sy->stride[i];
  emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &k);
}

static void slice_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const SliceAttrs *a = ATTRS(c->node, SliceAttrs);
  CopyBlock k = whole(c, x);
  for (int i = 0; i < k.rank; i++) {
    k.offset_x += a->start.v[i] * k.stride_x[i];
    k.stride_x[i] *= a->step.v[i];
    k.dim[i] = c->y->type.shape.dim[i];
  }
  emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &k);
}

/* Every element as often as the result has it. */
static void expand_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const Shape *from = &x->type.shape, *to = &c->y->type.shape;
  const Storage *sx = cg_storage(c->cg, x);
  CopyBlock k = {.rank = to->rank, .offset_x = sx->offset, .offset_y = c->sy->offset};
  for (int i = 0; i < k.rank; i++) {
    int own = i - (to->rank - from->rank);
    k.dim[i] = to->dim[i];
    k.stride_x[i] = own < 0 || from->dim[own] == 1 ? 0 : sx->stride[own];
    k.stride_y[i] = c->sy->stride[i];
  }
  emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &k);
}

/* Operands that one kernel takes: a call of hundreds of arguments would be no C99. */
enum { CONCAT_OPERANDS = 6 };

/* Operands [first, end), which begin at index `at` of the axis; returns where they end. */
static int64_t concat_blocks(Copy *c, int first, int end, int64_t at) {
  int64_t axis = ATTRS(c->node, AxisAttrs)->axis;
  if (axis < 0) axis += c->y->type.shape.rank;
  for (int i = first; i < end; i++) {
    const Tensor *x = c->node->operands[i];
    if (!shape_count(&x->type.shape)) continue;
    CopyBlock k = whole(c, x);
    k.offset_y += at * k.stride_y[axis];
    at += x->type.shape.dim[axis];
    emit_block(c, x, cg_read(c->cg, &c->b, x, arena_printf(c->cg->arena, "x%d", i)), &k);
  }
  return at;
}

/* The real value `value` over the whole of y, before the inside is copied. */
static void fill(Copy *c, float value) {
  const Shape *shape = &c->y->type.shape;
  const VirVar *v;
  VirOp put = VIR_put_f32;
  if (tensor_is_quantized(c->y)) {
    const DTypeInfo *dt = &dtype_info[c->y->type.dtype];
    int32_t q =
        quantize_value(value, tensor_scale(c->y), tensor_zero(c->y), (int32_t)dt->min, (int32_t)dt->max);
    v = VIR_ONCE(&c->b, "value", int_const, vir_n(q - c->sy->bias));
    put = act_ops(c->sy->elem)->put;
  } else if (c->y->type.dtype != DT_F32) {
    v = VIR_ONCE(&c->b, "value", int_const, vir_n((int64_t)value - c->sy->bias));
    put = c->sy->elem == DT_S32 ? VIR_put_s32 : act_ops(c->sy->elem)->put;
  } else {
    v = VIR_ONCE(&c->b, "value", float_const, vir_m(value));
  }
  VirAddr at = vir_addr(c->base_y, c->sy->offset);
  int loops = 0;
  for (int i = 0; i < shape->rank; i++)
    if (shape->dim[i] > 1) {
      at = vir_plus(at, vir_loop(&c->b, arena_printf(c->cg->arena, "i%d", i), 0, shape->dim[i], 1),
                    c->sy->stride[i]);
      loops++;
    }
  vir_do(&c->b, put, VIR_ARGS(vir_at(at), vir_v(v)));
  while (loops--) vir_end(&c->b);
}

/* One side of one dim, from what the result already holds: its inside, widened by the dims before this one.
 */
static void pad_side(Copy *c, const PadAttrs *a, int dim, bool after) {
  const Shape *sx = &c->node->operands[0]->type.shape, *sy = &c->y->type.shape;
  const int64_t *stride = c->sy->stride;
  int64_t before = a->pads.v[dim], n = sx->dim[dim], count = after ? a->pads.v[sx->rank + dim] : before;
  bool reflect = a->mode == PAD_REFLECT;
  int64_t source = reflect ? (after ? n - 2 : before) : after ? n - 1 : 0; /* the first element's, in x */
  CopyBlock k = {.rank = sx->rank, .offset_x = c->sy->offset, .offset_y = c->sy->offset};
  for (int i = 0; i < k.rank; i++) {
    int64_t inside = i > dim ? a->pads.v[i] * stride[i] : 0;
    k.dim[i] = i < dim ? sy->dim[i] : i == dim ? count : sx->dim[i];
    k.stride_x[i] = k.stride_y[i] = stride[i];
    k.offset_x += inside;
    k.offset_y += inside;
  }
  k.stride_x[dim] *= reflect ? -1 : 0;
  k.offset_x += (before + source) * stride[dim];
  k.offset_y += after ? (before + n) * stride[dim] : 0;
  copy_block(c->cg, &c->b, c->base_y, c->base_y, &k, false);
}

static void pad_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const PadAttrs *a = ATTRS(c->node, PadAttrs);
  CopyBlock inside = whole(c, x);
  for (int i = 0; i < inside.rank; i++) inside.offset_y += a->pads.v[i] * inside.stride_y[i];
  if (a->mode == PAD_CONSTANT) fill(c, a->value);
  emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &inside);
  if (a->mode == PAD_CONSTANT) return;
  for (int i = 0; i < inside.rank; i++) {
    pad_side(c, a, i, false);
    pad_side(c, a, i, true);
  }
}

static const struct {
  void (*blocks)(Copy *);
} copies[OP_COUNT] = {[OP_identity] = {identity_blocks},
                      [OP_transpose] = {transpose_blocks},
                      [OP_slice] = {slice_blocks},
                      [OP_expand] = {expand_blocks},
                      [OP_pad] = {pad_blocks}};

static void begin(Copy *c, const char *what, const char *comment) {
  cg_kernel(c->cg, &c->b, c->node, what, "%s%s -> %s", comment,
            type_text(c->cg->arena, &c->node->operands[0]->type), type_text(c->cg->arena, &c->y->type));
  c->base_y = cg_write(c->cg, &c->b, c->y, "y");
}

static bool concat_emit(Copy *c) {
  const Node *n = c->node;
  for (int i = 0; i < n->n_operands; i++)
    if (!quant_equal(n->operands[i]->type.quant, c->y->type.quant))
      return diag_error(c->cg->diag, node_loc(n),
                        "'%s': operand %d has other quantization parameters than the result", c->y->name,
                        i + 1);
  int64_t at = 0;
  for (int first = 0; first < n->n_operands; first += CONCAT_OPERANDS) {
    int end = first + CONCAT_OPERANDS < n->n_operands ? first + CONCAT_OPERANDS : n->n_operands;
    if (n->n_operands <= CONCAT_OPERANDS) {
      begin(c, "", "");
    } else {
      begin(c, arena_printf(c->cg->arena, "part%d", first / CONCAT_OPERANDS + 1),
            arena_printf(c->cg->arena, "operands %d to %d, the first of all ", first + 1, end));
    }
    at = concat_blocks(c, first, end, at);
    cg_done(c->cg, &c->b);
  }
  return true;
}

static bool copy_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  Copy c = {.cg = cg, .node = n, .y = n->results[0], .sy = cg_storage(cg, n->results[0])};
  if (n->op == OP_concat) return concat_emit(&c);
  begin(&c, "", "");
  copies[n->op].blocks(&c);
  cg_done(cg, &c.b);
  return true;
}

const Lowering lower_copy = {.any_strides = true, .emit = copy_emit};

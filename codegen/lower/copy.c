/* Ops that only move values: identity (a change of layout), transpose, slice, concat, pad. Each is one or
 * more strided copies. */
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

static void concat_blocks(Copy *c) {
  int64_t axis = ATTRS(c->node, AxisAttrs)->axis, at = 0;
  if (axis < 0) axis += c->y->type.shape.rank;
  for (int i = 0; i < c->node->n_operands; i++) {
    const Tensor *x = c->node->operands[i];
    CopyBlock k = whole(c, x);
    k.offset_y += at * k.stride_y[axis];
    at += x->type.shape.dim[axis];
    emit_block(c, x, cg_read(c->cg, &c->b, x, arena_printf(c->cg->arena, "x%d", i)), &k);
  }
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

/* The three parts of a padded dim: before, inside, after. In part p: how many elements, the first one's index
 * in x, the step in x. */
static void pad_part(const PadAttrs *a, int64_t before, int64_t inside, int64_t after, int p, int64_t *count,
                     int64_t *first, int64_t *step) {
  *count = p == 0 ? before : p == 1 ? inside : after;
  *step = p == 1 ? 1 : a->mode == PAD_REFLECT ? -1 : 0;
  *first = p == 1 ? 0 : a->mode == PAD_REFLECT ? (p == 0 ? before : inside - 2) : (p == 0 ? 0 : inside - 1);
}

static void pad_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const PadAttrs *a = ATTRS(c->node, PadAttrs);
  const VirBase *base_x = cg_read(c->cg, &c->b, x, "x");
  int rank = x->type.shape.rank, combinations = 1;
  if (a->mode == PAD_CONSTANT) fill(c, a->value);
  for (int i = 0; i < rank; i++) combinations *= 3;
  for (int m = 0; m < combinations; m++) {
    CopyBlock k = whole(c, x);
    bool inside = true, empty = false;
    for (int i = rank - 1, code = m; i >= 0; i--, code /= 3) {
      int64_t before = a->pads.v[i], n = x->type.shape.dim[i], count, first, step;
      pad_part(a, before, n, a->pads.v[rank + i], code % 3, &count, &first, &step);
      inside &= code % 3 == 1;
      empty |= count == 0;
      k.offset_y += (code % 3 == 0 ? 0 : code % 3 == 1 ? before : before + n) * k.stride_y[i];
      k.offset_x += first * k.stride_x[i];
      k.stride_x[i] *= step;
      k.dim[i] = count;
    }
    if (!empty && (inside || a->mode != PAD_CONSTANT)) emit_block(c, x, base_x, &k);
  }
}

static const struct {
  void (*blocks)(Copy *);
} copies[OP_COUNT] = {[OP_identity] = {identity_blocks},
                      [OP_transpose] = {transpose_blocks},
                      [OP_slice] = {slice_blocks},
                      [OP_concat] = {concat_blocks},
                      [OP_pad] = {pad_blocks}};

static bool copy_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  Copy c = {.cg = cg, .node = n, .y = n->results[0], .sy = cg_storage(cg, n->results[0])};
  for (int i = 0; i < n->n_operands; i++)
    if (n->op == OP_concat && !quant_equal(n->operands[i]->type.quant, c.y->type.quant))
      return diag_error(cg->diag, node_loc(n),
                        "'%s': operand %d has other quantization parameters than the result", c.y->name,
                        i + 1);
  cg_kernel(cg, &c.b, n, "", "%s -> %s", type_text(cg->arena, &n->operands[0]->type),
            type_text(cg->arena, &c.y->type));
  c.base_y = cg_write(cg, &c.b, c.y, "y");
  copies[n->op].blocks(&c);
  cg_done(cg, &c.b);
  return true;
}

const Lowering lower_copy = {.any_strides = true, .emit = copy_emit};

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

/* An operand that is copied, and where it begins on the axis. */
typedef struct {
  int operand;
  int64_t at;
} Part;

static void concat_block(Copy *c, const Part *p) {
  const Tensor *x = c->node->operands[p->operand];
  CopyBlock k = whole(c, x);
  k.offset_y += p->at * k.stride_y[concat_axis(c->node)];
  emit_block(c, x, cg_read(c->cg, &c->b, x, arena_printf(c->cg->arena, "x%d", p->operand)), &k);
}

/* All but what lies in its place already. */
static int copied_parts(const Copy *c, Part *parts) {
  const Node *n = c->node;
  int count = 0;
  int64_t at = 0;
  for (int i = 0; i < n->n_operands; i++) {
    const Shape *s = &n->operands[i]->type.shape;
    if (shape_count(s) && !cg_lies_in_place(c->cg, n, i)) parts[count++] = (Part){i, at};
    at += s->dim[concat_axis(n)];
  }
  return count;
}

/* The elements of one side of one dim: the inside, widened by the dims before this one. All sides of all dims
 * are what is around the inside. */
static CopyBlock side_block(const Copy *c, const PadAttrs *a, int dim, bool after) {
  const Shape *sx = &c->node->operands[0]->type.shape, *sy = &c->y->type.shape;
  int64_t before = a->pads.v[dim], count = after ? a->pads.v[sx->rank + dim] : before;
  CopyBlock k = {.rank = sx->rank, .offset_y = c->sy->offset};
  for (int i = 0; i < k.rank; i++) {
    k.dim[i] = i < dim ? sy->dim[i] : i == dim ? count : sx->dim[i];
    k.stride_y[i] = c->sy->stride[i];
    if (i > dim) k.offset_y += a->pads.v[i] * k.stride_y[i];
  }
  if (after) k.offset_y += (before + sx->dim[dim]) * k.stride_y[dim];
  return k;
}

/* The real value that fills, as stored. */
static const VirVar *fill_value(Copy *c, float value, VirOp *put) {
  if (c->y->type.dtype == DT_F32) {
    *put = VIR_put_f32;
    return VIR_ONCE(&c->b, "value", float_const, vir_m(value));
  }
  *put = c->sy->elem == DT_S32 ? VIR_put_s32 : act_ops(c->sy->elem)->put;
  int64_t q = (int64_t)value;
  if (tensor_is_quantized(c->y)) {
    const DTypeInfo *dt = &dtype_info[c->y->type.dtype];
    q = quantize_value(value, tensor_scale(c->y), tensor_zero(c->y), (int32_t)dt->min, (int32_t)dt->max);
  }
  return VIR_ONCE(&c->b, "value", int_const, vir_n(q - c->sy->bias));
}

static void fill_side(Copy *c, const CopyBlock *k, float value) {
  VirOp put;
  const VirVar *v = fill_value(c, value, &put);
  VirAddr at = vir_addr(c->base_y, k->offset_y);
  int loops = 0;
  for (int i = 0; i < k->rank; i++)
    if (k->dim[i] > 1) {
      at = vir_plus(at, vir_loop(&c->b, arena_printf(c->cg->arena, "i%d", i), 0, k->dim[i], 1),
                    k->stride_y[i]);
      loops++;
    }
  vir_do(&c->b, put, VIR_ARGS(vir_at(at), vir_v(v)));
  while (loops--) vir_end(&c->b);
}

/* From what the result already holds. */
static void mirror_side(Copy *c, CopyBlock *k, int dim, bool reflect, bool after) {
  int64_t before = ATTRS(c->node, PadAttrs)->pads.v[dim], n = c->node->operands[0]->type.shape.dim[dim];
  int64_t source = reflect ? (after ? n - 2 : before) : after ? n - 1 : 0; /* the first element's, in x */
  for (int i = 0; i < k->rank; i++) k->stride_x[i] = k->stride_y[i];
  k->stride_x[dim] *= reflect ? -1 : 0;
  k->offset_x = k->offset_y + (before + source - (after ? before + n : 0)) * k->stride_y[dim];
  copy_block(c->cg, &c->b, c->base_y, c->base_y, k, false);
}

static void pad_blocks(Copy *c) {
  const Tensor *x = c->node->operands[0];
  const PadAttrs *a = ATTRS(c->node, PadAttrs);
  if (!cg_lies_in_place(c->cg, c->node, 0)) {
    CopyBlock inside = whole(c, x);
    for (int i = 0; i < inside.rank; i++) inside.offset_y += a->pads.v[i] * inside.stride_y[i];
    emit_block(c, x, cg_read(c->cg, &c->b, x, "x"), &inside);
  }
  for (int side = 0; side < 2 * x->type.shape.rank; side++) {
    CopyBlock k = side_block(c, a, side / 2, side % 2);
    int64_t count = 1;
    for (int i = 0; i < k.rank; i++) count *= k.dim[i];
    if (!count) continue;
    if (a->mode == PAD_CONSTANT)
      fill_side(c, &k, a->value);
    else
      mirror_side(c, &k, side / 2, a->mode == PAD_REFLECT, side % 2);
  }
}

static const struct {
  void (*blocks)(Copy *);
} copies[OP_COUNT] = {[OP_identity] = {identity_blocks},
                      [OP_transpose] = {transpose_blocks},
                      [OP_slice] = {slice_blocks},
                      [OP_expand] = {expand_blocks},
                      [OP_pad] = {pad_blocks}};

static void begin(Copy *c) {
  cg_kernel(c->cg, &c->b, c->node, "", "%s -> %s", type_text(c->cg->arena, &c->node->operands[0]->type),
            type_text(c->cg->arena, &c->y->type));
  c->base_y = cg_write(c->cg, &c->b, c->y, "y");
}

/* The kernel of the parts [first, end). */
static void begin_concat(Copy *c, const Part *parts, int count, int first, int end) {
  Arena *a = c->cg->arena;
  bool whole = count == c->node->n_operands && count <= CONCAT_OPERANDS;
  const char *what = count > CONCAT_OPERANDS ? arena_printf(a, "part%d", first / CONCAT_OPERANDS + 1) : "";
  StrBuf text;
  strbuf_init(&text, a);
  if (!whole) strbuf_printf(&text, "%s", end - first > 1 ? "operands" : "operand");
  for (int i = first; i < end && !whole; i++)
    strbuf_printf(&text, "%s %d", i > first ? "," : "", parts[i].operand + 1);
  cg_kernel(c->cg, &c->b, c->node, what, "%s%s%s -> %s", text.text, whole ? "" : ", as ",
            type_text(a, &c->node->operands[parts[first].operand]->type), type_text(a, &c->y->type));
  c->base_y = cg_write(c->cg, &c->b, c->y, "y");
}

static bool concat_emit(Copy *c) {
  const Node *n = c->node;
  for (int i = 0; i < n->n_operands; i++)
    if (!quant_equal(n->operands[i]->type.quant, c->y->type.quant))
      return diag_error(c->cg->diag, node_loc(n),
                        "'%s': operand %d has other quantization parameters than the result", c->y->name,
                        i + 1);
  Part *parts = ARENA_NEW_ARRAY(c->cg->arena, Part, (size_t)n->n_operands);
  int count = copied_parts(c, parts);
  for (int first = 0; first < count; first += CONCAT_OPERANDS) {
    int end = first + CONCAT_OPERANDS < count ? first + CONCAT_OPERANDS : count;
    begin_concat(c, parts, count, first, end);
    for (int i = first; i < end; i++) concat_block(c, &parts[i]);
    cg_done(c->cg, &c->b);
  }
  return true;
}

/* The operands of `part`, and in place of one that is a concatenation itself its own, are those of `n` from
 * *at on, of which they may not be the last. */
static bool continues_with(const Node *n, const Node *part, int *at) {
  if (part->op != OP_concat || concat_axis(part) != concat_axis(n)) return false;
  for (int i = 0; i < part->n_operands; i++) {
    const Tensor *t = part->operands[i];
    if (*at >= n->n_operands - 1) return false;
    if (t == n->operands[*at]) {
      ++*at;
    } else if (!t->producer || !continues_with(n, t->producer, at)) {
      return false;
    }
  }
  return true;
}

static bool has_one_type(const Node *n) {
  for (int i = 0; i < n->n_operands; i++)
    if (!quant_equal(n->operands[i]->type.quant, n->results[0]->type.quant)) return false;
  return true;
}

/* concat(a, b, c) after concat(a, b) joins that with c, so that a and b can lie in both. */
static bool copy_expand(Cg *cg, Node *n) {
  Node *part = NULL;
  int most = 1;
  if (n->op != OP_concat || !has_one_type(n)) return true;
  for (Node *m = n->prev; m; m = m->prev) {
    int at = 0;
    if (!continues_with(n, m, &at) || at <= most || !has_one_type(m)) continue;
    most = at;
    part = m;
  }
  if (!part) return true;
  int count = 1;
  Tensor **operands = ARENA_NEW_ARRAY(cg->arena, Tensor *, (size_t)n->n_operands);
  operands[0] = part->results[0];
  for (int i = most; i < n->n_operands; i++) operands[count++] = n->operands[i];
  node_set_operands(n, operands, count);
  return true;
}

static bool copy_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  Copy c = {.cg = cg, .node = n, .y = n->results[0], .sy = cg_storage(cg, n->results[0])};
  if (n->op == OP_concat) return concat_emit(&c);
  if (n->op != OP_pad && cg_lies_in_place(cg, n, 0)) return true;
  begin(&c);
  copies[n->op].blocks(&c);
  cg_done(cg, &c.b);
  return true;
}

const Lowering lower_copy = {.any_strides = true, .expand = copy_expand, .emit = copy_emit};

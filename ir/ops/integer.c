/* Products of integers as they are, without scales: ONNX's ConvInteger and MatMulInteger.
 * conv_integer(%x [N,IC,H,W], @w [OC,IC/groups,KH,KW], %x_zero?, @w_zero?) { as conv2d }: s32
 * matmul_integer(%a [...,M,K], %b [...,K,N], %a_zero?, %b_zero?): s32 */
#include "ir/ops/broadcast.h"
#include "ir/ops/conv.h"
#include "ir/ops/dense.h"

/* Integers that stand for real values count as what they are. */
static bool is_integer8(const Type *t) {
  return (t->dtype == DT_U8 || t->dtype == DT_S8) && (!t->quant || t->quant->axis < 0);
}

static bool check_factor(Diag *d, const Node *n, int i) {
  const Type *t = &n->operands[i]->type;
  return is_integer8(t) ||
         diag_error(d, node_loc(n),
                    "operand %d of %s must be u8 or s8, quantized per tensor or not at all, not %s", i + 1,
                    op_info[n->op]->name, type_text(d->arena, t));
}

/* Operand i + 2 is the zero point of operand i: of its element type, one, or `channels` constant ones. */
static bool check_zero(Diag *d, const Node *n, int i, int64_t channels) {
  const Tensor *zero = node_operand(n, i + 2);
  const char *op = op_info[n->op]->name;
  if (!zero) return true;
  const Type *t = &zero->type, *x = &n->operands[i]->type;
  if (t->dtype != x->dtype || t->quant)
    return diag_error(d, node_loc(n), "the zero point of operand %d of %s must be %s, not %s", i + 1, op,
                      dtype_info[x->dtype].name, type_text(d->arena, t));
  int64_t count = shape_count(&t->shape);
  if (t->shape.rank > 1 || (count != 1 && count != channels))
    return diag_error(
        d, node_loc(n), "the zero point of operand %d of %s must be one%s, not %s", i + 1, op,
        channels ? arena_printf(d->arena, ", or one for each of %lld channels", (long long)channels) : "",
        shape_text(d->arena, &t->shape));
  if (count > 1 && !tensor_is_const(zero))
    return diag_error(d, node_loc(n), "the zero points of operand %d of %s must be constant", i + 1, op);
  return true;
}

/* The integers of operand i with its zero points, which go to the arena. */
static DotSource source_of(Arena *a, const Node *n, int i, const void *const *in) {
  const Tensor *t = n->operands[i], *zero = node_operand(n, i + 2);
  DotSource s = {in[i], t->type.dtype, NULL, NULL, 0};
  if (!zero) return s;
  s.n_zeros = shape_count(&zero->type.shape);
  int32_t *z = ARENA_NEW_ARRAY(a, int32_t, (size_t)s.n_zeros);
  for (int64_t k = 0; k < s.n_zeros; k++)
    z[k] = s.dtype == DT_U8 ? ((const uint8_t *)in[i + 2])[k] : ((const int8_t *)in[i + 2])[k];
  s.zero = z;
  return s;
}

/* ---- conv_integer ---- */

static bool infer_conv_integer(Diag *d, Node *n, Type *results) {
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  results[0].dtype = DT_S32;
  return check_factor(d, n, 0) && check_factor(d, n, 1) && conv_check(d, n, x, w, &results[0].shape) &&
         check_zero(d, n, 0, 0) && check_zero(d, n, 1, w->dim[0]);
}

static void eval_conv_integer(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  DotSource x = source_of(ctx->scratch, n, 0, in), w = source_of(ctx->scratch, n, 1, in);
  conv_compute(ctx->scratch, n, &x, &n->operands[0]->type.shape, &w, &n->operands[1]->type.shape,
               &(DotOutput){.kind = DOT_SUM}, out[0]);
}

static int64_t macs_conv_integer(const Node *n) {
  const Shape *w = &n->operands[1]->type.shape;
  return shape_count(&n->results[0]->type.shape) * w->dim[1] * w->dim[2] * w->dim[3];
}

static const AttrDesc conv_integer_attrs[] = {
    {"stride", ATTR_INTS, offsetof(ConvAttrs, stride), .count = 2},
    {"pad", ATTR_INTS, offsetof(ConvAttrs, pad), .count = 4},
    {"dilation", ATTR_INTS, offsetof(ConvAttrs, dilation), .count = 2},
    {"groups", ATTR_INT, offsetof(ConvAttrs, groups)},
    {0}};

const OpInfo op_conv_integer = {.name = "conv_integer",
                                .min_operands = 2,
                                .max_operands = 4,
                                .n_results = 1,
                                .attrs_size = sizeof(ConvAttrs),
                                .attr_defaults = &conv2d_defaults,
                                .attrs = conv_integer_attrs,
                                .quant = QUANT_CONVERT,
                                .infer = infer_conv_integer,
                                .eval = eval_conv_integer,
                                .macs = macs_conv_integer};

/* ---- matmul_integer ---- */

static bool infer_matmul_integer(Diag *d, Node *n, Type *results) {
  const Shape *a = &n->operands[0]->type.shape, *b = &n->operands[1]->type.shape;
  results[0].dtype = DT_S32;
  return check_factor(d, n, 0) && check_factor(d, n, 1) && matmul_check(d, n, a, b, &results[0].shape) &&
         check_zero(d, n, 0, 0) && check_zero(d, n, 1, b->dim[b->rank - 1]);
}

static void eval_matmul_integer(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Shape *sa = &n->operands[0]->type.shape, *sb = &n->operands[1]->type.shape;
  DotSource a = source_of(ctx->scratch, n, 0, in), b = source_of(ctx->scratch, n, 1, in);
  int64_t rows = sa->dim[sa->rank - 2], k = sa->dim[sa->rank - 1], columns = sb->dim[sb->rank - 1];
  float *real_a = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)shape_count(sa));
  float *turned = ARENA_NEW_ARRAY(ctx->scratch, float, (size_t)(k * columns)); /* b as [N, K] */
  dot_load_channel(&a, 0, shape_count(sa), 0, real_a, 1);
  Shape batch = n->results[0]->type.shape, batch_a = *sa, batch_b = *sb;
  batch.rank -= 2, batch_a.rank -= 2, batch_b.rank -= 2;
  int64_t stride_a[MAX_RANK], stride_b[MAX_RANK];
  broadcast_strides(&batch_a, &batch, stride_a);
  broadcast_strides(&batch_b, &batch, stride_b);
  for (int64_t i = 0, count = shape_count(&batch); i < count; i++) {
    int64_t first = broadcast_offset(&batch, stride_b, i) * k * columns;
    for (int64_t r = 0; r < k; r++)
      for (int64_t c = 0; c < columns; c++) /* a row of b is one element of each channel */
        dot_load_channel(&b, first + r * columns + c, 1, c, turned + c * k + r, 1);
    DotSource x = {real_a + broadcast_offset(&batch, stride_a, i) * rows * k, DT_F32, NULL, NULL, 0};
    DotSource w = {turned, DT_F32, NULL, NULL, 0};
    dot_rows(ctx->scratch, &x, &w, &(DotOutput){.kind = DOT_SUM}, rows, k, columns,
             (int32_t *)out[0] + i * rows * columns);
  }
}

static int64_t macs_matmul_integer(const Node *n) {
  const Shape *a = &n->operands[0]->type.shape;
  return shape_count(&n->results[0]->type.shape) * a->dim[a->rank - 1];
}

const OpInfo op_matmul_integer = {.name = "matmul_integer",
                                  .min_operands = 2,
                                  .max_operands = 4,
                                  .n_results = 1,
                                  .quant = QUANT_CONVERT,
                                  .infer = infer_matmul_integer,
                                  .eval = eval_matmul_integer,
                                  .macs = macs_matmul_integer};

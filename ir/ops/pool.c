/* max_pool2d, avg_pool2d over [N,C,H,W] { kernel, stride, pad, dilation, pad_extra, count_include_pad } and
 * global_avg_pool over everything behind [N,C]. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/ops/window.h"
#include "ir/quant.h"
#include "ir/refmath.h"

/* The input positions that count, along dim i: those of the image, or with count_include_pad the padding as
 * well, except for what ceil_mode added. */
static void counted(const Node *n, const WindowDim *w, int i, int64_t *lo, int64_t *hi) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  bool with_pad = n->op == OP_avg_pool2d && a->count_include_pad;
  *lo = with_pad ? -w->before : 0;
  *hi = with_pad ? w->in + w->after - a->pad_extra.v[i] : w->in;
}

/* The least and the greatest number of counted taps over all positions of dim i. */
static void count_range(const Node *n, const WindowDim *w, int i, int64_t *least, int64_t *most) {
  int64_t lo, hi, first, end;
  counted(n, w, i, &lo, &hi);
  *least = INT64_MAX;
  *most = 0;
  for (int64_t o = 0; o < w->out; o++) {
    window_taps(w, o, lo, hi, &first, &end);
    if (end - first < *least) *least = end - first;
    if (end - first > *most) *most = end - first;
  }
}

/* What an average of quantized elements needs: a sum that fits 32 bits, multipliers by rule 3. */
static bool check_average(Diag *d, const Node *n, int64_t least, int64_t most) {
  const Tensor *r = n->results[0];
  float m;
  if (!tensor_is_quantized(n->operands[0])) return true;
  if (most > INT32_MAX / 255)
    return diag_error(d, node_loc(n), "%s: %lld quantized elements cannot be summed in 32 bits",
                      op_info[n->op]->name, (long long)most);
  if (r->type.dtype == DT_NONE) return true;
  float s_in = tensor_scale(n->operands[0]), s_out = tensor_scale(r);
  if (pool_multiplier(s_in, s_out, least, &m) && pool_multiplier(s_in, s_out, most, &m)) return true;
  return diag_error(d, node_loc(n), "%s '%s': the multiplier %g / (%g * %lld) is not a normal number",
                    op_info[n->op]->name, r->name, (double)s_in, (double)s_out, (long long)most);
}

static bool check_windows(Diag *d, Node *n, Type *results, int64_t least[2], int64_t most[2]) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  const char *op = op_info[n->op]->name;
  const Shape *x = &n->operands[0]->type.shape;
  if (!infer_real_operand(d, n, 0)) return false;
  if (a->kernel.n != 2)
    return diag_error(d, node_loc(n), "%s needs 2 values for kernel, not %d", op, a->kernel.n);
  WindowDim w[2];
  if (!window_check(d, n, x, a->kernel.v, &a->stride, &a->pad, &a->dilation, w)) return false;
  if (a->pad_extra.n != 2)
    return diag_error(d, node_loc(n), "%s needs 2 values for pad_extra, not %d", op, a->pad_extra.n);
  for (int i = 0; i < 2; i++) {
    if (a->pad_extra.v[i] < 0 || a->pad_extra.v[i] > w[i].after)
      return diag_error(d, node_loc(n), "%s: pad_extra of %lld is not within the pad of %lld", op,
                        (long long)a->pad_extra.v[i], (long long)w[i].after);
    count_range(n, &w[i], i, &least[i], &most[i]);
    if (least[i] == 0)
      return diag_error(
          d, node_loc(n), "%s: a window of %lld lies wholly in the padding of [%lld, %lld] around %lld", op,
          (long long)w[i].kernel, (long long)w[i].before, (long long)w[i].after, (long long)w[i].in);
  }
  results[0].shape = shape_of(4, x->dim[0], x->dim[1], w[0].out, w[1].out);
  return true;
}

static bool infer_max_pool2d(Diag *d, Node *n, Type *results) {
  int64_t least[2], most[2];
  results[0].dtype = n->operands[0]->type.dtype;
  results[0].quant = n->operands[0]->type.quant;
  return check_windows(d, n, results, least, most);
}

static bool infer_avg_pool2d(Diag *d, Node *n, Type *results) {
  int64_t least[2], most[2];
  return check_windows(d, n, results, least, most) && infer_real_result(d, n, &results[0]) &&
         check_average(d, n, least[0] * least[1], most[0] * most[1]);
}

static int64_t spatial_count(const Shape *x) {
  int64_t count = 1;
  for (int i = 2; i < x->rank; i++) count *= x->dim[i];
  return count;
}

static bool infer_global_avg_pool(Diag *d, Node *n, Type *results) {
  const Shape *x = &n->operands[0]->type.shape;
  if (!infer_real_operand(d, n, 0)) return false;
  if (x->rank < 3)
    return diag_error(d, node_loc(n), "operand 1 of global_avg_pool must be [N, C, ...], not %s",
                      shape_text(d->arena, x));
  int64_t count = spatial_count(x);
  if (count < 1)
    return diag_error(d, node_loc(n), "global_avg_pool: the mean of no elements of %s",
                      shape_text(d->arena, x));
  results[0].shape = *x;
  for (int i = 2; i < x->rank; i++) results[0].shape.dim[i] = 1;
  return infer_real_result(d, n, &results[0]) && check_average(d, n, count, count);
}

static void pool_dims(const Node *n, WindowDim w[2]) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  window_dims(&n->operands[0]->type.shape, a->kernel.v, &a->stride, &a->pad, &a->dilation, w);
}

/* The taps of one output position that lie in the image. */
typedef struct {
  int64_t y, x;       /* the first one's place in the image */
  int64_t rows, cols; /* how many */
  int64_t row, col;   /* elements between them */
} Taps;

static Taps taps_at(const WindowDim w[2], int64_t oy, int64_t ox) {
  int64_t kh0, kh1, kw0, kw1;
  window_taps(&w[0], oy, 0, w[0].in, &kh0, &kh1);
  window_taps(&w[1], ox, 0, w[1].in, &kw0, &kw1);
  return (Taps){.y = oy * w[0].stride - w[0].before + kh0 * w[0].dilation,
                .x = ox * w[1].stride - w[1].before + kw0 * w[1].dilation,
                .rows = kh1 - kh0,
                .cols = kw1 - kw0,
                .row = w[0].dilation * w[1].in,
                .col = w[1].dilation};
}

/* What is done with the taps of one position. `first`: the element of the operand that they begin at;
 * `counted`: how many an average counts; `o`: the element of the result. */
typedef void (*PoolTaps)(const Node *n, const Taps *t, int64_t first, int64_t counted, const void *in,
                         void *out, int64_t o);

static void for_each_window(const Node *n, const void *in, void *out, PoolTaps pool) {
  const Shape *s = &n->results[0]->type.shape;
  WindowDim w[2];
  pool_dims(n, w);
  int64_t lo[2], hi[2], first, end, o = 0;
  for (int i = 0; i < 2; i++) counted(n, &w[i], i, &lo[i], &hi[i]);
  for (int64_t plane = 0; plane < s->dim[0] * s->dim[1]; plane++)
    for (int64_t oy = 0; oy < w[0].out; oy++) {
      window_taps(&w[0], oy, lo[0], hi[0], &first, &end);
      int64_t rows = end - first;
      for (int64_t ox = 0; ox < w[1].out; ox++, o++) {
        window_taps(&w[1], ox, lo[1], hi[1], &first, &end);
        Taps t = taps_at(w, oy, ox);
        pool(n, &t, (plane * w[0].in + t.y) * w[1].in + t.x, rows * (end - first), in, out, o);
      }
    }
}

/* Starts from the first tap; then v = v > x ? v : x in (kh, kw) order. */
static void max_float(const Node *n, const Taps *t, int64_t first, int64_t counted, const void *in, void *out,
                      int64_t o) {
  (void)n, (void)counted;
  const float *x = (const float *)in + first;
  float v = *x;
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t c = 0; c < t->cols; c++) v = ref_max(v, x[r * t->row + c * t->col]);
  ((float *)out)[o] = v;
}

static int32_t byte_at(const Node *n, const void *in, int64_t i) {
  return n->operands[0]->type.dtype == DT_U8 ? ((const uint8_t *)in)[i] : ((const int8_t *)in)[i];
}

static void max_quantized(const Node *n, const Taps *t, int64_t first, int64_t counted, const void *in,
                          void *out, int64_t o) {
  (void)counted;
  int32_t v = INT32_MIN;
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t c = 0; c < t->cols; c++) {
      int32_t x = byte_at(n, in, first + r * t->row + c * t->col);
      if (x > v) v = x;
    }
  ((uint8_t *)out)[o] = (uint8_t)v;
}

static void average_float(const Node *n, const Taps *t, int64_t first, int64_t counted, const void *in,
                          void *out, int64_t o) {
  (void)n;
  const float *x = (const float *)in + first;
  float sum = 0;
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t c = 0; c < t->cols; c++) sum += x[r * t->row + c * t->col];
  ((float *)out)[o] = sum / (float)counted;
}

static void average_quantized(const Node *n, const Taps *t, int64_t first, int64_t counted, const void *in,
                              void *out, int64_t o) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const DTypeInfo *to = &dtype_info[y->type.dtype];
  int64_t sum = 0;
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t c = 0; c < t->cols; c++)
      sum += byte_at(n, in, first + r * t->row + c * t->col) - tensor_zero(x);
  float m;
  if (!pool_multiplier(tensor_scale(x), tensor_scale(y), counted, &m)) BUG("multiplier of '%s'", y->name);
  ((uint8_t *)out)[o] = (uint8_t)requantize_wide(sum, m, tensor_zero(y), (int32_t)to->min, (int32_t)to->max);
}

static void eval_max_pool2d(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  for_each_window(n, in[0], out[0], tensor_is_quantized(n->operands[0]) ? max_quantized : max_float);
}

static void eval_avg_pool2d(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  for_each_window(n, in[0], out[0], tensor_is_quantized(n->operands[0]) ? average_quantized : average_float);
}

static void eval_global_avg_pool(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Shape *s = &n->operands[0]->type.shape;
  int64_t count = spatial_count(s);
  Taps t = {.rows = 1, .cols = count, .col = 1};
  PoolTaps average = tensor_is_quantized(n->operands[0]) ? average_quantized : average_float;
  for (int64_t i = 0; i < s->dim[0] * s->dim[1]; i++) average(n, &t, i * count, count, in[0], out[0], i);
}

static const PoolAttrs pool_defaults = {
    .stride = {2, {1, 1}}, .pad = {4, {0, 0, 0, 0}}, .dilation = {2, {1, 1}}, .pad_extra = {2, {0, 0}}};
#define POOL_WINDOW                                                                                          \
  {"kernel", ATTR_INTS, offsetof(PoolAttrs, kernel), .count = 2},                                            \
      {"stride", ATTR_INTS, offsetof(PoolAttrs, stride), .count = 2},                                        \
      {"pad", ATTR_INTS, offsetof(PoolAttrs, pad), .count = 4}, {                                            \
    "dilation", ATTR_INTS, offsetof(PoolAttrs, dilation), .count = 2                                         \
  }
static const AttrDesc max_pool_attrs[] = {POOL_WINDOW, {0}};
static const AttrDesc avg_pool_attrs[] = {
    POOL_WINDOW,
    {"pad_extra", ATTR_INTS, offsetof(PoolAttrs, pad_extra), .count = 2},
    {"count_include_pad", ATTR_BOOL, offsetof(PoolAttrs, count_include_pad)},
    {0}};

const OpInfo op_max_pool2d = {.name = "max_pool2d",
                              .min_operands = 1,
                              .max_operands = 1,
                              .n_results = 1,
                              .attrs_size = sizeof(PoolAttrs),
                              .attr_defaults = &pool_defaults,
                              .attrs = max_pool_attrs,
                              .quant = QUANT_MOVE,
                              .infer = infer_max_pool2d,
                              .eval = eval_max_pool2d};
const OpInfo op_avg_pool2d = {.name = "avg_pool2d",
                              .min_operands = 1,
                              .max_operands = 1,
                              .n_results = 1,
                              .attrs_size = sizeof(PoolAttrs),
                              .attr_defaults = &pool_defaults,
                              .attrs = avg_pool_attrs,
                              .quant = QUANT_POOL,
                              .infer = infer_avg_pool2d,
                              .eval = eval_avg_pool2d};
const OpInfo op_global_avg_pool = {.name = "global_avg_pool",
                                   .min_operands = 1,
                                   .max_operands = 1,
                                   .n_results = 1,
                                   .quant = QUANT_POOL,
                                   .infer = infer_global_avg_pool,
                                   .eval = eval_global_avg_pool};

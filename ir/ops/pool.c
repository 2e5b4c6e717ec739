/* max_pool2d, max_pool3d, avg_pool2d, avg_pool3d over [N,C,H,W] or [N,C,D,H,W] { kernel, stride, pad,
 * dilation, pad_extra, count_include_pad, divisor }, adaptive_max_pool and adaptive_avg_pool { size } and
 * global_avg_pool over what is behind [N,C]. */
#include "ir/ops/pool.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"

static bool is_adaptive(const Node *n) {
  return n->op == OP_adaptive_max_pool || n->op == OP_adaptive_avg_pool;
}

bool pool_is_max(const Node *n) {
  return n->op == OP_max_pool2d || n->op == OP_max_pool3d || n->op == OP_adaptive_max_pool;
}

int64_t pool_size(const Shape *s, int dim) {
  int at = dim + s->rank - WINDOW_DIMS;
  return at < 2 ? 1 : s->dim[at];
}

int64_t pool_divisor(const Node *n, int64_t counted) {
  bool own = (n->op == OP_avg_pool2d || n->op == OP_avg_pool3d) && ATTRS(n, PoolAttrs)->divisor;
  return own ? ATTRS(n, PoolAttrs)->divisor : counted;
}

/* Windows that share `in` elements as evenly as whole elements allow. */
static PoolSpan *adaptive_spans(Arena *a, int64_t in, int64_t out) {
  PoolSpan *spans = ARENA_NEW_ARRAY(a, PoolSpan, (size_t)out);
  for (int64_t o = 0; o < out; o++) {
    int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
    spans[o] = (PoolSpan){begin, end - begin, end - begin};
  }
  return spans;
}

static WindowAttrs attributes(const Node *n) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  return (WindowAttrs){.dims = n->op == OP_max_pool2d || n->op == OP_avg_pool2d ? 2 : 3,
                       .kernel = a->kernel.v,
                       .stride = &a->stride,
                       .pad = &a->pad,
                       .dilation = &a->dilation};
}

/* Averages count the image's positions, or with count_include_pad those of the padding as well, except for
 * what ceil_mode added. */
static PoolSpan *window_spans(Arena *a, const Node *n, const WindowDim *w, int64_t extra) {
  bool with_pad = !pool_is_max(n) && ATTRS(n, PoolAttrs)->count_include_pad;
  int64_t lo = with_pad ? -w->before : 0, hi = with_pad ? w->in + w->after - extra : w->in;
  PoolSpan *spans = ARENA_NEW_ARRAY(a, PoolSpan, (size_t)w->out);
  for (int64_t o = 0; o < w->out; o++) {
    int64_t first, end, begin, stop;
    window_taps(w, o, lo, hi, &begin, &stop);
    window_taps(w, o, 0, w->in, &first, &end);
    spans[o] = (PoolSpan){.count = end - first, .counted = stop - begin};
    if (end > first) spans[o].in = o * w->stride - w->before + first * w->dilation;
  }
  return spans;
}

PoolSpan *pool_spans(Arena *a, const Node *n, int dim, int64_t *step) {
  const Shape *x = &n->operands[0]->type.shape;
  *step = 1;
  if (is_adaptive(n)) return adaptive_spans(a, pool_size(x, dim), pool_size(&n->results[0]->type.shape, dim));
  WindowDim w[WINDOW_DIMS];
  WindowAttrs window = attributes(n);
  window_dims(x, &window, w);
  *step = w[dim].dilation;
  int i = dim - (WINDOW_DIMS - window.dims);
  return window_spans(a, n, &w[dim], i < 0 ? 0 : ATTRS(n, PoolAttrs)->pad_extra.v[i]);
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
  least = pool_divisor(n, least);
  most = pool_divisor(n, most);
  if (pool_multiplier(s_in, s_out, least, &m) && pool_multiplier(s_in, s_out, most, &m)) return true;
  return diag_error(d, node_loc(n), "%s '%s': the multiplier %g / (%g * %lld) is not a normal number",
                    op_info[n->op]->name, r->name, (double)s_in, (double)s_out, (long long)most);
}

/* The least and the greatest number of counted elements of a window; false where one reads nothing. */
static bool count_range(Diag *d, const Node *n, const WindowDim w[WINDOW_DIMS], int64_t *least,
                        int64_t *most) {
  const char *op = op_info[n->op]->name;
  Arena *tmp = arena_new();
  bool ok = true;
  *least = *most = 1;
  for (int i = 0; ok && i < WINDOW_DIMS; i++) {
    int64_t step, lo = INT64_MAX, hi = 0;
    PoolSpan *spans = pool_spans(tmp, n, i, &step);
    for (int64_t o = 0; o < w[i].out; o++) {
      if (spans[o].counted < lo) lo = spans[o].counted;
      if (spans[o].counted > hi) hi = spans[o].counted;
      ok &= spans[o].counted > 0;
    }
    *least *= lo;
    *most *= hi;
    if (!ok)
      diag_error(d, node_loc(n),
                 "%s: a window of %lld lies wholly in the padding of [%lld, %lld] around %lld", op,
                 (long long)w[i].kernel, (long long)w[i].before, (long long)w[i].after, (long long)w[i].in);
  }
  arena_free(tmp);
  return ok;
}

static bool check_windows(Diag *d, Node *n, Type *results, int64_t *least, int64_t *most) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  const char *op = op_info[n->op]->name;
  const Shape *x = &n->operands[0]->type.shape;
  WindowAttrs window = attributes(n);
  int dims = window.dims;
  if (!infer_real_operand(d, n, 0)) return false;
  if (a->kernel.n != dims)
    return diag_error(d, node_loc(n), "%s needs %d values for kernel, not %d", op, dims, a->kernel.n);
  WindowDim w[WINDOW_DIMS];
  if (!window_check(d, n, x, &window, w)) return false;
  if (a->pad_extra.n != dims)
    return diag_error(d, node_loc(n), "%s needs %d values for pad_extra, not %d", op, dims, a->pad_extra.n);
  for (int i = 0; i < dims; i++) {
    int64_t after = a->pad.v[dims + i];
    if (a->pad_extra.v[i] < 0 || a->pad_extra.v[i] > after)
      return diag_error(d, node_loc(n), "%s: pad_extra of %lld is not within the pad of %lld", op,
                        (long long)a->pad_extra.v[i], (long long)after);
  }
  if (a->divisor < 0 || a->divisor > MAX_ELEMENTS)
    return diag_error(d, node_loc(n), "%s: the divisor must be from 0 to %lld, not %lld", op,
                      (long long)MAX_ELEMENTS, (long long)a->divisor);
  results[0].shape = window_result(x, w, x->dim[1]);
  return count_range(d, n, w, least, most);
}

static bool infer_max_pool(Diag *d, Node *n, Type *results) {
  int64_t least, most;
  results[0].dtype = n->operands[0]->type.dtype;
  results[0].quant = n->operands[0]->type.quant;
  return check_windows(d, n, results, &least, &most);
}

static bool infer_avg_pool(Diag *d, Node *n, Type *results) {
  int64_t least, most;
  return check_windows(d, n, results, &least, &most) && infer_real_result(d, n, &results[0]) &&
         check_average(d, n, least, most);
}

/* --- any size of result --- */

static bool check_size(Diag *d, const Node *n, Type *results) {
  const IntList *size = &ATTRS(n, AdaptivePoolAttrs)->size;
  const Shape *x = &n->operands[0]->type.shape;
  const char *op = op_info[n->op]->name;
  if (!infer_real_operand(d, n, 0)) return false;
  if (x->rank < 3 || x->rank > 2 + WINDOW_DIMS)
    return diag_error(d, node_loc(n), "operand 1 of %s must be [N, C, ...] with 1 to 3 dims behind, not %s",
                      op, shape_text(d->arena, x));
  if (size->n != x->rank - 2)
    return diag_error(d, node_loc(n), "%s needs %d values for size, not %d", op, x->rank - 2, size->n);
  results[0].shape = *x;
  for (int i = 0; i < size->n; i++) {
    if (size->v[i] < 1 || size->v[i] > MAX_DIM)
      return diag_error(d, node_loc(n), "%s: size must be from 1 to %lld, not %lld", op, (long long)MAX_DIM,
                        (long long)size->v[i]);
    results[0].shape.dim[2 + i] = size->v[i];
  }
  for (int i = 0; i < x->rank; i++)
    if (x->dim[i] < 1)
      return diag_error(d, node_loc(n), "operand 1 of %s, %s, has no elements", op, shape_text(d->arena, x));
  return true;
}

static bool infer_adaptive_max_pool(Diag *d, Node *n, Type *results) {
  results[0].dtype = n->operands[0]->type.dtype;
  results[0].quant = n->operands[0]->type.quant;
  return check_size(d, n, results);
}

static bool infer_adaptive_avg_pool(Diag *d, Node *n, Type *results) {
  if (!check_size(d, n, results) || !infer_real_result(d, n, &results[0])) return false;
  const Shape *x = &n->operands[0]->type.shape;
  int64_t least = 1, most = 1;
  for (int i = 2; i < x->rank; i++) {
    int64_t out = results[0].shape.dim[i];
    least *= x->dim[i] / out > 1 ? x->dim[i] / out : 1;
    most *= x->dim[i] % out ? x->dim[i] / out + 2 : x->dim[i] / out;
  }
  return check_average(d, n, least, most);
}

static bool infer_global_avg_pool(Diag *d, Node *n, Type *results) {
  const Shape *x = &n->operands[0]->type.shape;
  if (!infer_real_operand(d, n, 0)) return false;
  if (x->rank < 3)
    return diag_error(d, node_loc(n), "operand 1 of global_avg_pool must be [N, C, ...], not %s",
                      shape_text(d->arena, x));
  int64_t count = 1;
  for (int i = 2; i < x->rank; i++) count *= x->dim[i];
  if (count < 1)
    return diag_error(d, node_loc(n), "global_avg_pool: the mean of no elements of %s",
                      shape_text(d->arena, x));
  results[0].shape = *x;
  for (int i = 2; i < x->rank; i++) results[0].shape.dim[i] = 1;
  return infer_real_result(d, n, &results[0]) && check_average(d, n, count, count);
}

#define POOL_DEFAULTS(dims)                                                                                  \
  .stride = {(dims), {1, 1, 1}}, .pad = {2 * (dims), {0}}, .dilation = {(dims), {1, 1, 1}},                  \
  .pad_extra = {(dims), {0}}
static const PoolAttrs pool2d_defaults = {POOL_DEFAULTS(2)};
static const PoolAttrs pool3d_defaults = {POOL_DEFAULTS(3)};

#define POOL_WINDOW(dims)                                                                                    \
  {"kernel", ATTR_INTS, offsetof(PoolAttrs, kernel), .count = (dims)},                                       \
      {"stride", ATTR_INTS, offsetof(PoolAttrs, stride), .count = (dims)},                                   \
      {"pad", ATTR_INTS, offsetof(PoolAttrs, pad), .count = 2 * (dims)}, {                                   \
    "dilation", ATTR_INTS, offsetof(PoolAttrs, dilation), .count = (dims)                                    \
  }
#define POOL_COUNT(dims)                                                                                     \
  {"pad_extra", ATTR_INTS, offsetof(PoolAttrs, pad_extra), .count = (dims)},                                 \
      {"count_include_pad", ATTR_BOOL, offsetof(PoolAttrs, count_include_pad)}, {                            \
    "divisor", ATTR_INT, offsetof(PoolAttrs, divisor)                                                        \
  }
static const AttrDesc max_pool2d_attrs[] = {POOL_WINDOW(2), {0}};
static const AttrDesc max_pool3d_attrs[] = {POOL_WINDOW(3), {0}};
static const AttrDesc avg_pool2d_attrs[] = {POOL_WINDOW(2), POOL_COUNT(2), {0}};
static const AttrDesc avg_pool3d_attrs[] = {POOL_WINDOW(3), POOL_COUNT(3), {0}};

static const AdaptivePoolAttrs adaptive_defaults = {{0}};
static const AttrDesc adaptive_attrs[] = {{"size", ATTR_INTS, offsetof(AdaptivePoolAttrs, size)}, {0}};

#define POOL(op, defaults, type, descs, rule, check)                                                         \
  {                                                                                                          \
    .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .attrs_size = sizeof(type),           \
    .attr_defaults = &(defaults), .attrs = (descs), .quant = (rule), .infer = (check), .eval = eval_pool     \
  }

const OpInfo op_max_pool2d =
    POOL(max_pool2d, pool2d_defaults, PoolAttrs, max_pool2d_attrs, QUANT_MOVE, infer_max_pool);
const OpInfo op_max_pool3d =
    POOL(max_pool3d, pool3d_defaults, PoolAttrs, max_pool3d_attrs, QUANT_MOVE, infer_max_pool);
const OpInfo op_avg_pool2d =
    POOL(avg_pool2d, pool2d_defaults, PoolAttrs, avg_pool2d_attrs, QUANT_POOL, infer_avg_pool);
const OpInfo op_avg_pool3d =
    POOL(avg_pool3d, pool3d_defaults, PoolAttrs, avg_pool3d_attrs, QUANT_POOL, infer_avg_pool);
const OpInfo op_adaptive_max_pool = POOL(adaptive_max_pool, adaptive_defaults, AdaptivePoolAttrs,
                                         adaptive_attrs, QUANT_MOVE, infer_adaptive_max_pool);
const OpInfo op_adaptive_avg_pool = POOL(adaptive_avg_pool, adaptive_defaults, AdaptivePoolAttrs,
                                         adaptive_attrs, QUANT_POOL, infer_adaptive_avg_pool);
const OpInfo op_global_avg_pool = {.name = "global_avg_pool",
                                   .min_operands = 1,
                                   .max_operands = 1,
                                   .n_results = 1,
                                   .quant = QUANT_POOL,
                                   .infer = infer_global_avg_pool,
                                   .eval = eval_global_avg_pool};

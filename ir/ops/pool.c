/* max_pool2d, avg_pool2d over [N,C,H,W] { kernel, stride, pad, dilation, pad_extra, count_include_pad } and
 * global_avg_pool over everything behind [N,C]. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/ops/window.h"
#include "ir/quant.h"

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

static bool check_average_scales(Diag *d, const Node *n, int64_t least, int64_t most) {
  const Tensor *r = n->results[0];
  float m;
  if (!tensor_is_quantized(n->operands[0]) || r->type.dtype == DT_NONE) return true;
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
         check_average_scales(d, n, least[0] * least[1], most[0] * most[1]);
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
  return infer_real_result(d, n, &results[0]) && check_average_scales(d, n, count, count);
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
                              .infer = infer_max_pool2d};
const OpInfo op_avg_pool2d = {.name = "avg_pool2d",
                              .min_operands = 1,
                              .max_operands = 1,
                              .n_results = 1,
                              .attrs_size = sizeof(PoolAttrs),
                              .attr_defaults = &pool_defaults,
                              .attrs = avg_pool_attrs,
                              .quant = QUANT_POOL,
                              .infer = infer_avg_pool2d};
const OpInfo op_global_avg_pool = {.name = "global_avg_pool",
                                   .min_operands = 1,
                                   .max_operands = 1,
                                   .n_results = 1,
                                   .quant = QUANT_POOL,
                                   .infer = infer_global_avg_pool};

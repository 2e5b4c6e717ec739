/* Pools, means, interpolation. */
#include "ir/ops/pool.h"
#include "ir/quant.h"
#include "passes/ranges/axis.h"
#include "passes/ranges/rules.h"

/* The operand's intervals along the channels that stay apart; `axis`: that of the result. */
static ChannelRanges kept_channels(Ranges *r, const Node *n, int *axis) {
  const Tensor *x = n->operands[0];
  int from = range_axis(r, x);
  *axis = axis_through(n, from);
  return range_of_operand(r, x, *axis < 0 ? -1 : from);
}

ChannelRanges range_max_pool(Ranges *r, const Node *n) {
  int axis;
  ChannelRanges x = kept_channels(r, n, &axis);
  x.axis = axis;
  return x;
}

/* Rule 11: the mean of `count` elements, divided by what `counted` ones are. */
static Interval mean(const Node *n, Interval x, int64_t count, int64_t divisor) {
  const Tensor *from = n->operands[0], *to = n->results[0];
  const DTypeInfo *type = &dtype_info[to->type.dtype];
  float m;
  if (!pool_multiplier(tensor_scale(from), tensor_scale(to), divisor, &m))
    BUG("multiplier of '%s'", to->name);
  Interval sum = interval_times(interval_moved(x, -tensor_zero(from)), count);
  return (Interval){requantize_wide(sum.lo, m, tensor_zero(to), (int32_t)type->min, (int32_t)type->max),
                    requantize_wide(sum.hi, m, tensor_zero(to), (int32_t)type->min, (int32_t)type->max)};
}

/* The different windows along one dim. */
static int64_t distinct(Arena *a, const Node *n, int dim, PoolSpan **found) {
  int64_t step, out = pool_size(&n->results[0]->type.shape, dim), count = 0;
  PoolSpan *spans = pool_spans(a, n, dim, &step);
  for (int64_t o = 0; o < out; o++) {
    bool known = false;
    for (int64_t i = 0; i < count && !known; i++)
      known = spans[i].count == spans[o].count && spans[i].counted == spans[o].counted;
    if (!known) spans[count++] = spans[o];
  }
  *found = spans;
  return count;
}

/* Of how many elements windows are, and by how many they are divided: each pair once. */
typedef struct {
  int64_t count, divisor;
} Window;

static int64_t all_windows(Arena *a, const Node *n, Window **windows) {
  PoolSpan *s[WINDOW_DIMS];
  int64_t count[WINDOW_DIMS], k = 0;
  for (int i = 0; i < WINDOW_DIMS; i++) count[i] = distinct(a, n, i, &s[i]);
  *windows = ARENA_NEW_ARRAY(a, Window, (size_t)(count[0] * count[1] * count[2]));
  for (int64_t z = 0; z < count[0]; z++)
    for (int64_t y = 0; y < count[1]; y++)
      for (int64_t x = 0; x < count[2]; x++)
        (*windows)[k++] = (Window){s[0][z].count * s[1][y].count * s[2][x].count,
                                   pool_divisor(n, s[0][z].counted * s[1][y].counted * s[2][x].counted)};
  return k;
}

ChannelRanges range_avg_pool(Ranges *r, const Node *n) {
  int axis;
  ChannelRanges x = kept_channels(r, n, &axis),
                result = range_new(r->arena, &n->results[0]->type.shape, axis);
  Arena *tmp = arena_new();
  Window *windows;
  int64_t count = all_windows(tmp, n, &windows);
  for (int64_t c = 0; c < result.count; c++) {
    Interval all = {INT64_MAX, INT64_MIN};
    for (int64_t i = 0; i < count; i++)
      all = interval_hull(all, mean(n, x.channel[c], windows[i].count, windows[i].divisor));
    result.channel[c] = all;
  }
  arena_free(tmp);
  return result;
}

ChannelRanges range_mean(Ranges *r, const Node *n) {
  int axis;
  ChannelRanges x = kept_channels(r, n, &axis),
                result = range_new(r->arena, &n->results[0]->type.shape, axis);
  int64_t count = shape_count(&n->operands[0]->type.shape) / shape_count(&n->results[0]->type.shape);
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] = mean(n, x.channel[c], count, n->op == OP_reduce_sum ? 1 : count);
  return result;
}

/* Rule 11. The weights of linear interpolation are not negative and add up to 1, but for a few roundings: so
 * the sum lies between the extremes, widened by less than SLACK of themselves. Cubic weights may be negative.
 */
static Interval interpolated(const Node *n, Interval q) {
  static const double SLACK = 0x1p-18;
  const Tensor *x = n->operands[0], *y = n->results[0];
  const DTypeInfo *type = &dtype_info[y->type.dtype];
  int32_t zero = tensor_zero(y);
  Interval d = interval_moved(q, -tensor_zero(x));
  if (d.lo == 0 && d.hi == 0) return (Interval){zero, zero};
  if (n->op != OP_resize_linear) return range_of_type(&y->type);
  float ratio = tensor_scale(x) / tensor_scale(y);
  double low = (double)d.lo, high = (double)d.hi;
  low -= (low < 0 ? -low : low) * SLACK;
  high += (high < 0 ? -high : high) * SLACK;
  float ends[2] = {(float)low * ratio, (float)high * ratio};
  int64_t to[2];
  for (int i = 0; i < 2; i++) {
    float lo = (float)(type->min - zero), hi = (float)(type->max - zero);
    float v = ends[i] < lo ? lo : ends[i] > hi ? hi : ends[i];
    to[i] = rne((double)v) + zero;
  }
  return (Interval){to[0], to[1]};
}

ChannelRanges range_interpolated(Ranges *r, const Node *n) {
  int axis;
  ChannelRanges x = kept_channels(r, n, &axis),
                result = range_new(r->arena, &n->results[0]->type.shape, axis);
  for (int64_t c = 0; c < result.count; c++) result.channel[c] = interpolated(n, x.channel[c]);
  return result;
}

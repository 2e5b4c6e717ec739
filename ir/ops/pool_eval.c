/* The reference kernels of pools, window by window in C order. */
#include "ir/ops/pool.h"
#include "ir/quant.h"
#include "ir/refmath.h"

/* The elements that one output position reads: `count` along each dim, `step` elements between them. */
typedef struct {
  int64_t first; /* the first one's place in the operand */
  int64_t count[WINDOW_DIMS], step[WINDOW_DIMS];
  int64_t counted; /* how many an average counts */
} Taps;

/* What is done with the taps of one position; `o`: the element of the result. */
typedef void (*PoolTaps)(const Node *n, const Taps *t, const void *in, void *out, int64_t o);

/* For each tap: `offset` is its place from the first. */
#define FOR_EACH_TAP(t, offset)                                                                              \
  for (int64_t z = 0; z < (t)->count[0]; z++)                                                                \
    for (int64_t y = 0; y < (t)->count[1]; y++)                                                              \
      for (int64_t x = 0, offset = z * (t)->step[0] + y * (t)->step[1]; x < (t)->count[2];                   \
           x++, offset += (t)->step[2])

static void for_each_window(Arena *a, const Node *n, const void *in, void *out, PoolTaps pool) {
  const Shape *xs = &n->operands[0]->type.shape, *ys = &n->results[0]->type.shape;
  const PoolSpan *spans[WINDOW_DIMS];
  int64_t size[WINDOW_DIMS], results[WINDOW_DIMS], o = 0;
  Taps t = {0};
  for (int i = 0; i < WINDOW_DIMS; i++) {
    size[i] = pool_size(xs, i);
    results[i] = pool_size(ys, i);
    spans[i] = pool_spans(a, n, i, &t.step[i]);
  }
  t.step[1] *= size[2];
  t.step[0] *= size[1] * size[2];
  for (int64_t plane = 0; plane < xs->dim[0] * xs->dim[1]; plane++)
    for (int64_t oz = 0; oz < results[0]; oz++)
      for (int64_t oy = 0; oy < results[1]; oy++)
        for (int64_t ox = 0; ox < results[2]; ox++, o++) {
          const PoolSpan *z = &spans[0][oz], *y = &spans[1][oy], *x = &spans[2][ox];
          t.first = ((plane * size[0] + z->in) * size[1] + y->in) * size[2] + x->in;
          t.count[0] = z->count, t.count[1] = y->count, t.count[2] = x->count;
          t.counted = z->counted * y->counted * x->counted;
          pool(n, &t, in, out, o);
        }
}

/* Starts from the first tap; then v = v > x ? v : x in (kd, kh, kw) order. */
static void max_float(const Node *n, const Taps *t, const void *in, void *out, int64_t o) {
  (void)n;
  const float *x0 = (const float *)in + t->first;
  float v = *x0;
  FOR_EACH_TAP(t, at) v = ref_max(v, x0[at]);
  ((float *)out)[o] = v;
}

static int32_t byte_at(const Node *n, const void *in, int64_t i) {
  return n->operands[0]->type.dtype == DT_U8 ? ((const uint8_t *)in)[i] : ((const int8_t *)in)[i];
}

static void max_quantized(const Node *n, const Taps *t, const void *in, void *out, int64_t o) {
  int32_t v = INT32_MIN;
  FOR_EACH_TAP(t, at) {
    int32_t q = byte_at(n, in, t->first + at);
    if (q > v) v = q;
  }
  ((uint8_t *)out)[o] = (uint8_t)v;
}

static void average_float(const Node *n, const Taps *t, const void *in, void *out, int64_t o) {
  const float *x0 = (const float *)in + t->first;
  float sum = 0;
  FOR_EACH_TAP(t, at) sum += x0[at];
  ((float *)out)[o] = sum / (float)pool_divisor(n, t->counted);
}

static void average_quantized(const Node *n, const Taps *t, const void *in, void *out, int64_t o) {
  const Tensor *from = n->operands[0], *to = n->results[0];
  const DTypeInfo *type = &dtype_info[to->type.dtype];
  int64_t sum = 0;
  FOR_EACH_TAP(t, at) sum += byte_at(n, in, t->first + at) - tensor_zero(from);
  float m;
  if (!pool_multiplier(tensor_scale(from), tensor_scale(to), pool_divisor(n, t->counted), &m))
    BUG("multiplier of '%s'", to->name);
  ((uint8_t *)out)[o] =
      (uint8_t)requantize_wide(sum, m, tensor_zero(to), (int32_t)type->min, (int32_t)type->max);
}

void eval_pool(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  bool quantized = tensor_is_quantized(n->operands[0]);
  PoolTaps pool = pool_is_max(n) ? (quantized ? max_quantized : max_float)
                                 : (quantized ? average_quantized : average_float);
  for_each_window(ctx->scratch, n, in[0], out[0], pool);
}

void eval_global_avg_pool(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Shape *s = &n->operands[0]->type.shape;
  int64_t count = 1;
  for (int i = 2; i < s->rank; i++) count *= s->dim[i];
  Taps t = {.count = {1, 1, count}, .step = {0, 0, 1}, .counted = count};
  PoolTaps average = tensor_is_quantized(n->operands[0]) ? average_quantized : average_float;
  for (int64_t i = 0; i < s->dim[0] * s->dim[1]; i++, t.first += count) average(n, &t, in[0], out[0], i);
}

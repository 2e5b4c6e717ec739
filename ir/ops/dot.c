#include "ir/ops/dot.h"
#include "ir/half.h"
#include "ir/ops/dense.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>

/* GCC and clang lower these to whatever the machine has; products and sums stay separate operations. */
typedef float V4 __attribute__((vector_size(16)));
typedef float V4Unaligned __attribute__((vector_size(16), aligned(4), may_alias));

static V4 load(const float *p) { return *(const V4Unaligned *)p; }
static void store(float *p, V4 v) { *(V4Unaligned *)p = v; }
static V4 splat(float x) { return (V4){x, x, x, x}; }

/* Four positions, each with its own broadcast value. */
static void dot_4(const DotTaps *t, float acc[DOT_POSITIONS * DOT_LANES]) {
  V4 a0 = load(acc), a1 = load(acc + 4), b0 = load(acc + 8), b1 = load(acc + 12);
  V4 c0 = load(acc + 16), c1 = load(acc + 20), d0 = load(acc + 24), d1 = load(acc + 28);
  for (int64_t row = 0; row < t->rows; row++)
    for (int64_t col = 0; col < t->cols; col++) {
      const float *w = t->w + row * t->w_row + col * t->w_col;
      const float *xa = t->x + row * t->x_row + col * t->x_col;
      const float *xb = xa + t->x_step, *xc = xb + t->x_step, *xd = xc + t->x_step;
      for (int64_t k = 0; k < t->k; k++, w += DOT_LANES) {
        V4 w0 = load(w), w1 = load(w + 4), x = splat(xa[k]);
        a0 += x * w0;
        a1 += x * w1;
        x = splat(xb[k]);
        b0 += x * w0;
        b1 += x * w1;
        x = splat(xc[k]);
        c0 += x * w0;
        c1 += x * w1;
        x = splat(xd[k]);
        d0 += x * w0;
        d1 += x * w1;
      }
    }
  store(acc, a0), store(acc + 4, a1), store(acc + 8, b0), store(acc + 12, b1);
  store(acc + 16, c0), store(acc + 20, c1), store(acc + 24, d0), store(acc + 28, d1);
}

static void dot_1(const DotTaps *t, const float *x0, float acc[DOT_LANES]) {
  V4 a0 = load(acc), a1 = load(acc + 4);
  for (int64_t row = 0; row < t->rows; row++)
    for (int64_t col = 0; col < t->cols; col++) {
      const float *w = t->w + row * t->w_row + col * t->w_col;
      const float *x = x0 + row * t->x_row + col * t->x_col;
      for (int64_t k = 0; k < t->k; k++, w += DOT_LANES) {
        V4 v = splat(x[k]);
        a0 += v * load(w);
        a1 += v * load(w + 4);
      }
    }
  store(acc, a0), store(acc + 4, a1);
}

static void dot_per_lane(const DotTaps *t, const float *x0, float acc[DOT_LANES]) {
  V4 a0 = load(acc), a1 = load(acc + 4);
  for (int64_t row = 0; row < t->rows; row++) {
    const float *w = t->w + row * t->w_row, *x = x0 + row * t->x_row;
    for (int64_t col = 0; col < t->cols; col++, w += t->w_col, x += t->x_col) {
      a0 += load(x) * load(w);
      a1 += load(x + 4) * load(w + 4);
    }
  }
  store(acc, a0), store(acc + 4, a1);
}

static void accumulate_plane(const DotTaps *t, int positions, float *acc) {
  if (positions == DOT_POSITIONS && !t->per_lane) {
    dot_4(t, acc);
    return;
  }
  for (int p = 0; p < positions; p++)
    (t->per_lane ? dot_per_lane : dot_1)(t, t->x + p * t->x_step, acc + p * DOT_LANES);
}

/* The taps of plane `i` alone. */
static DotTaps plane_of(const DotTaps *t, int64_t i) {
  DotTaps plane = *t;
  plane.x += i * t->x_plane;
  plane.w += i * t->w_plane;
  plane.planes = 1;
  return plane;
}

static void accumulate(const DotTaps *t, int positions, float *acc) {
  accumulate_plane(t, positions, acc);
  for (int64_t i = 1; i < t->planes; i++) {
    DotTaps plane = plane_of(t, i);
    accumulate_plane(&plane, positions, acc);
  }
}

static void flush(const DotTaps *t, int positions, int64_t *sums) {
  float acc[DOT_POSITIONS * DOT_LANES] = {0};
  accumulate(t, positions, acc);
  for (int i = 0; i < positions * DOT_LANES; i++) sums[i] += (int32_t)acc[i];
}

/* At most DOT_EXACT products at a time. */
static void accumulate_exactly(const DotTaps *t, int positions, int64_t *sums) {
  if (t->planes > 1) {
    for (int64_t i = 0; i < t->planes; i++) {
      DotTaps plane = plane_of(t, i);
      accumulate_exactly(&plane, positions, sums);
    }
    return;
  }
  if (t->rows * t->cols * t->k <= DOT_EXACT) {
    flush(t, positions, sums);
    return;
  }
  DotTaps part = *t;
  part.rows = 1;
  int64_t cols = t->k >= DOT_EXACT ? 1 : DOT_EXACT / t->k;
  for (int64_t row = 0; row < t->rows; row++)
    for (int64_t col = 0; col < t->cols; col += cols) {
      part.cols = t->cols - col < cols ? t->cols - col : cols;
      for (int64_t k = 0; k < t->k; k += DOT_EXACT) {
        part.k = t->k - k < DOT_EXACT ? t->k - k : DOT_EXACT;
        part.x = t->x + row * t->x_row + col * t->x_col + k;
        part.w = t->w + row * t->w_row + col * t->w_col + k * DOT_LANES;
        flush(&part, positions, sums);
      }
    }
}

/* The sum of lane l (channel c) at element i of the result. */
static void store_sum(const DotOutput *o, int64_t sum, int64_t c, void *out, int64_t i) {
  if (o->kind == DOT_SUM) {
    ((int32_t *)out)[i] = (int32_t)(uint32_t)(uint64_t)sum;
  } else if (o->kind == DOT_SCALED) {
    float v = (float)sum * o->multiplier[c];
    if (o->bias) v += o->bias[c];
    act_float(&v, 1, o->act_min, o->act_max);
    ((float *)out)[i] = v;
  } else {
    ((uint8_t *)out)[i] = (uint8_t)requantize_wide(sum, o->multiplier[c], o->zero, o->lo, o->hi);
  }
}

static void tile_integer(const DotOutput *o, const DotTaps *t, int positions, int64_t oc, int lanes,
                         void *out, int64_t first, int64_t position_step, int64_t channel_step) {
  int64_t sums[DOT_POSITIONS * DOT_LANES];
  for (int p = 0; p < positions; p++)
    for (int l = 0; l < DOT_LANES; l++)
      sums[p * DOT_LANES + l] = o->bias_q && l < lanes ? o->bias_q[oc + l] : 0;
  accumulate_exactly(t, positions, sums);
  for (int l = 0; l < lanes; l++)
    for (int p = 0; p < positions; p++)
      store_sum(o, sums[p * DOT_LANES + l], oc + l, out, first + p * position_step + l * channel_step);
}

static void tile_float(const DotOutput *o, const DotTaps *t, int positions, int64_t oc, int lanes, float *out,
                       int64_t position_step, int64_t channel_step) {
  float acc[DOT_POSITIONS * DOT_LANES];
  for (int p = 0; p < positions; p++)
    for (int l = 0; l < DOT_LANES; l++)
      acc[p * DOT_LANES + l] = o->bias && l < lanes ? o->bias[oc + l] + 0.0f : 0; /* no -0: then it makes no
                     difference whether padding adds zeros */
  accumulate(t, positions, acc);
  act_float(acc, positions * DOT_LANES, o->act_min, o->act_max);
  for (int l = 0; l < lanes; l++)
    for (int p = 0; p < positions; p++) out[p * position_step + l * channel_step] = acc[p * DOT_LANES + l];
}

void dot_tile(const DotOutput *o, const DotTaps *t, int positions, int64_t oc, int lanes, void *out,
              int64_t first, int64_t position_step, int64_t channel_step) {
  if (o->kind == DOT_FLOAT)
    tile_float(o, t, positions, oc, lanes, (float *)out + first, position_step, channel_step);
  else
    tile_integer(o, t, positions, oc, lanes, out, first, position_step, channel_step);
}

DotOutput dot_output(Arena *a, const Node *n, const void *const *in, float act_min, float act_max) {
  const Tensor *r = n->results[0];
  const void *bias = n->n_operands > 2 ? in[2] : NULL;
  if (!tensor_is_quantized(n->operands[0]))
    return (DotOutput){.bias = bias, .act_min = act_min, .act_max = act_max};
  bool real = !tensor_is_quantized(r);
  DotOutput o = {
      .kind = real ? DOT_SCALED : DOT_REQUANT, .bias_q = bias, .act_min = act_min, .act_max = act_max};
  if (!real) {
    o.zero = tensor_zero(r);
    activation_range(&r->type, act_min, act_max, &o.lo, &o.hi);
  }
  const Type *w = &n->operands[1]->type;
  float *m = ARENA_NEW_ARRAY(a, float, (size_t)w->shape.dim[0]);
  for (int64_t i = 0; i < w->shape.dim[0]; i++)
    if (!requant_multiplier(tensor_scale(n->operands[0]), w->quant->scale[w->quant->axis < 0 ? 0 : i],
                            real ? 1 : tensor_scale(r), &m[i]))
      BUG("multiplier of '%s'", r->name);
  o.multiplier = m;
  return o;
}

DotSource dot_source(const Tensor *t, const void *data) {
  const Quant *q = t->type.quant;
  return (DotSource){data, t->type.dtype, q ? q->zero : NULL, NULL, q ? q->count : 0};
}

DotSource dot_weight(const Tensor *t, const void *data, bool real) {
  DotSource s = dot_source(t, data);
  if (real && t->type.quant) s.scale = t->type.quant->scale;
  return s;
}

static int32_t integer_at(const DotSource *s, int64_t i) {
  return s->dtype == DT_U8 ? ((const uint8_t *)s->data)[i] : ((const int8_t *)s->data)[i];
}

void dot_load_channel(const DotSource *s, int64_t first, int64_t count, int64_t channel, float *dst,
                      int64_t step) {
  int64_t q = s->n_zeros > 1 ? channel : 0;
  int32_t zero = s->n_zeros ? s->zero[q] : 0;
  if (s->dtype == DT_F32) {
    const float *p = (const float *)s->data + first;
    for (int64_t i = 0; i < count; i++) dst[i * step] = p[i];
  } else if (s->dtype == DT_F16) {
    for (int64_t i = 0; i < count; i++) dst[i * step] = half_to_float(((const uint16_t *)s->data)[first + i]);
  } else if (s->scale) {
    for (int64_t i = 0; i < count; i++)
      dst[i * step] = dequantize_value(integer_at(s, first + i), s->scale[q], zero);
  } else if (s->dtype == DT_U8) {
    const uint8_t *p = (const uint8_t *)s->data + first;
    for (int64_t i = 0; i < count; i++) dst[i * step] = (float)(p[i] - zero);
  } else {
    const int8_t *p = (const int8_t *)s->data + first;
    for (int64_t i = 0; i < count; i++) dst[i * step] = (float)(p[i] - zero);
  }
}

void dot_rows(Arena *a, const DotSource *x, const DotSource *w, const DotOutput *o, int64_t rows, int64_t ic,
              int64_t oc, void *out) {
  const float *real_x = x->data;
  if (x->dtype != DT_F32) {
    float *copy = ARENA_NEW_ARRAY(a, float, (size_t)(rows * ic));
    dot_load_channel(x, 0, rows * ic, 0, copy, 1);
    real_x = copy;
  }
  float *panel = ARENA_NEW_ARRAY(a, float, (size_t)(ic * DOT_LANES));
  DotTaps t = {.w = panel, .rows = 1, .cols = 1, .k = ic, .x_step = ic};
  for (int64_t c = 0; c < oc; c += DOT_LANES) {
    int lanes = (int)(oc - c < DOT_LANES ? oc - c : DOT_LANES);
    for (int l = 0; l < lanes; l++) dot_load_channel(w, (c + l) * ic, ic, c + l, panel + l, DOT_LANES);
    for (int64_t r = 0; r < rows;) {
      int positions = rows - r >= DOT_POSITIONS ? DOT_POSITIONS : 1;
      t.x = real_x + r * ic;
      dot_tile(o, &t, positions, c, lanes, out, r * oc + c, oc, 1);
      r += positions;
    }
  }
}

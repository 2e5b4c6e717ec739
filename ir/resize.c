#include "ir/resize.h"

#include <math.h>

/* The operand position of result position o, in single precision, as PyTorch computes it: `ratio` is that of
 * the sizes, operand / result, or 1 / factor. */
typedef struct {
  int coordinates;
  float in, out, ratio, offset;
} Axis;

static Axis axis_of(const ResizeAttrs *a, int dim, int64_t in, int64_t out) {
  float scale = dim < a->scale.n ? a->scale.v[dim] : 0;
  Axis x = {.coordinates = a->coordinates, .in = (float)in, .out = (float)out};
  x.ratio = scale > 0 ? (float)(1 / (double)scale) : x.in / x.out;
  if (a->coordinates == RESIZE_ALIGN_CORNERS) x.ratio = out > 1 ? (float)(in - 1) / (float)(out - 1) : 0;
  if (a->coordinates == RESIZE_HALF_PIXEL_SYMMETRIC && scale > 0) {
    float wanted = x.in * scale, centre = x.in / 2; /* a result of this size would be centred */
    float part = x.out / wanted, rest = 1 - part;
    x.offset = centre * rest;
  }
  return x;
}

static float position(const Axis *x, int64_t o) {
  float whole = (float)o, half = x->ratio * (whole + 0.5f);
  switch (x->coordinates) {
  case RESIZE_ALIGN_CORNERS:
  case RESIZE_ASYMMETRIC:
    return x->ratio * whole;
  case RESIZE_TF_HALF_PIXEL_FOR_NN:
    return half;
  case RESIZE_PYTORCH_HALF_PIXEL:
    return x->out > 1 ? half - 0.5f : 0;
  default:
    return x->offset + (half - 0.5f);
  }
}

static float rounded(int rounding, float v) {
  switch (rounding) {
  case RESIZE_FLOOR:
    return floorf(v);
  case RESIZE_CEIL:
    return ceilf(v);
  case RESIZE_PREFER_CEIL:
    return floorf(v + 0.5f);
  default:
    return ceilf(v - 0.5f);
  }
}

static float within(float v, float last) { return v < 0 ? 0 : v > last ? last : v; }

/* Tables for `taps` elements along a dim; the writable pointers in `index` and `weight`. */
static ResizeDim new_dim(Arena *a, int taps, int64_t out, int32_t **index, float **weight) {
  ResizeDim d = {.taps = taps};
  for (int t = 0; t < taps; t++) {
    d.index[t] = index[t] = ARENA_NEW_ARRAY(a, int32_t, (size_t)out);
    if (weight) d.weight[t] = weight[t] = ARENA_NEW_ARRAY(a, float, (size_t)out);
  }
  return d;
}

static ResizeDim nearest(Arena *a, const Axis *x, int rounding, int64_t out) {
  int32_t *index[1];
  ResizeDim d = new_dim(a, 1, out, index, NULL);
  for (int64_t o = 0; o < out; o++)
    index[0][o] = (int32_t)within(rounded(rounding, position(x, o)), x->in - 1);
  return d;
}

static ResizeDim linear(Arena *a, const Axis *x, int64_t out) {
  int32_t *index[2];
  float *weight[2];
  ResizeDim d = new_dim(a, 2, out, index, weight);
  for (int64_t o = 0; o < out; o++) {
    float p = within(position(x, o), x->in - 1), first = floorf(p);
    index[0][o] = (int32_t)first;
    index[1][o] = (int32_t)within(first + 1, x->in - 1);
    weight[1][o] = p - first;
    weight[0][o] = 1 - weight[1][o];
  }
  return d;
}

/* Keys' kernel with the parameter a, at a distance up to 1 and from 1 to 2. */
static float near_part(float x, float a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
static float far_part(float x, float a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

static ResizeDim cubic(Arena *a, const Axis *x, const ResizeAttrs *attrs, int64_t out) {
  int32_t *index[4];
  float *weight[4];
  ResizeDim d = new_dim(a, 4, out, index, weight);
  for (int64_t o = 0; o < out; o++) {
    float p = position(x, o), first = floorf(p), t = p - first, rest = 1 - t, sum = 0;
    float w[4] = {far_part(t + 1, attrs->a), near_part(t, attrs->a), near_part(rest, attrs->a),
                  far_part(rest + 1, attrs->a)};
    for (int i = 0; i < 4; i++) {
      float at = first + (float)(i - 1);
      if (attrs->exclude_outside && (at < 0 || at > x->in - 1)) w[i] = 0;
      index[i][o] = (int32_t)within(at, x->in - 1);
      sum += w[i];
    }
    for (int i = 0; i < 4; i++) weight[i][o] = attrs->exclude_outside ? w[i] / sum : w[i];
  }
  return d;
}

/* Is every position the operand's own? */
static bool is_identity(const ResizeDim *d, int64_t in, int64_t out) {
  if (in != out) return false;
  for (int64_t o = 0; o < out; o++)
    for (int t = 0; t < d->taps; t++) {
      bool own = d->index[t][o] == o, counts = !d->weight[t] || d->weight[t][o] != 0;
      if (counts && (!own || (d->weight[t] && d->weight[t][o] != 1))) return false;
    }
  return true;
}

ResizeDim resize_dim(Arena *a, const Node *n, int dim) {
  const ResizeAttrs *attrs = ATTRS(n, ResizeAttrs);
  int64_t in = n->operands[0]->type.shape.dim[dim], out = attrs->size.v[dim];
  Axis x = axis_of(attrs, dim, in, out);
  ResizeDim d = n->op == OP_resize_cubic    ? cubic(a, &x, attrs, out)
                : n->op == OP_resize_linear ? linear(a, &x, out)
                                            : nearest(a, &x, attrs->rounding, out);
  d.active = !is_identity(&d, in, out);
  return d.active ? d : (ResizeDim){0};
}

int resize_most_dims(OpId op) {
  return op == OP_resize_cubic ? RESIZE_MAX_CUBIC : op == OP_resize_linear ? RESIZE_MAX_LINEAR : MAX_RANK;
}

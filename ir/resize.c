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

static int32_t *nearest(Arena *a, const Axis *x, int rounding, int64_t out) {
  int32_t *first = ARENA_NEW_ARRAY(a, int32_t, (size_t)out);
  for (int64_t o = 0; o < out; o++) first[o] = (int32_t)within(rounded(rounding, position(x, o)), x->in - 1);
  return first;
}

static ResizeDim linear(Arena *a, const Axis *x, int64_t in, int64_t out) {
  int32_t *first = ARENA_NEW_ARRAY(a, int32_t, (size_t)out),
          *second = ARENA_NEW_ARRAY(a, int32_t, (size_t)out);
  float *weight = ARENA_NEW_ARRAY(a, float, (size_t)out);
  for (int64_t o = 0; o < out; o++) {
    float v = within(position(x, o), x->in - 1);
    first[o] = (int32_t)v;
    second[o] = first[o] + 1 < in ? first[o] + 1 : first[o];
    weight[o] = v - (float)first[o];
  }
  return (ResizeDim){false, first, second, weight};
}

ResizeDim resize_dim(Arena *a, const Node *n, int dim) {
  const ResizeAttrs *attrs = ATTRS(n, ResizeAttrs);
  int64_t in = n->operands[0]->type.shape.dim[dim], out = attrs->size.v[dim];
  Axis x = axis_of(attrs, dim, in, out);
  ResizeDim d = n->op == OP_resize_linear ? linear(a, &x, in, out)
                                          : (ResizeDim){.first = nearest(a, &x, attrs->rounding, out)};
  d.active = in != out;
  for (int64_t o = 0; o < out && !d.active; o++) d.active = d.first[o] != o || (d.weight && d.weight[o] != 0);
  return d.active ? d : (ResizeDim){0};
}

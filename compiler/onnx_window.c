#include "compiler/onnx_window.h"

#include <string.h>

bool onnx_window_begin(const OnnxNode *n, const Shape *x, OnnxWindow *w) {
  *w = (OnnxWindow){.spatial = x->rank - 2};
  if (x->rank < 3 || x->rank > 5)
    return onnx_error(
        n,
        "an input of rank %d is not supported: windows over one to three dimensions only, [N, C, L] "
        "to [N, C, D, H, W]",
        x->rank);
  w->dims = w->spatial == 1 ? 2 : w->spatial;
  for (int i = 0; i < w->dims; i++) {
    int at = i + x->rank - w->dims;
    w->in[i] = at < 2 ? 1 : x->dim[at];
    w->kernel[i] = w->stride[i] = w->dilation[i] = 1;
  }
  return true;
}

/* `count` values in [least, MAX_DIM]; absent: `to` stays. */
static bool read_list(const OnnxNode *n, const char *name, int count, int64_t least, int64_t *to) {
  OnnxInts v;
  if (!onnx_attr_ints(n, name, &v)) return true;
  if (v.n != count)
    return onnx_error(n, "attribute '%s' has %lld values; %d are needed", name, (long long)v.n, count);
  for (int i = 0; i < count; i++) {
    if (v.v[i] < least || v.v[i] > MAX_DIM)
      return onnx_error(n, "attribute '%s' holds %lld; it must be from %lld to %lld", name, (long long)v.v[i],
                        (long long)least, (long long)MAX_DIM);
    to[i] = v.v[i];
  }
  return true;
}

bool onnx_window_list(const OnnxNode *n, const OnnxWindow *w, const char *name, int64_t least, int64_t *to) {
  return read_list(n, name, w->spatial, least, to + (w->dims - w->spatial));
}

bool onnx_window_steps(const OnnxNode *n, OnnxWindow *w) {
  return onnx_window_list(n, w, "strides", 1, w->stride) &&
         onnx_window_list(n, w, "dilations", 1, w->dilation);
}

const char *onnx_window_auto_pad(const OnnxNode *n) {
  static const char *const modes[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  const char *mode = onnx_attr_string(n, "auto_pad", "NOTSET");
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(mode, modes[i])) return modes[i];
  onnx_error(n, "attribute 'auto_pad' is '%s', which is not known", onnx_shown(n->im->arena, mode));
  return NULL;
}

bool onnx_window_pads(const OnnxNode *n, OnnxWindow *w) {
  int64_t v[2 * ONNX_WINDOW_DIMS] = {0}, any = 0;
  const char *mode = onnx_window_auto_pad(n);
  if (!mode || !read_list(n, "pads", 2 * w->spatial, 0, v)) return false;
  for (int i = 0; i < w->spatial; i++) {
    w->before[w->dims - w->spatial + i] = v[i];
    w->after[w->dims - w->spatial + i] = v[w->spatial + i];
    any |= v[i] | v[w->spatial + i];
  }
  return !any || !strcmp(mode, "NOTSET") ||
         onnx_error(n, "attributes 'auto_pad' and 'pads' exclude each other");
}

bool onnx_window_weight(const OnnxNode *n, OnnxWindow *w, const Tensor *weight, const Tensor *bias) {
  const Shape *s = &weight->type.shape;
  if (!onnx_is_weight(weight))
    return onnx_error(n, "the weight '%s' must be a constant", onnx_shown(n->im->arena, weight->name));
  if (bias && !onnx_is_weight(bias))
    return onnx_error(n, "the bias '%s' must be a constant", onnx_shown(n->im->arena, bias->name));
  if (s->rank != w->spatial + 2)
    return onnx_error(n, "the weight has rank %d, the input rank %d", s->rank, w->spatial + 2);
  OnnxInts kernel = {0, NULL};
  bool given = onnx_attr_ints(n, "kernel_shape", &kernel), same = kernel.n == w->spatial;
  for (int i = 0; i < w->spatial; i++) {
    int64_t size = s->dim[2 + i];
    if (size < 1) return onnx_error(n, "the weight %s has no elements", shape_text(n->im->arena, s));
    w->kernel[w->dims - w->spatial + i] = size;
    same = same && kernel.v[i] == size;
  }
  return !given || same ||
         onnx_error(n, "attribute 'kernel_shape' differs from the weight's shape, %s",
                    shape_text(n->im->arena, s));
}

int64_t onnx_window_extent(const OnnxWindow *w, int i) { return (w->kernel[i] - 1) * w->dilation[i] + 1; }

IntList onnx_window_ints(const OnnxWindow *w, const int64_t *v) {
  IntList l = {.n = w->dims};
  memcpy(l.v, v, sizeof *v * (size_t)w->dims);
  return l;
}

IntList onnx_window_pad_ints(const OnnxWindow *w) {
  IntList l = onnx_window_ints(w, w->before);
  memcpy(l.v + w->dims, w->after, sizeof *l.v * (size_t)w->dims);
  l.n *= 2;
  return l;
}

Shape onnx_with_height(const Shape *s) {
  return s->rank == 3 ? shape_of(4, s->dim[0], s->dim[1], (int64_t)1, s->dim[2]) : *s;
}

Tensor *onnx_without_height(OnnxNode *n, const char *name, Tensor *y, int rank) {
  if (!y || rank != 3) return y;
  Shape s = shape_of(3, y->type.shape.dim[0], y->type.shape.dim[1], y->type.shape.dim[3]);
  return onnx_reshape(n, name, y, &s);
}

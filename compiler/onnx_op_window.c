#include "compiler/onnx_ops.h"

#include <string.h>

/* A window over [H, W]; over [L] it is one over [1, L]. */
typedef struct {
  int64_t kernel[2], stride[2], dilation[2];
  int64_t pad[4];   /* [top, left, bottom, right] */
  int64_t extra[2]; /* [bottom, right]: what ceil_mode added to the pad */
} Window;

/* The attribute `name` as `count` values in [least, MAX_DIM], put at the end of to[2] (to[4] where count is
 * that of pads). Absent: `to` stays. */
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

static bool read_spatial_list(const OnnxNode *n, const char *name, int spatial, int64_t *to) {
  return read_list(n, name, spatial, 1, to + (2 - spatial));
}

static bool read_pads(const OnnxNode *n, int spatial, int64_t pad[4]) {
  int64_t v[4] = {0};
  if (!read_list(n, "pads", 2 * spatial, 0, v)) return false;
  for (int i = 0; i < spatial; i++) {
    pad[2 - spatial + i] = v[i];
    pad[4 - spatial + i] = v[spatial + i];
  }
  return true;
}

static int64_t extent(const Window *w, int i) { return (w->kernel[i] - 1) * w->dilation[i] + 1; }

/* SAME: as many outputs as ceil(in / stride), the padding shared between both sides, the odd one at the end
 * (UPPER) or at the start (LOWER). */
static void pad_same(Window *w, const int64_t in[2], bool lower) {
  for (int i = 0; i < 2; i++) {
    int64_t out = (in[i] + w->stride[i] - 1) / w->stride[i];
    int64_t total = (out - 1) * w->stride[i] + extent(w, i) - in[i];
    if (total < 0) total = 0;
    w->pad[i] = lower ? total - total / 2 : total / 2;
    w->pad[2 + i] = total - w->pad[i];
  }
}

static bool apply_auto_pad(const OnnxNode *n, Window *w, const int64_t in[2]) {
  const char *mode = onnx_attr_string(n, "auto_pad", "NOTSET");
  bool upper = !strcmp(mode, "SAME_UPPER"), lower = !strcmp(mode, "SAME_LOWER");
  if (!strcmp(mode, "NOTSET")) return true;
  if (!upper && !lower && strcmp(mode, "VALID"))
    return onnx_error(n, "attribute 'auto_pad' is '%s', which is not known", onnx_shown(n->im->arena, mode));
  if (w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3])
    return onnx_error(n, "attributes 'auto_pad' and 'pads' exclude each other");
  if (upper || lower) pad_same(w, in, lower);
  return true;
}

/* ceil_mode: a last window may hang over the end; it must still begin inside the input or the pad before it.
 */
static void apply_ceil(Window *w, const int64_t in[2]) {
  for (int i = 0; i < 2; i++) {
    int64_t room = in[i] + w->pad[i] + w->pad[2 + i] - extent(w, i);
    if (room < 0) continue; /* the op itself says that it does not fit */
    int64_t out = (room + w->stride[i] - 1) / w->stride[i] + 1;
    if ((out - 1) * w->stride[i] >= in[i] + w->pad[i]) out--;
    w->extra[i] = (out - 1) * w->stride[i] - room;
    if (w->extra[i] < 0) w->extra[i] = 0;
    w->pad[2 + i] += w->extra[i];
  }
}

/* Reads everything but the kernel's size. */
static bool read_window(const OnnxNode *n, const Shape *x, Window *w) {
  int spatial = x->rank - 2;
  const int64_t in[2] = {spatial == 2 ? x->dim[2] : 1, x->dim[x->rank - 1]};
  bool ceil_mode;
  if (!read_spatial_list(n, "strides", spatial, w->stride) ||
      !read_spatial_list(n, "dilations", spatial, w->dilation) || !read_pads(n, spatial, w->pad) ||
      !apply_auto_pad(n, w, in) || !onnx_attr_flag(n, "ceil_mode", false, &ceil_mode))
    return false;
  if (ceil_mode) apply_ceil(w, in);
  return true;
}

static bool check_rank(const OnnxNode *n, const Shape *x) {
  if (x->rank == 3 || x->rank == 4) return true;
  return onnx_error(
      n, "an input of rank %d is not supported: 1-D and 2-D windows only, [N, C, L] or [N, C, H, W]",
      x->rank);
}

/* [N, C, L] -> [N, C, 1, L] */
static Shape with_height(const Shape *s) {
  return s->rank == 3 ? shape_of(4, s->dim[0], s->dim[1], (int64_t)1, s->dim[2]) : *s;
}

/* The result, under its name, in the rank that the input had. */
static Tensor *without_height(OnnxNode *n, const char *name, Tensor *y, int rank) {
  if (!y || rank == 4) return y;
  Shape s = shape_of(3, y->type.shape.dim[0], y->type.shape.dim[1], y->type.shape.dim[3]);
  return onnx_reshape(n, name, y, &s);
}

static void set_lists(const Window *w, IntList *stride, IntList *pad, IntList *dilation) {
  *stride = (IntList){2, {w->stride[0], w->stride[1]}};
  *dilation = (IntList){2, {w->dilation[0], w->dilation[1]}};
  *pad = (IntList){4, {w->pad[0], w->pad[1], w->pad[2], w->pad[3]}};
}

/* ---- Conv ---- */

static bool check_weight(const OnnxNode *n, const Shape *x, const Tensor *w, const Tensor *bias) {
  const Shape *s = &w->type.shape;
  if (!onnx_is_weight(w))
    return onnx_error(n, "the weight '%s' must be a constant", onnx_shown(n->im->arena, w->name));
  if (bias && !onnx_is_weight(bias))
    return onnx_error(n, "the bias '%s' must be a constant", onnx_shown(n->im->arena, bias->name));
  if (s->rank != x->rank) return onnx_error(n, "the weight has rank %d, the input rank %d", s->rank, x->rank);
  for (int i = 2; i < s->rank; i++)
    if (s->dim[i] > MAX_DIM || s->dim[i] < 1)
      return onnx_error(n, "the weight %s has no elements", shape_text(n->im->arena, s));
  OnnxInts kernel;
  bool same = true;
  if (!onnx_attr_ints(n, "kernel_shape", &kernel)) return true;
  same = kernel.n == s->rank - 2;
  for (int i = 0; same && i < s->rank - 2; i++) same = kernel.v[i] == s->dim[2 + i];
  return same || onnx_error(n, "attribute 'kernel_shape' differs from the weight's shape, %s",
                            shape_text(n->im->arena, s));
}

Tensor *onnx_emit_conv(OnnxNode *n, const char *name, Tensor *x, Tensor *w, Tensor *bias) {
  ConvAttrs attrs = *(const ConvAttrs *)op_info[OP_conv2d]->attr_defaults;
  Window window = {.stride = {1, 1}, .dilation = {1, 1}};
  const Shape *xs = &x->type.shape, *ws = &w->type.shape;
  int rank = xs->rank;
  if (!check_rank(n, xs) || !check_weight(n, xs, w, bias)) return NULL;
  window.kernel[0] = rank == 4 ? ws->dim[2] : 1;
  window.kernel[1] = ws->dim[rank - 1];
  if (!read_window(n, xs, &window)) return NULL;
  attrs.groups = onnx_attr_int(n, "group", 1);
  set_lists(&window, &attrs.stride, &attrs.pad, &attrs.dilation);
  Shape flat_x = with_height(xs), flat_w = with_height(ws);
  Tensor *operands[] = {onnx_reshape(n, NULL, x, &flat_x), onnx_reshape(n, NULL, w, &flat_w), bias};
  if (!operands[0] || !operands[1]) return NULL;
  Tensor *y = onnx_emit(n, OP_conv2d, rank == 4 ? name : NULL, operands, bias ? 3 : 2, &attrs);
  return without_height(n, name, y, rank);
}

bool onnx_import_conv(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false), *w = x ? onnx_operand(n, 1, false) : NULL;
  bool with_bias = onnx_has_input(n, 2);
  Tensor *bias = w && with_bias ? onnx_operand(n, 2, false) : NULL;
  if (!w || (with_bias && !bias)) return false;
  return onnx_set_output(n, 0, onnx_emit_conv(n, onnx_output_name(n, 0), x, w, bias));
}

/* ---- pools ---- */

static bool import_pool(OnnxNode *n, OpId op, bool quantized_too) {
  Tensor *x = onnx_operand(n, 0, quantized_too);
  PoolAttrs attrs = *(const PoolAttrs *)op_info[op]->attr_defaults;
  Window w = {.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
  if (!x || !check_rank(n, &x->type.shape)) return false;
  int rank = x->type.shape.rank;
  if (!onnx_has_attr(n, "kernel_shape")) return onnx_error(n, "attribute 'kernel_shape' is missing");
  if (!read_spatial_list(n, "kernel_shape", rank - 2, w.kernel) || !read_window(n, &x->type.shape, &w) ||
      !onnx_attr_flag(n, "count_include_pad", false, &attrs.count_include_pad))
    return false;
  attrs.kernel = (IntList){2, {w.kernel[0], w.kernel[1]}};
  attrs.pad_extra = (IntList){2, {w.extra[0], w.extra[1]}};
  set_lists(&w, &attrs.stride, &attrs.pad, &attrs.dilation);
  if (op == OP_max_pool2d) attrs.pad_extra = (IntList){2, {0, 0}};
  Shape flat = with_height(&x->type.shape);
  Tensor *y =
      onnx_emit1(n, op, rank == 4 ? onnx_output_name(n, 0) : NULL, onnx_reshape(n, NULL, x, &flat), &attrs);
  return onnx_set_output(n, 0, without_height(n, onnx_output_name(n, 0), y, rank));
}

bool onnx_import_max_pool(OnnxNode *n) {
  if (onnx_output_used(n, 1)) return onnx_error(n, "the output 'Indices' is not supported");
  return import_pool(n, OP_max_pool2d, true);
}

bool onnx_import_average_pool(OnnxNode *n) { return import_pool(n, OP_avg_pool2d, false); }

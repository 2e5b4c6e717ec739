/* Conv and pools. */
#include "compiler/onnx_ops.h"
#include "compiler/onnx_window.h"

#include <string.h>

/* SAME: as many outputs as ceil(in / stride), the padding shared between both sides, the odd one at the end
 * (UPPER) or at the start (LOWER). */
static void pad_same(OnnxWindow *w, bool lower) {
  for (int i = 0; i < w->dims; i++) {
    int64_t out = (w->in[i] + w->stride[i] - 1) / w->stride[i];
    int64_t total = (out - 1) * w->stride[i] + onnx_window_extent(w, i) - w->in[i];
    if (total < 0) total = 0;
    w->before[i] = lower ? total - total / 2 : total / 2;
    w->after[i] = total - w->before[i];
  }
}

/* ceil_mode: a last window may hang over the end; it must still begin inside the input or the pad before it.
 */
static void apply_ceil(OnnxWindow *w) {
  for (int i = 0; i < w->dims; i++) {
    int64_t room = w->in[i] + w->before[i] + w->after[i] - onnx_window_extent(w, i);
    if (room < 0) continue; /* the op itself says that it does not fit */
    int64_t out = (room + w->stride[i] - 1) / w->stride[i] + 1;
    if ((out - 1) * w->stride[i] >= w->in[i] + w->before[i]) out--;
    w->extra[i] = (out - 1) * w->stride[i] - room;
    if (w->extra[i] < 0) w->extra[i] = 0;
    w->after[i] += w->extra[i];
  }
}

/* Reads everything but the kernel's size. */
static bool read_window(const OnnxNode *n, OnnxWindow *w) {
  bool ceil_mode;
  if (!onnx_window_steps(n, w) || !onnx_window_pads(n, w) ||
      !onnx_attr_flag(n, "ceil_mode", false, &ceil_mode))
    return false;
  const char *mode = onnx_window_auto_pad(n);
  if (!strncmp(mode, "SAME", 4)) pad_same(w, !strcmp(mode, "SAME_LOWER"));
  if (ceil_mode) apply_ceil(w);
  return true;
}

/* ---- Conv ---- */

bool onnx_conv_attrs(const OnnxNode *n, const Tensor *x, const Tensor *w, const Tensor *bias,
                     ConvAttrs *attrs) {
  OnnxWindow window;
  if (!onnx_window_begin(n, &x->type.shape, &window) || !onnx_window_weight(n, &window, w, bias) ||
      !read_window(n, &window))
    return false;
  *attrs = *(const ConvAttrs *)op_info[window.dims == 3 ? OP_conv3d : OP_conv2d]->attr_defaults;
  attrs->groups = onnx_attr_int(n, "group", 1);
  attrs->stride = onnx_window_ints(&window, window.stride);
  attrs->dilation = onnx_window_ints(&window, window.dilation);
  attrs->pad = onnx_window_pad_ints(&window);
  return true;
}

Tensor *onnx_emit_conv(OnnxNode *n, const char *name, Tensor *x, Tensor *w, Tensor *bias) {
  const Shape *xs = &x->type.shape;
  int rank = xs->rank;
  ConvAttrs attrs;
  if (!onnx_conv_attrs(n, x, w, bias, &attrs)) return NULL;
  OpId op = rank == 5 ? OP_conv3d : OP_conv2d;
  Shape flat_x = onnx_with_height(xs), flat_w = onnx_with_height(&w->type.shape);
  Tensor *operands[] = {onnx_reshape(n, NULL, x, &flat_x), onnx_reshape(n, NULL, w, &flat_w), bias};
  if (!operands[0] || !operands[1]) return NULL;
  Tensor *y = onnx_emit(n, op, rank == 3 ? NULL : name, operands, bias ? 3 : 2, &attrs);
  return onnx_without_height(n, name, y, rank);
}

bool onnx_import_conv(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false), *w = x ? onnx_operand(n, 1, false) : NULL;
  bool with_bias = onnx_has_input(n, 2);
  Tensor *bias = w && with_bias ? onnx_operand(n, 2, false) : NULL;
  if (!w || (with_bias && !bias)) return false;
  return onnx_set_output(n, 0, onnx_emit_conv(n, onnx_output_name(n, 0), x, w, bias));
}

/* ---- pools ---- */

/* `divisor`: of an average's sums; 0: the number of elements. */
static Tensor *emit_pool(OnnxNode *n, const char *name, Tensor *x, bool maximum, int64_t divisor) {
  OnnxWindow w;
  if (!onnx_window_begin(n, &x->type.shape, &w)) return NULL;
  OpId op =
      maximum ? (w.dims == 3 ? OP_max_pool3d : OP_max_pool2d) : (w.dims == 3 ? OP_avg_pool3d : OP_avg_pool2d);
  PoolAttrs attrs = *(const PoolAttrs *)op_info[op]->attr_defaults;
  int rank = x->type.shape.rank;
  if (!onnx_has_attr(n, "kernel_shape")) {
    onnx_error(n, "attribute 'kernel_shape' is missing");
    return NULL;
  }
  if (!onnx_window_list(n, &w, "kernel_shape", 1, w.kernel) || !read_window(n, &w) ||
      !onnx_attr_flag(n, "count_include_pad", false, &attrs.count_include_pad))
    return NULL;
  attrs.kernel = onnx_window_ints(&w, w.kernel);
  attrs.stride = onnx_window_ints(&w, w.stride);
  attrs.dilation = onnx_window_ints(&w, w.dilation);
  attrs.pad = onnx_window_pad_ints(&w);
  attrs.divisor = divisor;
  if (!maximum) attrs.pad_extra = onnx_window_ints(&w, w.extra);
  Shape flat = onnx_with_height(&x->type.shape);
  Tensor *y = onnx_emit1(n, op, rank == 3 ? NULL : name, onnx_reshape(n, NULL, x, &flat), &attrs);
  return onnx_without_height(n, name, y, rank);
}

Tensor *onnx_emit_pool(OnnxNode *n, const char *name, Tensor *x, bool maximum) {
  return emit_pool(n, name, x, maximum, 0);
}

static bool import_pool(OnnxNode *n, bool maximum) {
  Tensor *x = onnx_operand(n, 0, maximum);
  return x && onnx_set_output(n, 0, onnx_emit_pool(n, onnx_output_name(n, 0), x, maximum));
}

bool onnx_import_max_pool(OnnxNode *n) {
  if (onnx_output_used(n, 1)) return onnx_error(n, "the output 'Indices' is not supported");
  return import_pool(n, true);
}

bool onnx_import_average_pool(OnnxNode *n) { return import_pool(n, false); }

/* The sum of magnitudes, or the root of the sum of squares. */
bool onnx_import_lp_pool(OnnxNode *n) {
  int64_t p = onnx_attr_int(n, "p", 2);
  const char *name = onnx_output_name(n, 0);
  Tensor *x = onnx_operand(n, 0, false);
  if (!x) return false;
  if (p != 1 && p != 2) return onnx_error(n, "attribute 'p' is %lld; it must be 1 or 2", (long long)p);
  x = p == 1 ? onnx_emit1(n, OP_abs, NULL, x, NULL) : onnx_emit2(n, OP_mul, NULL, x, x, NULL);
  if (x) x = emit_pool(n, p == 1 ? name : NULL, x, false, 1);
  return onnx_set_output(n, 0, p == 1 ? x : onnx_emit1(n, OP_sqrt, name, x, NULL));
}

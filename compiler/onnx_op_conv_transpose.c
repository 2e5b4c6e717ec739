/* ConvTranspose: its weight is [C, M / group, ...], the IR's [M, C / group, ...]. */
#include "compiler/onnx_ops.h"
#include "compiler/onnx_window.h"

#include <string.h>

/* ---- the weight ---- */

/* C input channels, M output channels, taps of the kernel. */
typedef struct {
  int64_t groups, c, m, taps;
} Channels;

/* The element of ONNX's weight for output channel m and input channel i of its group. */
static int64_t weight_at(const Channels *s, int64_t m, int64_t i) {
  int64_t per_group = s->m / s->groups;
  return ((m / per_group * (s->c / s->groups) + i) * per_group + m % per_group) * s->taps;
}

static void *swapped_data(Arena *a, const Channels *s, const Type *t, const char *data) {
  size_t run = (size_t)(s->taps * dtype_info[t->dtype].bytes), size = run / (size_t)s->taps;
  char *out = arena_alloc(a, (size_t)type_bytes(t)), *to = out;
  for (int64_t m = 0; m < s->m; m++)
    for (int64_t i = 0; i < s->c / s->groups; i++, to += run)
      memcpy(to, data + (size_t)weight_at(s, m, i) * size, run);
  return out;
}

/* One scale for each output channel, where the given ones tell them; false where they do not. */
static bool swapped_quant(Arena *a, const Channels *s, const Quant *q, const Quant **out) {
  *out = q;
  if (!q || q->axis < 0) return true;
  int64_t per_group = s->m / s->groups;
  bool by_input = q->axis == 0 && s->c == s->groups; /* a group has one input channel */
  if (q->axis != 1 && !by_input) return false;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)s->m);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)s->m);
  for (int64_t m = 0; m < s->m; m++) {
    int64_t from = by_input ? m / per_group : m % per_group;
    scale[m] = q->scale[from];
    zero[m] = q->zero[from];
  }
  *out = quant_new(a, 0, s->m, scale, zero);
  return true;
}

/* The float32 values of a dequantize of a constant, as a constant. */
static Tensor *dequantized(OnnxNode *n, const Tensor *w) {
  Arena *a = n->im->arena;
  float *v = arena_alloc(a, (size_t)type_bytes(&w->type));
  op_info[OP_dequantize]->eval(&(EvalCtx){a}, w->producer, (const void *[]){w->producer->operands[0]->data},
                               (void *[]){v});
  return onnx_constant(n, onnx_temp_name(n, "weight"), w->type, v);
}

/* The weight in the IR's form; integers under a dequantize stay integers where their scales go along with the
 * output channels. */
static Tensor *swapped_weight(OnnxNode *n, Tensor *w, const Channels *s) {
  Arena *a = n->im->arena;
  Tensor *from = tensor_is_const(w) ? w : w->producer->operands[0];
  Type type = from->type;
  if (!swapped_quant(a, s, from->type.quant, &type.quant)) {
    from = dequantized(n, w);
    type = from->type;
  }
  type.shape.dim[0] = s->m;
  type.shape.dim[1] = s->c / s->groups;
  Tensor *k = onnx_constant(n, from->name, type, swapped_data(a, s, &type, from->data));
  k->from_half = from->from_half;
  return type.quant ? onnx_emit1(n, OP_dequantize, NULL, k, NULL) : k;
}

/* ---- the size of the result ---- */

/* What the result would have without pads, its output_padding included. */
static int64_t full_size(const OnnxWindow *w, int i, int64_t output_pad) {
  return (w->in[i] - 1) * w->stride[i] + onnx_window_extent(w, i) + output_pad;
}

/* Pads that make the result of dim i as large as wanted: what is too much is taken from both sides, the odd
 * one behind (SAME_UPPER) or in front; what is missing is added behind. */
static bool pad_to_size(const OnnxNode *n, OnnxWindow *w, int i, int64_t want, bool upper,
                        int64_t *output_pad) {
  int64_t total = full_size(w, i, *output_pad) - want;
  if (total < 0) {
    *output_pad -= total;
    total = 0;
  }
  if (total > MAX_DIM || *output_pad > MAX_DIM)
    return onnx_error(n, "a result of %lld is out of reach", (long long)want);
  w->before[i] = upper ? total / 2 : total - total / 2;
  w->after[i] = total - w->before[i];
  return true;
}

static bool read_pads(const OnnxNode *n, OnnxWindow *w, int64_t output_pad[ONNX_WINDOW_DIMS]) {
  int64_t size[ONNX_WINDOW_DIMS] = {0};
  const char *mode = onnx_window_auto_pad(n);
  if (!mode || !onnx_window_list(n, w, "output_padding", 0, output_pad) ||
      !onnx_window_list(n, w, "output_shape", 1, size))
    return false;
  bool given = onnx_has_attr(n, "output_shape"), same = !strncmp(mode, "SAME", 4);
  if (!given && !same) return onnx_window_pads(n, w);
  for (int i = w->dims - w->spatial; i < w->dims; i++) {
    int64_t want = given ? size[i] : w->in[i] * w->stride[i];
    if (!pad_to_size(n, w, i, want, !strcmp(mode, "SAME_UPPER"), &output_pad[i])) return false;
  }
  return true;
}

/* ---- the node ---- */

static bool read_channels(const OnnxNode *n, const Shape *x, const Shape *w, const Tensor *bias,
                          Channels *s) {
  int64_t groups = onnx_attr_int(n, "group", 1), per_group = w->dim[1];
  if (groups < 1 || groups > x->dim[1] || x->dim[1] % groups)
    return onnx_error(n, "attribute 'group' is %lld, which does not divide %lld channels", (long long)groups,
                      (long long)x->dim[1]);
  if (w->dim[0] != x->dim[1] || per_group < 1 || per_group > MAX_DIM / groups)
    return onnx_error(n, "the weight %s does not fit %lld input channels", shape_text(n->im->arena, w),
                      (long long)x->dim[1]);
  *s = (Channels){groups, x->dim[1], per_group * groups, 1};
  for (int i = 2; i < w->rank; i++) s->taps *= w->dim[i];
  if (bias && (bias->type.shape.rank != 1 || bias->type.shape.dim[0] != s->m))
    return onnx_error(n, "the bias is %s; [%lld] is needed", shape_text(n->im->arena, &bias->type.shape),
                      (long long)s->m);
  return true;
}

static Tensor *emit(OnnxNode *n, const char *name, Tensor *x, Tensor *w, Tensor *bias) {
  OnnxWindow window;
  Channels channels = {1, 1, 1, 1};
  int64_t output_pad[ONNX_WINDOW_DIMS] = {0};
  int rank = x->type.shape.rank;
  if (!onnx_window_begin(n, &x->type.shape, &window) || !onnx_window_weight(n, &window, w, bias) ||
      !read_channels(n, &x->type.shape, &w->type.shape, bias, &channels) || !onnx_window_steps(n, &window) ||
      !read_pads(n, &window, output_pad))
    return NULL;
  OpId op = window.dims == 3 ? OP_conv_transpose3d : OP_conv_transpose2d;
  ConvAttrs attrs = *(const ConvAttrs *)op_info[op]->attr_defaults;
  attrs.groups = channels.groups;
  attrs.stride = onnx_window_ints(&window, window.stride);
  attrs.dilation = onnx_window_ints(&window, window.dilation);
  attrs.pad = onnx_window_pad_ints(&window);
  attrs.output_pad = onnx_window_ints(&window, output_pad);
  w = swapped_weight(n, w, &channels);
  Shape flat_x = onnx_with_height(&x->type.shape), flat_w = onnx_with_height(&w->type.shape);
  Tensor *operands[] = {onnx_reshape(n, NULL, x, &flat_x), onnx_reshape(n, NULL, w, &flat_w), bias};
  if (!operands[0] || !operands[1]) return NULL;
  Tensor *y = onnx_emit(n, op, rank == 3 ? NULL : name, operands, bias ? 3 : 2, &attrs);
  return onnx_without_height(n, name, y, rank);
}

bool onnx_import_conv_transpose(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false), *w = x ? onnx_operand(n, 1, false) : NULL;
  bool with_bias = onnx_has_input(n, 2);
  Tensor *bias = w && with_bias ? onnx_operand(n, 2, false) : NULL;
  if (!w || (with_bias && !bias)) return false;
  return onnx_set_output(n, 0, emit(n, onnx_output_name(n, 0), x, w, bias));
}

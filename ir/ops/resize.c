/* resize_nearest, resize_linear, resize_cubic { size, scale, coordinates, rounding, a, exclude_outside } of
 * tensors of any rank. */
#include "ir/resize.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"

#include <math.h>

static bool check_scale(Diag *d, const Node *n, int rank) {
  const RealList *scale = &ATTRS(n, ResizeAttrs)->scale;
  if (scale->n && scale->n != rank)
    return diag_error(d, node_loc(n), "%s needs %d values for scale, not %d", op_info[n->op]->name, rank,
                      scale->n);
  for (int i = 0; i < scale->n; i++)
    if (scale->v[i] != 0 && !(scale_is_valid(scale->v[i]) && scale_is_valid(1 / scale->v[i])))
      return diag_error(d, node_loc(n), "%s: a scale of %g", op_info[n->op]->name, (double)scale->v[i]);
  return true;
}

static bool check_size(Diag *d, const Node *n, Type *results) {
  const IntList *size = &ATTRS(n, ResizeAttrs)->size;
  const Shape *x = &n->operands[0]->type.shape;
  const char *op = op_info[n->op]->name;
  if (!infer_real_operand(d, n, 0)) return false;
  if (size->n != x->rank)
    return diag_error(d, node_loc(n), "%s needs %d values for size, not %d", op, x->rank, size->n);
  results[0].shape = *x;
  for (int i = 0; i < size->n; i++) {
    if (size->v[i] < 1 || size->v[i] > MAX_DIM)
      return diag_error(d, node_loc(n), "%s: size must be from 1 to %lld, not %lld", op, (long long)MAX_DIM,
                        (long long)size->v[i]);
    if (x->dim[i] < 1)
      return diag_error(d, node_loc(n), "operand 1 of %s, %s, has no elements", op, shape_text(d->arena, x));
    results[0].shape.dim[i] = size->v[i];
  }
  return check_scale(d, n, x->rank);
}

static bool infer_resize_nearest(Diag *d, Node *n, Type *results) {
  results[0].dtype = n->operands[0]->type.dtype;
  results[0].quant = n->operands[0]->type.quant;
  return check_size(d, n, results);
}

/* Rule 11 takes s_in / s_out. */
static bool check_ratio(Diag *d, const Node *n) {
  const Tensor *x = n->operands[0], *r = n->results[0];
  if (!tensor_is_quantized(x) || r->type.dtype == DT_NONE) return true;
  return scale_is_valid(tensor_scale(x) / tensor_scale(r)) ||
         diag_error(d, node_loc(n), "%s '%s': the multiplier %g / %g is not a normal number",
                    op_info[n->op]->name, r->name, (double)tensor_scale(x), (double)tensor_scale(r));
}

/* How many dims change; -1 after a diagnostic. */
static int count_changes(Diag *d, const Node *n, Arena *tmp) {
  const ResizeAttrs *a = ATTRS(n, ResizeAttrs);
  int active = 0;
  for (int i = 0; i < a->size.n; i++) {
    ResizeDim dim = resize_dim(tmp, n, i);
    active += dim.active;
    for (int t = 0; t < dim.taps; t++)
      for (int64_t o = 0; o < a->size.v[i]; o++) {
        if (isfinite(dim.weight[t][o])) continue;
        diag_error(d, node_loc(n), "%s: without what lies outside nothing is left at position %lld of dim %d",
                   op_info[n->op]->name, (long long)o, i);
        return -1;
      }
  }
  return active;
}

static bool infer_resize(Diag *d, Node *n, Type *results) {
  const char *op = op_info[n->op]->name;
  float a = ATTRS(n, ResizeAttrs)->a;
  if (!check_size(d, n, results) || !infer_real_result(d, n, &results[0])) return false;
  if (!(a >= -16 && a <= 16))
    return diag_error(d, node_loc(n), "%s: a must be from -16 to 16, not %g", op, (double)a);
  Arena *tmp = arena_new();
  int active = count_changes(d, n, tmp);
  arena_free(tmp);
  if (active > resize_most_dims(n->op))
    return diag_error(d, node_loc(n), "%s changes %d dims; at most %d are supported", op, active,
                      resize_most_dims(n->op));
  return active >= 0 && check_ratio(d, n);
}

/* --- nearest --- */

static void eval_resize_nearest(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Type *x = &n->operands[0]->type;
  const Shape *y = &n->results[0]->type.shape;
  int64_t stride[MAX_RANK];
  GatherMap map;
  shape_strides(&x->shape, stride);
  for (int i = 0; i < y->rank; i++) {
    ResizeDim d = resize_dim(ctx->scratch, n, i);
    int64_t *line = gather_line(ctx->scratch, y->dim[i], 0, stride[i]);
    for (int64_t o = 0; d.active && o < y->dim[i]; o++) line[o] = d.index[0][o] * stride[i];
    map.offset[i] = line;
  }
  gather(dtype_info[x->dtype].bytes, y, &map, in[0], NULL, out[0]);
}

/* --- linear, cubic --- */

/* The elements that one result is the weighted sum of: the taps in each dim that changes, in C order. */
typedef struct {
  const Type *x;
  const void *data;
  int n; /* dims that change */
  ResizeDim dim[RESIZE_MAX_LINEAR];
  int64_t stride[RESIZE_MAX_LINEAR];
} Weighted;

static float element(const Weighted *l, int64_t i) {
  if (l->x->dtype == DT_F32) return ((const float *)l->data)[i];
  int32_t q = l->x->dtype == DT_U8 ? ((const uint8_t *)l->data)[i] : ((const int8_t *)l->data)[i];
  return (float)(q - l->x->quant->zero[0]);
}

/* `base`: what the other dims add; `at`: the result's position in those that change. Weights are multiplied,
 * and products added, from the outermost dim on. */
static float interpolate(const Weighted *l, int64_t base, const int64_t *at) {
  int taps = l->n ? l->dim[0].taps : 1, corners = 1;
  for (int k = 0; k < l->n; k++) corners *= taps;
  float sum = 0;
  for (int corner = 0; corner < corners; corner++) {
    float weight = 1;
    int64_t i = base;
    for (int k = 0, left = corners; k < l->n; k++) {
      left /= taps;
      const ResizeDim *d = &l->dim[k];
      int tap = corner / left % taps;
      weight = k ? weight * d->weight[tap][at[k]] : d->weight[tap][at[k]];
      i += d->index[tap][at[k]] * l->stride[k];
    }
    float product = weight * element(l, i);
    sum = corner ? sum + product : product;
  }
  return sum;
}

static void store(const Node *n, float v, void *out, int64_t i) {
  const Type *y = &n->results[0]->type;
  if (y->dtype == DT_F32) {
    ((float *)out)[i] = v;
    return;
  }
  const DTypeInfo *t = &dtype_info[y->dtype];
  float ratio = tensor_scale(n->operands[0]) / tensor_scale(n->results[0]);
  int32_t z = y->quant->zero[0], lo = (int32_t)t->min - z, hi = (int32_t)t->max - z;
  v *= ratio;
  v = v < (float)lo ? (float)lo : v > (float)hi ? (float)hi : v;
  ((uint8_t *)out)[i] = (uint8_t)(rne((double)v) + z);
}

static void eval_resize(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Shape *y = &n->results[0]->type.shape;
  Weighted l = {.x = &n->operands[0]->type, .data = in[0]};
  int64_t stride[MAX_RANK], index[MAX_RANK] = {0}, count = shape_count(y);
  int changes[RESIZE_MAX_LINEAR];
  shape_strides(&l.x->shape, stride);
  for (int i = 0; i < y->rank; i++) {
    ResizeDim d = resize_dim(ctx->scratch, n, i);
    if (!d.active) continue;
    changes[l.n] = i;
    l.stride[l.n] = stride[i];
    stride[i] = 0;
    l.dim[l.n++] = d;
  }
  for (int64_t i = 0; i < count; i++) {
    int64_t base = 0, at[RESIZE_MAX_LINEAR] = {0};
    for (int k = 0; k < y->rank; k++) base += index[k] * stride[k];
    for (int k = 0; k < l.n; k++) at[k] = index[changes[k]];
    store(n, interpolate(&l, base, at), out[0], i);
    for (int k = y->rank - 1; k >= 0 && ++index[k] == y->dim[k]; k--) index[k] = 0;
  }
}

static const char *const coordinate_names[] = {"half_pixel",
                                               "half_pixel_symmetric",
                                               "pytorch_half_pixel",
                                               "align_corners",
                                               "asymmetric",
                                               "tf_half_pixel_for_nn",
                                               NULL};
static const char *const rounding_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                             NULL};

static const ResizeAttrs resize_defaults = {.coordinates = RESIZE_HALF_PIXEL, .a = -0.75f};
#define RESIZE_ATTRS                                                                                         \
  {"size", ATTR_INTS, offsetof(ResizeAttrs, size)}, {"scale", ATTR_REALS, offsetof(ResizeAttrs, scale)}, {   \
    "coordinates", ATTR_ENUM, offsetof(ResizeAttrs, coordinates), .values = coordinate_names                 \
  }
static const AttrDesc nearest_attrs[] = {
    RESIZE_ATTRS, {"rounding", ATTR_ENUM, offsetof(ResizeAttrs, rounding), .values = rounding_names}, {0}};
static const AttrDesc linear_attrs[] = {RESIZE_ATTRS, {0}};
static const AttrDesc cubic_attrs[] = {RESIZE_ATTRS,
                                       {"a", ATTR_FLOAT, offsetof(ResizeAttrs, a)},
                                       {"exclude_outside", ATTR_BOOL, offsetof(ResizeAttrs, exclude_outside)},
                                       {0}};

#define RESIZE(op, descs, rule, check, kernel)                                                               \
  {                                                                                                          \
    .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .attrs_size = sizeof(ResizeAttrs),    \
    .attr_defaults = &resize_defaults, .attrs = (descs), .quant = (rule), .infer = (check), .eval = (kernel) \
  }

const OpInfo op_resize_nearest =
    RESIZE(resize_nearest, nearest_attrs, QUANT_MOVE, infer_resize_nearest, eval_resize_nearest);
const OpInfo op_resize_linear = RESIZE(resize_linear, linear_attrs, QUANT_POOL, infer_resize, eval_resize);
const OpInfo op_resize_cubic = RESIZE(resize_cubic, cubic_attrs, QUANT_POOL, infer_resize, eval_resize);

/* Operators that pick, repeat and regroup elements: each becomes slices, reshapes, transposes and copies. */
#include "compiler/onnx_ops.h"

#include <string.h>

static Tensor *reshaped(OnnxNode *n, const char *name, Tensor *t, Shape shape) {
  return onnx_reshape(n, name, t, &shape);
}

static Tensor *transposed(OnnxNode *n, Tensor *t, int rank, const int64_t *perm) {
  TransposeAttrs attrs = {{.n = rank}};
  memcpy(attrs.perm.v, perm, sizeof *perm * (size_t)rank);
  return onnx_emit1(n, OP_transpose, NULL, t, &attrs);
}

/* ---- Gather ---- */

enum { MAX_RUNS = 256 }; /* of indices; each is a copy of its own */

/* The indices as a list, none negative. */
static bool read_indices(OnnxNode *n, int64_t dim, OnnxInts *list, Shape *shape) {
  const OnnxValue *v = onnx_const_input(n, 1, "the indices");
  if (!v) return false;
  *shape = v->type.shape;
  bool wide = v->type.dtype == DT_S64;
  if (!wide && v->type.dtype != DT_S32)
    return onnx_error(n, "the indices are %s; INT64 or INT32 is needed", type_text(n->im->arena, &v->type));
  list->n = shape_count(shape);
  int64_t *index = ARENA_NEW_ARRAY(n->im->arena, int64_t, (size_t)list->n);
  for (int64_t i = 0; i < list->n; i++) {
    int64_t k = wide ? ((const int64_t *)v->data)[i] : ((const int32_t *)v->data)[i];
    if (k < -dim || k >= dim)
      return onnx_error(n, "index %lld is out of range for a dimension of %lld", (long long)k,
                        (long long)dim);
    index[i] = k < 0 ? k + dim : k;
  }
  list->v = index;
  return list->n > 0 || onnx_error(n, "the indices have no elements");
}

/* How many indices from `first` on step evenly. */
static int64_t run_length(const OnnxInts *list, int64_t first) {
  int64_t end = first + 1;
  if (end == list->n) return 1;
  int64_t step = list->v[end] - list->v[first];
  if (step == 0) return 1;
  while (end < list->n && list->v[end] - list->v[end - 1] == step) end++;
  return end - first;
}

static Tensor *take_run(OnnxNode *n, const char *name, Tensor *x, int axis, const int64_t *index,
                        int64_t count) {
  SliceAttrs a = {0};
  int rank = x->type.shape.rank;
  a.start.n = a.stop.n = a.step.n = rank;
  for (int i = 0; i < rank; i++) {
    a.stop.v[i] = x->type.shape.dim[i];
    a.step.v[i] = 1;
  }
  int64_t step = count > 1 ? index[1] - index[0] : 1;
  a.start.v[axis] = index[0];
  a.stop.v[axis] = index[count - 1] + (step > 0 ? 1 : -1);
  a.step.v[axis] = step;
  return onnx_emit1(n, OP_slice, name, x, &a);
}

/* Dimension `axis` of x in the order of the indices. */
static Tensor *take(OnnxNode *n, const char *name, Tensor *x, int axis, const OnnxInts *list) {
  Tensor *part[MAX_RUNS];
  int count = 0;
  int64_t first = run_length(list, 0);
  if (first == list->n) return take_run(n, name, x, axis, list->v, first);
  for (int64_t at = 0, length; at < list->n; at += length) {
    length = run_length(list, at);
    if (count == MAX_RUNS) {
      onnx_error(n, "the indices are more than %d runs of evenly spaced ones", MAX_RUNS);
      return NULL;
    }
    part[count] = take_run(n, NULL, x, axis, list->v + at, length);
    if (!part[count++]) return NULL;
  }
  AxisAttrs attrs = {axis};
  return onnx_emit(n, OP_concat, name, part, count, &attrs);
}

bool onnx_import_gather(OnnxNode *n) {
  if (onnx_is_lookup(n)) return onnx_import_lookup(n);
  Tensor *x = onnx_operand(n, 0, true);
  OnnxInts list;
  Shape index_shape, to = {0};
  int axis;
  if (!x || !onnx_axis(n, onnx_attr_int(n, "axis", 0), x->type.shape.rank, &axis) ||
      !read_indices(n, x->type.shape.dim[axis], &list, &index_shape))
    return false;
  const Shape *s = &x->type.shape;
  if (s->rank - 1 + index_shape.rank > MAX_RANK)
    return onnx_error(n, "the result has %d dimensions; at most %d are supported",
                      s->rank - 1 + index_shape.rank, MAX_RANK);
  for (int i = 0; i < axis; i++) to.dim[to.rank++] = s->dim[i];
  for (int i = 0; i < index_shape.rank; i++) to.dim[to.rank++] = index_shape.dim[i];
  for (int i = axis + 1; i < s->rank; i++) to.dim[to.rank++] = s->dim[i];
  bool same = index_shape.rank == 1;
  Tensor *y = take(n, same ? onnx_output_name(n, 0) : NULL, x, axis, &list);
  if (!y) return false;
  return onnx_set_output(n, 0, same ? y : onnx_reshape(n, onnx_output_name(n, 0), y, &to));
}

/* ---- DepthToSpace, SpaceToDepth ---- */

static bool read_block(const OnnxNode *n, const Tensor *x, int64_t *block) {
  *block = onnx_attr_int(n, "blocksize", 0);
  if (!onnx_has_attr(n, "blocksize")) return onnx_error(n, "attribute 'blocksize' is missing");
  if (*block < 1 || *block > MAX_DIM)
    return onnx_error(n, "attribute 'blocksize' is %lld", (long long)*block);
  return x->type.shape.rank == 4 ||
         onnx_error(n, "the input must be [N, C, H, W], not %s", shape_text(n->im->arena, &x->type.shape));
}

bool onnx_import_depth_to_space(OnnxNode *n) {
  static const int64_t dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3};
  const char *mode = onnx_attr_string(n, "mode", "DCR");
  bool by_column = !strcmp(mode, "CRD");
  Tensor *x = onnx_operand(n, 0, true);
  int64_t b;
  if (!x || !read_block(n, x, &b)) return false;
  if (!by_column && strcmp(mode, "DCR"))
    return onnx_error(n, "attribute 'mode' is '%s'; DCR and CRD are known", onnx_shown(n->im->arena, mode));
  const int64_t *d = x->type.shape.dim, depth = d[1] / (b * b);
  if (d[1] % (b * b))
    return onnx_error(n, "%lld channels cannot be spread over blocks of %lld", (long long)d[1], (long long)b);
  Shape apart =
      by_column ? shape_of(6, d[0], depth, b, b, d[2], d[3]) : shape_of(6, d[0], b, b, depth, d[2], d[3]);
  Shape to = shape_of(4, d[0], depth, d[2] * b, d[3] * b);
  Tensor *y = transposed(n, reshaped(n, NULL, x, apart), 6, by_column ? crd : dcr);
  return onnx_set_output(n, 0, reshaped(n, onnx_output_name(n, 0), y, to));
}

bool onnx_import_space_to_depth(OnnxNode *n) {
  static const int64_t perm[] = {0, 3, 5, 1, 2, 4};
  Tensor *x = onnx_operand(n, 0, true);
  int64_t b;
  if (!x || !read_block(n, x, &b)) return false;
  const int64_t *d = x->type.shape.dim;
  if (d[2] % b || d[3] % b)
    return onnx_error(n, "%lld x %lld cannot be cut into blocks of %lld", (long long)d[2], (long long)d[3],
                      (long long)b);
  Shape apart = shape_of(6, d[0], d[1], d[2] / b, b, d[3] / b, b);
  Shape to = shape_of(4, d[0], d[1] * b * b, d[2] / b, d[3] / b);
  Tensor *y = transposed(n, reshaped(n, NULL, x, apart), 6, perm);
  return onnx_set_output(n, 0, reshaped(n, onnx_output_name(n, 0), y, to));
}

/* ---- Expand, Tile ---- */

static Tensor *expanded(OnnxNode *n, const char *name, Tensor *x, const Shape *to) {
  ReshapeAttrs attrs = {{.n = to->rank}};
  memcpy(attrs.shape.v, to->dim, sizeof *to->dim * (size_t)to->rank);
  return onnx_emit1(n, OP_expand, name, x, &attrs);
}

bool onnx_import_expand(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  OnnxInts want;
  Shape shape = {0}, to;
  if (!x || !onnx_ints_input(n, 1, "the shape", &want)) return false;
  if (want.n > MAX_RANK)
    return onnx_error(n, "a shape of %lld dimensions; at most %d are supported", (long long)want.n, MAX_RANK);
  for (int64_t i = 0; i < want.n; i++) {
    if (want.v[i] < 1 || want.v[i] > MAX_DIM)
      return onnx_error(n, "dimension %lld is %lld", (long long)i, (long long)want.v[i]);
    shape.dim[shape.rank++] = want.v[i];
  }
  if (!shape_broadcast(&x->type.shape, &shape, &to))
    return onnx_error(n, "%s does not broadcast to %s", shape_text(n->im->arena, &x->type.shape),
                      shape_text(n->im->arena, &shape));
  return onnx_set_output(n, 0, expanded(n, onnx_output_name(n, 0), x, &to));
}

/* Each repeated dim gets one of 1 before it, which is expanded, and joins it again. */
bool onnx_import_tile(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  OnnxInts repeats;
  if (!x || !onnx_ints_input(n, 1, "the repeats", &repeats)) return false;
  const Shape *s = &x->type.shape;
  Shape ones = {0}, wide = {0}, to = *s;
  if (repeats.n != s->rank)
    return onnx_error(n, "%lld repeats for a rank of %d", (long long)repeats.n, s->rank);
  for (int i = 0; i < s->rank; i++) {
    int64_t r = repeats.v[i];
    if (r < 1 || r > MAX_DIM) return onnx_error(n, "the repeats of dimension %d are %lld", i, (long long)r);
    if (ones.rank + 2 > MAX_RANK && (r > 1 || ones.rank + 1 > MAX_RANK))
      return onnx_error(n, "too many of %d dimensions are repeated", s->rank);
    if (r > 1) {
      ones.dim[ones.rank++] = 1;
      wide.dim[wide.rank++] = r;
    }
    ones.dim[ones.rank++] = wide.dim[wide.rank++] = s->dim[i];
    to.dim[i] *= r;
  }
  Tensor *y = reshaped(n, NULL, x, ones);
  y = y ? expanded(n, NULL, y, &wide) : NULL;
  return onnx_set_output(n, 0, reshaped(n, onnx_output_name(n, 0), y, to));
}

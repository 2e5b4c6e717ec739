/* conv2d: depthwise convolutions have a kernel of their own, all others are dense dot products. */
#include "codegen/dense.h"
#include "codegen/depthwise.h"
#include "codegen/layout.h"
#include "ir/ops/attrs.h"

static Halo conv_halo(const Node *n, int i) {
  if (i != 0) return (Halo){0};
  const int64_t *p = ATTRS(n, Conv2dAttrs)->pad.v;
  return (Halo){p[0], p[1], p[2], p[3]};
}

/* Weight [OC][IC/groups][KH][KW]; a run is a row of the window ([kw][ic]) or one tap ([ic]). */
static int64_t conv_weight(const Dense *d, int64_t c, int64_t run, int64_t i) {
  const int64_t *dim = d->weight->type.shape.dim;
  int64_t taps = d->runs[1] == dim[3] ? 1 : dim[3]; /* in a run */
  int64_t kh = run / d->runs[1], kw = taps > 1 ? i / dim[1] : run % d->runs[1], ic = i % dim[1];
  return ((c * dim[1] + ic) * dim[2] + kh) * dim[3] + kw;
}

static bool conv_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  const Tensor *x = n->operands[0], *w = n->operands[1], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  const int64_t *dx = x->type.shape.dim, *dw = w->type.shape.dim, *dy = y->type.shape.dim;
  bool depthwise = a->groups == dx[1] && dw[0] == dx[1] && a->groups > 1;
  if (depthwise && !linear_is_wide(n)) return depthwise_emit(cg, n);

  Dense d = {.node = n,
             .x = x,
             .y = y,
             .weight = w,
             .bias = node_operand(n, 2),
             .act_min = a->act_min,
             .act_max = a->act_max,
             .groups = a->groups,
             .oc = dw[0] / a->groups,
             .group_step = dw[1],
             .weight_index = conv_weight};
  /* With one group and no dilation a row of the window is contiguous. */
  bool rows = a->groups == 1 && (a->dilation.v[1] == 1 || dw[3] == 1);
  d.runs[0] = dw[2];
  d.runs[1] = rows ? 1 : dw[3];
  d.length = rows ? dw[3] * dw[1] : dw[1];
  d.run_step[0] = a->dilation.v[0] * sx->stride[2];
  d.run_step[1] = a->dilation.v[1] * sx->stride[3];
  int64_t stride_h = a->stride.v[0], stride_w = a->stride.v[1];
  d.count[0] = dy[0], d.count[1] = dy[2], d.count[2] = dy[3];
  d.x_step[0] = sx->stride[0], d.x_step[1] = stride_h * sx->stride[2], d.x_step[2] = stride_w * sx->stride[3];
  d.y_step[0] = sy->stride[0], d.y_step[1] = sy->stride[2], d.y_step[2] = sy->stride[3];
  /* Rows that follow each other without a gap, in both tensors, are one long row. */
  for (int i = 1; i >= 0; i--)
    if (d.x_step[i] == d.count[2] * d.x_step[2] && d.y_step[i] == d.count[2] * d.y_step[2]) {
      d.count[2] *= d.count[i];
      d.count[i] = 1;
    } else if (d.count[i] > 1) {
      break;
    }
  d.x_origin = sx->offset - a->pad.v[0] * sx->stride[2] - a->pad.v[1] * sx->stride[3];
  d.y_origin = sy->offset;
  return dense_emit(cg, &d);
}

const Lowering lower_conv2d = {
    .layout = LAYOUT_CHANNELS_LAST, .halo = conv_halo, .constants = 1, .emit = conv_emit};

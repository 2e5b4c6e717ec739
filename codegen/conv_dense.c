#include "codegen/conv_dense.h"

/* A run is a row of the window ([kw][ic]) or one tap ([ic]). */
static int64_t conv_weight(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  const ConvWindow *w = d->user;
  int64_t channels = d->weight->type.shape.dim[1];
  const int64_t tap[3] = {run / d->runs[2] / d->runs[1], run / d->runs[2] % d->runs[1],
                          run % d->runs[2] + i / channels};
  return conv_weight_at(w, phase, c, i % channels, tap);
}

/* Rows that follow each other without a gap, in both tensors, are one long row; planes and images too. */
static void merge_rows(Dense *d) {
  enum { LAST = DENSE_PIXELS - 1 };
  for (int i = LAST - 1; i >= 0; i--)
    if (d->x_step[i] == d->count[LAST] * d->x_step[LAST] &&
        d->y_step[i] == d->count[LAST] * d->y_step[LAST]) {
      d->count[LAST] *= d->count[i];
      d->count[i] = 1;
    } else if (d->count[i] > 1) {
      break;
    }
}

/* What the dense kernel reads: the runs of the window, and the pixels' steps in the operand. */
static void set_runs(Dense *d, const ConvWindow *w, const Storage *sx) {
  int64_t channels = d->weight->type.shape.dim[1];
  const ConvPhase *last = &w->dim[2];
  /* With one group, no dilation and no gaps between pixels a row of the window is contiguous. */
  bool near = last->tap_step == 1 && conv_stride(w, sx, 2) == channels;
  bool rows = d->groups == 1 && (near || last->taps == 1);
  for (int i = 0; i < 3; i++) {
    d->runs[i] = w->dim[i].taps;
    d->run_step[i] = w->dim[i].tap_step * conv_stride(w, sx, i);
    d->x_step[1 + i] = w->dim[i].x_step * conv_stride(w, sx, i);
  }
  d->x_step[0] = sx->stride[0];
  d->length = rows ? last->taps * channels : channels;
  if (rows) d->runs[2] = 1;
}

Dense conv_dense(Cg *cg, const ConvWindow *w) {
  const Node *n = w->node;
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  Dense d = {.node = n,
             .what = w->what,
             .x = x,
             .y = y,
             .weight = w->weight,
             .act_min = a->act_min,
             .act_max = a->act_max,
             .groups = w->empty ? 1 : a->groups,
             .phases = w->phases,
             .weight_index = conv_weight,
             .user = w};
  d.oc = w->weight->type.shape.dim[0] / d.groups;
  d.group_step = w->weight->type.shape.dim[1];
  d.count[0] = y->type.shape.dim[0];
  d.y_step[0] = sy->stride[0];
  for (int i = 0; i < 3; i++) {
    d.count[1 + i] = w->dim[i].count;
    d.y_step[1 + i] = w->dim[i].y_step * conv_stride(w, sy, i);
  }
  d.y_origin = conv_origins(cg->arena, w, sy, true);
  if (w->empty) { /* reads nothing */
    d.length = 1;
    d.x_origin = ARENA_NEW_ARRAY(cg->arena, int64_t, (size_t)w->phases);
  } else {
    set_runs(&d, w, sx);
    d.x_origin = conv_origins(cg->arena, w, sx, false);
  }
  merge_rows(&d);
  return d;
}

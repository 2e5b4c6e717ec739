/* linear: every row of the operand is a pixel of a dense kernel. */
#include "codegen/dense.h"
#include "codegen/layout.h"
#include "ir/ops/attrs.h"

static int64_t linear_weight(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  (void)phase, (void)run;
  return c * d->length + i;
}

static bool linear_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Tensor *x = n->operands[0], *w = n->operands[1], *y = n->results[0];
  int64_t ic = w->type.shape.dim[1], oc = w->type.shape.dim[0], rows = shape_count(&y->type.shape) / oc;
  int64_t x_step = ic, y_step = oc;
  if (!storage_has_rows(cg_storage(cg, x), &x->type.shape, &x_step) ||
      !storage_has_rows(cg_storage(cg, y), &y->type.shape, &y_step))
    BUG("the operand or result of '%s' has no rows", y->name);
  Dense d = {.node = n,
             .what = "",
             .x = x,
             .y = y,
             .weight = w,
             .bias = node_operand(n, 2),
             .act_min = a->act_min,
             .act_max = a->act_max,
             .groups = 1,
             .oc = oc,
             .runs = {1, 1, 1},
             .length = ic,
             .count = {1, 1, 1, rows},
             .x_step = {0, 0, 0, x_step},
             .y_step = {0, 0, 0, y_step},
             .phases = 1,
             .x_origin = &cg_storage(cg, x)->offset,
             .y_origin = &cg_storage(cg, y)->offset,
             .weight_index = linear_weight};
  return dense_emit(cg, &d);
}

const Lowering lower_linear = {.layout = LAYOUT_ROW_MAJOR,
                               .constants = 1,
                               .reads = PLACE_ROWS,
                               .writes = PLACE_ROWS,
                               .emit = linear_emit};

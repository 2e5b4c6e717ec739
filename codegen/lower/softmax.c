/* softmax in float32 (rule 12 of docs/numerics.md): the maximum, exponentials of the differences, a sum of 16
 * partial sums, true divisions. */
#include "codegen/lower.h"
#include "codegen/sum16.h"
#include "ir/ops/attrs.h"

static bool softmax_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Shape *shape = &x->type.shape;
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  int64_t axis = ATTRS(n, AxisAttrs)->axis;
  if (axis < 0) axis += shape->rank;
  int64_t count = shape->dim[axis], step_x = sx->stride[axis], step_y = sy->stride[axis];
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "over axis %lld of %s", (long long)axis, type_text(cg->arena, &x->type));
  const VirBase *base_x = cg_read(cg, &b, x, "x"), *base_y = cg_write(cg, &b, y, "y");
  VirAddr at_x = vir_addr(base_x, sx->offset), at_y = vir_addr(base_y, sy->offset);
  int loops = 0;
  for (int i = 0; i < shape->rank; i++) {
    if (i == axis || shape->dim[i] == 1) continue;
    const VirVar *v = vir_loop(&b, arena_printf(cg->arena, "i%d", i), 0, shape->dim[i], 1);
    at_x = vir_plus(at_x, v, sx->stride[i]);
    at_y = vir_plus(at_y, v, sy->stride[i]);
    loops++;
  }
  const VirVar *most = VIR_LET(&b, "most", get_f32, vir_at(at_x));
  const VirVar *k, *v;
  if (count > 1) {
    k = vir_loop(&b, "k", 1, count, 1);
    v = VIR_LET(&b, "v", get_f32, vir_at(vir_plus(at_x, k, step_x)));
    VIR_SET(&b, most, float_max, vir_v(v), vir_v(most)); /* passes over NaN */
    vir_end(&b);
  }
  k = vir_loop(&b, "k", 0, count, 1);
  v = VIR_LET(&b, "v", get_f32, vir_at(vir_plus(at_x, k, step_x)));
  const VirVar *d = VIR_LET(&b, "d", float_sub, vir_v(v), vir_v(most));
  VIR_DO(&b, put_f32, vir_at(vir_plus(at_y, k, step_y)), vir_v(VIR_LET(&b, "e", float_exp, vir_v(d))));
  vir_end(&b);
  const VirVar *sum = sum16(&b, at_y, count, step_y);
  k = vir_loop(&b, "k", 0, count, 1);
  VirAddr to = vir_plus(at_y, k, step_y);
  v = VIR_LET(&b, "v", get_f32, vir_at(to));
  VIR_DO(&b, put_f32, vir_at(to), vir_v(VIR_LET(&b, "q", float_div, vir_v(v), vir_v(sum))));
  vir_end(&b);
  while (loops--) vir_end(&b);
  cg_done(cg, &b);
  return true;
}

const Lowering lower_softmax = {.in_place = true, .any_strides = true, .emit = softmax_emit};

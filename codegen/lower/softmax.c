/* softmax and log_softmax in float32 (rule 12 of docs/numerics.md): the maximum, exponentials of the
 * differences, a sum of 16 partial sums, true divisions, or the logarithm of the sum. */
#include "codegen/lower.h"
#include "codegen/sum16.h"
#include "ir/ops/attrs.h"

/* The result's element for the operand's: e / sum, in place of the exponential. */
static void divide_row(VirBuilder *b, VirAddr y, const VirVar *sum) {
  const VirVar *v = VIR_LET(b, "v", get_f32, vir_at(y));
  VIR_DO(b, put_f32, vir_at(y), vir_v(VIR_LET(b, "q", float_div, vir_v(v), vir_v(sum))));
}

/* (x - most) - log(sum) */
static void subtract_row(VirBuilder *b, VirAddr x, VirAddr y, const VirVar *most, const VirVar *log_sum) {
  const VirVar *v = VIR_LET(b, "v", get_f32, vir_at(x));
  const VirVar *d = VIR_LET(b, "d", float_sub, vir_v(v), vir_v(most));
  VIR_DO(b, put_f32, vir_at(y), vir_v(VIR_LET(b, "q", float_sub, vir_v(d), vir_v(log_sum))));
}

/* softmax keeps the exponentials in its result, log_softmax in a row of scratch: it needs x again. */
static int64_t softmax_scratch(const Cg *cg, const Node *n) {
  (void)cg;
  if (n->op == OP_softmax) return 0;
  return n->operands[0]->type.shape.dim[ATTRS(n, AxisAttrs)->axis] * (int64_t)sizeof(float);
}

static bool softmax_emit(Cg *cg, const Node *n, Buffer *scratch) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Shape *shape = &x->type.shape;
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  int64_t axis = ATTRS(n, AxisAttrs)->axis;
  if (axis < 0) axis += shape->rank;
  int64_t count = shape->dim[axis], step_x = sx->stride[axis], step_y = sy->stride[axis];
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "over axis %lld of %s", (long long)axis, type_text(cg->arena, &x->type));
  const VirBase *base_x = cg_read(cg, &b, x, "x"), *base_y = cg_write(cg, &b, y, "y");
  const VirBase *row = scratch ? cg_scratch(cg, &b, scratch, "row", DT_F32) : NULL;
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
  VirAddr at_e = row ? vir_addr(row, 0) : at_y;
  int64_t step_e = row ? 1 : step_y;
  VIR_DO(&b, put_f32, vir_at(vir_plus(at_e, k, step_e)), vir_v(VIR_LET(&b, "e", float_exp, vir_v(d))));
  vir_end(&b);
  const VirVar *sum = sum16(&b, at_e, count, step_e);
  const VirVar *log_sum = row ? VIR_LET(&b, "log_sum", float_log, vir_v(sum)) : NULL;
  k = vir_loop(&b, "k", 0, count, 1);
  if (row)
    subtract_row(&b, vir_plus(at_x, k, step_x), vir_plus(at_y, k, step_y), most, log_sum);
  else
    divide_row(&b, vir_plus(at_y, k, step_y), sum);
  vir_end(&b);
  while (loops--) vir_end(&b);
  cg_done(cg, &b);
  return true;
}

const Lowering lower_softmax = {.in_place = true,
                                .any_strides = true,
                                .reads = PLACE_STRIDED,
                                .writes = PLACE_STRIDED,
                                .scratch = softmax_scratch,
                                .emit = softmax_emit};

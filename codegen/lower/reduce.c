/* reduce_mean and reduce_sum: float32 by rule 12 (the reduced elements are gathered in C order first), 8-bit
 * by rule 11. reduce_max and reduce_min: one element after the other, in C order. */
#include <math.h>

#include "codegen/copy.h"
#include "codegen/lower.h"
#include "codegen/sum16.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

static bool is_reduced(const Node *n, int dim) {
  const IntList *axes = &ATTRS(n, ReduceAttrs)->axes;
  for (int i = 0; i < axes->n; i++)
    if (axes->v[i] == dim) return true;
  return false;
}

static int64_t reduced_count(const Node *n) {
  int64_t count = 1;
  for (int i = 0; i < n->operands[0]->type.shape.rank; i++)
    if (is_reduced(n, i)) count *= n->operands[0]->type.shape.dim[i];
  return count;
}

static int64_t reduce_scratch(const Cg *cg, const Node *n) {
  (void)cg;
  bool sums = op_info[n->op]->quant == QUANT_POOL && !tensor_is_quantized(n->operands[0]);
  return sums ? reduced_count(n) * (int64_t)sizeof(float) : 0;
}

/* Opens loops over the dims that stay; returns how many. */
static int open_kept(Cg *cg, VirBuilder *b, const Node *n, VirAddr *x, VirAddr *y) {
  const Shape *shape = &n->operands[0]->type.shape;
  const Storage *sx = cg_storage(cg, n->operands[0]), *sy = cg_storage(cg, n->results[0]);
  bool keepdims = ATTRS(n, ReduceAttrs)->keepdims;
  int loops = 0;
  for (int i = 0, k = 0; i < shape->rank; i++) {
    bool reduced = is_reduced(n, i);
    if (!reduced && shape->dim[i] > 1) {
      const VirVar *v = vir_loop(b, arena_printf(cg->arena, "i%d", i), 0, shape->dim[i], 1);
      *x = vir_plus(*x, v, sx->stride[i]);
      *y = vir_plus(*y, v, sy->stride[k]);
      loops++;
    }
    k += !reduced || keepdims;
  }
  return loops;
}

static void sum_float(Cg *cg, VirBuilder *b, const Node *n, VirAddr x, VirAddr y, const VirBase *scratch) {
  const Shape *shape = &n->operands[0]->type.shape;
  const Storage *sx = cg_storage(cg, n->operands[0]);
  int64_t count = reduced_count(n), step = 1;
  VirAddr to = vir_addr(scratch, 0);
  int loops = 0, order[MAX_RANK], dims = 0;
  for (int i = 0; i < shape->rank; i++)
    if (is_reduced(n, i) && shape->dim[i] > 1) order[dims++] = i;
  int64_t row[MAX_RANK];
  for (int i = dims - 1; i >= 0; i--) {
    row[i] = step;
    step *= shape->dim[order[i]];
  }
  for (int i = 0; i < dims; i++, loops++) {
    const VirVar *v = vir_loop(b, arena_printf(cg->arena, "r%d", order[i]), 0, shape->dim[order[i]], 1);
    x = vir_plus(x, v, sx->stride[order[i]]);
    to = vir_plus(to, v, row[i]);
  }
  VIR_DO(b, put_f32, vir_at(to), vir_v(VIR_LET(b, "v", get_f32, vir_at(x))));
  while (loops--) vir_end(b);
  const VirVar *sum = sum16(b, vir_addr(scratch, 0), count, 1);
  if (n->op == OP_reduce_mean) {
    const VirVar *divisor = VIR_ONCE(b, "count", float_const, vir_m((float)count));
    sum = VIR_LET(b, "mean", float_div, vir_v(sum), vir_v(divisor));
  }
  VIR_DO(b, put_f32, vir_at(y), vir_v(sum));
}

static void sum_quantized(Cg *cg, VirBuilder *b, const Node *n, VirAddr x, VirAddr y) {
  const Tensor *tx = n->operands[0], *ty = n->results[0];
  const Storage *sx = cg_storage(cg, tx), *sy = cg_storage(cg, ty);
  const Shape *shape = &tx->type.shape;
  int64_t count = reduced_count(n);
  float m;
  if (!pool_multiplier(tensor_scale(tx), tensor_scale(ty), n->op == OP_reduce_mean ? count : 1, &m))
    BUG("'%s' passed the verifier with a multiplier that is no normal float", ty->name);
  const VirVar *sum = VIR_LET(b, "sum", int_const, vir_n(-count * sx->zero));
  int loops = 0;
  for (int i = 0; i < shape->rank; i++)
    if (is_reduced(n, i) && shape->dim[i] > 1) {
      x = vir_plus(x, vir_loop(b, arena_printf(cg->arena, "r%d", i), 0, shape->dim[i], 1), sx->stride[i]);
      loops++;
    }
  const VirVar *v = vir_let(b, "v", act_ops(sx->elem)->get, VIR_ARGS(vir_at(x)));
  VIR_SET(b, sum, int_add, vir_v(sum), vir_v(v));
  while (loops--) vir_end(b);
  int32_t lo, hi;
  cg_stored_range(cg, ty, -INFINITY, INFINITY, &lo, &hi);
  const VirVar *scale = VIR_ONCE(b, "m", float_const, vir_m(m));
  const VirVar *q = VIR_LET(b, "q", int_requant, vir_v(sum), vir_v(scale), vir_m((float)(lo - sy->zero)),
                            vir_m((float)(hi - sy->zero)), vir_n(sy->zero));
  vir_do(b, act_ops(sy->elem)->put, VIR_ARGS(vir_at(y), vir_v(q)));
}

static void choose(Cg *cg, VirBuilder *b, const Node *n, VirAddr x, VirAddr y) {
  const Storage *sx = cg_storage(cg, n->operands[0]), *sy = cg_storage(cg, n->results[0]);
  const Shape *shape = &n->operands[0]->type.shape;
  bool quantized = tensor_is_quantized(n->operands[0]), max = n->op == OP_reduce_max;
  VirOp get = quantized ? act_ops(sx->elem)->get : VIR_get_f32,
        put = quantized ? act_ops(sy->elem)->put : VIR_put_f32;
  VirOp compare = quantized ? (max ? VIR_int_max : VIR_int_min) : max ? VIR_float_max : VIR_float_min;
  const VirVar *best = vir_let(b, "best", get, VIR_ARGS(vir_at(x)));
  int loops = 0;
  for (int i = 0; i < shape->rank; i++)
    if (is_reduced(n, i) && shape->dim[i] > 1) {
      x = vir_plus(x, vir_loop(b, arena_printf(cg->arena, "r%d", i), 0, shape->dim[i], 1), sx->stride[i]);
      loops++;
    }
  if (loops) {
    const VirVar *v = vir_let(b, "v", get, VIR_ARGS(vir_at(x)));
    vir_set(b, best, compare, VIR_ARGS(vir_v(best), vir_v(v)));
  }
  while (loops--) vir_end(b);
  vir_do(b, put, VIR_ARGS(vir_at(y), vir_v(best)));
}

static bool reduce_emit(Cg *cg, const Node *n, Buffer *scratch) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "over %lld elements of %s -> %s", (long long)reduced_count(n),
            type_text(cg->arena, &x->type), type_text(cg->arena, &y->type));
  const VirBase *bx = cg_read(cg, &b, x, "x"), *by = cg_write(cg, &b, y, "y");
  const VirBase *rows = scratch ? cg_scratch(cg, &b, scratch, "gathered", DT_F32) : NULL;
  VirAddr at_x = vir_addr(bx, cg_storage(cg, x)->offset), at_y = vir_addr(by, cg_storage(cg, y)->offset);
  int loops = open_kept(cg, &b, n, &at_x, &at_y);
  if (op_info[n->op]->quant == QUANT_MOVE) {
    choose(cg, &b, n, at_x, at_y);
  } else if (tensor_is_quantized(x)) {
    sum_quantized(cg, &b, n, at_x, at_y);
  } else {
    sum_float(cg, &b, n, at_x, at_y, rows);
  }
  while (loops--) vir_end(&b);
  cg_done(cg, &b);
  return true;
}

const Lowering lower_reduce = {
    .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .scratch = reduce_scratch, .emit = reduce_emit};

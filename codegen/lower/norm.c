/* layer_norm and group_norm in float32 (rule 12 of docs/numerics.md): of rows that lie in one piece. The
 * result holds the differences from the mean, a row of scratch their squares. */
#include "codegen/lower.h"
#include "codegen/sum16.h"
#include "ir/ops/attrs.h"

typedef struct {
  int64_t rows, length; /* of each row */
  int64_t pieces;       /* of a row, each with one gamma and one beta; `length`: every element has its own */
  int64_t groups;       /* rows that repeat their gammas and betas: 1, or groups */
  float eps;
} Norm;

static Norm norm_of(const Node *n) {
  const Shape *s = &n->operands[0]->type.shape;
  Norm k = {.length = 1, .groups = 1};
  if (n->op == OP_layer_norm) {
    const LayerNormAttrs *a = ATTRS(n, LayerNormAttrs);
    for (int i = (int)a->axis; i < s->rank; i++) k.length *= s->dim[i];
    k.pieces = k.length;
    k.eps = a->eps;
  } else {
    const GroupNormAttrs *a = ATTRS(n, GroupNormAttrs);
    k.groups = a->groups;
    k.pieces = s->dim[1] / a->groups;
    k.length = k.pieces;
    for (int i = 2; i < s->rank; i++) k.length *= s->dim[i];
    k.eps = a->eps;
  }
  k.rows = shape_count(s) / k.length;
  return k;
}

static int64_t norm_scratch(const Cg *cg, const Node *n) {
  (void)cg;
  return norm_of(n).length * (int64_t)sizeof(float);
}

static const VirVar *load(VirBuilder *b, const char *name, VirAddr at, int part) {
  return part ? VIR_LET(b, name, load_f32_part, vir_at(at), vir_n(part))
              : VIR_LET(b, name, load_f32, vir_at(at));
}
static void store(VirBuilder *b, VirAddr at, const VirVar *v, int part) {
  if (part)
    VIR_DO(b, store_f32_part, vir_at(at), vir_v(v), vir_n(part));
  else
    VIR_DO(b, store_f32, vir_at(at), vir_v(v));
}

/* What each_vector calls for a vector (part: its first lanes; 0: all) at an offset k + constant. */
typedef struct Row Row;
struct Row {
  VirBuilder *b;
  VirAddr x, y, squares;
  const VirVar *mean, *deviation; /* broadcast */
  const Node *node;
  VirAddr gamma, beta; /* of each element, or of the piece */
  bool each;
};
typedef void (*RowStep)(const Row *r, const VirVar *k, int64_t at, int part);

static void each_vector(const Row *r, int64_t count, RowStep step) {
  int lanes = r->b->m->lanes;
  int64_t whole = count / lanes * lanes;
  if (whole > lanes) {
    step(r, vir_loop(r->b, "k", 0, whole, lanes), 0, 0);
    vir_end(r->b);
  } else if (whole) {
    step(r, NULL, 0, 0);
  }
  if (count > whole) step(r, NULL, whole, (int)(count - whole));
}

static VirAddr advanced(VirAddr a, const VirVar *k, int64_t at) {
  a = vir_offset(a, at);
  return k ? vir_plus(a, k, 1) : a;
}

static void subtract_mean(const Row *r, const VirVar *k, int64_t at, int part) {
  const VirVar *x = load(r->b, "x", advanced(r->x, k, at), part);
  const VirVar *d = VIR_LET(r->b, "d", sub_f32, vir_v(x), vir_v(r->mean));
  store(r->b, advanced(r->y, k, at), d, part);
  store(r->b, advanced(r->squares, k, at), VIR_LET(r->b, "square", mul_f32, vir_v(d), vir_v(d)), part);
}

static const VirVar *factor(const Row *r, const char *name, VirAddr a, const VirVar *k, int64_t at,
                            int part) {
  if (r->each) return load(r->b, name, advanced(a, k, at), part);
  const VirVar *s = VIR_LET(r->b, "s", get_f32, vir_at(a));
  return VIR_LET(r->b, name, bcast_f32, vir_v(s));
}

static void scale_row(const Row *r, const VirVar *k, int64_t at, int part) {
  VirAddr y = advanced(r->y, k, at);
  const VirVar *v = load(r->b, "v", y, part);
  VIR_SET(r->b, v, div_f32, vir_v(v), vir_v(r->deviation));
  if (node_operand(r->node, 1))
    VIR_SET(r->b, v, mul_f32, vir_v(v), vir_v(factor(r, "gamma", r->gamma, k, at, part)));
  if (node_operand(r->node, 2))
    VIR_SET(r->b, v, add_f32, vir_v(v), vir_v(factor(r, "beta", r->beta, k, at, part)));
  store(r->b, y, v, part);
}

static const VirVar *mean_of(VirBuilder *b, VirAddr row, int64_t count, const char *name) {
  const VirVar *sum = sum16(b, row, count, 1);
  const VirVar *divisor = VIR_ONCE(b, "count", float_const, vir_m((float)count));
  return VIR_LET(b, name, float_div, vir_v(sum), vir_v(divisor));
}

static void norm_row(Row *r, const Norm *k) {
  VirBuilder *b = r->b;
  const VirVar *mean = mean_of(b, r->x, k->length, "mean");
  r->mean = VIR_LET(b, "means", bcast_f32, vir_v(mean));
  each_vector(r, k->length, subtract_mean);
  const VirVar *variance = mean_of(b, r->squares, k->length, "variance");
  const VirVar *eps = VIR_ONCE(b, "eps", float_const, vir_m(k->eps));
  const VirVar *sum = VIR_LET(b, "sum", float_add, vir_v(variance), vir_v(eps));
  const VirVar *deviation = VIR_LET(b, "deviation", float_sqrt, vir_v(sum));
  r->deviation = VIR_LET(b, "deviations", bcast_f32, vir_v(deviation));
  r->each = k->pieces == k->length;
  if (r->each) {
    each_vector(r, k->length, scale_row);
    return;
  }
  int64_t length = k->length / k->pieces;
  const VirVar *c = vir_loop(b, "c", 0, k->pieces, 1);
  r->y = vir_plus(r->y, c, length);
  if (node_operand(r->node, 1)) r->gamma = vir_plus(r->gamma, c, 1);
  if (node_operand(r->node, 2)) r->beta = vir_plus(r->beta, c, 1);
  each_vector(r, length, scale_row);
  vir_end(b);
}

static bool norm_emit(Cg *cg, const Node *n, Buffer *scratch) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  Norm k = norm_of(n);
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "%lld rows of %lld elements, %s", (long long)k.rows, (long long)k.length,
            type_text(cg->arena, &x->type));
  Row r = {.b = &b, .node = n};
  r.x = vir_addr(cg_read(cg, &b, x, "x"), 0);
  if (node_operand(n, 1)) r.gamma = vir_addr(cg_read(cg, &b, n->operands[1], "gamma"), 0);
  if (node_operand(n, 2)) r.beta = vir_addr(cg_read(cg, &b, n->operands[2], "beta"), 0);
  r.y = vir_addr(cg_write(cg, &b, y, "y"), 0);
  r.squares = vir_addr(cg_scratch(cg, &b, scratch, "squares", DT_F32), 0);
  const int64_t count[2] = {k.rows / k.groups, k.groups};
  int loops = 0;
  for (int i = 0; i < 2; i++) {
    if (count[i] == 1) continue;
    const VirVar *v = vir_loop(&b, i ? "group" : "row", 0, count[i], 1);
    int64_t step = i ? k.length : k.length * k.groups;
    r.x = vir_plus(r.x, v, step);
    r.y = vir_plus(r.y, v, step);
    if (i && node_operand(n, 1)) r.gamma = vir_plus(r.gamma, v, k.pieces);
    if (i && node_operand(n, 2)) r.beta = vir_plus(r.beta, v, k.pieces);
    loops++;
  }
  norm_row(&r, &k);
  while (loops--) vir_end(&b);
  cg_done(cg, &b);
  return true;
}

const Lowering lower_norm = {
    .layout = LAYOUT_ROW_MAJOR, .in_place = true, .scratch = norm_scratch, .emit = norm_emit};

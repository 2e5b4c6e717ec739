#include "codegen/matmul_int.h"

#include <stdio.h>

#include "ir/ops/attrs.h"
#include "ir/quant.h"

/* y[m][n] = sum over k of (a[m][k] - za) * (b[k][n] - zb). A vector holds columns; two k at a time are a pair
 * of int16. The rows of a tile are first packed into scratch as words of two elements, each counted from its
 * type's least value, so that neither is negative; what that adds to a sum, -(za - least) * (b[k][n] - zb)
 * over all k, depends on the column alone and is what the sum starts from. */
enum {
  MAX_ROWS = 8,
  MAX_VECTORS = 4,
  NARROW_K = INT32_MAX / (255 * 255), /* up to here no sum leaves 32 bits */
  CHUNK = 32768                       /* 2^16 - 1 + CHUNK * 255 * 255 < 2^31 */
};

typedef struct {
  Cg *cg;
  VirBuilder b;
  int64_t rows, k, columns;
  int64_t row_a, row_b, row_y; /* strides */
  int lanes, tile_rows, tile_vectors;
  const ActOps *get_a, *get_b, *put_y;
  int32_t zero_a, zero_b; /* a: above the least value; b: as stored */
  float m;
  int32_t lo, hi, zero;     /* of the stored result */
  VirAddr at_a, at_b, at_y; /* of this matrix of the batch */
  VirAddr words, start;     /* in scratch: [tile_rows][pairs], [columns, rounded up] */
} Product;

static int64_t pairs(const Product *p) { return (p->k + 1) / 2; }

static int64_t rounded(int64_t columns, int lanes) { return (columns + lanes - 1) / lanes * lanes; }

static bool is_wide(const Node *n) {
  const Shape *a = &n->operands[0]->type.shape;
  return a->dim[a->rank - 1] > NARROW_K;
}

int64_t matmul_int_scratch(const Cg *cg, const Node *n) {
  const Shape *a = &n->operands[0]->type.shape, *y = &n->results[0]->type.shape;
  if (!tensor_is_quantized(n->operands[0]) || is_wide(n)) return 0;
  int64_t words = cg->target->conv_mr * ((a->dim[a->rank - 1] + 1) / 2);
  return (words + rounded(y->dim[y->rank - 1], cg->target->lanes)) * (int64_t)sizeof(int32_t);
}

/* --- the rows of a tile --- */

static const VirVar *element_a(Product *p, VirAddr at) {
  VirBuilder *b = &p->b;
  const VirVar *v = vir_let(b, "v", p->get_a->get, VIR_ARGS(vir_at(at)));
  if (!p->get_a->lowest) return v;
  const VirVar *least = VIR_ONCE(b, "least", int_const, vir_n(p->get_a->lowest));
  return VIR_LET(b, "u", int_sub, vir_v(v), vir_v(least));
}

static void pack_word(Product *p, VirAddr a, VirAddr word, bool odd) {
  VirBuilder *b = &p->b;
  const VirVar *low = element_a(p, a), *w = low;
  if (!odd) {
    const VirVar *unit = VIR_ONCE(b, "unit", int_const, vir_n(65536));
    const VirVar *high = VIR_LET(b, "high", int_mul, vir_v(element_a(p, vir_offset(a, 1))), vir_v(unit));
    w = VIR_LET(b, "word", int_add, vir_v(low), vir_v(high));
  }
  VIR_DO(b, put_s32, vir_at(word), vir_v(w));
}

static void pack_rows(Product *p, VirAddr a, int rows) {
  int64_t whole = p->k / 2;
  if (whole) {
    const VirVar *k = vir_loop(&p->b, "k", 0, whole, 1);
    for (int r = 0; r < rows; r++)
      pack_word(p, vir_plus(vir_offset(a, r * p->row_a), k, 2),
                vir_plus(vir_offset(p->words, r * pairs(p)), k, 1), false);
    vir_end(&p->b);
  }
  for (int r = 0; r < rows && p->k % 2; r++)
    pack_word(p, vir_offset(a, r * p->row_a + p->k - 1), vir_offset(p->words, r * pairs(p) + whole), true);
}

/* --- columns --- */

/* Elements of rows k and k + 1 of b (the last one of an odd number twice), without their zero point. */
static const VirVar *pair_b(Product *p, VirAddr at, bool odd, int part) {
  VirBuilder *b = &p->b;
  VirAddr next = odd ? at : vir_offset(at, p->row_b);
  const VirVar *v =
      part ? vir_let(b, "b", p->get_b->pair_part, VIR_ARGS(vir_at(at), vir_at(next), vir_n(part)))
           : vir_let(b, "b", p->get_b->pair, VIR_ARGS(vir_at(at), vir_at(next)));
  if (p->zero_b) {
    const VirVar *zero = VIR_ONCE(b, "zero_b", splat_p, vir_n(p->zero_b), vir_n(p->zero_b));
    VIR_SET(b, v, sub_p, vir_v(v), vir_v(zero));
  }
  return v;
}

/* Calls fn for the vectors of all columns: in a loop over groups of `tile_vectors`, then for the rest, whose
 * last vector has `part` lanes (0: all). `n` is the loop's variable or NULL. */
typedef void (*Columns)(Product *p, VirAddr y, int rows, const VirVar *n, int64_t first, int vectors,
                        int part);
static void each_columns(Product *p, VirAddr y, int rows, Columns fn) {
  int64_t group = (int64_t)p->tile_vectors * p->lanes, whole = p->columns / group * group;
  int64_t rest = p->columns - whole;
  if (whole > group) {
    fn(p, y, rows, vir_loop(&p->b, "n", 0, whole, group), 0, p->tile_vectors, 0);
    vir_end(&p->b);
  } else if (whole) {
    fn(p, y, rows, NULL, 0, p->tile_vectors, 0);
  }
  if (rest) fn(p, y, rows, NULL, whole, (int)((rest + p->lanes - 1) / p->lanes), (int)(rest % p->lanes));
}

static VirAddr at_column(VirAddr a, const VirVar *n, int64_t first) {
  a = vir_offset(a, first);
  return n ? vir_plus(a, n, 1) : a;
}

/* sum[v] += the elements of one or two k */
static void sum_step(Product *p, const VirVar *const *sum, VirAddr at, bool odd, int vectors, int part) {
  const VirVar *ones = odd ? VIR_ONCE(&p->b, "one", splat_p, vir_n(1), vir_n(0))
                           : VIR_ONCE(&p->b, "ones", splat_p, vir_n(1), vir_n(1));
  for (int v = 0; v < vectors; v++) {
    const VirVar *pair = pair_b(p, vir_offset(at, (int64_t)v * p->lanes), odd, v + 1 == vectors ? part : 0);
    VIR_SET(&p->b, sum[v], dot2, vir_v(sum[v]), vir_v(pair), vir_v(ones));
  }
}

/* What the sums of these columns start from. */
static void start_columns(Product *p, VirAddr y, int rows, const VirVar *n, int64_t first, int vectors,
                          int part) {
  (void)y, (void)rows;
  VirBuilder *b = &p->b;
  const VirVar *sum[MAX_VECTORS];
  VirAddr at = at_column(p->at_b, n, first), to = at_column(p->start, n, first);
  for (int v = 0; v < vectors; v++) {
    char name[16];
    snprintf(name, sizeof name, "sum%d", v);
    sum[v] = VIR_LET(b, name, splat_s32, vir_n(0));
  }
  if (p->k > 1) {
    const VirVar *k = vir_loop(b, "k", 0, p->k / 2, 1);
    sum_step(p, sum, vir_plus(at, k, 2 * p->row_b), false, vectors, part);
    vir_end(b);
  }
  if (p->k % 2) sum_step(p, sum, vir_offset(at, (p->k - 1) * p->row_b), true, vectors, part);
  const VirVar *factor = VIR_ONCE(b, "minus_zero_a", splat_s32, vir_n(-p->zero_a));
  for (int v = 0; v < vectors; v++) {
    VIR_SET(b, sum[v], mul_s32, vir_v(sum[v]), vir_v(factor));
    VIR_DO(b, store_s32, vir_at(vir_offset(to, (int64_t)v * p->lanes)), vir_v(sum[v]));
  }
}

/* --- a tile of rows and columns --- */

typedef const VirVar *Sums[MAX_ROWS][MAX_VECTORS];

static void tile_step(Product *p, Sums acc, VirAddr words, VirAddr at, bool odd, int rows, int vectors,
                      int part) {
  const VirVar *pair[MAX_VECTORS];
  for (int v = 0; v < vectors; v++)
    pair[v] = pair_b(p, vir_offset(at, (int64_t)v * p->lanes), odd, v + 1 == vectors ? part : 0);
  for (int r = 0; r < rows; r++) {
    const VirVar *word = VIR_LET(&p->b, "word", get_s32, vir_at(vir_offset(words, r * pairs(p))));
    const VirVar *x = VIR_LET(&p->b, "a", bcast_p, vir_v(word));
    for (int v = 0; v < vectors; v++)
      VIR_SET(&p->b, acc[r][v], dot2, vir_v(acc[r][v]), vir_v(x), vir_v(pair[v]));
  }
}

static void store_tile(Product *p, Sums acc, VirAddr y, int rows, int vectors, int part) {
  VirBuilder *b = &p->b;
  const VirVar *m = VIR_ONCE(b, "m", splat_f32, vir_m(p->m));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(p->lo - p->zero)));
  const VirVar *hi = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(p->hi - p->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(p->zero));
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) {
      VirAddr at = vir_offset(y, r * p->row_y + (int64_t)v * p->lanes);
      const VirVar *q =
          VIR_LET(b, "q", requant, vir_v(acc[r][v]), vir_v(m), vir_v(lo), vir_v(hi), vir_v(zero));
      if (part && v + 1 == vectors)
        vir_do(b, p->put_y->store_part, VIR_ARGS(vir_at(at), vir_v(q), vir_n(part)));
      else
        vir_do(b, p->put_y->store, VIR_ARGS(vir_at(at), vir_v(q)));
    }
}

/* `y` is the address of the tile's first row. */
static void tile(Product *p, VirAddr y, int rows, const VirVar *n, int64_t first, int vectors, int part) {
  VirBuilder *b = &p->b;
  Sums acc;
  VirAddr at = at_column(p->at_b, n, first), from = at_column(p->start, n, first);
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) {
      char name[32];
      snprintf(name, sizeof name, "acc%d_%d", r, v);
      acc[r][v] = p->zero_a ? VIR_LET(b, name, load_s32, vir_at(vir_offset(from, (int64_t)v * p->lanes)))
                            : VIR_LET(b, name, splat_s32, vir_n(0));
    }
  if (p->k > 1) {
    const VirVar *k = vir_loop(b, "k", 0, p->k / 2, 1);
    tile_step(p, acc, vir_plus(p->words, k, 1), vir_plus(at, k, 2 * p->row_b), false, rows, vectors, part);
    vir_end(b);
  }
  if (p->k % 2)
    tile_step(p, acc, vir_offset(p->words, p->k / 2), vir_offset(at, (p->k - 1) * p->row_b), true, rows,
              vectors, part);
  store_tile(p, acc, at_column(y, n, first), rows, vectors, part);
}

static void tile_of_rows(Product *p, VirAddr a, VirAddr y, int rows) {
  pack_rows(p, a, rows);
  each_columns(p, y, rows, tile);
}

static void narrow_product(Product *p) {
  if (p->zero_a) each_columns(p, p->at_y, 0, start_columns);
  int64_t whole = p->rows / p->tile_rows * p->tile_rows;
  if (whole > p->tile_rows) {
    const VirVar *m = vir_loop(&p->b, "m", 0, whole, p->tile_rows);
    tile_of_rows(p, vir_plus(p->at_a, m, p->row_a), vir_plus(p->at_y, m, p->row_y), p->tile_rows);
    vir_end(&p->b);
  } else if (whole) {
    tile_of_rows(p, p->at_a, p->at_y, p->tile_rows);
  }
  if (p->rows > whole)
    tile_of_rows(p, vir_offset(p->at_a, whole * p->row_a), vir_offset(p->at_y, whole * p->row_y),
                 (int)(p->rows - whole));
}

/* --- sums of more than 32 bits: one product at a time, high * 2^16 + low --- */

static void wide_run(Product *p, VirAddr a, VirAddr x, int64_t first, int64_t count, const VirVar *high,
                     const VirVar *low) {
  VirBuilder *b = &p->b;
  const VirVar *k = vir_loop(b, "k", first, first + count, 1);
  const VirVar *u = element_a(p, vir_plus(a, k, 1));
  const VirVar *v = vir_let(b, "w", p->get_b->get, VIR_ARGS(vir_at(vir_plus(x, k, p->row_b))));
  const VirVar *zero_a = VIR_ONCE(b, "zero_a", int_const, vir_n(p->zero_a));
  const VirVar *zero_b = VIR_ONCE(b, "zero_b", int_const, vir_n(p->zero_b));
  const VirVar *da = VIR_LET(b, "da", int_sub, vir_v(u), vir_v(zero_a));
  const VirVar *db = VIR_LET(b, "db", int_sub, vir_v(v), vir_v(zero_b));
  VIR_SET(b, low, int_add, vir_v(low), vir_v(VIR_LET(b, "p", int_mul, vir_v(da), vir_v(db))));
  vir_end(b);
  const VirVar *carry = VIR_LET(b, "carry", int_shr, vir_v(low), vir_n(16));
  const VirVar *unit = VIR_ONCE(b, "unit", int_const, vir_n(65536));
  VIR_SET(b, high, int_add, vir_v(high), vir_v(carry));
  VIR_SET(b, low, int_sub, vir_v(low), vir_v(VIR_LET(b, "taken", int_mul, vir_v(carry), vir_v(unit))));
}

static void wide_product(Product *p) {
  VirBuilder *b = &p->b;
  const VirVar *m = vir_loop(b, "row", 0, p->rows, 1), *n = vir_loop(b, "n", 0, p->columns, 1);
  const VirVar *high = VIR_LET(b, "high", int_const, vir_n(0)), *low = VIR_LET(b, "low", int_const, vir_n(0));
  for (int64_t k = 0; k < p->k; k += CHUNK)
    wide_run(p, vir_plus(p->at_a, m, p->row_a), vir_plus(p->at_b, n, 1), k,
             p->k - k < CHUNK ? p->k - k : CHUNK, high, low);
  const VirVar *factor = VIR_ONCE(b, "m", float_const, vir_m(p->m));
  const VirVar *q = VIR_LET(b, "q", int_requant_wide, vir_v(high), vir_v(low), vir_v(factor),
                            vir_m((float)(p->lo - p->zero)), vir_m((float)(p->hi - p->zero)), vir_n(p->zero));
  vir_do(b, p->put_y->put, VIR_ARGS(vir_at(vir_plus(vir_plus(p->at_y, m, p->row_y), n, 1)), vir_v(q)));
  vir_end(b);
  vir_end(b);
}

/* --- the node --- */

static int least_of(int a, int b) { return a < b ? a : b; }

static Product product_of(Cg *cg, const Node *n) {
  const Tensor *a = n->operands[0], *x = n->operands[1], *y = n->results[0];
  const Storage *sa = cg_storage(cg, a), *sb = cg_storage(cg, x), *sy = cg_storage(cg, y);
  int ra = a->type.shape.rank, rb = x->type.shape.rank, ry = y->type.shape.rank;
  const ActAttrs *act = ATTRS(n, ActAttrs);
  Product p = {.cg = cg,
               .rows = a->type.shape.dim[ra - 2],
               .k = a->type.shape.dim[ra - 1],
               .columns = x->type.shape.dim[rb - 1],
               .row_a = sa->stride[ra - 2],
               .row_b = sb->stride[rb - 2],
               .row_y = sy->stride[ry - 2],
               .lanes = cg->target->lanes,
               .tile_rows = least_of(cg->target->conv_mr, MAX_ROWS),
               .tile_vectors = least_of(cg->target->conv_nv, MAX_VECTORS),
               .get_a = act_ops(sa->elem),
               .get_b = act_ops(sb->elem),
               .put_y = act_ops(sy->elem),
               .zero_b = sb->zero,
               .zero = sy->zero};
  p.zero_a = sa->zero - p.get_a->lowest;
  cg_stored_range(cg, y, act->act_min, act->act_max, &p.lo, &p.hi);
  if (!requant_multiplier(tensor_scale(a), tensor_scale(x), tensor_scale(y), &p.m))
    BUG("'%s' passed the verifier with a multiplier that is no normal float", y->name);
  return p;
}

/* Opens loops over the batch dims, and sets the matrices' addresses; returns how many. */
static int open_batch(Product *p, const Node *n) {
  const Tensor *a = n->operands[0], *x = n->operands[1], *y = n->results[0];
  const Shape *sa = &a->type.shape, *sx = &x->type.shape, *sy = &y->type.shape;
  int loops = 0;
  for (int i = 0; i < sy->rank - 2; i++) {
    int ia = i - (sy->rank - sa->rank), ib = i - (sy->rank - sx->rank);
    if (sy->dim[i] == 1) continue;
    const VirVar *v = vir_loop(&p->b, arena_printf(p->cg->arena, "i%d", i), 0, sy->dim[i], 1);
    if (ia >= 0 && sa->dim[ia] > 1) p->at_a = vir_plus(p->at_a, v, cg_storage(p->cg, a)->stride[ia]);
    if (ib >= 0 && sx->dim[ib] > 1) p->at_b = vir_plus(p->at_b, v, cg_storage(p->cg, x)->stride[ib]);
    p->at_y = vir_plus(p->at_y, v, cg_storage(p->cg, y)->stride[i]);
    loops++;
  }
  return loops;
}

void matmul_int_emit(Cg *cg, const Node *n, Buffer *scratch) {
  const Tensor *a = n->operands[0], *x = n->operands[1], *y = n->results[0];
  Product p = product_of(cg, n);
  VirBuilder *b = &p.b;
  cg_kernel(cg, b, n, "", "%s x %s -> %s%s", type_text(cg->arena, &a->type), type_text(cg->arena, &x->type),
            type_text(cg->arena, &y->type), is_wide(n) ? ", sums of more than 32 bits" : "");
  p.at_a = vir_addr(cg_read(cg, b, a, "a"), 0);
  p.at_b = vir_addr(cg_read(cg, b, x, "b"), 0);
  p.at_y = vir_addr(cg_write(cg, b, y, "y"), 0);
  if (scratch) {
    const VirBase *base = cg_scratch(cg, b, scratch, "packed", DT_S32);
    p.words = vir_addr(base, 0);
    p.start = vir_addr(base, cg->target->conv_mr * pairs(&p));
  }
  int loops = open_batch(&p, n);
  if (is_wide(n))
    wide_product(&p);
  else
    narrow_product(&p);
  while (loops--) vir_end(b);
  cg_done(cg, b);
}

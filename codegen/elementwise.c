#include "codegen/elementwise.h"

#include <string.h>

/* The nest over the result's dims; an operand's stride is 0 where it is broadcast. */
static Nest make_nest(const Elementwise *e) {
  const Shape *out = &e->result->type.shape;
  const Storage *sy = cg_storage(e->cg, e->result);
  Nest nest = {.n = out->rank, .n_arrays = 1 + e->n_operands};
  nest.offset[0] = sy->offset;
  for (int i = 0; i < out->rank; i++) {
    nest.dim[i] = out->dim[i];
    nest.stride[0][i] = sy->stride[i];
  }
  for (int a = 0; a < e->n_operands; a++) {
    const Storage *s = cg_storage(e->cg, e->operands[a]);
    const Shape *shape = &e->operands[a]->type.shape;
    nest.offset[a + 1] = s->offset;
    for (int i = 0; i < out->rank; i++) {
      int k = i - (out->rank - shape->rank);
      nest.stride[a + 1][i] = k < 0 || shape->dim[k] == 1 ? 0 : s->stride[k];
    }
  }
  nest_simplify(&nest);
  return nest;
}

/* Opens a loop over [begin, end) of the innermost dim, or goes to its only step; close_steps ends it. */
static bool open_steps(VirBuilder *b, VirAddr *at, const Nest *nest, int64_t begin, int64_t end,
                       int64_t each) {
  if (begin == end) return false;
  nest_step(nest, at, end - begin > each ? vir_loop(b, "c", begin, end, each) : NULL, begin);
  return true;
}
static void close_steps(VirBuilder *b, int64_t begin, int64_t end, int64_t each) {
  if (end - begin > each) vir_end(b);
}

static void vectors(const Elementwise *e, VirBuilder *b, const Nest *nest, const VirAddr *start) {
  int64_t count = nest->dim[nest->n - 1], lanes = e->cg->target->lanes, whole = count / lanes * lanes;
  bool constant[NEST_MAX_ARRAYS], all_step = true;
  VirAddr at[NEST_MAX_ARRAYS];
  size_t size = sizeof *at * (size_t)nest->n_arrays;
  for (int a = 1; a < nest->n_arrays; a++) {
    constant[a - 1] = count > 1 && nest->stride[a][nest->n - 1] == 0;
    all_step &= !constant[a - 1];
  }
  int64_t bytes = e->bytes && all_step ? count / (4 * lanes) * (4 * lanes) : 0;
  memcpy(at, start, size);
  if (open_steps(b, at, nest, 0, bytes, 4 * lanes)) {
    e->bytes(e, b, at);
    close_steps(b, 0, bytes, 4 * lanes);
  }
  memcpy(at, start, size);
  if (open_steps(b, at, nest, bytes, whole, lanes)) {
    e->vector(e, b, at, constant, 0);
    close_steps(b, bytes, whole, lanes);
  }
  if (whole == count) return;
  memcpy(at, start, size);
  nest_step(nest, at, NULL, whole);
  e->vector(e, b, at, constant, (int)(count - whole));
}

/* Makes the dim innermost along which the operand is contiguous, where the result is not: its vectors are
 * scattered over the result. */
static bool turn_to_operand(const Elementwise *e, Nest *nest) {
  enum { MOST_APART = 64 };
  if (!e->scatters || e->n_operands != 1 || nest_is_dense(nest)) return false;
  for (int d = 0; d < nest->n; d++) {
    int64_t apart = nest->stride[0][d], count = nest->dim[d];
    if (nest->stride[1][d] != 1 || apart < 1 || apart > MOST_APART || count < 2 * e->cg->target->lanes)
      continue;
    nest_make_innermost(nest, d);
    return true;
  }
  return false;
}

/* Whole vectors of the operand, then what is left element by element. */
static void scattered_vectors(Elementwise *e, VirBuilder *b, const Nest *nest, const VirAddr *start) {
  int64_t count = nest->dim[nest->n - 1], lanes = e->cg->target->lanes, whole = count / lanes * lanes;
  VirAddr at[NEST_MAX_ARRAYS] = {start[0], start[1]};
  nest_step(nest, at, vir_loop(b, "c", 0, whole, lanes), 0);
  e->apart = nest->stride[0][nest->n - 1];
  e->vector(e, b, at, (const bool[]){false}, 0);
  vir_end(b);
  if (whole == count) return;
  at[0] = start[0], at[1] = start[1];
  nest_step(nest, at, vir_loop(b, "c", whole, count, 1), 0);
  e->element(e, b, at);
  vir_end(b);
}

static void vector_of_pixels(const void *user, VirBuilder *b, const VirAddr *at, const Pixels *p) {
  const Elementwise *e = user;
  e->pixels(e, b, at, p);
}

static void element_of_pixels(const void *user, VirBuilder *b, const VirAddr *at) {
  const Elementwise *e = user;
  e->element(e, b, at);
}

void elementwise_emit(Elementwise *e) {
  Cg *cg = e->cg;
  VirBuilder b;
  StrBuf text;
  strbuf_init(&text, cg->arena);
  for (int a = 0; a < e->n_operands; a++)
    strbuf_printf(&text, "%s%s", a ? ", " : "", type_text(cg->arena, &e->operands[a]->type));
  cg_kernel(cg, &b, e->node, "", "%s%s -> %s", e->what, text.text, type_text(cg->arena, &e->result->type));
  const VirBase *bases[NEST_MAX_ARRAYS];
  static const char *const names[NEST_MAX_ARRAYS - 1] = {"a", "b", "c"};
  for (int a = 0; a < e->n_operands; a++)
    bases[a + 1] = cg_read(cg, &b, e->operands[a], e->n_operands == 1 ? "x" : names[a]);
  bases[0] = cg_write(cg, &b, e->result, "y");
  Nest nest = make_nest(e);
  VirAddr at[NEST_MAX_ARRAYS];
  Pixels pixels;
  bool is_image = e->pixels && pixels_in(&nest, cg->target, &pixels);
  bool scattered = !is_image && turn_to_operand(e, &nest);
  nest_open(&b, &nest, bases, at);
  int64_t count = nest.dim[nest.n - 1];
  if (is_image) {
    pixels_emit(&pixels, &b, &nest, at, &(PixelOps){vector_of_pixels, element_of_pixels, e});
  } else if (scattered) {
    scattered_vectors(e, &b, &nest, at);
  } else if (e->vector && nest_is_dense(&nest)) {
    vectors(e, &b, &nest, at);
  } else if (count > 1) {
    nest_step(&nest, at, vir_loop(&b, "c", 0, count, 1), 0);
    e->element(e, &b, at);
    vir_end(&b);
  } else {
    e->element(e, &b, at);
  }
  nest_close(&b, &nest);
  cg_done(cg, &b);
}

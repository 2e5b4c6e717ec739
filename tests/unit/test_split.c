/* Which kernels are done in parts: what is proved, and what must not be. */
#include "codegen/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LANES = 4, PIXEL = 32, WIDTH = 10, ROW = PIXEL * WIDTH, ROWS = 20 };

/* A kernel of bytes x -> y, and w for what else it writes. */
typedef struct {
  Arena *arena;
  CodegenOptions options;
  Cg cg;
  Kernel kernel;
  Buffer in, out, more;
  VirBuilder b;
  const VirBase *x, *y, *w;
} Fixture;

static void start(Fixture *f, bool in_place) {
  *f = (Fixture){.arena = arena_new(), .options = {.part_ops = 1}};
  f->cg = (Cg){.arena = f->arena, .options = &f->options, .module = vir_module(f->arena, LANES)};
  vir_func(&f->b, f->cg.module, "k", false, NULL);
  f->x = vir_param(&f->b, "x", DT_U8, false, 0);
  f->y = vir_param(&f->b, "y", DT_U8, true, 0);
  f->w = vir_param(&f->b, "w", DT_S32, true, 0);
  f->kernel = (Kernel){.func = f->b.f,
                       .n_args = 3,
                       .args = {{in_place ? &f->out : &f->in, DT_U8, false, "x"},
                                {&f->out, DT_U8, true, "y"},
                                {&f->more, DT_S32, true, "w"}}};
}

static void expect(Fixture *f, int parts) {
  cg_split(&f->cg, &f->kernel);
  assert_int_equal(f->kernel.func->parts, parts);
  arena_free(f->arena);
}

static void copy(Fixture *f, VirAddr from, VirAddr to) {
  const VirVar *v = VIR_LET(&f->b, "v", load_u8, vir_at(from));
  VIR_DO(&f->b, store_u8, vir_at(to), vir_v(v));
}

/* y[at + r * row + c * PIXEL + p * step], c in the first `width` pixels. */
static void rows(Fixture *f, int64_t row, int64_t panels, int64_t at) {
  const VirVar *p = vir_loop(&f->b, "panel", 0, panels, 1);
  const VirVar *r = vir_loop(&f->b, "row", 0, ROWS, 1), *c = vir_loop(&f->b, "col", 0, WIDTH, 1);
  VirAddr to = vir_plus(vir_plus(vir_plus(vir_addr(f->y, at), r, row), c, PIXEL), p, LANES);
  copy(f, vir_addr(f->x, 0), to);
  for (int i = 0; i < 3; i++) vir_end(&f->b);
}

static void rows_and_panels(void **state) {
  (void)state;
  Fixture f;
  start(&f, false);
  rows(&f, ROW, 1, 0);
  expect(&f, ROWS);
  start(&f, false);
  rows(&f, ROW, 2, 7); /* panels interleave within the pixels: the rows are more */
  expect(&f, ROWS);
  start(&f, false);
  rows(&f, 0, 8, 0); /* all rows at one place: columns, whose pixels the panels fill */
  expect(&f, WIDTH);
  start(&f, false);
  rows(&f, 0, 9, 0); /* the last one reaches into the next pixel */
  expect(&f, 0);
}

static void rows_that_overlap(void **state) {
  (void)state;
  Fixture f;
  start(&f, false);
  rows(&f, ROW - 1, 8, 0);
  expect(&f, 0);
  start(&f, false);
  const VirVar *i = vir_loop(&f.b, "i", 0, 100, 1);
  copy(&f, vir_addr(f.x, 0), vir_plus(vir_addr(f.y, 0), i, LANES - 1));
  vir_end(&f.b);
  expect(&f, 0);
}

/* Main panels, and the rest: apart only where the rest lies behind. */
static void two_loops(void **state) {
  (void)state;
  for (int k = 0; k < 3; k++) {
    Fixture f;
    start(&f, false);
    rows(&f, ROW, 4, 0);
    rows(&f, ROW, 1, k == 0 ? 4 * LANES : k == 1 ? 4 * LANES - 1 : ROWS * ROW);
    expect(&f, k == 1 ? 0 : ROWS);
  }
}

static void in_place(void **state) {
  (void)state;
  for (int shift = 0; shift < 2; shift++) {
    Fixture f;
    start(&f, true);
    const VirVar *i = vir_loop(&f.b, "i", 0, 100 * LANES, LANES);
    copy(&f, vir_plus(vir_addr(f.x, shift), i, 1), vir_plus(vir_addr(f.y, 0), i, 1));
    vir_end(&f.b);
    expect(&f, shift ? 0 : 64);
  }
}

/* A sum that goes on, a place that all iterations write, an array that is filled first. */
static void what_goes_on(void **state) {
  (void)state;
  for (int k = 0; k < 3; k++) {
    Fixture f;
    start(&f, false);
    VirBuilder *b = &f.b;
    const VirBase *own = vir_local(b, "own", DT_S32, LANES);
    const VirVar *sum = VIR_LET(b, "sum", splat_s32, vir_n(0)), *v;
    if (k == 2) VIR_DO(b, store_s32, vir_at(vir_addr(own, 0)), vir_v(sum));
    const VirVar *i = vir_loop(b, "i", 0, 100, 1);
    VirAddr to = vir_plus(vir_addr(f.w, 0), i, LANES);
    v = VIR_LET(b, "v", load_u8, vir_at(vir_plus(vir_addr(f.x, 0), i, 1)));
    if (k == 0) VIR_SET(b, sum, add_s32, vir_v(sum), vir_v(v));
    if (k == 1) VIR_DO(b, store_s32, vir_at(vir_addr(own, 0)), vir_v(v));
    if (k == 2) v = VIR_LET(b, "first", load_s32, vir_at(vir_addr(own, 0)));
    VIR_DO(b, store_s32, vir_at(to), vir_v(k ? v : sum));
    vir_end(b);
    expect(&f, 0);
  }
}

/* An array of each iteration, a tile that is called, and a store beside the loop, which is the first part's.
 */
static void what_is_its_own(void **state) {
  (void)state;
  Fixture f;
  VirBuilder tile;
  start(&f, false);
  vir_func(&tile, f.cg.module, "tile", true, NULL);
  const VirBase *y = vir_param(&tile, "y", DT_U8, true, 0);
  const VirBase *own = vir_local(&tile, "own", DT_S32, LANES);
  const VirVar *zero = VIR_LET(&tile, "zero", splat_s32, vir_n(0));
  VIR_DO(&tile, store_s32, vir_at(vir_addr(own, 0)), vir_v(zero));
  VIR_DO(&tile, store_u8, vir_at(vir_addr(y, LANES)), vir_v(zero));
  copy(&f, vir_addr(f.x, 0), vir_addr(f.y, 0));
  const VirVar *i = vir_loop(&f.b, "i", 0, 100, 1);
  vir_call(&f.b, tile.f, 1, (VirAddr[]){vir_plus(vir_addr(f.y, 0), i, LANES)});
  vir_end(&f.b);
  VirStmt *first = f.kernel.func->body->next;
  assert_int_equal(first->op, VIR_store_u8);
  cg_split(&f.cg, &f.kernel);
  assert_true(first->first_part);
  assert_int_equal(first->next->shared, 100);
  expect(&f, 64);
}

/* An index from a table: of the function, whose values are known, or of a parameter, of which only the
 * greatest is. */
static void indices(void **state) {
  (void)state;
  enum { STEP = 8 };
  for (int k = 0; k < 4; k++) {
    Fixture f;
    start(&f, false);
    VirBuilder tile;
    const int32_t values[] = {0, k % 2 ? STEP - LANES + 1 : STEP - LANES};
    const VirBase *constant = vir_constant(f.cg.module, "table", DT_S32, 2, values, NULL), *table = constant;
    vir_func(&tile, f.cg.module, "tile", true, NULL);
    if (k >= 2) table = vir_index_param(&tile, "table", 2, values[1]);
    const VirBase *y = vir_param(&tile, "y", DT_U8, true, 0);
    const VirVar *zero = VIR_LET(&tile, "zero", splat_s32, vir_n(0));
    const VirVar *at = vir_index(&tile, "at", vir_addr(table, 1));
    VIR_DO(&tile, store_u8, vir_at(vir_addr(y, 0)), vir_v(zero));
    VIR_DO(&tile, store_u8, vir_at(vir_plus(vir_addr(y, 0), at, 1)), vir_v(zero));
    const VirVar *i = vir_loop(&f.b, "i", 0, 20, 1);
    VirAddr to = vir_plus(vir_addr(f.y, 0), i, STEP);
    if (k >= 2)
      vir_call(&f.b, tile.f, 2, (VirAddr[]){vir_addr(constant, 0), to});
    else
      vir_call(&f.b, tile.f, 1, &to);
    vir_end(&f.b);
    expect(&f, k % 2 ? 0 : 20);
  }
}

/* What is small stays whole. */
static void small_kernels(void **state) {
  (void)state;
  for (int enough = 0; enough < 2; enough++) {
    Fixture f;
    start(&f, false);
    f.options.part_ops = 2 * ROWS * WIDTH / 4 + !enough;
    rows(&f, ROW, 1, 0);
    expect(&f, enough ? 4 : 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_and_panels), cmocka_unit_test(rows_that_overlap),
      cmocka_unit_test(two_loops),       cmocka_unit_test(in_place),
      cmocka_unit_test(what_goes_on),    cmocka_unit_test(what_is_its_own),
      cmocka_unit_test(indices),         cmocka_unit_test(small_kernels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

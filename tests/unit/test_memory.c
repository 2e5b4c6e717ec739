/* The workspace: its plan, and what shares memory so that nothing is copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/arena_plan.h"
#include "codegen/codegen.h"
#include "codegen/lower.h"
#include "ir/text.h"
#include "tests/unit/arena_test.h"

/* ---- places in an arena ---- */

/* No two that live together overlap; returns the end. */
static int64_t check_items(const PlanItem *items, int n) {
  int64_t end = 0;
  for (int i = 0; i < n; i++) {
    const PlanItem *a = &items[i];
    assert_true(a->offset >= 0);
    if (a->offset + a->size > end) end = a->offset + a->size;
    for (int k = i + 1; k < n; k++) {
      const PlanItem *b = &items[k];
      if (a->first > b->last || b->first > a->last) continue;
      assert_true(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset);
    }
  }
  return end;
}

/* The kinds of instances: any lives; short ones, as in chains; some that span much, as skips do; powers of
 * two. */
enum { KINDS = 4 };
static PlanItem random_item(int kind, int n) {
  const int life[KINDS] = {below(n), below(4), below(10) ? below(3) : below(n), 1 + below(8)};
  PlanItem p = {.size = kind == 3 ? 1 << below(8) : 1 + below(100), .first = below(n), .offset = -1};
  p.last = p.first + life[kind];
  return p;
}

static void arena_plans_are_near_the_bound(void **state) {
  (void)state;
  enum { MOST = 120, TRIALS = 6 };
  static const int counts[] = {1, 10, 20, 40, MOST};
  PlanItem items[MOST], again[MOST];
  for (int kind = 0; kind < KINDS; kind++)
    for (int c = 0; c < 5; c++) {
      double over = 0;
      for (int trial = 0; trial < TRIALS; trial++) {
        int n = counts[c], position;
        for (int i = 0; i < n; i++) items[i] = random_item(kind, n);
        memcpy(again, items, sizeof items);
        int64_t bound = arena_bound(arena, items, n, &position), end = arena_plan(arena, items, n);
        assert_int_equal(check_items(items, n), end);
        assert_true(end >= bound);
        assert_true((double)end <= 1.08 * (double)bound);
        over += (double)end / (double)bound - 1;
        if (trial) continue;
        assert_int_equal(arena_plan(arena, again, n), end); /* the same again */
        for (int i = 0; i < n; i++) assert_int_equal(items[i].offset, again[i].offset);
      }
      assert_true(over / TRIALS < 0.02);
    }
}

static void bound_of_an_arena(void **state) {
  (void)state;
  int position;
  assert_int_equal(arena_bound(arena, NULL, 0, &position), 0);
  assert_int_equal(position, -1);
  assert_int_equal(arena_plan(arena, NULL, 0), 0);
  PlanItem items[] = {{5, 0, 2, 0}, {7, 2, 3, 0}, {1, 3, 9, 0}, {0, 4, 5, 0}};
  assert_int_equal(arena_bound(arena, items, 4, &position), 12);
  assert_int_equal(position, 2);
  assert_int_equal(arena_plan(arena, items, 4), 12);
}

/* ---- the plan of the workspace ---- */

static void add_buffer(Cg *cg, BufferKind kind, int64_t bytes, int first, int last) {
  Buffer *b = ARENA_NEW(arena, Buffer);
  *b = (Buffer){.kind = kind, .bytes = bytes, .offset = -1, .first = first, .last = last};
  *cg->buffers_tail = b;
  cg->buffers_tail = &b->next;
}

static int64_t aligned(int64_t n) { return (n + 63) / 64 * 64; }

/* The most bytes that are alive at once: no plan needs less. */
static int64_t lower_bound(const Cg *cg) {
  int64_t most = 0;
  for (const Buffer *at = cg->buffers; at; at = at->next) {
    int64_t sum = 0; /* some maximum lies where a buffer begins */
    for (const Buffer *b = cg->buffers; b; b = b->next)
      if (b->kind == BUFFER_WORKSPACE && b->first <= at->first && at->first <= b->last)
        sum += aligned(b->bytes);
    if (sum > most) most = sum;
  }
  return most;
}

static void check_plan(const Cg *cg) {
  for (const Buffer *a = cg->buffers; a; a = a->next) {
    if (a->kind != BUFFER_WORKSPACE) {
      assert_int_equal(a->offset, -1);
      continue;
    }
    assert_true(a->offset >= 0 && a->offset % 64 == 0);
    assert_true(!a->bytes || a->offset + a->bytes + WORKSPACE_SLACK <= cg->memory.workspace);
    for (const Buffer *b = a->next; b; b = b->next) {
      if (b->kind != BUFFER_WORKSPACE || a->first > b->last || b->first > a->last) continue;
      assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
    }
  }
}

static Cg *plan_for(void) {
  Cg *cg = ARENA_NEW(arena, Cg);
  *cg = (Cg){.arena = arena};
  cg->buffers_tail = &cg->buffers;
  return cg;
}

static void plan_of_chains(void **state) {
  (void)state;
  Cg *cg = plan_for();
  cg_plan_memory(cg);
  assert_int_equal(cg->memory.workspace, 0);

  cg = plan_for(); /* a layer reads the buffer of the one before */
  add_buffer(cg, BUFFER_INPUT, 1000000, 0, 0);
  const int64_t sizes[] = {1000, 3000, 64, 5000, 1, 2000, 2000};
  for (int i = 0; i < 7; i++) add_buffer(cg, BUFFER_WORKSPACE, sizes[i], i, i + 1);
  add_buffer(cg, BUFFER_OUTPUT, 1000000, 7, 7);
  cg_plan_memory(cg);
  check_plan(cg);
  assert_int_equal(cg->memory.workspace, lower_bound(cg) + WORKSPACE_SLACK);

  cg = plan_for(); /* diamonds: a residual lives over two layers */
  for (int i = 0; i < 30; i += 3) {
    add_buffer(cg, BUFFER_WORKSPACE, 4096, i, i + 3);
    add_buffer(cg, BUFFER_WORKSPACE, 8192 - i * 64, i + 1, i + 2);
    add_buffer(cg, BUFFER_WORKSPACE, 4096, i + 2, i + 3);
  }
  cg_plan_memory(cg);
  check_plan(cg);
  assert_int_equal(cg->memory.workspace, lower_bound(cg) + WORKSPACE_SLACK);
}

static void plan_of_random_lives(void **state) {
  (void)state;
  for (int trial = 0; trial < 300; trial++) {
    Cg *cg = plan_for();
    int n = 1 + below(40);
    for (int i = 0; i < n; i++) {
      int first = below(30);
      add_buffer(cg, below(8) ? BUFFER_WORKSPACE : BUFFER_OUTPUT, below(5) ? 1 + below(5000) : below(3),
                 first, first + below(6));
    }
    cg_plan_memory(cg);
    check_plan(cg);
    assert_int_equal(cg->memory.bound, lower_bound(cg) ? lower_bound(cg) + WORKSPACE_SLACK : 0);
    assert_true(cg->memory.workspace <= lower_bound(cg) * 116 / 100 + WORKSPACE_SLACK);
  }
}

/* ---- what shares memory ---- */

/* A model of float convolutions: "C <result> <operand> <input channels> <channels> <kernel>" stands for one
 * that keeps height and width. */
static Graph *model_of(const char *body, Diag *d) {
  StrBuf text;
  char y[16], x[16];
  int ic, oc, k, used;
  strbuf_init(&text, arena);
  strbuf_puts(&text, "model m {\n");
  for (const char *line = body; *line; line += strcspn(line, "\n") + 1) {
    if (sscanf(line, "C %15s %15s %d %d %d%n", y, x, &ic, &oc, &k, &used) != 5) {
      strbuf_printf(&text, "%.*s\n", (int)strcspn(line, "\n"), line);
      continue;
    }
    strbuf_printf(&text, "const @w%s : f32[%d, %d, %d, %d] = [", y, oc, ic, k, k);
    for (int o = 0; o < oc; o++) {
      strbuf_puts(&text, o ? ", [" : "[");
      for (int i = 0; i < ic; i++) {
        strbuf_puts(&text, i ? ", [" : "[");
        for (int r = 0; r < k; r++) {
          strbuf_puts(&text, r ? ", [" : "[");
          for (int c = 0; c < k; c++) strbuf_printf(&text, "%s%d", c ? ", " : "", 1 + below(9));
          strbuf_puts(&text, "]");
        }
        strbuf_puts(&text, "]");
      }
      strbuf_puts(&text, "]");
    }
    strbuf_printf(&text, "]\n%%%s = conv2d(%%%s, @w%s) { pad = [%d, %d, %d, %d] }\n", y, x, y, k / 2, k / 2,
                  k / 2, k / 2);
  }
  strbuf_puts(&text, "}\n");
  return ir_parse(d, arena, source_from_text(arena, "m.ir", text.text, text.len), NULL);
}

static const char *code_of(const char *body, CodegenFacts *facts) {
  Diag d;
  StrBuf c, h;
  diag_init(&d, arena, stderr);
  Graph *g = model_of(body, &d);
  assert_non_null(g);
  CodegenOptions o = {.targets = (const Target *const[]){target_find("generic"), NULL},
                      .name = "m",
                      .model_file = "m.ir",
                      .facts = facts};
  strbuf_init(&c, arena);
  strbuf_init(&h, arena);
  assert_true(codegen_c(&d, arena, g, &o, &c, &h));
  return c.text;
}

/* The comments of the kernels that only move elements: not those of halos, nor the copies of public tensors,
 * which are identities. */
static const char *copies(const char *c) {
  static const char *const ops[] = {"concat", "pad", "slice", "transpose", "reshape"};
  StrBuf list;
  strbuf_init(&list, arena);
  for (const char *p = c; (p = strstr(p, "\n/* ")); p++) {
    char *line = arena_strndup(arena, p + 1, strcspn(p + 1, "\n"));
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
      if (!strncmp(line + 3, ops[i], strlen(ops[i])) && strchr(line, '\'') &&
          !strstr(line, "': zeros around "))
        strbuf_printf(&list, "%s\n", line);
  }
  return list.text;
}

static int count_lines(const char *text) {
  int n = 0;
  for (; *text; text++) n += *text == '\n';
  return n;
}

/* %i is the public input as it lies inside; public results are dequantized or copied by their own nodes. */
#define IN "input %x : f32[1, 8, 6, 6]\nC i x 8 8 1\n"

static void nothing_is_copied(void **state) {
  (void)state;
  static const char *const bodies[] = {
      /* a concatenation of results, of which one is used elsewhere too and one dies in an op in place */
      IN "C a i 8 3 3\nC b i 8 5 1\nC p a 3 5 3\n%r = sigmoid(%p)\n%y = concat(%a, %b, %r) { axis = 1 }\n"
         "C q a 3 13 3\n%s = add(%q, %y)\nC o s 13 4 3\noutput %o\n",
      /* dense blocks: each concatenation lies in the next; listed one by one or as a whole */
      IN "C a i 8 4 3\n%c1 = concat(%i, %a) { axis = 1 }\nC b c1 12 4 3\n%c2 = concat(%c1, %b) { axis = 1 }\n"
         "C c c2 16 4 3\n%y = concat(%c2, %c) { axis = 1 }\nC o y 20 4 1\noutput %o\n",
      IN
      "C a i 8 4 3\n%c1 = concat(%i, %a) { axis = 1 }\nC b c1 12 4 3\n%c2 = concat(%i, %a, %b) { axis = 1 }\n"
      "C c c2 16 4 3\n%y = concat(%i, %a, %b, %c) { axis = 1 }\nC o y 20 4 1\noutput %o\n",
      /* a split, whose parts are read with padding */
      IN "%a = slice(%i) { start = [0, 0, 0, 0], stop = [1, 4, 6, 6], step = [1, 1, 1, 1] }\n"
         "%b = slice(%i) { start = [0, 4, 0, 0], stop = [1, 8, 6, 6], step = [1, 1, 1, 1] }\n"
         "C c a 4 4 3\nC d b 4 4 3\n%y = concat(%c, %d) { axis = 1 }\nC o y 8 4 1\noutput %o\n",
      /* rows of an image */
      IN "%a = slice(%i) { start = [0, 0, 2, 0], stop = [1, 8, 4, 6], step = [1, 1, 1, 1] }\nC o a 8 4 "
         "1\noutput %o\n",
      /* pixels as a list of rows, from two layers */
      (IN "C a i 8 6 3\n%s = transpose(%a) { perm = [0, 2, 3, 1] }\n%e = reshape(%s) { shape = [1, 72, 3] }\n"
          "C b i 8 3 3\n%t = transpose(%b) { perm = [0, 2, 3, 1] }\n%f = reshape(%t) { shape = [1, 36, 3] }\n"
          "%u = tanh(%f)\n%y = concat(%e, %u) { axis = 1 }\n%o = relu(%y)\noutput %o\n"),
      /* a flattened pixel */
      "input %x : f32[1, 8, 6, 6]\nC i x 8 3 1\n%a = avg_pool2d(%i) { kernel = [6, 6] }\n"
      "%f = reshape(%a) { shape = [1, 3] }\n%o = linear(%f, [[1.0, 2.0, 3.0]])\noutput %o\n",
  };
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    const char *c = code_of(bodies[i], NULL);
    if (*copies(c)) fail_msg("model %d: %s", (int)i, copies(c));
  }
}

typedef struct {
  const char *body, *says; /* in the comment of the only kernel that copies */
} Copied;

static void what_must_be_copied(void **state) {
  (void)state;
  static const Copied cases[] = {
      /* twice the same operand, and a constant one */
      {IN "C a i 8 3 3\n%y = concat(%a, %a) { axis = 1 }\nC o y 6 4 1\noutput %o\n", "'y': operand 2, as "},
      {"input %x : f32[1, 2, 1, 1]\nC a x 2 1 1\n%y = concat(%a, [[[[1.0]]]]) { axis = 1 }\nC o y 2 4 "
       "1\noutput %o\n",
       "'y': operand 2, as "},
      /* an operand of two concatenations lies in one */
      {IN "C a i 8 3 3\nC b i 8 3 3\n%y = concat(%a, %b) { axis = 1 }\n%z = concat(%b, %a) { axis = 1 }\n"
          "%s = add(%y, %z)\nC o s 6 4 1\noutput %o\n",
       "'y': f32[1, 3, 6, 6] -> f32[1, 6, 6, 6]"},
      /* a public result */
      {IN "C a i 8 3 3\nC b i 8 3 3\n%y = concat(%a, %b) { axis = 1 }\noutput %y\n",
       "'y': f32[1, 3, 6, 6] -> f32[1, 6, 6, 6]"},
      /* a part of an image whose user wants zeros around it */
      {IN "%y = slice(%i) { start = [0, 0, 2, 0], stop = [1, 8, 4, 6], step = [1, 1, 1, 1] }\nC o y 8 4 "
          "3\noutput %o\n",
       "'y': f32[1, 8, 6, 6] -> f32[1, 8, 2, 6]"},
      /* an image that lies within the padding, whose other user wants zeros around it: it is copied into a
         result, where else only the sides are filled */
      {IN "C a i 8 3 1\n%y = pad(%a) { pads = [0, 0, 1, 1, 0, 0, 1, 1], value = 5.0 }\nC b y 3 4 1\nC o a 3 "
          "4 3\n"
          "output %b, %o\n",
       "'y': f32[1, 3, 6, 6] -> f32[1, 3, 8, 8]"},
      /* channels in another order */
      {IN "%s = reshape(%i) { shape = [1, 2, 4, 6, 6] }\n%t = transpose(%s) { perm = [0, 2, 1, 3, 4] }\n"
          "%y = reshape(%t) { shape = [1, 8, 6, 6] }\nC o y 8 4 1\noutput %o\n",
       "'s': f32[1, 8, 6, 6] -> f32[1, 2, 4, 6, 6]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *c = code_of(cases[i].body, NULL);
    if (count_lines(copies(c)) != 1 || !strstr(copies(c), cases[i].says))
      fail_msg("case %d: %s", (int)i, copies(c));
  }
}

static void pads_fill_their_sides(void **state) {
  (void)state;
  static const char *const bodies[] = {
#define PADDED(mode)                                                                                         \
  IN "C a i 8 3 3\n%y = pad(%a) { pads = [0, 0, 1, 2, 0, 0, 2, 1], " mode " }\nC o y 3 4 1\noutput %o\n"
      PADDED("value = 5.0"), PADDED("mode = reflect"), PADDED("mode = edge")};
  for (int i = 0; i < 3; i++) {
    const char *c = code_of(bodies[i], NULL);
    assert_int_equal(count_lines(copies(c)), 1);
    assert_non_null(strstr(c, "_y(float *restrict y) {")); /* the operand is no argument */
  }
}

/* The range of a tensor that is quantized at run time is that of all its buffer. */
static void whole_tensors_lie_alone(void **state) {
  (void)state;
  const char *c = code_of(IN "C a i 8 3 3\nC b a 3 3 3\n%q, %s, %z = dynamic_quantize(%a)\n"
                             "%y = concat(%a, %b) { axis = 1 }\nC o y 6 4 1\n%d = cast(%q)\noutput %o, %d\n",
                          NULL);
  assert_int_equal(count_lines(copies(c)), 1);
  if (!strstr(copies(c), "'y': operand 1, as ")) fail_msg("%s", copies(c));
}

/* %a would keep the place of %b free while a large tensor is there. */
static void copies_rather_than_more_memory(void **state) {
  (void)state;
  static const char body[] =
      "input %%x : f32[1, 4, 8, 8]\nC i x 4 1 1\nC a i 1 1 1\nC l i 1 %d 1\nC m l %d 1 1\n"
      "C b m 1 16 1\n%%y = concat(%%a, %%b) { axis = 1 }\nC o y 17 1 1\noutput %%o\n";
  CodegenFacts facts;
  const int channel = 64 * 4; /* bytes */
  const char *c = code_of(arena_printf(arena, body, 40, 40), &facts);
  assert_int_equal(count_lines(copies(c)), 1);
  assert_int_equal(facts.memory.bound, channel * 42 + WORKSPACE_SLACK); /* a, l and m */
  c = code_of(arena_printf(arena, body, 4, 4), &facts);
  assert_int_equal(count_lines(copies(c)), 0);
  assert_int_equal(facts.memory.bound, channel * 22 + WORKSPACE_SLACK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(arena_plans_are_near_the_bound, setup, teardown),
      cmocka_unit_test_setup_teardown(bound_of_an_arena, setup, teardown),
      cmocka_unit_test_setup_teardown(plan_of_chains, setup, teardown),
      cmocka_unit_test_setup_teardown(plan_of_random_lives, setup, teardown),
      cmocka_unit_test_setup_teardown(nothing_is_copied, setup, teardown),
      cmocka_unit_test_setup_teardown(what_must_be_copied, setup, teardown),
      cmocka_unit_test_setup_teardown(pads_fill_their_sides, setup, teardown),
      cmocka_unit_test_setup_teardown(whole_tensors_lie_alone, setup, teardown),
      cmocka_unit_test_setup_teardown(copies_rather_than_more_memory, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

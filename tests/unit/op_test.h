/* Small things for tests of ops: types and attributes from text, a node over fresh inputs, what a diagnostic
 * said. */
#ifndef QCC_TESTS_OP_TEST_H
#define QCC_TESTS_OP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

static Arena *arena;
static Graph *graph;
static char *message; /* what diagnostics printed during the last infer() */

static inline int op_setup(void **state) {
  (void)state;
  arena = arena_new();
  graph = graph_new(arena, "test");
  return 0;
}
static inline int op_teardown(void **state) {
  (void)state;
  arena_free(arena);
  free(message);
  message = NULL;
  return 0;
}

/* Integers from "1,2,3". */
static inline IntList ints(const char *text) {
  IntList l = {0};
  while (*text) {
    char *end;
    l.v[l.n++] = strtoll(text, &end, 10);
    text = *end ? end + 1 : end;
  }
  return l;
}
static inline Shape shape(const char *text) {
  IntList l = ints(text);
  Shape s = {.rank = l.n};
  memcpy(s.dim, l.v, sizeof s.dim);
  return s;
}

static inline Type plain(DType dtype, const char *dims) {
  return (Type){.dtype = dtype, .shape = shape(dims)};
}
static inline Type quantized(DType dtype, const char *dims, float scale, int32_t zero) {
  return (Type){.dtype = dtype, .shape = shape(dims), .quant = quant_per_tensor(arena, scale, zero)};
}
static inline Type per_axis(DType dtype, const char *dims, int axis, int64_t count, float scale) {
  Type t = plain(dtype, dims);
  float *scales = ARENA_NEW_ARRAY(arena, float, (size_t)count);
  int32_t *zeros = ARENA_NEW_ARRAY(arena, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) scales[i] = scale * (1 + 0.25f * (float)(i % 5));
  t.quant = quant_new(arena, axis, count, scales, zeros);
  return t;
}

/* A node over inputs of these types; DT_NONE stands for an absent operand. */
static inline Node *node_of(OpId op, const Type *types, int count) {
  Tensor *operands[8] = {NULL};
  for (int i = 0; i < count; i++)
    if (types[i].dtype != DT_NONE) operands[i] = graph_input(graph, "x", types[i], (SrcLoc){0});
  return graph_node1(graph, op, operands, count, "y", (SrcLoc){0}, NULL);
}
#define NODE(op, ...)                                                                                        \
  node_of((op), (Type[]){__VA_ARGS__}, (int)(sizeof((Type[]){__VA_ARGS__}) / sizeof(Type)))

static inline bool infer(Node *n) {
  Diag d;
  size_t size;
  free(message);
  FILE *f = open_memstream(&message, &size);
  diag_init(&d, arena, f);
  bool ok = node_infer(&d, n);
  fclose(f);
  assert_int_equal(d.errors, ok ? 0 : 1);
  return ok;
}

#define ASSERT_REFUSED(n, text)                                                                              \
  do {                                                                                                       \
    assert_false(infer(n));                                                                                  \
    assert_string_equal(message, "qcc: error: " text "\n");                                                  \
  } while (0)

#define ASSERT_TYPE(n, text) assert_type_is((n), (text))
static inline void assert_type_is(Node *n, const char *text) {
  if (!infer(n)) fail_msg("%s", message);
  assert_string_equal(type_text(arena, &n->results[0]->type), text);
}

/* Evaluates after inference; returns the first result's data. One byte more than it needs is allocated, so
 * that empty results have an address. */
static inline void *eval(Node *n, const void *const *in) {
  void *out[1];
  if (!infer(n)) fail_msg("%s", message);
  out[0] = arena_alloc(arena, (size_t)type_bytes(&n->results[0]->type) + 1);
  EvalCtx ctx = {arena_new()};
  op_info[n->op]->eval(&ctx, n, in, out);
  arena_free(ctx.scratch);
  return out[0];
}
#define EVAL(n, ...) eval((n), (const void *[]){__VA_ARGS__})

/* Bit for bit; NaNs are equal. */
static inline void assert_floats(const float *got, const float *want, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (memcmp(&got[i], &want[i], sizeof *got) && !(isnan(got[i]) && isnan(want[i])))
      fail_msg("element %lld is %a, not %a", (long long)i, (double)got[i], (double)want[i]);
}
static inline void assert_bytes(const uint8_t *got, const uint8_t *want, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (got[i] != want[i]) fail_msg("element %lld is %d, not %d", (long long)i, got[i], want[i]);
}
#define ASSERT_FLOATS(got, ...)                                                                              \
  assert_floats((got), (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))
#define ASSERT_BYTES(got, ...)                                                                               \
  assert_bytes((got), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Numbers that repeat from run to run. */
static uint32_t random_state = 1;
static inline uint32_t random_u32(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}
static inline int64_t random_in(int64_t lo, int64_t hi) { return lo + random_u32() % (hi - lo + 1); }
/* Values whose sums depend on their order. */
static inline float random_float(void) {
  float magnitude = ldexpf((float)(random_u32() >> 8), (int)random_in(-30, -20));
  return random_u32() & 1 ? -magnitude : magnitude;
}
/* Random data of a type; bytes take their extremes often. */
static inline void *random_data(const Type *t) {
  int64_t n = shape_count(&t->shape);
  void *data = arena_alloc(arena, (size_t)type_bytes(t) + 1);
  for (int64_t i = 0; i < n; i++) {
    if (t->dtype == DT_F32)
      ((float *)data)[i] = random_float();
    else if (t->dtype == DT_S32)
      ((int32_t *)data)[i] = (int32_t)random_in(-5000, 5000);
    else
      ((uint8_t *)data)[i] = (uint8_t)(random_u32() % 4 ? random_u32() : random_u32() % 2 ? 0x7f : 0x80);
  }
  return data;
}

#endif

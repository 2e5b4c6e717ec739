/* Rounding and biases by data: what the pass refine is made of, and its channels' counterpart, equalize. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/parallel.h"
#include "ir/text.h"
#include "passes/equalize/channels.h"
#include "passes/refine/columns.h"
#include "passes/refine/layer.h"
#include "passes/refine/rounding.h"

static Arena *arena;
static Diag silent;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  diag_init(&silent, arena, stderr);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static Graph *parse(const char *body) {
  const char *text = arena_printf(arena, "model m {\n%s}\n", body);
  Graph *g = ir_parse(&silent, arena, source_from_text(arena, "m.ir", text, strlen(text)), NULL);
  assert_non_null(g);
  return g;
}

static uint32_t random_state = 1;
static float random_unit(void) { /* [-1, 1) */
  random_state = random_state * 1664525 + 1013904223;
  return (float)(random_state >> 8) / 8388608 - 1;
}

/* --- threads --- */

static void count_call(void *user, int64_t i) { ((int *)user)[i]++; }

static void every_piece_is_done_once(void **state) {
  (void)state;
  for (int threads = 0; threads < 5; threads++) {
    int calls[100] = {0};
    parallel_for(threads, 100, count_call, calls);
    for (int i = 0; i < 100; i++) assert_int_equal(calls[i], 1);
    parallel_for(threads, 0, count_call, calls);
  }
}

/* --- rounding --- */

/* The square error of q against w over the columns, without its mean. */
static double error_of(const Columns *c, const Rounding *r) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < c->rows; i++) {
    double e = 0;
    for (int64_t k = 0; k < c->k; k++)
      e += (double)c->x[i * c->k + k] * ((double)r->w[k] - (double)r->scale * (r->q[k] - r->zero));
    sum += e;
    squares += e * e;
  }
  return squares - sum * sum / (double)c->rows;
}

/* Inputs that go together: the errors of their weights cancel. */
static void errors_cancel_where_inputs_agree(void **state) {
  (void)state;
  enum { ROWS = 50 };
  float x[ROWS * 2];
  for (int i = 0; i < ROWS; i++) x[2 * i] = x[2 * i + 1] = random_unit();
  const Columns c = {ROWS, 2, x};
  int8_t q[2];
  const Rounding r = {(float[]){0.4f, 0.4f}, 1, 0, -128, 127, q};
  metric_round(metric_new(arena, &c, 0, 2), &r, 1);
  assert_int_equal(q[0] + q[1], 1); /* nearest would be 0 and 0 */
}

/* Inputs that have nothing to do with each other: each weight goes to its nearest. */
static void independent_inputs_round_to_nearest(void **state) {
  (void)state;
  float x[8 * 3];
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 3; k++) x[3 * i + k] = i >> k & 1 ? 1 : -1;
  const Columns c = {8, 3, x};
  int8_t q[3];
  const Rounding r = {(float[]){2.4f, -7.6f, 300}, 1, 10, -100, 100, q};
  metric_round(metric_new(arena, &c, 0, 3), &r, 1);
  assert_true(q[0] == 12 && q[1] == 2 && q[2] == 100);
}

/* Many outputs over random, correlated inputs: less error than by rounding to nearest. */
static void less_error_than_nearest(void **state) {
  (void)state;
  enum { ROWS = 400, K = 24, OUTPUTS = 7 };
  float *x = ARENA_NEW_ARRAY(arena, float, ROWS *K), *w = ARENA_NEW_ARRAY(arena, float, OUTPUTS *K);
  for (int i = 0; i < ROWS; i++) {
    float common = random_unit();
    for (int k = 0; k < K; k++) x[i * K + k] = 3 + common + 0.3f * random_unit();
  }
  for (int i = 0; i < OUTPUTS * K; i++) w[i] = random_unit();
  const Columns c = {ROWS, K, x};
  Rounding r[OUTPUTS], nearest[OUTPUTS];
  for (int o = 0; o < OUTPUTS; o++) {
    r[o] = nearest[o] = (Rounding){w + o * K, 0.05f, 0, -128, 127, ARENA_NEW_ARRAY(arena, int8_t, K)};
    nearest[o].q = ARENA_NEW_ARRAY(arena, int8_t, K);
    for (int k = 0; k < K; k++) nearest[o].q[k] = (int8_t)lrintf(w[o * K + k] / 0.05f);
  }
  metric_round(metric_new(arena, &c, 0, K), r, OUTPUTS);
  double error = 0, nearest_error = 0;
  for (int o = 0; o < OUTPUTS; o++) {
    error += error_of(&c, &r[o]);
    nearest_error += error_of(&c, &nearest[o]);
  }
  assert_true(error < 0.5 * nearest_error);
}

/* --- columns --- */

/* "[[0.5, -1], ...]" of random values. */
static void put_values(StrBuf *b, const IntList *dims, int at) {
  strbuf_puts(b, "[");
  for (int64_t i = 0; i < dims->v[at]; i++) {
    if (i) strbuf_puts(b, ", ");
    if (at + 1 < dims->n)
      put_values(b, dims, at + 1);
    else
      strbuf_printf(b, "%g", (double)random_unit());
  }
  strbuf_puts(b, "]");
}

static const char *shape_list(const IntList *dims) {
  StrBuf b;
  strbuf_init(&b, arena);
  for (int i = 0; i < dims->n; i++) strbuf_printf(&b, "%s%lld", i ? ", " : "[", (long long)dims->v[i]);
  strbuf_puts(&b, "]");
  return b.text;
}

static float *random_values(int64_t n) {
  float *v = ARENA_NEW_ARRAY(arena, float, (size_t)n);
  for (int64_t i = 0; i < n; i++) v[i] = random_unit();
  return v;
}

static const Node *layer_of_text(const IntList *x, const IntList *w, const char *call) {
  StrBuf b;
  strbuf_init(&b, arena);
  strbuf_printf(&b, "  input %%x : f32%s\n  const @w : f32%s = ", shape_list(x), shape_list(w));
  put_values(&b, w, 0);
  strbuf_printf(&b, "\n  %%y = %s\n  output %%y\n", call);
  return parse(b.text)->first;
}

/* The rows are what the layer sums up: their products with the weights are its results. */
static void columns_are_what_layers_read(void **state) {
  (void)state;
  static const struct {
    IntList x, w;
    const char *call;
  } cases[] = {
      {{4, {2, 4, 6, 5}}, {2, {3, 5}}, "linear(%x, @w)"},
      {{4, {2, 4, 7, 6}},
       {4, {4, 2, 3, 2}},
       "conv2d(%x, @w) { stride = [2, 1], pad = [1, 0, 2, 1], dilation = [1, 2], groups = 2 }"},
      {{4, {2, 4, 3, 4}},
       {4, {6, 2, 3, 2}},
       "conv_transpose2d(%x, @w) { stride = [2, 3], pad = [1, 0, 0, 1], dilation = [1, 2], groups = 2 }"},
      {{5, {2, 1, 3, 4, 5}}, {5, {3, 1, 2, 3, 2}}, "conv3d(%x, @w) { pad = [1, 0, 0, 0, 1, 1] }"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Node *n = layer_of_text(&cases[i].x, &cases[i].w, cases[i].call);
    const Shape *y = &n->results[0]->type.shape;
    int64_t count = shape_count(y), oc = n->operands[1]->type.shape.dim[0], groups = columns_groups(n);
    int64_t inner = n->op == OP_linear ? 1 : count / (y->dim[0] * oc), each = oc / groups;
    const float *x[] = {random_values(shape_count(&n->operands[0]->type.shape)),
                        random_values(shape_count(&n->operands[0]->type.shape))};
    const float *w = n->operands[1]->data;
    float *out = ARENA_NEW_ARRAY(arena, float, (size_t)count);
    assert_true(columns_known(n));
    for (int64_t g = 0; g < groups; g++) {
      Columns c = columns_of(arena, n, g, x, 2, 1 << 20);
      assert_int_equal(c.rows, 2 * count / oc);
      for (int64_t row = 0; row < c.rows; row++) {
        if (row % (c.rows / 2) == 0)
          op_info[n->op]->eval(&(EvalCtx){arena}, n, (const void *[]){x[row / (c.rows / 2)], w, NULL},
                               (void *[]){out});
        int64_t at = row % (c.rows / 2);
        for (int64_t o = g * each; o < (g + 1) * each; o++) {
          double sum = 0;
          for (int64_t k = 0; k < c.k; k++) sum += (double)c.x[row * c.k + k] * (double)w[o * c.k + k];
          int64_t element = (at / inner * oc + o) * inner + at % inner;
          assert_true(fabs(sum - (double)out[element]) < 1e-5);
        }
      }
    }
  }
}

/* --- layers --- */

/* A layer whose operand was rounded down by half a quantum each, and whose weights are off: the bias makes up
 * for what all samples lack, and nothing that could leave s32 is taken. */
static void biases_take_the_mean_error(void **state) {
  (void)state;
  Graph *floats = parse("  input %x : f32[1, 2]\n  const @w : f32[2, 2] = [[0.3, 0], [1, -1]]\n"
                        "  %y = linear(%x, @w) { act_min = 0 }\n  output %y\n");
  Graph *integers = parse("  input %x : u8<scale=1, zero=0>[1, 2]\n"
                          "  const @w : s8<axis=0, scale=[1, 1], zero=0>[2, 2] = [[0, 0], [1, -1]]\n"
                          "  %y = linear(%x, @w) { act_min = 0 } : u8<scale=1, zero=0>[1, 2]\n  output %y\n");
  enum { SAMPLES = 8 };
  static uint8_t q[SAMPLES][2];
  static float real[SAMPLES][2];
  const void *x[SAMPLES], *x_reference[SAMPLES];
  for (int i = 0; i < SAMPLES; i++) {
    q[i][0] = (uint8_t)(100 + i % 3);
    q[i][1] = (uint8_t)(i % 2);
    real[i][0] = (float)q[i][0] + 0.5f;
    real[i][1] = (float)q[i][1] + 0.5f;
    x[i] = q[i];
    x_reference[i] = real[i];
  }
  const LayerSamples s = {integers->first, floats->first, SAMPLES, x, x_reference, 1};
  refine_layer(arena, &s);
  const Node *n = integers->first;
  assert_int_equal(n->n_operands, 3);
  const int32_t *bias = n->operands[2]->data;
  assert_int_equal(bias[0], 30); /* 0.3 * 101.4 */
  assert_int_equal(bias[1], 0);  /* both halves cancel */
  assert_memory_equal(n->operands[1]->data, ((int8_t[]){0, 0, 1, -1}), 4);
}

/* A float layer with integer weights has a float bias. */
static void float_layers_have_float_biases(void **state) {
  (void)state;
  Graph *floats = parse("  input %x : f32[1, 1]\n  const @w : f32[1, 1] = [[0.25]]\n"
                        "  const @b : f32[1] = [7]\n  %y = linear(%x, @w, @b)\n  output %y\n");
  Graph *integers = parse("  input %x : f32[1, 1]\n"
                          "  const @w : s8<axis=0, scale=[1], zero=0>[1, 1] = [[0]]\n"
                          "  const @b : f32[1] = [7]\n  %y = linear(%x, @w, @b)\n  output %y\n");
  static const float value[2] = {4, 4};
  const void *x[] = {&value[0], &value[1]};
  const LayerSamples s = {integers->first, floats->first, 2, x, x, 1};
  refine_layer(arena, &s);
  assert_true(*(const float *)integers->first->operands[2]->data == 8);
}

/* --- channels --- */

/* For each layer: how many of its input and output channels may be scaled. */
static const char *free_channels(const Graph *g) {
  const Channels *c = channels_new(arena, g);
  assert_non_null(c);
  StrBuf b;
  strbuf_init(&b, arena);
  for (const Node *n = g->first; n; n = n->next) {
    ChannelLayer l;
    if (!channel_layer(c, n, &l)) continue;
    int in = 0, out = 0;
    for (int64_t i = 0; i < l.groups * l.ic; i++) in += channel_is_free(c, layer_input(c, &l, i));
    for (int64_t i = 0; i < l.groups * l.oc; i++) out += channel_is_free(c, layer_output(c, &l, i));
    strbuf_printf(&b, "%s%s %d %d", b.len ? "; " : "", n->results[0]->name, in, out);
  }
  return b.text;
}

static void channels_end_in_layers(void **state) {
  (void)state;
  const char *head =
      "  input %x : f32[1, 2, 2, 2]\n"
      "  const @w : f32[4, 2, 1, 1] = [[[[1]], [[1]]], [[[1]], [[1]]], [[[1]], [[1]]], [[[1]], [[1]]]]\n"
      "  const @v : f32[1, 4, 1, 1] = [[[[1]], [[1]], [[1]], [[1]]]]\n"
      "  const @u : f32[1, 2, 1, 1] = [[[[1]], [[1]]]]\n"
      "  const @f : f32[1, 16] = [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]\n"
      "  %a = conv2d(%x, @w) { act_min = 0 }\n";
  static const struct {
    const char *body, *expected;
  } cases[] = {
      {"  %b = conv2d(%a, @v)\n  output %b\n", "a 0 4; b 4 0"},
      {"  %r = relu(%a)\n  %b = conv2d(%r, @v)\n  output %b\n", "a 0 4; b 4 0"},
      {"  %r = sigmoid(%a)\n  %b = conv2d(%r, @v)\n  output %b\n", "a 0 0; b 0 0"},
      {"  %b = conv2d(%a, @v)\n  output %a, %b\n", "a 0 0; b 0 0"},
      /* through a reshape that puts channels side by side */
      {"  %r = reshape(%a) { shape = [1, 16] }\n  %b = linear(%r, @f)\n  output %b\n", "a 0 4; b 16 0"},
      /* a channel shuffle, half of which goes elsewhere: channels 0 and 2 are the first of two */
      {"  %r = reshape(%a) { shape = [1, 2, 2, 2, 2] }\n  %t = transpose(%r) { perm = [0, 2, 1, 3, 4] }\n"
       "  %s = reshape(%t) { shape = [1, 4, 2, 2] }\n"
       "  %h = slice(%s) { start = [0, 0, 0, 0], stop = [1, 2, 2, 2], step = [1, 1, 1, 1] }\n"
       "  %k = slice(%s) { start = [0, 2, 0, 0], stop = [1, 4, 2, 2], step = [1, 1, 1, 1] }\n"
       "  %e = exp(%h)\n  %b = conv2d(%k, @u)\n  output %b, %e\n",
       "a 0 2; b 2 0"},
      /* what is added has the channels of both */
      {"  %c = conv2d(%x, @w)\n  %s = add(%a, %c)\n  %b = conv2d(%s, @v)\n  output %b\n",
       "a 0 4; c 0 4; b 4 0"},
      {"  %c = conv2d(%x, @w) { act_max = 6 }\n  %s = add(%a, %c)\n  %b = conv2d(%s, @v)\n  output %b\n",
       "a 0 0; c 0 0; b 0 0"},
      /* zeros around it scale with it, other values do not */
      {"  %p = pad(%a) { pads = [0, 0, 1, 0, 0, 0, 0, 0] }\n  %b = conv2d(%p, @v)\n  output %b\n",
       "a 0 4; b 4 0"},
      {"  %p = pad(%a) { pads = [0, 0, 1, 0, 0, 0, 0, 0], value = 1 }\n  %b = conv2d(%p, @v)\n  output %b\n",
       "a 0 0; b 0 0"},
      /* pixels that change places with channels */
      {"  %t = transpose(%a) { perm = [0, 3, 2, 1] }\n  %b = conv2d(%t, @u)\n  output %b\n", "a 0 4; b 2 0"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(free_channels(parse(arena_printf(arena, "%s%s", head, cases[i].body))),
                        cases[i].expected);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_piece_is_done_once),
      cmocka_unit_test(errors_cancel_where_inputs_agree),
      cmocka_unit_test(independent_inputs_round_to_nearest),
      cmocka_unit_test(less_error_than_nearest),
      cmocka_unit_test(columns_are_what_layers_read),
      cmocka_unit_test(biases_take_the_mean_error),
      cmocka_unit_test(float_layers_have_float_biases),
      cmocka_unit_test(channels_end_in_layers),
  };
  return cmocka_run_group_tests_name("refine", tests, setup, teardown);
}

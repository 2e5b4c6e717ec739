/* lstm, gru and rnn: values worked out by hand, by rule 16, with gates that are affine functions; directions,
 * states, refusals. */
#include "ir/half.h"
#include "tests/unit/op_test.h"

enum { MOST = 7 };

/* A node over f32 operands of these shapes; "-" stands for an absent one. */
static Node *recurrent(OpId op, int count, const char *const *shapes) {
  Tensor *operands[MOST] = {NULL};
  const char *names[] = {"y", "h", "c"};
  for (int i = 0; i < count; i++)
    if (strcmp(shapes[i], "-")) operands[i] = graph_input(graph, "x", plain(DT_F32, shapes[i]), (SrcLoc){0});
  return graph_node(graph, op, operands, count, names, op_info[op]->n_results, (SrcLoc){0}, NULL);
}
#define RECURRENT(op, ...)                                                                                   \
  recurrent((op), (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                             \
            (const char *[]){__VA_ARGS__})

static RecurrentAttrs *attrs(Node *n) { return ATTRS(n, RecurrentAttrs); }
static const GateFunction identity = {GATE_AFFINE, 1, 0};

/* Evaluates; the results are in `out`. */
static float *out[3];
static void run(Node *n, const void *const *in) {
  if (!infer(n)) fail_msg("%s", message);
  for (int i = 0; i < n->n_results; i++)
    out[i] = arena_alloc(arena, (size_t)type_bytes(&n->results[i]->type));
  EvalCtx ctx = {arena_new()};
  op_info[n->op]->eval(&ctx, n, in, (void *const *)out);
  arena_free(ctx.scratch);
}
#define RUN(n, ...) run((n), (const void *[]){__VA_ARGS__})
#define F(...)      ((const float[]){__VA_ARGS__})

static void test_rnn(void **state) {
  (void)state;
  /* two steps, a batch of one, two inputs, two hidden */
  Node *n = RECURRENT(OP_rnn, "2,1,2", "1,2,2", "1,2,2", "1,4", "1,1,2");
  attrs(n)->f = identity;
  RUN(n, F(1, 2, 3, 4), F(1, 0, 0, 10), F(0, 1, 2, 0), F(100, 200, 1000, 2000), F(5, 7));
  /* h1 = [1 + 100 + 7 + 1000, 20 + 200 + 10 + 2000]; h2 = [3 + 100 + 2230 + 1000, 40 + 200 + 2216 + 2000] */
  ASSERT_FLOATS(out[0], 1108, 2230, 3333, 4456);
  ASSERT_FLOATS(out[1], 3333, 4456);
  assert_string_equal(type_text(arena, &n->results[0]->type), "f32[2, 1, 1, 2]");
  assert_string_equal(type_text(arena, &n->results[1]->type), "f32[1, 1, 2]");
}

static void test_rnn_directions(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_rnn, "3,1,1", "1,1,1", "1,1,1");
  attrs(n)->f = identity;
  attrs(n)->direction = DIRECTION_REVERSE;
  RUN(n, F(1, 2, 3), F(1), F(10));
  ASSERT_FLOATS(out[0], 321, 32, 3);
  ASSERT_FLOATS(out[1], 321);
  n = RECURRENT(OP_rnn, "3,1,1", "2,1,1", "2,1,1", "2,2", "2,1,1");
  attrs(n)->f = identity;
  attrs(n)->direction = DIRECTION_BIDIRECTIONAL;
  RUN(n, F(1, 2, 3), F(1, 2), F(10, 100), F(0, 0, 0.25f, 0.5f), F(0, 1));
  /* backwards: 6 + 100 + 0.75, 4 + 10675 + 0.75, 2 + 1067975 + 0.75 */
  ASSERT_FLOATS(out[0], 1, 1067977.75f, 12, 10679.75f, 123, 106.75f);
  ASSERT_FLOATS(out[1], 123, 1067977.75f);
}

/* Each of a batch has a state of its own; the sequence is [step, batch, input]. */
static void test_rnn_batch(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_rnn, "2,3,1", "1,1,1", "1,1,1");
  attrs(n)->f = identity;
  RUN(n, F(1, 2, 3, 4, 5, 6), F(1), F(10));
  ASSERT_FLOATS(out[0], 1, 2, 3, 14, 25, 36);
  ASSERT_FLOATS(out[1], 14, 25, 36);
}

static void test_lstm(void **state) {
  (void)state;
  /* gates i, o, f, c of one hidden: from x 1, 2, 3, 4; from h 0.5, 0, 0, 1 */
  Node *n = RECURRENT(OP_lstm, "2,1,1", "1,4,1", "1,4,1", "1,8", "1,1,1", "1,1,1");
  attrs(n)->f = attrs(n)->g = identity;
  attrs(n)->h = (GateFunction){GATE_AFFINE, 2, 1};
  RUN(n, F(1, 2), F(1, 2, 3, 4), F(0.5f, 0, 0, 1), F(0, 0, 0, 0, 0, 10, 0, 0), F(4), F(5));
  /* i = 1 + 2 = 3, o = 2 + 10 = 12, f = 3, c~ = 4 + 4 = 8; c = 3 * 5 + 3 * 8 = 39; h = 12 * 79 = 948
   * i = 2 + 474 = 476, o = 14, f = 6, c~ = 8 + 948 = 956; c = 6 * 39 + 476 * 956 = 455290; h = 14 * 910581 */
  ASSERT_FLOATS(out[0], 948, 12748134);
  ASSERT_FLOATS(out[1], 12748134);
  ASSERT_FLOATS(out[2], 455290);
}

static void test_lstm_peepholes(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_lstm, "1,1,1", "1,4,1", "1,4,1", "-", "-", "1,1,1", "1,3");
  attrs(n)->f = attrs(n)->g = attrs(n)->h = identity;
  RUN(n, F(1), F(1, 2, 3, 4), F(9, 9, 9, 9), NULL, NULL, F(5), F(10, 100, 1000));
  /* i = 1 + 50, f = 3 + 5000, c = 5003 * 5 + 51 * 4 = 25219, o = 2 + 2521900, h = o * c */
  ASSERT_FLOATS(out[2], 25219);
  ASSERT_FLOATS(out[1], 2521902.0f * 25219.0f);
}

static void test_lstm_input_forget(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_lstm, "1,1,1", "1,4,1", "1,4,1", "-", "-", "1,1,1");
  attrs(n)->f = attrs(n)->g = attrs(n)->h = identity;
  attrs(n)->input_forget = true;
  RUN(n, F(1), F(0.25f, 2, 77, 4), F(0, 0, 0, 0), NULL, NULL, F(8));
  ASSERT_FLOATS(out[2], 0.75f * 8 + 0.25f * 4);
}

static void test_gru(void **state) {
  (void)state;
  /* gates z, r, h of one hidden */
  Node *n = RECURRENT(OP_gru, "1,1,1", "1,3,1", "1,3,1", "1,6", "1,1,1");
  attrs(n)->f = attrs(n)->g = identity;
  RUN(n, F(1), F(0.25f, 3, 5), F(0, 1, 10), F(0, 0, 100, 0, 0, 1000), F(2));
  /* z = 0.25, r = 3 + 2 = 5; h~ = 5 + 100 + (5 * 2) * 10 + 1000; h = 0.75 * 1205 + 0.25 * 2 */
  ASSERT_FLOATS(out[1], 904.25f);
  attrs(n)->linear_before_reset = true;
  RUN(n, F(1), F(0.25f, 3, 5), F(0, 1, 10), F(0, 0, 100, 0, 0, 1000), F(2));
  /* h~ = 5 + 100 + 5 * (2 * 10 + 1000) = 5205 */
  ASSERT_FLOATS(out[1], 3904.25f);
}

/* The sum starts from the bias; both sums are rounded before they are added. */
static void test_order(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_rnn, "1,1,2", "1,1,2", "1,1,1", "1,2", "1,1,1");
  attrs(n)->f = identity;
  RUN(n, F(0x1p24f, -0x1p24f), F(1, 1), F(1), F(1, 0.5f), F(0.25f));
  ASSERT_FLOATS(out[1], 0.75f); /* 1 + 2^24 = 2^24, - 2^24 = 0; 0.5 + 0.25 */
}

static void test_clip(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_lstm, "1,1,1", "1,4,1", "1,4,1", "-", "-", "1,1,1");
  attrs(n)->f = attrs(n)->g = attrs(n)->h = identity;
  attrs(n)->clip = 3;
  RUN(n, F(1), F(10, -10, 2, -5), F(0, 0, 0, 0), NULL, NULL, F(8));
  ASSERT_FLOATS(out[2], 2 * 8 + 3 * -3);
  ASSERT_FLOATS(out[1], -3 * 7); /* nor is what h sees of it */
}

static void test_functions(void **state) {
  (void)state;
  static const struct {
    GateFunction f;
    float x, y;
  } row[] = {{{GATE_RELU, 1, 0}, -2, 0},
             {{GATE_RELU, 1, 0}, 2, 2},
             {{GATE_AFFINE, 3, 0.5f}, 2, 6.5f},
             {{GATE_LEAKY_RELU, 0.25f, 0}, -2, -0.5f},
             {{GATE_LEAKY_RELU, 0.25f, 0}, 2, 2},
             {{GATE_THRESHOLDED_RELU, 1, 0}, 1, 0},
             {{GATE_THRESHOLDED_RELU, 1, 0}, 1.5f, 1.5f},
             {{GATE_SCALED_TANH, 2, 100}, 1, 2},
             {{GATE_HARD_SIGMOID, 0.25f, 0.5f}, 1, 0.75f},
             {{GATE_HARD_SIGMOID, 0.25f, 0.5f}, 9, 1},
             {{GATE_HARD_SIGMOID, 0.25f, 0.5f}, -9, 0},
             {{GATE_ELU, 2, 0}, -100, -2},
             {{GATE_ELU, 2, 0}, 3, 3},
             {{GATE_SOFTSIGN, 1, 0}, -3, -0.75f},
             {{GATE_SIGMOID, 1, 0}, 0, 0.5f},
             {{GATE_SIGMOID, 1, 0}, 200, 1},
             {{GATE_TANH, 1, 0}, -20, -1}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    Node *n = RECURRENT(OP_rnn, "1,1,1", "1,1,1", "1,1,1");
    attrs(n)->f = row[i].f;
    RUN(n, F(row[i].x), F(1), F(1));
    assert_floats(out[1], &row[i].y, 1);
  }
}

/* Random networks: the projected form of an op gives the same bits. Sizes around the kernel's panels. */
static void test_projected(void **state) {
  (void)state;
  const OpId ops[] = {OP_lstm, OP_gru, OP_rnn};
  for (int round = 0; round < 60; round++) {
    OpId op = ops[round % 3];
    int64_t steps = random_in(1, 4), batch = random_in(1, 6), inputs = random_in(1, 9),
            hidden = random_in(1, 11);
    int64_t d = random_in(1, 2), g = op == OP_lstm ? 4 : op == OP_gru ? 3 : 1, rows = g * hidden;
    Type types[] = {{DT_F32, shape_of(3, steps, batch, inputs), NULL},
                    {DT_F32, shape_of(3, d, rows, inputs), NULL},
                    {DT_F32, shape_of(3, d, rows, hidden), NULL},
                    {DT_F32, shape_of(2, d, 2 * rows), NULL}};
    Tensor *operands[4];
    const float *in[4];
    for (int i = 0; i < 4; i++) {
      operands[i] = graph_input(graph, "x", types[i], (SrcLoc){0});
      in[i] = random_data(&types[i]);
    }
    const char *names[] = {"y", "h", "c"};
    Node *n = graph_node(graph, op, operands, 4, names, op_info[op]->n_results, (SrcLoc){0}, NULL);
    attrs(n)->direction = d == 2 ? DIRECTION_BIDIRECTIONAL : (int)random_in(0, 1);
    attrs(n)->linear_before_reset = op == OP_gru && random_in(0, 1);
    run(n, (const void *const *)in);
    float *want[3] = {out[0], out[1], out[2]};

    Type projected = {DT_F32, shape_of(3, steps, batch, d * rows), NULL};
    float *p = arena_alloc(arena, (size_t)type_bytes(&projected));
    for (int64_t i = 0; i < steps * batch; i++)
      for (int64_t r = 0; r < d * rows; r++) {
        float sum = in[3][r / rows * 2 * rows + r % rows];
        for (int64_t k = 0; k < inputs; k++) {
          volatile float product = in[0][i * inputs + k] * in[1][r * inputs + k];
          sum += product;
        }
        p[i * d * rows + r] = sum;
      }
    Type bias = {DT_F32, shape_of(2, d, rows), NULL};
    float *b = arena_alloc(arena, (size_t)type_bytes(&bias));
    for (int64_t i = 0; i < d; i++)
      memcpy(b + i * rows, in[3] + (2 * i + 1) * rows, sizeof *b * (size_t)rows);
    Tensor *fewer[] = {graph_input(graph, "p", projected, (SrcLoc){0}), NULL, operands[2],
                       graph_input(graph, "b", bias, (SrcLoc){0})};
    Node *m = graph_node(graph, op, fewer, 4, names, op_info[op]->n_results, (SrcLoc){0}, NULL);
    *attrs(m) = *attrs(n);
    RUN(m, p, NULL, in[2], b);
    for (int i = 0; i < m->n_results; i++)
      assert_floats(out[i], want[i], shape_count(&m->results[i]->type.shape));
  }
}

/* A stream: what the states of one run are, handed to the next, is as if both had been one. */
static void test_streaming(void **state) {
  (void)state;
  enum { STEPS = 5, FIRST = 2, BATCH = 2, INPUTS = 3, HIDDEN = 7 };
  Type types[] = {plain(DT_F32, "5,2,3"), plain(DT_F32, "1,28,3"), plain(DT_F32, "1,28,7"),
                  plain(DT_F32, "1,56"),  plain(DT_F32, "1,2,7"),  plain(DT_F32, "1,2,7")};
  const float *in[6];
  for (int i = 0; i < 6; i++) in[i] = random_data(&types[i]);
  Node *whole = RECURRENT(OP_lstm, "5,2,3", "1,28,3", "1,28,7", "1,56", "1,2,7", "1,2,7");
  run(whole, (const void *const *)in);
  const float *want[] = {out[0], out[1], out[2]};
  Node *first = RECURRENT(OP_lstm, "2,2,3", "1,28,3", "1,28,7", "1,56", "1,2,7", "1,2,7");
  run(first, (const void *const *)in);
  assert_floats(out[0], want[0], FIRST * BATCH * HIDDEN);
  Node *second = RECURRENT(OP_lstm, "3,2,3", "1,28,3", "1,28,7", "1,56", "1,2,7", "1,2,7");
  RUN(second, in[0] + FIRST * BATCH * INPUTS, in[1], in[2], in[3], out[1], out[2]);
  assert_floats(out[0], want[0] + FIRST * BATCH * HIDDEN, (STEPS - FIRST) * BATCH * HIDDEN);
  assert_floats(out[1], want[1], BATCH * HIDDEN);
  assert_floats(out[2], want[2], BATCH * HIDDEN);
}

/* By hand: the range of x is [-1, 2], of the first state [0, 255]. */
static void test_dynamic(void **state) {
  (void)state;
  Tensor *operands[] = {graph_input(graph, "x", plain(DT_F32, "1,1,2"), (SrcLoc){0}),
                        graph_input(graph, "w", quantized(DT_S8, "1,2,2", 0.5f, 0), (SrcLoc){0}),
                        graph_input(graph, "r", quantized(DT_S8, "1,2,2", 0.25f, 0), (SrcLoc){0}),
                        graph_input(graph, "b", plain(DT_F32, "1,4"), (SrcLoc){0}),
                        graph_input(graph, "h", plain(DT_F32, "1,1,2"), (SrcLoc){0})};
  const char *names[] = {"y", "h"};
  Node *n = graph_node(graph, OP_rnn, operands, 5, names, 2, (SrcLoc){0}, NULL);
  attrs(n)->f = identity;
  attrs(n)->dynamic = true;
  attrs(n)->quantize.qmax = 127;
  RUN(n, F(-1, 2), ((const int8_t[]){2, 4, -128, 127}), ((const int8_t[]){1, 0, 0, -3}), F(10, 20, 30, 40),
      F(3, 127));
  /* x: scale 3 / 127, zero 42 (2 / scale = 84.67, and 42.33 from below, has the smaller error): q = 0, 127;
   * h: scale 1, zero 0 */
  float s = (float)(3.0 / 127), m = s * 0.5f;
  ASSERT_FLOATS(out[1], (256 * m + 10) + (3 * 0.25f + 30), (16171 * m + 20) + (-381 * 0.25f + 40));
}

/* Small weights stand for real ones: the same bits as with those. Dynamic: the projected form with a
 * projection by dynamic_linear's rule is the whole. */
static void test_small_weights(void **state) {
  (void)state;
  const Type forms[] = {plain(DT_F16, "2,12,5"), quantized(DT_S8, "2,12,5", 0.01f, 3),
                        per_axis(DT_U8, "2,12,5", 0, 2, 0.01f), per_axis(DT_S8, "2,12,5", 1, 12, 0.01f),
                        per_axis(DT_S8, "24,5", 0, 24, 0.01f)};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    Type w = forms[i], real = plain(DT_F32, w.shape.rank == 3 ? "2,12,5" : "24,5"),
         x = plain(DT_F32, "3,2,5");
    uint8_t *data = arena_alloc(arena, (size_t)type_bytes(&w));
    float *values = arena_alloc(arena, (size_t)type_bytes(&real));
    for (int k = 0; k < 120; k++) {
      int row = k / 5, channel = i < 2 ? 0 : i == 2 ? row / 12 : i == 3 ? row % 12 : row;
      if (w.dtype == DT_F16) {
        ((uint16_t *)data)[k] = half_from_float((float)random_in(-100, 100) / 64);
        values[k] = half_to_float(((uint16_t *)data)[k]);
      } else {
        data[k] = (uint8_t)random_u32();
        int32_t q = w.dtype == DT_U8 ? data[k] : (int8_t)data[k];
        values[k] = dequantize_value(q, w.quant->scale[channel], w.quant->zero[channel]);
      }
    }
    const char *names[] = {"y", "h"};
    Tensor *xs = graph_input(graph, "x", x, (SrcLoc){0}), *small = graph_input(graph, "w", w, (SrcLoc){0}),
           *wide = graph_input(graph, "w", real, (SrcLoc){0});

    Tensor *r = graph_input(graph, "r", plain(DT_F32, "2,12,4"), (SrcLoc){0});
    Type rt = r->type;
    const float *sequence = random_data(&x), *rs = random_data(&rt);
    Node *n = graph_node(graph, OP_gru, (Tensor *[]){xs, small, r}, 3, names, 2, (SrcLoc){0}, NULL);
    attrs(n)->direction = DIRECTION_BIDIRECTIONAL;
    RUN(n, sequence, data, rs);
    float *want = out[0];
    Node *m = graph_node(graph, OP_gru, (Tensor *[]){xs, wide, r}, 3, names, 2, (SrcLoc){0}, NULL);
    attrs(m)->direction = DIRECTION_BIDIRECTIONAL;
    RUN(m, sequence, values, rs);
    assert_floats(out[0], want, 3 * 2 * 2 * 4);
  }
}

static Node *with_weights(Type w, Type r) {
  Tensor *operands[] = {graph_input(graph, "x", plain(DT_F32, "2,1,3"), (SrcLoc){0}),
                        graph_input(graph, "w", w, (SrcLoc){0}), graph_input(graph, "r", r, (SrcLoc){0})};
  const char *names[] = {"y", "h"};
  return graph_node(graph, OP_gru, operands, 3, names, 2, (SrcLoc){0}, NULL);
}

static void test_weight_refusals(void **state) {
  (void)state;
  Type f = plain(DT_F32, "1,6,3"), r = plain(DT_F32, "1,6,2");
  ASSERT_REFUSED(with_weights(plain(DT_S8, "1,6,3"), r),
                 "the weight of gru must be f32, f16, or quantized s8 or u8, not s8 without a scale");
  ASSERT_REFUSED(with_weights(f, plain(DT_S32, "1,6,2")),
                 "the recurrent weight of gru must be f32, f16, or quantized s8 or u8, not s32");
  ASSERT_REFUSED(with_weights(per_axis(DT_S8, "1,6,3", 2, 3, 1), r),
                 "the weight of gru must not be quantized along its last axis");
  Node *n = with_weights(quantized(DT_S8, "1,6,3", 1, 0), r);
  attrs(n)->dynamic = true;
  ASSERT_REFUSED(n, "the recurrent weight of a dynamic gru must be quantized s8 or u8, not f32");
  attrs(n)->quantize.qmax = 100;
  ASSERT_REFUSED(n, "gru: qmax must be 255 or 127, not 100");
  ASSERT_REFUSED(with_weights(plain(DT_F32, "5,3"), r), "the weight of gru must be [6, 3], not [5, 3]");
}

static void test_refusals(void **state) {
  (void)state;
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1", "1,4,3", "1,4,1"),
                 "the sequence of lstm must be [steps, batch, inputs], not [2, 1]");
  ASSERT_REFUSED(RECURRENT(OP_gru, "0,1,3", "1,3,3", "1,3,1"),
                 "the sequence of gru must be [steps, batch, inputs], not [0, 1, 3]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1,3", "1,4,3", "1,3,1"),
                 "the recurrent weight of lstm must be [1, 4 * hidden, hidden], not [1, 3, 1]");
  ASSERT_REFUSED(RECURRENT(OP_rnn, "2,1,3", "2,4,3", "2,4,4"),
                 "the recurrent weight of rnn must be [1, 1 * hidden, hidden], not [2, 4, 4]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1,3", "1,4,2", "1,4,1"),
                 "the weight of lstm must be [1, 4, 3], not [1, 4, 2]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1,3", "1,4,3", "1,4,1", "1,4"),
                 "the bias of lstm must be [1, 8], not [1, 4]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1,3", "-", "1,4,1"),
                 "the sequence without a weight of lstm must be [2, 1, 4], not [2, 1, 3]");
  ASSERT_REFUSED(RECURRENT(OP_gru, "2,5,3", "1,6,3", "1,6,2", "-", "1,1,2"),
                 "the initial state of gru must be [1, 5, 2], not [1, 1, 2]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,5,3", "1,8,3", "1,8,2", "-", "-", "1,5,3"),
                 "the initial cell of lstm must be [1, 5, 2], not [1, 5, 3]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,5,3", "1,8,3", "1,8,2", "-", "-", "-", "1,8"),
                 "the peephole weight of lstm must be [1, 6], not [1, 8]");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "-", "1,4,3", "1,4,1"), "operand 1 of lstm is missing");
  ASSERT_REFUSED(RECURRENT(OP_lstm, "2,1,3", "1,4,3", "-"), "operand 3 of lstm is missing");
  ASSERT_REFUSED(RECURRENT(OP_gru, "2,1,3", "1,3,3"), "gru takes at least 3 operands, not 2");
  Tensor *operands[] = {graph_input(graph, "x", plain(DT_S32, "2,1,3"), (SrcLoc){0}), NULL,
                        graph_input(graph, "r", plain(DT_F32, "1,3,3"), (SrcLoc){0})};
  const char *names[] = {"y", "h"};
  Node *n = graph_node(graph, OP_rnn, operands, 3, names, 2, (SrcLoc){0}, NULL);
  ASSERT_REFUSED(n, "the sequence without a weight of rnn must be f32, not s32[2, 1, 3]");
  n = RECURRENT(OP_rnn, "2,1,3", "1,1,3", "1,1,1");
  attrs(n)->clip = 0;
  ASSERT_REFUSED(n, "rnn: clip must be a positive number");
  attrs(n)->clip = NAN;
  ASSERT_REFUSED(n, "rnn: clip must be a positive number");
  attrs(n)->clip = 1;
  attrs(n)->f.beta = INFINITY;
  ASSERT_REFUSED(n, "rnn: f_alpha and f_beta must be finite numbers");
}

static void test_macs(void **state) {
  (void)state;
  Node *n = RECURRENT(OP_lstm, "5,2,3", "1,16,3", "1,16,4");
  assert_true(infer(n));
  assert_int_equal(op_info[OP_lstm]->macs(n), 5 * 2 * 16 * (3 + 4));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_rnn),
      TEST(test_rnn_directions),
      TEST(test_rnn_batch),
      TEST(test_lstm),
      TEST(test_gru),
      TEST(test_lstm_peepholes),
      TEST(test_lstm_input_forget),
      TEST(test_order),
      TEST(test_clip),
      TEST(test_functions),
      TEST(test_projected),
      TEST(test_refusals),
      TEST(test_macs),
      TEST(test_streaming),
      TEST(test_dynamic),
      TEST(test_small_weights),
      TEST(test_weight_refusals),
  };
  return cmocka_run_group_tests_name("recurrent", tests, NULL, NULL);
}

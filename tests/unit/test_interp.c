/* The interpreter and run_samples: values, places of tensors, order and number of calls, threads. */
#include "op_test.h"
#include "ir/interp.h"

static Tensor *apply(OpId op, Tensor *a, Tensor *b) {
  Tensor *operands[] = {a, b};
  Node *n = graph_node1(graph, op, operands, b ? 2 : 1, NULL, (SrcLoc){0}, NULL);
  if (!infer(n)) fail_msg("%s", message);
  return n->results[0];
}
static Tensor *input(const char *name, const char *dims) {
  return graph_input(graph, name, plain(DT_F32, dims), (SrcLoc){0});
}
static Tensor *constant(const char *dims, const float *data) {
  Type t = plain(DT_F32, dims);
  return graph_constant(graph, "c", t, arena_memdup(arena, data, (size_t)type_bytes(&t)), (SrcLoc){0});
}

/* Outputs that are inputs, constants, intermediates, and the same tensor twice. */
static void outputs_of_every_kind(void **state) {
  (void)state;
  Tensor *x = input("x", "2"), *y = input("y", "2"), *c = constant("2", (float[]){10, 20});
  Tensor *sum = apply(OP_add, x, c), *product = apply(OP_mul, sum, y), *all[] = {product, x, c, sum, product};
  for (int i = 0; i < 5; i++) graph_output(graph, all[i]);
  Executor *e = interp_new(arena, graph);
  float out[5][2];
  e->run(e->self, (const void *[]){(float[]){1, 2}, (float[]){3, -1}},
         (void *[]){out[0], out[1], out[2], out[3], out[4]}, NULL, NULL);
  ASSERT_FLOATS(out[0], 33, -22, 1, 2, 10, 20, 11, 22, 33, -22);
}

/* A random tangle of additions with values that live long and short; every tensor has a size of its own
 * through broadcasting over a leading dim. Checked against values kept apart. */
static void places_do_not_collide(void **state) {
  (void)state;
  enum { N = 120, MAX = 40 };
  static float values[N][MAX];
  Tensor *tensors[N];
  for (int round = 0; round < 20; round++) {
    graph = graph_new(arena, "tangle");
    tensors[0] = input("x", "1");
    values[0][0] = 1;
    for (int i = 1; i < N; i++) {
      int a = (int)random_in(0, i - 1), b = (int)random_in(i > 3 ? i - 3 : 0, i - 1);
      if (random_in(0, 2) == 0) { /* a fresh size */
        int64_t n = random_in(1, MAX);
        float data[MAX];
        for (int k = 0; k < n; k++) data[k] = random_float();
        tensors[i] = apply(OP_add, tensors[0], constant(arena_printf(arena, "%d", (int)n), data));
        for (int k = 0; k < n; k++) values[i][k] = 1 + data[k];
        continue;
      }
      int64_t na = shape_count(&tensors[a]->type.shape), nb = shape_count(&tensors[b]->type.shape);
      if (na != nb && na != 1 && nb != 1) b = a, nb = na;
      tensors[i] = apply(OP_sub, tensors[a], tensors[b]);
      for (int k = 0; k < (na > nb ? na : nb); k++)
        values[i][k] = values[a][na == 1 ? 0 : k] - values[b][nb == 1 ? 0 : k];
    }
    void *out[N];
    int outputs[N], n_outputs = 0;
    for (int i = 1; i < N; i++)
      if (random_in(0, 4) == 0 || i == N - 1) {
        graph_output(graph, tensors[i]);
        out[n_outputs] = arena_alloc(arena, (size_t)type_bytes(&tensors[i]->type));
        outputs[n_outputs++] = i;
      }
    Executor *e = interp_new(arena, graph);
    e->run(e->self, (const void *[]){(float[]){1}}, out, NULL, NULL);
    for (int i = 0; i < n_outputs; i++)
      assert_floats(out[i], values[outputs[i]], shape_count(&tensors[outputs[i]]->type.shape));
  }
}

typedef struct {
  char names[400];
  float sum;
} Seen;

static void note(void *user, const Tensor *t, const void *data) {
  Seen *s = user;
  strcat(strcat(s->names, t->name), " ");
  s->sum += *(const float *)data;
}

static void watch_sees_inputs_and_results_in_order(void **state) {
  (void)state;
  Tensor *x = input("x", "1"), *y = input("y", "1");
  Tensor *a = apply(OP_add, x, y), *b = apply(OP_mul, a, constant("1", (float[]){100}));
  apply(OP_sub, a, b); /* used by nobody, yet computed */
  graph_output(graph, b);
  Executor *e = interp_new(arena, graph);
  Seen s = {{0}, 0};
  float out[1];
  e->run(e->self, (const void *[]){(float[]){1}, (float[]){2}}, (void *[]){out}, note, &s);
  assert_string_equal(s.names,
                      arena_printf(arena, "x y %s %s %s ", a->name, b->name, graph->last->results[0]->name));
  assert_true(s.sum == 1 + 2 + 3 + 300 - 297);
}

/* A record of everything that run_samples calls. */
typedef struct {
  float inputs[64][6];
  StrBuf log;
  int64_t stop_load, stop_done; /* sample at which load, done return false; -1: never */
  int calls_to_load;
  const Tensor *only; /* watched; NULL: all */
} Record;

static bool load(void *user, int64_t i, Arena *a, const void **in) {
  (void)a;
  Record *r = user;
  __atomic_add_fetch(&r->calls_to_load, 1, __ATOMIC_RELAXED);
  in[0] = r->inputs[i];
  return i != r->stop_load;
}
static void watched(void *user, int64_t i, const Tensor *t, const void *data) {
  Record *r = user;
  strbuf_printf(&r->log, "%lld %s %a; ", (long long)i, t->name, (double)*(const float *)data);
}
static bool wants(void *user, const Tensor *t) {
  Record *r = user;
  return !r->only || r->only == t;
}
static bool done(void *user, int64_t i, const void *const *out) {
  Record *r = user;
  strbuf_printf(&r->log, "%lld done %a\n", (long long)i, (double)*(const float *)out[0]);
  return i != r->stop_done;
}

static Record *new_record(Arena *a) {
  Record *r = ARENA_NEW(a, Record);
  r->stop_load = r->stop_done = -1;
  strbuf_init(&r->log, a);
  for (int i = 0; i < 64; i++)
    for (int k = 0; k < 6; k++) r->inputs[i][k] = (float)(i * 6 + k) / 7;
  return r;
}

/* Enough work per sample that threads overtake each other. */
static Executor *some_network(Arena *a) {
  Tensor *t = apply(OP_linear, input("x", "6"), constant("1,6", (float[]){1, 2, -3, 4, 5, -6}));
  for (int i = 0; i < 30; i++) t = apply(i % 2 ? OP_mul : OP_sub, t, constant("1", (float[]){0.9f}));
  graph_output(graph, t);
  return interp_new(a, graph);
}

static void results_do_not_depend_on_threads(void **state) {
  (void)state;
  Executor *e = some_network(arena);
  char *first = NULL;
  for (int threads = 0; threads <= 5; threads++)
    for (int all = 0; all < 2; all++) {
      Record *r = new_record(arena);
      r->only = all ? NULL : graph->first->results[0];
      assert_true(run_samples(e, 50, threads, &(SampleLoop){load, watched, wants, done, r}));
      assert_int_equal(r->calls_to_load, 50);
      if (!all) continue;
      if (!first) first = r->log.text;
      assert_string_equal(r->log.text, first);
    }
  assert_int_equal(strncmp(first, "0 x 0x0p+0; 0 ", 14), 0);
  Record *r = new_record(arena), *s = new_record(arena);
  r->only = s->only = graph->first->results[0];
  assert_true(run_samples(e, 20, 1, &(SampleLoop){load, watched, wants, done, r}));
  assert_true(run_samples(e, 20, 3, &(SampleLoop){load, watched, wants, done, s}));
  assert_string_equal(r->log.text, s->log.text);
}

static int lines(const char *text) {
  int n = 0;
  for (; *text; text++) n += *text == '\n';
  return n;
}

static void loops_stop_where_they_are_told(void **state) {
  (void)state;
  Executor *e = some_network(arena);
  for (int threads = 1; threads <= 3; threads++) {
    Record *r = new_record(arena);
    r->stop_load = 7; /* 0 to 6 are done, whatever other threads do meanwhile */
    assert_false(run_samples(e, 50, threads, &(SampleLoop){load, NULL, NULL, done, r}));
    assert_int_equal(lines(r->log.text), 7);
    r = new_record(arena);
    r->stop_done = 4;
    assert_false(run_samples(e, 50, threads, &(SampleLoop){load, NULL, NULL, done, r}));
    assert_int_equal(lines(r->log.text), 5);
    r = new_record(arena);
    assert_true(run_samples(e, 0, threads, &(SampleLoop){load, NULL, NULL, done, r}));
    assert_int_equal(r->calls_to_load, 0);
    assert_true(run_samples(e, 3, threads, &(SampleLoop){load, NULL, NULL, NULL, r}));
    assert_int_equal(r->calls_to_load, 3);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(outputs_of_every_kind),
      TEST(places_do_not_collide),
      TEST(watch_sees_inputs_and_results_in_order),
      TEST(results_do_not_depend_on_threads),
      TEST(loops_stop_where_they_are_told),
  };
  return cmocka_run_group_tests_name("interp", tests, NULL, NULL);
}

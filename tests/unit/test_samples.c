/* Samples: which array goes to which input, the stacking rules, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/npy.h"
#include "ir/samples.h"

static Arena *arena;
static char path[64];
static char messages[2000];
static float ramp[256];
static Samples *opened[64];
static int n_opened;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  strcpy(path, "/tmp/qcc_samples_XXXXXX");
  for (int i = 0; i < 256; i++) ramp[i] = (float)i;
  int fd = mkstemp(path);
  return fd < 0 ? 1 : close(fd);
}

static int teardown(void **state) {
  (void)state;
  while (n_opened) samples_close(opened[--n_opened]);
  arena_free(arena);
  return unlink(path);
}

static Type type_of(DType t, Shape s) { return (Type){t, s, NULL}; }

static Graph *graph_with(int n, const char *const *names, const Type *types) {
  Graph *g = graph_new(arena, "g");
  for (int i = 0; i < n; i++) graph_input(g, names[i], types[i], (SrcLoc){0});
  return g;
}

static Samples *open_arrays(const Graph *g, const NpyArray *arrays, int n) {
  const void *bytes;
  size_t size;
  StrBuf npy;
  strbuf_init(&npy, arena);
  if (n) {
    assert_true(npz_write(arena, arrays, n, &bytes, &size));
  } else { /* a bare .npy */
    npy_write(&npy, arrays);
    bytes = npy.text;
    size = npy.len;
  }
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
  Diag d;
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  Samples *s = samples_open(&d, arena, path, g);
  fclose(out);
  assert_int_equal(d.errors, s ? 0 : 1);
  opened[n_opened++] = s;
  return s;
}

static void refuse(const Graph *g, const NpyArray *arrays, int n, const char *message) {
  assert_null(open_arrays(g, arrays, n));
  if (!strstr(messages, message) || !strstr(messages, path))
    fail_msg("expected '%s' in: %s", message, messages);
}

static Graph *image_graph(int64_t batch) {
  const char *name = "image";
  Type t = type_of(DT_F32, shape_of(3, batch, (int64_t)2, (int64_t)3));
  return graph_with(1, &name, &t);
}

static void stacking_rules(void **state) {
  (void)state;
  const struct {
    int64_t batch;
    Shape all;
    int64_t samples;
  } cases[] = {
      {1, {3, {1, 2, 3}}, 1}, {1, {3, {5, 2, 3}}, 5}, {1, {2, {2, 3}}, 1},    {1, {4, {4, 1, 2, 3}}, 4},
      {2, {3, {2, 2, 3}}, 1}, {2, {3, {6, 2, 3}}, 3}, {2, {3, {5, 2, 3}}, 0}, {2, {2, {2, 3}}, 0},
      {1, {3, {1, 3, 2}}, 0}, {1, {1, {6}}, 0},       {1, {2, {3, 2}}, 0},    {1, {4, {4, 2, 2, 3}}, 0},
      {1, {3, {0, 2, 3}}, 0}, {1, {0, {0}}, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Graph *g = image_graph(cases[i].batch);
    const NpyArray x = {"x", DT_F32, cases[i].all, ramp};
    Samples *s = open_arrays(g, &x, 1);
    assert_int_equal(s ? samples_count(s) : 0, cases[i].samples);
    for (int64_t k = 0; k < cases[i].samples; k++) {
      const void *in = NULL;
      assert_true(samples_load(s, k, arena, &in));
      assert_memory_equal(in, ramp + k * cases[i].batch * 6, sizeof(float) * 6);
    }
    const void *in = NULL;
    if (s) assert_false(samples_load(s, cases[i].samples, arena, &in) || samples_load(s, -1, arena, &in));
  }
  Shape scalar = {0}, three = {1, {3}};
  assert_int_equal(samples_in_shape(&scalar, &scalar), 1);
  assert_int_equal(samples_in_shape(&three, &scalar), 3);
}

static void arrays_are_found_by_name(void **state) {
  (void)state;
  Graph *g = image_graph(1);
  const void *in = NULL;
  const NpyArray both[] = {{"x", DT_F32, {2, {2, 3}}, ramp}, {"image", DT_F32, {2, {2, 3}}, ramp + 10}};
  Samples *s = open_arrays(g, both, 2);
  assert_true(s && samples_load(s, 0, arena, &in));
  assert_true(*(const float *)in == 10);
  const NpyArray bare = {"", DT_F32, {2, {2, 3}}, ramp + 20};
  assert_non_null(s = open_arrays(g, &bare, 0));
  assert_true(samples_load(s, 0, arena, &in) && *(const float *)in == 20);
  const NpyArray other[] = {{"y", DT_F32, {1, {1}}, ramp}, {"z", DT_F32, {1, {1}}, ramp}};
  refuse(g, other, 2, "no array for the input 'image', nor 'x' (it holds 'y', 'z')");
}

static void inputs_go_together(void **state) {
  (void)state;
  const char *names[] = {"input", "state"};
  const Type types[] = {type_of(DT_F32, shape_of(2, (int64_t)1, (int64_t)4)),
                        type_of(DT_S32, shape_of(1, (int64_t)2))};
  Graph *g = graph_with(2, names, types);
  const int32_t states[] = {1, 2, 3, 4, 5, 6};
  const NpyArray good[] = {{"state", DT_S32, {2, {3, 2}}, states}, {"input", DT_F32, {2, {3, 4}}, ramp}};
  Samples *s = open_arrays(g, good, 2);
  assert_non_null(s);
  assert_int_equal(samples_count(s), 3);
  const void *in[2] = {NULL};
  assert_true(samples_load(s, 2, arena, in));
  assert_true(*(const float *)in[0] == 8 && *(const int32_t *)in[1] == 5);
  const NpyArray uneven[] = {{"state", DT_S32, {2, {2, 2}}, states}, {"input", DT_F32, {2, {3, 4}}, ramp}};
  refuse(g, uneven, 2, "3 samples for the input 'input', but 2 for 'state'");
  const NpyArray x[] = {{"x", DT_F32, {2, {3, 4}}, ramp}};
  refuse(g, x, 1, "no array for the input 'input' (it holds 'x')");
}

static void wrong_arrays_are_refused(void **state) {
  (void)state;
  Graph *g = image_graph(1);
  const NpyArray bytes = {"x", DT_U8, {3, {1, 2, 3}}, ramp};
  refuse(g, &bytes, 1, "array 'x' is u8, the input 'image' is f32");
  const NpyArray bare = {"", DT_S64, {2, {2, 3}}, ramp};
  refuse(g, &bare, 0, "the array is s64, the input 'image' is f32");
  const NpyArray turned = {"x", DT_F32, {3, {4, 3, 2}}, ramp};
  refuse(g, &turned, 1, "array 'x' has the shape [4, 3, 2], the input 'image' has [1, 2, 3]");
  const NpyArray none = {"x", DT_F32, {3, {0, 2, 3}}, ramp};
  refuse(g, &none, 1, "array 'x' holds no samples");
  const NpyArray hollow = {"x", DT_F32, {3, {4, 0, 3}}, ramp};
  refuse(g, &hollow, 1, "has the shape [4, 0, 3]");
}

static void values_must_be_finite(void **state) {
  (void)state;
  Graph *g = image_graph(1);
  const NpyArray x = {"x", DT_F32, {3, {4, 2, 3}}, ramp};
  ramp[14] = NAN;
  refuse(g, &x, 1, "array 'x': sample 2 holds a NaN (element 2 of the sample)");
  ramp[14] = -INFINITY;
  refuse(g, &x, 1, "array 'x': sample 2 holds an infinity (element 2 of the sample)");
}

/* Arrays too large to be kept: each sample comes from the file, in any order of asking. */
static void large_arrays_are_streamed(void **state) {
  (void)state;
  enum { COUNT = 40, EACH = 128 * 1024 };
  const char *names[] = {"input", "state"};
  const Type types[] = {type_of(DT_F32, shape_of(2, (int64_t)1, (int64_t)EACH)),
                        type_of(DT_S32, shape_of(1, (int64_t)1))};
  Graph *g = graph_with(2, names, types);
  float *x = arena_array(arena, COUNT * EACH, sizeof *x);
  int32_t states[COUNT];
  for (int i = 0; i < COUNT * EACH; i++) x[i] = (float)i;
  for (int i = 0; i < COUNT; i++) states[i] = 100 + i;
  const NpyArray arrays[] = {{"input", DT_F32, {2, {COUNT, EACH}}, x},
                             {"state", DT_S32, {2, {COUNT, 1}}, states}};
  Samples *s = open_arrays(g, arrays, 2);
  static const int order[] = {0, 1, 3, 2, 4, 30, 20, 5, 39, 39, 0, 17};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    const void *in[2];
    assert_true(samples_load(s, order[i], arena, in));
    assert_memory_equal(in[0], x + (int64_t)order[i] * EACH, EACH * sizeof *x);
    assert_int_equal(*(const int32_t *)in[1], 100 + order[i]);
  }
  x[33 * EACH + 7] = NAN;
  refuse(g, arrays, 2, "array 'input': sample 33 holds a NaN (element 7 of the sample)");
}

static void quantized_inputs_take_floats(void **state) {
  (void)state;
  const char *name = "q";
  Type t = {DT_S8, shape_of(1, (int64_t)4), quant_per_tensor(arena, 0.5f, 3)};
  Graph *g = graph_with(1, &name, &t);
  const float v[] = {0, -1, 1000, -1000};
  const int8_t want[] = {3, 1, 127, -128};
  const NpyArray x = {"q", DT_F32, {1, {4}}, v}, raw = {"q", DT_S8, {1, {4}}, want};
  const void *in = NULL;
  Samples *s = open_arrays(g, &x, 1);
  assert_true(s && samples_load(s, 0, arena, &in));
  assert_memory_equal(in, want, 4);
  assert_non_null(s = open_arrays(g, &raw, 1));
  assert_true(samples_load(s, 0, arena, &in));
  assert_memory_equal(in, want, 4);
}

static void unreadable_files_are_refused(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  assert_null(samples_open(&d, arena, "/nonexistent/file.npz", image_graph(1)));
  assert_int_equal(d.errors, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(stacking_rules),
      TEST(arrays_are_found_by_name),
      TEST(inputs_go_together),
      TEST(wrong_arrays_are_refused),
      TEST(values_must_be_finite),
      TEST(large_arrays_are_streamed),
      TEST(quantized_inputs_take_floats),
      TEST(unreadable_files_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

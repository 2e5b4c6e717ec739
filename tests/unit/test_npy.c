/* Arrays from .npy and .npz: every header form, every refusal, round trips, NumPy as a second opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "ir/npy.h"
#include "ir/npz_writer.h"

static Arena *arena;
static char folder[64];
static char messages[2000];

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  strcpy(folder, "/tmp/qcc_npy_XXXXXX");
  return mkdtemp(folder) ? 0 : 1;
}

static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  char command[100];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static const char *path_of(const char *name) { return arena_printf(arena, "%s/%s", folder, name); }

static const char *write_file(const char *name, const void *data, size_t size) {
  const char *path = path_of(name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
  return path;
}

/* An .npy file of the given version around a header text; returns its bytes. */
static StrBuf npy_bytes(int version, const char *header, const void *data, size_t size) {
  StrBuf b;
  strbuf_init(&b, arena);
  size_t n = strlen(header);
  const uint8_t start[12] = {
      0x93,           'N',           'U', 'M', 'P', 'Y', (uint8_t)version, 0, n & 0xFF, n >> 8 & 0xFF,
      n >> 16 & 0xFF, n >> 24 & 0xFF};
  strbuf_put(&b, start, version == 1 ? 10 : 12);
  strbuf_puts(&b, header);
  strbuf_put(&b, data, size);
  return b;
}

/* Opens a file and gets one array; messages go to `messages`. */
static const NpyArray *load(const char *path, const char *name) {
  Diag d;
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  bool ok = false;
  const NpyArray *array = NULL;
  Npz *z = npz_open(&d, arena, path, (SrcLoc){0});
  if (z) array = npz_get(z, name, &ok);
  if (z && !ok)
    assert_null(npz_get(z, name, &ok)); /* a second try gives the error again, without a message */
  npz_close(z);
  fclose(out);
  assert_int_equal(d.errors, z && ok ? 0 : 1);
  return array;
}

static const NpyArray *load_npy(int version, const char *header, const void *data, size_t size) {
  StrBuf b = npy_bytes(version, header, data, size);
  return load(write_file("a.npy", b.text, b.len), "");
}

static void refuse(const char *header, const void *data, size_t size, const char *message) {
  assert_null(load_npy(1, header, data, size));
  if (!strstr(messages, message)) fail_msg("%s: expected '%s' in: %s", header, message, messages);
  assert_non_null(strstr(messages, "a.npy: "));
}

static const float six[6] = {1, 2, 3, 4, 5, 6};

static void header_forms_are_read(void **state) {
  (void)state;
  const char *const forms[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}\n",
      "{'fortran_order': False, 'shape': (2L, 3L), 'descr': '<f4', }\n",
      "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3,), }\n",
      "{'descr': '|f4', 'fortran_order': False, 'shape': (2, 3), }\n",
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (int version = 1; version <= 3; version++) {
      const NpyArray *a = load_npy(version, forms[i], six, sizeof six);
      assert_non_null(a);
      assert_string_equal(a->name, "");
      assert_int_equal(a->dtype, DT_F32);
      Shape want = shape_of(2, (int64_t)2, (int64_t)3);
      assert_true(shape_equal(&a->shape, &want));
      assert_memory_equal(a->data, six, sizeof six);
    }
}

static void scalars_and_empty_arrays_are_read(void **state) {
  (void)state;
  const NpyArray *a = load_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", six, 4);
  assert_non_null(a);
  assert_int_equal(a->shape.rank, 0);
  a = load_npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0), }", six, 0);
  assert_non_null(a);
  assert_non_null(a->data);
  assert_int_equal(a->shape.dim[1], 0);
}

static void fortran_order_is_transposed(void **state) {
  (void)state;
  int64_t in[24], n = 0;
  for (int k = 0; k < 4; k++)
    for (int j = 0; j < 3; j++)
      for (int i = 0; i < 2; i++) in[n++] = i * 100 + j * 10 + k;
  const NpyArray *a =
      load_npy(1, "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3, 4), }", in, sizeof in);
  assert_non_null(a);
  assert_int_equal(a->dtype, DT_S64);
  const int64_t *out = a->data;
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 4; k++) assert_int_equal(*out++, i * 100 + j * 10 + k);
}

/* More elements than one chunk holds, transposed, swapped and converted at once. */
static void big_converted_arrays_are_read(void **state) {
  (void)state;
  enum { ROWS = 300, COLS = 500 };
  uint8_t *in = arena_alloc(arena, ROWS * COLS * 2);
  for (int c = 0, n = 0; c < COLS; c++)
    for (int r = 0; r < ROWS; r++, n += 2) {
      in[n] = (uint8_t)((r * COLS + c) >> 8);
      in[n + 1] = (uint8_t)(r * COLS + c);
    }
  const NpyArray *a =
      load_npy(1, "{'descr': '>u2', 'fortran_order': True, 'shape': (300, 500), }", in, ROWS * COLS * 2);
  assert_non_null(a);
  assert_int_equal(a->dtype, DT_S32);
  for (int i = 0; i < ROWS * COLS; i++) assert_int_equal(((const int32_t *)a->data)[i], i & 0xFFFF);
}

static const NpyArray *load_as(const char *descr, const void *data, size_t size, int64_t n) {
  const char *h =
      arena_printf(arena, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld,), }", descr, (long long)n);
  return load_npy(1, h, data, size);
}

static void dtypes_are_converted(void **state) {
  (void)state;
  const NpyArray *a = load_as(">f4", "\x3f\x80\0\0\xc0\x00\0\0", 8, 2);
  assert_non_null(a);
  assert_true(((const float *)a->data)[0] == 1 && ((const float *)a->data)[1] == -2);

  const double f64[] = {0.1, -1e300 * 1e300, 1e-320};
  assert_non_null(a = load_as("<f8", f64, sizeof f64, 3));
  assert_int_equal(a->dtype, DT_F32);
  assert_true(((const float *)a->data)[0] == 0.1f && isinf(((const float *)a->data)[1]));
  assert_true(((const float *)a->data)[2] == 0);

  const uint16_t f16[] = {0x3C00, 0xC000, 0x0001, 0x03FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x8000, 0x3555};
  const float want[] = {1, -2, 0x1p-24f, 0x3FFp-24f, 65504, INFINITY, -INFINITY, NAN, -0.0f, 0x1.554p-2f};
  assert_non_null(a = load_as("<f2", f16, sizeof f16, 10));
  for (int i = 0; i < 10; i++) {
    float v = ((const float *)a->data)[i];
    assert_true(isnan(want[i]) ? isnan(v) : v == want[i] && !signbit(v) == !signbit(want[i]));
  }

  const int16_t i16[] = {-32768, 32767};
  assert_non_null(a = load_as("<i2", i16, sizeof i16, 2));
  assert_int_equal(a->dtype, DT_S32);
  assert_int_equal(((const int32_t *)a->data)[0], -32768);
  assert_non_null(a = load_as("<u2", i16, sizeof i16, 2));
  assert_int_equal(((const int32_t *)a->data)[0], 32768);

  assert_non_null(a = load_as(">i4", "\xFF\xFF\xFF\xFE", 4, 1));
  assert_int_equal(((const int32_t *)a->data)[0], -2);
  assert_non_null(a = load_as("|b1", "\0\1\2", 3, 3));
  assert_int_equal(a->dtype, DT_BOOL);
  assert_memory_equal(a->data, "\0\1\1", 3);
  assert_non_null(a = load_as("|i1", "\xFF", 1, 1));
  assert_int_equal(a->dtype, DT_S8);
  assert_non_null(a = load_as("|u1", "\xFF", 1, 1));
  assert_int_equal(a->dtype, DT_U8);
}

static void dtypes_are_refused_by_name(void **state) {
  (void)state;
  const struct {
    const char *descr, *message;
  } cases[] = {
      {"|O", "object arrays ('|O') are not supported"},
      {"<U3", "string arrays ('<U3') are not supported"},
      {"|S5", "bytes arrays"},
      {"<c8", "complex arrays"},
      {"|V4", "void arrays"},
      {"<M8[ns]", "datetime64 arrays"},
      {"<m8", "timedelta64 arrays"},
      {"<u4", "uint32 arrays"},
      {"<u8", "uint64 arrays"},
      {"<f16", "longdouble arrays"},
      {"<f3", "unknown dtype '<f3'"},
      {"f4", "unknown dtype 'f4'"},
      {"", "unknown dtype ''"},
      {"<f4<f4", "unknown dtype '<f4<f4'"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refuse(arena_printf(arena, "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }", cases[i].descr),
           six, 4, cases[i].message);
  const double huge[] = {1, 1e300};
  assert_null(load_as("<f8", huge, sizeof huge, 2));
  assert_non_null(strstr(messages, "element 1 (in the file's order) does not fit float32"));
}

static void bad_headers_are_refused(void **state) {
  (void)state;
  const char *const dict = "its header is not a dictionary";
  const struct {
    const char *header, *message;
  } cases[] = {
      {"", dict},
      {"[]", dict},
      {"{'descr'}", dict},
      {"{'descr': '<f4' 'shape': (1,)}", dict},
      {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "key 'descr' twice in its header"},
      {"{'descr': '<f4', 'fortran_order': False}", "key 'shape' is missing in its header"},
      {"{'descr': '<f4', 'x': 1, 'shape': (1,)}", "unknown key 'x' in its header"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
       "there is something after the dictionary"},
      {"{'descr': '<f4', 'fortran_order': 'False', 'shape': (1,)}", "neither True nor False"},
      {"{'descr': 4, 'fortran_order': False, 'shape': (1,)}", "its 'descr' is not a string"},
      {"{'descr': '<f4", "its 'descr' is not a string"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
       "structured arrays are not supported"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 1}", "its shape is not a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", "its shape is not a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}", "its shape is not a tuple of integers"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': ((((1,", "its shape is not a tuple of integers"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,", "its shape is not a tuple of integers"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "its shape has a negative dimension"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
       "dimension that is too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "more than 8 dimensions"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (16777216, 32)}", "too large"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refuse(cases[i].header, six, 4, cases[i].message);
}

static void lengths_must_be_exact(void **state) {
  (void)state;
  const char *h = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  refuse(h, six, 23, "its header promises 24 bytes of data, the file holds 23");
  refuse(h, "0123456789012345678901234", 25, "its header promises 24 bytes of data, the file holds 25");
  refuse("{'descr': '<f8', 'fortran_order': False, 'shape': (16777216, 16), }", six, 4, "the file holds 4");
}

static void broken_files_are_refused(void **state) {
  (void)state;
  StrBuf b = npy_bytes(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", six, 4);
  assert_null(load(write_file("cut", b.text, 30), ""));
  assert_non_null(strstr(messages, "it ends within its header"));
  assert_null(load(write_file("cut", b.text, 8), ""));
  assert_non_null(strstr(messages, "not an .npy array"));
  b.text[6] = 4;
  assert_null(load(write_file("version", b.text, b.len), ""));
  assert_non_null(strstr(messages, "unknown .npy version"));
  b.text[6] = 2; /* the four bytes of the length now reach into the literal */
  assert_null(load(write_file("length", b.text, b.len), ""));
  assert_non_null(strstr(messages, "its header is longer than 2 MiB"));
  assert_null(load(write_file("short", b.text, 11), ""));
  assert_non_null(strstr(messages, "it ends within its header"));
  assert_null(load(write_file("text", "hello, world", 12), ""));
  assert_non_null(strstr(messages, "neither an .npy array nor a sound .npz archive"));
  assert_null(load(write_file("none", "", 0), ""));
  assert_non_null(strstr(messages, "is empty"));
  assert_null(load(path_of("absent"), ""));
  assert_non_null(strstr(messages, "No such file"));
  assert_null(load(folder, ""));
  assert_non_null(strstr(messages, "is a directory"));
  assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
  assert_null(load(path_of("fifo"), ""));
  assert_non_null(strstr(messages, "is not a regular file"));
}

/* ---- archives ---- */

static const float values[] = {0.5f, -0.0f, 3e38f, 1e-45f};
static const int64_t longs[] = {INT64_MIN, -1, INT64_MAX};

static void write_sample_npz(const void **bytes, size_t *size) {
  const NpyArray arrays[] = {
      {"conv/1.weight", DT_F32, {2, {2, 2}}, values},   {"shape", DT_S64, {1, {3}}, longs},
      {"scalar", DT_S32, {0, {0}}, "\1\0\0\0"},         {"flags", DT_BOOL, {1, {2}}, "\0\1"},
      {"w\xc3\xa9", DT_S8, {3, {1, 2, 1}}, "\x80\x7f"}, {"", DT_U8, {1, {1}}, "\xff"},
  };
  assert_true(npz_write(arena, arrays, 6, bytes, size));
}

static void archives_read_back(void **state) {
  (void)state;
  const void *bytes, *again;
  size_t size, size2;
  write_sample_npz(&bytes, &size);
  setenv("TZ", "Asia/Tokyo", 1); /* time stamps must not depend on the zone */
  tzset();
  write_sample_npz(&again, &size2);
  unsetenv("TZ");
  tzset();
  assert_int_equal(size, size2);
  assert_memory_equal(bytes, again, size);

  Diag d;
  diag_init(&d, arena, stderr);
  Npz *z = npz_open(&d, arena, write_file("a.npz", bytes, size), (SrcLoc){0});
  assert_non_null(z);
  assert_int_equal(npz_count(z), 6);
  assert_string_equal(npz_name(z, 0), "conv/1.weight");
  bool ok;
  const NpyArray *w = npz_get(z, "conv/1.weight", &ok), *s = npz_get(z, "shape", &ok),
                 *n = npz_get(z, "scalar", &ok), *f = npz_get(z, "flags", &ok),
                 *u = npz_get(z, "w\xc3\xa9", &ok), *e = npz_get(z, "", &ok);
  assert_true(w && s && n && f && u && e);
  assert_ptr_equal(w, npz_get(z, "conv/1.weight", &ok)); /* kept */
  assert_null(npz_get(z, "absent", &ok));
  assert_true(ok);
  npz_close(z);
  assert_memory_equal(w->data, values, sizeof values); /* stays valid */
  assert_memory_equal(s->data, longs, sizeof longs);
  assert_int_equal(n->shape.rank, 0);
  assert_int_equal(*(const int32_t *)n->data, 1);
  assert_int_equal(u->shape.rank, 3);
  assert_memory_equal(u->data, "\x80\x7f", 2);
  assert_int_equal(*(const uint8_t *)e->data, 255);
  assert_int_equal(d.errors, 0);
}

static void impossible_names_are_refused_by_the_writer(void **state) {
  (void)state;
  const NpyArray twice[] = {{"a", DT_U8, {1, {1}}, "x"}, {"a", DT_U8, {1, {1}}, "x"}};
  const void *bytes;
  size_t size;
  assert_false(npz_write(arena, twice, 2, &bytes, &size));
  char *name = arena_alloc(arena, 70001);
  memset(name, 'n', 70000);
  const NpyArray endless[] = {{name, DT_U8, {1, {1}}, "x"}};
  assert_false(npz_write(arena, endless, 1, &bytes, &size));
}

/* One deflated member named x.npy, from libzip directly. */
static void write_deflated(const char *path, const char *name, const StrBuf *npy, zip_int32_t method) {
  zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(z);
  zip_int64_t i = zip_file_add(z, name, zip_source_buffer(z, npy->text, npy->len, 0), 0);
  assert_true(i >= 0);
  assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)i, method, 9), 0);
  assert_int_equal(zip_close(z), 0);
}

static uint8_t *find_bytes(void *data, size_t size, const char *what, size_t n) {
  uint8_t *p = memmem(data, size, what, n);
  assert_non_null(p);
  return p;
}

static void refuse_archive(void *bytes, size_t size, const char *message) {
  assert_null(load(write_file("broken.npz", bytes, size), "x"));
  if (!strstr(messages, message)) fail_msg("expected '%s' in: %s", message, messages);
}

static void damaged_members_are_refused(void **state) {
  (void)state;
  static float zeros[4096];
  StrBuf npy =
      npy_bytes(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4096,), }", zeros, sizeof zeros);
  const char *path = path_of("z.npz");
  write_deflated(path, "x.npy", &npy, ZIP_CM_DEFLATE);
  assert_non_null(load(path, "x"));
  Diag quiet;
  diag_init(&quiet, arena, NULL);
  const Source *file = source_read(&quiet, arena, path, 1 << 20);
  size_t size = file->len;

  char *bytes = arena_memdup(arena, file->text, size);
  uint8_t *central = find_bytes(bytes, size, "PK\1\2", 4), *local = (uint8_t *)bytes;
  central[16] ^= 1; /* CRC, in both headers */
  local[14] ^= 1;
  refuse_archive(bytes, size, "array 'x': CRC error");

  bytes = arena_memdup(arena, file->text, size);
  central = find_bytes(bytes, size, "PK\1\2", 4);
  central[24 + 3] = 0x30; /* the declared size: 800 MB from a few dozen bytes */
  ((uint8_t *)bytes)[22 + 3] = 0x30;
  refuse_archive(bytes, size, "its declared size cannot come from so few compressed bytes");

  bytes = arena_memdup(arena, file->text, size);
  central = find_bytes(bytes, size, "PK\1\2", 4);
  central[24 + 1] = 1; /* smaller than the truth */
  ((uint8_t *)bytes)[22 + 1] = 1;
  refuse_archive(bytes, size, "its header promises 16384 bytes of data");

  bytes = arena_memdup(arena, file->text, size);
  central = find_bytes(bytes, size, "PK\1\2", 4);
  central[8] |= 1; /* encrypted */
  bytes[6] |= 1;
  refuse_archive(bytes, size, "array 'x': it is encrypted");

  bytes = arena_memdup(arena, file->text, size);
  central = find_bytes(bytes, size, "PK\1\2", 4);
  central[10] = 14; /* LZMA */
  bytes[8] = 14;
  refuse_archive(bytes, size, "compression method 14 is not supported");

  refuse_archive(arena_memdup(arena, file->text, size), size - 30,
                 "neither an .npy array nor a sound .npz archive");
}

static void bombs_are_refused(void **state) {
  (void)state;
  enum { FLOATS = 17 << 20 };
  StrBuf npy =
      npy_bytes(1, arena_printf(arena, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }", FLOATS),
                arena_alloc(arena, FLOATS * sizeof(float)), FLOATS * sizeof(float));
  const char *path = path_of("b.npz");
  write_deflated(path, "x.npy", &npy, ZIP_CM_DEFLATE);
  assert_null(load(path, "x"));
  assert_non_null(strstr(messages, "array 'x': more than 64 MiB from less than a 200th of that"));
}

static void archives_without_arrays_are_refused(void **state) {
  (void)state;
  StrBuf text;
  strbuf_init(&text, arena);
  strbuf_puts(&text, "read me");
  const char *path = path_of("t.npz");
  write_deflated(path, "README", &text, ZIP_CM_STORE);
  assert_null(load(path, "x"));
  assert_non_null(strstr(messages, "the archive holds no arrays"));
  write_deflated(path, "x.npy", &text, ZIP_CM_STORE);
  assert_null(load(path, "x"));
  assert_non_null(strstr(messages, "array 'x': not an .npy array"));
}

/* Two members a and b; b is renamed to a in both of its headers. */
static void repeated_members_are_refused(void **state) {
  (void)state;
  const NpyArray arrays[] = {{"aa", DT_U8, {1, {1}}, "x"}, {"bb", DT_U8, {1, {1}}, "x"}};
  const void *bytes;
  size_t size;
  assert_true(npz_write(arena, arrays, 2, &bytes, &size));
  char *copy = arena_memdup(arena, bytes, size);
  for (int i = 0; i < 2; i++) memcpy(find_bytes(copy, size, "bb.npy", 6), "aa", 2);
  assert_null(load(write_file("d.npz", copy, size), "aa"));
  assert_non_null(strstr(messages, "twice"));
}

static const char check_by_numpy[] =
    "import sys, zipfile, numpy as np\n"
    "path = sys.argv[1]\n"
    "assert zipfile.ZipFile(path).testzip() is None\n"
    "z = np.load(path, allow_pickle=False)\n"
    "assert z['conv/1.weight'].shape == (2, 2) and z['conv/1.weight'].dtype == np.float32\n"
    "assert z['shape'].tolist() == [-2**63, -1, 2**63 - 1]\n"
    "assert z['scalar'] == 1 and z['scalar'].shape == ()\n"
    "assert z['flags'].tolist() == [False, True]\n"
    "assert z['w\\xe9'].tolist() == [[[-128], [127]]]\n"
    "a = np.arange(24, dtype='>f8').reshape(2, 3, 4)\n"
    "np.savez_compressed(path, a=a.T, b=np.float16(1.5), c=a.astype('u1'))\n";

static void numpy_agrees(void **state) {
  (void)state;
  if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null")) {
    print_message("skipped: no NumPy\n");
    return;
  }
  const void *bytes;
  size_t size;
  write_sample_npz(&bytes, &size);
  const char *path = write_file("n.npz", bytes, size),
             *script = write_file("n.py", check_by_numpy, strlen(check_by_numpy));
  assert_int_equal(system(arena_printf(arena, "/usr/bin/python3 %s %s", script, path)), 0);
  const NpyArray *a = load(path, "a"), *b = load(path, "b"), *c = load(path, "c");
  assert_true(a && b && c);
  Shape want = shape_of(3, (int64_t)4, (int64_t)3, (int64_t)2);
  assert_true(shape_equal(&a->shape, &want));
  for (int i = 0; i < 24; i++) {
    assert_true(((const float *)a->data)[i] == (float)(i % 2 * 12 + i / 2 % 3 * 4 + i / 6));
    assert_int_equal(((const uint8_t *)c->data)[i], i);
  }
  assert_true(*(const float *)b->data == 1.5f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Two arrays that grow in turns. */
static NpzWriter *stream_to(Diag *d, const char *path) {
  static const NpyArray arrays[] = {{.name = "a", .dtype = DT_F32, .shape = {2, {3, 2}}},
                                    {.name = "/b/\xc3\xa4", .dtype = DT_F32, .shape = {1, {3}}}};
  return npz_writer_open(d, arena, path, arrays, 2);
}

static const float stream_a[] = {1, 2, 3, 4, 5, 6}, stream_b[] = {-1, -2, -3};

static void put_all(NpzWriter *s) {
  for (int i = 0; i < 3; i++) {
    assert_true(npz_writer_put(s, 1, stream_b + i, sizeof(float)));
    assert_true(npz_writer_put(s, 0, stream_a + 2 * i, 2 * sizeof(float)));
  }
}

static void arrays_are_written_piece_by_piece(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, stderr);
  const char *path = write_file("stream.npz", "old", 3);
  assert_int_equal(chmod(path, 0640), 0);
  NpzWriter *s = stream_to(&d, path);
  put_all(s);
  assert_true(npz_writer_close(s, true));
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0640);
  bool ok;
  Npz *z = npz_open(&d, arena, path, (SrcLoc){0});
  assert_non_null(z);
  assert_int_equal(npz_count(z), 2);
  const NpyArray *a = npz_get(z, "a", &ok), *b = npz_get(z, "/b/\xc3\xa4", &ok);
  assert_true(a && b && a->shape.rank == 2 && a->shape.dim[0] == 3 && b->shape.dim[0] == 3);
  assert_memory_equal(a->data, stream_a, sizeof stream_a);
  assert_memory_equal(b->data, stream_b, sizeof stream_b);
  npz_close(z);
  const char *again = path_of("again.npz"); /* the same bytes each time */
  s = stream_to(&d, again);
  put_all(s);
  assert_true(npz_writer_close(s, true));
  assert_int_equal(system(arena_printf(arena, "cmp %s %s", path, again)), 0);
}

static void dropped_streams_leave_nothing(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  const char *path = write_file("kept.npz", "old", 3);
  NpzWriter *s = stream_to(&d, path);
  assert_true(npz_writer_put(s, 1, stream_b, sizeof(float)));
  assert_true(npz_writer_close(s, false));
  assert_int_equal(system(arena_printf(arena, "test \"$(cat %s)\" = old", path)), 0);
  assert_int_equal(system(arena_printf(arena, "test \"$(ls %s | grep -c kept)\" = 1", folder)), 0);
  assert_null(stream_to(&d, path_of("no/such/folder.npz")));
  assert_null(stream_to(&d, folder));
  assert_null(stream_to(&d, "/dev/null"));
  assert_int_equal(d.errors, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(header_forms_are_read),
      TEST(scalars_and_empty_arrays_are_read),
      TEST(fortran_order_is_transposed),
      TEST(big_converted_arrays_are_read),
      TEST(dtypes_are_converted),
      TEST(dtypes_are_refused_by_name),
      TEST(bad_headers_are_refused),
      TEST(lengths_must_be_exact),
      TEST(broken_files_are_refused),
      TEST(archives_read_back),
      TEST(impossible_names_are_refused_by_the_writer),
      TEST(damaged_members_are_refused),
      TEST(bombs_are_refused),
      TEST(archives_without_arrays_are_refused),
      TEST(repeated_members_are_refused),
      TEST(numpy_agrees),
      TEST(arrays_are_written_piece_by_piece),
      TEST(dropped_streams_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The wire check: each kind of damage is named, and what passes is what protobuf-c can read. */
#include "compiler/onnx_scan.h"
#include "onnx.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_BYTES = 4096 };

typedef struct {
  uint8_t data[MAX_BYTES];
  size_t len;
  char message[MAX_BYTES]; /* of the last scan */
} Wire;

static void put(Wire *w, size_t n, const void *bytes) {
  assert_true(w->len + n <= sizeof w->data);
  memcpy(w->data + w->len, bytes, n);
  w->len += n;
}

#define PUT(w, ...) put((w), sizeof((uint8_t[]){__VA_ARGS__}), (uint8_t[]){__VA_ARGS__})

/* Wraps what is there into field `tag` of an outer message; lengths below 16384. */
static void wrap(Wire *w, uint8_t tag) {
  assert_true(w->len < 16384 && w->len + 3 <= sizeof w->data);
  memmove(w->data + 3, w->data, w->len);
  w->data[0] = tag;
  w->data[1] = (uint8_t)(w->len & 0x7f) | 0x80;
  w->data[2] = (uint8_t)(w->len >> 7);
  w->len += 3;
}

static bool scan(Wire *w) {
  Arena *a = arena_new();
  Diag d;
  Source source = {.path = "m.onnx"};
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  diag_init(&d, a, out);
  bool ok = onnx_scan(&d, (SrcLoc){.source = &source}, w->data, w->len, &onnx__model_proto__descriptor);
  fclose(out);
  assert_int_equal(d.errors, !ok);
  snprintf(w->message, sizeof w->message, "%s", text);
  free(text);
  arena_free(a);
  return ok;
}

static void expect_error(Wire *w, const char *what) {
  assert_false(scan(w));
  if (!strstr(w->message, what)) fail_msg("expected \"%s\", got \"%s\"", what, w->message);
}

/* protobuf-c reads it, and each byte of it. */
static Onnx__ModelProto *expect_model(Wire *w) {
  if (!scan(w)) fail_msg("%s", w->message);
  Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, w->len, w->data);
  assert_non_null(m);
  return m;
}

static void test_empty(void **state) {
  (void)state;
  Wire w = {0};
  expect_error(&w, "is empty");
}

static void test_tags(void **state) {
  (void)state;
  Wire zero = {0}, six = {0}, seven = {0}, huge = {0}, longest = {0};
  PUT(&zero, 0x00, 0x01);
  expect_error(&zero, "a field number is out of range at byte 0");
  PUT(&six, 0x0e);
  expect_error(&six, "unknown wire type at byte 0");
  PUT(&seven, 0x0f);
  expect_error(&seven, "unknown wire type at byte 0");
  PUT(&huge, 0xf8, 0xff, 0xff, 0xff, 0x7f, 0x00);
  expect_error(&huge, "a field number is out of range at byte 0");
  PUT(&longest, 0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x07);
  expect_error(&longest, "a number has too many bytes at byte 0");
}

static void test_varints(void **state) {
  (void)state;
  Wire ten = {0}, eleven = {0}, cut = {0};
  PUT(&ten, 0x08, 0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00); /* ir_version 7 in ten bytes */
  Onnx__ModelProto *m = expect_model(&ten);
  assert_int_equal(m->ir_version, 7);
  onnx__model_proto__free_unpacked(m, NULL);
  PUT(&eleven, 0x08, 0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
  expect_error(&eleven, "a number has too many bytes at byte 1");
  PUT(&cut, 0x08, 0x87);
  expect_error(&cut, "a number is cut off at byte 1");
}

static void test_lengths(void **state) {
  (void)state;
  Wire over = {0}, max = {0}, inner = {0}, wide = {0};
  PUT(&over, 0x12, 0x03, 'a', 'b'); /* producer_name */
  expect_error(&over, "a length runs past the end of what holds it at byte 1");
  PUT(&max, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
  expect_error(&max, "a length runs past the end of what holds it at byte 1");
  PUT(&inner, 0x12, 0x04, 'n', 'a', 'm'); /* graph { name: too long for the graph, not for the file } */
  wrap(&inner, 0x3a);
  PUT(&inner, 0x08, 0x07);
  expect_error(&inner, "a length runs past the end of what holds it at byte 4");
  PUT(&wide, 0x12, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'a');
  expect_error(&wide, "a length has too many bytes at byte 1");
}

static void test_fixed_and_packed(void **state) {
  (void)state;
  Wire cut = {0}, packed = {0}, varint = {0};
  PUT(&cut, 0x95, 0x06, 1, 2, 3); /* unknown field 98, 32 bits */
  expect_error(&cut, "a number is cut off at byte 2");
  PUT(&packed, 0x22, 0x05, 0, 0, 0, 0, 0); /* TensorProto.float_data, packed */
  wrap(&packed, 0x2a);
  wrap(&packed, 0x3a);
  expect_error(&packed, "packed numbers are cut off");
  PUT(&varint, 0x0a, 0x02, 0x01, 0x80); /* TensorProto.dims, packed */
  wrap(&varint, 0x2a);
  wrap(&varint, 0x3a);
  expect_error(&varint, "a number is cut off");
}

static void test_schema(void **state) {
  (void)state;
  Wire wrong = {0}, twice = {0};
  PUT(&wrong, 0x0d, 1, 2, 3, 4);
  expect_error(&wrong, "ModelProto.ir_version has wire type 5 at byte 0");
  PUT(&twice, 0x3a, 0x00, 0x3a, 0x00);
  expect_error(&twice, "ModelProto.graph is given twice, at byte 2");
}

static void test_nul(void **state) {
  (void)state;
  Wire w = {0}, other = {0};
  PUT(&w, 0x1a, 0x01, 'n', 0x22, 0x04, 'R', 'e', 0, 'x'); /* NodeProto: name, op_type */
  wrap(&w, 0x0a);
  wrap(&w, 0x3a);
  expect_error(&w, "node 'n': error: op_type 'Re\\x00x' holds a NUL byte");
  PUT(&other, 0x12, 0x02, 'a', 0);
  expect_error(&other, "a string 'a\\x00' holds a NUL byte");
}

/* If { then_branch: graph { node: If ... } }: five messages a level would be the real thing; node, attribute
 * and graph are three. */
static void test_depth(void **state) {
  (void)state;
  Wire ok = {0}, deep = {0};
  for (int i = 0; i < 32; i++) {
    wrap(&ok, 0x32); /* AttributeProto.g */
    wrap(&ok, 0x2a); /* NodeProto.attribute */
    wrap(&ok, 0x0a); /* GraphProto.node */
  }
  wrap(&ok, 0x3a);
  assert_true(scan(&ok));
  deep = ok;
  deep.len = 0;
  for (int i = 0; i < 34; i++) {
    wrap(&deep, 0x32);
    wrap(&deep, 0x2a);
    wrap(&deep, 0x0a);
  }
  wrap(&deep, 0x3a);
  expect_error(&deep, "messages nest too deep");
}

static void test_unknown_fields(void **state) {
  (void)state;
  Wire w = {0};
  PUT(&w, 0x80, 0xfa, 0x01, 0x05);                   /* field 4000, varint */
  PUT(&w, 0x8a, 0xfa, 0x01, 0x02, 'h', 'i');         /* 4001, bytes */
  PUT(&w, 0x91, 0xfa, 0x01, 1, 2, 3, 4, 5, 6, 7, 8); /* 4002, 64 bits */
  PUT(&w, 0x9d, 0xfa, 0x01, 1, 2, 3, 4);             /* 4003, 32 bits */
  PUT(&w, 0x08, 0x07);
  Onnx__ModelProto *m = expect_model(&w);
  assert_int_equal(m->ir_version, 7);
  onnx__model_proto__free_unpacked(m, NULL);
}

/* Groups of several sizes, empty and nested, between fields that must come out as they went in. */
static void test_groups(void **state) {
  (void)state;
  for (int size = 0; size < 300; size += size < 4 ? 1 : 37) {
    Wire w = {0};
    PUT(&w, 0x83, 0xfa, 0x01); /* field 4000, start */
    PUT(&w, 0x0b);             /* field 1 within: a group again */
    for (int i = 0; i < size; i++) PUT(&w, 0x10, 0x01);
    PUT(&w, 0x0c, 0x84, 0xfa, 0x01);
    PUT(&w, 0x7b, 0x7c); /* field 15: an empty group with tags of one byte */
    PUT(&w, 0x08, 0x07);
    Onnx__ModelProto *m = expect_model(&w);
    assert_int_equal(m->ir_version, 7);
    onnx__model_proto__free_unpacked(m, NULL);
  }
}

static void test_bad_groups(void **state) {
  (void)state;
  Wire open = {0}, stray = {0}, crossed = {0}, deep = {0}, cut = {0};
  PUT(&open, 0x7b, 0x10, 0x01);
  expect_error(&open, "a group is not closed");
  PUT(&stray, 0x7c);
  expect_error(&stray, "a group ends that never began at byte 0");
  PUT(&crossed, 0x7b, 0x0b, 0x7c, 0x0c);
  expect_error(&crossed, "a group is closed by another's end at byte 2");
  for (int i = 0; i < 200; i++) PUT(&deep, 0x7b);
  for (int i = 0; i < 200; i++) PUT(&deep, 0x7c);
  expect_error(&deep, "groups nest too deep");
  PUT(&cut, 0x7b, 0x12, 0x05, 'a', 0x7c);
  expect_error(&cut, "a length runs past the end");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_tags),
      cmocka_unit_test(test_varints),
      cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_schema),
      cmocka_unit_test(test_fixed_and_packed),
      cmocka_unit_test(test_nul),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_unknown_fields),
      cmocka_unit_test(test_groups),
      cmocka_unit_test(test_bad_groups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

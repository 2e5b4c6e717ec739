#include "ir/npy.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

enum { MAX_NAME = 65535 - 4 }; /* zip's limit, less ".npy" */

static const char *const descr[DT_COUNT] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    [DT_F32] = "<f4", [DT_S32] = "<i4", [DT_S64] = "<i8",  [DT_F16] = "<f2",
#else
    [DT_F32] = ">f4", [DT_S32] = ">i4", [DT_S64] = ">i8",  [DT_F16] = ">f2",
#endif
    [DT_U8] = "|u1",  [DT_S8] = "|i1",  [DT_BOOL] = "|b1",
};

void npy_write_header(StrBuf *out, const NpyArray *array) {
  char dict[512];
  int n =
      snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[array->dtype]);
  const Shape *s = &array->shape;
  for (int i = 0; i < s->rank; i++)
    n += snprintf(dict + n, sizeof dict - (size_t)n, i ? ", %lld" : "%lld", (long long)s->dim[i]);
  n += snprintf(dict + n, sizeof dict - (size_t)n, "%s), }", s->rank == 1 ? "," : "");
  int pad = 63 - (10 + n) % 64; /* the data starts at a multiple of 64 bytes, after spaces and a newline */
  size_t len = (size_t)(n + pad + 1);
  const uint8_t preamble[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, len & 255, len >> 8 & 255};
  strbuf_put(out, preamble, sizeof preamble);
  strbuf_printf(out, "%s%*s\n", dict, pad, "");
}

void npy_write(StrBuf *out, const NpyArray *array) {
  npy_write_header(out, array);
  Type t = {array->dtype, array->shape, NULL};
  strbuf_put(out, array->data, (size_t)type_bytes(&t));
}

/* Adds one array; the bytes live in the arena until the archive is closed. */
static bool add_array(zip_t *zip, Arena *a, const NpyArray *array) {
  if (strlen(array->name) > MAX_NAME) return false; /* libzip would wrap its length */
  StrBuf npy;
  strbuf_init(&npy, a);
  npy_write(&npy, array);
  zip_source_t *source = zip_source_buffer(zip, npy.text, npy.len, 0);
  if (!source) return false;
  zip_int64_t i = zip_file_add(zip, arena_printf(a, "%s.npy", array->name), source, ZIP_FL_ENC_GUESS);
  if (i < 0) {
    zip_source_free(source);
    return false;
  }
  /* 1 January 1980, the first date that zip knows; as a DOS date it does not depend on the time zone. */
  return !zip_set_file_compression(zip, (zip_uint64_t)i, ZIP_CM_STORE, 0) &&
         !zip_file_set_dostime(zip, (zip_uint64_t)i, 0, 1 << 5 | 1, 0);
}

static bool read_back(Arena *a, zip_source_t *archive, const void **bytes, size_t *size) {
  zip_stat_t st;
  if (zip_source_stat(archive, &st) || zip_source_open(archive)) return false;
  void *copy = arena_alloc(a, st.size);
  bool ok = zip_source_read(archive, copy, st.size) == (zip_int64_t)st.size;
  zip_source_close(archive);
  *bytes = ok ? copy : NULL;
  *size = ok ? st.size : 0;
  return ok;
}

bool npz_write(Arena *a, const NpyArray *arrays, int n, const void **bytes, size_t *size) {
  zip_source_t *archive = zip_source_buffer_create(NULL, 0, 0, NULL);
  if (!archive) return false;
  zip_t *zip = zip_open_from_source(archive, ZIP_TRUNCATE, NULL);
  if (!zip) {
    zip_source_free(archive);
    return false;
  }
  zip_source_keep(archive); /* zip_close drops its own reference */
  Arena *scratch = arena_new();
  bool ok = true;
  for (int i = 0; i < n && ok; i++) ok = add_array(zip, scratch, &arrays[i]);
  if (!ok || zip_close(zip)) {
    zip_discard(zip);
    ok = false;
  }
  ok = ok && read_back(a, archive, bytes, size);
  zip_source_free(archive);
  arena_free(scratch);
  return ok;
}

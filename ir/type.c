#include "ir/type.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const DTypeInfo dtype_info[DT_COUNT] = {
    [DT_NONE] = {"?", "void", 0, 0, 0},
    [DT_F32] = {"f32", "float", 4, 0, 0},
    [DT_U8] = {"u8", "uint8_t", 1, 0, 255},
    [DT_S8] = {"s8", "int8_t", 1, -128, 127},
    [DT_S32] = {"s32", "int32_t", 4, INT32_MIN, INT32_MAX},
    [DT_S64] = {"s64", "int64_t", 8, INT64_MIN, INT64_MAX},
    [DT_BOOL] = {"bool", "uint8_t", 1, 0, 1},
    [DT_F16] = {"f16", "uint16_t", 2, 0, 0},
};

DType dtype_from_name(const char *name, size_t len) {
  for (int i = DT_NONE + 1; i < DT_COUNT; i++)
    if (strlen(dtype_info[i].name) == len && !memcmp(dtype_info[i].name, name, len)) return (DType)i;
  return DT_NONE;
}

int64_t shape_count(const Shape *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= s->dim[i];
  return n;
}

bool shape_check(const Shape *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) {
    if (s->dim[i] < 0 || s->dim[i] > MAX_DIM) return false;
    if (!size_mul(n, s->dim[i], &n) || n > MAX_ELEMENTS) return false;
  }
  return true;
}

bool shape_equal(const Shape *a, const Shape *b) {
  return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank);
}

char *shape_text(Arena *a, const Shape *s) {
  StrBuf b;
  strbuf_init(&b, a);
  strbuf_puts(&b, "[");
  for (int i = 0; i < s->rank; i++) strbuf_printf(&b, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
  strbuf_puts(&b, "]");
  return b.text;
}

Shape shape_of(int rank, ...) {
  Shape s = {.rank = rank};
  va_list ap;
  va_start(ap, rank);
  for (int i = 0; i < rank; i++) s.dim[i] = va_arg(ap, int64_t);
  va_end(ap);
  return s;
}

bool shape_broadcast(const Shape *a, const Shape *b, Shape *out) {
  Shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
  for (int i = 0; i < r.rank; i++) {
    int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
    int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
    if (da != db && da != 1 && db != 1) return false;
    r.dim[i] = da == 1 ? db : da;
  }
  *out = r;
  return true;
}

Quant *quant_new(Arena *a, int axis, int64_t count, const float *scale, const int32_t *zero) {
  Quant *q = ARENA_NEW(a, Quant);
  *q = (Quant){axis, count, arena_memdup(a, scale, sizeof *scale * (size_t)count),
               arena_memdup(a, zero, sizeof *zero * (size_t)count)};
  return q;
}

Quant *quant_per_tensor(Arena *a, float scale, int32_t zero) { return quant_new(a, -1, 1, &scale, &zero); }

bool quant_equal(const Quant *a, const Quant *b) {
  if (a == b) return true;
  if (!a || !b || a->axis != b->axis || a->count != b->count) return false;
  return !memcmp(a->scale, b->scale, sizeof(float) * (size_t)a->count) &&
         !memcmp(a->zero, b->zero, sizeof(int32_t) * (size_t)a->count);
}

bool type_equal(const Type *a, const Type *b) {
  return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape) && quant_equal(a->quant, b->quant);
}

int64_t type_bytes(const Type *t) { return shape_count(&t->shape) * dtype_info[t->dtype].bytes; }

void float_text(char out[32], float v) {
  if (isnan(v)) {
    strcpy(out, "nan");
  } else if (isinf(v)) {
    strcpy(out, v < 0 ? "-inf" : "inf");
  } else if (fabsf(v) < 1e7f && v == truncf(v)) {
    snprintf(out, 32, "%.0f", (double)v); /* 10, not 1e+01 */
  } else {
    for (int digits = 1; digits <= 9; digits++) {
      snprintf(out, 32, "%.*g", digits, (double)v);
      if (strtof(out, NULL) == v) return;
    }
  }
}

/* A list that holds one value throughout prints as that value. */
static void put_scales(StrBuf *b, const float *v, int64_t n) {
  char text[32];
  strbuf_puts(b, n > 1 ? "[" : "");
  for (int64_t i = 0; i < n; i++) {
    float_text(text, v[i]);
    strbuf_printf(b, "%s%s", i ? ", " : "", text);
  }
  strbuf_puts(b, n > 1 ? "]" : "");
}

static void put_zeros(StrBuf *b, const int32_t *v, int64_t n) {
  bool same = true;
  for (int64_t i = 1; i < n; i++) same &= v[i] == v[0];
  if (same && n) {
    strbuf_printf(b, "%d", v[0]);
    return;
  }
  strbuf_puts(b, "[");
  for (int64_t i = 0; i < n; i++) strbuf_printf(b, "%s%d", i ? ", " : "", v[i]);
  strbuf_puts(b, "]");
}

char *type_text(Arena *a, const Type *t) {
  StrBuf b;
  strbuf_init(&b, a);
  strbuf_puts(&b, dtype_info[t->dtype].name);
  if (t->quant) {
    strbuf_puts(&b, "<");
    if (t->quant->axis >= 0) strbuf_printf(&b, "axis=%d, ", t->quant->axis);
    strbuf_puts(&b, "scale=");
    put_scales(&b, t->quant->scale, t->quant->count);
    strbuf_puts(&b, ", zero=");
    put_zeros(&b, t->quant->zero, t->quant->count);
    strbuf_puts(&b, ">");
  }
  strbuf_puts(&b, shape_text(a, &t->shape));
  return b.text;
}

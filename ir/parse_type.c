/* The text IR's types, numbers and literals. */
#include "ir/half.h"
#include "ir/parser.h"
#include "ir/quant.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool parser_at_number(const Parser *p) {
  return p->tok.kind == TOK_NUMBER || token_is_word(p->source, &p->tok, "inf") ||
         token_is_word(p->source, &p->tok, "nan");
}

bool parse_integer(Parser *p, const char *what, int64_t min, int64_t max, int64_t *out) {
  if (p->tok.kind != TOK_NUMBER) return parser_expected(p, what);
  const char *text = p->source->text + p->tok.begin;
  char *end;
  errno = 0;
  long long v = strtoll(text, &end, 10);
  if (end != p->source->text + p->tok.end) return parser_expected(p, what); /* a fraction */
  if (min == max && (errno || v != min))
    return diag_error(p->diag, parser_here(p), "%s must be %lld", what, (long long)min);
  if (errno || v < min || v > max)
    return diag_error(p->diag, parser_here(p), "%s must be within [%lld, %lld]", what, (long long)min,
                      (long long)max);
  *out = v;
  parser_advance(p);
  return true;
}

bool parse_float(Parser *p, float *out) {
  if (!parser_at_number(p)) return parser_expected(p, "a number");
  /* The token ends where strtof stops: the lexer has seen to it. */
  float v = strtof(p->source->text + p->tok.begin, NULL);
  unsigned char last = (unsigned char)p->source->text[p->tok.end - 1];
  bool digits = last == '.' || (last >= '0' && last <= '9');
  if (isinf(v) && digits) return diag_error(p->diag, parser_here(p), "the number is out of the range of f32");
  *out = v;
  parser_advance(p);
  return true;
}

/* Reads the elements between brackets: item(p, user, i) for each. */
typedef bool ItemFn(Parser *p, void *user, int64_t i);
static bool parse_list(Parser *p, ItemFn *item, void *user) {
  if (!parser_expect(p, '[', "before the list")) return false;
  for (int64_t i = 0; !parser_at(p, ']'); i++) {
    if (i && !parser_expect(p, ',', "between the elements of the list")) return false;
    if (!item(p, user, i)) return false;
  }
  parser_advance(p);
  return true;
}

static bool shape_item(Parser *p, void *user, int64_t i) {
  Shape *s = user;
  if (i >= MAX_RANK)
    return diag_error(p->diag, parser_here(p), "a shape has at most %d dimensions", MAX_RANK);
  s->rank = (int)i + 1;
  return parse_integer(p, "a dimension", 0, MAX_DIM, &s->dim[i]);
}

static bool parse_shape(Parser *p, Shape *s) {
  Token first = p->tok;
  *s = (Shape){0};
  if (!parser_at(p, '[')) return parser_expected(p, "a shape like [1, 3, 28, 28]");
  if (!parse_list(p, shape_item, s)) return false;
  if (!shape_check(s))
    return diag_error(p->diag, parser_loc(p, first, first), "the shape has more than %lld elements",
                      (long long)MAX_ELEMENTS);
  return true;
}

/* The parts of <axis=N, scale=..., zero=...> as they are read; `n` counts, 0: not given. */
typedef struct {
  DType dtype;
  StrBuf scales, zeros;
  int64_t n_scales, n_zeros, axis;
  Token axis_at, scale_at, zero_at;
} QuantParts;

static bool scale_item(Parser *p, void *user, int64_t i) {
  QuantParts *q = user;
  SrcLoc at = parser_here(p);
  float v;
  if (!parse_float(p, &v)) return false;
  if (!scale_is_valid(v)) return diag_error(p->diag, at, "a scale must be a positive, finite, normal f32");
  strbuf_put(&q->scales, &v, sizeof v);
  q->n_scales = i + 1;
  return true;
}

static bool zero_item(Parser *p, void *user, int64_t i) {
  QuantParts *q = user;
  const DTypeInfo *info = &dtype_info[q->dtype];
  int64_t v;
  if (!parse_integer(p, "a zero point", info->min, info->max, &v)) return false;
  int32_t z = (int32_t)v;
  strbuf_put(&q->zeros, &z, sizeof z);
  q->n_zeros = i + 1;
  return true;
}

static bool one_or_list(Parser *p, ItemFn *item, QuantParts *q) {
  return parser_at(p, '[') ? parse_list(p, item, q) : item(p, q, 0);
}

static bool quant_key(Parser *p, const char *key) {
  char what[32];
  snprintf(what, sizeof what, "`%s = ...`", key);
  if (!token_is_word(p->source, &p->tok, key)) return parser_expected(p, what);
  parser_advance(p);
  return parser_expect(p, '=', "in the quantization");
}

static bool parse_quant_parts(Parser *p, QuantParts *q) {
  strbuf_init(&q->scales, p->arena);
  strbuf_init(&q->zeros, p->arena);
  q->axis = -1;
  if (token_is_word(p->source, &p->tok, "axis")) {
    if (!quant_key(p, "axis")) return false;
    q->axis_at = p->tok;
    if (!parse_integer(p, "an axis", 0, MAX_RANK - 1, &q->axis) || !parser_expect(p, ',', "after the axis"))
      return false;
  }
  if (!quant_key(p, "scale")) return false;
  q->scale_at = p->tok;
  if (!one_or_list(p, scale_item, q) || !parser_expect(p, ',', "after the scale") || !quant_key(p, "zero"))
    return false;
  q->zero_at = p->tok;
  return one_or_list(p, zero_item, q) && parser_expect(p, '>', "after the quantization");
}

/* Counts and the axis can be checked only when the shape is known. */
static bool finish_quant(Parser *p, QuantParts *q, Type *t) {
  int64_t count = 1;
  if (q->axis >= 0) {
    if (q->axis >= t->shape.rank)
      return diag_error(p->diag, parser_loc(p, q->axis_at, q->axis_at), "axis %lld of a shape of rank %d",
                        (long long)q->axis, t->shape.rank);
    count = t->shape.dim[q->axis];
  }
  if (count < 1)
    return diag_error(p->diag, parser_loc(p, q->axis_at, q->axis_at),
                      "a dimension of size 0 has no scales per channel");
  if (q->n_scales != count)
    return diag_error(p->diag, parser_loc(p, q->scale_at, q->scale_at),
                      q->axis < 0 ? "%lld scales without an axis: expected %lld"
                                  : "%lld scales, but the axis has %lld channels",
                      (long long)q->n_scales, (long long)count);
  if (q->n_zeros != count && q->n_zeros != 1)
    return diag_error(p->diag, parser_loc(p, q->zero_at, q->zero_at),
                      q->axis < 0 ? "%lld zero points without an axis: expected %lld"
                                  : "%lld zero points, but the axis has %lld channels",
                      (long long)q->n_zeros, (long long)count);
  int32_t z;
  memcpy(&z, q->zeros.text, sizeof z);
  while (q->n_zeros < count) {
    strbuf_put(&q->zeros, &z, sizeof z);
    q->n_zeros++;
  }
  t->quant = quant_new(p->arena, (int)q->axis, count, (const float *)(const void *)q->scales.text,
                       (const int32_t *)(const void *)q->zeros.text);
  return true;
}

bool parse_type(Parser *p, Type *out) {
  Token first = p->tok;
  *out = (Type){0};
  Type t = {0};
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "a type like f32[1, 3, 28, 28]");
  t.dtype = dtype_from_name(p->source->text + first.begin, first.end - first.begin);
  if (t.dtype == DT_NONE)
    return diag_error(p->diag, parser_here(p),
                      "unknown element type: there are f32, u8, s8, s32, s64, bool and f16");
  parser_advance(p);
  QuantParts q = {.dtype = t.dtype};
  bool quantized = parser_at(p, '<');
  if (quantized) {
    if (t.dtype != DT_U8 && t.dtype != DT_S8 && t.dtype != DT_S32)
      return diag_error(p->diag, parser_loc(p, first, first), "only u8, s8 and s32 can be quantized");
    parser_advance(p);
    if (!parse_quant_parts(p, &q)) return false;
  }
  if (!parse_shape(p, &t.shape) || (quantized && !finish_quant(p, &q, &t))) return false;
  *out = t;
  return true;
}

typedef struct {
  DType dtype;
  Shape shape;
  bool shape_known; /* otherwise `shape` is being learnt, up to `rank_known` and `dim_known` */
  bool rank_known, dim_known[MAX_RANK];
  StrBuf bytes;
} Literal;

/* A number is rounded twice, to float32 and to half; what is printed as a half is neither. */
static bool half_leaf(Parser *p, Literal *l) {
  SrcLoc loc = parser_here(p);
  float v;
  if (!parse_float(p, &v)) return false;
  uint16_t h = half_from_float(v);
  if (isinf(half_to_float(h)) && !isinf(v))
    return diag_error(p->diag, loc, "the number is out of the range of f16");
  strbuf_put(&l->bytes, &h, sizeof h);
  return true;
}

static bool literal_leaf(Parser *p, Literal *l) {
  if (l->dtype == DT_F32) {
    float v;
    if (!parse_float(p, &v)) return false;
    strbuf_put(&l->bytes, &v, sizeof v);
    return true;
  }
  if (l->dtype == DT_F16) return half_leaf(p, l);
  const DTypeInfo *info = &dtype_info[l->dtype];
  int64_t v;
  if (!parse_integer(p, "an integer element", info->min, info->max, &v)) return false;
  if (info->bytes == 1) {
    uint8_t byte = (uint8_t)v;
    strbuf_put(&l->bytes, &byte, 1);
  } else if (info->bytes == 4) {
    int32_t word = (int32_t)v;
    strbuf_put(&l->bytes, &word, 4);
  } else {
    strbuf_put(&l->bytes, &v, 8);
  }
  return true;
}

static bool literal_level(Parser *p, Literal *l, int depth);

/* One list of dimension `depth`. */
static bool literal_list(Parser *p, Literal *l, int depth) {
  Token open = p->tok;
  int64_t n = 0;
  bool fixed = l->shape_known || l->dim_known[depth];
  parser_advance(p);
  for (; !parser_at(p, ']'); n++) {
    if (n && !parser_expect(p, ',', "between the elements of the list")) return false;
    if (fixed && n == l->shape.dim[depth])
      return diag_error(p->diag, parser_here(p), "the list has more than %lld element%s", (long long)n,
                        n == 1 ? "" : "s");
    if (!literal_level(p, l, depth + 1)) return false;
  }
  if (fixed && n != l->shape.dim[depth])
    return diag_error(p->diag, parser_loc(p, open, p->tok), "expected a list of %lld, found %lld",
                      (long long)l->shape.dim[depth], (long long)n);
  l->shape.dim[depth] = n;
  l->dim_known[depth] = true;
  if (!l->rank_known) { /* an empty list: nothing inside has told the rank */
    l->rank_known = true;
    l->shape.rank = depth + 1;
  }
  parser_advance(p);
  return true;
}

/* Recursion ends at MAX_RANK. */
static bool literal_level(Parser *p, Literal *l, int depth) {
  bool list = parser_at(p, '[');
  if (list && depth == MAX_RANK)
    return diag_error(p->diag, parser_here(p), "lists are nested at most %d deep", MAX_RANK);
  if (!list && !l->rank_known) {
    l->rank_known = true;
    l->shape.rank = depth;
  }
  if (l->rank_known && list != (depth < l->shape.rank)) {
    if (!list && !parser_at_number(p))
      return parser_expected(p, depth < l->shape.rank ? "a list" : "a number");
    return diag_error(p->diag, parser_here(p), "expected a %s: the shape has rank %d",
                      list ? "number" : "list", l->shape.rank);
  }
  return list ? literal_list(p, l, depth) : literal_leaf(p, l);
}

bool parse_literal(Parser *p, Type *type, const void **data) {
  bool known = type->dtype != DT_NONE;
  Literal l = {
      .dtype = known ? type->dtype : DT_F32, .shape = type->shape, .shape_known = known, .rank_known = known};
  Token first = p->tok;
  strbuf_init(&l.bytes, p->arena);
  if (!literal_level(p, &l, 0)) return false;
  if (!known) {
    if (!shape_check(&l.shape))
      return diag_error(p->diag, parser_loc(p, first, first), "the list is larger than the limit");
    *type = (Type){.dtype = DT_F32, .shape = l.shape};
  }
  *data = l.bytes.text;
  return true;
}

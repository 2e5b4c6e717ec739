#include "ir/npy_header.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool from_f64(const void *src, int64_t n, void *dst, int64_t *bad) {
  float *out = dst;
  for (int64_t i = 0; i < n; i++) {
    double v;
    memcpy(&v, (const char *)src + i * 8, 8);
    out[i] = (float)v;
    if (isinf(out[i]) && !isinf(v)) {
      *bad = i;
      return false;
    }
  }
  return true;
}

static bool from_i16(const void *src, int64_t n, void *dst, int64_t *bad) {
  (void)bad;
  for (int64_t i = 0; i < n; i++) {
    int16_t v;
    memcpy(&v, (const char *)src + i * 2, 2);
    ((int32_t *)dst)[i] = v;
  }
  return true;
}

static bool from_u16(const void *src, int64_t n, void *dst, int64_t *bad) {
  (void)bad;
  for (int64_t i = 0; i < n; i++) {
    uint16_t v;
    memcpy(&v, (const char *)src + i * 2, 2);
    ((int32_t *)dst)[i] = v;
  }
  return true;
}

/* NumPy reads any byte other than 0 as true. */
static bool from_bool(const void *src, int64_t n, void *dst, int64_t *bad) {
  (void)bad;
  for (int64_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = ((const uint8_t *)src)[i] != 0;
  return true;
}

static const NpyDtype dtypes[] = {
    {'f', 4, DT_F32, "float32", NULL},      {'f', 8, DT_F32, "float64", from_f64},
    {'f', 2, DT_F16, "float16", NULL},      {'i', 1, DT_S8, "int8", NULL},
    {'u', 1, DT_U8, "uint8", NULL},         {'i', 2, DT_S32, "int16", from_i16},
    {'u', 2, DT_S32, "uint16", from_u16},   {'i', 4, DT_S32, "int32", NULL},
    {'i', 8, DT_S64, "int64", NULL},        {'b', 1, DT_BOOL, "bool", from_bool},
    {'u', 4, DT_NONE, "uint32", NULL},      {'u', 8, DT_NONE, "uint64", NULL},
    {'f', 16, DT_NONE, "longdouble", NULL},
};

/* Kinds that are refused whatever their size. */
static const struct {
  char kind;
  const char *name;
} refused_kinds[] = {
    {'O', "object"},  {'U', "string"}, {'S', "bytes"},      {'a', "bytes"},
    {'c', "complex"}, {'V', "void"},   {'M', "datetime64"}, {'m', "timedelta64"},
};

typedef struct {
  Arena *arena;
  const char *p, *end;
  const char *error; /* the first one */
} Lexer;

static bool fail(Lexer *x, const char *error) {
  if (!x->error) x->error = error;
  return false;
}

static void skip_space(Lexer *x) {
  while (x->p < x->end && (*x->p == ' ' || *x->p == '\n' || *x->p == '\t' || *x->p == '\r')) x->p++;
}

static bool accept(Lexer *x, char c) {
  skip_space(x);
  if (x->p == x->end || *x->p != c) return false;
  x->p++;
  return true;
}

static bool expect(Lexer *x, char c, const char *error) { return accept(x, c) || fail(x, error); }

static bool accept_word(Lexer *x, const char *word) {
  size_t n = strlen(word);
  skip_space(x);
  if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n)) return false;
  x->p += n;
  return true;
}

/* A plain quoted string; escapes do not occur in what NumPy writes. */
static bool parse_string(Lexer *x, const char **s, size_t *n) {
  skip_space(x);
  if (x->p == x->end || (*x->p != '\'' && *x->p != '"')) return false;
  char quote = *x->p++;
  *s = x->p;
  while (x->p < x->end && *x->p != quote && *x->p != '\\' && *x->p != '\n') x->p++;
  if (x->p == x->end || *x->p != quote) return false;
  *n = (size_t)(x->p++ - *s);
  return true;
}

static bool parse_descr(Lexer *x, NpyHeader *h) {
  const char *s;
  size_t n;
  skip_space(x);
  if (x->p < x->end && *x->p == '[') return fail(x, "structured arrays are not supported");
  if (!parse_string(x, &s, &n)) return fail(x, "its 'descr' is not a string");
  const char *shown = arena_strndup(x->arena, s, n < 40 ? n : 40);
  if (n < 2 || !strchr("<>|=", s[0])) return fail(x, arena_printf(x->arena, "unknown dtype '%s'", shown));
  for (size_t i = 0; i < sizeof refused_kinds / sizeof *refused_kinds; i++)
    if (s[1] == refused_kinds[i].kind)
      return fail(x,
                  arena_printf(x->arena, "%s arrays ('%s') are not supported", refused_kinds[i].name, shown));
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    char size[8];
    size_t len = (size_t)snprintf(size, sizeof size, "%d", dtypes[i].bytes);
    if (s[1] != dtypes[i].kind || n - 2 != len || memcmp(s + 2, size, len)) continue;
    if (dtypes[i].dtype == DT_NONE)
      return fail(x, arena_printf(x->arena, "%s arrays are not supported", dtypes[i].name));
    h->dtype = &dtypes[i];
    bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    h->swap = dtypes[i].bytes > 1 && s[0] == (little ? '>' : '<');
    return true;
  }
  return fail(x, arena_printf(x->arena, "unknown dtype '%s'", shown));
}

static bool parse_fortran_order(Lexer *x, NpyHeader *h) {
  h->fortran_order = accept_word(x, "True");
  return h->fortran_order || accept_word(x, "False") ||
         fail(x, "its 'fortran_order' is neither True nor False");
}

static bool parse_dim(Lexer *x, int64_t *out) {
  skip_space(x);
  if (x->p < x->end && *x->p == '-') return fail(x, "its shape has a negative dimension");
  const char *first = x->p;
  int64_t v = 0;
  for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++)
    if (!size_mul(v, 10, &v) || !size_add(v, *x->p - '0', &v))
      return fail(x, "its shape has a dimension that is too large");
  if (x->p == first) return fail(x, "its shape is not a tuple of integers");
  if (x->p < x->end && *x->p == 'L') x->p++; /* Python 2 wrote long integers so */
  *out = v;
  return true;
}

static bool parse_shape(Lexer *x, NpyHeader *h) {
  Shape s = {0};
  bool comma = true;
  if (!expect(x, '(', "its shape is not a tuple")) return false;
  while (!accept(x, ')')) {
    if (!comma) return fail(x, "its shape is not a tuple of integers");
    if (s.rank == MAX_RANK)
      return fail(x, arena_printf(x->arena, "it has more than %d dimensions", MAX_RANK));
    if (!parse_dim(x, &s.dim[s.rank])) return false;
    s.rank++;
    comma = accept(x, ',');
  }
  if (s.rank == 1 && !comma) return fail(x, "its shape is not a tuple");
  h->shape = s;
  return true;
}

static const struct {
  const char *name;
  bool (*parse)(Lexer *x, NpyHeader *h);
} keys[] = {{"descr", parse_descr}, {"fortran_order", parse_fortran_order}, {"shape", parse_shape}};
enum { N_KEYS = sizeof keys / sizeof *keys };

static bool parse_entry(Lexer *x, NpyHeader *h, bool *seen) {
  const char *s;
  size_t n;
  if (!parse_string(x, &s, &n)) return fail(x, "its header is not a dictionary");
  int k = 0;
  while (k < N_KEYS && (strlen(keys[k].name) != n || memcmp(keys[k].name, s, n))) k++;
  const char *shown = arena_strndup(x->arena, s, n < 40 ? n : 40);
  if (k == N_KEYS) return fail(x, arena_printf(x->arena, "unknown key '%s' in its header", shown));
  if (seen[k]) return fail(x, arena_printf(x->arena, "key '%s' twice in its header", shown));
  seen[k] = true;
  return expect(x, ':', "its header is not a dictionary") && keys[k].parse(x, h);
}

static bool parse_dictionary(Lexer *x, NpyHeader *h) {
  bool seen[N_KEYS] = {false}, comma = true;
  if (!expect(x, '{', "its header is not a dictionary")) return false;
  while (!accept(x, '}')) {
    if (!comma) return fail(x, "its header is not a dictionary");
    if (!parse_entry(x, h, seen)) return false;
    comma = accept(x, ',');
  }
  for (int k = 0; k < N_KEYS; k++)
    if (!seen[k]) return fail(x, arena_printf(x->arena, "key '%s' is missing in its header", keys[k].name));
  skip_space(x);
  return x->p == x->end || fail(x, "there is something after the dictionary in its header");
}

bool npy_parse_header(Arena *a, const char *text, size_t len, NpyHeader *h, const char **error) {
  Lexer x = {.arena = a, .p = text, .end = text + len};
  *h = (NpyHeader){0};
  if (parse_dictionary(&x, h)) return true;
  *error = x.error;
  return false;
}

bool npy_parse_preamble(const uint8_t *bytes, size_t n, size_t *offset, size_t *length, const char **error) {
  if (n < 10 || memcmp(bytes, "\x93NUMPY", 6)) {
    *error = "not an .npy array";
    return false;
  }
  int major = bytes[6], minor = bytes[7];
  if (major < 1 || major > 3 || minor != 0) {
    *error = "unknown .npy version (1.0, 2.0 and 3.0 are known)";
    return false;
  }
  *offset = major == 1 ? 10 : 12;
  if (n < *offset) {
    *error = "it ends within its header";
    return false;
  }
  size_t len = bytes[8] | (size_t)bytes[9] << 8;
  if (major > 1) len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (len > NPY_MAX_HEADER) {
    *error = "its header is longer than 2 MiB";
    return false;
  }
  *length = len;
  return true;
}

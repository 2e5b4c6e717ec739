#include "codegen/names.h"

#include <ctype.h>
#include <string.h>

char *c_identifier(Arena *a, const char *name) {
  enum { MAX_LENGTH = 40 };
  char *id = arena_alloc(a, MAX_LENGTH + 2);
  size_t n = 0;
  if (isdigit((unsigned char)name[0]) || !name[0]) id[n++] = '_';
  for (; *name && n < MAX_LENGTH; name++) {
    unsigned char c = (unsigned char)*name;
    id[n++] = c < 128 && isalnum(c) ? (char)c : '_';
  }
  return id;
}

/* Text that may stand in a C comment: nothing that ends it, continues the line or starts a trigraph. */
char *comment_text(Arena *a, const char *s) {
  enum { MAX_LENGTH = 80 };
  char *out = arena_strndup(a, s, strlen(s) < MAX_LENGTH ? strlen(s) : MAX_LENGTH);
  for (char *p = out; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c < 32 || c > 126 || c == '*' || c == '/' || c == '\\' || c == '?' || c == '"') *p = '_';
  }
  return out;
}

/* Words that a member may not be called: keywords of C and C++, lower-case macros of the usual headers and
 * platforms. */
static const char *const reserved[] = {"alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "assert",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "class",
                                       "compl",
                                       "complex",
                                       "concept",
                                       "const",
                                       "const_cast",
                                       "consteval",
                                       "constexpr",
                                       "constinit",
                                       "continue",
                                       "co_await",
                                       "co_return",
                                       "co_yield",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "errno",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "far",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "i386",
                                       "if",
                                       "imaginary",
                                       "inline",
                                       "int",
                                       "interface",
                                       "linux",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "near",
                                       "new",
                                       "noexcept",
                                       "noreturn",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "offsetof",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "requires",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "signgam",
                                       "sizeof",
                                       "small",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "stderr",
                                       "stdin",
                                       "stdout",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "typeof",
                                       "typeof_unqual",
                                       "union",
                                       "unix",
                                       "unsigned",
                                       "using",
                                       "va_arg",
                                       "va_copy",
                                       "va_end",
                                       "va_start",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq"};

static bool is_harmless(const char *id) {
  size_t n = strlen(id);
  if (!islower((unsigned char)id[0])) {
    bool lower = false; /* Input3 is fine, NULL might be a macro */
    for (const char *p = id; *p; p++) lower |= islower((unsigned char)*p) != 0;
    if (!lower || id[0] == '_') return false;
  }
  if (n > 2 && !strcmp(id + n - 2, "_t")) return false;
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(id, reserved[i])) return false;
  return true;
}

/* Taken from the start: the interface has macros of these names. */
static const char *const own_macros[] = {"WORKSPACE", "CONSTANTS"};

char **c_member_names(Arena *a, const char *const *names, int n, int n_inputs) {
  char **members = ARENA_NEW_ARRAY(a, char *, (size_t)n + 1);
  StrMap *taken = strmap_new(a); /* by upper-case name */
  for (size_t i = 0; i < sizeof own_macros / sizeof *own_macros; i++)
    strmap_put(taken, own_macros[i], (void *)own_macros[i]);
  for (int i = 0; i < n; i++) {
    char *id = c_identifier(a, names[i]);
    bool input = i < n_inputs;
    if (!is_harmless(id)) id = arena_printf(a, "%s%d_%s", input ? "in" : "out", input ? i : i - n_inputs, id);
    char *unique = id;
    for (int k = 2; strmap_get(taken, c_upper(a, unique)); k++) unique = arena_printf(a, "%s_%d", id, k);
    strmap_put(taken, c_upper(a, unique), unique);
    members[i] = unique;
  }
  return members;
}

char *c_upper(Arena *a, const char *name) {
  char *upper = arena_strdup(a, name);
  for (char *p = upper; *p; p++) *p = (char)toupper((unsigned char)*p);
  return upper;
}

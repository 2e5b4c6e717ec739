#include "codegen/runtime_text.h"

#include <ctype.h>
#include <string.h>

#include "ir/diag.h"

static const RuntimeIsa *find_isa(const char *name) {
  const RuntimeIsa *isa = runtime_isas;
  while (isa->isa && strcmp(isa->isa, name)) isa++;
  if (!isa->isa) BUG("there is no runtime for %s", name);
  return isa;
}

/* The chunk that defines v_<op>; -1: none does. */
static int find_chunk(const RuntimeIsa *isa, int op) {
  for (int i = 0; i < isa->n_chunks; i++)
    for (const char *const *n = isa->chunks[i].names; *n; n++)
      if (!strncmp(*n, "v_", 2) && !strcmp(*n + 2, vir_op_info[op].name)) return i;
  return -1;
}

bool runtime_has(const char *isa, VirOp op) { return find_chunk(find_isa(isa), (int)op) >= 0; }

/* An #include line, or a block around one. */
static bool is_include(const RuntimeChunk *chunk) { return strstr(chunk->text, "#include <") != NULL; }

/* A definition of the file: one chunk, or the same one of several instruction sets. */
typedef struct Definition {
  const RuntimeChunk *chunk;
  int number, part; /* in the order of the file; the first part that has it */
  unsigned archs;   /* that compile it: bits 1 << Arch */
  bool apart;       /* a blank line stands before it */
  struct Definition *next;
} Definition;

typedef struct {
  const RuntimeIsa *isa;
  Arch arch;
  bool *wanted;             /* by chunk */
  Definition **definitions; /* by chunk; NULL: not wanted, or not yet known */
  StrMap *renamed;
} Part;

struct RuntimePlan {
  Arena *arena;
  Part *parts;
  int n, n_definitions;
  Definition *first, **tail;
  StrMap *by_content, *by_name;
};

/* ---- what is wanted ---- */

static void mark(Part *p, int chunk) {
  if (p->wanted[chunk]) return;
  p->wanted[chunk] = true;
  for (const short *n = p->isa->chunks[chunk].needs; *n >= 0; n++) mark(p, *n);
}

static void mark_used(Arena *a, Part *p, const bool *used) {
  p->wanted = ARENA_NEW_ARRAY(a, bool, (size_t)p->isa->n_chunks);
  for (int i = 0; i < p->isa->n_chunks; i++)
    if (p->isa->chunks[i].always) mark(p, i);
  for (int op = 0; op < VIR_OP_COUNT; op++) {
    int chunk = used[op] ? find_chunk(p->isa, op) : 0;
    if (chunk < 0) BUG("v_%s is missing in the runtime of %s", vir_op_info[op].name, p->isa->isa);
    if (used[op]) mark(p, chunk);
  }
}

/* ---- which are the same ---- */

static Definition *define(RuntimePlan *r, int part, int chunk);

/* Its text, and what the names in it mean. */
static char *content(RuntimePlan *r, int part, int chunk) {
  const RuntimeChunk *c = &r->parts[part].isa->chunks[chunk];
  StrBuf key;
  strbuf_init(&key, r->arena);
  strbuf_puts(&key, c->text);
  if (!*c->names) return key.text;
  for (const short *n = c->needs; *n >= 0; n++)
    if (*n < chunk) strbuf_printf(&key, "%d ", define(r, part, *n)->number);
  return key.text;
}

static Definition *define(RuntimePlan *r, int part, int chunk) {
  Part *p = &r->parts[part];
  Definition *d = p->definitions[chunk];
  if (d) return d;
  char *key = content(r, part, chunk);
  d = strmap_get(r->by_content, key);
  if (!d) {
    d = ARENA_NEW(r->arena, Definition);
    *d = (Definition){.chunk = &p->isa->chunks[chunk], .number = r->n_definitions++, .part = part};
    strmap_put(r->by_content, key, d);
    *r->tail = d;
    r->tail = &d->next;
  }
  d->archs |= 1u << p->arch;
  return p->definitions[chunk] = d;
}

static void define_wanted(RuntimePlan *r, int part) {
  Part *p = &r->parts[part];
  bool apart = false; /* also where the chunk that had the blank line before it is left out */
  p->definitions = ARENA_NEW_ARRAY(r->arena, Definition *, (size_t)p->isa->n_chunks + 1);
  for (int i = 0; i < p->isa->n_chunks; i++) {
    apart |= p->isa->chunks[i].apart;
    if (!p->wanted[i]) continue;
    Definition *d = define(r, part, i);
    if (d->part != part || is_include(d->chunk)) continue;
    d->apart = apart;
    apart = false;
  }
}

/* ---- names ---- */

/* v_add_s32 of avx2 is v_avx2_add_s32, V_VEC is V_AVX2_VEC. */
static const char *name_of_part(Arena *a, const Part *p, const char *name) {
  bool upper = !strncmp(name, "V_", 2);
  char *isa = arena_strdup(a, p->isa->isa);
  for (char *c = isa; upper && *c; c++) *c = (char)toupper((unsigned char)*c);
  if (!upper && strncmp(name, "v_", 2)) return arena_printf(a, "%s_%s", name, isa);
  return arena_printf(a, "%.2s%s_%s", name, isa, name + 2);
}

static char ambiguous[] = "ambiguous";

static void find_ambiguous(RuntimePlan *r) {
  for (Definition *d = r->first; d; d = d->next)
    for (const char *const *n = d->chunk->names; *n; n++)
      strmap_put(r->by_name, *n, strmap_get(r->by_name, *n) ? (void *)ambiguous : (void *)d);
}

static void rename_part(RuntimePlan *r, Part *p) {
  p->renamed = strmap_new(r->arena);
  for (int i = 0; i < p->isa->n_chunks; i++)
    for (const char *const *n = p->isa->chunks[i].names; p->definitions[i] && *n; n++)
      if (strmap_get(r->by_name, *n) == ambiguous)
        strmap_put(p->renamed, *n, (char *)name_of_part(r->arena, &r->parts[p->definitions[i]->part], *n));
}

const StrMap *runtime_renamed(const RuntimePlan *p, int i) { return p->parts[i].renamed; }

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

void runtime_put_text(StrBuf *out, const StrMap *renamed, const char *text) {
  char word[64];
  while (*text) {
    size_t n = 0;
    while (is_word(text[n])) n++;
    if (!n) n = 1;
    const char *other = NULL;
    if (n < sizeof word) {
      memcpy(word, text, n);
      word[n] = 0;
      other = strmap_get(renamed, word);
    }
    if (other) {
      strbuf_puts(out, other);
    } else {
      strbuf_put(out, text, n);
    }
    text += n;
  }
}

RuntimePlan *runtime_plan(Arena *a, const RuntimeUse *uses, int n) {
  RuntimePlan *r = ARENA_NEW(a, RuntimePlan);
  *r = (RuntimePlan){.arena = a, .parts = ARENA_NEW_ARRAY(a, Part, (size_t)n), .n = n, .tail = &r->first};
  r->by_content = strmap_new(a);
  r->by_name = strmap_new(a);
  for (int i = 0; i < n; i++) {
    r->parts[i] = (Part){.isa = find_isa(uses[i].isa), .arch = uses[i].arch};
    mark_used(a, &r->parts[i], uses[i].used);
    define_wanted(r, i);
  }
  find_ambiguous(r);
  for (int i = 0; i < n; i++) rename_part(r, &r->parts[i]);
  return r;
}

/* ---- the text ---- */

bool runtime_guard(StrBuf *out, unsigned archs) {
  if (archs & 1u << ARCH_ANY) return false;
  const char *before = "#if ";
  for (int i = 0; i < ARCH_COUNT; i++) {
    if (!(archs >> i & 1)) continue;
    strbuf_printf(out, "%s%s", before, arch_info[i].macro);
    before = " || ";
  }
  strbuf_puts(out, "\n");
  return true;
}

/* Before everything else: the pragmas of the preamble are not meant for other people's headers. */
static void put_includes(StrBuf *out, const RuntimePlan *r, unsigned archs) {
  bool open = false, any = false;
  for (const Definition *d = r->first; d; d = d->next) {
    if (!is_include(d->chunk) || arch_set(d->archs) != archs) continue;
    if (!any) open = runtime_guard(out, archs);
    any = true;
    strbuf_puts(out, d->chunk->text);
  }
  if (open) strbuf_puts(out, "#endif\n");
}

static void put_definitions(StrBuf *out, const RuntimePlan *r, unsigned archs) {
  bool open = false, any = false;
  for (const Definition *d = r->first; d; d = d->next) {
    if (is_include(d->chunk) || arch_set(d->archs) != archs) continue;
    if (!any && archs != 1u << ARCH_ANY) strbuf_puts(out, "\n");
    if (!any) open = runtime_guard(out, archs);
    any = true;
    if (d->apart) strbuf_puts(out, "\n");
    runtime_put_text(out, r->parts[d->part].renamed, d->chunk->text);
  }
  if (open) strbuf_puts(out, "\n#endif\n");
}

/* gcc is told by a pragma of the preamble; clang's has to end where the file does, which a header cannot see.
 */
static const char no_libc_begin[] = "\n/* Loops stay loops: no calls of libc. */\n"
                                    "#if defined(__clang__)\n"
                                    "#pragma clang attribute push(__attribute__((no_builtin(\"memset\", "
                                    "\"memcpy\", \"memmove\"))), apply_to = function)\n"
                                    "#endif\n";
static const char no_libc_end[] = "\n#if defined(__clang__)\n#pragma clang attribute pop\n#endif\n";

void runtime_end(StrBuf *out) { strbuf_puts(out, no_libc_end); }

void runtime_put(StrBuf *out, const RuntimePlan *p) {
  for (unsigned s = arch_set_next(0); s; s = arch_set_next(s)) put_includes(out, p, s);
  strbuf_puts(out, no_libc_begin);
  for (unsigned s = arch_set_next(0); s; s = arch_set_next(s)) put_definitions(out, p, s);
}

/* Other people's headers before the pragmas, too: qcc's include them again, to no effect. */
void runtime_put_header(StrBuf *out, const RuntimePlan *p) {
  for (unsigned s = arch_set_next(0); s; s = arch_set_next(s)) put_includes(out, p, s);
  strbuf_puts(out, no_libc_begin);
  strbuf_printf(out, "\n#include \"qcc/vec_%s.h\"\n", p->parts[0].isa->isa);
}

void runtime_extract(StrBuf *out, const char *isa, const bool used[VIR_OP_COUNT]) {
  runtime_put(out, runtime_plan(out->arena, &(RuntimeUse){isa, ARCH_ANY, used}, 1));
}

void runtime_put_all(StrBuf *out, const char *isa) {
  const RuntimeIsa *r = find_isa(isa);
  for (int i = 0; i < r->n_chunks; i++) strbuf_puts(out, r->chunks[i].text);
}

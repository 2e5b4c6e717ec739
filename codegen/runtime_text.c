#include "codegen/runtime_text.h"

#include <string.h>

#include "ir/diag.h"

static int find_chunk(const RuntimeIsa *isa, const char *name) {
  for (int i = 0; i < isa->n_chunks; i++)
    for (const char *const *n = isa->chunks[i].names; *n; n++)
      if (!strcmp(*n, name)) return i;
  BUG("%s is missing in the runtime of %s", name, isa->isa);
}

static void mark(const RuntimeIsa *isa, bool *wanted, int chunk) {
  if (wanted[chunk]) return;
  wanted[chunk] = true;
  for (const short *n = isa->chunks[chunk].needs; *n >= 0; n++) mark(isa, wanted, *n);
}

static bool is_include(const RuntimeChunk *chunk) { return !strncmp(chunk->text, "#include", 8); }

/* Each once, before everything else: the pragmas of the preamble are not meant for other people's headers. */
static void put_includes(StrBuf *out, const RuntimeIsa *isa, const bool *wanted) {
  StrMap *done = strmap_new(out->arena);
  for (int i = 0; i < isa->n_chunks; i++) {
    const char *text = isa->chunks[i].text;
    if (!wanted[i] || !is_include(&isa->chunks[i]) || strmap_get(done, text)) continue;
    strmap_put(done, text, (void *)text);
    strbuf_puts(out, text);
  }
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

void runtime_extract(StrBuf *out, const char *isa_name, const bool used[VIR_OP_COUNT]) {
  const RuntimeIsa *isa = runtime_isas;
  while (isa->isa && strcmp(isa->isa, isa_name)) isa++;
  if (!isa->isa) BUG("there is no runtime for %s", isa_name);

  bool *wanted = ARENA_NEW_ARRAY(out->arena, bool, (size_t)isa->n_chunks);
  for (int i = 0; i < isa->n_chunks; i++)
    if (isa->chunks[i].always) mark(isa, wanted, i);
  for (int op = 0; op < VIR_OP_COUNT; op++)
    if (used[op]) mark(isa, wanted, find_chunk(isa, arena_printf(out->arena, "v_%s", vir_op_info[op].name)));

  put_includes(out, isa, wanted);
  strbuf_puts(out, no_libc_begin);
  bool apart = false; /* also where the chunk that had the blank line before it is left out */
  for (int i = 0; i < isa->n_chunks; i++) {
    apart |= isa->chunks[i].apart;
    if (!wanted[i] || is_include(&isa->chunks[i])) continue;
    if (apart) strbuf_puts(out, "\n");
    strbuf_puts(out, isa->chunks[i].text);
    apart = false;
  }
}

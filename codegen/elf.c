/* The file: header, bytes, symbols, their names, sections' names, section headers. The numbers are those of
 * the System V ABI (gabi) and its supplements for the two architectures. */
#include "codegen/elf.h"

#include <string.h>

#include "ir/diag.h"

enum { HEADER = 64, SECTION_HEADER = 64, SYMBOL = 24 };
enum { SHT_PROGBITS = 1, SHT_SYMTAB = 2, SHT_STRTAB = 3, SHF_ALLOC = 2 };
enum {
  NONE,
  RODATA,
  SYMTAB,
  STRTAB,
  SHSTRTAB,
  STACK_NOTE,
  SECTIONS
}; /* the last one: no stack that can execute */

static const char section_names[] = "\0.rodata\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack";

static void put(StrBuf *out, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) {
    char c = (char)(v >> 8 * i & 0xff);
    strbuf_put(out, &c, 1);
  }
}

static void align_to(StrBuf *out, size_t align) {
  while (out->len % align) put(out, 0, 1);
}

static int machine_of(Arch arch) {
  static const int machines[ARCH_COUNT] = {[ARCH_X86_64] = 62, [ARCH_ARM64] = 183};
  if (!machines[arch]) BUG("no ELF machine for architecture %d", (int)arch);
  return machines[arch];
}

static void put_header(StrBuf *out, Arch arch, uint64_t sections) {
  static const char ident[16] = "\x7f"
                                "ELF\2\1\1"; /* 64 bits, little-endian, version 1 */
  strbuf_put(out, ident, sizeof ident);
  put(out, 1, 2); /* relocatable */
  put(out, (uint64_t)machine_of(arch), 2);
  put(out, 1, 4); /* version */
  put(out, 0, 8); /* entry */
  put(out, 0, 8); /* program headers */
  put(out, sections, 8);
  put(out, 0, 4); /* flags */
  put(out, HEADER, 2);
  put(out, 0, 2);
  put(out, 0, 2);
  put(out, SECTION_HEADER, 2);
  put(out, SECTIONS, 2);
  put(out, SHSTRTAB, 2);
}

typedef struct {
  uint64_t name, type, flags, offset, size, link, info, align, entry;
} Section;

static uint64_t name_offset(const char *name) {
  uint64_t at = 1;
  while (strcmp(section_names + at, name)) at += strlen(section_names + at) + 1;
  return at;
}

static void put_section(StrBuf *out, const Section *s) {
  put(out, s->name, 4);
  put(out, s->type, 4);
  put(out, s->flags, 8);
  put(out, 0, 8); /* address */
  put(out, s->offset, 8);
  put(out, s->size, 8);
  put(out, s->link, 4);
  put(out, s->info, 4);
  put(out, s->align, 8);
  put(out, s->entry, 8);
}

/* Global, an object, hidden. */
static void put_symbol(StrBuf *out, uint64_t name, uint64_t size) {
  put(out, name, 4);
  put(out, 1 << 4 | 1, 1);
  put(out, 2, 1);
  put(out, RODATA, 2);
  put(out, 0, 8);
  put(out, size, 8);
}

void elf_object(StrBuf *out, Arch arch, const char *symbol, const void *data, size_t size, int align) {
  size_t start = out->len;
  StrBuf body;
  strbuf_init(&body, out->arena);
  Section s[SECTIONS] = {{0}};
  strbuf_put(&body, data, size);
  s[RODATA] =
      (Section){name_offset(".rodata"), SHT_PROGBITS, SHF_ALLOC, HEADER, size, 0, 0, (uint64_t)align, 0};
  align_to(&body, 8);
  s[SYMTAB] =
      (Section){name_offset(".symtab"), SHT_SYMTAB, 0, HEADER + body.len, 2 * SYMBOL, STRTAB, 1, 8, SYMBOL};
  for (int i = 0; i < SYMBOL; i++) put(&body, 0, 1);
  put_symbol(&body, 1, size);
  s[STRTAB] =
      (Section){name_offset(".strtab"), SHT_STRTAB, 0, HEADER + body.len, strlen(symbol) + 2, 0, 0, 1, 0};
  put(&body, 0, 1);
  strbuf_put(&body, symbol, strlen(symbol) + 1);
  s[SHSTRTAB] =
      (Section){name_offset(".shstrtab"), SHT_STRTAB, 0, HEADER + body.len, sizeof section_names, 0, 0, 1, 0};
  strbuf_put(&body, section_names, sizeof section_names);
  s[STACK_NOTE] =
      (Section){name_offset(".note.GNU-stack"), SHT_PROGBITS, 0, HEADER + body.len, 0, 0, 0, 1, 0};
  align_to(&body, 8);
  put_header(out, arch, HEADER + body.len);
  strbuf_put(out, body.text, body.len);
  for (int i = 0; i < SECTIONS; i++) put_section(out, &s[i]);
  if (out->len - start != HEADER + body.len + SECTIONS * SECTION_HEADER) BUG("an ELF file of another size");
}

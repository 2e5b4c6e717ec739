#include "codegen/weights.h"

#include "codegen/elf.h"

enum {
  ALIGN = 64, /* bytes */
  LEAST = 64  /* bytes: smaller ones stay in the C file */
};

static int elem_bytes(const VirBase *b) { return b->elem16 ? 2 : dtype_info[b->elem].bytes; }

/* Little-endian, whatever machine this is. */
static void put_elements(StrBuf *out, const VirBase *b) {
  int bytes = elem_bytes(b);
  for (int64_t i = 0; i < b->count; i++) {
    uint32_t v = bytes == 1   ? ((const uint8_t *)b->data)[i]
                 : bytes == 2 ? ((const uint16_t *)b->data)[i]
                              : ((const uint32_t *)b->data)[i];
    for (int k = 0; k < bytes; k++) {
      char c = (char)(v >> 8 * k & 0xff);
      strbuf_put(out, &c, 1);
    }
  }
}

void weights_lay_out(VirModule *m, const CodegenOptions *o) {
  static const char zeros[ALIGN] = "";
  if (o->weights == WEIGHTS_STRING) return;
  m->apart = strmap_new(m->arena);
  m->blob_name = arena_printf(m->arena, "%s_weights", o->name);
  strbuf_init(&m->blob, m->arena);
  for (int i = 0; i < m->n_constants; i++) {
    const VirBase *b = m->constants[i];
    if (b->count * elem_bytes(b) <= LEAST) continue;
    strmap_put(m->apart, b->name, (void *)(intptr_t)(m->blob.len + 1));
    put_elements(&m->blob, b);
    strbuf_put(&m->blob, zeros, -m->blob.len % ALIGN);
  }
  strbuf_put(&m->blob, zeros, ALIGN); /* never empty; and what is read behind the last one is here */
}

void weights_declare(const Module *m, StrBuf *c) {
  const CodegenOptions *o = m->cg->options;
  const char *name = m->cg->module->blob_name;
  if (o->weights == WEIGHTS_STRING) return;
  strbuf_printf(
      c,
      "\n/* Large constants lie in %s: %lld bytes. */\n"
      "#if !defined(__ELF__) || !defined(__GNUC__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
      "#error \"only for gcc and clang on little-endian ELF systems: elsewhere use qcc -weights string\"\n"
      "#endif\n",
      o->weights_file, (long long)m->cg->module->blob.len);
  if (o->weights == WEIGHTS_INCBIN)
    strbuf_printf(c,
                  "#if !defined(%s_WEIGHTS_FILE) /* found as #include finds headers, by -I */\n"
                  "#define %s_WEIGHTS_FILE \"%s\"\n"
                  "#endif\n"
                  "__asm__(\".pushsection .rodata\\n.balign %d\\n%s:\\n\"\n"
                  "        \".incbin \\\"\" %s_WEIGHTS_FILE \"\\\"\\n.popsection\\n\");\n",
                  m->upper, m->upper, o->weights_file, ALIGN, name, m->upper);
  strbuf_printf(c, "extern const unsigned char %s[] __attribute__((visibility(\"hidden\")));\n", name);
}

void weights_file(const Module *m, StrBuf *out) {
  const VirModule *v = m->cg->module;
  if (m->cg->options->weights == WEIGHTS_OBJECT)
    elf_object(out, m->cg->target->arch, v->blob_name, v->blob.text, v->blob.len, ALIGN);
  else
    strbuf_put(out, v->blob.text, v->blob.len);
}

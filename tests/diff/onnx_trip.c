#include "tests/diff/onnx_trip.h"

#include "codegen/codegen.h"
#include "compiler/onnx.h"
#include "compiler/onnx_export.h"
#include "ir/text.h"
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

/* All that may be refused. Anything else is a fault of ours. */
static const char *const reasons[] = {
    "is given twice: ONNX has one output of a name",
    "is a constant: ONNX has no such outputs",
    "has no dilations",
    "has no divisor",
    "ceil_mode does not add the pads",
    "its pads are as large as the kernel",
    "the scale of its bias",
    "the op has no ONNX form",
    "must be less than the stride or the dilation",
    "differ from group to group",
    "has no half_pixel_symmetric",
    "has no tf_half_pixel_for_nn",
    "is not resized by its scale alone",
    "ONNX has no form for operands that are quantized at run time so",
    "has no weights of different integers",
    "a projected sequence has no ONNX form",
};

static bool may_be_refused(const char *said) {
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (strstr(said, reasons[i])) return true;
  return false;
}

static const char *text_of(Arena *a, const Graph *g) {
  const PrintOptions o = {.inline_limit = -1};
  StrBuf text;
  strbuf_init(&text, a);
  ir_print(&text, g, &o, NULL, NULL);
  return text.text;
}

/* The first line that differs, from either text. */
static const char *difference(Arena *a, const char *what, const char *want, const char *got) {
  while (*want && *got && strcspn(want, "\n") == strcspn(got, "\n") &&
         !memcmp(want, got, strcspn(want, "\n"))) {
    want += strcspn(want, "\n") + 1;
    got += strcspn(got, "\n") + 1;
  }
  int n_want = (int)strcspn(want, "\n"), n_got = (int)strcspn(got, "\n");
  enum { SHOWN = 300 };
  return arena_printf(a, "the %s does not come back from ONNX:\n  %.*s\n  %.*s", what,
                      n_want < SHOWN ? n_want : SHOWN, want, n_got < SHOWN ? n_got : SHOWN, got);
}

/* The emitted C; "" where code generation refuses the graph. */
static const char *code_of(Arena *a, const Graph *g) {
  const CodegenOptions o = {
      .targets = (const Target *const[]){target_find("x86-64-v3"), NULL}, .name = "m", .model_file = "m"};
  StrBuf c, h;
  Diag silent;
  diag_init(&silent, a, NULL);
  strbuf_init(&c, a);
  strbuf_init(&h, a);
  return codegen_c(&silent, a, g, &o, &c, &h) ? c.text : "";
}

static const char *compare_code(Arena *a, const Graph *g, const Graph *back) {
  const char *want = code_of(a, g), *got = code_of(a, back);
  return strcmp(want, got) ? difference(a, "C", want, got) : NULL;
}

static Graph *read_back(Diag *d, Arena *a, const void *bytes, size_t size) {
  const OnnxOptions none = {0};
  Graph *g = onnx_import_bytes(d, a, "trip.onnx", arena_memdup(a, bytes, size), size, &none);
  PassCtx ctx = {.diag = d, .arena = a, .mode = MODE_NONE, .threads = 1};
  bool stopped;
  return g && passes_run(&ctx, g, &stopped) ? g : NULL;
}

const char *check_onnx(Arena *a, const Graph *g, const char **refused) {
  char *said = NULL;
  size_t said_size, size;
  const void *bytes;
  const char *message = NULL;
  FILE *f = open_memstream(&said, &said_size);
  Diag d;
  diag_init(&d, a, f);
  d.disabled = strmap_new(a);
  strmap_put(d.disabled, "float-op", &d);
  *refused = NULL;
  bool written = onnx_export(&d, a, g, ONNX_MAX_FILE, &bytes, &size);
  Graph *back = written ? read_back(&d, a, bytes, size) : NULL;
  fclose(f);
  if (!written) {
    *refused = arena_strdup(a, said);
    if (!may_be_refused(said)) message = *refused;
  } else if (!back) {
    message = arena_printf(a, "qcc does not read its own ONNX file: %s", said);
  } else {
    const char *want = text_of(a, g), *got = text_of(a, back);
    if (strcmp(want, got)) message = difference(a, "graph", want, got);
    if (!message) message = compare_code(a, g, back);
  }
  free(said);
  return message;
}

/* Scripts: any bytes give rules or diagnostics, the same twice; whatever their passes do, the graph that they
 * leave is valid. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "passes/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char model[] = "model m {\n"
                            "  input %x : f32[1, 2, 4, 4]\n"
                            "  const @w : f32[2, 2, 1, 1] = [[[[1]], [[0.5]]], [[[-1]], [[2]]]]\n"
                            "  %c = conv2d(%x, @w)\n"
                            "  %g = sigmoid(%c)\n"
                            "  %m = mul(%c, %g)\n"
                            "  %y = reduce_mean(%m) { axes = [2, 3], keepdims = true }\n"
                            "  output %y, %g\n"
                            "}\n";

/* Runs the passes that the script has put into the pipeline, not those of qcc. */
static void run_passes(Diag *d, Arena *a, const Scripts *s) {
  PassCtx ctx = {.diag = d, .arena = a, .qconfig = qconfig_preset(a, "qcc")};
  Graph *g = ir_parse(d, a, source_from_text(a, "m.ir", model, sizeof model - 1), NULL);
  if (!g) abort();
  for (const Pass *p = scripts_passes(s); p && p->name; p++) {
    if (!p->script) continue;
    script_pass_run(&ctx, p->script, g);
    Diag check = {.arena = a};
    if (!graph_verify(&check, g)) abort();
  }
}

static char *run(const uint8_t *data, size_t size, bool *ok) {
  char *text;
  size_t len;
  Diag d;
  Arena *a = arena_new();
  FILE *out = open_memstream(&text, &len);
  diag_init(&d, a, out);
  Scripts *s = scripts_new(&d, a, NULL, SCRIPT_SECONDS);
  *ok = scripts_read_source(s, source_from_text(a, "f.lua", (const char *)data, size)) && scripts_qconfig(s);
  if (*ok != (d.errors == 0)) abort();
  if (*ok) run_passes(&d, a, s);
  scripts_free(s);
  fclose(out);
  arena_free(a);
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bool first, second;
  char *a = run(data, size, &first), *b = run(data, size, &second);
  if (first != second || strcmp(a, b)) abort();
  free(a);
  free(b);
  return 0;
}

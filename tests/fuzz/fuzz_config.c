/* Configurations: any bytes give a set or diagnostics, the same twice. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "passes/qconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *run(const uint8_t *data, size_t size, bool *ok) {
  char *text;
  size_t len;
  Diag d;
  Arena *a = arena_new();
  FILE *out = open_memstream(&text, &len);
  diag_init(&d, a, out);
  *ok = qconfig_read_source(&d, a, source_from_text(a, "f.lua", (const char *)data, size)) != NULL;
  if (*ok != (d.errors == 0)) abort();
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

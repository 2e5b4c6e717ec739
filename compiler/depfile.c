#include "compiler/depfile.h"

/* As gcc writes them: a blank gets a backslash, and doubles the backslashes before it; # gets one; $ is
 * doubled. */
static void put_name(StrBuf *out, const char *name) {
  int slashes = 0;
  for (const char *p = name; *p; p++) {
    if (*p == ' ' || *p == '\t')
      for (int i = 0; i <= slashes; i++) strbuf_puts(out, "\\");
    if (*p == '#') strbuf_puts(out, "\\");
    if (*p == '$') strbuf_puts(out, "$");
    slashes = *p == '\\' ? slashes + 1 : 0;
    strbuf_put(out, p, 1);
  }
}

void depfile_text(StrBuf *out, const char *const *outputs, int n_outputs, const char *const *inputs,
                  int n_inputs) {
  for (int i = 0; i < n_outputs; i++) {
    if (i) strbuf_puts(out, " ");
    put_name(out, outputs[i]);
  }
  strbuf_puts(out, ":");
  for (int i = 0; i < n_inputs; i++) {
    strbuf_puts(out, " \\\n  ");
    put_name(out, inputs[i]);
  }
  strbuf_puts(out, "\n");
  for (int i = 0; i < n_inputs; i++) {
    strbuf_puts(out, "\n");
    put_name(out, inputs[i]);
    strbuf_puts(out, ":\n");
  }
}

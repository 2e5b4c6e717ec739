/* irtool [options] FILE.ir: parses and verifies, prints the graph to stdout, and checks that what it printed
 * parses to an equal graph. For the file tests.
 *   -weights FILE   in place of the file that the model names
 *   -inline N       largest constant to print inline (default -1: all)
 *   -types          print every type
 *   -quiet          print nothing
 *   -ops            print the table of ops and nothing else
 *   -npz FILE       write the larger constants there, and name it as the weights file
 * Exit status: 0, 1 after a diagnostic, 2 for a wrong command line, 3 where the printed text does not read
 * back equal. */
#include "ir/text.h"
#include "tests/graph_equal.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *path, *weights, *npz;
  PrintOptions print;
  bool quiet, ops;
} Options;

static bool parse_options(int argc, char **argv, Options *o) {
  *o = (Options){.print.inline_limit = -1};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(argv[i], "-types")) {
      o->print.types = true;
    } else if (!strcmp(argv[i], "-quiet")) {
      o->quiet = true;
    } else if (!strcmp(argv[i], "-ops")) {
      o->ops = true;
    } else if (!strcmp(argv[i], "-weights") && value) {
      o->weights = argv[++i];
    } else if (!strcmp(argv[i], "-inline") && value) {
      o->print.inline_limit = atoll(argv[++i]);
    } else if (!strcmp(argv[i], "-npz") && value) {
      o->npz = o->print.weights_name = argv[++i];
    } else if (argv[i][0] != '-' && !o->path) {
      o->path = argv[i];
    } else {
      return false;
    }
  }
  return o->path || o->ops;
}

static bool write_file(const char *path, const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f) return false;
  bool ok = fwrite(bytes, 1, size, f) == size;
  return !fclose(f) && ok;
}

static int run(Arena *a, Diag *d, const Options *o) {
  if (o->ops) {
    StrBuf table;
    strbuf_init(&table, a);
    ir_print_ops(&table);
    fwrite(table.text, 1, table.len, stdout);
    return 0;
  }
  Source *source = source_read(d, a, o->path, (int64_t)1 << 30);
  Graph *g = source ? ir_parse(d, a, source, o->weights) : NULL;
  if (!g) return 1;
  StrBuf text;
  strbuf_init(&text, a);
  NpyArray *arrays;
  int n_arrays;
  ir_print(&text, g, &o->print, &arrays, &n_arrays);
  if (o->npz) {
    const void *bytes;
    size_t size;
    npz_write(a, arrays, n_arrays, &bytes, &size);
    if (!write_file(o->npz, bytes, size)) return 1;
  }
  if (!o->quiet) fwrite(text.text, 1, text.len, stdout);
  if (n_arrays && !o->npz) return 0; /* cannot be read back without them */
  Source *again = source_from_text(a, "printed.ir", text.text, text.len);
  Graph *h = ir_parse(d, a, again, NULL);
  const char *why = "it does not parse";
  if (h && graph_equal(a, g, h, &why)) return 0;
  fprintf(stderr, "irtool: the printed text does not read back equal: %s\n", why);
  return 3;
}

int main(int argc, char **argv) {
  Options o;
  if (!parse_options(argc, argv, &o)) {
    fputs("usage: irtool [-weights FILE] [-inline N] [-types] [-quiet] [-npz FILE] FILE.ir\n", stderr);
    return 2;
  }
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  int status = run(a, &d, &o);
  arena_free(a);
  return status;
}

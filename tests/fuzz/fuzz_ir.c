/* libFuzzer over the text IR: whatever parses must verify, print, and read back equal; and where it is small,
 * the interpreter must run it. Everything else must be refused by a diagnostic. See meson_options.txt. */
#include "ir/interp.h"
#include "ir/lex.h"
#include "ir/text.h"
#include "tests/graph_equal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* libFuzzer's own */

enum { SMALL = 1 << 12, MAX_WORK = 1 << 16 };

static bool is_small(const Graph *g) {
  int64_t work = 0;
  for (int i = 0; i < g->n_inputs; i++)
    if (shape_count(&g->inputs[i]->type.shape) > SMALL) return false;
  for (const Node *n = g->first; n; n = n->next) {
    for (int i = 0; i < n->n_results; i++) work += shape_count(&n->results[i]->type.shape);
    if (op_info[n->op]->macs) work += op_info[n->op]->macs(n);
    if (work > MAX_WORK) return false;
  }
  return true;
}

static void run(Arena *a, const Graph *g, const uint8_t *data, size_t size) {
  const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)g->n_inputs + 1);
  void **out = ARENA_NEW_ARRAY(a, void *, (size_t)g->n_outputs + 1);
  for (int i = 0; i < g->n_inputs; i++) {
    size_t bytes = (size_t)type_bytes(&g->inputs[i]->type);
    unsigned char *values = arena_alloc(a, bytes);
    for (size_t k = 0; k < bytes && size; k++)
      values[k] = g->inputs[i]->type.dtype == DT_BOOL ? data[k % size] & 1 : data[k % size];
    in[i] = values;
  }
  for (int i = 0; i < g->n_outputs; i++) out[i] = arena_alloc(a, (size_t)type_bytes(&g->outputs[i]->type));
  Executor *e = interp_new(a, g);
  e->run(e->self, in, out, NULL, NULL);
}

static Graph *parse(Arena *a, const char *text, size_t size, FILE *sink) {
  Diag d;
  diag_init(&d, a, sink);
  Graph *g = ir_parse(&d, a, source_from_text(a, "fuzz.ir", text, size), NULL);
  if (!g != (d.errors > 0)) abort(); /* refused without a word, or in spite of an error */
  return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  char *messages = NULL;
  size_t length = 0;
  FILE *sink = open_memstream(&messages, &length); /* messages are part of what is tested */
  Graph *g = parse(a, (const char *)data, size, sink);
  if (g) {
    StrBuf b;
    strbuf_init(&b, a);
    ir_print(&b, g, &(PrintOptions){.inline_limit = -1}, NULL, NULL);
    Graph *again = parse(a, b.text, b.len, stderr);
    const char *why = NULL;
    if (!again || !graph_equal(a, g, again, &why)) {
      fprintf(stderr, "%s\ndoes not read back equal: %s\n", b.text, why ? why : "refused");
      abort();
    }
    if (is_small(g)) run(a, g, data, size);
  }
  fclose(sink);
  free(messages);
  arena_free(a);
  return 0;
}

/* A token of the text, chosen at random: the `which`-th. */
static Token pick(const Source *s, unsigned which) {
  Lexer l = lexer_at_start(s);
  Token t = lexer_next(&l);
  for (unsigned i = 0; i < which && t.kind != TOK_END; i++) t = lexer_next(&l);
  return t;
}

/* Half of the time a token is replaced by another of the same text, or a copy of one is inserted: bytes
 * changed at random hardly ever get past the parser. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  if (seed % 2 || size < 8) return LLVMFuzzerMutate(data, size, max_size);
  Source s = {.path = "fuzz.ir", .text = (const char *)data, .len = size};
  unsigned count = 0;
  for (Lexer l = lexer_at_start(&s); lexer_next(&l).kind != TOK_END;) count++;
  if (!count) return LLVMFuzzerMutate(data, size, max_size);
  Token from = pick(&s, seed / 8 % count), to = pick(&s, seed / 8 / count * 2654435761u % count);
  size_t n = from.end - from.begin, gone = seed & 2 ? to.end - to.begin : 0;
  if (size - gone + n + 1 > max_size) return size;
  char copy[256] = {0};
  if (n >= sizeof copy) return size;
  memcpy(copy, data + from.begin, n);
  copy[n++] = ' ';
  memmove(data + to.begin + n, data + to.begin + gone, size - to.begin - gone);
  memcpy(data + to.begin, copy, n);
  return size - gone + n;
}

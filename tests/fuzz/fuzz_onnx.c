/* libFuzzer over ONNX files: whatever imports must run by the interpreter where it is small; everything else
 * must be refused by a diagnostic. Seeds: the models of the suites onnx_node and bad. See meson_options.txt.
 */
#include "compiler/onnx.h"
#include "ir/interp.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL = 1 << 12, MAX_WORK = 1 << 18 };

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

static void run(Arena *a, const Graph *g) {
  const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)g->n_inputs + 1);
  void **out = ARENA_NEW_ARRAY(a, void *, (size_t)g->n_outputs + 1);
  for (int i = 0; i < g->n_inputs; i++) in[i] = arena_alloc(a, (size_t)type_bytes(&g->inputs[i]->type));
  for (int i = 0; i < g->n_outputs; i++) out[i] = arena_alloc(a, (size_t)type_bytes(&g->outputs[i]->type));
  Executor *e = interp_new(a, g);
  e->run(e->self, in, out, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  char *messages = NULL;
  size_t length = 0;
  FILE *sink = open_memstream(&messages, &length); /* messages are part of what is tested */
  uint8_t *bytes = arena_memdup(a, data, size);
  Diag d;
  diag_init(&d, a, sink);
  Graph *g = onnx_import_bytes(&d, a, "fuzz.onnx", bytes, size, NULL);
  if (!g != (d.errors > 0)) abort(); /* refused without a word, or in spite of an error */
  if (g && graph_verify(&d, g) && is_small(g)) run(a, g);
  fclose(sink);
  for (const char *p = messages; *p; p++)
    if ((unsigned char)*p < 32 && *p != '\n') abort();
  free(messages);
  arena_free(a);
  return 0;
}

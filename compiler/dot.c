#include "compiler/dot.h"
#include "ir/ops/custom.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_NAME = 60, MAX_CHANNELS = 1 };

/* Inside a quoted dot string. Names are any bytes: what is not printable ASCII becomes an escape that shows.
 */
static void put_escaped(StrBuf *out, const char *s) {
  for (int i = 0; s[i] && i < MAX_NAME; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '"' || c == '\\') {
      strbuf_printf(out, "\\%c", c);
    } else if (c < 32 || c > 126) {
      strbuf_printf(out, "\\\\x%02x", c);
    } else {
      strbuf_put(out, s + i, 1);
    }
  }
  if (strlen(s) > MAX_NAME) strbuf_puts(out, "...");
}

/* "u8 [1, 16, 28, 28] \n scale 0.02, zero 3"; per-channel parameters by their number. */
static void put_type(StrBuf *out, const Type *t) {
  strbuf_printf(out, "%s %s", dtype_info[t->dtype].name, shape_text(out->arena, &t->shape));
  if (!t->quant) return;
  if (t->quant->count > MAX_CHANNELS) {
    strbuf_printf(out, "\\n%" PRId64 " scales on axis %d", t->quant->count, t->quant->axis);
    return;
  }
  char scale[32];
  float_text(scale, t->quant->scale[0]);
  strbuf_printf(out, "\\nscale %s, zero %d", scale, t->quant->zero[0]);
}

static void put_edge(StrBuf *out, const char *from, const char *to, const Tensor *t) {
  strbuf_printf(out, "  %s -> %s [label=\"", from, to);
  put_escaped(out, t->name);
  strbuf_puts(out, "\\n");
  put_type(out, &t->type);
  strbuf_puts(out, "\"];\n");
}

static void put_terminal(StrBuf *out, const char *kind, int i, const Tensor *t, const char *shape) {
  strbuf_printf(out, "  %s%d [shape=%s, label=\"%s ", kind, i, shape, kind);
  put_escaped(out, t->name);
  strbuf_puts(out, "\"];\n");
}

/* Constants are listed in their node's box: as nodes of their own they would bury the picture. */
static void put_node(StrBuf *out, int id, const Node *n) {
  strbuf_printf(out, "  n%d [label=\"%s", id, node_op_name(n));
  if (*n->name) {
    strbuf_puts(out, "\\n");
    put_escaped(out, n->name);
  }
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    if (!t || !tensor_is_const(t)) continue;
    strbuf_puts(out, "\\n");
    put_escaped(out, t->name);
    strbuf_puts(out, ": ");
    put_type(out, &t->type);
  }
  strbuf_puts(out, "\"];\n");
}

void dot_print(StrBuf *out, const Graph *g) {
  Arena *tmp = arena_new();
  StrMap *ids = strmap_new(tmp); /* tensor name -> the dot node it comes from */
  strbuf_puts(out, "digraph \"");
  put_escaped(out, g->name);
  strbuf_puts(
      out,
      "\" {\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n");
  for (int i = 0; i < g->n_inputs; i++) {
    put_terminal(out, "input", i, g->inputs[i], "ellipse");
    strmap_put(ids, g->inputs[i]->name, arena_printf(tmp, "input%d", i));
  }
  int id = 0;
  for (const Node *n = g->first; n; n = n->next, id++) {
    char *self = arena_printf(tmp, "n%d", id);
    put_node(out, id, n);
    for (int i = 0; i < n->n_operands; i++)
      if (n->operands[i] && !tensor_is_const(n->operands[i]))
        put_edge(out, strmap_get(ids, n->operands[i]->name), self, n->operands[i]);
    for (int i = 0; i < n->n_results; i++) strmap_put(ids, n->results[i]->name, self);
  }
  for (int i = 0; i < g->n_outputs; i++) {
    const Tensor *t = g->outputs[i];
    put_terminal(out, "output", i, t, "ellipse");
    if (!tensor_is_const(t)) put_edge(out, strmap_get(ids, t->name), arena_printf(tmp, "output%d", i), t);
  }
  strbuf_puts(out, "}\n");
  arena_free(tmp);
}

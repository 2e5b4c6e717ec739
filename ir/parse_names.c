/* Names in the text IR: who may define one, and what it stands for where it is used. */
#include "ir/parser.h"
#include "ir/suggest.h"

#include <string.h>

void parser_make_soft(Parser *p, Tensor *t) { strmap_put(p->soft, t->name, t); }

/* Gives a soft tensor another name, which is soft too. */
static void yield_name(Parser *p, Tensor *t) {
  strmap_put(p->soft, t->name, NULL);
  strmap_put(p->graph->tensors, t->name, NULL);
  do {
    t->name = arena_printf(p->arena, "t%d", ++p->graph->next_id);
  } while (graph_find(p->graph, t->name));
  strmap_put(p->graph->tensors, t->name, t);
  parser_make_soft(p, t);
}

static bool is_literal(const Parser *p, const Tensor *t) { return t->data && strmap_get(p->soft, t->name); }

/* The name that the token defines; NULL after an error where it is taken. */
const char *parser_claim(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *taken = graph_find(p->graph, name);
  if (taken && strmap_get(p->soft, name)) {
    yield_name(p, taken);
  } else if (taken) {
    int n;
    const char *text = parser_shown(p, t, &n);
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is defined twice", n, text);
    diag_note(p->diag, taken->loc, "first defined here");
    return NULL;
  }
  return name;
}

/* An erroneous tensor of that name. */
Tensor *parser_put_erroneous(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *old = graph_find(p->graph, name);
  if (old && is_literal(p, old)) {
    yield_name(p, old);
    old = NULL;
  }
  return old ? old : graph_tensor(p->graph, name, (Type){0}, parser_loc(p, t, t));
}

/* The place where a later line defines that name; false where none does. */
static bool find_later(const Parser *p, const char *name, SrcLoc *loc) {
  Lexer l = p->lexer;
  size_t len = strlen(name);
  for (Token t = lexer_next(&l); t.kind != TOK_END; t = lexer_next(&l)) {
    if (t.kind != TOK_VALUE || t.end - t.begin <= len || t.end - t.begin > 4 * len + 3) continue; /* \xHH */
    if (strcmp(token_text(p->arena, p->source, &t), name)) continue;
    Token next = lexer_next(&(Lexer){l.source, l.pos});
    *loc = parser_loc(p, t, t);
    if (next.kind == TOK_PUNCT && (next.punct == '=' || next.punct == ':')) return true;
  }
  return false;
}

static void offer_values(const Parser *p, Suggest *s) {
  const Graph *g = p->graph;
  for (int i = 0; i < g->n_inputs; i++) suggest_offer(s, g->inputs[i]->name);
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++)
      if (!strmap_get(p->soft, n->results[i]->name)) suggest_offer(s, n->results[i]->name);
}

static Tensor *undefined_value(Parser *p, Token t, const char *name) {
  int n;
  const char *text = parser_shown(p, t, &n);
  SrcLoc later;
  Suggest s = {.word = name};
  offer_values(p, &s);
  if (find_later(p, name, &later)) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is used before it is defined", n, text);
    diag_note(p->diag, later, "defined here");
  } else if (s.best) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not defined; did you mean '%%%.60s'?", n, text,
               s.best);
  } else {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not defined", n, text);
  }
  Tensor *e = parser_put_erroneous(p, t);
  parser_make_soft(p, e);
  return e;
}

/* An @name without a declaration: the array of that name, with the array's type; float16 is widened. */
static Tensor *weight_constant(Parser *p, Token t, const char *name) {
  int n;
  const char *text = parser_shown(p, t, &n);
  bool ok = true;
  const NpyArray *array = p->weights ? npz_get(p->weights, name, &ok) : NULL;
  if (array)
    return graph_constant(p->graph, name, (Type){.dtype = array->dtype, .shape = array->shape}, array->data,
                          parser_loc(p, t, t));
  if (p->weights && ok) {
    Suggest s = {.word = name};
    for (int i = 0; i < npz_count(p->weights); i++) suggest_offer(&s, npz_name(p->weights, i));
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is neither declared nor in '%.200s'%s%.60s%s", n, text,
               p->weights_path, s.best ? "; did you mean '@" : "", s.best ? s.best : "", s.best ? "'?" : "");
  } else if (!p->weights_given) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not declared, and no `weights` file is named before",
               n, text);
  }
  Tensor *e = parser_put_erroneous(p, t);
  parser_make_soft(p, e);
  return e;
}

/* The tensor that a %name or @name stands for; after an error an erroneous one. */
Tensor *parser_resolve(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *found = graph_find(p->graph, name);
  bool constant = t.kind == TOK_CONST;
  if (found && is_literal(p, found)) { /* an inline literal happens to have this name */
    yield_name(p, found);
    found = NULL;
  }
  if (!found) return constant ? weight_constant(p, t, name) : undefined_value(p, t, name);
  if (found->type.dtype != DT_NONE && constant != tensor_is_const(found)) {
    int n;
    const char *text = parser_shown(p, t, &n);
    diag_error(p->diag, parser_loc(p, t, t),
               constant ? "'%.*s' is no constant: write %%%.60s" : "'%.*s' is a constant: write @%.60s", n,
               text, name);
    diag_note(p->diag, found->loc, "defined here");
  }
  return found;
}

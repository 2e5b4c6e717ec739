#include "compiler/custom_annotation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/c_text.h"
#include "ir/quant.h"

enum { MAX_OPS = 64 };

static const char mark[] = "// qcc:";

typedef enum { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_ARROW, TOKEN_DOTS, TOKEN_OTHER } TokenKind;

typedef struct {
  TokenKind kind;
  uint32_t begin, end;
} Token;

typedef struct {
  Diag *diag;
  Arena *arena;
  const Source *source;
  Token tok;
  CustomAnnotation *all;
  int n;
  CustomAnnotation *now;
} Parser;

/* ---- tokens ---- */

static const char *text_at(const Parser *p, uint32_t at) { return p->source->text + at; }

/* The next line of the annotation, or the same place: it ends there. */
static const char *next_line(const char *at) {
  const char *p = at + strspn(at, "\r\n");
  if (p == at) return at;
  p += strspn(p, " \t");
  return strncmp(p, mark, sizeof mark - 1) ? at : p + sizeof mark - 1;
}

static const char *skip_blanks(const char *at) {
  for (;;) {
    at += strspn(at, " \t");
    const char *next = next_line(at);
    if (next == at) return at;
    at = next;
  }
}

static size_t number_length(const char *p) {
  char *end;
  if (*p == '.' || *p < '0' || *p > '9') return 0;
  strtod(p, &end);
  return (size_t)(end - p);
}

static void advance(Parser *p) {
  const char *at = skip_blanks(text_at(p, p->tok.end));
  size_t word = c_word(at), number = number_length(at);
  TokenKind kind = TOKEN_OTHER;
  size_t n = 1;
  if (!*at || *at == '\n' || *at == '\r') {
    kind = TOKEN_END;
    n = 0;
  } else if (word || number) {
    kind = word ? TOKEN_WORD : TOKEN_NUMBER;
    n = word ? word : number;
  } else if (!strncmp(at, "->", 2)) {
    kind = TOKEN_ARROW;
    n = 2;
  } else if (!strncmp(at, "...", 3)) {
    kind = TOKEN_DOTS;
    n = 3;
  }
  uint32_t begin = (uint32_t)(at - p->source->text);
  p->tok = (Token){kind, begin, begin + (uint32_t)n};
}

static SrcLoc here(const Parser *p) { return (SrcLoc){p->source, p->tok.begin, p->tok.end, NULL}; }

static char *token_string(const Parser *p) {
  return arena_strndup(p->arena, text_at(p, p->tok.begin), p->tok.end - p->tok.begin);
}

static bool at(const Parser *p, char c) {
  return p->tok.kind == TOKEN_OTHER && *text_at(p, p->tok.begin) == c;
}

static bool at_word(const Parser *p, const char *word) {
  return p->tok.kind == TOKEN_WORD && strlen(word) == p->tok.end - p->tok.begin &&
         !strncmp(text_at(p, p->tok.begin), word, strlen(word));
}

static bool expected(Parser *p, const char *what) {
  if (p->tok.kind == TOKEN_END)
    return diag_error(p->diag, here(p), "expected %s; the annotation ends here", what);
  return diag_error(p->diag, here(p), "expected %s, found '%s'", what, token_string(p));
}

static bool expect(Parser *p, char c, const char *what) {
  if (!at(p, c)) return expected(p, what);
  advance(p);
  return true;
}

static bool take_word(Parser *p, const char *what, const char **out) {
  if (p->tok.kind != TOKEN_WORD) return expected(p, what);
  *out = token_string(p);
  advance(p);
  return true;
}

/* A number, with its sign. */
static bool take_number(Parser *p, double *out, bool *whole) {
  bool minus = at(p, '-');
  if (minus) advance(p);
  if (p->tok.kind != TOKEN_NUMBER) return expected(p, "a number");
  const char *text = token_string(p);
  *out = strtod(text, NULL) * (minus ? -1 : 1);
  *whole = !strpbrk(text, ".eExX") && fabs(*out) <= 0x1p53;
  advance(p);
  return true;
}

/* ---- dims ---- */

static bool parse_sum(Parser *p, const CustomDim **out);

static bool find_symbol(Parser *p, const char *name, int *out) {
  CustomOp *op = p->now->op;
  for (int i = 0; i < op->n_symbols; i++)
    if (!strcmp(op->symbols[i].name, name)) return *out = i, true;
  if (op->n_symbols == CUSTOM_MAX_SYMBOLS)
    return diag_error(p->diag, here(p), "more than %d names of dimensions", CUSTOM_MAX_SYMBOLS);
  op->symbols[op->n_symbols] = (CustomSymbol){name, -1};
  *out = op->n_symbols++;
  return true;
}

static bool parse_factor(Parser *p, const CustomDim **out) {
  CustomDim *d = ARENA_NEW(p->arena, CustomDim);
  *out = d;
  if (at(p, '(')) {
    advance(p);
    return parse_sum(p, out) && expect(p, ')', "')'");
  }
  if (p->tok.kind == TOKEN_WORD) {
    d->kind = 'x';
    bool ok = find_symbol(p, token_string(p), &d->symbol);
    advance(p);
    return ok;
  }
  double v;
  bool whole;
  SrcLoc loc = here(p);
  if (p->tok.kind != TOKEN_NUMBER) return expected(p, "a dimension: a number or a name");
  if (!take_number(p, &v, &whole)) return false;
  if (!whole || v > (double)MAX_DIM) return diag_error(p->diag, loc, "a dimension is a whole number");
  *d = (CustomDim){.kind = 'n', .number = (int64_t)v};
  return true;
}

/* Operands with one of two operators between, from the left. */
static bool parse_chain(Parser *p, const CustomDim **out, char op1, char op2,
                        bool (*operand)(Parser *p, const CustomDim **out)) {
  if (!operand(p, out)) return false;
  while (at(p, op1) || at(p, op2)) {
    CustomDim *d = ARENA_NEW(p->arena, CustomDim);
    *d = (CustomDim){.kind = *text_at(p, p->tok.begin), .left = *out};
    advance(p);
    if (!operand(p, &d->right)) return false;
    *out = d;
  }
  return true;
}

static bool parse_product(Parser *p, const CustomDim **out) {
  return parse_chain(p, out, '*', '/', parse_factor);
}
static bool parse_sum(Parser *p, const CustomDim **out) {
  return parse_chain(p, out, '+', '-', parse_product);
}

static bool parse_dims(Parser *p, CustomTensor *t) {
  if (!expect(p, '[', "'[' and the dimensions")) return false;
  if (p->tok.kind == TOKEN_DOTS) {
    t->any_shape = true;
    advance(p);
    return expect(p, ']', "']': ... stands alone");
  }
  while (!at(p, ']')) {
    if (t->rank && !expect(p, ',', "',' or ']'")) return false;
    if (t->rank == MAX_RANK) return diag_error(p->diag, here(p), "more than %d dimensions", MAX_RANK);
    if (!parse_sum(p, &t->dim[t->rank])) return false;
    t->rank++;
  }
  advance(p);
  return true;
}

/* ---- tensors ---- */

static bool take_named(Parser *p, const char *name, const char *what) {
  if (!at_word(p, name)) return expected(p, what);
  advance(p);
  return true;
}

/* <scale, zero> or <scale=0.5, zero=3>, behind the bracket. */
static bool parse_quant(Parser *p, CustomTensor *t) {
  double scale = 1, zero = 0;
  bool whole = true;
  SrcLoc loc = here(p);
  if (!take_named(p, "scale", "scale")) return false;
  t->kind = at(p, '=') ? CUSTOM_FIXED : CUSTOM_ANY;
  if (t->kind == CUSTOM_FIXED) advance(p);
  if (t->kind == CUSTOM_FIXED && !take_number(p, &scale, &whole)) return false;
  if (!expect(p, ',', "',' and zero") || !take_named(p, "zero", "zero")) return false;
  if (t->kind == CUSTOM_FIXED &&
      (!expect(p, '=', "'=': the scale has a number, too") || !take_number(p, &zero, &whole)))
    return false;
  if (!scale_is_valid((float)scale))
    return diag_error(p->diag, loc, "a scale is positive, finite and normal");
  if (!whole || zero < (double)dtype_info[t->dtype].min || zero > (double)dtype_info[t->dtype].max)
    return diag_error(p->diag, loc, "a zero point is a whole number in the range of %s",
                      dtype_info[t->dtype].name);
  if (t->kind == CUSTOM_FIXED) t->quant = quant_per_tensor(p->arena, (float)scale, (int32_t)zero);
  return expect(p, '>', "'>'");
}

static bool name_is_taken(const CustomOp *op, const char *name) {
  for (int i = 0; i < op->n_operands; i++)
    if (!strcmp(op->operands[i].name, name)) return true;
  return false;
}

static bool parse_tensor(Parser *p, CustomTensor *t) {
  SrcLoc loc = here(p);
  if (!take_word(p, "a tensor's name", &t->name)) return false;
  if (name_is_taken(p->now->op, t->name)) return diag_error(p->diag, loc, "'%s' is there twice", t->name);
  if (!expect(p, ':', "':' and the type")) return false;
  SrcLoc type_loc = here(p);
  const char *type = "";
  if (!take_word(p, "a type: f32, s8, u8, s32", &type)) return false;
  t->dtype = dtype_from_name(type, strlen(type));
  if (t->dtype != DT_F32 && t->dtype != DT_S8 && t->dtype != DT_U8 && t->dtype != DT_S32)
    return diag_error(p->diag, type_loc, "'%s' is no type of a custom operator: f32, s8, u8, s32", type);
  if (at(p, '<')) {
    if (t->dtype != DT_S8 && t->dtype != DT_U8)
      return diag_error(p->diag, here(p), "%s cannot be quantized here: s8 and u8 can", type);
    advance(p);
    if (!parse_quant(p, t)) return false;
  }
  if (!parse_dims(p, t)) return false;
  t->loc = loc;
  t->loc.end = p->tok.begin;
  while (t->loc.end > t->loc.begin && *text_at(p, t->loc.end - 1) != ']') t->loc.end--;
  return true;
}

static bool parse_operands(Parser *p) {
  CustomOp *op = p->now->op;
  if (!expect(p, '(', "'(' and the operands")) return false;
  while (!at(p, ')')) {
    if (op->n_operands && !expect(p, ',', "',' or ')'")) return false;
    if (op->n_operands == CUSTOM_MAX_OPERANDS)
      return diag_error(p->diag, here(p), "more than %d operands", CUSTOM_MAX_OPERANDS);
    CustomTensor t = {0};
    if (!parse_tensor(p, &t)) return false;
    op->operands[op->n_operands++] = t;
  }
  if (!op->n_operands) return diag_error(p->diag, here(p), "'%s' has no operand", op->name);
  advance(p);
  return true;
}

/* ---- attributes ---- */

static bool attr_is_new(Parser *p, const char *name, SrcLoc loc) {
  const CustomOp *op = p->now->op;
  for (int i = 0; i < p->now->n_attrs; i++)
    if (!strcmp(op->attrs[i].name, name)) return diag_error(p->diag, loc, "'%s' is there twice", name);
  return (!name_is_taken(op, name) && strcmp(op->result.name, name)) ||
         diag_error(p->diag, loc, "'%s' is a tensor's name", name);
}

static bool parse_attr(Parser *p) {
  CustomOp *op = p->now->op;
  SrcLoc loc = here(p);
  const char *name = "";
  double v;
  bool whole;
  int i = p->now->n_attrs;
  if (!take_word(p, "an attribute's name", &name) || !attr_is_new(p, name, loc) ||
      !expect(p, '=', "'=' and the attribute's default") || !take_number(p, &v, &whole))
    return false;
  if (i == CUSTOM_MAX_ATTRS) return diag_error(p->diag, loc, "more than %d attributes", CUSTOM_MAX_ATTRS);
  op->attrs[i].name = name;
  op->defaults->value[i] = (CustomValue){whole ? (int64_t)v : 0, (float)v};
  p->now->attrs[i] = (CustomAttrSource){loc, whole};
  p->now->n_attrs++;
  return true;
}

/* attr NAME = NUMBER, ... */
static bool parse_attrs(Parser *p) {
  while (at_word(p, "attr")) {
    do {
      advance(p);
      if (!parse_attr(p)) return false;
    } while (at(p, ','));
  }
  return true;
}

/* ---- the whole ---- */

static bool is_bare(const CustomTensor *t, int symbol) {
  for (int i = 0; i < t->rank; i++)
    if (t->dim[i]->kind == 'x' && t->dim[i]->symbol == symbol) return true;
  return false;
}

/* Each name of a dim is an attribute's, or a dim of an operand by itself. */
static bool settle_symbols(Parser *p) {
  CustomOp *op = p->now->op;
  bool ok = true, any = false;
  for (int i = 0; i < op->n_symbols; i++) {
    bool bound = false;
    for (int k = 0; k < p->now->n_attrs; k++)
      if (!strcmp(op->attrs[k].name, op->symbols[i].name)) op->symbols[i].attr = k;
    for (int k = 0; k < op->n_operands; k++) bound |= is_bare(&op->operands[k], i);
    if (op->symbols[i].attr < 0 && !bound)
      ok = diag_error(p->diag, op->loc,
                      "'%s' has no value: it is no attribute, and no operand has it as a dimension",
                      op->symbols[i].name);
  }
  for (int k = 0; k < op->n_operands; k++) any |= op->operands[k].any_shape;
  if (op->result.any_shape && !any)
    ok = diag_error(p->diag, op->result.loc, "the result has the shape [...], but no operand has");
  return ok;
}

static bool parse_op(Parser *p) {
  CustomOp *op = ARENA_NEW(p->arena, CustomOp);
  p->now = &p->all[p->n];
  p->now->op = op;
  op->defaults = ARENA_NEW(p->arena, CustomAttrs);
  op->defaults->op = op;
  if (!at_word(p, "op")) return expected(p, "op NAME(...)");
  if (p->n == MAX_OPS)
    return diag_error(p->diag, here(p), "more than %d custom operators in a file", MAX_OPS);
  advance(p);
  op->loc = here(p);
  if (!take_word(p, "the operator's name", &op->name)) return false;
  op->title = arena_printf(p->arena, CUSTOM_PREFIX "%s", op->name);
  for (int i = 0; i < p->n; i++)
    if (!strcmp(p->all[i].op->name, op->name))
      return diag_error(p->diag, op->loc, "'%s' is there twice", op->name);
  if (!parse_operands(p)) return false;
  if (p->tok.kind != TOKEN_ARROW) return expected(p, "'->' and the result");
  advance(p);
  if (!parse_tensor(p, &op->result) || !parse_attrs(p) || !settle_symbols(p)) return false;
  p->n++;
  return true;
}

/* Adjacent lines. */
static bool parse_group(Parser *p) {
  advance(p);
  do {
    if (!parse_op(p)) return false;
  } while (p->tok.kind != TOKEN_END);
  return true;
}

/* A line whose first word is the mark. */
static const char *find_group(const char *text) {
  for (const char *p = text; *p; p += *p == '\n') {
    const char *word = p + strspn(p, " \t");
    if (!strncmp(word, mark, sizeof mark - 1)) return word + sizeof mark - 1;
    p += strcspn(p, "\n");
  }
  return NULL;
}

CustomAnnotation *custom_annotations(Diag *d, Arena *a, const Source *s, int *n) {
  Parser p = {.diag = d, .arena = a, .source = s};
  p.all = ARENA_NEW_ARRAY(a, CustomAnnotation, (size_t)MAX_OPS + 1);
  const char *at = s->text;
  while ((at = find_group(at))) {
    p.tok.end = (uint32_t)(at - s->text);
    if (!parse_group(&p)) return NULL;
    at = text_at(&p, p.tok.end);
  }
  *n = p.n;
  if (p.n) return p.all;
  diag_error(d, (SrcLoc){.source = &(Source){.path = s->path}},
             "has no custom operator: no line begins with // qcc: op NAME(...)");
  return NULL;
}

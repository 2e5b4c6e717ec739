#include "codegen/cpu.h"
#include "codegen/vir.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/diag.h"

enum {
  LINE = 110,        /* columns */
  SMALL_BYTES = 64,  /* byte arrays up to this size are lists of numbers */
  MAX_LITERAL = 4095 /* what C99 promises to accept in one string literal */
};

static void spaces(StrBuf *out, int n) { strbuf_printf(out, "%*s", n, ""); }

/* A comment's text as one that no byte of it can end: names in it may come from models. */
static void put_comment_text(StrBuf *out, const char *text, size_t n) {
  char before = 0;
  for (size_t i = 0; i < n; i++) {
    char c = text[i];
    if (c < 0x20 || c > 0x7e) c = '?';
    bool ends_or_opens = (before == '*' && c == '/') || (before == '/' && c == '*');
    bool trigraph = before == '?' && c == '?';
    if (ends_or_opens || trigraph) strbuf_puts(out, " ");
    strbuf_put(out, &c, 1);
    before = c;
  }
}

void vir_print_comment(StrBuf *out, int indent, const char *text) {
  size_t width = (size_t)(LINE - indent - 6); /* between the opening and the closing mark */
  spaces(out, indent);
  strbuf_puts(out, "/* ");
  for (;;) {
    size_t n = strcspn(text, "\n"), shown = n;
    if (n > width) {
      for (shown = width; shown && text[shown] != ' '; shown--) continue;
      if (!shown) shown = n; /* one long word */
    }
    put_comment_text(out, text, shown);
    text += shown;
    if (!*text) break;
    text++;
    strbuf_puts(out, "\n");
    spaces(out, indent);
    strbuf_puts(out, " * ");
  }
  strbuf_puts(out, " */\n");
}

static const char *elem_name(const VirBase *b) { return b->elem16 ? "int16_t" : dtype_info[b->elem].c_name; }

static void put_int(StrBuf *out, int64_t n) {
  if (n == INT32_MIN)
    strbuf_puts(out, "(-2147483647 - 1)"); /* 2147483648 alone is no int */
  else
    strbuf_printf(out, "%lld", (long long)n);
}

void vir_print_float(StrBuf *out, float v) {
  char text[32];
  if (isnan(v)) { /* C99 has no literals for these */
    strbuf_puts(out, "(0.0f / 0.0f)");
    return;
  }
  if (isinf(v)) {
    strbuf_puts(out, v < 0 ? "(-1.0f / 0.0f)" : "(1.0f / 0.0f)");
    return;
  }
  float_text(text, v);
  strbuf_puts(out, text);
  strbuf_puts(out, strpbrk(text, ".e") ? "f" : ".0f");
}

/* One array element. */
static void put_element(StrBuf *out, const VirBase *b, int64_t i) {
  if (b->elem16)
    put_int(out, ((const int16_t *)b->data)[i]);
  else if (b->elem == DT_S8)
    put_int(out, ((const int8_t *)b->data)[i]);
  else if (b->elem == DT_U8)
    put_int(out, ((const uint8_t *)b->data)[i]);
  else if (b->elem == DT_F16)
    put_int(out, ((const uint16_t *)b->data)[i]);
  else if (b->elem == DT_S32)
    put_int(out, ((const int32_t *)b->data)[i]);
  else
    vir_print_float(out, ((const float *)b->data)[i]);
}

static void put_list(StrBuf *out, const VirBase *b) {
  strbuf_puts(out, "{\n");
  StrBuf element;
  strbuf_init(&element, out->arena);
  size_t column = 0;
  for (int64_t i = 0; i < b->count; i++) {
    element.len = 0;
    put_element(&element, b, i);
    if (column && column + element.len + 2 > LINE) {
      strbuf_puts(out, "\n");
      column = 0;
    }
    strbuf_puts(out, column ? " " : "    ");
    strbuf_put(out, element.text, element.len);
    strbuf_puts(out, ",");
    column += (column ? 2 : 5) + element.len;
  }
  strbuf_puts(out, "\n};\n");
}

/* A byte of a string literal; returns how many characters it takes. An octal escape takes up to three digits,
 * so a shorter one must not stand before a digit; ?? could begin a trigraph. */
static size_t escape(char *out, uint8_t c, bool next_is_digit) {
  if (c == '"' || c == '\\') {
    out[0] = '\\';
    out[1] = (char)c;
    return 2;
  }
  if (c >= 0x20 && c <= 0x7e && c != '?') {
    out[0] = (char)c;
    return 1;
  }
  size_t digits = next_is_digit || c > 077 ? 3 : c > 7 ? 2 : 1;
  out[0] = '\\';
  for (size_t i = digits; i; i--, c >>= 3) out[i] = (char)('0' + (c & 7));
  return 1 + digits;
}

/* Line by line, and without printf: there may be a hundred megabytes of it. */
static void put_string(StrBuf *out, const uint8_t *data, int64_t n) {
  char line[LINE];
  for (int64_t i = 0; i < n;) {
    size_t column = 5;
    memcpy(line, "    \"", column);
    for (; i < n && column + 6 <= LINE; i++) /* an escape, a quote, a semicolon */
      column += escape(line + column, data[i], i + 1 < n && data[i + 1] >= '0' && data[i + 1] <= '9');
    line[column++] = '"';
    strbuf_put(out, line, column);
    strbuf_puts(out, i < n ? "\n" : ";\n");
  }
}

/* It stands in the file of weights. */
static void print_apart(StrBuf *out, const VirModule *m, const VirBase *b, int64_t offset) {
  strbuf_printf(out, "static const %s *const %s = (const %s *)(const void *)(%s + %lld);\n", elem_name(b),
                b->name, elem_name(b), m->blob_name, (long long)offset);
}

static void print_constant(StrBuf *out, const VirModule *m, const VirBase *b) {
  if (b->comment) vir_print_comment(out, 0, b->comment);
  int64_t apart = m->apart ? (int64_t)(intptr_t)strmap_get(m->apart, b->name) : 0;
  if (apart) {
    print_apart(out, m, b, apart - 1);
    return;
  }
  bool bytes = !b->elem16 && dtype_info[b->elem].bytes == 1;
  strbuf_printf(out, "static const %s %s[", elem_name(b), b->name);
  if (bytes && b->count > SMALL_BYTES) {
    /* No size: room for the literal's NUL, whose cutting off newer compilers warn about. */
    strbuf_puts(out, "] v_aligned =\n");
    put_string(out, b->data, b->count);
  } else {
    strbuf_printf(out, "%lld] v_aligned = ", (long long)b->count);
    put_list(out, b);
  }
}

void vir_print_group(StrBuf *out, const VirModule *m, unsigned set) {
  bool long_literal = false;
  for (int i = 0; i < m->n_constants; i++) {
    const VirBase *b = m->constants[i];
    if (arch_set(b->groups) == set && !(m->apart && strmap_get(m->apart, b->name)))
      long_literal |= !b->elem16 && dtype_info[b->elem].bytes == 1 && b->count > MAX_LITERAL;
  }
  if (long_literal)
    strbuf_puts(out, "#if defined(__GNUC__)\n#pragma GCC diagnostic push\n"
                     "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n#endif\n\n");
  for (int i = 0; i < m->n_constants; i++) {
    if (arch_set(m->constants[i]->groups) != set) continue;
    print_constant(out, m, m->constants[i]);
    strbuf_puts(out, "\n");
  }
  if (long_literal) strbuf_puts(out, "#if defined(__GNUC__)\n#pragma GCC diagnostic pop\n#endif\n\n");
}

void vir_print_constants(StrBuf *out, const VirModule *m) { vir_print_group(out, m, arch_set(m->group)); }

static void put_sum(StrBuf *out, const VirAddr *a, bool *first) {
  for (int i = 0; i < a->n_terms; i++) {
    int64_t coef = a->term[i].coef;
    if (coef == 0) continue;
    strbuf_puts(out, *first ? (coef < 0 ? "-" : "") : coef < 0 ? " - " : " + ");
    *first = false;
    strbuf_puts(out, a->term[i].var->name);
    if (coef != 1 && coef != -1) strbuf_printf(out, " * %lld", (long long)(coef < 0 ? -coef : coef));
  }
  if (!a->offset) return;
  int64_t n = a->offset;
  strbuf_puts(out, *first ? (n < 0 ? "-" : "") : n < 0 ? " - " : " + ");
  *first = false;
  strbuf_printf(out, "%lld", (long long)(n < 0 ? -n : n));
}

/* `x + oy * 480 + 16`. Where something is subtracted the sum stands in parentheses: a step on the way must
 * not leave the array either. */
static void put_addr(StrBuf *out, const VirAddr *a) {
  bool subtracts = a->offset < 0;
  for (int i = 0; i < a->n_terms; i++) subtracts |= a->term[i].coef < 0;
  bool parentheses = subtracts && a->n_terms, first = parentheses;
  strbuf_puts(out, a->base->name);
  if (parentheses) strbuf_puts(out, " + (");
  put_sum(out, a, &first);
  if (parentheses) strbuf_puts(out, ")");
}

/* `table[oy + 1]` */
static void put_element_at(StrBuf *out, const VirAddr *a) {
  bool first = true;
  strbuf_printf(out, "%s[", a->base->name);
  put_sum(out, a, &first);
  strbuf_puts(out, first ? "0]" : "]");
}

static void put_arg(StrBuf *out, const VirArg *arg) {
  if (arg->kind == 'r' || arg->kind == 'w')
    put_addr(out, &arg->addr);
  else if (arg->kind == 'n')
    put_int(out, arg->n);
  else if (arg->kind == 'm')
    vir_print_float(out, arg->m);
  else
    strbuf_puts(out, arg->var->name);
}

static const char *type_name(VirType t) {
  switch (t) {
  case VIR_VEC_S32:
    return "v_s32";
  case VIR_VEC_F32:
    return "v_f32";
  case VIR_VEC_Q:
    return "v_q";
  case VIR_VEC_P:
    return "v_p";
  case VIR_INT:
    return "int32_t";
  case VIR_FLOAT:
    return "float";
  case VIR_INDEX:
    return "int";
  case VIR_VOID:
    return "void";
  }
  return "void";
}

/* What printing a body needs. */
typedef struct {
  StrBuf *out, *line;
  const StrMap *renamed;
  int parts; /* of the function */
} Printer;

/* `text` at an indentation; a line that is too long continues behind a comma. */
static void put_line(StrBuf *out, int indent, const char *text) {
  int width = LINE - indent;
  spaces(out, indent);
  while ((int)strlen(text) > width) {
    int cut = width;
    while (cut > 0 && !(text[cut] == ' ' && text[cut - 1] == ',')) cut--;
    if (cut == 0) break;
    strbuf_put(out, text, (size_t)cut);
    strbuf_puts(out, "\n");
    spaces(out, indent + 4);
    width = LINE - indent - 4;
    text += cut + 1;
  }
  strbuf_puts(out, text);
  strbuf_puts(out, "\n");
}

/* As it is called in the file. */
static const char *renamed(const Printer *p, const char *name) {
  const char *other = p->renamed ? strmap_get(p->renamed, name) : NULL;
  return other ? other : name;
}

static void print_op(const Printer *p, const VirStmt *s, int indent) {
  char op[40];
  StrBuf *line = p->line;
  line->len = 0;
  if (s->dst && s->declares)
    strbuf_printf(line, "%s%s %s = ", s->dst->reassigned ? "" : "const ", renamed(p, type_name(s->dst->type)),
                  s->dst->name);
  else if (s->dst)
    strbuf_printf(line, "%s = ", s->dst->name);
  snprintf(op, sizeof op, "v_%s", vir_op_info[s->op].name);
  strbuf_printf(line, "%s(", renamed(p, op));
  for (int i = 0; i < s->n_args; i++) {
    if (i) strbuf_puts(line, ", ");
    put_arg(line, &s->args[i]);
  }
  strbuf_puts(line, ");");
  put_line(p->out, indent, line->text);
}

static void print_call(const Printer *p, const VirStmt *s, int indent) {
  StrBuf *line = p->line;
  line->len = 0;
  strbuf_printf(line, "%s(", s->callee->name);
  for (int i = 0; i < s->n_args; i++) {
    if (i) strbuf_puts(line, ", ");
    put_addr(line, &s->call_args[i]);
  }
  strbuf_puts(line, ");");
  put_line(p->out, indent, line->text);
}

static void print_extern(const Printer *p, const VirStmt *s, int indent) {
  StrBuf *line = p->line;
  line->len = 0;
  strbuf_printf(line, "%s(", s->external->name);
  for (int i = 0; i < s->n_args; i++) {
    if (i) strbuf_puts(line, ", ");
    put_arg(line, &s->extern_args[i]);
  }
  strbuf_puts(line, ");");
  put_line(p->out, indent, line->text);
}

static void put_bound(StrBuf *out, const VirVar *var, int64_t constant) {
  if (var) {
    strbuf_puts(out, var->name);
  } else {
    strbuf_printf(out, "%lld", (long long)constant);
  }
}

/* Where the iterations of a part begin, or end. */
static void put_part_bound(StrBuf *out, const VirStmt *s, int parts, const char *part) {
  if (s->begin) strbuf_printf(out, "%lld + ", (long long)s->begin);
  if (s->shared == parts)
    strbuf_puts(out, part);
  else
    strbuf_printf(out, "%lld * %s / %d", (long long)s->shared, part, parts);
  if (s->step != 1) strbuf_printf(out, " * %lld", (long long)s->step);
}

static void print_loop_head(StrBuf *out, const VirStmt *s, int parts, int indent) {
  const char *v = s->var->name;
  spaces(out, indent);
  strbuf_printf(out, "for (int %s = ", v);
  if (s->shared) {
    put_part_bound(out, s, parts, "part_begin");
    strbuf_printf(out, "; %s < ", v);
    put_part_bound(out, s, parts, "part_end");
  } else {
    put_bound(out, s->begin_var, s->begin);
    strbuf_printf(out, "; %s < ", v);
    put_bound(out, s->end_var, s->end);
  }
  strbuf_printf(out, s->step == 1 ? "; %s++) {\n" : "; %s += %lld) {\n", v, (long long)s->step);
}

static void print_body(const Printer *p, const VirStmt *s, int indent);

/* What stands in braces, whose first one is there. */
static void print_block(const Printer *p, const VirStmt *s, int indent) {
  print_body(p, s->body, indent + 2);
  spaces(p->out, indent);
  strbuf_puts(p->out, "}\n");
}

static void print_stmt(const Printer *p, const VirStmt *s, int indent) {
  StrBuf *out = p->out;
  switch (s->kind) {
  case VIR_STMT_OP:
    print_op(p, s, indent);
    break;
  case VIR_STMT_CALL:
    print_call(p, s, indent);
    break;
  case VIR_STMT_EXTERN:
    print_extern(p, s, indent);
    break;
  case VIR_STMT_COMMENT:
    vir_print_comment(out, indent, s->text);
    break;
  case VIR_STMT_LOCAL:
    spaces(out, indent);
    strbuf_printf(out, "%s %s[%lld];\n", elem_name(s->local), s->local->name, (long long)s->local->count);
    break;
  case VIR_STMT_SCOPE:
    if (s->text) vir_print_comment(out, indent, s->text);
    spaces(out, indent);
    strbuf_puts(out, "{\n");
    print_block(p, s, indent);
    break;
  case VIR_STMT_OPAQUE:
    spaces(out, indent);
    strbuf_printf(out, "v_opaque(%s);\n", s->args[0].addr.base->name);
    break;
  case VIR_STMT_FENCE:
    spaces(out, indent);
    strbuf_puts(out, "v_fence();\n");
    break;
  case VIR_STMT_INDEX:
    spaces(out, indent);
    strbuf_printf(out, "const int %s = ", s->var->name);
    put_element_at(out, &s->args[0].addr);
    strbuf_puts(out, ";\n");
    break;
  case VIR_STMT_LOOP:
    print_loop_head(out, s, p->parts, indent);
    print_block(p, s, indent);
    break;
  }
}

static void print_body(const Printer *p, const VirStmt *s, int indent) {
  for (; s; s = s->next) {
    if (s->first_part) {
      spaces(p->out, indent);
      strbuf_puts(p->out, "if (part_begin == 0)\n");
    }
    print_stmt(p, s, s->first_part ? indent + 2 : indent);
  }
}

static const VirBase *base_of_arg(const VirStmt *s, int i) {
  if (s->kind == VIR_STMT_CALL) return s->call_args[i].base;
  return (s->kind == VIR_STMT_EXTERN ? s->extern_args[i] : s->args[i]).addr.base;
}

static bool uses(const VirStmt *s, const VirBase *base) {
  for (; s; s = s->next) {
    for (int i = 0; i < s->n_args; i++)
      if (base_of_arg(s, i) == base) return true;
    if ((s->kind == VIR_STMT_LOOP || s->kind == VIR_STMT_SCOPE) && uses(s->body, base)) return true;
  }
  return false;
}

static void print_function(StrBuf *out, const VirModule *m, const VirFunc *f, const char *attribute) {
  if (f->comment) vir_print_comment(out, 0, f->comment);
  if (*attribute) strbuf_printf(out, "%s\n", attribute);
  StrBuf line;
  strbuf_init(&line, out->arena);
  strbuf_printf(&line, "static %svoid %s(", f->is_inline ? "inline " : "", f->name);
  for (int i = 0; i < f->n_params; i++) {
    const VirBase *p = f->params[i];
    strbuf_printf(&line, "%s%s%s *%s%s", i ? ", " : "", p->writable ? "" : "const ", elem_name(p),
                  p->aliased ? "" : "restrict ", p->name);
  }
  if (f->parts)
    strbuf_puts(&line, f->n_params ? ", int part_begin, int part_end" : "int part_begin, int part_end");
  strbuf_puts(&line, f->n_params || f->parts ? ") {" : "void) {");
  put_line(out, 0, line.text);
  for (int i = 0; i < f->n_params; i++)
    if (!uses(f->body, f->params[i])) strbuf_printf(out, "  (void)%s;\n", f->params[i]->name);
  print_body(&(Printer){out, &line, m->renamed, f->parts}, f->body, 2);
  strbuf_puts(out, "}\n");
}

void vir_print_functions(StrBuf *out, const VirModule *m, const char *function_attribute) {
  for (const VirFunc *f = m->funcs; f; f = f->next) {
    print_function(out, m, f, function_attribute);
    strbuf_puts(out, "\n");
  }
}

#include "compiler/custom.h"

#include <string.h>

#include "compiler/cfront.h"
#include "compiler/custom_annotation.h"
#include "compiler/promises.h"

#define MAX_C ((int64_t)16 << 20)

/* An operator whose prototype is being compared with its annotation. */
typedef struct {
  Diag *diag;
  Arena *arena;
  CustomAnnotation *note;
  CustomOp *op;
  const CPrototype *proto;
} Match;

/* Both places. */
static bool differ(const Match *m, SrcLoc proto, SrcLoc note, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool differ(const Match *m, SrcLoc proto, SrcLoc note, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  diag_error(m->diag, proto, "%s", arena_vprintf(m->arena, fmt, ap));
  va_end(ap);
  diag_note(m->diag, note, "the annotation says it here");
  return false;
}

/* ---- what a parameter is ---- */

static int find_tensor(const CustomOp *op, const char *name, size_t n) {
  for (int i = 0; i <= op->n_operands; i++) {
    const char *other = custom_tensor(op, i)->name;
    if (strlen(other) == n && !strncmp(other, name, n)) return i;
  }
  return -1;
}

/* NAME_scale, NAME_zero, NAME_count of a tensor. */
static bool find_property(const CustomOp *op, const char *name, CustomParam *out) {
  static const struct {
    const char *suffix;
    CustomParamKind kind;
  } properties[] = {{"_scale", CUSTOM_SCALE}, {"_zero", CUSTOM_ZERO}, {"_count", CUSTOM_COUNT}};
  for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
    size_t n = strlen(name), suffix = strlen(properties[i].suffix);
    if (n <= suffix || strcmp(name + n - suffix, properties[i].suffix)) continue;
    out->kind = properties[i].kind;
    out->index = find_tensor(op, name, n - suffix);
    return out->index >= 0;
  }
  return false;
}

static bool identify(const Match *m, const char *name, CustomParam *out) {
  const CustomOp *op = m->op;
  out->name = name;
  out->kind = CUSTOM_TENSOR;
  out->index = find_tensor(op, name, strlen(name));
  if (out->index >= 0) return true;
  out->kind = CUSTOM_ATTR;
  for (out->index = 0; out->index < m->note->n_attrs; out->index++)
    if (!strcmp(op->attrs[out->index].name, name)) return true;
  out->kind = CUSTOM_SYMBOL;
  for (out->index = 0; out->index < op->n_symbols; out->index++)
    if (!strcmp(op->symbols[out->index].name, name)) return true;
  return find_property(op, name, out);
}

/* ---- types ---- */

static bool check_pointer(const Match *m, const CParameter *p, int index) {
  const CustomTensor *t = custom_tensor(m->op, index);
  bool operand = index < m->op->n_operands;
  if (!p->pointer || p->elem != t->dtype)
    return differ(m, p->loc, t->loc, "'%s' is %s %s here, and a tensor of %s in the annotation: %s%s *",
                  t->name, strchr("aeiou", *p->shown) ? "an" : "a", p->shown, dtype_info[t->dtype].name,
                  operand ? "const " : "", dtype_info[t->dtype].c_name);
  if (operand != p->to_const)
    return differ(m, p->loc, t->loc,
                  operand ? "the operand '%s' is %s here: it needs a const, since operands are not written"
                          : "the result '%s' is %s here, which cannot be written",
                  t->name, p->shown);
  return true;
}

static bool check_attr(const Match *m, const CParameter *p, int index) {
  const CustomAttrSource *attr = &m->note->attrs[index];
  if (p->is_int && !attr->whole)
    return differ(m, p->loc, attr->loc, "'%s' is %s here, and no whole number in the annotation", p->name,
                  p->shown);
  return true;
}

static bool check_property(const Match *m, const CParameter *p, const CustomParam *is) {
  const CustomTensor *t = custom_tensor(m->op, is->index);
  if (is->kind != CUSTOM_COUNT && t->kind == CUSTOM_PLAIN)
    return differ(m, p->loc, t->loc, "'%s': '%s' is not quantized", p->name, t->name);
  if (is->kind == CUSTOM_SCALE && !p->is_float)
    return differ(m, p->loc, t->loc, "'%s' is %s here, and a scale is a float", p->name, p->shown);
  return is->kind == CUSTOM_SCALE || p->is_int ||
         differ(m, p->loc, t->loc, "'%s' is %s here, and a whole number", p->name, p->shown);
}

static bool check_number(const Match *m, const CParameter *p, const CustomParam *is) {
  if (!p->is_int && !p->is_float)
    return differ(m, p->loc, m->op->loc, "'%s' is %s here: numbers are passed by value", p->name, p->shown);
  if (is->kind == CUSTOM_ATTR) return check_attr(m, p, is->index);
  if (is->kind != CUSTOM_SYMBOL) return check_property(m, p, is);
  return p->is_int || differ(m, p->loc, m->op->loc, "'%s' is %s here, and a dimension in the annotation",
                             p->name, p->shown);
}

static bool match_parameter(const Match *m, const CParameter *p, bool *given) {
  CustomParam is;
  CustomOp *op = m->op;
  if (!*p->name)
    return differ(m, p->loc, op->loc, "a parameter of '%s' without a name: names tell what they are",
                  op->name);
  if (!identify(m, p->name, &is))
    return differ(
        m, p->loc, op->loc,
        "'%s' is no operand, result, dimension or attribute of '%s', nor a tensor's _scale, _zero or _count",
        p->name, op->name);
  is.c_type = p->c_type;
  is.is_float = p->is_float;
  op->params[op->n_params++] = is;
  if (is.kind == CUSTOM_TENSOR) {
    given[is.index] = true;
    return check_pointer(m, p, is.index);
  }
  return check_number(m, p, &is);
}

/* ---- the whole ---- */

/* Attributes that are numbers with a fraction where the parameter is a float; else, as those that stand in
 * dims, whole numbers. */
static bool settle_attrs(const Match *m) {
  bool ok = true;
  CustomOp *op = m->op;
  for (int i = 0; i < m->note->n_attrs; i++) {
    bool used = false, in_dims = false, is_float = false;
    for (int k = 0; k < op->n_symbols; k++) in_dims |= op->symbols[k].attr == i;
    for (int k = 0; k < op->n_params; k++)
      if (op->params[k].kind == CUSTOM_ATTR && op->params[k].index == i) {
        used = true;
        is_float = op->params[k].is_float;
      }
    if (in_dims && (is_float || !m->note->attrs[i].whole))
      ok = differ(m, m->proto->loc, m->note->attrs[i].loc,
                  "the attribute '%s' stands in a dimension: it is a whole number", op->attrs[i].name);
    if (!used && !in_dims)
      ok = differ(m, m->proto->loc, m->note->attrs[i].loc, "'%s' has no parameter for the attribute '%s'",
                  op->name, op->attrs[i].name);
    size_t value = offsetof(CustomAttrs, value) + sizeof(CustomValue) * (size_t)i;
    op->attrs[i].kind = is_float ? ATTR_FLOAT : ATTR_INT;
    op->attrs[i].offset = value + (is_float ? offsetof(CustomValue, f) : offsetof(CustomValue, i));
  }
  return ok;
}

static bool match(const Match *m) {
  bool given[CUSTOM_MAX_OPERANDS + 1] = {false}, ok = true;
  const CPrototype *p = m->proto;
  CustomOp *op = m->op;
  op->prototype = p->loc;
  if (p->is_static)
    ok = differ(m, p->loc, op->loc, "'%s' is static: the emitted code could not call it", op->name);
  if (strcmp(p->result, "void"))
    ok = differ(m, p->loc, op->loc, "'%s' returns %s: custom operators return void, and write their result",
                op->name, p->result);
  if (p->variadic || p->n_params > CUSTOM_MAX_PARAMS)
    return differ(m, p->loc, op->loc, "'%s' takes more than %d parameters", op->name, CUSTOM_MAX_PARAMS);
  for (int i = 0; i < p->n_params; i++) ok &= match_parameter(m, &p->params[i], given);
  for (int i = 0; i <= op->n_operands; i++)
    if (!given[i])
      ok = differ(m, p->loc, custom_tensor(op, i)->loc, "'%s' has no parameter for the tensor '%s'", op->name,
                  custom_tensor(op, i)->name);
  return settle_attrs(m) && ok;
}

static const CPrototype *find_prototype(const CPrototype *p, const char *name) {
  while (p && strcmp(p->name, name)) p = p->next;
  return p;
}

/* For the machine that qcc runs on, with the system's headers. */
static bool read_prototypes(Cfront *f, Diag *d, Arena *a, const Source *s, CPrototype **out, CFacts *facts) {
  static const char *const args[] = {"-x", "c", "-std=gnu11"};
  const CText text = c_text(a, s);
  const CInput in = {&text, 1, args, sizeof args / sizeof *args};
  return cfront_prototypes(f, d, &in, out, facts);
}

static void append(Arena *a, CustomOps *all, CustomOp *op) {
  CustomOp **ops = ARENA_NEW_ARRAY(a, CustomOp *, (size_t)all->n + 1);
  if (all->n) memcpy(ops, all->ops, sizeof *ops * (size_t)all->n);
  ops[all->n] = op;
  *all = (CustomOps){ops, all->n + 1};
}

static bool add_op(Diag *d, Arena *a, CustomAnnotation *note, const CPrototype *protos, const CFacts *facts,
                   CustomOps *all) {
  CustomOp *op = note->op;
  const CustomOp *other = custom_find(all, op->name, strlen(op->name));
  Match m = {d, a, note, op, find_prototype(protos, op->name)};
  if (other) {
    diag_error(d, op->loc, "the custom operator '%s' is there twice", op->name);
    diag_note(d, other->loc, "first declared here");
    return false;
  }
  if (!m.proto) return diag_error(d, op->loc, "the file has no function '%s'", op->name);
  if (!match(&m)) return false;
  op->stack = promises_stack(a, facts, op->name);
  append(a, all, op);
  return true;
}

static bool read_file(Cfront *f, Diag *d, Arena *a, const char *path, CustomOps *all) {
  int n;
  CPrototype *protos;
  CFacts facts;
  const Source *s = source_read(d, a, path, MAX_C);
  CustomAnnotation *notes = s ? custom_annotations(d, a, s, &n) : NULL;
  if (!notes || !read_prototypes(f, d, a, s, &protos, &facts)) return false;
  bool ok = true;
  for (int i = 0; i < n; i++) ok &= add_op(d, a, &notes[i], protos, &facts, all);
  return ok;
}

CustomOps *custom_read(Diag *d, Arena *a, const OptionList *files) {
  CustomOps *all = ARENA_NEW(a, CustomOps);
  Cfront *f = cfront_open(d, a);
  bool ok = f != NULL;
  for (int i = 0; i < files->n && f; i++) ok &= read_file(f, d, a, files->items[i], all);
  cfront_close(f);
  return ok ? all : NULL;
}

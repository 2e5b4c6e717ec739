#include "compiler/promises.h"

#include "codegen/runtime_text.h"

#include <string.h>

/* Assembler of the emitted code that is not the runtime's: codegen/select_c.c and codegen/weights.c. */
static const char *const other_templates[] = {"cpuid", "xgetbv", NULL};
static const char incbin[] = ".pushsection .rodata\\n.balign ";

/* Types of what callers hand in to be called: codegen/run_c.c. */
static const char *const pointer_types[] = {"_parallel_for", "_layer_callback", NULL};

/* ---- what is allowed ---- */

static char present[] = "present";

Allowed allowed_new(Arena *a) {
  Allowed allowed = {strmap_new(a), strmap_new(a), strmap_new(a)};
  for (const char *const *t = other_templates; *t; t++) strmap_put(allowed.templates, *t, present);
  return allowed;
}

static void add_word(void *user, const char *word) { strmap_put(((Allowed *)user)->words, word, present); }

static bool add_template(void *user, const char *template, size_t at) {
  (void)at;
  strmap_put(((Allowed *)user)->templates, template, present);
  return true;
}

void allowed_add_function(Allowed *to, const char *name) { strmap_put(to->functions, name, present); }

void allowed_add_isa(Arena *a, Allowed *to, const char *isa) {
  StrBuf text;
  strbuf_init(&text, a);
  runtime_put_all(&text, isa);
  c_text_words(a, text.text, text.len, add_word, to);
  c_text_asm(a, text.text, text.len, add_template, to);
}

/* ---- calls ---- */

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

static bool is_callback(const char *type) {
  for (const char *const *t = pointer_types; *t; t++)
    if (ends_with(type, *t)) return true;
  return false;
}

/* What is spelled there: where an intrinsic is a macro, its name, and the builtin is what is called. */
static bool is_allowed_word(Arena *a, const Allowed *allowed, const CUse *use) {
  if (strmap_get(allowed->words, use->callee->name)) return true;
  if (!use->loc.source || !use->loc.source->text) return false;
  const char *at = use->loc.source->text + use->loc.begin;
  return strmap_get(allowed->words, arena_strndup(a, at, c_word(at))) != NULL;
}

static bool check_use(Diag *d, Arena *a, const CFunction *f, const CUse *use, const Allowed *allowed) {
  if (!use->callee) {
    if (use->pointer && is_callback(use->pointer)) return true;
    return diag_error(d, use->loc, "'%s' calls a pointer%s%s that is no callback of its caller's", f->name,
                      use->pointer ? " of type " : "", use->pointer ? use->pointer : "");
  }
  if (use->callee->defined || (use->callee->of_compiler && is_allowed_word(a, allowed, use))) return true;
  if (use->called && strmap_get(allowed->functions, use->callee->name)) return true;
  const char *verb = use->called ? "calls" : "takes the address of";
  if (use->callee->of_compiler)
    return diag_error(d, use->loc,
                      "'%s' %s '%s', which is none of the instructions that the target's code is made of",
                      f->name, verb, use->callee->name);
  return diag_error(d, use->loc, "'%s' %s '%s', which is not a function of the file", f->name, verb,
                    use->callee->name);
}

/* ---- recursion and stack ---- */

/* A function on the way down. */
typedef struct Frame {
  const CFunction *function;
  const CUse *next;
  struct Frame *up;
  int64_t deepest; /* bytes of what it calls */
  const char *path;
} Frame;

typedef struct {
  int64_t bytes;
  const char *path;
} Depth;

typedef struct {
  Diag *diag;
  Arena *arena;
  StrMap *done; /* name -> Depth */
} Descent;

static const Frame *frame_of(const Frame *top, const CFunction *f) {
  while (top && top->function != f) top = top->up;
  return top;
}

static bool report_cycle(const Descent *s, const Frame *top, const CUse *use) {
  char *path = arena_strdup(s->arena, use->callee->name);
  for (const Frame *f = top; f; f = f->up) {
    path = arena_printf(s->arena, "%s -> %s", f->function->name, path);
    if (f->function == use->callee->defined) break;
  }
  return diag_error(s->diag, use->loc, "recursion: %s", path);
}

static Frame *push(const Descent *s, Frame *up, const CFunction *f) {
  Frame *frame = ARENA_NEW(s->arena, Frame);
  *frame = (Frame){f, f->uses, up, 0, NULL};
  return frame;
}

/* To what the function above it knows of what it calls. */
static Frame *pop(const Descent *s, Frame *top) {
  const char *name = top->function->name;
  Depth *depth = ARENA_NEW(s->arena, Depth);
  *depth = (Depth){top->function->frame + top->deepest,
                   top->path ? arena_printf(s->arena, "%s -> %s", name, top->path) : name};
  strmap_put(s->done, name, depth);
  return top->up;
}

/* A public function whose address is taken is the caller's to call; another one is called by what gets it. */
static const CFunction *goes_down(const CUse *use) {
  const CFunction *to = use->callee ? use->callee->defined : NULL;
  return to && (use->called || to->is_static) ? to : NULL;
}

static void account(Frame *top, const Depth *depth) {
  if (top->path && depth->bytes <= top->deepest) return;
  top->deepest = depth->bytes;
  top->path = depth->path;
}

/* Depth first, without recursion of our own: the file's may be as deep as it likes. */
static bool descend(const Descent *s, const CFunction *from) {
  Frame *top = push(s, NULL, from);
  while (top) {
    const CUse *use = top->next;
    const CFunction *to = use ? goes_down(use) : NULL;
    const Depth *known = to ? strmap_get(s->done, to->name) : NULL;
    if (!use) {
      top = pop(s, top);
      continue;
    }
    if (to && !known && frame_of(top, to)) return report_cycle(s, top, use);
    if (to && !known) {
      top = push(s, top, to);
      continue;
    }
    if (known) account(top, known);
    top->next = use->next;
  }
  return true;
}

static bool check_stack(Diag *d, Arena *a, const CFacts *facts, CStack *stack) {
  Descent s = {d, a, strmap_new(a)};
  bool ok = true;
  for (const CFunction *f = facts->functions; f && ok; f = f->next) {
    if (!strmap_get(s.done, f->name)) ok = descend(&s, f);
    const Depth *depth = ok ? strmap_get(s.done, f->name) : NULL;
    if (depth && depth->bytes >= stack->bytes) *stack = (CStack){depth->bytes, depth->path};
  }
  return ok;
}

/* ---- all of it ---- */

static const char *const variable_faults[FAULT_COUNT] = {
    [FAULT_MUTABLE] = "is state: a variable of the file that is not const",
    [FAULT_STATIC_LOCAL] = "is state: a static variable that is not const",
    [FAULT_VLA] = "is an array of variable length",
};

bool promises_check(Diag *d, Arena *a, CFacts *facts, const Allowed *allowed, CStack *stack) {
  bool ok = true;
  for (const CVariable *v = facts->variables; v; v = v->next)
    ok = diag_error(d, v->loc, "'%s' %s", v->name, variable_faults[v->fault]);
  for (const CFunction *f = facts->functions; f; f = f->next)
    for (const CUse *use = f->uses; use; use = use->next) ok &= check_use(d, a, f, use, allowed);
  return check_stack(d, a, facts, stack) && ok;
}

typedef struct {
  Diag *diag;
  const CText *text;
  const Allowed *allowed;
  bool ok;
} AsmCheck;

static bool check_template(void *user, const char *template, size_t at) {
  AsmCheck *c = user;
  if (strmap_get(c->allowed->templates, template) || !strncmp(template, incbin, sizeof incbin - 1))
    return true;
  uint32_t begin = (uint32_t)c_text_offset(c->text, at);
  SrcLoc loc = {c->text->source, begin, begin + (uint32_t)c_word(c->text->text + at), NULL};
  c->ok = diag_error(c->diag, loc, "assembler that the target's code is not made of: \"%.100s\"", template);
  return true;
}

bool promises_check_asm(Diag *d, Arena *a, const CText *text, const Allowed *allowed) {
  AsmCheck c = {d, text, allowed, true};
  c_text_asm(a, text->text, text->len, check_template, &c);
  return c.ok;
}

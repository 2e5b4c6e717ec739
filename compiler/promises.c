#include "compiler/promises.h"

#include "codegen/runtime_text.h"

#include <string.h>

/* Assembler of the emitted code that is not the runtime's: codegen/select_c.c and codegen/weights.c. */
static const char *const other_templates[] = {"cpuid", "xgetbv", NULL};
static const char incbin[] = ".pushsection .rodata\\n.balign ";

/* Attributes of the runtime's text, of codegen/runtime_text.c and of codegen/weights.c. Others hide calls
 * (cleanup, constructor) or names (alias). */
static const char *const attributes[] = {"always_inline", "aligned",    "may_alias", "target",
                                         "visibility",    "no_builtin", NULL};

/* How pragmas of the emitted code begin: runtime/preamble.h, codegen/runtime_text.c, codegen/print_c.c. */
static const char *const pragmas[] = {
    "pragma STDC FP_CONTRACT OFF", "pragma GCC optimize(",
    "pragma GCC diagnostic push",  "pragma GCC diagnostic ignored \"-Woverlength-strings\"",
    "pragma GCC diagnostic pop",   "pragma clang attribute push(",
    "pragma clang attribute pop",  NULL};

/* More than any kernel takes, and less than a thread has anywhere but on the smallest machines. */
enum { MAX_STACK = 128 << 10 };

/* Types of what callers hand in to be called: codegen/run_c.c. */
static const char *const pointer_types[] = {"_parallel_for", "_layer_callback", NULL};

/* How much stack a function and the deepest of what it calls take. */
typedef struct {
  int64_t bytes, own; /* own: without functions of custom operators, which are their author's affair */
  const char *path;
} Depth;

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

void allowed_add_function(Arena *a, Allowed *to, const char *name, int64_t stack) {
  Depth *depth = ARENA_NEW(a, Depth);
  *depth = (Depth){stack, 0, name};
  if (stack < 0) *depth = (Depth){0, 0, arena_printf(a, "%s (not known)", name)};
  strmap_put(to->functions, name, depth);
}

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
  Depth deepest; /* of what it calls */
} Frame;

typedef struct {
  Diag *diag;
  Arena *arena;
  StrMap *done;    /* name -> Depth */
  StrMap *outside; /* the same of functions that are elsewhere */
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
  *frame = (Frame){f, f->uses, up, {0}};
  return frame;
}

/* To what the function above it knows of what it calls. */
static Frame *pop(const Descent *s, Frame *top) {
  const char *name = top->function->name;
  Depth *depth = ARENA_NEW(s->arena, Depth);
  const Depth *below = &top->deepest;
  *depth = (Depth){top->function->frame + below->bytes, top->function->frame + below->own,
                   below->path ? arena_printf(s->arena, "%s -> %s", name, below->path) : name};
  strmap_put(s->done, name, depth);
  return top->up;
}

/* A public function whose address is taken is the caller's to call; another one is called by what gets it. */
static const CFunction *goes_down(const CUse *use) {
  const CFunction *to = use->callee ? use->callee->defined : NULL;
  return to && (use->called || to->is_static) ? to : NULL;
}

static void account(Frame *top, const Depth *depth) {
  Depth *deepest = &top->deepest;
  if (depth->own > deepest->own) deepest->own = depth->own;
  if (deepest->path && depth->bytes <= deepest->bytes) return;
  deepest->bytes = depth->bytes;
  deepest->path = depth->path;
}

static const Depth *known_depth(const Descent *s, const CUse *use, const CFunction *to) {
  if (to) return strmap_get(s->done, to->name);
  bool outside = use->called && use->callee && !use->callee->defined;
  return outside ? strmap_get(s->outside, use->callee->name) : NULL;
}

/* Depth first, without recursion of our own: the file's may be as deep as it likes. */
static bool descend(const Descent *s, const CFunction *from) {
  Frame *top = push(s, NULL, from);
  while (top) {
    const CUse *use = top->next;
    const CFunction *to = use ? goes_down(use) : NULL;
    const Depth *known = use ? known_depth(s, use, to) : NULL;
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

static bool check_stack(Diag *d, Arena *a, const CFacts *facts, const Allowed *allowed, CStack *stack) {
  Descent s = {d, a, strmap_new(a), allowed->functions};
  int64_t own = 0;
  bool ok = true;
  for (const CFunction *f = facts->functions; f && ok; f = f->next) {
    if (!strmap_get(s.done, f->name)) ok = descend(&s, f);
    const Depth *depth = ok ? strmap_get(s.done, f->name) : NULL;
    if (!depth) continue;
    if (depth->bytes >= stack->bytes) *stack = (CStack){depth->bytes, depth->path};
    if (depth->own > MAX_STACK && own <= MAX_STACK) /* its callers are so because of it */
      ok = diag_error(d, f->loc, "about %lld bytes of stack, more than %d: %s", (long long)depth->own,
                      (int)MAX_STACK, depth->path);
    if (depth->own > own) own = depth->own;
  }
  return ok;
}

int64_t promises_stack(Arena *a, const CFacts *facts, const char *name) {
  Diag silent = {.arena = a};
  Descent s = {&silent, a, strmap_new(a), strmap_new(a)};
  const CCallee *callee = strmap_get(facts->callees, name);
  for (const CVariable *v = facts->variables; v; v = v->next)
    if (v->fault == FAULT_VLA) return -1;
  if (!callee || !callee->defined || !descend(&s, callee->defined)) return -1;
  const Depth *depth = strmap_get(s.done, name);
  return depth->bytes;
}

/* ---- all of it ---- */

static const char *const variable_faults[FAULT_COUNT] = {
    [FAULT_MUTABLE] = "is state: a variable of the file that is not const",
    [FAULT_LITERAL] = "is state: a compound literal of the file that is not const",
    [FAULT_STATIC_LOCAL] = "is state: a static variable that is not const",
    [FAULT_VLA] = "is an array of variable length",
};

bool promises_check(Diag *d, Arena *a, CFacts *facts, const Allowed *allowed, CStack *stack) {
  bool ok = true;
  for (const CVariable *v = facts->variables; v; v = v->next)
    ok = diag_error(d, v->loc, "'%s' %s", v->name, variable_faults[v->fault]);
  for (const CFunction *f = facts->functions; f; f = f->next)
    for (const CUse *use = f->uses; use; use = use->next) ok &= check_use(d, a, f, use, allowed);
  return check_stack(d, a, facts, allowed, stack) && ok;
}

typedef struct {
  Diag *diag;
  const CText *text;
  const Allowed *allowed;
  bool ok;
} TextCheck;

static SrcLoc place_in(const CText *text, size_t at) {
  uint32_t begin = (uint32_t)c_text_offset(text, at);
  size_t n = c_word(text->text + at);
  return (SrcLoc){text->source, begin, begin + (uint32_t)(n ? n : 1), NULL};
}

static bool check_template(void *user, const char *template, size_t at) {
  TextCheck *c = user;
  if (strmap_get(c->allowed->templates, template) || !strncmp(template, incbin, sizeof incbin - 1))
    return true;
  c->ok = diag_error(c->diag, place_in(c->text, at),
                     "assembler that the target's code is not made of: \"%.100s\"", template);
  return true;
}

static bool is_listed(const char *const *list, const char *name) {
  while (*list && strcmp(*list, name)) list++;
  return *list != NULL;
}

static bool check_attribute(void *user, const char *name, size_t at) {
  TextCheck *c = user;
  if (!is_listed(attributes, name))
    c->ok = diag_error(c->diag, place_in(c->text, at), "the attribute '%.60s' is none of the emitted code's",
                       name);
  return true;
}

static bool check_directive(void *user, const char *directive, size_t at) {
  TextCheck *c = user;
  for (const char *const *p = pragmas; *p; p++)
    if (!strncmp(directive, *p, strlen(*p))) return true;
  c->ok = diag_error(c->diag, place_in(c->text, at), "a directive that could hide what the code does: %.60s",
                     directive);
  return true;
}

bool promises_check_text(Diag *d, Arena *a, const CText *text, const Allowed *allowed) {
  TextCheck c = {d, text, allowed, true};
  c_text_asm(a, text->text, text->len, check_template, &c);
  c_text_attributes(a, text->text, text->len, check_attribute, &c);
  c_text_directives(a, text->text, text->len, check_directive, &c);
  return c.ok;
}

#include "compiler/cfront.h"

#include "compiler/clang_api.h"

#include <dlfcn.h>
#include <string.h>

struct Cfront {
  Arena *arena;
  ClangApi clang;
  CXIndex index;
};

bool cfront_built_in(void) { return true; }

/* ---- the library ---- */

static bool load(Diag *d, ClangApi *api) {
  void *library = dlopen(QCC_LIBCLANG, RTLD_NOW | RTLD_LOCAL);
  if (!library) return diag_error(d, (SrcLoc){0}, "libclang, which reads C, is not there: %s", dlerror());
  static const struct {
    const char *name;
    size_t offset;
  } functions[] = {
#define X(name) {"clang_" #name, offsetof(ClangApi, name)},
      CLANG_FUNCTIONS(X)
#undef X
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *f = dlsym(library, functions[i].name);
    if (!f) return diag_error(d, (SrcLoc){0}, QCC_LIBCLANG " has no %s", functions[i].name);
    memcpy((char *)api + functions[i].offset, &f, sizeof f);
  }
  return true;
}

Cfront *cfront_open(Diag *d, Arena *a) {
  Cfront *f = ARENA_NEW(a, Cfront);
  f->arena = a;
  if (!load(d, &f->clang)) return NULL;
  f->index = f->clang.createIndex(0, 0);
  return f;
}

void cfront_close(Cfront *f) {
  if (f) f->clang.disposeIndex(f->index);
}

/* ---- what the walk has at hand ---- */

/* A block of a function: bytes of its own variables, and of those of the largest block in it. */
typedef struct {
  int64_t own, inner;
} Block;

typedef struct {
  const ClangApi *clang;
  Arena *arena;
  const CInput *in;
  CXTranslationUnit unit;
  StrMap *others; /* files that were included from disk: name -> Source */
  CFacts *facts;
  CFunction *function; /* NULL: at the file's level */
  Block *block;
} Walk;

static const char *string(const Walk *w, CXString s) {
  const char *text = w->clang->getCString(s);
  char *copy = arena_strdup(w->arena, text ? text : "");
  w->clang->disposeString(s);
  return copy;
}

static const CText *file_named(const CInput *in, const char *name) {
  for (int i = 0; i < in->n_files; i++)
    if (!strcmp(in->files[i].source->path, name)) return &in->files[i];
  return NULL;
}

/* One that clang has found by itself. */
static const Source *other_file(const Walk *w, CXFile file, const char *name) {
  Source *s = strmap_get(w->others, name);
  if (s) return s;
  size_t size = 0;
  const char *text = w->clang->getFileContents(w->unit, file, &size);
  s = source_from_text(w->arena, name, text ? text : "", text ? size : 0);
  strmap_put(w->others, s->path, s);
  return s;
}

/* The word that stands there, in the text as it was written. */
static SrcLoc place(const Walk *w, CXSourceLocation at) {
  CXFile file;
  unsigned offset;
  w->clang->getFileLocation(at, &file, NULL, NULL, &offset);
  if (!file) return (SrcLoc){0};
  const char *name = string(w, w->clang->getFileName(file));
  if (!strncmp(name, "./", 2) && !file_named(w->in, name)) name += 2;
  const CText *text = file_named(w->in, name);
  const Source *source = text ? text->source : other_file(w, file, name);
  uint32_t begin = text ? (uint32_t)c_text_offset(text, offset) : offset;
  size_t n = begin < source->len ? c_word(source->text + begin) : 0;
  return (SrcLoc){source, begin, begin + (uint32_t)(n ? n : 1), NULL};
}

static SrcLoc place_of(const Walk *w, CXCursor c) { return place(w, w->clang->getCursorLocation(c)); }

/* ---- diagnostics ---- */

static void tell_notes(const Walk *w, Diag *d, CXDiagnostic of) {
  CXDiagnosticSet notes = w->clang->getChildDiagnostics(of);
  unsigned n = w->clang->getNumDiagnosticsInSet(notes);
  for (unsigned i = 0; i < n; i++) {
    CXDiagnostic note = w->clang->getDiagnosticInSet(notes, i);
    SrcLoc at = place(w, w->clang->getDiagnosticLocation(note));
    diag_note(d, at, "%s", string(w, w->clang->getDiagnosticSpelling(note)));
  }
}

/* Those that are as grave as `least`. */
static bool tell(const Walk *w, Diag *d, CXTranslationUnit unit, enum CXDiagnosticSeverity least) {
  bool ok = true;
  unsigned n = w->clang->getNumDiagnostics(unit);
  for (unsigned i = 0; i < n; i++) {
    CXDiagnostic one = w->clang->getDiagnostic(unit, i);
    if (w->clang->getDiagnosticSeverity(one) >= least) {
      const char *what = string(w, w->clang->getDiagnosticSpelling(one)),
                 *flag = string(w, w->clang->getDiagnosticOption(one, NULL));
      SrcLoc at = place(w, w->clang->getDiagnosticLocation(one));
      ok = *flag ? diag_error(d, at, "%s [%s]", what, flag) : diag_error(d, at, "%s", what);
      tell_notes(w, d, one);
    }
    w->clang->disposeDiagnostic(one);
  }
  return ok;
}

/* ---- functions and what they use ---- */

static CCallee *callee_named(const Walk *w, const char *name) {
  CCallee *known = strmap_get(w->facts->callees, name);
  if (known) return known;
  known = ARENA_NEW(w->arena, CCallee);
  known->name = name;
  strmap_put(w->facts->callees, name, known);
  return known;
}

static CUse *add_use(const Walk *w, CXCursor at) {
  CUse *use = ARENA_NEW(w->arena, CUse);
  use->loc = place_of(w, at);
  *w->function->end = use;
  w->function->end = &use->next;
  return use;
}

/* Builtins are declared by their use; what the file declares itself is none. */
static bool is_of_compiler(const Walk *w, CXCursor function, const CCallee *callee) {
  static const char builtin[] = "__builtin_";
  if (callee->declared) return false;
  return !strncmp(callee->name, builtin, sizeof builtin - 1) ||
         w->clang->Location_isInSystemHeader(w->clang->getCursorLocation(function));
}

/* The name is copied where it is new. */
static CCallee *callee_of(const Walk *w, CXCursor function) {
  CXString spelling = w->clang->getCursorSpelling(function);
  CCallee *callee = strmap_get(w->facts->callees, w->clang->getCString(spelling));
  if (!callee) {
    callee = callee_named(w, arena_strdup(w->arena, w->clang->getCString(spelling)));
    callee->of_compiler = is_of_compiler(w, function, callee);
  }
  w->clang->disposeString(spelling);
  return callee;
}

static void use_function(const Walk *w, CXCursor at, CXCursor function, bool called) {
  CCallee *callee = callee_of(w, function);
  CUse *use = callee->last_use;
  if (callee->last_user == w->function) {
    if (called && !use->called) *use = (CUse){callee, NULL, true, place_of(w, at), use->next};
    return;
  }
  use = add_use(w, at);
  use->callee = callee;
  use->called = called;
  callee->last_user = w->function;
  callee->last_use = use;
}

static void use_pointer(const Walk *w, CXCursor call, CXCursor pointer) {
  CUse *use = add_use(w, call);
  use->called = true;
  if (w->clang->getCursorKind(pointer) == CXCursor_ParmDecl)
    use->pointer = string(w, w->clang->getTypeSpelling(w->clang->getCursorType(pointer)));
}

static void call(const Walk *w, CXCursor at) {
  CXCursor to = w->clang->getCursorReferenced(at);
  if (w->clang->getCursorKind(to) == CXCursor_FunctionDecl) {
    use_function(w, at, to, true);
  } else {
    use_pointer(w, at, to);
  }
}

static void reference(const Walk *w, CXCursor at) {
  enum CXTypeKind type = w->clang->getCursorType(at).kind;
  if (type != CXType_FunctionProto && type != CXType_FunctionNoProto) return;
  CXCursor to = w->clang->getCursorReferenced(at);
  if (w->clang->getCursorKind(to) == CXCursor_FunctionDecl) use_function(w, at, to, false);
}

/* ---- variables ---- */

static void suspect(const Walk *w, CXCursor variable, VariableFault fault) {
  CVariable *v = ARENA_NEW(w->arena, CVariable);
  const char *name = string(w, w->clang->getCursorSpelling(variable));
  *v = (CVariable){*name ? name : "(...)", place_of(w, variable), fault, NULL};
  *w->facts->last_variable = v;
  w->facts->last_variable = &v->next;
}

/* An array's type may have the qualifier itself, or its elements'. */
static bool is_constant(const Walk *w, CXType t) {
  while (!w->clang->isConstQualifiedType(t)) {
    if (t.kind != CXType_ConstantArray && t.kind != CXType_IncompleteArray) return false;
    t = w->clang->getArrayElementType(t);
  }
  return true;
}

static void add_bytes(const Walk *w, CXType t) {
  long long bytes = w->clang->Type_getSizeOf(t);
  if (bytes > 0) w->block->own += bytes;
}

static void variable(const Walk *w, CXCursor c) {
  CXType t = w->clang->getCanonicalType(w->clang->getCursorType(c));
  enum CX_StorageClass storage = w->clang->Cursor_getStorageClass(c);
  if (!w->function || storage == CX_SC_Static || storage == CX_SC_Extern) {
    bool is_static = w->function && storage == CX_SC_Static;
    if (!is_constant(w, t)) suspect(w, c, is_static ? FAULT_STATIC_LOCAL : FAULT_MUTABLE);
    return;
  }
  if (t.kind == CXType_VariableArray) suspect(w, c, FAULT_VLA);
  add_bytes(w, t);
}

/* (int[]){1, 2}: a variable without a name. */
static void literal(const Walk *w, CXCursor c) {
  CXType t = w->clang->getCanonicalType(w->clang->getCursorType(c));
  if (w->function)
    add_bytes(w, t);
  else if (!is_constant(w, t))
    suspect(w, c, FAULT_LITERAL);
}

static enum CXChildVisitResult visit_initializer(CXCursor c, CXCursor parent, CXClientData data) {
  const Walk *w = data;
  (void)parent;
  if (w->clang->getCursorKind(c) == CXCursor_CompoundLiteralExpr) literal(w, c);
  return CXChildVisit_Recurse;
}

/* Tables of numbers are not looked into: they hold no address of a literal. */
static void file_variable(const Walk *w, CXCursor c) {
  CXType t = w->clang->getCanonicalType(w->clang->getCursorType(c));
  variable(w, c);
  while (t.kind == CXType_ConstantArray || t.kind == CXType_IncompleteArray)
    t = w->clang->getCanonicalType(w->clang->getArrayElementType(t));
  if (t.kind == CXType_Pointer || t.kind == CXType_Record)
    w->clang->visitChildren(c, visit_initializer, (CXClientData)(uintptr_t)w);
}

/* ---- the walk ---- */

static enum CXChildVisitResult visit(CXCursor c, CXCursor parent, CXClientData data);

static void visit_block(Walk *w, CXCursor c) {
  Block block = {0};
  Walk inside = *w;
  inside.block = &block;
  w->clang->visitChildren(c, visit, &inside);
  int64_t bytes = block.own + block.inner;
  if (w->block && bytes > w->block->inner) w->block->inner = bytes;
  if (!w->block) w->function->frame = bytes;
}

/* One that stands in the file, or in qcc's headers. */
static void define_function(const Walk *w, CXCursor c) {
  CFunction *f = ARENA_NEW(w->arena, CFunction);
  f->name = string(w, w->clang->getCursorSpelling(c));
  f->loc = place_of(w, c);
  f->is_static = w->clang->Cursor_getStorageClass(c) == CX_SC_Static;
  f->end = &f->uses;
  *w->facts->last_function = f;
  w->facts->last_function = &f->next;
  callee_named(w, f->name)->defined = f;
  Walk inside = *w;
  inside.function = f;
  visit_block(&inside, c);
}

static void visit_top(const Walk *w, CXCursor c) {
  enum CXCursorKind kind = w->clang->getCursorKind(c);
  if (kind != CXCursor_FunctionDecl && kind != CXCursor_VarDecl) return;
  if (w->clang->Location_isInSystemHeader(w->clang->getCursorLocation(c))) return;
  if (kind == CXCursor_VarDecl)
    file_variable(w, c);
  else if (w->clang->isCursorDefinition(c))
    define_function(w, c);
  else
    callee_named(w, string(w, w->clang->getCursorSpelling(c)))->declared = true;
}

static bool is_block(enum CXCursorKind kind) {
  return kind == CXCursor_CompoundStmt || kind == CXCursor_ForStmt || kind == CXCursor_StmtExpr;
}

static enum CXChildVisitResult visit(CXCursor c, CXCursor parent, CXClientData data) {
  Walk *w = data;
  (void)parent;
  if (!w->function) {
    visit_top(w, c);
    return CXChildVisit_Continue;
  }
  enum CXCursorKind kind = w->clang->getCursorKind(c);
  if (is_block(kind)) {
    visit_block(w, c);
    return CXChildVisit_Continue;
  }
  if (kind == CXCursor_VarDecl || kind == CXCursor_ParmDecl) variable(w, c);
  if (kind == CXCursor_CompoundLiteralExpr) literal(w, c);
  if (kind == CXCursor_CallExpr) call(w, c);
  if (kind == CXCursor_DeclRefExpr) reference(w, c);
  return CXChildVisit_Recurse;
}

/* ---- reading ---- */

/* As clang puts a header's name together that it finds beside the file. */
static const char *clang_path(Arena *a, const Source *s) {
  return strchr(s->path, '/') ? s->path : arena_printf(a, "./%s", s->path);
}

static CXTranslationUnit parse(Cfront *f, Diag *d, const CInput *in) {
  struct CXUnsavedFile *files = ARENA_NEW_ARRAY(f->arena, struct CXUnsavedFile, (size_t)in->n_files);
  for (int i = 0; i < in->n_files; i++)
    files[i] = (struct CXUnsavedFile){clang_path(f->arena, in->files[i].source), in->files[i].text,
                                      (unsigned long)in->files[i].len};
  CXTranslationUnit unit = NULL;
  enum CXErrorCode error =
      f->clang.parseTranslationUnit2(f->index, files->Filename, in->args, in->n_args, files,
                                     (unsigned)in->n_files, CXTranslationUnit_None, &unit);
  if (error)
    diag_error(d, (SrcLoc){.source = &(Source){.path = in->files->source->path}},
               "libclang cannot read it (its error %d)", (int)error);
  return error ? NULL : unit;
}

static Walk walk_of(const Cfront *f, const CInput *in, CXTranslationUnit unit) {
  return (Walk){
      .clang = &f->clang, .arena = f->arena, .in = in, .unit = unit, .others = strmap_new(f->arena)};
}

static void facts_init(CFacts *facts, Arena *a) {
  *facts = (CFacts){.arena = a,
                    .last_function = &facts->functions,
                    .last_variable = &facts->variables,
                    .callees = strmap_new(a)};
}

bool cfront_read(Cfront *f, Diag *d, const CInput *in, CFacts *facts) {
  CXTranslationUnit unit = parse(f, d, in);
  if (!unit) return false;
  facts_init(facts, f->arena);
  Walk walk = walk_of(f, in, unit);
  walk.facts = facts;
  bool ok = tell(&walk, d, unit, CXDiagnostic_Warning);
  if (ok) f->clang.visitChildren(f->clang.getTranslationUnitCursor(unit), visit, &walk);
  f->clang.disposeTranslationUnit(unit);
  return ok;
}

/* ---- prototypes ---- */

typedef struct {
  Walk walk;
  CPrototype **end;
} Listing;

static const struct {
  enum CXTypeKind kind;
  DType elem; /* as what a pointer to it is taken */
  bool is_int, is_float;
} scalar_types[] = {
    {CXType_Float, DT_F32, .is_float = true},   {CXType_Double, DT_NONE, .is_float = true},
    {CXType_SChar, DT_S8, .is_int = true},      {CXType_UChar, DT_U8, .is_int = true},
    {CXType_Short, DT_NONE, .is_int = true},    {CXType_UShort, DT_NONE, .is_int = true},
    {CXType_Int, DT_S32, .is_int = true},       {CXType_UInt, DT_NONE, .is_int = true},
    {CXType_Long, DT_NONE, .is_int = true},     {CXType_ULong, DT_NONE, .is_int = true},
    {CXType_LongLong, DT_NONE, .is_int = true}, {CXType_ULongLong, DT_NONE, .is_int = true},
};
enum { N_SCALARS = sizeof scalar_types / sizeof *scalar_types };

static int find_scalar(CXType canonical) {
  int i = 0;
  while (i < N_SCALARS && scalar_types[i].kind != canonical.kind) i++;
  return i;
}

/* Types whose size differs from machine to machine keep their names; others are spelled out. */
static const char *portable_type(const Walk *w, CXType t, CXType canonical) {
  static const char *const kept[] = {"int8_t",   "uint8_t", "int16_t",  "uint16_t", "int32_t",
                                     "uint32_t", "int64_t", "uint64_t", "size_t",   "ptrdiff_t"};
  const char *name = string(w, w->clang->getTypeSpelling(t));
  if (!strncmp(name, "const ", 6)) name += 6;
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    if (!strcmp(kept[i], name)) return name;
  name = string(w, w->clang->getTypeSpelling(canonical));
  return strncmp(name, "const ", 6) ? name : name + 6;
}

static CParameter parameter(const Walk *w, CXCursor c) {
  CXType t = w->clang->getCursorType(c), canonical = w->clang->getCanonicalType(t);
  CParameter p = {string(w, w->clang->getCursorSpelling(c)), place_of(w, c),
                  string(w, w->clang->getTypeSpelling(t)), .elem = DT_NONE};
  p.pointer = canonical.kind == CXType_Pointer;
  CXType of = p.pointer ? w->clang->getCanonicalType(w->clang->getPointeeType(canonical)) : canonical;
  int i = find_scalar(of);
  if (p.pointer) p.to_const = w->clang->isConstQualifiedType(of);
  if (i == N_SCALARS) return p;
  if (p.pointer) {
    p.elem = scalar_types[i].elem;
    return p;
  }
  p.is_int = scalar_types[i].is_int;
  p.is_float = scalar_types[i].is_float;
  p.c_type = portable_type(w, t, canonical);
  return p;
}

static enum CXChildVisitResult list_function(CXCursor c, CXCursor parent, CXClientData data) {
  Listing *l = data;
  const Walk *w = &l->walk;
  (void)parent;
  if (w->clang->getCursorKind(c) != CXCursor_FunctionDecl ||
      !w->clang->Location_isFromMainFile(w->clang->getCursorLocation(c)))
    return CXChildVisit_Continue;
  CPrototype *p = ARENA_NEW(w->arena, CPrototype);
  *p = (CPrototype){.name = string(w, w->clang->getCursorSpelling(c)),
                    .loc = place_of(w, c),
                    .is_static = w->clang->Cursor_getStorageClass(c) == CX_SC_Static,
                    .variadic = w->clang->Cursor_isVariadic(c) != 0,
                    .result = string(w, w->clang->getTypeSpelling(w->clang->getCursorResultType(c))),
                    .n_params = w->clang->Cursor_getNumArguments(c)};
  p->params = ARENA_NEW_ARRAY(w->arena, CParameter, (size_t)p->n_params);
  for (int i = 0; i < p->n_params; i++)
    p->params[i] = parameter(w, w->clang->Cursor_getArgument(c, (unsigned)i));
  *l->end = p;
  l->end = &p->next;
  return CXChildVisit_Continue;
}

bool cfront_prototypes(Cfront *f, Diag *d, const CInput *in, CPrototype **out, CFacts *facts) {
  CXTranslationUnit unit = parse(f, d, in);
  if (!unit) return false;
  Listing l = {walk_of(f, in, unit), out};
  *out = NULL;
  facts_init(facts, f->arena);
  l.walk.facts = facts;
  bool ok = tell(&l.walk, d, unit, CXDiagnostic_Error);
  CXCursor all = f->clang.getTranslationUnitCursor(unit);
  if (ok) f->clang.visitChildren(all, list_function, &l);
  if (ok) f->clang.visitChildren(all, visit, &l.walk);
  f->clang.disposeTranslationUnit(unit);
  return ok;
}

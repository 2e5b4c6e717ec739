/* What the writers of the emitted pair share: header_c.c, module_c.c, run_c.c, layers_c.c,
 * select_c.c. */
#ifndef QCC_CODEGEN_MODULE_H
#define QCC_CODEGEN_MODULE_H

#include "codegen/lower.h"

typedef struct {
  Cg *const *variants; /* one for each target */
  int n_variants;
  const Cg *cg; /* the first: what they have in common */
  const char *name, *upper;
  char **inputs, **outputs; /* member names */
} Module;

#define GENERATED_BY "qcc " QCC_VERSION

/* Whether the file holds code for several targets. */
static inline bool module_is_list(const Module *m) { return m->n_variants > 1; }
/* "_x86_64_v3", what the names of a variant end with; "" where there is only one. */
char *module_suffix(const Module *m, const Cg *variant);
/* "x86-64-v3 (x86-64 with AVX2)", one line for each target. */
void module_put_targets(const Module *m, StrBuf *out);
int64_t module_constant_bytes(const Module *m);
/* The workspace of the variant that needs most. */
MemoryFacts module_memory(const Module *m);
/* The architectures of the variants that are for this one, as a set for runtime_guard. */
unsigned module_group(const Module *m, const Cg *variant);

/* codegen/header_c.c */
void module_write_header(const Module *m, StrBuf *h);
void module_define_info(const Module *m, StrBuf *c);

/* codegen/run_c.c: the run functions of a variant, and what is declared for them. */
void module_write_run(const Module *m, const Cg *variant, StrBuf *c);
void module_declare_runs(const Module *m, const Cg *variant, StrBuf *h);
void module_declare_run_types(const Module *m, StrBuf *h);

/* codegen/layers_c.c: what -instrument says of each layer. */
int module_layers(const Cg *variant);
void module_define_layers(const Module *m, const Cg *variant, StrBuf *c);

/* codegen/select_c.c: the function that chooses a variant, and its declaration. */
void module_declare_select(const Module *m, StrBuf *h);
void module_define_select(const Module *m, StrBuf *c);

#endif

/* The runtime headers' text, embedded in the program, so that an emitted file can carry what it needs. */
#ifndef QCC_CODEGEN_RUNTIME_TEXT_H
#define QCC_CODEGEN_RUNTIME_TEXT_H

#include "codegen/cpu.h"
#include "codegen/vir.h"

/* A definition of a runtime header (tools/embed.py). */
typedef struct {
  const char *const *names; /* what it defines; ends with NULL */
  const char *text;         /* with its comment */
  const short *needs;       /* indices of other chunks, not transitive; ends with -1 */
  bool always;              /* of the preamble or the target's own, which every file has */
  bool apart;               /* a blank line stands before it */
} RuntimeChunk;

typedef struct {
  const char *isa;
  const RuntimeChunk *chunks; /* in the order in which the compiler would see them */
  int n_chunks;
} RuntimeIsa;
extern const RuntimeIsa runtime_isas[]; /* ends with a NULL isa */

/* A part of a file: code of one instruction set, and the operations that it uses. */
typedef struct {
  const char *isa;
  Arch arch;
  const bool *used; /* [VIR_OP_COUNT] */
} RuntimeUse;

/* What a file with several parts needs. Definitions that parts have in common stand once; names that mean
 * different things in two parts get the instruction set's. */
typedef struct RuntimePlan RuntimePlan;
RuntimePlan *runtime_plan(Arena *a, const RuntimeUse *uses, int n);
/* Names in the headers -> names in the file, for the code of part `i`. */
const StrMap *runtime_renamed(const RuntimePlan *p, int i);
/* Text with these names replaced. */
void runtime_put_text(StrBuf *out, const StrMap *renamed, const char *text);
/* As runtime_extract; what only some CPUs compile stands between #if and #endif. */
void runtime_put(StrBuf *out, const RuntimePlan *p);
/* The same by including the header that they stand in: for a plan with one part. */
void runtime_put_header(StrBuf *out, const RuntimePlan *p);
/* "#if defined(__x86_64__)" for a set of architectures (a bit 1 << Arch each): true where there is a
 * condition, which "#endif" must end. */
bool runtime_guard(StrBuf *out, unsigned archs);

/* Appends the preamble, the #include lines and the definitions that the used operations need, in their order
 * and formatting. Functions may follow, then runtime_end: the file then needs nothing else, libc included. */
void runtime_extract(StrBuf *out, const char *isa, const bool used[VIR_OP_COUNT]);
/* All that is defined for an instruction set, as vec_<isa>.h has it with what it includes. */
void runtime_put_all(StrBuf *out, const char *isa);
/* Whether the instruction set has the operation. */
bool runtime_has(const char *isa, VirOp op);
/* What ends the file. */
void runtime_end(StrBuf *out);

#endif

/* The runtime headers' text, embedded in the program, so that an emitted file can carry what it needs. */
#ifndef QCC_CODEGEN_RUNTIME_TEXT_H
#define QCC_CODEGEN_RUNTIME_TEXT_H

#include "codegen/vir.h"

/* A definition of a runtime header (tools/embed.py). */
typedef struct {
  const char *const *names; /* what it defines; ends with NULL */
  const char *text;         /* with its comment */
  const short *needs;       /* indices of other chunks, not transitive; ends with -1 */
  bool always;              /* of the preamble, which every file has */
  bool apart;               /* a blank line stands before it */
} RuntimeChunk;

typedef struct {
  const char *isa;
  const RuntimeChunk *chunks; /* in the order in which the compiler would see them */
  int n_chunks;
} RuntimeIsa;
extern const RuntimeIsa runtime_isas[]; /* ends with a NULL isa */

/* Appends the preamble, the #include lines and the definitions that the used operations need, in their order
 * and formatting. Functions may follow, then runtime_end: the file then needs nothing else, libc included. */
void runtime_extract(StrBuf *out, const char *isa, const bool used[VIR_OP_COUNT]);
/* What ends the file. */
void runtime_end(StrBuf *out);

#endif

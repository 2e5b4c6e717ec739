/* A relocatable ELF object with one constant array. */
#ifndef QCC_CODEGEN_ELF_H
#define QCC_CODEGEN_ELF_H

#include "codegen/cpu.h"
#include "ir/arena.h"

/* Appends an object for x86-64 or ARM64 that defines `symbol` as these bytes, read-only, visible to what it
 * is linked with and not beyond. */
void elf_object(StrBuf *out, Arch arch, const char *symbol, const void *data, size_t size, int align);

#endif

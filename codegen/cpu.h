/* What targets need of a CPU, and what this machine has of it. */
#ifndef QCC_CODEGEN_CPU_H
#define QCC_CODEGEN_CPU_H

#include <stdint.h>

typedef enum { ARCH_ANY, ARCH_X86_64, ARCH_ARM64, ARCH_COUNT } Arch;

typedef struct {
  const char *name;
  const char *macro; /* condition of the preprocessor where code for it can stand; NULL: everywhere */
} ArchInfo;
extern const ArchInfo arch_info[ARCH_COUNT];

/* Sets of architectures, bits 1 << Arch, of those that compile a text. The normal form: what all compile is
 * for ARCH_ANY alone. */
unsigned arch_set(unsigned archs);
/* The sets in an order in which each stands behind those that contain it; begins and ends with 0. */
unsigned arch_set_next(unsigned set);

enum {
#define FEATURE(name, ...) FEATURE_##name,
#include "codegen/features.def"
#undef FEATURE
  FEATURE_COUNT
};
enum { /* sets of features */
#define FEATURE(name, ...) CPU_##name = 1 << FEATURE_##name,
#include "codegen/features.def"
#undef FEATURE
};

typedef struct {
  const char *name; /* as /proc/cpuinfo has it */
  Arch arch;
  uint32_t leaf, subleaf; /* of cpuid */
  int word, bit;          /* register of the leaf; hwcap word */
  uint32_t states;        /* in XCR0 */
} CpuFeature;
extern const CpuFeature cpu_features[FEATURE_COUNT];

Arch cpu_host_arch(void);         /* ARCH_ANY: one that no target is for */
unsigned cpu_host_features(void); /* a set */

#endif

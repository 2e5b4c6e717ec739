#include "codegen/cpu.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

const ArchInfo arch_info[ARCH_COUNT] = {
    [ARCH_ANY] = {"any CPU", 0},
    [ARCH_X86_64] = {"x86-64", "defined(__x86_64__)"},
    [ARCH_ARM64] = {"64-bit ARM", "defined(__aarch64__)"},
};

unsigned arch_set(unsigned archs) { return archs & 1u << ARCH_ANY ? 1u << ARCH_ANY : archs; }

unsigned arch_set_next(unsigned set) {
  const unsigned any = 1u << ARCH_ANY, all = (1u << ARCH_COUNT) - 1;
  if (!set) return any;
  return set == any ? all - any : set - 2 * any; /* a set is a greater number than those in it */
}

const CpuFeature cpu_features[FEATURE_COUNT] = {
#define FEATURE(name, ...) {#name, __VA_ARGS__},
#include "codegen/features.def"
#undef FEATURE
};

#if defined(__x86_64__)

Arch cpu_host_arch(void) { return ARCH_X86_64; }

static void cpu_leaf(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
  __asm__ __volatile__("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(subleaf));
}

/* XCR0; 0 where xgetbv is not to be used (OSXSAVE). */
static uint32_t saved_states(void) {
  enum { OSXSAVE = 27 };
  uint32_t r[4], low = 0, high = 0;
  cpu_leaf(1, 0, r);
  if (r[2] >> OSXSAVE & 1) __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

unsigned cpu_host_features(void) {
  uint32_t r[4], last, states = saved_states();
  unsigned found = 0;
  cpu_leaf(0, 0, r);
  last = r[0];
  for (int i = 0; i < FEATURE_COUNT; i++) {
    const CpuFeature *f = &cpu_features[i];
    if (f->arch != ARCH_X86_64 || f->leaf > last || (states & f->states) != f->states) continue;
    cpu_leaf(f->leaf, f->subleaf, r);
    if (r[f->word] >> f->bit & 1) found |= 1u << i;
  }
  return found;
}

#elif defined(__aarch64__) && defined(__linux__)

Arch cpu_host_arch(void) { return ARCH_ARM64; }

unsigned cpu_host_features(void) {
  const unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
  unsigned found = 0;
  for (int i = 0; i < FEATURE_COUNT; i++)
    if (cpu_features[i].arch == ARCH_ARM64 && words[cpu_features[i].word] >> cpu_features[i].bit & 1)
      found |= 1u << i;
  return found;
}

#else

Arch cpu_host_arch(void) { return ARCH_ANY; }
unsigned cpu_host_features(void) { return 0; }

#endif

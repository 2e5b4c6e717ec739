#include "codegen/target.h"

#include <string.h>

const Target target_table[] = {
#define TARGET(...) {__VA_ARGS__},
#include "codegen/targets.def"
#undef TARGET
    {.name = NULL},
};

const Target *target_find(const char *name) {
  for (const Target *t = target_table; t->name; t++)
    if (!strcmp(t->name, name)) return t;
  return NULL;
}

const char *target_default(void) {
#if defined(__x86_64__)
  return "x86-64-v3";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "generic";
#endif
}

#include "codegen/target.h"

#include "codegen/tile_build.h"
#include "codegen/winograd_product.h"

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

static bool host_can(const Target *t) {
  return (!t->arch || t->arch == cpu_host_arch()) && !(t->features & ~cpu_host_features());
}

const Target *target_native(void) {
  const Target *best = target_table;
  for (const Target *t = target_table; t->name; t++)
    if (host_can(t)) best = t;
  return best;
}

bool target_runs_here(Arena *a, const Target *t, const char **lacks) {
  StrBuf text;
  if (lacks) *lacks = NULL;
  if (host_can(t)) return true;
  if (!lacks) return false;
  strbuf_init(&text, a);
  for (int i = 0; i < FEATURE_COUNT && t->arch == cpu_host_arch(); i++)
    if ((t->features & ~cpu_host_features()) >> i & 1)
      strbuf_printf(&text, "%s%s", text.len ? " " : "", cpu_features[i].name);
  *lacks = text.len ? text.text : arch_info[t->arch].name;
  return false;
}

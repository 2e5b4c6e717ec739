#include "compiler/names.h"

#include <string.h>

const char *file_base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

char *path_with_suffix(Arena *a, const char *path, const char *suffix) {
  const char *base = file_base(path), *dot = strrchr(base, '.');
  size_t keep = dot && dot > base ? (size_t)(dot - path) : strlen(path);
  return arena_printf(a, "%.*s%s", (int)keep, path, suffix);
}

char *path_folder(Arena *a, const char *path) {
  const char *slash = strrchr(path, '/');
  return !slash          ? arena_strdup(a, ".")
         : slash == path ? arena_strdup(a, "/")
                         : arena_strndup(a, path, (size_t)(slash - path));
}

bool path_has_suffix(const char *path, const char *suffix) {
  size_t n = strlen(path), m = strlen(suffix);
  return n >= m && !strcmp(path + n - m, suffix);
}

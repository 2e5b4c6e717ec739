#include "tests/diff/file.h"

#include <stdio.h>

bool write_file(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f) return false;
  bool ok = fwrite(data, 1, n, f) == n;
  return !fclose(f) && ok;
}

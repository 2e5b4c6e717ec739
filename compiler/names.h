/* File and C names that follow from others. */
#ifndef QCC_COMPILER_NAMES_H
#define QCC_COMPILER_NAMES_H

#include "ir/arena.h"

const char *file_base(const char *path); /* without folders */
/* The path with the suffix of its last part, if any, replaced. */
char *path_with_suffix(Arena *a, const char *path, const char *suffix);
/* The path's folder: "." where it has none. */
char *path_folder(Arena *a, const char *path);
bool path_has_suffix(const char *path, const char *suffix);

#endif

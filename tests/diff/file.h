#ifndef QCC_TESTS_DIFF_FILE_H
#define QCC_TESTS_DIFF_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Creates or overwrites a file; false where that fails. */
bool write_file(const char *path, const void *data, size_t n);

#endif

/* File-name patterns for names of nodes. */
#ifndef QCC_PASSES_GLOB_H
#define QCC_PASSES_GLOB_H

#include <stdbool.h>

/* `*` any characters, slashes and dots too; `?` any one; `[a-z]`, `[!abc]` one of a set; `\` takes the next
 * character as it is. The whole text must match. Takes at most strlen(pattern) * strlen(text) steps. */
bool glob_match(const char *pattern, const char *text);

#endif

/* In which custom operator a process was when it ended: written by itself, read by the one that watches it.
 */
#ifndef QCC_COMPILER_CUSTOM_TRACE_H
#define QCC_COMPILER_CUSTOM_TRACE_H

#include <stdint.h>

typedef struct {
  char name[128]; /* "": in none */
  char path[4096];
  uint32_t begin, end; /* of the function's name in the file */
} CustomTrace;

#endif

/* Independent pieces of work on several threads. */
#ifndef QCC_IR_PARALLEL_H
#define QCC_IR_PARALLEL_H

#include <stdint.h>

/* Calls fn(user, i) once for each i in [0, count), in any order, from up to `threads` threads; returns when
 * all calls have. The calls must not depend on each other: then the result depends on no thread. */
void parallel_for(int threads, int64_t count, void (*fn)(void *user, int64_t i), void *user);

#endif

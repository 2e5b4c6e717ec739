/* What the table of a batch of emitted models tells harness.c. */
#ifndef QCC_TESTS_DIFF_HARNESS_H
#define QCC_TESTS_DIFF_HARNESS_H

#include <stddef.h>

typedef struct {
  int n_in, n_out, n_samples;
  const size_t *in_bytes, *out_bytes;
  size_t workspace;
  int (*run)(const void *const *in, void *const *out, void *workspace);
} HarnessCase;

/* Does the parts in an order that nobody expects; compiled with -DTHREADS at once, each by a thread of its
 * own. */
void harness_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count);

extern const HarnessCase harness_cases[];
extern const int harness_n_cases;

#endif

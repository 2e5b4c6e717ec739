/* Random configurations of quantization. */
#ifndef QCC_TESTS_DIFF_GEN_CONFIG_H
#define QCC_TESTS_DIFF_GEN_CONFIG_H

#include "passes/qconfig.h"

/* A preset or a set of rules of any observers, types and modes. The same seed gives the same; rules speak of
 * operators and of patterns of names, so that a graph that is being reduced keeps its configuration. */
const QConfigSet *gen_config(Arena *a, uint64_t seed);

#endif

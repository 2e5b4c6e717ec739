/* Pairs of the k-steps of a plan. */
#ifndef QCC_CODEGEN_PLAN_MATCH_H
#define QCC_CODEGEN_PLAN_MATCH_H

#include <stdint.h>

/* Sets of k-steps are bits of words. */
enum { PLAN_WORD = 64, PLAN_MATCHED = 320 }; /* k-steps of a word, and the most that can be paired */
static inline int plan_words(int64_t k_steps) { return (int)((k_steps + PLAN_WORD - 1) / PLAN_WORD); }
/* The bits of a word. (The compiler's own is a call where the processor is not known to count bits.) */
static inline int plan_count(uint64_t word) {
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return (int)(word * 0x0101010101010101u >> 56);
}

/* Pairs up as many of `set` as is found, and leaves in it those that stay alone: bit j of the words from
 * with[i * words] on says that i and j go together. Sets `partner` of both. */
void plan_match(int words, const uint64_t *with, uint64_t *set, int *partner);
/* Pairs each of `some` up with one of `set` that is not: of those the one that goes with the fewest of `set`
 * by `among`. Leaves in both those that stay alone. */
void plan_match_with(int words, const uint64_t *with, const uint64_t *among, uint64_t *some, uint64_t *set,
                     int *partner);
/* Breaks pairs of `all` up for those of `alone`. */
void plan_match_rest(int words, const uint64_t *with, const uint64_t *all, uint64_t *alone, int *partner);

#endif

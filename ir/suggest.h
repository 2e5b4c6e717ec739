/* "did you mean ...?": the candidate nearest to a misspelt word by edit distance. */
#ifndef QCC_IR_SUGGEST_H
#define QCC_IR_SUGGEST_H

#include <stddef.h>

/* Set `word` (NUL-terminated), offer candidates, read `best`: NULL where none is near enough. */
typedef struct {
  const char *word;
  const char *best;
  int distance;
} Suggest;

void suggest_offer(Suggest *s, const char *candidate);

#endif

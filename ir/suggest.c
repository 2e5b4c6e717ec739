#include "ir/suggest.h"

#include <string.h>

enum { MAX_WORD = 63 };

/* Levenshtein's distance, with the swap of two neighbours as one edit. Both are at most MAX_WORD long. */
static int edit_distance(const char *a, int na, const char *b, int nb) {
  int rows[3][MAX_WORD + 1]; /* the rows for i - 2, i - 1 and i, by i mod 3 */
  for (int j = 0; j <= nb; j++) rows[0][j] = j;
  for (int i = 1; i <= na; i++) {
    int *row = rows[i % 3], *up = rows[(i + 2) % 3], *upup = rows[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= nb; j++) {
      int best = up[j - 1] + (a[i - 1] != b[j - 1]);
      if (up[j] + 1 < best) best = up[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && upup[j - 2] + 1 < best)
        best = upup[j - 2] + 1;
      row[j] = best;
    }
  }
  return rows[na % 3][nb];
}

void suggest_offer(Suggest *s, const char *candidate) {
  size_t n = strlen(s->word), m = strlen(candidate);
  if (n > MAX_WORD || m > MAX_WORD) return;
  int distance = edit_distance(s->word, (int)n, candidate, (int)m);
  int limit = n < 3 ? 1 : n < 6 ? 2 : (int)n / 3;
  if (distance > limit || distance >= (int)m || (s->best && distance >= s->distance)) return;
  s->best = candidate;
  s->distance = distance;
}

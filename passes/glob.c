#include "passes/glob.h"

#include <stddef.h>
#include <string.h>

/* The set behind `[`: NULL where it has no end, else its end; *in says whether c is in it. */
static const char *match_set(const char *p, unsigned char c, bool *in) {
  bool negated = *p == '!' || *p == '^', found = false;
  p += negated;
  const char *first = p;
  for (; *p && (*p != ']' || p == first); p++) {
    unsigned char low = (unsigned char)*p, high = low;
    if (p[1] == '-' && p[2] && p[2] != ']') high = (unsigned char)*(p += 2);
    found |= c >= low && c <= high;
  }
  *in = found != negated;
  return *p ? p + 1 : NULL;
}

/* The pattern behind what matches the character, or NULL. */
static const char *match_one(const char *p, char c) {
  bool in;
  const char *end;
  if (*p == '?') return p + 1;
  if (*p == '[' && (end = match_set(p + 1, (unsigned char)c, &in))) return in ? end : NULL;
  if (*p == '\\' && p[1]) p++;
  return *p && *p == c ? p + 1 : NULL;
}

/* Only the last star is ever tried again: what an earlier one could take, the last one can. */
bool glob_match(const char *p, const char *s) {
  const char *star = NULL, *from = NULL;
  for (;;) {
    const char *next;
    if (*p == '*') {
      star = ++p;
      from = s;
    } else if (!*s) {
      return !*p;
    } else if ((next = match_one(p, *s))) {
      p = next;
      s++;
    } else if (star) {
      p = star;
      s = ++from;
    } else {
      return false;
    }
  }
}

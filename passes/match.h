/* The pattern matcher of all passes, in C and in Lua. A pattern is a text in the manner of the text IR, read
 * from a result to what it is computed from:
 *
 *   mul(%x, add(1, erf((div(%x, 1.4142135) | mul(%x, 0.70710677)))))
 *
 *   %x          any tensor; where the name comes again, the same tensor
 *   %x=PATTERN  the same, which fits the pattern, too
 *   @w          a constant, else as %x
 *   _           any tensor, without a name
 *   0.5         a float32 constant of one element with this value, to within 1e-6 of it
 *   op(A, B)    the first result of such a node, whose operands fit; add, mul, max and min in either order;
 *               `...` at the end: and any further operands
 *   op(A){ k = 1, mode = tanh, axes = [2, 3] }   attributes with these values
 *   (A | B)     one of them
 *
 * A node with a fused clamp fits only where the pattern speaks of act_min or act_max. */
#ifndef QCC_PASSES_MATCH_H
#define QCC_PASSES_MATCH_H

#include "ir/graph.h"

typedef struct Pattern Pattern;

enum { PATTERN_NAMES = 32 };

/* NULL where the text is no pattern; *error then says why. The pattern is the arena's. */
const Pattern *pattern_parse(Arena *a, const char *text, const char **error);
/* The same for texts that stand in our own sources: a mistake is a bug. */
const Pattern *pattern_of(Arena *a, const char *text);

/* The names that stand in it, in the order of the text. */
int pattern_names(const Pattern *p);
const char *pattern_name(const Pattern *p, int i);

typedef enum { MATCH_NO, MATCH_YES, MATCH_TOO_LONG } MatchResult;

/* Does the pattern fit the tensor? Where it does, `found` has the tensor of each name (NULL: its alternative
 * was not taken). Orders and alternatives are tried until all fits together; MATCH_TOO_LONG where these are
 * too many. */
MatchResult pattern_match(const Pattern *p, Tensor *t, Tensor *found[PATTERN_NAMES]);
/* The tensor of a name that the pattern has, for passes in C. */
Tensor *pattern_found(const Pattern *p, Tensor *const *found, const char *name);

#endif

/* Calibration statistics as text (docs/quantization.md): what the observers of a plan have seen, to be kept,
 * read by people, edited, merged, and used in place of the data.
 *
 *   file:      "calibration" 1 "{" { entry } "}"
 *   entry:     %name ":" observer [ "(" parameter { "," parameter } ")" ] "{" { field } "}"
 *   parameter: name "=" ( number | choice )
 *   field:     name "=" ( number | "[" [ number { "," number } ] "]" )
 *
 * in the tokens of the text IR. An entry is named after its group's first tensor. Its parameters are those on
 * which the statistics depend; fields are those of the observer (StateField), the others left out while
 * `samples` is 0. Numbers print so that they read back equal. */
#ifndef QCC_PASSES_STATS_H
#define QCC_PASSES_STATS_H

#include "passes/plan.h"

/* The file of all groups that observe. */
void stats_print(StrBuf *out, const Plan *plan);

/* Reads such a text and lets its samples follow those that the plan's observers have seen. Every group that
 * observes must be in it, observed alike. False after diagnostics, with the groups' states undefined. */
bool stats_read(Diag *d, Arena *a, const Source *source, Plan *plan);

/* Is the file such a text, going by its name (.calib) or its first word? */
bool stats_is_file(const char *path);

#endif

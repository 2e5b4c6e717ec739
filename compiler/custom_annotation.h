/* The annotation beside a custom operator's function, in lines that begin with `// qcc:`
 * (docs/custom-ops.md):
 *
 *     // qcc: op scale_shift(x: f32[n, c, ...], ...) -> y: f32[n, c]
 *     // qcc: attr limit = 0.5, count = 3 */
#ifndef QCC_COMPILER_CUSTOM_ANNOTATION_H
#define QCC_COMPILER_CUSTOM_ANNOTATION_H

#include "ir/ops/custom.h"

/* What an attribute's default is until its parameter tells what it is. */
typedef struct {
  SrcLoc loc;
  bool whole; /* the number is an integer */
} CustomAttrSource;

typedef struct {
  CustomOp *op;
  CustomAttrSource attrs[CUSTOM_MAX_ATTRS];
  int n_attrs;
} CustomAnnotation;

/* All of a file; NULL after diagnostics. `n` gets how many; the names are different ones. */
CustomAnnotation *custom_annotations(Diag *d, Arena *a, const Source *s, int *n);

#endif

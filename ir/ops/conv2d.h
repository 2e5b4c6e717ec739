/* What the 2d convolutions share: conv2d, dynamic_conv2d, conv_integer. All have Conv2dAttrs. */
#ifndef QCC_IR_OPS_CONV2D_H
#define QCC_IR_OPS_CONV2D_H

#include "ir/ops/attrs.h"
#include "ir/ops/dot.h"

extern const AttrDesc conv2d_attrs[];
extern const Conv2dAttrs conv2d_defaults;

/* The attributes, the operand [N, IC, H, W] and the weight [OC, IC / groups, KH, KW] go together; *result is
 * [N, OC, OH, OW]. False after a diagnostic. */
bool conv2d_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result);

/* The convolution by the node's attributes; shapes that conv2d_check has passed. `out` has the type that `o`
 * says. */
void conv2d_compute(Arena *arena, const Node *n, const DotSource *x, const Shape *xs, const DotSource *w,
                    const Shape *ws, const DotOutput *o, void *out);

#endif

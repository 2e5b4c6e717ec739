/* What the convolutions share: conv2d, conv3d, conv_transpose2d, conv_transpose3d, dynamic_conv2d,
 * conv_integer. All have ConvAttrs. */
#ifndef QCC_IR_OPS_CONV_H
#define QCC_IR_OPS_CONV_H

#include "ir/ops/attrs.h"
#include "ir/ops/dot.h"
#include "ir/ops/window.h"

extern const AttrDesc conv2d_attrs[];
extern const ConvAttrs conv2d_defaults;

/* The window that the node's attributes and the shape of its weight describe. */
WindowAttrs conv_window(const Node *n, const Shape *w);

/* The attributes, the operand [N, IC, ...] and the weight [OC, IC / groups, ...] go together; *result is
 * [N, OC, ...]. False after a diagnostic. */
bool conv_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result);

/* The convolution by the node's attributes; shapes that conv_check has passed. `out` has the type that `o`
 * says. */
void conv_compute(Arena *arena, const Node *n, const DotSource *x, const Shape *xs, const DotSource *w,
                  const Shape *ws, const DotOutput *o, void *out);

#endif

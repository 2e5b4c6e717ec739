/* The weights of lstm, gru and rnn in the modes that need no calibration. */
#ifndef QCC_PASSES_RECURRENT_H
#define QCC_PASSES_RECURRENT_H

#include "passes/qconfig.h"

/* An lstm, gru or rnn. */
bool is_recurrent(const Node *n);
/* One of float32, whose weights and biases are constants. */
bool is_float_recurrent(const Node *n);

/* One form of weights: a dimension for the directions, but where each row of two has its scale; one scale is
 * that of the tensor. True where the node has changed. */
bool simplify_recurrent_weights(Node *n);
/* The usual values of parameters that nothing reads. True where the node has changed. */
bool simplify_recurrent_attrs(Node *n);

/* Both weights as the spec says. Per tensor: each direction is a tensor, as in PyTorch, with a scale of its
 * own. Per channel: every row of every direction. False after a diagnostic. */
bool small_recurrent_weights(Diag *d, Node *n, const ObserverSpec *spec);

#endif

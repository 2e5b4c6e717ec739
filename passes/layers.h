/* The constants of an integer layer (conv2d, linear ...) in the one form that later passes and generators
 * see. */
#ifndef QCC_PASSES_LAYERS_H
#define QCC_PASSES_LAYERS_H

#include "ir/graph.h"

/* One of the convolutions, transposed ones too: a weight [OC, IC / groups, ...] and ConvAttrs. */
bool layer_is_conv(const Node *n);

/* A quantized constant as s8: itself, or u8 moved by 128 with its zero points. */
Tensor *s8_weight(Graph *g, Tensor *w);

/* The type of the bias of a layer with `channels` results: s32 with the scales s_in * s_w, where these are
 * normal numbers; else without scales, which nothing computes with. */
Type bias_type(Arena *a, float s_in, const Quant *w, int64_t channels);

#endif

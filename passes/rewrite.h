/* What passes share: small matchers over single-use chains, and rewrites that keep names and locations. */
#ifndef QCC_PASSES_REWRITE_H
#define QCC_PASSES_REWRITE_H

#include "ir/ops/attrs.h"
#include "passes/pass.h"

/* One node uses it, once, and nobody outside the graph sees it: its producer may absorb that user. */
static inline bool tensor_single_use(const Tensor *t) { return t->n_uses == 1 && !t->is_output; }
static inline bool produced_by(const Tensor *t, OpId op) { return t->producer && t->producer->op == op; }
/* A float32 constant. */
static inline bool is_const_f32(const Tensor *t) {
  return t && tensor_is_const(t) && t->type.dtype == DT_F32 && !t->type.quant;
}
static inline const float *const_f32(const Tensor *t) { return t->data; }
/* u8 or s8 with one scale and zero point. */
bool type_is_q8(const Type *t);
/* For messages: the node's name in the source model, else its result's. */
const char *node_label(const Node *n);

/* `t` broadcast against a tensor of shape `x` differs along `axis` only (or is a scalar), and the result has
 * the shape of `x`: so it holds one value, or dim[axis] of them. */
bool is_per_channel(const Tensor *t, const Shape *x, int axis);

/* A node of `op` before `old` that will replace it: it has old's name and locations; its attributes are the
 * defaults. */
Node *node_replacement(Node *old, OpId op, Tensor *const *operands, int n_operands);
/* Infers `fresh`, hands it old's users and the name of old's result, and removes `old`. */
void node_replace(PassCtx *ctx, Node *old, Node *fresh);
/* For rewrites whose result is valid by construction: an inference error is a bug of ours. */
void node_must_infer(PassCtx *ctx, Node *n);
/* Users of n's result take its first operand instead, and `n` goes. False, and nothing happens, where the
 * types differ or where both names are public (the result is an output, the operand an input, a constant or
 * another output). */
bool node_bypass(Node *n);
/* Swaps the names of two tensors, constants too. */
void tensor_swap_names(Graph *g, Tensor *a, Tensor *b);
/* Operand i of `n` becomes a constant with this data. It keeps the name of the constant that was there,
 * whose other users are not touched. */
void set_const_operand(Node *n, int i, Type type, const void *data);
/* The node's act_min and act_max; false where the op has no clamp. */
bool node_clamp(const Node *n, float **act_min, float **act_max);
bool node_has_clamp(const Node *n);

static inline Type type_f32(Shape s) { return (Type){DT_F32, s, NULL}; }

/* Does any tensor of the graph but its weights carry a quantization? */
bool graph_has_integers(const Graph *g);
/* The same, or are weights dequantized, or operands quantized at run time? The model has then been quantized
 * by somebody. */
bool graph_is_quantized(const Graph *g);
/* How it computes, for reports: "int8", "dynamic", "weights" (s8 weights in float), "f16" or "float32"; where
 * several are true, the first of them. */
const char *graph_form(const Graph *g);
/* The node works on float32: neither quantize, dequantize nor an integer op. */
bool node_is_float(const Node *n);

/* Constants that took the place of others take their names, too: cleanup.c. */
void tidy_names(Graph *g);

/* Rewrites that several passes run; each returns how many nodes it changed. */
/* Nodes whose operands are all constant, where no result is larger than 64 MiB. dequantize is left alone
 * unless asked for: a weight behind it is wanted as integers. */
int fold_constants(Graph *g, bool dequantize_too);
int fuse_activations(Graph *g);
/* Would fuse_activations find an op for a clamp of t? t may have that one use only. */
bool takes_clamp(const Tensor *t);
/* The bounds of a clamp of integers as real values; at the ends of the type none. */
void clamp_bounds(const Node *clamp, float *lo, float *hi);
int fold_pads(Graph *g);
int canonical_forms(PassCtx *ctx, Graph *g); /* canonicalize.c: one form for each thing */
/* conversions.c: values are moved as integers where they can be, and no quantize follows a dequantize. */
int sink_dequantizes(PassCtx *ctx, Graph *g);
int raise_quantizes(PassCtx *ctx, Graph *g);

/* The tensor that a float tensor is the dequantized view of, or NULL. */
Tensor *dequantized(const Tensor *t);

#endif

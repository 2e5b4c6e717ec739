/* The one structure that everything passes through: nodes in topological order, tensors, inputs and outputs.
 * Everything is owned by the graph's arena. */
#ifndef QCC_IR_GRAPH_H
#define QCC_IR_GRAPH_H

#include "ir/diag.h"
#include "ir/op.h"
#include "ir/type.h"

typedef struct Node Node;
typedef struct Tensor Tensor;

typedef struct {
  Node *node;
  int operand;
} Use;

struct Tensor {
  const char *name; /* unique within the graph, as the model's author wrote it: any bytes. Never NULL */
  Type type;
  SrcLoc loc;
  Node *producer;   /* NULL: a graph input or a constant */
  const void *data; /* constants: the elements in C order; NULL otherwise */
  Use *uses;        /* in no order; kept by the functions below */
  int n_uses, cap_uses;
  bool is_input;
  bool is_output; /* among graph->outputs */
  bool from_half; /* a float32 constant whose values came as float16, and are exact in it */
};

struct Node {
  OpId op;
  Graph *graph;
  Node *prev, *next; /* topological order */
  Tensor **operands; /* NULL entry: an optional operand that is not given */
  int n_operands;
  Tensor **results;
  int n_results;
  void *attrs;        /* op_info[op].attrs describes it; NULL where the op has none */
  const char *name;   /* the source model's name of the node; "" where it had none */
  bool in_float;      /* stays in float32 between integers, because somebody said so */
  const SrcLoc *locs; /* a fused node keeps all of its own */
  int n_locs;
};

struct Graph {
  Arena *arena;
  const char *name;
  Node *first, *last;
  int n_nodes;
  Tensor **inputs, **outputs;
  int n_inputs, n_outputs;
  StrMap *tensors;            /* by name */
  const char *calibrate_path; /* `calibrate "file"`, resolved against the model's folder; or NULL */
  int next_id;                /* for fresh names */
};

Graph *graph_new(Arena *a, const char *name);

/* A tensor named `name`, or `name.2`, `name.3`, ... where that is taken; NULL names one `tN`. */
Tensor *graph_tensor(Graph *g, const char *name, Type type, SrcLoc loc);
Tensor *graph_input(Graph *g, const char *name, Type type, SrcLoc loc);
/* `data`: type_bytes(&type) bytes in C order, owned by an arena that lives as long as the graph. */
Tensor *graph_constant(Graph *g, const char *name, Type type, const void *data, SrcLoc loc);
void graph_output(Graph *g, Tensor *t);
void graph_replace_output(Graph *g, int index, Tensor *t);
Tensor *graph_find(const Graph *g, const char *name); /* NULL where absent */

/* A node before `before` (NULL: at the end) with one result per entry of `result_names`. Its attributes start
 * as the op's defaults; result types start as DT_NONE: call node_infer once attributes are set. */
Node *graph_node(Graph *g, OpId op, Tensor *const *operands, int n_operands, const char *const *result_names,
                 int n_results, SrcLoc loc, Node *before);
/* The usual case: one result. */
Node *graph_node1(Graph *g, OpId op, Tensor *const *operands, int n_operands, const char *result_name,
                  SrcLoc loc, Node *before);
/* Infers and sets the result types (see op.h). Quantization already set on a result is kept.
 * False after a diagnostic; the results then have DT_NONE, which silences errors that would only follow. */
bool node_infer(Diag *d, Node *n);

void node_set_operand(Node *n, int i, Tensor *t);
void node_set_operands(Node *n, Tensor *const *operands, int n_operands); /* changes their number */
void node_add_locs(Node *n, const Node *from);                            /* n now also stands for `from` */
SrcLoc node_loc(const Node *n);
/* Were both made of one node of the source model? They have its name, or where it has none its place. */
bool node_same_origin(const Node *a, const Node *b);
/* Every use of `from`, as an operand or a graph output, becomes a use of `to`. */
void tensor_replace_uses(Tensor *from, Tensor *to);
/* Gives `to` the name of `from`; `from` gets a fresh one. */
void tensor_take_name(Tensor *to, Tensor *from);
/* Removes a node whose results have no uses. */
void node_remove(Node *n);
void node_move_before(Node *n, Node *before); /* NULL: to the end */
/* Removes nodes and constants that nothing uses. Graph inputs stay: they are in the C signature. */
int graph_remove_dead(Graph *g);
/* Sorts nodes into topological order (Kahn; stable). False after a diagnostic that names a cycle. */
bool graph_sort(Diag *d, Graph *g);
/* Multiply-accumulates of one evaluation. */
int64_t graph_macs(const Graph *g);
/* Deep copy into arena `a`; constant data is shared. */
Graph *graph_clone(Arena *a, const Graph *g);

#define GRAPH_FOREACH_NODE(g, n)                                                                             \
  for (Node *n = (g)->first, *n##_next = n ? n->next : NULL; n; n = n##_next, n##_next = n ? n->next : NULL)

/* Operand i, or NULL where the node has fewer. */
static inline Tensor *node_operand(const Node *n, int i) { return i < n->n_operands ? n->operands[i] : NULL; }
static inline bool tensor_is_const(const Tensor *t) { return t->data != NULL; }
static inline bool tensor_is_quantized(const Tensor *t) { return t->type.quant != NULL; }
/* The scale and zero point of a per-tensor quantized tensor. */
static inline float tensor_scale(const Tensor *t) { return t->type.quant->scale[0]; }
static inline int32_t tensor_zero(const Tensor *t) { return t->type.quant->zero[0]; }

#endif

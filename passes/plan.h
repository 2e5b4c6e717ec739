/* What static quantization will make of a float graph, decided before calibration: which nodes become integer
 * ops, which tensors share their parameters, and whose values each observer sees. The pass observe makes the
 * plan and calibrates its groups, the pass quantize rewrites the graph by it. */
#ifndef QCC_PASSES_PLAN_H
#define QCC_PASSES_PLAN_H

#include "passes/qconfig.h"
#include "passes/rewrite.h"

typedef enum {
  PLAN_FLOAT,   /* computed in float32 */
  PLAN_INTEGER, /* an integer op on its operands */
  PLAN_TABLE,   /* a table over `source`: with the steps between it is one function of that tensor */
  PLAN_STEP     /* such a step; nothing of it remains */
} PlanKind;

/* Tensors with one element type, scale and zero point. */
typedef struct PlanGroup {
  const char *name; /* of its first tensor that a value comes from: the key of its statistics */
  SrcLoc loc;
  ObserverSpec spec;    /* by the configuration of the node that makes that tensor */
  const OpInfo *fixed;  /* the op whose fixed parameters it has; NULL: calibrated */
  struct PlanGroup *of; /* q stands for `factor` times as much as in this group; NULL: calibrated */
  float factor;
  bool has_fill;          /* constants are concatenated or filled in: the range holds these, too */
  float fill_lo, fill_hi; /* their least and greatest value */
  void *state;            /* the observer's, while calibrating */
  const Quant *quant;     /* after calibration; NULL: nothing but zeros, any scale will do */
  int index;              /* while the plan is made */
  bool used;
  struct PlanGroup *joined; /* that took this one in */
} PlanGroup;

/* A tensor that is no constant. */
typedef struct {
  PlanKind kind;       /* of the node that makes it, in its first result's plan; graph inputs: PLAN_FLOAT */
  const char *source;  /* PLAN_TABLE: the name of the tensor it is a function of */
  const char *reason;  /* PLAN_FLOAT by choice: why; otherwise NULL */
  bool listed;         /* neither the configuration nor the preset asked for that: it is worth a warning */
  bool small_weights;  /* PLAN_FLOAT, a layer: its weights become integers alone (pass dynamic) */
  bool float_result;   /* an integer node of which no integer op reads the result: it gives float32 */
  bool quantized;      /* an integer op makes it, or reads it */
  PlanGroup *group;    /* of the tensor's integer form; NULL: it has none */
  PlanGroup *observer; /* the group whose observer sees the tensor's values; NULL: none does */
} TensorPlan;

/* A layer with integer weights, and its float form in the plan's reference. */
typedef struct {
  Node *layer;
  const Node *reference;
} PlanLayer;

typedef struct Plan {
  Arena *arena;
  const Graph *graph;
  const QConfigSet *qconfig;
  bool quantized_outputs; /* -io quantized */
  StrMap *tensors;        /* name -> TensorPlan; quantize keeps the names */
  PlanGroup **groups;     /* in the order of their first tensors */
  int n_groups, cap_groups;
  const Graph *
      reference; /* the graph as it was before quantize, and its layers in their order; for the pass refine */
  PlanLayer *layers;
  int n_layers;
} Plan;

/* False after a diagnostic. The plan points into the graph only while nothing is rewritten. */
bool plan_make(Diag *d, Arena *a, const Graph *g, const QConfigSet *set, bool quantized_outputs, Plan **plan);

TensorPlan *plan_of(const Plan *p, const Tensor *t); /* NULL: a constant, or not float32 */
/* Does the node become an integer op, or a table? */
bool plan_is_integer(const Plan *p, const Node *n);
/* Why the node stays in float, as far as that is known before calibration; NULL where it does not. */
const char *plan_why_float(const Plan *p, const Node *n);
/* Does the group's observer have to see calibration data? */
bool plan_group_observes(const PlanGroup *group);
bool plan_needs_data(const Plan *p);

/* The ops whose integer results have their operands' parameters. */
bool plan_is_mover(const Node *n);
/* A reshape that is part of another node of the source model: there its operand and its result are one
 * tensor. */
bool plan_is_view(const Node *n);
/* The pass quantize's reason for a node that the user has put into float: cleanup is silent about it. */
extern const char plan_as_configured[];

/* Is this run of the pipeline to quantize this graph? Only float models are; a model that is quantized
 * already keeps its own parameters. */
bool is_to_be_quantized(const PassCtx *ctx, const Graph *g);

/* In plan_float.c: what 8 bits would spoil stays in float. */
void plan_keep_float(Plan *p);

/* Notes a layer that has got integer weights, where there is a reference; its result has the name that it
 * had. */
void plan_add_layer(Plan *p, Node *layer);

/* In plan_groups.c: the second half of plan_make. */
bool plan_form_groups(Diag *d, Plan *p);

#endif

/* Quantization configurations: what each node's result and weights are quantized to, by which observers and
 * in which mode. A set of rules, of a preset or of a user's Lua file (-config). */
#ifndef QCC_PASSES_QCONFIG_H
#define QCC_PASSES_QCONFIG_H

#include "passes/observe.h"

typedef enum {
  QMODE_STATIC,  /* integers throughout, parameters from calibration */
  QMODE_DYNAMIC, /* layers: s8 weights, the operand's parameters are chosen at run time, float results */
  QMODE_WEIGHTS, /* layers: small weights (weight.quant.dtype: s8, f16), computed in float32 */
  QMODE_FLOAT    /* stays in float32 */
} QMode;

typedef struct {
  QMode mode;
  ObserverSpec activation; /* of the node's result; QMODE_DYNAMIC: quant_max says 127 or 255 */
  ObserverSpec weight;     /* of a layer's weight */
} QConfig;

/* In ascending precedence, as PyTorch's set_global, set_object_type, set_module_name_regex, set_module_name;
 * among rules of one kind the last that fits. */
typedef enum { QRULE_DEFAULT, QRULE_OP, QRULE_PATTERN, QRULE_NAME } QRuleKind;

/* What a rule says itself; the rest of its configuration is the default rule's. */
enum { QGIVEN_MODE = 1, QGIVEN_ACTIVATION = 2, QGIVEN_WEIGHT = 4 };

typedef struct {
  QRuleKind kind;
  const char *match; /* op: its name in the IR; pattern: a glob (glob.h); name: exact. The node's name in the
                        source model, or its result's */
  QConfig config;    /* complete */
  SrcLoc loc;        /* in the user's file; unknown for presets */
  unsigned given;    /* QGIVEN_... */
} QRule;

typedef struct QConfigSet {
  const char *name; /* the preset it comes from */
  const QRule *rules;
  int n_rules; /* the first is the default */
  /* As PyTorch's FX mode shares observers: the results of average pools, means, clamps and resizes have their
   * operand's parameters, and an observer that several tensors share sees the values of all of them.
   * Otherwise only what moves values shares, and its observer sees the values where they are made. */
  bool torch_sharing;
  bool float_results; /* layers and tables whose results no integer op reads give float32 */
  bool tune; /* the graph is adapted to the calibration data: channels are equalized, weights rounded, biases
                set by it (passes equalize and refine) */
  bool dynamic_reduce_range; /* QMODE_DYNAMIC: operands become 0..127, where a rule does not say otherwise */
  const char *observer;      /* -observer, or NULL: the default rule's activation comes from there */
  const char
      *quantize; /* -quantize dynamic, weights or f16, or NULL: the default rule's mode comes from there */
} QConfigSet;

/* A preset by its name; NULL where unknown. */
const QConfigSet *qconfig_preset(Arena *a, const char *name);
typedef struct {
  const char *name, *what; /* one line for the manual */
} QConfigPresetInfo;
QConfigPresetInfo qconfig_preset_info(int i); /* the i-th preset's; the name is NULL behind the last */
/* NULL where there is a preset of that name, else what to say. */
const char *qconfig_unknown_preset(Arena *a, const char *name);

/* The set of a user's Lua file that defines no observers of its own: those end with the script
 * (passes/script.h keeps it alive). NULL after diagnostics. */
const QConfigSet *qconfig_read(Diag *d, Arena *a, const char *path);
const QConfigSet *qconfig_read_source(Diag *d, Arena *a, const Source *s);

/* The set with the observer `text` (observer_parse; `more` is for it) for all activations but those that
 * rules give their own. NULL after a diagnostic. */
const QConfigSet *qconfig_with_observer(Diag *d, Arena *a, const QConfigSet *set, const char *text,
                                        const Observer *const *more);

/* The set with that mode as its default; a user's rules that give their own keep it. `weight`: DT_S8 or
 * DT_F16, what weights are in QMODE_DYNAMIC and QMODE_WEIGHTS; where the set's are something else the preset
 * qcc's parameters are taken. */
const QConfigSet *qconfig_with_mode(Arena *a, const QConfigSet *set, QMode mode, DType weight);
/* No rule asks for integers with parameters from calibration, and some asks for small weights. */
bool qconfig_needs_no_data(const QConfigSet *set);

/* The configuration of a node; *rule (where it is not NULL) is the one that gave it. Never NULL. */
const QConfig *qconfig_of(const QConfigSet *set, const struct Node *n, const QRule **rule);
/* For graph inputs: by rules on names, else the default. */
const QConfig *qconfig_of_input(const QConfigSet *set, const struct Tensor *t, const QRule **rule);
const QConfig *qconfig_default(const QConfigSet *set);

/* Fills in what rules do not give from the first rule, the default. `rules` is the caller's to change. */
void qconfig_inherit(QRule *rules, int n_rules, bool dynamic_reduce_range);
/* A warning for each rule of a user's file that fits nothing in the graph. */
void qconfig_warn_unused(Diag *d, const QConfigSet *set, const Graph *g);

#endif

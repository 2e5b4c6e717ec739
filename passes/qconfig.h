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

typedef struct {
  QRuleKind kind;
  const char *match; /* op: its name in the IR; pattern: a glob (fnmatch); name: exact. The node's name in the
                        source model, or its result's */
  QConfig config;
  SrcLoc loc; /* in the user's file; unknown for presets */
} QRule;

typedef struct QConfigSet {
  const char *name; /* the preset it comes from */
  const QRule *rules;
  int n_rules; /* the first is the default */
  /* As PyTorch's FX mode shares observers: the results of average pools, means, clamps and resizes have their
   * operand's parameters, and an observer that several tensors share sees the values of all of them.
   * Otherwise only what moves values shares, and its observer sees the values where they are made. */
  bool torch_sharing;
} QConfigSet;

/* The presets: qcc (ours, the default), fbgemm, qnnpack, onednn, tensorrt. NULL where unknown. */
const QConfigSet *qconfig_preset(Arena *a, const char *name);
extern const char *const qconfig_presets[]; /* their names; ends with NULL */

/* The set with the observer `text` (observer_parse) for all activations. NULL after a diagnostic. */
const QConfigSet *qconfig_with_observer(Diag *d, Arena *a, const QConfigSet *set, const char *text);

/* The configuration of a node; *rule (where it is not NULL) is the one that gave it. Never NULL. */
const QConfig *qconfig_of(const QConfigSet *set, const struct Node *n, const QRule **rule);
/* For graph inputs and what no node makes. */
const QConfig *qconfig_default(const QConfigSet *set);

#endif

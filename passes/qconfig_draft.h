/* What a configuration file says, before the gaps are filled. */
#ifndef QCC_PASSES_QCONFIG_DRAFT_H
#define QCC_PASSES_QCONFIG_DRAFT_H

#include "passes/qconfig.h"

/* The keys that every observer takes, in the order of draft_quant_keys. */
typedef enum {
  QUANT_DTYPE,
  QUANT_SYMMETRIC,
  QUANT_PER_CHANNEL,
  QUANT_CH_AXIS,
  QUANT_MIN,
  QUANT_MAX,
  QUANT_REDUCE_RANGE,
  QUANT_EPS,
  QUANT_KEYS
} QuantKey;

/* minmax { dtype = "s8" }: an observer, its parameters complete; of `spec.quant` what is given. */
typedef struct {
  ObserverSpec spec;
  bool given[QUANT_KEYS];
  bool reduce_range;
  SrcLoc loc;
  SrcLoc range_loc; /* of quant_max, else quant_min, else loc */
} ObserverDraft;

typedef struct {
  QRuleKind kind;
  const char *match;
  SrcLoc loc;
  bool has_mode;
  QMode mode;
  const ObserverDraft *activation, *weight; /* NULL: not given */
  SrcLoc activation_loc, weight_loc;        /* of the keys */
} RuleDraft;

typedef struct {
  const char *preset; /* NULL: qcc */
  RuleDraft base;     /* all `default` calls together; no place: there was none */
  RuleDraft *rules;
  int n_rules, cap_rules;
  bool has_sharing, torch_sharing;
  bool has_results, float_results;
  bool has_tuning, tune;
} ConfigDraft;

/* The draft's rules, completed and checked. NULL after diagnostics. */
const QConfigSet *config_draft_complete(Diag *d, Arena *a, const ConfigDraft *draft);

#endif

/* The presets, as tables: qcc's own; PyTorch's default configurations (torch.ao.quantization.qconfig and
 * qconfig_mapping of 1.13); what TensorRT's tool-kit does by default (pytorch_quantization.tensor_quant). */
#include <string.h>

#include "ir/suggest.h"
#include "passes/qconfig.h"

typedef struct {
  const char *observer;
  QuantSpec quant;
  const double *params; /* all of them, or NULL: the observer's defaults */
} Spec;

typedef struct {
  const char *op; /* NULL: the default rule */
  unsigned given;
  QMode mode;
  const Spec *activation, *weight;
} Rule;

typedef struct {
  QConfigPresetInfo info;
  const Rule *rules;
  int n_rules;
  bool torch_sharing, dynamic_reduce_range, float_results, tune;
} Preset;

#define TORCH_EPS 0x1p-23f

static const Spec extremes_u8 = {"extremes", {.dtype = DT_U8, .quant_max = 255}},
                  minmax_u8 = {"minmax", {.dtype = DT_U8, .quant_max = 255}},
                  channels_s8 = {"per_channel_minmax",
                                 {.dtype = DT_S8,
                                  .symmetric = true,
                                  .per_channel = true,
                                  .quant_min = -127,
                                  .quant_max = 127}};

/* HistogramObserver; default_weight_observer and default_per_channel_weight_observer. */
static const Spec
    torch_u8 = {"histogram", {.dtype = DT_U8, .quant_max = 255, .eps = TORCH_EPS}},
    torch_u7 = {"histogram", {.dtype = DT_U8, .quant_max = 127, .eps = TORCH_EPS}},
    torch_s8 = {"minmax",
                {.dtype = DT_S8, .symmetric = true, .quant_min = -128, .quant_max = 127, .eps = TORCH_EPS}},
    torch_channels_s8 = {"per_channel_minmax",
                         {.dtype = DT_S8,
                          .symmetric = true,
                          .per_channel = true,
                          .quant_min = -128,
                          .quant_max = 127,
                          .eps = TORCH_EPS}},
    torch_f16 = {"placeholder", {.dtype = DT_F16, .symmetric = true, .eps = TORCH_EPS}};

/* default_fixed_qparams_range_0to1_observer and ..._neg1to1_observer. */
static const double from_0_to_1[] = {1.0 / 256, 0}, from_minus_1_to_1[] = {2.0 / 256, 128};
static const Spec torch_0_to_1 = {"fixed", {.dtype = DT_U8, .quant_max = 255, .eps = TORCH_EPS}, from_0_to_1},
                  torch_minus_1_to_1 = {
                      "fixed", {.dtype = DT_U8, .quant_max = 255, .eps = TORCH_EPS}, from_minus_1_to_1};

/* calib.MaxCalibrator; QUANT_DESC_8BIT_PER_TENSOR, ..._WEIGHT_PER_CHANNEL. */
static const Spec
    tensorrt_s8 = {"max", {.dtype = DT_S8, .symmetric = true, .quant_min = -127, .quant_max = 127}},
    tensorrt_channels_s8 = {
        "max", {.dtype = DT_S8, .symmetric = true, .per_channel = true, .quant_min = -127, .quant_max = 127}};

enum { ALL = QGIVEN_MODE | QGIVEN_ACTIVATION | QGIVEN_WEIGHT };

#define DEFAULT(mode, activation, weight)                                                                    \
  { NULL, ALL, mode, &activation, &weight }
#define FIXED(op, params)                                                                                    \
  { op, QGIVEN_ACTIVATION, QMODE_STATIC, &params, NULL }
#define FIXED_OPS                                                                                            \
  FIXED("sigmoid", torch_0_to_1), FIXED("hard_sigmoid", torch_0_to_1), FIXED("softmax", torch_0_to_1),       \
      FIXED("tanh", torch_minus_1_to_1)
#define WEIGHT(op, weight)                                                                                   \
  { op, QGIVEN_WEIGHT, QMODE_STATIC, NULL, &weight }
#define MODE(op, mode)                                                                                       \
  { op, QGIVEN_MODE, mode, NULL, NULL }

/* Recurrent ops have no form with fixed parameters. */
#define DYNAMIC_RECURRENT MODE("lstm", QMODE_DYNAMIC), MODE("gru", QMODE_DYNAMIC), MODE("rnn", QMODE_DYNAMIC)
static const Rule qcc[] = {DEFAULT(QMODE_STATIC, extremes_u8, channels_s8), DYNAMIC_RECURRENT};
static const Rule minmax[] = {DEFAULT(QMODE_STATIC, minmax_u8, channels_s8), DYNAMIC_RECURRENT};
/* FBGEMM knows no transposed convolution with a scale per channel. */
static const Rule fbgemm[] = {DEFAULT(QMODE_STATIC, torch_u7, torch_channels_s8),
                              WEIGHT("conv_transpose2d", torch_s8), WEIGHT("conv_transpose3d", torch_s8),
                              FIXED_OPS};
static const Rule qnnpack[] = {DEFAULT(QMODE_STATIC, torch_u8, torch_s8), FIXED_OPS};
static const Rule onednn[] = {DEFAULT(QMODE_STATIC, torch_u8, torch_channels_s8), FIXED_OPS};
static const Rule tensorrt[] = {DEFAULT(QMODE_STATIC, tensorrt_s8, tensorrt_channels_s8)};
/* What quantize_dynamic takes if it is not told: neither convolutions nor plain RNNs. */
static const Rule dynamic[] = {DEFAULT(QMODE_FLOAT, torch_u8, torch_s8), MODE("linear", QMODE_DYNAMIC),
                               MODE("lstm", QMODE_DYNAMIC), MODE("gru", QMODE_DYNAMIC)};
static const Rule float16[] = {DEFAULT(QMODE_FLOAT, torch_u8, torch_f16), MODE("linear", QMODE_WEIGHTS),
                               MODE("lstm", QMODE_WEIGHTS), MODE("gru", QMODE_WEIGHTS)};

#define RULES(table) table, sizeof table / sizeof *table

static const Preset presets[] = {
    {{"qcc", "extremes, u8; weights per channel in -127..127; adapted to the data (the default)"},
     RULES(qcc),
     .float_results = true,
     .tune = true},
    {{"minmax", "min-max, u8; weights per channel in -127..127; all results quantized, nothing adapted"},
     RULES(minmax)},
    {{"fbgemm", "PyTorch's for x86: histogram, u8 in 0..127; weights per channel"},
     RULES(fbgemm),
     true,
     true},
    {{"x86", "the same"}, RULES(fbgemm), true, true},
    {{"qnnpack", "PyTorch's for ARM: histogram, u8; weights per tensor"}, RULES(qnnpack), true},
    {{"onednn", "PyTorch's for oneDNN: histogram, u8; weights per channel"}, RULES(onednn), true, true},
    {{"tensorrt", "TensorRT's: greatest magnitude, s8 in -127..127; weights per channel"}, RULES(tensorrt)},
    {{"fbgemm_dynamic", "PyTorch's quantize_dynamic for x86: operands 0..127"}, RULES(dynamic), true, true},
    {{"qnnpack_dynamic", "PyTorch's quantize_dynamic for ARM: operands 0..255"}, RULES(dynamic), true},
    {{"float16_dynamic", "PyTorch's quantize_dynamic with float16 weights"}, RULES(float16), true},
};
enum { N_PRESETS = sizeof presets / sizeof *presets };

QConfigPresetInfo qconfig_preset_info(int i) {
  return i < N_PRESETS ? presets[i].info : (QConfigPresetInfo){NULL, NULL};
}

const char *qconfig_unknown_preset(Arena *a, const char *name) {
  Suggest near = {.word = name};
  StrBuf list;
  strbuf_init(&list, a);
  for (const Preset *p = presets; p < presets + N_PRESETS; p++) {
    if (!strcmp(p->info.name, name)) return NULL;
    suggest_offer(&near, p->info.name);
    strbuf_printf(&list, "%s%s", p == presets ? "" : ", ", p->info.name);
  }
  return near.best ? arena_printf(a, "there is no preset '%.60s'; did you mean '%s'?", name, near.best)
                   : arena_printf(a, "there is no preset '%.60s'; there are %s", name, list.text);
}

static ObserverSpec observer_spec(const Spec *s) {
  ObserverSpec spec = {.quant = s->quant};
  if (!observer_named(&spec, s->observer, strlen(s->observer))) BUG("no observer '%s'", s->observer);
  for (int i = 0; s->params && spec.observer->params[i].name; i++) spec.param[i] = s->params[i];
  return spec;
}

static QRule rule_of(const Rule *r) {
  QRule rule = {
      .kind = r->op ? QRULE_OP : QRULE_DEFAULT, .match = r->op, .given = r->given, .config.mode = r->mode};
  if (r->activation) rule.config.activation = observer_spec(r->activation);
  if (r->weight) rule.config.weight = observer_spec(r->weight);
  return rule;
}

const QConfigSet *qconfig_preset(Arena *a, const char *name) {
  for (const Preset *p = presets; p < presets + N_PRESETS; p++) {
    if (strcmp(p->info.name, name)) continue;
    QRule *rules = ARENA_NEW_ARRAY(a, QRule, (size_t)p->n_rules);
    for (int i = 0; i < p->n_rules; i++) rules[i] = rule_of(&p->rules[i]);
    qconfig_inherit(rules, p->n_rules, p->dynamic_reduce_range);
    QConfigSet *set = ARENA_NEW(a, QConfigSet);
    *set = (QConfigSet){.name = p->info.name,
                        .rules = rules,
                        .n_rules = p->n_rules,
                        .torch_sharing = p->torch_sharing,
                        .float_results = p->float_results,
                        .tune = p->tune,
                        .dynamic_reduce_range = p->dynamic_reduce_range};
    return set;
  }
  return NULL;
}

/* Parameters that are known: FixedQParamsObserver. */
#include "ir/quant.h"
#include "passes/observe.h"

static bool fixed_params(const ObserverSpec *spec, float *scale, int32_t *zero) {
  *scale = (float)spec->param[0];
  *zero = (int32_t)spec->param[1];
  return scale_is_valid(*scale) && *zero >= spec->quant.quant_min && *zero <= spec->quant.quant_max;
}

extern const Observer observer_fixed;
const Observer observer_fixed = {.name = "fixed",
                                 .what = "scale and zero point as given",
                                 .params = {{"scale", 1.0 / 256, 0x1p-126, 0x1.fffffep127},
                                            {"zero_point", 0, -2147483648.0, 2147483647.0, .integer = true}},
                                 .params_of = fixed_params};

/* The tables that generators are found by and choose their operations from. */
#include "codegen/lower.h"

const Lowering lower_none = {0};

#define OP(name, lowering) extern const Lowering lower_##lowering;
#include "ir/ops.def"
#undef OP

const Lowering *const lowering_of[OP_COUNT] = {
#define OP(name, lowering) [OP_##name] = &lower_##lowering,
#include "ir/ops.def"
#undef OP
};

static const ActOps act_u8 = {.load = VIR_load_u8,
                              .load_part = VIR_load_u8_part,
                              .load_pairs = VIR_load_p_u8,
                              .store = VIR_store_u8,
                              .store_part = VIR_store_u8_part,
                              .scatter = VIR_scatter_u8,
                              .pair = VIR_pair_u8,
                              .pair_part = VIR_pair_u8_part,
                              .widen_lo = VIR_widen_lo_u8,
                              .widen_hi = VIR_widen_hi_u8,
                              .max = VIR_max_u8,
                              .min = VIR_min_u8,
                              .narrow = VIR_narrow_u8,
                              .narrow_x2 = VIR_narrow_u8_x2,
                              .narrow_x4 = VIR_narrow_u8_x4,
                              .get = VIR_get_u8,
                              .put = VIR_put_u8,
                              .lookup = VIR_lookup_u8,
                              .lowest = 0,
                              .highest = 255};
static const ActOps act_s8 = {.load = VIR_load_s8,
                              .load_part = VIR_load_s8_part,
                              .load_pairs = VIR_load_p_s8,
                              .store = VIR_store_s8,
                              .store_part = VIR_store_s8_part,
                              .scatter = VIR_scatter_s8,
                              .pair = VIR_pair_s8,
                              .pair_part = VIR_pair_s8_part,
                              .widen_lo = VIR_widen_lo_s8,
                              .widen_hi = VIR_widen_hi_s8,
                              .max = VIR_max_s8,
                              .min = VIR_min_s8,
                              .narrow = VIR_narrow_s8,
                              .narrow_x2 = VIR_narrow_s8_x2,
                              .narrow_x4 = VIR_narrow_s8_x4,
                              .get = VIR_get_s8,
                              .put = VIR_put_s8,
                              .lookup = VIR_lookup_s8,
                              .lowest = -128,
                              .highest = 127};

const ActOps *act_ops(DType elem) { return elem == DT_S8 ? &act_s8 : &act_u8; }

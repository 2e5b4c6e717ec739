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

static const ActOps act_u8 = {VIR_load_u8,
                              VIR_load_u8_part,
                              VIR_store_u8,
                              VIR_store_u8_part,
                              VIR_store_u8_x2,
                              VIR_store_u8_x4,
                              VIR_pair_u8,
                              VIR_pair_u8_part,
                              VIR_max_u8,
                              VIR_get_u8,
                              VIR_put_u8,
                              VIR_lookup_u8,
                              0,
                              255};
static const ActOps act_s8 = {VIR_load_s8,
                              VIR_load_s8_part,
                              VIR_store_s8,
                              VIR_store_s8_part,
                              VIR_store_s8_x2,
                              VIR_store_s8_x4,
                              VIR_pair_s8,
                              VIR_pair_s8_part,
                              VIR_max_s8,
                              VIR_get_s8,
                              VIR_put_s8,
                              VIR_lookup_s8,
                              -128,
                              127};

const ActOps *act_ops(DType elem) { return elem == DT_S8 ? &act_s8 : &act_u8; }

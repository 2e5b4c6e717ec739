/* Each operation of vir.def on one instruction set against vec_generic.h, bit for bit: random and extreme
 * operands, memory flush against pages that must not be touched, and bytes around what is written. The
 * generic operations with a rule to break are themselves held against a second definition.
 *
 * usage: test [rounds]; compiled with -DISA=vec_<isa>. Exit status 77: this CPU can't run it. */
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/target.h"
#include "vec_test.h"

/* The rows name micro-kernels, which nothing here uses. */
struct TileKernel {
  int unused;
};
static const struct TileKernel tile_along_k, tile_lanes, tile_mmla;
struct WinogradKernel {
  int unused;
};
static const struct WinogradKernel winograd_pairs, winograd_lanes;
static const Target target_rows[] = {
#define TARGET(...) {__VA_ARGS__},
#include "codegen/targets.def"
#undef TARGET
};

typedef struct {
  const char *name, *signature;
  char result[2];
} OpRow;
static const OpRow op_row[OP_COUNT] = {
#define VIR_OP(name, result, signature) {#name, signature, #result},
#include "codegen/vir.def"
#undef VIR_OP
};

/* What an operation touches behind its address. */
typedef struct {
  int elem;     /* bytes */
  int per_lane; /* elements; 0: `fixed` elements, the same for all lanes */
  int fixed;
} Footprint;
static const Footprint footprint[OP_COUNT] = {
    [OP_load_s32] = {4, 1},       [OP_load_f32] = {4, 1},       [OP_load_f32_part] = {4, 1},
    [OP_load_s32_part] = {4, 1},  [OP_store_s32] = {4, 1},      [OP_store_f32] = {4, 1},
    [OP_store_s32_part] = {4, 1}, [OP_store_f32_part] = {4, 1}, [OP_load_u8] = {1, 1},
    [OP_load_s8] = {1, 1},        [OP_load_u8_part] = {1, 1},   [OP_load_s8_part] = {1, 1},
    [OP_store_u8] = {1, 1},       [OP_store_s8] = {1, 1},       [OP_store_u8_part] = {1, 1},
    [OP_store_s8_part] = {1, 1},  [OP_load_q] = {1, 4},         [OP_load_q_part] = {1, 4},
    [OP_store_q] = {1, 4},        [OP_store_q_part] = {1, 4},   [OP_bcast4] = {1, 0, 4},
    [OP_bcast2x2] = {1, 0, 4},    [OP_load_p] = {2, 2},         [OP_store_p] = {2, 2},
    [OP_load_p_u8] = {1, 2},      [OP_load_p_s8] = {1, 2},      [OP_bcast2] = {2, 0, 2},
    [OP_pair_u8] = {1, 1},        [OP_pair_s8] = {1, 1},        [OP_pair_u8_part] = {1, 1},
    [OP_pair_s8_part] = {1, 1},   [OP_get_u8] = {1, 0, 1},      [OP_get_s8] = {1, 0, 1},
    [OP_get_s32] = {4, 0, 1},     [OP_get_f32] = {4, 0, 1},     [OP_put_u8] = {1, 0, 1},
    [OP_put_s8] = {1, 0, 1},      [OP_put_s32] = {4, 0, 1},     [OP_put_f32] = {4, 0, 1},
    [OP_lookup_u8] = {1, 0, 256}, [OP_lookup_s8] = {1, 0, 256}, [OP_lookup_f32] = {4, 0, 256},
    [OP_split4] = {1, 1},         [OP_join4] = {1, 1},          [OP_split2] = {1, 2},
    [OP_join2] = {1, 2},          [OP_scatter_u8] = {1, 1},     [OP_scatter_s8] = {1, 1},
    [OP_load_f16] = {2, 1},       [OP_load_f16_part] = {2, 1},  [OP_dot_mem] = {1, 4},
    [OP_dot_sat_mem] = {1, 4},    [OP_xor_mem] = {1, 4},        [OP_load_q_once] = {1, 4},
    [OP_load_q_blocks] = {1, 4},  [OP_store_pixels] = {1, 1},
};

/* --- random and extreme values */

static uint64_t state = 0x9E3779B97F4A7C15u;
static uint32_t random32(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32);
}
static int random_below(int n) { return (int)(random32() % (uint32_t)n); }

static float from_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

static int32_t random_s32(void) {
  static const int32_t extreme[] = {
      0,        1,          -1,         127,       128,       255,       256,
      -128,     -129,       32767,      32768,     -32768,    -32769,    16777215,
      16777216, 16777217,   16777219,   -16777217, INT32_MAX, INT32_MIN, INT32_MIN + 1,
      33554434, 2147483583, 2147483584, 65535,     65536,     -65536};
  switch (random_below(4)) {
  case 0:
    return extreme[random_below((int)(sizeof extreme / sizeof *extreme))];
  case 1:
    return random_below(512) - 256;
  case 2:
    return (int32_t)random32() >> random_below(31);
  default:
    return (int32_t)random32();
  }
}

static float random_f32(void) {
  static const uint32_t extreme[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff,
                                     0x00800000, 0x3f800000, 0xbf800000, 0x3f000000, 0x4b000000,
                                     0x4b7fffff, 0x4f000000, 0xcf000000, 0x7f7fffff, 0xff7fffff,
                                     0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7fc00001};
  switch (random_below(5)) {
  case 0:
    return from_bits(extreme[random_below((int)(sizeof extreme / sizeof *extreme))]);
  case 1:
    return from_bits(random32());
  case 2:
    return (float)(random_below(2048) - 1024) + 0.5f; /* ties */
  case 3:
    return (float)random_s32();
  default:
    return (float)(int32_t)random32() * 0x1p-24f;
  }
}

/* Finite, as constants in VIR are. */
static float random_finite(void) {
  for (;;) {
    float f = random_f32();
    if (isfinite(f)) return f;
  }
}

static void random_bytes(uint8_t *p, size_t n) {
  static const uint8_t extreme[] = {0, 1, 127, 128, 129, 254, 255};
  int style = random_below(4);
  uint8_t same = extreme[random_below(7)];
  for (size_t i = 0; i < n; i++)
    p[i] = style == 0 ? same : style == 1 ? extreme[random_below(7)] : (uint8_t)random32();
}

static void random_arg(Arg *a, char kind) {
  for (int l = 0; l < MAX_LANES; l++) {
    int32_t i = random_s32();
    float f = random_f32();
    if (kind == 'i' || kind == 'I') memcpy(a->bytes + 4 * l, &i, 4);
    if (kind == 'f' || kind == 'F') memcpy(a->bytes + 4 * l, &f, 4);
  }
  if (kind == 'q' || kind == 'p') random_bytes(a->bytes, sizeof a->bytes);
  a->n = random_s32();
  a->m = random_finite();
}

static int32_t get_s32(const uint8_t *p, int l) {
  int32_t v;
  memcpy(&v, p + 4 * l, 4);
  return v;
}
static float get_f32(const uint8_t *p, int l) { return from_bits((uint32_t)get_s32(p, l)); }
static int16_t get_s16(const uint8_t *p, int i) {
  int16_t v;
  memcpy(&v, p + 2 * i, 2);
  return v;
}
static void put_f32(uint8_t *p, int l, float v) { memcpy(p + 4 * l, &v, 4); }

/* --- what vir.def says about operands */

/* |v| <= 2^22, mostly near ties */
static float small_value(void) {
  float v =
      random_below(3) ? (float)(random_below(4096) - 2048) * 0.5f : (float)(int32_t)random32() * 0x1p-9f;
  return random_below(8) ? v : copysignf(0x1p22f - (float)random_below(4) * 0.5f, v);
}
static void domain_rne(Arg *a) {
  for (int l = 0; l < MAX_LANES; l++) put_f32(a[0].bytes, l, small_value());
}
static float random_multiplier(void) {
  uint32_t exponent =
      random_below(2) ? (uint32_t)(100 + random_below(40)) : (uint32_t)(1 + random_below(254));
  return from_bits(exponent << 23 | (random_below(4) ? random32() & 0x7fffff : 0));
}
static void domain_requant(Arg *a) {
  for (int l = 0; l < MAX_LANES; l++) {
    float x = rintf(small_value()), y = rintf(small_value());
    put_f32(a[1].bytes, l, random_multiplier());
    put_f32(a[2].bytes, l, x < y ? x : y);
    put_f32(a[3].bytes, l, x < y ? y : x);
  }
}
static void domain_scale(Arg *a) {
  for (int l = 0; l < MAX_LANES; l++) {
    float m = random_multiplier(), acc = (float)get_s32(a[0].bytes, l);
    put_f32(a[1].bytes, l, fabsf(acc * m) < 0x1p31f ? m : ldexpf(frexpf(m, &(int){0}), -random_below(31)));
  }
}
/* One zero point, which a byte could have. */
static void same_zero(Arg *a) {
  int16_t z = (int16_t)(random_below(384) - 128);
  for (int i = 0; i < 2 * MAX_LANES; i++) memcpy(a->bytes + 2 * i, &z, 2);
}
static void domain_narrow(Arg *a) { same_zero(&a[1]); }
static void domain_narrow_x2(Arg *a) { same_zero(&a[2]); }
static void domain_narrow_x4(Arg *a) { same_zero(&a[4]); }
static void domain_int_requant(Arg *a) {
  domain_requant(a);
  a[2].m = get_f32(a[2].bytes, 0);
  a[3].m = get_f32(a[3].bytes, 0);
}
static void domain_int_requant_wide(Arg *a) {
  Arg narrow[4];
  domain_requant(narrow);
  memcpy(a[2].bytes, narrow[1].bytes, 4);
  a[3].m = get_f32(narrow[2].bytes, 0);
  a[4].m = get_f32(narrow[3].bytes, 0);
}
/* Weights shrink until both sums of two products fit int16, some of them barely. */
static void domain_dot_sat(Arg *a) {
  for (int i = 0; i < 4 * MAX_LANES; i += 2) {
    int8_t *w = (int8_t *)a[2].bytes + i;
    const uint8_t *x = a[1].bytes + i;
    while (x[0] * w[0] + x[1] * w[1] > INT16_MAX) w[w[0] < w[1]]--;
    while (x[0] * w[0] + x[1] * w[1] < INT16_MIN) w[w[0] > w[1]]++;
  }
}
static void domain_products(Arg *a) {
  Arg with_sum[3];
  memcpy(&with_sum[1], a, 2 * sizeof *a);
  domain_dot_sat(with_sum);
  memcpy(a, &with_sum[1], 2 * sizeof *a);
}
/* The weights are in memory: values that fit with any of them. */
static void domain_dot_sat_mem(Arg *a) {
  for (int i = 0; i < 4 * MAX_LANES; i += 2) {
    uint8_t *x = a[1].bytes + i;
    if (random_below(2)) {
      x[random_below(2)] = 0;
    } else {
      x[0] &= 127;
      x[1] &= 127;
    }
  }
}
static void domain_dot2x2(Arg *a) {
  for (int i = 0; i < 4 * MAX_LANES; i++)
    if (a[2].bytes[i] == 0x80) a[2].bytes[i] = 0x81;
}
static void domain_blocks(Arg *a) { a[1].n = random_below(80); }
static void domain_lane(Arg *a) { a[3].n &= 3; }
static void domain_lane8(Arg *a) { a[3].n &= 7; }
static void domain_shift(Arg *a) { a[1].n &= 31; }
static void domain_splat_p(Arg *a) {
  a[0].n = (int16_t)a[0].n;
  a[1].n = (int16_t)a[1].n;
}
static void domain_scatter(Arg *a) { a[2].n = 1 + random_below(9); }
static void domain_split4(Arg *a) { a[2].n = 16 + random_below(9); }
static void domain_join4(Arg *a) { a[1].n = 16 + random_below(9); }
static void domain_split2(Arg *a) { a[2].n = 32 + random_below(9); }
static void domain_join2(Arg *a) { a[1].n = 32 + random_below(9); }
static void domain_pixels(Arg *a) { a[2].n = 2 + random_below(3); }
static void domain_splat_q(Arg *a) { a[0].n = random_below(384) - 128; }
static void domain_lookup(Arg *a) {
  int32_t index = random_below(256);
  memcpy(a[1].bytes, &index, 4);
}
static void domain_dynamic(Arg *a) {
  for (int i = 0; random_below(3) && i < 2; i++) { /* ranges of all sizes, most of them of one end's size */
    float v = random_multiplier();
    put_f32(a[i].bytes, 0, i ? v : -v);
    if (random_below(2)) put_f32(a[1 - i].bytes, 0, (i ? -v : v) * (float)random_below(5) * 0.375f);
  }
  a[2].n = random_below(2);
  a[3].n = random_below(2) ? 255 : 127;
}
static void (*const domain[OP_COUNT])(Arg *a) = {
    [OP_dynamic_scale] = domain_dynamic,
    [OP_dynamic_zero] = domain_dynamic,
    [OP_rne_f32] = domain_rne,
    [OP_float_rne] = domain_rne,
    [OP_requant] = domain_requant,
    [OP_scale] = domain_scale,
    [OP_narrow_u8] = domain_narrow,
    [OP_narrow_s8] = domain_narrow,
    [OP_narrow_u8_x2] = domain_narrow_x2,
    [OP_narrow_s8_x2] = domain_narrow_x2,
    [OP_narrow_u8_x4] = domain_narrow_x4,
    [OP_narrow_s8_x4] = domain_narrow_x4,
    [OP_int_requant] = domain_int_requant,
    [OP_int_requant_wide] = domain_int_requant_wide,
    [OP_split4] = domain_split4,
    [OP_join4] = domain_join4,
    [OP_split2] = domain_split2,
    [OP_join2] = domain_join2,
    [OP_store_pixels] = domain_pixels,
    [OP_scatter_u8] = domain_scatter,
    [OP_scatter_s8] = domain_scatter,
    [OP_dot_sat] = domain_dot_sat,
    [OP_products] = domain_products,
    [OP_dot_sat_mem] = domain_dot_sat_mem,
    [OP_dot2x2] = domain_dot2x2,
    [OP_load_q_blocks] = domain_blocks,
    [OP_dot_s8_lane] = domain_lane,
    [OP_mla_lo_lane] = domain_lane8,
    [OP_mla_hi_lane] = domain_lane8,
    [OP_shr_s32] = domain_shift,
    [OP_int_shr] = domain_shift,
    [OP_splat_p] = domain_splat_p,
    [OP_splat_q] = domain_splat_q,
    [OP_lookup_u8] = domain_lookup,
    [OP_lookup_s8] = domain_lookup,
    [OP_lookup_f32] = domain_lookup,
};

/* --- second definitions of the generic operations: the lane of a result from its operands */

static int32_t rne(float v) { return (int32_t)nearbyintf(v); }
static int32_t wrap(int64_t v) { return (int32_t)(uint32_t)(uint64_t)v; }
static int32_t bits_of(float f) {
  int32_t u;
  memcpy(&u, &f, 4);
  return u;
}

static int32_t define_dot(const Arg *a, int l) {
  int64_t sum = get_s32(a[0].bytes, l);
  for (int j = 0; j < 4; j++) sum += a[1].bytes[4 * l + j] * (int8_t)a[2].bytes[4 * l + j];
  return wrap(sum);
}
static int32_t define_dot_mem(const Arg *a, int l) {
  Arg loaded[3] = {a[0], a[1]};
  memcpy(loaded[2].bytes, a[2].address, 16);
  return define_dot(loaded, l);
}
static int32_t define_xor_mem(const Arg *a, int l) {
  return get_s32(a[0].bytes, l) ^ get_s32(a[1].address, l);
}
static int32_t define_dot2x2(const Arg *a, int l) { /* of 4 lanes */
  int64_t sum = get_s32(a[0].bytes, l);
  for (int j = 0; j < 4; j++) {
    int i = j / 2 * 8 + 2 * l + j % 2;
    sum += (int8_t)a[1].bytes[i] * (int8_t)a[2].bytes[i];
  }
  return wrap(sum);
}
static int32_t define_dot2x2_half(const Arg *a, int l) {
  int64_t sum = get_s32(a[0].bytes, l);
  for (int i = 2 * l; i < 2 * l + 2; i++) sum += (int8_t)a[1].bytes[i] * (int8_t)a[2].bytes[i];
  return wrap(sum);
}
/* The sum of n products of signed bytes, from x[i] and w[j] on. */
static int32_t define_bytes(const Arg *a, int l, int i, int j, int n) {
  int64_t sum = get_s32(a[0].bytes, l);
  for (int k = 0; k < n; k++) sum += (int8_t)a[1].bytes[i + k] * (int8_t)a[2].bytes[j + k];
  return wrap(sum);
}
static int32_t define_dot_s8(const Arg *a, int l) { return define_bytes(a, l, 4 * l, 4 * l, 4); }
static int32_t define_dot_s8_lane(const Arg *a, int l) { return define_bytes(a, l, 4 * a[3].n, 4 * l, 4); }
static int32_t define_mla(const Arg *a, int l, int j) {
  return wrap(get_s32(a[0].bytes, l) + (int64_t)get_s16(a[1].bytes, a[3].n) * get_s16(a[2].bytes, j));
}
static int32_t define_mla_lo_lane(const Arg *a, int l) { return define_mla(a, l, l); }
static int32_t define_mla_hi_lane(const Arg *a, int l) { return define_mla(a, l, 4 + l); }
static int32_t define_mmla_s8(const Arg *a, int l) { return define_bytes(a, l, l / 2 * 8, l % 2 * 8, 8); }
static int32_t define_zip_lo64(const Arg *a, int l) { return get_s32(a[l / 2].bytes, l % 2); }
static int32_t define_zip_hi64(const Arg *a, int l) { return get_s32(a[l / 2].bytes, 2 + l % 2); }
static int32_t define_sum4(const Arg *a, int l) {
  int64_t sum = 0;
  for (int k = 0; k < 4; k++) sum += get_s32(a[l].bytes, k);
  return wrap(sum);
}
static int32_t define_dot2(const Arg *a, int l) {
  int64_t sum = get_s32(a[0].bytes, l);
  for (int j = 2 * l; j < 2 * l + 2; j++) sum += (int64_t)get_s16(a[1].bytes, j) * get_s16(a[2].bytes, j);
  return wrap(sum);
}
static int32_t define_add(const Arg *a, int l) {
  return wrap((int64_t)get_s32(a[0].bytes, l) + get_s32(a[1].bytes, l));
}
static int32_t define_sub(const Arg *a, int l) {
  return wrap((int64_t)get_s32(a[0].bytes, l) - get_s32(a[1].bytes, l));
}
static int32_t define_mul(const Arg *a, int l) {
  return wrap((int64_t)get_s32(a[0].bytes, l) * get_s32(a[1].bytes, l));
}
static int32_t define_max(const Arg *a, int l) {
  int32_t x = get_s32(a[0].bytes, l), y = get_s32(a[1].bytes, l);
  return x > y ? x : y;
}
static int32_t define_min(const Arg *a, int l) {
  int32_t x = get_s32(a[0].bytes, l), y = get_s32(a[1].bytes, l);
  return x > y ? y : x;
}
static int32_t define_add_f32(const Arg *a, int l) {
  volatile float r = get_f32(a[0].bytes, l) + get_f32(a[1].bytes, l);
  return bits_of(r);
}
static int32_t define_sub_f32(const Arg *a, int l) {
  volatile float r = get_f32(a[0].bytes, l) - get_f32(a[1].bytes, l);
  return bits_of(r);
}
static int32_t define_mul_f32(const Arg *a, int l) {
  volatile float r = get_f32(a[0].bytes, l) * get_f32(a[1].bytes, l);
  return bits_of(r);
}
static int32_t define_div_f32(const Arg *a, int l) {
  volatile float r = get_f32(a[0].bytes, l) / get_f32(a[1].bytes, l);
  return bits_of(r);
}
static int32_t define_neg(const Arg *a, int l) { return bits_of(get_f32(a[0].bytes, l)) ^ INT32_MIN; }
static int32_t define_abs(const Arg *a, int l) { return bits_of(get_f32(a[0].bytes, l)) & INT32_MAX; }
static int32_t define_if_negative(const Arg *a, int l) {
  return bits_of(get_f32(a[get_f32(a[0].bytes, l) < 0 ? 1 : 2].bytes, l));
}
static int32_t define_to_f32(const Arg *a, int l) { return bits_of((float)(double)get_s32(a[0].bytes, l)); }
static int32_t define_shr(const Arg *a, int l) {
  return (int32_t)floor((double)get_s32(a[0].bytes, l) / (double)((int64_t)1 << a[1].n));
}
static int32_t define_max_f32(const Arg *a, int l) {
  float x = get_f32(a[0].bytes, l), y = get_f32(a[1].bytes, l);
  if (isnan(x) || isnan(y)) return bits_of(y);
  return bits_of(x > y ? x : y);
}
static int32_t define_min_f32(const Arg *a, int l) {
  float x = get_f32(a[0].bytes, l), y = get_f32(a[1].bytes, l);
  if (isnan(x) || isnan(y)) return bits_of(y);
  return bits_of(x < y ? x : y);
}
static int32_t define_sqrt(const Arg *a, int l) { return bits_of(sqrtf(get_f32(a[0].bytes, l))); }
static int32_t define_floor(const Arg *a, int l) { return bits_of(floorf(get_f32(a[0].bytes, l))); }
static int32_t define_ceil(const Arg *a, int l) { return bits_of(ceilf(get_f32(a[0].bytes, l))); }
static int32_t define_round(const Arg *a, int l) { return bits_of(rintf(get_f32(a[0].bytes, l))); }
static int32_t define_bcast_p(const Arg *a, int l) {
  (void)l;
  return get_s32(a[0].bytes, 0);
}
static int32_t define_pair(int low, int high) {
  return wrap((int64_t)((uint32_t)low & 0xffff) | (int64_t)high * 65536);
}
static int32_t define_widen_lo_u8(const Arg *a, int l) {
  return define_pair(a[0].bytes[2 * l], a[0].bytes[2 * l + 1]);
}
static int32_t define_widen_hi_u8(const Arg *a, int l) {
  return define_pair(a[0].bytes[8 + 2 * l], a[0].bytes[9 + 2 * l]);
}
static int32_t define_widen_lo_s8(const Arg *a, int l) {
  return define_pair((int8_t)a[0].bytes[2 * l], (int8_t)a[0].bytes[2 * l + 1]);
}
static int32_t define_widen_hi_s8(const Arg *a, int l) {
  return define_pair((int8_t)a[0].bytes[8 + 2 * l], (int8_t)a[0].bytes[9 + 2 * l]);
}
static int32_t define_words(const Arg *a, int l) { return get_s32(a[0].bytes, l); }
static int32_t define_sub_p(const Arg *a, int l) {
  int low = get_s16(a[0].bytes, 2 * l) - get_s16(a[1].bytes, 2 * l);
  int high = get_s16(a[0].bytes, 2 * l + 1) - get_s16(a[1].bytes, 2 * l + 1);
  return wrap((int64_t)high * 65536 + (uint16_t)low);
}
static int32_t define_add_p(const Arg *a, int l) {
  int low = get_s16(a[0].bytes, 2 * l) + get_s16(a[1].bytes, 2 * l);
  int high = get_s16(a[0].bytes, 2 * l + 1) + get_s16(a[1].bytes, 2 * l + 1);
  return wrap((int64_t)high * 65536 + (uint16_t)low);
}
static int32_t define_products(const Arg *a, int l) {
  int sum[2] = {0};
  for (int j = 0; j < 4; j++) sum[j / 2] += a[0].bytes[4 * l + j] * (int8_t)a[1].bytes[4 * l + j];
  return wrap((int64_t)sum[1] * 65536 + (uint16_t)sum[0]);
}
static int32_t define_add_pairs(const Arg *a, int l) {
  return wrap((int64_t)get_s32(a[0].bytes, l) + get_s16(a[1].bytes, 2 * l) + get_s16(a[1].bytes, 2 * l + 1));
}
static int32_t define_rne(const Arg *a, int l) { return rne(get_f32(a[0].bytes, l)); }
static int32_t requant(int64_t acc, float m, float lo, float hi, int32_t z) {
  volatile float converted = (float)acc;
  volatile float v = converted * m;
  float clamped = v > hi ? hi : v < lo ? lo : v;
  return wrap((int64_t)rne(clamped) + z);
}
static int32_t define_scale(const Arg *a, int l) {
  volatile float converted = (float)get_s32(a[0].bytes, l);
  volatile float v = converted * get_f32(a[1].bytes, l);
  return (int32_t)nearbyint((double)v);
}
/* Of 4 lanes: vector l of them. */
static int32_t define_narrow(const Arg *a, const Arg *zero, int l, int lo, int hi) {
  uint32_t r = 0;
  for (int i = 0; i < 4; i++) {
    int64_t v = (int64_t)get_s32(a[l].bytes, i) + get_s16(zero->bytes, 0);
    r |= (uint32_t)(uint8_t)(v < lo ? lo : v > hi ? hi : v) << 8 * i;
  }
  return wrap((int64_t)r);
}
static int32_t define_narrow_u8(const Arg *a, int l) {
  return l < 1 ? define_narrow(a, a + 1, l, 0, 255) : 0;
}
static int32_t define_narrow_u8_x2(const Arg *a, int l) {
  return l < 2 ? define_narrow(a, a + 2, l, 0, 255) : 0;
}
static int32_t define_narrow_u8_x4(const Arg *a, int l) { return define_narrow(a, a + 4, l, 0, 255); }
static int32_t define_narrow_s8(const Arg *a, int l) {
  return l < 1 ? define_narrow(a, a + 1, l, -128, 127) : 0;
}
static int32_t define_narrow_s8_x2(const Arg *a, int l) {
  return l < 2 ? define_narrow(a, a + 2, l, -128, 127) : 0;
}
static int32_t define_narrow_s8_x4(const Arg *a, int l) { return define_narrow(a, a + 4, l, -128, 127); }
/* Word l of two vectors of 16 bytes whose units of `unit` bytes take turns, from byte `from` on. */
static int32_t define_zip(const Arg *a, int l, int from, int unit) {
  uint32_t r = 0;
  for (int i = 0; i < 4; i++) {
    int at = 4 * l + i; /* of the result */
    const uint8_t *source = a[at / unit % 2].bytes + from + at / (2 * unit) * unit + at % unit;
    r |= (uint32_t)*source << 8 * i;
  }
  return wrap((int64_t)r);
}
static int32_t define_zip_lo8(const Arg *a, int l) { return define_zip(a, l, 0, 1); }
static int32_t define_zip_hi8(const Arg *a, int l) { return define_zip(a, l, 8, 1); }
static int32_t define_zip_lo16(const Arg *a, int l) { return define_zip(a, l, 0, 2); }
static int32_t define_zip_hi16(const Arg *a, int l) { return define_zip(a, l, 8, 2); }
static int32_t define_requant(const Arg *a, int l) {
  return requant(get_s32(a[0].bytes, l), get_f32(a[1].bytes, l), get_f32(a[2].bytes, l),
                 get_f32(a[3].bytes, l), get_s32(a[4].bytes, l));
}
static int32_t define_int_requant(const Arg *a, int l) {
  return requant(get_s32(a[0].bytes, l), get_f32(a[1].bytes, l), a[2].m, a[3].m, a[4].n);
}
static int32_t define_int_requant_wide(const Arg *a, int l) {
  int64_t acc = (int64_t)get_s32(a[0].bytes, l) * 65536 + get_s32(a[1].bytes, l);
  return requant(acc, get_f32(a[2].bytes, l), a[3].m, a[4].m, a[5].n);
}
/* ATen's ChooseQuantizationParams, step by step; ONNX's DynamicQuantizeLinear. */
static void aten_parameters(float lo, float hi, int32_t qmax, float *scale, int32_t *zero) {
  const float least = 6.1e-5f;
  double s = ((double)hi - (double)lo) / qmax;
  if ((float)s == 0 || isinf(1.0f / (float)s)) s = 0.1;
  if (s < least) {
    float before = (float)s;
    s = least;
    if (lo == 0) {
      hi = least * (float)qmax;
    } else if (hi == 0) {
      lo = -least * (float)qmax;
    } else {
      volatile float factor = least / before;
      lo *= factor;
      hi *= factor;
    }
  }
  double error_lo = -fabs((double)lo / s), error_hi = qmax - fabs((double)hi / s);
  double z = error_lo < error_hi ? -(double)lo / s : qmax - (double)hi / s;
  *scale = (float)s;
  *zero = z < 0 ? 0 : z > qmax ? qmax : (int32_t)nearbyint(z);
}
static void onnx_parameters(float lo, float hi, int32_t qmax, float *scale, int32_t *zero) {
  volatile float range = hi - lo, s = range / (float)qmax;
  if (isinf(range)) s = hi / (float)qmax - lo / (float)qmax;
  if (lo == hi) s = 1;
  if (s < 0x1p-126f) s = 0x1p-126f;
  volatile float z = 0 - lo / s;
  *scale = s;
  *zero = z > (float)qmax ? qmax : (int32_t)nearbyintf(z);
}
static void define_dynamic(const Arg *a, float *scale, int32_t *zero) {
  float lo = get_f32(a[0].bytes, 0), hi = get_f32(a[1].bytes, 0);
  lo = fmaxf(fminf(isnan(lo) ? 0 : lo, 0), -0x1.fffffep127f);
  hi = fminf(fmaxf(isnan(hi) ? 0 : hi, 0), 0x1.fffffep127f);
  (a[2].n ? onnx_parameters : aten_parameters)(lo, hi, a[3].n, scale, zero);
}
static int32_t define_dynamic_scale(const Arg *a, int l) {
  (void)l;
  float scale;
  int32_t zero;
  define_dynamic(a, &scale, &zero);
  return bits_of(scale);
}
static int32_t define_dynamic_zero(const Arg *a, int l) {
  (void)l;
  float scale;
  int32_t zero;
  define_dynamic(a, &scale, &zero);
  return zero;
}
static int32_t define_wide_to_float(const Arg *a, int l) {
  int64_t sum = (int64_t)get_s32(a[0].bytes, l) * 65536 + get_s32(a[1].bytes, l);
  return bits_of((float)sum);
}
static int32_t define_load_f16(const Arg *a, int l) {
  uint16_t h;
  memcpy(&h, (const uint8_t *)a[0].address + 2 * l, 2);
  int exponent = h >> 10 & 31, fraction = h & 1023;
  float magnitude = exponent ? ldexpf((float)(fraction + 1024), exponent - 25) : ldexpf((float)fraction, -24);
  if (exponent == 31) magnitude = fraction ? NAN : INFINITY;
  return bits_of(h >> 15 ? -magnitude : magnitude);
}
static int32_t (*const definition[OP_COUNT])(const Arg *a, int l) = {
    [OP_dynamic_scale] = define_dynamic_scale,
    [OP_dynamic_zero] = define_dynamic_zero,
    [OP_int_wide_to_float] = define_wide_to_float,
    [OP_load_f16] = define_load_f16,
    [OP_dot] = define_dot,
    [OP_dot_sat] = define_dot,
    [OP_dot_mem] = define_dot_mem,
    [OP_dot_sat_mem] = define_dot_mem,
    [OP_xor_mem] = define_xor_mem,
    [OP_dot2x2] = define_dot2x2,
    [OP_dot2x2_wide] = define_dot2x2,
    [OP_dot2] = define_dot2,
    [OP_dot2x2_half] = define_dot2x2_half,
    [OP_dot_s8] = define_dot_s8,
    [OP_dot_s8_lane] = define_dot_s8_lane,
    [OP_mla_lo_lane] = define_mla_lo_lane,
    [OP_mla_hi_lane] = define_mla_hi_lane,
    [OP_mmla_s8] = define_mmla_s8,
    [OP_zip_lo64] = define_zip_lo64,
    [OP_zip_hi64] = define_zip_hi64,
    [OP_zip_lo64_s32] = define_zip_lo64,
    [OP_zip_hi64_s32] = define_zip_hi64,
    [OP_sum4] = define_sum4,
    [OP_add_s32] = define_add,
    [OP_sub_s32] = define_sub,
    [OP_mul_s32] = define_mul,
    [OP_shr_s32] = define_shr,
    [OP_int_add] = define_add,
    [OP_int_sub] = define_sub,
    [OP_int_mul] = define_mul,
    [OP_int_shr] = define_shr,
    [OP_max_s32] = define_max,
    [OP_int_max] = define_max,
    [OP_min_s32] = define_min,
    [OP_int_min] = define_min,
    [OP_add_f32] = define_add_f32,
    [OP_float_add] = define_add_f32,
    [OP_sub_f32] = define_sub_f32,
    [OP_float_sub] = define_sub_f32,
    [OP_mul_f32] = define_mul_f32,
    [OP_float_mul] = define_mul_f32,
    [OP_div_f32] = define_div_f32,
    [OP_float_div] = define_div_f32,
    [OP_s32_to_f32] = define_to_f32,
    [OP_int_to_float] = define_to_f32,
    [OP_float_neg] = define_neg,
    [OP_float_abs] = define_abs,
    [OP_float_if_negative] = define_if_negative,
    [OP_if_negative_f32] = define_if_negative,
    [OP_float_floor] = define_floor,
    [OP_float_ceil] = define_ceil,
    [OP_float_round] = define_round,
    [OP_bcast_p] = define_bcast_p,
    [OP_words] = define_words,
    [OP_widen_lo_u8] = define_widen_lo_u8,
    [OP_widen_hi_u8] = define_widen_hi_u8,
    [OP_widen_lo_s8] = define_widen_lo_s8,
    [OP_widen_hi_s8] = define_widen_hi_s8,
    [OP_sub_p] = define_sub_p,
    [OP_add_p] = define_add_p,
    [OP_products] = define_products,
    [OP_add_pairs] = define_add_pairs,
    [OP_max_f32] = define_max_f32,
    [OP_min_f32] = define_min_f32,
    [OP_float_max] = define_max_f32,
    [OP_float_min] = define_min_f32,
    [OP_sqrt_f32] = define_sqrt,
    [OP_abs_f32] = define_abs,
    [OP_float_sqrt] = define_sqrt,
    [OP_rne_f32] = define_rne,
    [OP_float_rne] = define_rne,
    [OP_requant] = define_requant,
    [OP_scale] = define_scale,
    [OP_narrow_u8] = define_narrow_u8,
    [OP_narrow_u8_x2] = define_narrow_u8_x2,
    [OP_narrow_u8_x4] = define_narrow_u8_x4,
    [OP_narrow_s8] = define_narrow_s8,
    [OP_narrow_s8_x2] = define_narrow_s8_x2,
    [OP_narrow_s8_x4] = define_narrow_s8_x4,
    [OP_zip_lo8] = define_zip_lo8,
    [OP_zip_hi8] = define_zip_hi8,
    [OP_zip_lo16] = define_zip_lo16,
    [OP_zip_hi16] = define_zip_hi16,
    [OP_int_requant] = define_int_requant,
    [OP_int_requant_wide] = define_int_requant_wide,
};

/* --- memory between two pages that trap */

enum { GENERIC, TESTED, ROOMS = 4 }; /* a room for each address operand, for either side */
static uint8_t *room[ROOMS];
static size_t page;
static const char *running = "";

static void trapped(int signal_number) {
  (void)signal_number;
  static const char text[] = "FAIL: touched memory that is not its own: v_";
  /* write's result tells nothing that could be acted on here */
  if (write(1, text, sizeof text - 1) > 0 && write(1, running, strlen(running)) > 0)
    _exit(write(1, "\n", 1) == 1);
  _exit(1);
}

static void make_rooms(void) {
  page = (size_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < ROOMS; i++) {
    uint8_t *p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, page, PROT_READ | PROT_WRITE)) {
      perror("mmap");
      exit(1);
    }
    room[i] = p + page;
  }
}

/* Where `bytes` bytes lie in their room: at its beginning, at its end or between. */
static size_t random_place(size_t bytes, int elem) {
  size_t last = (page - bytes) / (size_t)elem;
  switch (random_below(4)) {
  case 0:
    return 0;
  case 1:
    return (size_t)random_below((int)last + 1) * (size_t)elem;
  default:
    return page - bytes;
  }
}

/* --- the generic operation on as many lanes as the tested one has: four at a time */

static bool is_scatter(int op) { return op == OP_scatter_u8 || op == OP_scatter_s8; }
static bool has_halves(int op) {
  return op == OP_bcast2x2 || op == OP_dot2x2 || op == OP_dot2x2_half || op == OP_dot2x2_wide;
}

/* Bytes of four lanes, from lane 4 * part: together, or in two halves as dot2x2 has its bytes. */
static void take_lanes(uint8_t *to, const uint8_t *from, bool halves, int lanes, int part) {
  if (halves) {
    memcpy(to, from + 8 * part, 8);
    memcpy(to + 8, from + 2 * lanes + 8 * part, 8);
  } else {
    memcpy(to, from + 16 * part, 16);
  }
}
/* The bytes of a result that four lanes make. */
static int result_bytes(int op) {
  bool one = op == OP_narrow_u8 || op == OP_narrow_s8, two = op == OP_narrow_u8_x2 || op == OP_narrow_s8_x2;
  return one ? 4 : two ? 8 : 16;
}
static void put_lanes(uint8_t *to, const uint8_t *from, bool halves, int lanes, int part, int bytes) {
  if (halves) {
    memcpy(to + 8 * part, from, 8);
    memcpy(to + 2 * lanes + 8 * part, from + 8, 8);
  } else {
    memcpy(to + bytes * part, from, (size_t)bytes);
  }
}

/* From four lanes' memory to the next ones'. */
static int bytes_apart(int op, const Arg *args, int usual) {
  if (is_scatter(op) || op == OP_store_pixels) return 4 * args[2].n;
  return op == OP_load_q_blocks ? args[1].n : usual;
}

static void run_generic(int op, const Arg *args, uint8_t *result, int lanes) {
  const OpRow *row = &op_row[op];
  const Footprint *f = &footprint[op];
  bool is_part = strstr(row->name, "_part") != NULL;
  bool vectors = strpbrk(row->signature, "ifqp") || strchr("ifqp", row->result[0]);
  for (int part = 0; part < (vectors ? lanes / 4 : 1); part++) {
    Arg a[MAX_ARGS];
    uint8_t r[16] = {0};
    bool idle = false;
    for (int i = 0; row->signature[i]; i++) {
      char kind = row->signature[i];
      a[i] = args[i];
      if (strchr("ifqp", kind))
        take_lanes(a[i].bytes, args[i].bytes, kind == 'q' && has_halves(op), lanes, part);
      if (kind == 'r' || kind == 'w')
        a[i].address = (uint8_t *)a[i].address + part * bytes_apart(op, args, 4 * f->per_lane * f->elem);
      if (kind == 'n' && is_part) {
        int unit = strstr(row->name, "_q_") ? 16 : 4; /* n counts bytes or lanes */
        a[i].n -= unit * part;
        idle = a[i].n <= 0;
        if (a[i].n > unit) a[i].n = unit;
      }
    }
    if (!idle) vec_generic.run[op](a, r);
    if (strchr("ifqp", row->result[0]))
      put_lanes(result, r, has_halves(op) && row->result[0] == 'q', lanes, part, result_bytes(op));
    else
      memcpy(result, r, 4);
  }
}

/* --- comparison */

static bool same_lane(const uint8_t *x, const uint8_t *y, int l, bool is_float) {
  if (get_s32(x, l) == get_s32(y, l)) return true;
  return is_float && isnan(get_f32(x, l)) && isnan(get_f32(y, l));
}

static int passed, failed;

static void print_lanes(const uint8_t *p, char kind, int n) {
  for (int l = 0; l < n; l++) {
    if (kind == 'f' || kind == 'F')
      printf(" %a", (double)get_f32(p, l));
    else if (kind == 'q' || kind == 'p')
      printf(" %08x", (unsigned)get_s32(p, l));
    else
      printf(" %d", get_s32(p, l));
  }
}

static void report(const VecIsa *isa, int op, const char *what, const Arg *args, const uint8_t *want,
                   const uint8_t *got) {
  printf("FAIL %s v_%s: %s\n", isa->name, op_row[op].name, what);
  for (int i = 0; op_row[op].signature[i]; i++) {
    char kind = op_row[op].signature[i];
    printf("  operand %d:", i + 1);
    if (kind == 'n')
      printf(" %d", args[i].n);
    else if (kind == 'm')
      printf(" %.9g", (double)args[i].m);
    else if (kind == 'r' || kind == 'w')
      printf(" at byte %zu of its page", (size_t)((uintptr_t)args[i].address % page));
    else
      print_lanes(args[i].bytes, kind, strchr("IF", kind) ? 1 : isa->lanes);
    printf("\n");
  }
  for (int l = 0; want && l < isa->lanes; l++)
    if (get_s32(want, l) != get_s32(got, l))
      printf("  lane %d: %08x, not %08x\n", l, (unsigned)get_s32(got, l), (unsigned)get_s32(want, l));
}

/* The number of elements that this call touches, or steps over. */
static int elements(int op, const Arg *args, int lanes) {
  if (is_scatter(op)) return (lanes - 1) * args[2].n + 1;
  if (op == OP_split4) return 3 * args[2].n + lanes;
  if (op == OP_join4) return 3 * args[1].n + lanes;
  if (op == OP_split2) return args[2].n + 2 * lanes;
  if (op == OP_join2) return args[1].n + 2 * lanes;
  if (op == OP_store_pixels) return args[2].n * lanes;
  const char *n = strchr(op_row[op].signature, 'n');
  if (strstr(op_row[op].name, "_part")) return args[n - op_row[op].signature].n;
  if (op == OP_load_q_blocks) return (lanes / 4 - 1) * args[1].n + 16;
  return footprint[op].per_lane ? footprint[op].per_lane * lanes : footprint[op].fixed;
}

static bool run_once(const VecIsa *isa, int op) {
  const OpRow *row = &op_row[op];
  const Footprint *f = &footprint[op];
  Arg want_args[MAX_ARGS], got_args[MAX_ARGS];
  uint8_t want[4 * MAX_LANES] = {0}, got[4 * MAX_LANES] = {0};
  int n_args = (int)strlen(row->signature);
  memset(want_args, 0, sizeof want_args);
  for (int i = 0; i < n_args; i++) random_arg(&want_args[i], row->signature[i]);
  if (domain[op]) domain[op](want_args);
  bool is_part = strstr(row->name, "_part") != NULL;
  int part_max = strstr(row->name, "_q_") ? 4 * isa->lanes : isa->lanes;
  if (is_part) want_args[strchr(row->signature, 'n') - row->signature].n = 1 + random_below(part_max);

  memcpy(got_args, want_args, sizeof want_args);
  for (int i = 0, rooms = 0; i < n_args; i++) {
    char kind = row->signature[i];
    if (kind != 'r' && kind != 'w') continue;
    if (!f->elem) {
      report(isa, op, "the test does not know what it touches", want_args, NULL, NULL);
      return false;
    }
    size_t bytes = (size_t)(elements(op, want_args, isa->lanes) * f->elem);
    size_t place = random_place(bytes, f->elem);
    if (kind == 'r') {
      for (size_t b = 0; b < bytes; b += 4) {
        float v = random_f32();
        memcpy(room[rooms] + place + b, &v, bytes - b < 4 ? bytes - b : 4);
      }
      if (f->elem < 4) random_bytes(room[rooms] + place, bytes);
      want_args[i].address = got_args[i].address = room[rooms++] + place;
    } else {
      memset(room[GENERIC], 0x88, page);
      memset(room[TESTED], 0x88, page);
      want_args[i].address = room[GENERIC] + place;
      got_args[i].address = room[TESTED] + place;
    }
  }
  run_generic(op, want_args, want, isa->lanes);
  isa->run[op](got_args, got);
  if (strchr(row->signature, 'w') && memcmp(room[GENERIC], room[TESTED], page)) {
    report(isa, op, "memory differs", got_args, NULL, NULL);
    for (size_t b = 0; b < page; b++)
      if (room[GENERIC][b] != room[TESTED][b])
        printf("  byte %zu: %02x, not %02x\n", b, room[TESTED][b], room[GENERIC][b]);
    return false;
  }
  if (row->result[0] == 'v') return true;
  bool is_float = row->result[0] == 'f' || row->result[0] == 'F';
  int lanes = row->result[0] == 'I' || row->result[0] == 'F' ? 1 : isa->lanes;
  for (int l = 0; l < lanes; l++)
    if (!same_lane(want, got, l, is_float)) {
      report(isa, op, "the result differs", got_args, want, got);
      return false;
    }
  if (definition[op] && isa == &vec_generic)
    for (int l = 0; l < lanes; l++) {
      uint8_t defined[4 * MAX_LANES] = {0};
      int32_t v = definition[op](want_args, l);
      memcpy(defined + 4 * l, &v, 4);
      if (!same_lane(defined, got, l, is_float)) {
        report(isa, op, "the result differs from its second definition", got_args, defined, got);
        return false;
      }
    }
  return true;
}

static bool no_contraction(const VecIsa *isa) {
  float x[3 * MAX_LANES] = {0}, y[MAX_LANES + 2];
  int lanes = isa->lanes;
  for (int i = 0; i < 3 * lanes; i++) x[i] = (float)(int32_t)random32() * 0x1p-24f;
  for (int l = 0; l < lanes; l++) { /* so that the rounding of the product decides */
    volatile float product = x[l] * x[lanes + l];
    x[2 * lanes + l] = -product;
  }
  isa->mul_add(x, y);
  for (int l = 0; l < lanes + 2; l++) {
    int i = l < lanes ? l : 0;
    volatile float product = x[i] * x[lanes + i];
    float want = l == lanes + 1 ? product - x[2 * lanes] : product + x[2 * lanes + i];
    if (want == y[l]) continue;
    printf("FAIL %s: a product and a sum were contracted into one rounding\n", isa->name);
    return false;
  }
  return true;
}

/* Bytes of either sign at both ends of their ranges, which the tests above see through v_put_* alone. */
static bool bytes_saturate(const VecIsa *isa) {
  static const struct {
    int32_t value;
    uint8_t u8;
    int8_t s8;
  } row[] = {{INT32_MIN, 0, -128}, {-129, 0, -128}, {-128, 0, -128}, {-1, 0, -1},     {0, 0, 0},
             {127, 127, 127},      {128, 128, 127}, {255, 255, 127}, {256, 255, 127}, {INT32_MAX, 255, 127}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    uint8_t u8;
    int8_t s8;
    Arg to_u8[2] = {{.address = &u8}}, to_s8[2] = {{.address = &s8}};
    memcpy(to_u8[1].bytes, &row[i].value, 4);
    memcpy(to_s8[1].bytes, &row[i].value, 4);
    isa->run[OP_put_u8](to_u8, NULL);
    isa->run[OP_put_s8](to_s8, NULL);
    if (u8 == row[i].u8 && s8 == row[i].s8) continue;
    printf("FAIL %s: %d was stored as %d and %d\n", isa->name, row[i].value, u8, s8);
    return false;
  }
  return true;
}

/* A second definition of store_pixels: channel j of pixel i is 64 * j + i. */
static bool pixels_in_order(const VecIsa *isa) {
  for (int n = 2; n <= 4; n++) {
    uint8_t y[4 * MAX_LANES];
    Arg a[3] = {{.address = y}, {{0}}, {.n = n}};
    for (int i = 0; i < isa->lanes; i++)
      for (int j = 0; j < n; j++) a[1].bytes[16 * (i / 4) + 4 * j + i % 4] = (uint8_t)(64 * j + i);
    isa->run[OP_store_pixels](a, NULL);
    for (int k = 0; k < n * isa->lanes; k++) {
      if (y[k] == 64 * (k % n) + k / n) continue;
      printf("FAIL %s: byte %d of pixels of %d channels is %d\n", isa->name, k, n, y[k]);
      return false;
    }
  }
  return true;
}

static void count(bool ok) { *(ok ? &passed : &failed) += 1; }

/* As the rows of its targets have it; here is where the test runs, qemu's CPU for instance. */
static bool can_run(const char *isa) {
  for (size_t i = 0; i < sizeof target_rows / sizeof *target_rows; i++) {
    const Target *t = &target_rows[i];
    if (strcmp(t->isa, isa)) continue;
    if (t->arch && t->arch != cpu_host_arch()) return false;
    return !(t->features & ~cpu_host_features());
  }
  return false;
}

int main(int argc, char **argv) {
  const VecIsa *isa = &ISA;
  int rounds = argc > 1 ? atoi(argv[1]) : 3000;
  if (!can_run(isa->name)) {
    printf("skipped: this CPU has no %s\n", isa->name);
    return 77;
  }
  make_rooms();
  signal(SIGSEGV, trapped);
  signal(SIGBUS, trapped);
  for (int op = 0; op < OP_COUNT; op++) {
    if (!isa->run[op]) continue;
    bool ok = true;
    running = op_row[op].name;
    for (int i = 0; ok && i < rounds; i++) ok = run_once(isa, op);
    count(ok);
  }
  bool ok = true;
  for (int i = 0; ok && i < rounds; i++) ok = no_contraction(isa);
  count(ok);
  count(bytes_saturate(isa));
  count(pixels_in_order(isa));
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}

/* What every vector operation of codegen/vir.def computes, in portable C99: four lanes, written out because
 * compilers keep them in registers only so. The other vec_*.h are tested against this file bit for bit. */
#ifndef QCC_RUNTIME_VEC_GENERIC_H
#define QCC_RUNTIME_VEC_GENERIC_H

#include "preamble.h"

#include "dynamic.h"
#include "math_f32.h"
#include "scalar.h"

typedef struct {
  int32_t x[4];
} v_s32;
typedef struct {
  float x[4];
} v_f32;
/* Four bytes a lane, signed or not as the operation says. */
typedef struct {
  uint8_t x[16];
} v_q;
/* A pair of int16 a lane. */
typedef struct {
  int16_t x[8];
} v_p;

static inline v_s32 v_load_s32(const int32_t *p) {
  return (v_s32){{v_get_s32(p), v_get_s32(p + 1), v_get_s32(p + 2), v_get_s32(p + 3)}};
}
static inline v_f32 v_load_f32(const float *p) {
  return (v_f32){{v_get_f32(p), v_get_f32(p + 1), v_get_f32(p + 2), v_get_f32(p + 3)}};
}

/* The first n lanes, 1 <= n <= 4; the others are 0. */
static inline v_s32 v_load_s32_part(const int32_t *p, int n) {
  return (v_s32){{v_get_s32(p), n > 1 ? v_get_s32(p + 1) : 0, n > 2 ? v_get_s32(p + 2) : 0,
                  n > 3 ? v_get_s32(p + 3) : 0}};
}
static inline v_f32 v_load_f32_part(const float *p, int n) {
  return (v_f32){{v_get_f32(p), n > 1 ? v_get_f32(p + 1) : 0, n > 2 ? v_get_f32(p + 2) : 0,
                  n > 3 ? v_get_f32(p + 3) : 0}};
}
static inline void v_store_s32(int32_t *p, v_s32 a) {
  v_put_s32(p, a.x[0]);
  v_put_s32(p + 1, a.x[1]);
  v_put_s32(p + 2, a.x[2]);
  v_put_s32(p + 3, a.x[3]);
}
static inline void v_store_f32(float *p, v_f32 a) {
  v_put_f32(p, a.x[0]);
  v_put_f32(p + 1, a.x[1]);
  v_put_f32(p + 2, a.x[2]);
  v_put_f32(p + 3, a.x[3]);
}
static inline void v_store_s32_part(int32_t *p, v_s32 a, int n) {
  v_put_s32(p, a.x[0]);
  if (n > 1) v_put_s32(p + 1, a.x[1]);
  if (n > 2) v_put_s32(p + 2, a.x[2]);
  if (n > 3) v_put_s32(p + 3, a.x[3]);
}
static inline void v_store_f32_part(float *p, v_f32 a, int n) {
  v_put_f32(p, a.x[0]);
  if (n > 1) v_put_f32(p + 1, a.x[1]);
  if (n > 2) v_put_f32(p + 2, a.x[2]);
  if (n > 3) v_put_f32(p + 3, a.x[3]);
}

/* Halves, widened. */
static inline v_f32 v_load_f16(const uint16_t *p) {
  return (v_f32){{v_get_f16(p), v_get_f16(p + 1), v_get_f16(p + 2), v_get_f16(p + 3)}};
}
static inline v_f32 v_load_f16_part(const uint16_t *p, int n) {
  return (v_f32){{v_get_f16(p), n > 1 ? v_get_f16(p + 1) : 0, n > 2 ? v_get_f16(p + 2) : 0,
                  n > 3 ? v_get_f16(p + 3) : 0}};
}

/* Bytes, widened to 32 bits. */
static inline v_s32 v_load_u8(const uint8_t *p) { return (v_s32){{p[0], p[1], p[2], p[3]}}; }
static inline v_s32 v_load_s8(const int8_t *p) { return (v_s32){{p[0], p[1], p[2], p[3]}}; }
static inline v_s32 v_load_u8_part(const uint8_t *p, int n) {
  return (v_s32){{p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0}};
}
static inline v_s32 v_load_s8_part(const int8_t *p, int n) {
  return (v_s32){{p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0}};
}

/* As bytes; each lane saturates. */
static inline void v_store_u8(uint8_t *p, v_s32 a) {
  v_put_u8(p, a.x[0]);
  v_put_u8(p + 1, a.x[1]);
  v_put_u8(p + 2, a.x[2]);
  v_put_u8(p + 3, a.x[3]);
}
static inline void v_store_s8(int8_t *p, v_s32 a) {
  v_put_s8(p, a.x[0]);
  v_put_s8(p + 1, a.x[1]);
  v_put_s8(p + 2, a.x[2]);
  v_put_s8(p + 3, a.x[3]);
}
static inline void v_store_u8_part(uint8_t *p, v_s32 a, int n) {
  v_put_u8(p, a.x[0]);
  if (n > 1) v_put_u8(p + 1, a.x[1]);
  if (n > 2) v_put_u8(p + 2, a.x[2]);
  if (n > 3) v_put_u8(p + 3, a.x[3]);
}
static inline void v_store_s8_part(int8_t *p, v_s32 a, int n) {
  v_put_s8(p, a.x[0]);
  if (n > 1) v_put_s8(p + 1, a.x[1]);
  if (n > 2) v_put_s8(p + 2, a.x[2]);
  if (n > 3) v_put_s8(p + 3, a.x[3]);
}

/* The lanes of the first vector, then of the next. */

/* n apart. */
static inline void v_scatter_u8(uint8_t *p, v_s32 a, int n) {
  v_put_u8(p, a.x[0]);
  v_put_u8(p + n, a.x[1]);
  v_put_u8(p + 2 * n, a.x[2]);
  v_put_u8(p + 3 * n, a.x[3]);
}
static inline void v_scatter_s8(int8_t *p, v_s32 a, int n) {
  v_put_s8(p, a.x[0]);
  v_put_s8(p + n, a.x[1]);
  v_put_s8(p + 2 * n, a.x[2]);
  v_put_s8(p + 3 * n, a.x[3]);
}

static inline v_q v_load_q(const void *p) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = ((const uint8_t *)p)[i];
  return r;
}
static inline v_q v_load_q_once(const void *p) { return v_load_q(p); }
/* A block of 16 bytes: vectors of several have them n bytes apart. */
static inline v_q v_load_q_blocks(const void *p, int n) {
  (void)n;
  return v_load_q(p);
}

/* The first n bytes, 1 <= n <= 16; the others are 0. */
static inline v_q v_load_q_part(const void *p, int n) {
  v_q r = {{0}};
  for (int i = 0; i < n; i++) r.x[i] = ((const uint8_t *)p)[i];
  return r;
}
static inline void v_store_q(void *p, v_q a) {
  for (int i = 0; i < 16; i++) ((uint8_t *)p)[i] = a.x[i];
}
static inline void v_store_q_part(void *p, v_q a, int n) {
  for (int i = 0; i < n; i++) ((uint8_t *)p)[i] = a.x[i];
}

/* Piece g is word g. */
static inline void v_split4(void *p, v_q a, int n) {
  for (int i = 0; i < 16; i++) ((uint8_t *)p)[i / 4 * n + i % 4] = a.x[i];
}
/* Piece g is words 2g and 2g + 1. */
static inline void v_split2(void *p, v_q a, int n) {
  for (int i = 0; i < 16; i++) ((uint8_t *)p)[i / 8 * n + i % 8] = a.x[i];
}
static inline v_q v_join2(const void *p, int n) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = ((const uint8_t *)p)[i / 8 * n + i % 8];
  return r;
}
static inline v_q v_join4(const void *p, int n) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = ((const uint8_t *)p)[i / 4 * n + i % 4];
  return r;
}

/* Word j has channel j of four pixels, of n channels each. */
static inline void v_store_pixels(void *p, v_q a, int n) {
  for (int l = 0; l < 4; l++)
    for (int j = 0; j < n; j++) ((uint8_t *)p)[n * l + j] = a.x[4 * j + l];
}

static inline v_s32 v_splat_s32(int32_t n) { return (v_s32){{n, n, n, n}}; }
static inline v_f32 v_splat_f32(float m) { return (v_f32){{m, m, m, m}}; }
static inline v_q v_splat_q(int n) {
  const uint8_t b = (uint8_t)n;
  return (v_q){{b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b}};
}

static inline v_q v_bcast_q(int32_t a) { return v_splat_q(a & 255); }

/* The pair (a, b) in every lane. */
static inline v_p v_splat_p(int a, int b) {
  const int16_t x = (int16_t)a, y = (int16_t)b;
  return (v_p){{x, y, x, y, x, y, x, y}};
}

static inline v_s32 v_bcast_s32(int32_t a) { return (v_s32){{a, a, a, a}}; }
static inline v_f32 v_bcast_f32(float a) { return (v_f32){{a, a, a, a}}; }

/* Four bytes, repeated in every lane. */
static inline v_q v_bcast4(const void *p) {
  const uint8_t *x = (const uint8_t *)p;
  const uint8_t a = x[0], b = x[1], c = x[2], d = x[3];
  return (v_q){{a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d}};
}

/* Two bytes, repeated in the first half; the next two, repeated in the other. */
static inline v_q v_bcast2x2(const void *p) {
  const uint8_t *x = (const uint8_t *)p;
  const uint8_t a = x[0], b = x[1], c = x[2], d = x[3];
  return (v_q){{a, b, a, b, a, b, a, b, c, d, c, d, c, d, c, d}};
}

static inline int32_t v_dot_lane(int32_t acc, int x0, int x1, int x2, int x3, int w0, int w1, int w2,
                                 int w3) {
  return v_int_add(acc, x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3);
}

/* acc + x0*w0 + x1*w1 + x2*w2 + x3*w3 of each lane's bytes, x unsigned, w signed. */
static inline v_s32 v_dot(v_s32 acc, v_q x, v_q w) {
  return (v_s32){{v_dot_lane(acc.x[0], x.x[0], x.x[1], x.x[2], x.x[3], (int8_t)w.x[0], (int8_t)w.x[1],
                             (int8_t)w.x[2], (int8_t)w.x[3]),
                  v_dot_lane(acc.x[1], x.x[4], x.x[5], x.x[6], x.x[7], (int8_t)w.x[4], (int8_t)w.x[5],
                             (int8_t)w.x[6], (int8_t)w.x[7]),
                  v_dot_lane(acc.x[2], x.x[8], x.x[9], x.x[10], x.x[11], (int8_t)w.x[8], (int8_t)w.x[9],
                             (int8_t)w.x[10], (int8_t)w.x[11]),
                  v_dot_lane(acc.x[3], x.x[12], x.x[13], x.x[14], x.x[15], (int8_t)w.x[12], (int8_t)w.x[13],
                             (int8_t)w.x[14], (int8_t)w.x[15])}};
}

/* As v_dot, for operands whose x0*w0 + x1*w1 and x2*w2 + x3*w3 fit 16 bits. */
static inline v_s32 v_dot_sat(v_s32 acc, v_q x, v_q w) { return v_dot(acc, x, w); }

/* The dot product of signed bytes, of which a lane has its first two in the first half, the others in the
 * other. */
static inline v_s32 v_dot2x2_wide(v_s32 acc, v_q x, v_q w) {
  return (v_s32){{v_dot_lane(acc.x[0], (int8_t)x.x[0], (int8_t)x.x[1], (int8_t)x.x[8], (int8_t)x.x[9],
                             (int8_t)w.x[0], (int8_t)w.x[1], (int8_t)w.x[8], (int8_t)w.x[9]),
                  v_dot_lane(acc.x[1], (int8_t)x.x[2], (int8_t)x.x[3], (int8_t)x.x[10], (int8_t)x.x[11],
                             (int8_t)w.x[2], (int8_t)w.x[3], (int8_t)w.x[10], (int8_t)w.x[11]),
                  v_dot_lane(acc.x[2], (int8_t)x.x[4], (int8_t)x.x[5], (int8_t)x.x[12], (int8_t)x.x[13],
                             (int8_t)w.x[4], (int8_t)w.x[5], (int8_t)w.x[12], (int8_t)w.x[13]),
                  v_dot_lane(acc.x[3], (int8_t)x.x[6], (int8_t)x.x[7], (int8_t)x.x[14], (int8_t)x.x[15],
                             (int8_t)w.x[6], (int8_t)w.x[7], (int8_t)w.x[14], (int8_t)w.x[15])}};
}

/* As v_dot2x2_wide, for w >= -127. */
static inline v_s32 v_dot2x2(v_s32 acc, v_q x, v_q w) { return v_dot2x2_wide(acc, x, w); }

/* As v_dot2x2_wide, with the second half taken for 0. */
static inline v_s32 v_dot2x2_half(v_s32 acc, v_q x, v_q w) {
  for (int i = 8; i < 16; i++) x.x[i] = 0;
  return v_dot2x2_wide(acc, x, w);
}

/* (x0*w0 + x1*w1, x2*w2 + x3*w3) of each lane's bytes, x unsigned, w signed, which fit 16 bits. */
static inline v_p v_products(v_q x, v_q w) {
  v_p r;
  for (int i = 0; i < 8; i++)
    r.x[i] = (int16_t)(x.x[2 * i] * (int8_t)w.x[2 * i] + x.x[2 * i + 1] * (int8_t)w.x[2 * i + 1]);
  return r;
}
static inline v_p v_add_p(v_p a, v_p b) {
  v_p r;
  for (int i = 0; i < 8; i++) r.x[i] = (int16_t)(uint16_t)(a.x[i] + b.x[i]);
  return r;
}
static inline v_s32 v_add_pairs(v_s32 acc, v_p a) {
  return (v_s32){{v_int_add(acc.x[0], a.x[0] + a.x[1]), v_int_add(acc.x[1], a.x[2] + a.x[3]),
                  v_int_add(acc.x[2], a.x[4] + a.x[5]), v_int_add(acc.x[3], a.x[6] + a.x[7])}};
}

/* The sum of n products of signed bytes. */
static inline int32_t v_dot_bytes(int32_t acc, const uint8_t *x, const uint8_t *w, int n) {
  for (int i = 0; i < n; i++) acc = v_int_add(acc, (int8_t)x[i] * (int8_t)w[i]);
  return acc;
}

/* As v_dot, x and w signed; then with the same four bytes of x in all lanes. */
static inline v_s32 v_dot_s8(v_s32 acc, v_q x, v_q w) {
  for (int l = 0; l < 4; l++) acc.x[l] = v_dot_bytes(acc.x[l], x.x + 4 * l, w.x + 4 * l, 4);
  return acc;
}
static inline v_s32 v_dot_s8_lane(v_s32 acc, v_q x, v_q w, int n) {
  for (int l = 0; l < 4; l++) acc.x[l] = v_dot_bytes(acc.x[l], x.x + 4 * n, w.x + 4 * l, 4);
  return acc;
}

/* acc + x[n] * w of each lane, w being the first four int16 or the others. */
static inline v_s32 v_mla_lane(v_s32 acc, int x, const int16_t *w) {
  return (v_s32){{v_int_add(acc.x[0], x * w[0]), v_int_add(acc.x[1], x * w[1]), v_int_add(acc.x[2], x * w[2]),
                  v_int_add(acc.x[3], x * w[3])}};
}
static inline v_s32 v_mla_lo_lane(v_s32 acc, v_p x, v_p w, int n) { return v_mla_lane(acc, x.x[n], w.x); }
static inline v_s32 v_mla_hi_lane(v_s32 acc, v_p x, v_p w, int n) { return v_mla_lane(acc, x.x[n], w.x + 4); }

/* The product of two rows of 8 bytes by two: lane 2i + j is row i of x by row j of w. */
static inline v_s32 v_mmla_s8(v_s32 acc, v_q x, v_q w) {
  for (int l = 0; l < 4; l++) acc.x[l] = v_dot_bytes(acc.x[l], x.x + l / 2 * 8, w.x + l % 2 * 8, 8);
  return acc;
}

/* The first halves of two vectors, the second ones. */
static inline v_q v_zip_lo64(v_q a, v_q b) {
  for (int i = 0; i < 8; i++) a.x[8 + i] = b.x[i];
  return a;
}
static inline v_q v_zip_hi64(v_q a, v_q b) {
  for (int i = 0; i < 8; i++) b.x[i] = a.x[8 + i];
  return b;
}
static inline v_s32 v_zip_lo64_s32(v_s32 a, v_s32 b) { return (v_s32){{a.x[0], a.x[1], b.x[0], b.x[1]}}; }
static inline v_s32 v_zip_hi64_s32(v_s32 a, v_s32 b) { return (v_s32){{a.x[2], a.x[3], b.x[2], b.x[3]}}; }

static inline int32_t v_sum_lanes(v_s32 a) {
  return v_int_add(v_int_add(a.x[0], a.x[1]), v_int_add(a.x[2], a.x[3]));
}
/* Of four vectors: the sum of each. */
static inline v_s32 v_sum4(v_s32 a, v_s32 b, v_s32 c, v_s32 d) {
  return (v_s32){{v_sum_lanes(a), v_sum_lanes(b), v_sum_lanes(c), v_sum_lanes(d)}};
}

static inline v_q v_xor_q(v_q a, v_q b) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = a.x[i] ^ b.x[i];
  return r;
}

/* The same with the second operand in memory. */
static inline v_s32 v_dot_mem(v_s32 acc, v_q x, const void *w) { return v_dot(acc, x, v_load_q(w)); }
static inline v_s32 v_dot_sat_mem(v_s32 acc, v_q x, const void *w) { return v_dot_sat(acc, x, v_load_q(w)); }
static inline v_q v_xor_mem(v_q a, const void *b) { return v_xor_q(a, v_load_q(b)); }
static inline v_q v_max_u8(v_q a, v_q b) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = a.x[i] > b.x[i] ? a.x[i] : b.x[i];
  return r;
}
static inline v_q v_max_s8(v_q a, v_q b) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = (int8_t)a.x[i] > (int8_t)b.x[i] ? a.x[i] : b.x[i];
  return r;
}

static inline v_q v_min_u8(v_q a, v_q b) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = a.x[i] < b.x[i] ? a.x[i] : b.x[i];
  return r;
}
static inline v_q v_min_s8(v_q a, v_q b) {
  v_q r;
  for (int i = 0; i < 16; i++) r.x[i] = (int8_t)a.x[i] < (int8_t)b.x[i] ? a.x[i] : b.x[i];
  return r;
}

/* The first or the second half of two blocks of 16 bytes, interleaved by `unit` bytes. Vectors of several
 * blocks do so in each. */
static inline v_q v_zip(v_q a, v_q b, int from, int unit) {
  v_q r;
  for (int i = 0; i < 8; i++) {
    const int to = i / unit * 2 * unit + i % unit;
    r.x[to] = a.x[from + i];
    r.x[to + unit] = b.x[from + i];
  }
  return r;
}
static inline v_q v_zip_lo8(v_q a, v_q b) { return v_zip(a, b, 0, 1); }
static inline v_q v_zip_hi8(v_q a, v_q b) { return v_zip(a, b, 8, 1); }
static inline v_q v_zip_lo16(v_q a, v_q b) { return v_zip(a, b, 0, 2); }
static inline v_q v_zip_hi16(v_q a, v_q b) { return v_zip(a, b, 8, 2); }

static inline v_p v_load_p(const int16_t *p) {
  return (v_p){{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}};
}
static inline void v_store_p(int16_t *p, v_p a) {
  for (int i = 0; i < 8; i++) p[i] = a.x[i];
}
static inline v_p v_load_p_u8(const uint8_t *p) {
  return (v_p){{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}};
}
static inline v_p v_load_p_s8(const int8_t *p) {
  return (v_p){{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}};
}
static inline v_p v_widen_lo_u8(v_q a) {
  return (v_p){{a.x[0], a.x[1], a.x[2], a.x[3], a.x[4], a.x[5], a.x[6], a.x[7]}};
}
static inline v_p v_widen_hi_u8(v_q a) {
  return (v_p){{a.x[8], a.x[9], a.x[10], a.x[11], a.x[12], a.x[13], a.x[14], a.x[15]}};
}
static inline v_p v_widen_s8(v_q a, int from) {
  v_p r;
  for (int i = 0; i < 8; i++) r.x[i] = (int8_t)a.x[from + i];
  return r;
}
static inline v_p v_widen_lo_s8(v_q a) { return v_widen_s8(a, 0); }
static inline v_p v_widen_hi_s8(v_q a) { return v_widen_s8(a, 8); }
static inline v_p v_words(v_q a) {
  v_p r;
  for (int i = 0; i < 8; i++) r.x[i] = (int16_t)(uint16_t)(a.x[2 * i] | (unsigned)a.x[2 * i + 1] << 8);
  return r;
}
static inline v_p v_bcast2(const int16_t *p) {
  return (v_p){{p[0], p[1], p[0], p[1], p[0], p[1], p[0], p[1]}};
}

/* (a[l], b[l]) of two rows. */
static inline v_p v_pair_u8(const uint8_t *a, const uint8_t *b) {
  return (v_p){{a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]}};
}
static inline v_p v_pair_s8(const int8_t *a, const int8_t *b) {
  return (v_p){{a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]}};
}
static inline v_p v_pair_u8_part(const uint8_t *a, const uint8_t *b, int n) {
  return (v_p){{a[0], b[0], n > 1 ? a[1] : 0, n > 1 ? b[1] : 0, n > 2 ? a[2] : 0, n > 2 ? b[2] : 0,
                n > 3 ? a[3] : 0, n > 3 ? b[3] : 0}};
}
static inline v_p v_pair_s8_part(const int8_t *a, const int8_t *b, int n) {
  return (v_p){{a[0], b[0], n > 1 ? a[1] : 0, n > 1 ? b[1] : 0, n > 2 ? a[2] : 0, n > 2 ? b[2] : 0,
                n > 3 ? a[3] : 0, n > 3 ? b[3] : 0}};
}

/* The low and the high half, in every lane. */
static inline v_p v_bcast_p(int32_t a) {
  const int16_t x = (int16_t)(uint16_t)(uint32_t)a, y = (int16_t)(uint16_t)((uint32_t)a >> 16);
  return (v_p){{x, y, x, y, x, y, x, y}};
}
static inline v_p v_sub_p(v_p a, v_p b) {
  v_p r;
  for (int i = 0; i < 8; i++) r.x[i] = (int16_t)(uint16_t)(a.x[i] - b.x[i]);
  return r;
}

static inline int32_t v_dot2_lane(int32_t acc, int a0, int a1, int b0, int b1) {
  return v_int_add(v_int_add(acc, a0 * b0), a1 * b1);
}

/* acc + a0*b0 + a1*b1 of each lane's pairs. */
static inline v_s32 v_dot2(v_s32 acc, v_p a, v_p b) {
  return (v_s32){{v_dot2_lane(acc.x[0], a.x[0], a.x[1], b.x[0], b.x[1]),
                  v_dot2_lane(acc.x[1], a.x[2], a.x[3], b.x[2], b.x[3]),
                  v_dot2_lane(acc.x[2], a.x[4], a.x[5], b.x[4], b.x[5]),
                  v_dot2_lane(acc.x[3], a.x[6], a.x[7], b.x[6], b.x[7])}};
}

static inline v_s32 v_add_s32(v_s32 a, v_s32 b) {
  return (v_s32){{v_int_add(a.x[0], b.x[0]), v_int_add(a.x[1], b.x[1]), v_int_add(a.x[2], b.x[2]),
                  v_int_add(a.x[3], b.x[3])}};
}
static inline v_s32 v_sub_s32(v_s32 a, v_s32 b) {
  return (v_s32){{v_int_sub(a.x[0], b.x[0]), v_int_sub(a.x[1], b.x[1]), v_int_sub(a.x[2], b.x[2]),
                  v_int_sub(a.x[3], b.x[3])}};
}
static inline v_s32 v_mul_s32(v_s32 a, v_s32 b) {
  return (v_s32){{v_int_mul(a.x[0], b.x[0]), v_int_mul(a.x[1], b.x[1]), v_int_mul(a.x[2], b.x[2]),
                  v_int_mul(a.x[3], b.x[3])}};
}
static inline v_s32 v_min_s32(v_s32 a, v_s32 b) {
  return (v_s32){{v_int_min(a.x[0], b.x[0]), v_int_min(a.x[1], b.x[1]), v_int_min(a.x[2], b.x[2]),
                  v_int_min(a.x[3], b.x[3])}};
}
static inline v_s32 v_max_s32(v_s32 a, v_s32 b) {
  return (v_s32){{v_int_max(a.x[0], b.x[0]), v_int_max(a.x[1], b.x[1]), v_int_max(a.x[2], b.x[2]),
                  v_int_max(a.x[3], b.x[3])}};
}
static inline v_s32 v_shr_s32(v_s32 a, int n) {
  return (v_s32){{v_int_shr(a.x[0], n), v_int_shr(a.x[1], n), v_int_shr(a.x[2], n), v_int_shr(a.x[3], n)}};
}

static inline v_f32 v_add_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_add(a.x[0], b.x[0]), v_float_add(a.x[1], b.x[1]), v_float_add(a.x[2], b.x[2]),
                  v_float_add(a.x[3], b.x[3])}};
}
static inline v_f32 v_sub_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_sub(a.x[0], b.x[0]), v_float_sub(a.x[1], b.x[1]), v_float_sub(a.x[2], b.x[2]),
                  v_float_sub(a.x[3], b.x[3])}};
}
static inline v_f32 v_mul_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_mul(a.x[0], b.x[0]), v_float_mul(a.x[1], b.x[1]), v_float_mul(a.x[2], b.x[2]),
                  v_float_mul(a.x[3], b.x[3])}};
}
static inline v_f32 v_div_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_div(a.x[0], b.x[0]), v_float_div(a.x[1], b.x[1]), v_float_div(a.x[2], b.x[2]),
                  v_float_div(a.x[3], b.x[3])}};
}
static inline v_f32 v_min_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_min(a.x[0], b.x[0]), v_float_min(a.x[1], b.x[1]), v_float_min(a.x[2], b.x[2]),
                  v_float_min(a.x[3], b.x[3])}};
}
static inline v_f32 v_max_f32(v_f32 a, v_f32 b) {
  return (v_f32){{v_float_max(a.x[0], b.x[0]), v_float_max(a.x[1], b.x[1]), v_float_max(a.x[2], b.x[2]),
                  v_float_max(a.x[3], b.x[3])}};
}
static inline v_f32 v_sqrt_f32(v_f32 a) {
  return (v_f32){{v_float_sqrt(a.x[0]), v_float_sqrt(a.x[1]), v_float_sqrt(a.x[2]), v_float_sqrt(a.x[3])}};
}
static inline v_f32 v_abs_f32(v_f32 a) {
  return (v_f32){{v_float_abs(a.x[0]), v_float_abs(a.x[1]), v_float_abs(a.x[2]), v_float_abs(a.x[3])}};
}
static inline v_f32 v_if_negative_f32(v_f32 x, v_f32 a, v_f32 b) {
  return (v_f32){{v_float_if_negative(x.x[0], a.x[0], b.x[0]), v_float_if_negative(x.x[1], a.x[1], b.x[1]),
                  v_float_if_negative(x.x[2], a.x[2], b.x[2]), v_float_if_negative(x.x[3], a.x[3], b.x[3])}};
}
static inline v_f32 v_exp_f32(v_f32 a) {
  return (v_f32){{v_float_exp(a.x[0]), v_float_exp(a.x[1]), v_float_exp(a.x[2]), v_float_exp(a.x[3])}};
}
static inline v_f32 v_tanh_f32(v_f32 a) {
  return (v_f32){{v_float_tanh(a.x[0]), v_float_tanh(a.x[1]), v_float_tanh(a.x[2]), v_float_tanh(a.x[3])}};
}
static inline v_f32 v_sigmoid_f32(v_f32 a) {
  return (v_f32){
      {v_float_sigmoid(a.x[0]), v_float_sigmoid(a.x[1]), v_float_sigmoid(a.x[2]), v_float_sigmoid(a.x[3])}};
}
static inline v_f32 v_s32_to_f32(v_s32 a) {
  return (v_f32){
      {v_int_to_float(a.x[0]), v_int_to_float(a.x[1]), v_int_to_float(a.x[2]), v_int_to_float(a.x[3])}};
}
static inline v_s32 v_rne_f32(v_f32 a) {
  return (v_s32){{v_float_rne(a.x[0]), v_float_rne(a.x[1]), v_float_rne(a.x[2]), v_float_rne(a.x[3])}};
}
static inline v_s32 v_requant(v_s32 acc, v_f32 m, v_f32 lo, v_f32 hi, v_s32 z) {
  return (v_s32){{v_int_requant(acc.x[0], m.x[0], lo.x[0], hi.x[0], z.x[0]),
                  v_int_requant(acc.x[1], m.x[1], lo.x[1], hi.x[1], z.x[1]),
                  v_int_requant(acc.x[2], m.x[2], lo.x[2], hi.x[2], z.x[2]),
                  v_int_requant(acc.x[3], m.x[3], lo.x[3], hi.x[3], z.x[3])}};
}

/* rne((float)acc * m), for results that fit. */
static inline v_s32 v_scale(v_s32 acc, v_f32 m) {
  return (v_s32){{v_int_scale(acc.x[0], m.x[0]), v_int_scale(acc.x[1], m.x[1]), v_int_scale(acc.x[2], m.x[2]),
                  v_int_scale(acc.x[3], m.x[3])}};
}

/* Each lane plus the zero point as a byte, saturated: with vectors of more than four lanes, the first four of
 * each vector, then the next four of each ... The bytes after the last lane are 0. */
static inline uint8_t v_narrow_u8_lane(int32_t a, int z) {
  const int32_t i = v_int_max(-32768, v_int_min(a, 32767)) + z;
  return (uint8_t)v_int_max(0, v_int_min(i, 255));
}
static inline uint8_t v_narrow_s8_lane(int32_t a, int z) {
  const int32_t i = v_int_max(-32768, v_int_min(a, 32767)) + z;
  return (uint8_t)v_int_max(-128, v_int_min(i, 127));
}
static inline v_q v_narrow_u8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  v_q r;
  for (int i = 0; i < 4; i++) {
    r.x[i] = v_narrow_u8_lane(a.x[i], zero.x[0]);
    r.x[4 + i] = v_narrow_u8_lane(b.x[i], zero.x[0]);
    r.x[8 + i] = v_narrow_u8_lane(c.x[i], zero.x[0]);
    r.x[12 + i] = v_narrow_u8_lane(d.x[i], zero.x[0]);
  }
  return r;
}
static inline v_q v_narrow_s8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  v_q r;
  for (int i = 0; i < 4; i++) {
    r.x[i] = v_narrow_s8_lane(a.x[i], zero.x[0]);
    r.x[4 + i] = v_narrow_s8_lane(b.x[i], zero.x[0]);
    r.x[8 + i] = v_narrow_s8_lane(c.x[i], zero.x[0]);
    r.x[12 + i] = v_narrow_s8_lane(d.x[i], zero.x[0]);
  }
  return r;
}
static inline v_q v_narrow_u8_x2(v_s32 a, v_s32 b, v_p zero) {
  v_q r = {{0}};
  for (int i = 0; i < 4; i++) {
    r.x[i] = v_narrow_u8_lane(a.x[i], zero.x[0]);
    r.x[4 + i] = v_narrow_u8_lane(b.x[i], zero.x[0]);
  }
  return r;
}
static inline v_q v_narrow_s8_x2(v_s32 a, v_s32 b, v_p zero) {
  v_q r = {{0}};
  for (int i = 0; i < 4; i++) {
    r.x[i] = v_narrow_s8_lane(a.x[i], zero.x[0]);
    r.x[4 + i] = v_narrow_s8_lane(b.x[i], zero.x[0]);
  }
  return r;
}
static inline v_q v_narrow_u8(v_s32 a, v_p zero) {
  v_q r = {{0}};
  for (int i = 0; i < 4; i++) r.x[i] = v_narrow_u8_lane(a.x[i], zero.x[0]);
  return r;
}
static inline v_q v_narrow_s8(v_s32 a, v_p zero) {
  v_q r = {{0}};
  for (int i = 0; i < 4; i++) r.x[i] = v_narrow_s8_lane(a.x[i], zero.x[0]);
  return r;
}

#endif

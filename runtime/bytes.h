/* Parts of vectors in memory, for the vec_*.h of GNU C targets that are little-endian: n is a constant, so
 * that each becomes two or three moves, which touch no byte behind the n-th. */
#ifndef QCC_RUNTIME_BYTES_H
#define QCC_RUNTIME_BYTES_H

#include "preamble.h"

#define V_BYTES static inline __attribute__((always_inline))

/* Memory of any alignment and type. */
typedef uint16_t v_mem_2 __attribute__((may_alias, aligned(1)));
typedef uint32_t v_mem_4 __attribute__((may_alias, aligned(1)));
typedef uint64_t v_mem_8 __attribute__((may_alias, aligned(1)));

/* The first n bytes as one number, the rest of which is 0; all 8 for n >= 8, none for n <= 0. */
V_BYTES uint64_t v_get_bytes(const uint8_t *p, int n) {
  uint64_t r = 0;
  if (n >= 8) return *(const v_mem_8 *)p;
  if (n <= 0) return 0;
  if (n & 1) r = p[n - 1];
  if (n & 2) r = r << 16 | *(const v_mem_2 *)(p + (n & 4));
  if (n & 4) r = r << 32 | *(const v_mem_4 *)p;
  return r;
}
V_BYTES void v_put_bytes(uint8_t *p, uint64_t a, int n) {
  if (n >= 8) {
    *(v_mem_8 *)p = a;
    return;
  }
  if (n <= 0) return;
  if (n & 4) *(v_mem_4 *)p = (uint32_t)a;
  if (n & 2) *(v_mem_2 *)(p + (n & 4)) = (uint16_t)(a >> (n & 4) * 8);
  if (n & 1) p[n - 1] = (uint8_t)(a >> (n - 1) * 8);
}

/* Eight bytes, n apart. */
V_BYTES void v_scatter_8(uint8_t *p, uint64_t a, int n) {
  p[0] = (uint8_t)a;
  p[n] = (uint8_t)(a >> 8);
  p[2 * n] = (uint8_t)(a >> 16);
  p[3 * n] = (uint8_t)(a >> 24);
  p[4 * n] = (uint8_t)(a >> 32);
  p[5 * n] = (uint8_t)(a >> 40);
  p[6 * n] = (uint8_t)(a >> 48);
  p[7 * n] = (uint8_t)(a >> 56);
}

/* For four pixels of n bytes, 2 <= n <= 4, from n words that hold a byte of each: where the bytes come from,
 * the first eight of them and the others. */
V_BYTES uint64_t v_pixel_order(int n, int other) {
  if (n == 2) return other ? 0 : 0x0703060205010400u;
  if (n == 3) return other ? 0x0b07030au : 0x0602090501080400u;
  return other ? 0x0f0b07030e0a0602u : 0x0d0905010c080400u;
}

#endif

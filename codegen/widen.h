/* Small weights of float layers: they are packed as they are, and widened as they are loaded: halves exactly,
 * 8-bit integers to (float)(q - zero) * scale. */
#ifndef QCC_CODEGEN_WIDEN_H
#define QCC_CODEGEN_WIDEN_H

#include "codegen/lower.h"

/* How the elements of a constant weight are packed for a float kernel: f32, f16, or s8 (u8 minus 128). */
DType widen_elem(const Tensor *w);
/* Packs one element; both places hold elements of their types. */
void widen_pack(const Tensor *w, int64_t from, void *packed, int64_t to);

/* The scale of channel c of an integer weight, and its zero point as packed. */
float widen_scale(const Tensor *w, int64_t c);
float widen_zero(const Tensor *w, int64_t c);
/* True where some zero point is not 0 as packed. */
bool widen_has_zeros(const Tensor *w);

/* A vector of packed elements as float. `scale` and `zero`, of s8 only, are vectors; zero NULL: 0. */
const VirVar *widen_load(VirBuilder *b, const char *name, DType elem, VirAddr at, const VirVar *scale,
                         const VirVar *zero);

#endif

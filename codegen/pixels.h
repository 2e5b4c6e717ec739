/* Images of two to four channels from planes to pixels: array 1 of a nest is contiguous along a plane, array
 * 0 has the channels of a pixel side by side. Vectors of pixels are made of a vector of each plane. */
#ifndef QCC_CODEGEN_PIXELS_H
#define QCC_CODEGEN_PIXELS_H

#include "codegen/lower.h"
#include "codegen/nest.h"

enum { PIXELS_MAX_CHANNELS = 4 };

typedef struct {
  int channels;
  int64_t planes; /* from one to the next in array 1 */
} Pixels;

/* True where it is such an image, of bytes in array 0; then the innermost dim of the nest is that of pixels,
 * and the channels are taken out of it. */
bool pixels_in(Nest *nest, const Target *target, Pixels *p);

/* What is emitted at the addresses `at` of all arrays: a vector of pixels, which reads each plane at
 * pixels_plane and ends with pixels_store, or one element of one channel. */
typedef struct {
  void (*vector)(const void *user, VirBuilder *b, const VirAddr *at, const Pixels *p);
  void (*element)(const void *user, VirBuilder *b, const VirAddr *at);
  const void *user;
} PixelOps;

/* All pixels from `start` on. */
void pixels_emit(const Pixels *p, VirBuilder *b, const Nest *nest, const VirAddr *start, const PixelOps *ops);

VirAddr pixels_plane(const Pixels *p, const VirAddr *at, int channel);
/* Stores a vector of pixels: the lanes of q[channel] plus `zero`, saturated. */
void pixels_store(const Pixels *p, VirBuilder *b, VirAddr at, const VirVar *const *q, int32_t zero);

#endif

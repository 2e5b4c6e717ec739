/* Windows as ONNX's attributes describe them, brought to what the IR has: two or three dims, explicit pads.
 */
#ifndef QCC_COMPILER_ONNX_WINDOW_H
#define QCC_COMPILER_ONNX_WINDOW_H

#include "compiler/onnx_import.h"

enum { ONNX_WINDOW_DIMS = 3 };

/* Over [L] it is a window over [1, L]: `dims`, 2 or 3, is what the IR gets, `spatial`, 1 to 3, what the model
 * says. */
typedef struct {
  int spatial, dims;
  int64_t in[ONNX_WINDOW_DIMS], kernel[ONNX_WINDOW_DIMS], stride[ONNX_WINDOW_DIMS],
      dilation[ONNX_WINDOW_DIMS];
  int64_t before[ONNX_WINDOW_DIMS], after[ONNX_WINDOW_DIMS];
  int64_t extra[ONNX_WINDOW_DIMS]; /* what ceil_mode added to `after` */
} OnnxWindow;

/* A window of ones over an input of rank 3 to 5. */
bool onnx_window_begin(const OnnxNode *n, const Shape *x, OnnxWindow *w);
/* The attribute `name`, one value in [least, MAX_DIM] for each spatial dim, into to[dims]; absent: `to`
 * stays.
 */
bool onnx_window_list(const OnnxNode *n, const OnnxWindow *w, const char *name, int64_t least, int64_t *to);
/* strides and dilations. */
bool onnx_window_steps(const OnnxNode *n, OnnxWindow *w);
/* pads, which auto_pad excludes. */
bool onnx_window_pads(const OnnxNode *n, OnnxWindow *w);
/* One of NOTSET, VALID, SAME_UPPER, SAME_LOWER; NULL after a diagnostic. */
const char *onnx_window_auto_pad(const OnnxNode *n);
/* The shape of a Conv's or ConvTranspose's weight becomes the kernel; it must be a constant, and the bias
 * too.
 */
bool onnx_window_weight(const OnnxNode *n, OnnxWindow *w, const Tensor *weight, const Tensor *bias);
/* The elements that the kernel spans. */
int64_t onnx_window_extent(const OnnxWindow *w, int i);
/* As the IR's lists. */
IntList onnx_window_ints(const OnnxWindow *w, const int64_t *v);
IntList onnx_window_pad_ints(const OnnxWindow *w);

/* [N, C, L] -> [N, C, 1, L], other shapes as they are. */
Shape onnx_with_height(const Shape *s);
/* The result, under its name, in the rank that the input had. */
Tensor *onnx_without_height(OnnxNode *n, const char *name, Tensor *y, int rank);

#endif

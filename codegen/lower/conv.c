/* conv2d, conv3d, conv_transpose2d, conv_transpose3d: depthwise convolutions have a kernel of their own, some
 * of 3x3 elements are transformed, all others are dense dot products. */
#include "codegen/conv_dense.h"
#include "codegen/depthwise.h"
#include "codegen/winograd.h"

static bool emit_dense(Cg *cg, const ConvWindow *w) {
  Dense d = conv_dense(cg, w);
  d.bias = node_operand(w->node, 2);
  return dense_emit(cg, &d);
}

static int64_t conv_scratch(const Cg *cg, const Node *n) {
  return winograd_suits(cg, n) ? winograd_scratch(cg, n) : 0;
}

/* Nothing else has scratch. */
static bool conv_emit(Cg *cg, const Node *n, Buffer *scratch) {
  if (scratch) {
    winograd_emit(cg, n, scratch);
    return true;
  }
  bool depthwise = is_depthwise(n) && !linear_is_wide(n);
  ConvWindow *w;
  int count = conv_windows(cg->arena, n, &w);
  bool ok = true;
  for (int i = 0; i < count; i++) {
    if (depthwise && !w[i].empty) {
      depthwise_emit(cg, &w[i]);
    } else {
      ok &= emit_dense(cg, &w[i]);
    }
  }
  return ok;
}

const Lowering lower_conv = {.layout = LAYOUT_CHANNELS_LAST,
                             .halo = conv_halo,
                             .constants = 1,
                             .reads = PLACE_STRIDED,
                             .writes = PLACE_STRIDED,
                             .scratch = conv_scratch,
                             .emit = conv_emit};

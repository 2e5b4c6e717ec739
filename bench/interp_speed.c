/* How fast the interpreter is on networks of the size that calibration meets: the layers of MobileNetV2 1.0
 * at 224x224 with random weights, float and quantized. usage: interp_speed [threads] [samples] */
#include "ir/interp.h"
#include "ir/ops/attrs.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint32_t seed = 1;
static uint32_t next(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }

/* Float weights, or the same layer with quantized ones. */
static Tensor *constant(Graph *g, Shape shape, bool quantized, int64_t scales) {
  int64_t count = shape_count(&shape);
  Type type = {.dtype = quantized ? DT_S8 : DT_F32, .shape = shape};
  void *data = arena_alloc(g->arena, (size_t)count * (quantized ? 1 : 4));
  float bound = 1.0f / (float)(count / shape.dim[0]);
  for (int64_t i = 0; i < count; i++) {
    if (quantized)
      ((int8_t *)data)[i] = (int8_t)(next() % 255 - 127);
    else
      ((float *)data)[i] = ((float)(next() % 2001) - 1000) * 0.004f * bound;
  }
  if (quantized) {
    float *scale = ARENA_NEW_ARRAY(g->arena, float, (size_t)scales);
    int32_t *zero = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)scales);
    for (int64_t i = 0; i < scales; i++) scale[i] = bound / 32;
    type.quant = quant_new(g->arena, 0, scales, scale, zero);
  }
  return graph_constant(g, NULL, type, data, (SrcLoc){0});
}

static Tensor *conv(Diag *d, Graph *g, Tensor *x, int64_t oc, int64_t kernel, int64_t stride,
                    bool depthwise) {
  bool quantized = tensor_is_quantized(x);
  int64_t ic = x->type.shape.dim[1];
  Tensor *w = constant(g, shape_of(4, oc, depthwise ? (int64_t)1 : ic, kernel, kernel), quantized, oc);
  Node *n = graph_node1(g, OP_conv2d, (Tensor *[]){x, w}, 2, NULL, (SrcLoc){0}, NULL);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->groups = depthwise ? ic : 1;
  a->stride.v[0] = a->stride.v[1] = stride;
  for (int i = 0; i < 4; i++) a->pad.v[i] = kernel / 2;
  a->act_min = 0;
  a->act_max = 6;
  if (quantized)
    n->results[0]->type = (Type){.dtype = DT_U8, .quant = quant_per_tensor(g->arena, 0.0235f, 0)};
  if (!node_infer(d, n)) exit(1);
  return n->results[0];
}

static Graph *mobilenet(Arena *a, bool quantized) {
  static const int rows[][4] = {
      {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
      {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}; /* expand, oc, repeat, stride */
  Diag d;
  diag_init(&d, a, stderr);
  Graph *g = graph_new(a, "mobilenet");
  Type in = {.dtype = DT_F32, .shape = shape_of(4, (int64_t)1, (int64_t)3, (int64_t)224, (int64_t)224)};
  if (quantized) {
    in.dtype = DT_U8;
    in.quant = quant_per_tensor(a, 1.0f / 255, 0);
  }
  Tensor *x = conv(&d, g, graph_input(g, "x", in, (SrcLoc){0}), 32, 3, 2, false);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int r = 0; r < rows[i][2]; r++) {
      int64_t wide = x->type.shape.dim[1] * rows[i][0];
      if (rows[i][0] > 1) x = conv(&d, g, x, wide, 1, 1, false);
      x = conv(&d, g, x, wide, 3, r ? 1 : rows[i][3], true);
      x = conv(&d, g, x, rows[i][1], 1, 1, false);
    }
  x = conv(&d, g, x, 1280, 1, 1, false);
  Node *pool = graph_node1(g, OP_global_avg_pool, &x, 1, NULL, (SrcLoc){0}, NULL);
  pool->results[0]->type.dtype = x->type.dtype;
  pool->results[0]->type.quant = x->type.quant;
  if (!node_infer(&d, pool)) exit(1);
  graph_output(g, conv(&d, g, pool->results[0], 1000, 1, 1, false));
  return g;
}

static bool load(void *user, int64_t i, Arena *a, const void **in) {
  (void)a;
  (void)i;
  in[0] = user;
  return true;
}

static void measure(bool quantized, int threads, int samples) {
  Arena *a = arena_new();
  Graph *g = mobilenet(a, quantized);
  int64_t macs = graph_macs(g);
  size_t count = 3 * 224 * 224;
  char *image = arena_alloc(a, count * 4);
  for (size_t i = 0; i < count; i++) {
    if (quantized)
      ((uint8_t *)image)[i] = (uint8_t)next();
    else
      ((float *)image)[i] = (float)(next() % 256) / 255;
  }
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  run_samples(interp_new(a, g), samples, threads, &(SampleLoop){.load = load, .user = image});
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
  printf("%s: %.0f MMAC, %d threads: %.2f samples/s, %.2f GMAC/s\n", quantized ? "quantized" : "float",
         (double)macs * 1e-6, threads, samples / seconds, (double)macs * samples / seconds * 1e-9);
  arena_free(a);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1, samples = argc > 2 ? atoi(argv[2]) : 8;
  measure(false, threads, samples);
  measure(true, threads, samples);
  return 0;
}

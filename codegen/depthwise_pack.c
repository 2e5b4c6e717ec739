#include "codegen/depthwise_pack.h"

#include "codegen/names.h"
#include "codegen/tile_row.h"
#include "codegen/widen.h"

int64_t depthwise_block_start(const DepthwisePack *s, int64_t block) {
  int64_t c = block * s->lanes;
  return s->channels >= s->lanes && c + s->lanes > s->channels ? s->channels - s->lanes : c;
}

int64_t depthwise_rows(const DepthwisePack *s) { return s->kd * s->kh; }

int64_t depthwise_block_size(const DepthwisePack *s) {
  return depthwise_rows(s) * s->pairs * s->lanes * (s->quantized ? 2 : 1);
}

/* Tap kw in row `row` of the window, over all planes: its place in the weight tensor. */
static int64_t weight_at(const DepthwisePack *s, int64_t phase, int64_t c, int64_t row, int64_t kw) {
  return conv_weight_at(s->window, phase, c, 0, (int64_t[3]){row / s->kh, row % s->kh, kw});
}

/* The weights of channel c as lane `lane` of a block. */
static void pack_lane(const DepthwisePack *s, void *block, int64_t phase, int64_t c, int64_t lane) {
  for (int64_t row = 0; row < depthwise_rows(s); row++)
    for (int64_t p = 0; p < s->pairs; p++) {
      int64_t to = (row * s->pairs + p) * s->lanes + lane;
      if (!s->quantized) {
        widen_pack(s->window->weight, weight_at(s, phase, c, row, p), block, to);
        continue;
      }
      for (int64_t j = 0; j < 2 && 2 * p + j < s->kw; j++)
        ((int16_t *)block)[2 * to + j] = (int16_t)s->lc.weights[weight_at(s, phase, c, row, 2 * p + j)];
    }
}

/* Weights [phase][block][row][pair][lane][2] as int16, in float kernels [phase][block][row][kw][lane]. */
static const VirBase *pack_weights(const DepthwisePack *s) {
  Arena *a = s->cg->kernel_arena;
  const Node *n = s->window->node;
  int64_t phases = s->window->phases, size = depthwise_block_size(s), total = phases * s->blocks * size;
  size_t bytes = s->quantized ? sizeof(int16_t) : (size_t)dtype_info[s->w_elem].bytes;
  char *packed = arena_array(a, (size_t)total, bytes), *block = packed;
  for (int64_t phase = 0; phase < phases; phase++)
    for (int64_t i = 0; i < s->blocks; i++, block += (size_t)size * bytes)
      for (int64_t l = 0; l < s->lanes; l++) {
        int64_t c = depthwise_block_start(s, i) + l;
        if (c < s->channels) pack_lane(s, block, phase, c, l);
      }
  StrBuf comment;
  strbuf_init(&comment, a);
  strbuf_printf(&comment, "weights of '%s', packed ", cg_title(s->cg, n));
  if (phases > 1) strbuf_printf(&comment, "[%lld phases]", (long long)phases);
  strbuf_printf(&comment, "[%lld channel blocks][%lld rows][%lld %s][%d lanes]%s", (long long)s->blocks,
                (long long)depthwise_rows(s), (long long)s->pairs, s->quantized ? "pairs of taps" : "taps",
                s->lanes, s->quantized ? "[2]" : "");
  const char *name = cg_name(s->cg, n, "weights");
  return s->quantized ? vir_constant_s16(s->cg->module, name, total, (const int16_t *)packed, comment.text)
                      : vir_constant(s->cg->module, name, s->w_elem, total, packed, comment.text);
}

/* ---- an element for each channel: [block][lane] ---- */

typedef float (*ChannelFloat)(const DepthwisePack *s, int64_t c);

static const VirBase *pack_floats(const DepthwisePack *s, const char *what, ChannelFloat value) {
  int64_t padded = s->blocks * s->lanes;
  float *v = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)padded);
  for (int64_t i = 0; i < padded; i++) {
    int64_t c = depthwise_block_start(s, i / s->lanes) + i % s->lanes;
    if (c < s->channels) v[i] = value(s, c);
  }
  return vir_constant(s->cg->module, cg_name(s->cg, s->window->node, what), DT_F32, padded, v, NULL);
}

static float multiplier(const DepthwisePack *s, int64_t c) { return s->lc.multiplier[c]; }
static float float_bias(const DepthwisePack *s, int64_t c) {
  return (s->bias ? ((const float *)s->bias->data)[c] : 0.0f) + 0.0f; /* no -0 */
}
static float addend(const DepthwisePack *s, int64_t c) { return ((const float *)s->bias->data)[c]; }
static float weight_scale(const DepthwisePack *s, int64_t c) { return widen_scale(s->window->weight, c); }
static float weight_zero(const DepthwisePack *s, int64_t c) { return widen_zero(s->window->weight, c); }

static int64_t sum_of(const DepthwisePack *s, int64_t phase, int64_t c) {
  int64_t sum = 0;
  for (int64_t row = 0; row < depthwise_rows(s); row++)
    for (int64_t kw = 0; kw < s->kw; kw++) sum += s->lc.weights[weight_at(s, phase, c, row, kw)];
  return sum;
}

/* [phase][block][lane]: biases, or at run time the sums of the weights. */
static const VirBase *pack_integers(const DepthwisePack *s, const char *what, bool sums) {
  int64_t padded = s->blocks * s->lanes, phases = s->window->phases;
  int32_t *v = ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)(phases * padded));
  for (int64_t i = 0; i < phases * padded; i++) {
    int64_t c = depthwise_block_start(s, i % padded / s->lanes) + i % s->lanes;
    if (c >= s->channels) continue;
    int64_t sum = sum_of(s, i / padded, c);
    v[i] = (int32_t)(uint32_t)(uint64_t)(sums ? sum : linear_bias(&s->lc, c, sum));
  }
  return vir_constant(s->cg->module, cg_name(s->cg, s->window->node, what), DT_S32, phases * padded, v, NULL);
}

static void pack_float_channels(DepthwisePack *s) {
  s->start = pack_floats(s, "bias", float_bias);
  if (s->w_elem != DT_S8) return;
  s->multiplier = pack_floats(s, "scales", weight_scale);
  if (widen_has_zeros(s->window->weight)) s->zeros = pack_floats(s, "zeros", weight_zero);
}

static void pack_run_time(DepthwisePack *s) {
  s->run_time = (RunTimeStart){.channels = s->blocks * s->lanes, .sums = pack_integers(s, "sums", true)};
  if (s->result == RESULT_SUM) return;
  s->run_time.scales = pack_floats(s, "scales", multiplier);
  if (s->bias) s->addend = pack_floats(s, "bias", addend);
}

void depthwise_pack(DepthwisePack *s) {
  s->w_elem = s->quantized ? DT_NONE : widen_elem(s->window->weight);
  s->weights = pack_weights(s);
  if (s->result == RESULT_FLOAT) {
    pack_float_channels(s);
  } else if (s->result == RESULT_REQUANT) {
    s->start = pack_integers(s, "bias", false);
    s->multiplier = pack_floats(s, "m", multiplier);
  } else {
    pack_run_time(s);
  }
}

void depthwise_shape(DepthwisePack *s) {
  const ConvWindow *w = s->window;
  const Target *target = s->cg->target;
  const Storage *sx = cg_storage(s->cg, s->x), *sy = cg_storage(s->cg, s->y);
  const ConvPhase *d = w->dim;
  s->quantized = s->result != RESULT_FLOAT;
  s->lanes = target->lanes;
  s->mr = tile_pixels(d[2].count, s->quantized ? target->conv_mr : target->float_mr);
  s->channels = s->x->type.shape.dim[1];
  s->kd = d[0].taps;
  s->kh = d[1].taps;
  s->kw = d[2].taps;
  s->plane_step = d[0].tap_step * conv_stride(w, sx, 0);
  s->row_step = d[1].tap_step * conv_stride(w, sx, 1);
  s->tap_step = d[2].tap_step * conv_stride(w, sx, 2);
  s->pixel_step = d[2].x_step * conv_stride(w, sx, 2);
  s->out_step = d[2].y_step * conv_stride(w, sy, 2);
  s->blocks = (s->channels + s->lanes - 1) / s->lanes;
  s->pairs = s->quantized ? (s->kw + 1) / 2 : s->kw;
}

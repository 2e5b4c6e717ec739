#include "passes/refine/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/parallel.h"
#include "ir/quant.h"
#include "passes/affine.h"
#include "passes/layers.h"
#include "passes/refine/columns.h"

enum {
  VALIDATION = 4,   /* every 4th sample decides */
  MAX_ROWS = 4096,  /* of columns */
  MAX_METRIC = 576, /* weights that are rounded together */
};

/* --- what the layer computes --- */

typedef struct {
  const LayerSamples *s;
  Arena *arena;
  float **x;                      /* [samples]: the integer operand's real values */
  float **want;                   /* [samples]: the reference's result, before its clamp */
  float lo, hi;                   /* that clamp */
  int64_t channels, inner, outer; /* of the result: [outer][channels][inner] */
  const int8_t *weight;
} Layer;

static bool is_validation(const Layer *l, int64_t sample) {
  return l->s->samples >= VALIDATION && sample % VALIDATION == VALIDATION - 1;
}

/* The reference's function of another operand and weight, without bias and clamp, or as it is but for the
 * clamp. */
typedef struct {
  Node node;
  Tensor x, weight, *operands[3];
  void *attrs;
  const void *const *in;
  const void *weight_data, *bias;
  float **out;
} Probe;

static void run_probe(void *user, int64_t sample) {
  const Probe *p = user;
  EvalCtx ctx = {arena_new()};
  op_info[p->node.op]->eval(&ctx, &p->node, (const void *[]){p->in[sample], p->weight_data, p->bias},
                            (void *[]){p->out[sample]});
  arena_free(ctx.scratch);
}

static float **new_results(const Layer *l) {
  int64_t count = l->outer * l->channels * l->inner;
  float **out = ARENA_NEW_ARRAY(l->arena, float *, (size_t)l->s->samples);
  for (int64_t i = 0; i < l->s->samples; i++) out[i] = ARENA_NEW_ARRAY(l->arena, float, (size_t)count);
  return out;
}

static float **probe(const Layer *l, const void *const *in, Type weight, const void *data,
                     const Tensor *bias) {
  const Node *n = l->s->reference;
  Probe p = {.node = *n, .x = *n->operands[0], .weight = *n->operands[1], .in = in};
  float *lo, *hi;
  p.node.attrs = arena_memdup(l->arena, n->attrs, op_info[n->op]->attrs_size);
  if (node_clamp(&p.node, &lo, &hi)) {
    *lo = -INFINITY;
    *hi = INFINITY;
  }
  p.weight.type = weight;
  p.weight_data = data;
  p.operands[0] = &p.x;
  p.operands[1] = &p.weight;
  p.operands[2] = (Tensor *)bias;
  p.bias = bias ? bias->data : NULL;
  p.node.operands = p.operands;
  p.node.n_operands = bias ? 3 : 2;
  p.out = new_results(l);
  parallel_for(l->s->threads, l->s->samples, run_probe, &p);
  return p.out;
}

/* With these weights instead of the layer's, and without a bias. */
static float **results_with(const Layer *l, const int8_t *weight) {
  return probe(l, (const void *const *)l->x, l->s->layer->operands[1]->type, weight, NULL);
}

static float **real_operand(const Layer *l) {
  const Tensor *t = l->s->layer->operands[0];
  int64_t n = shape_count(&t->type.shape);
  if (!tensor_is_quantized(t)) return (float **)l->s->x;
  float **x = ARENA_NEW_ARRAY(l->arena, float *, (size_t)l->s->samples);
  for (int64_t s = 0; s < l->s->samples; s++) {
    x[s] = ARENA_NEW_ARRAY(l->arena, float, (size_t)n + 1);
    const uint8_t *u = l->s->x[s];
    for (int64_t i = 0; i < n; i++)
      x[s][i] =
          dequantize_value(t->type.dtype == DT_U8 ? u[i] : (int8_t)u[i], tensor_scale(t), tensor_zero(t));
  }
  return x;
}

static Layer layer_of(Arena *a, const LayerSamples *s) {
  const Node *n = s->reference;
  const Shape *y = &n->results[0]->type.shape;
  int axis = layer_channel_axis(n);
  Layer l = {.s = s, .arena = a, .lo = -INFINITY, .hi = INFINITY, .outer = 1, .inner = 1};
  float *lo, *hi;
  if (node_clamp(n, &lo, &hi)) {
    l.lo = *lo;
    l.hi = *hi;
  }
  for (int i = 0; i < axis; i++) l.outer *= y->dim[i];
  for (int i = axis + 1; i < y->rank; i++) l.inner *= y->dim[i];
  l.channels = y->dim[axis];
  l.weight = s->layer->operands[1]->data;
  l.x = real_operand(&l);
  l.want = probe(&l, s->x_reference, n->operands[1]->type, n->operands[1]->data, node_operand(n, 2));
  return l;
}

/* --- biases and errors, channel by channel --- */

/* What a sample's results lack of the reference's: the mean where the reference's clamp lets it pass, or of
 * all where it does so nowhere. */
static double missing_in(const Layer *l, const float *got, int64_t sample, int64_t channel,
                         int64_t *passing) {
  double sum = 0, all = 0;
  *passing = 0;
  for (int64_t o = 0; o < l->outer; o++)
    for (int64_t i = 0; i < l->inner; i++) {
      int64_t at = (o * l->channels + channel) * l->inner + i;
      float want = l->want[sample][at];
      double lack = (double)want - (double)got[at];
      all += lack;
      if (want <= l->lo || want >= l->hi) continue;
      sum += lack;
      ++*passing;
    }
  return *passing ? sum / (double)*passing : all / (double)(l->outer * l->inner);
}

static double reference_bias(const Layer *l, int64_t channel) {
  const Tensor *b = node_operand(l->s->reference, 2);
  return b ? (double)((const float *)b->data)[channel] : 0;
}

/* The bias that makes up for what `got` lacks on the training samples, or on all: what all samples agree on
 * beyond the reference's bias, less as far as they differ (James and Stein's estimator). */
static double best_bias(const Layer *l, float *const *got, int64_t channel, bool all) {
  double sum = 0, squares = 0, weight = 0, weights_squared = 0, bias = reference_bias(l, channel);
  for (int64_t s = 0; s < l->s->samples; s++) {
    if (!all && is_validation(l, s)) continue;
    int64_t passing;
    double more = missing_in(l, got[s], s, channel, &passing) - bias, w = passing ? (double)passing : 1e-3;
    sum += w * more;
    squares += w * more * more;
    weight += w;
    weights_squared += w * w;
  }
  double mean = sum / weight, variance = squares / weight - mean * mean;
  double doubt = variance * weights_squared / (weight * weight); /* of the mean */
  return mean * mean > doubt ? bias + mean * (1 - doubt / (mean * mean)) : bias;
}

static double clamped(const Layer *l, double v) { return fmin(fmax(v, (double)l->lo), (double)l->hi); }

/* Of the validation samples, after the clamp; of all where there are too few. */
static double square_error(const Layer *l, float *const *got, int64_t channel, double bias) {
  double sum = 0;
  for (int64_t s = 0; s < l->s->samples; s++) {
    if (l->s->samples >= VALIDATION && !is_validation(l, s)) continue;
    for (int64_t o = 0; o < l->outer; o++)
      for (int64_t i = 0; i < l->inner; i++) {
        int64_t at = (o * l->channels + channel) * l->inner + i;
        double e = clamped(l, (double)l->want[s][at]) - clamped(l, (double)got[s][at] + bias);
        sum += e * e;
      }
  }
  return sum;
}

/* --- weights --- */

typedef struct {
  const Layer *layer;
  int8_t *weight;
  int32_t lo;
} Rerounding;

static void round_group(void *user, int64_t group) {
  const Rerounding *r = user;
  const Layer *l = r->layer;
  const Quant *q = l->s->layer->operands[1]->type.quant;
  int64_t training = 0, outputs = l->channels / columns_groups(l->s->layer);
  Arena *tmp = arena_new();
  const float **x = ARENA_NEW_ARRAY(tmp, const float *, (size_t)l->s->samples);
  for (int64_t s = 0; s < l->s->samples; s++)
    if (!is_validation(l, s)) x[training++] = l->x[s];
  Columns c = columns_of(tmp, l->s->layer, group, x, training, MAX_ROWS);
  Rounding *rounding = ARENA_NEW_ARRAY(tmp, Rounding, (size_t)outputs);
  const float *w = l->s->reference->operands[1]->data;
  for (int64_t first = 0; first < c.k; first += MAX_METRIC) {
    int64_t k = c.k - first < MAX_METRIC ? c.k - first : MAX_METRIC;
    for (int64_t i = 0; i < outputs; i++) {
      int64_t channel = group * outputs + i, at = channel * c.k + first, own = q->axis < 0 ? 0 : channel;
      rounding[i] = (Rounding){w + at, q->scale[own], q->zero[own], r->lo, 127, r->weight + at};
    }
    metric_round(metric_new(tmp, &c, first, k), rounding, outputs);
  }
  arena_free(tmp);
}

/* All weights by the metric of the training samples. */
static int8_t *rerounded(const Layer *l) {
  const Node *n = l->s->layer;
  int64_t count = shape_count(&n->operands[1]->type.shape);
  Rerounding r = {l, arena_memdup(l->arena, l->weight, (size_t)count), -127};
  for (int64_t i = 0; i < count; i++)
    if (l->weight[i] == -128) r.lo = -128;
  parallel_for(l->s->threads, columns_groups(n), round_group, &r);
  return r.weight;
}

/* --- the result --- */

/* Could the sums of such a channel leave s32? */
static bool sums_fit(const Layer *l, const int8_t *w, int64_t per, int32_t zero, int64_t bias) {
  const Tensor *x = l->s->layer->operands[0];
  int64_t below = tensor_zero(x) - dtype_info[x->type.dtype].min,
          above = dtype_info[x->type.dtype].max - tensor_zero(x);
  int64_t most = below > above ? below : above, sum = llabs(bias);
  for (int64_t i = 0; i < per; i++) sum += llabs((long long)w[i] - zero) * most;
  return sum <= INT32_MAX;
}

/* What the layer gets. */
typedef struct {
  int8_t *weight;
  int32_t *integer_bias; /* over an integer operand */
  float *bias;           /* over a float one */
} Refined;

/* Of the two forms of a channel's weights the better one, and its bias. */
static void refine_channel(const Layer *l, int64_t c, const int8_t *fresh, float *const *old_results,
                           float *const *new_results, Refined *r) {
  const Tensor *x = l->s->layer->operands[0];
  const Quant *q = l->s->layer->operands[1]->type.quant;
  int64_t per = shape_count(&l->s->layer->operands[1]->type.shape) / l->channels;
  int32_t zero = q->zero[q->axis < 0 ? 0 : c], q_bias;
  bool better = fresh && square_error(l, new_results, c, best_bias(l, new_results, c, false)) <
                             square_error(l, old_results, c, best_bias(l, old_results, c, false));
  const int8_t *chosen = better ? fresh + c * per : l->weight + c * per;
  float bias = (float)best_bias(l, better ? new_results : old_results, c, true);
  if (r->bias) {
    r->bias[c] = bias;
  } else {
    bool must_fit = sums_fit(l, l->weight + c * per, per, zero, r->integer_bias[c]);
    if (!quantize_bias(bias, tensor_scale(x), q->scale[q->axis < 0 ? 0 : c], &q_bias) ||
        (must_fit && !sums_fit(l, chosen, per, zero, q_bias)))
      return;
    r->integer_bias[c] = q_bias;
  }
  memcpy(r->weight + c * per, chosen, (size_t)per);
}

/* The constants as they are, to be changed. */
static Refined refined_from(const Layer *l, Arena *a) {
  const Node *n = l->s->layer;
  const Tensor *b = node_operand(n, 2);
  Refined r = {.weight = arena_memdup(a, l->weight, (size_t)shape_count(&n->operands[1]->type.shape))};
  if (tensor_is_quantized(n->operands[0])) {
    r.integer_bias = ARENA_NEW_ARRAY(a, int32_t, (size_t)l->channels);
    if (b) memcpy(r.integer_bias, b->data, sizeof(int32_t) * (size_t)l->channels);
  } else {
    r.bias = ARENA_NEW_ARRAY(a, float, (size_t)l->channels);
  }
  return r;
}

static void set_constants(const Layer *l, const Refined *r) {
  Node *n = l->s->layer;
  Type bias = {.dtype = DT_F32, .shape = shape_of(1, l->channels)};
  if (r->integer_bias)
    bias = bias_type(n->graph->arena, tensor_scale(n->operands[0]), n->operands[1]->type.quant, l->channels);
  set_const_operand(n, 1, n->operands[1]->type, r->weight);
  if (n->n_operands < 3) node_set_operands(n, (Tensor *[]){n->operands[0], n->operands[1], NULL}, 3);
  set_const_operand(n, 2, bias, r->integer_bias ? (const void *)r->integer_bias : r->bias);
}

void refine_layer(Arena *a, const LayerSamples *s) {
  Layer l = layer_of(a, s);
  int8_t *fresh = columns_known(s->layer) ? rerounded(&l) : NULL;
  float **old_results = results_with(&l, l.weight), **new_results = fresh ? results_with(&l, fresh) : NULL;
  Refined r = refined_from(&l, s->layer->graph->arena);
  for (int64_t c = 0; c < l.channels; c++) refine_channel(&l, c, fresh, old_results, new_results, &r);
  set_constants(&l, &r);
}

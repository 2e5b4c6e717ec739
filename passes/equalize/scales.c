#include "passes/equalize/scales.h"

#include <math.h>

#include "passes/plan.h"

enum { STEPS = 4 }; /* exponents k / STEPS; see power */

typedef struct {
  Arena *arena;
  const Channels *channels;
  const Statistics *statistics;
  int32_t *component;  /* root -> one of those that share tensors, as union-find */
  float *part;         /* root -> its range as a part of its tensors' */
  double *sensitivity; /* root -> how much of its square error the layers' results take, relative to them */
  double (*costs)[STEPS + 1]; /* component -> what each exponent costs */
} Chooser;

/* x^(k / STEPS) for 0 < x <= 1, by square roots: the same on every machine. */
static float power(float x, int k) {
  float half = sqrtf(x), quarter = sqrtf(half), y = 1;
  if (k == STEPS) return x;
  if (k & 2) y *= half;
  if (k & 1) y *= quarter;
  return y;
}

static float scale_at(const Chooser *s, int32_t root, int k) {
  return channel_is_free(s->channels, root) && s->part[root] > 0 ? power(s->part[root], k) : 1;
}

/* --- what belongs together --- */

static int32_t component_of(const Chooser *s, int32_t root) {
  while (s->component[root] != root) root = s->component[root] = s->component[s->component[root]];
  return root;
}

/* The tensor's own rounding: not of what only moves values. */
static const TensorStatistics *made_here(const Chooser *s, const Node *n) {
  return plan_is_mover(n) ? NULL : statistics_of(s->statistics, n->results[0]);
}

static void relate(Chooser *s, const TensorStatistics *t) {
  const float least_part = 0x1p-8f; /* less is not told from nothing in 8 bits */
  int32_t first = -1;
  for (int64_t i = 0; i < t->map->count; i++) {
    int32_t root = channel_at(s->channels, t->map, i);
    if (!channel_is_free(s->channels, root)) continue;
    if (first < 0) first = component_of(s, root);
    s->component[component_of(s, root)] = first;
    double reach = t->entry[i].reach;
    float part = reach > 0 ? (float)fmin(reach / t->reach, 1) : 0;
    if (part > 0 && part < least_part) part = least_part;
    if (part > s->part[root]) s->part[root] = part;
  }
}

/* --- what an exponent costs --- */

static double signal_of(const Chooser *s, const ChannelLayer *l) {
  const TensorStatistics *y = statistics_of(s->statistics, l->node->results[0]);
  return y->mean_square * (double)(l->groups * l->oc) + 1e-30;
}

static const float *weights_of(const ChannelLayer *l, int64_t output, int64_t input) {
  return const_f32(l->node->operands[1]) + (output * l->ic + input) * l->taps;
}

static void add_sensitivity(Chooser *s, const ChannelLayer *l) {
  double signal = signal_of(s, l);
  for (int64_t o = 0; o < l->groups * l->oc; o++)
    for (int64_t i = 0; i < l->ic; i++) {
      const float *w = weights_of(l, o, i);
      double sum = 0;
      for (int64_t k = 0; k < l->taps; k++) sum += (double)w[k] * (double)w[k];
      s->sensitivity[layer_input(s->channels, l, o / l->oc * l->ic + i)] += sum / signal;
    }
}

static double mean_square(const Chooser *s, const ChannelLayer *l, int64_t channel) {
  const TensorStatistics *x = statistics_of(s->statistics, l->node->operands[0]);
  const Shape *shape = &x->map->tensor->type.shape;
  int64_t inner = 1;
  for (int i = (l->node->op == OP_linear ? shape->rank - 1 : 1) + 1; i < shape->rank; i++)
    inner *= shape->dim[i];
  return x->entry[channel * inner / x->map->inner % x->map->count].mean_square;
}

/* The error of a group's rounded weights in the layer's results. `by`: the scales of its inputs. */
static double group_cost(const Chooser *s, const ChannelLayer *l, int64_t group, const float *by) {
  double inputs = 0, cost = 0;
  for (int64_t i = 0; i < l->ic; i++) {
    double square = mean_square(s, l, group * l->ic + i);
    inputs += square / ((double)by[i] * (double)by[i]) * (double)l->taps;
  }
  for (int64_t o = group * l->oc; o < (group + 1) * l->oc; o++) {
    float most = 0;
    for (int64_t i = 0; i < l->ic; i++) {
      const float *w = weights_of(l, o, i);
      for (int64_t k = 0; k < l->taps; k++) most = fmaxf(most, fabsf(w[k]) * by[i]);
    }
    cost += (double)most * (double)most / (127.0 * 127.0 * 12) * inputs;
  }
  return cost;
}

static void add_weight_costs(Chooser *s, const ChannelLayer *l) {
  Arena *tmp = arena_new();
  float *by = ARENA_NEW_ARRAY(tmp, float, (size_t)l->ic + 1);
  double signal = signal_of(s, l);
  for (int64_t g = 0; g < l->groups; g++)
    for (int k = 0; k <= STEPS; k++) {
      int32_t component = 0;
      for (int64_t i = 0; i < l->ic; i++) {
        int32_t root = layer_input(s->channels, l, g * l->ic + i);
        by[i] = scale_at(s, root, k);
        if (channel_is_free(s->channels, root)) component = component_of(s, root);
      }
      s->costs[component][k] += group_cost(s, l, g, by) / signal;
    }
  arena_free(tmp);
}

static void add_value_costs(Chooser *s, const TensorStatistics *t) {
  for (int k = 0; k <= STEPS; k++) {
    double lo = 0, hi = 0, sum = 0;
    int32_t component = 0;
    for (int64_t i = 0; i < t->map->count; i++) {
      int32_t root = channel_at(s->channels, t->map, i);
      double by = (double)scale_at(s, root, k);
      lo = fmin(lo, (double)t->entry[i].lo / by);
      hi = fmax(hi, (double)t->entry[i].hi / by);
      sum += by * by * s->sensitivity[root];
      if (channel_is_free(s->channels, root)) component = component_of(s, root);
    }
    double step = (hi - lo) / 255;
    s->costs[component][k] += step * step / 12 * sum;
  }
}

static void add_costs(Chooser *s) {
  ChannelLayer l;
  for (const Node *n = s->channels->graph->first; n; n = n->next)
    if (channel_layer(s->channels, n, &l)) {
      add_sensitivity(s, &l);
      add_weight_costs(s, &l);
    }
  for (const Node *n = s->channels->graph->first; n; n = n->next)
    if (made_here(s, n)) add_value_costs(s, made_here(s, n));
}

static int cheapest(const double *costs) {
  int best = 0;
  for (int k = 1; k <= STEPS; k++)
    if (costs[k] < costs[best]) best = k;
  return best;
}

float *channel_scales(Arena *a, const Channels *c, const Statistics *statistics) {
  size_t n = (size_t)c->n;
  Chooser s = {.arena = a,
               .channels = c,
               .statistics = statistics,
               .component = ARENA_NEW_ARRAY(a, int32_t, n),
               .part = ARENA_NEW_ARRAY(a, float, n),
               .sensitivity = ARENA_NEW_ARRAY(a, double, n),
               .costs = arena_array(a, n, sizeof(double[STEPS + 1]))};
  for (int32_t i = 0; i < c->n; i++) s.component[i] = i;
  for (const Node *node = c->graph->first; node; node = node->next)
    if (made_here(&s, node)) relate(&s, made_here(&s, node));
  add_costs(&s);
  float *scale = ARENA_NEW_ARRAY(a, float, n);
  for (int32_t i = 0; i < c->n; i++)
    scale[i] = channel_is_free(c, i) ? scale_at(&s, i, cheapest(s.costs[component_of(&s, i)])) : 1;
  return scale;
}

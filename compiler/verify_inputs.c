#include "compiler/verify_inputs.h"
#include "ir/samples.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* How many inputs a network of so many multiply-accumulates gets: the interpreter and an emulator run them
 * all. */
static const struct {
  int64_t macs;
  int samples, random, special;
} plans[] = {{10000000, 16, 24, 4}, {100000000, 8, 8, 2}, {INT64_MAX, 2, 2, 1}};

/* A value source for one input tensor. */
typedef struct {
  const Type *type;
  float lo, hi;     /* float inputs: the usual range */
  float step;       /* the scale of the quantization that follows; 0: none */
  uint64_t *random; /* state */
} Source1;

static uint64_t next_random(uint64_t *state) { /* splitmix64 (Steele, Lea, Flood 2014) */
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static float unit(uint64_t *state) { return (float)(next_random(state) >> 40) * 0x1p-24f; }

static float random_float(const Source1 *s, int64_t i) {
  (void)i;
  float stretch = next_random(s->random) % 16 ? 1.0f : 4.0f, middle = s->lo * 0.5f + s->hi * 0.5f;
  return middle + (unit(s->random) - 0.5f) * (s->hi - s->lo) * stretch;
}
static float least_float(const Source1 *s, int64_t i) {
  (void)i;
  return s->lo;
}
static float greatest_float(const Source1 *s, int64_t i) {
  (void)i;
  return s->hi;
}
static float alternating_float(const Source1 *s, int64_t i) { return i % 2 ? s->hi : s->lo; }
static float special_float(const Source1 *s, int64_t i) {
  (void)i;
  const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f, FLT_MAX, -FLT_MAX, FLT_MIN / 2, 0};
  uint64_t k = next_random(s->random) % 16;
  if (k < sizeof odd / sizeof *odd) return odd[k];
  return ((float)(int)(next_random(s->random) % 512) - 256 + 0.5f) * s->step; /* ties of the quantization */
}
static float nan_float(const Source1 *s, int64_t i) {
  (void)s;
  (void)i;
  return NAN;
}
static float infinite_float(const Source1 *s, int64_t i) {
  (void)s;
  return i % 2 ? INFINITY : -INFINITY;
}

static int64_t random_int(const Source1 *s, int64_t i) {
  (void)i;
  const DTypeInfo *t = &dtype_info[s->type->dtype];
  if (t->bytes == 8) return (int64_t)next_random(s->random);
  return t->min + (int64_t)(next_random(s->random) % (uint64_t)(t->max - t->min + 1));
}
static int64_t least_int(const Source1 *s, int64_t i) {
  (void)i;
  return dtype_info[s->type->dtype].min;
}
static int64_t greatest_int(const Source1 *s, int64_t i) {
  (void)i;
  return dtype_info[s->type->dtype].max;
}
static int64_t alternating_int(const Source1 *s, int64_t i) {
  return i % 2 ? greatest_int(s, i) : least_int(s, i);
}

static const struct Pattern {
  const char *what;
  float (*of_float)(const Source1 *s, int64_t i);
  int64_t (*of_int)(const Source1 *s, int64_t i);
  bool special; /* only where every float input is quantized at once */
} patterns[] = {
    {"least", least_float, least_int, false},
    {"greatest", greatest_float, greatest_int, false},
    {"alternating", alternating_float, alternating_int, false},
    {"NaN", nan_float, random_int, true},
    {"infinite", infinite_float, random_int, true},
};
static const struct Pattern random_pattern = {"random", random_float, random_int, false};
static const struct Pattern special_pattern = {"special", special_float, random_int, true};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

static void put_int(DType t, void *data, int64_t i, int64_t v) {
  switch (dtype_info[t].bytes) {
  case 8:
    ((int64_t *)data)[i] = v;
    break;
  case 4:
    ((int32_t *)data)[i] = (int32_t)v;
    break;
  default:
    ((uint8_t *)data)[i] = (uint8_t)v;
  }
}

static const void *fill(Arena *a, const Source1 *s, const struct Pattern *p) {
  int64_t n = shape_count(&s->type->shape);
  void *data = arena_alloc(a, (size_t)type_bytes(s->type));
  for (int64_t i = 0; i < n; i++) {
    if (s->type->dtype == DT_F32) {
      ((float *)data)[i] = p->of_float(s, i);
    } else {
      put_int(s->type->dtype, data, i, p->of_int(s, i));
    }
  }
  return data;
}

typedef struct {
  Arena *arena;
  const Graph *graph;
  Source1 *sources;
  VerifyInputs *out;
} Builder;

static void add(Builder *b, const char *what, int number, const void **data) {
  b->out->items[b->out->n++] = (VerifyInput){what, number, data};
}

static void add_pattern(Builder *b, const struct Pattern *p, int number) {
  const void **data = ARENA_NEW_ARRAY(b->arena, const void *, (size_t)b->graph->n_inputs + 1);
  for (int k = 0; k < b->graph->n_inputs; k++) data[k] = fill(b->arena, &b->sources[k], p);
  add(b, p->what, number, data);
}

/* The quantization that follows an input: true where nothing else uses it. */
static bool quantized_at_once(const Tensor *t, const Type **type) {
  for (int i = 0; i < t->n_uses; i++) {
    if (t->uses[i].node->op != OP_quantize) return false;
    *type = &t->uses[i].node->results[0]->type;
  }
  return !t->is_output;
}

/* True where special values may go in: every float input is quantized at once. */
/* The range of input k over the samples, 0 included. */
static void range_of(Samples *samples, int n_inputs, int k, Source1 *s) {
  s->lo = s->hi = 0;
  for (int64_t i = 0; i < samples_count(samples); i++) {
    Arena *a = arena_new();
    const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)n_inputs);
    bool ok = samples_load(samples, i, a, in);
    for (int64_t j = 0; ok && j < shape_count(&s->type->shape); j++) {
      s->lo = fminf(s->lo, ((const float *)in[k])[j]);
      s->hi = fmaxf(s->hi, ((const float *)in[k])[j]);
    }
    arena_free(a);
  }
}

static bool init_sources(Builder *b, uint64_t *random, Samples *samples) {
  const Graph *g = b->graph;
  bool special = true;
  b->sources = ARENA_NEW_ARRAY(b->arena, Source1, (size_t)g->n_inputs + 1);
  for (int k = 0; k < g->n_inputs; k++) {
    Source1 *s = &b->sources[k];
    *s = (Source1){.type = &g->inputs[k]->type, .lo = -4, .hi = 4, .random = random};
    if (s->type->dtype != DT_F32) continue;
    const Type *q = NULL;
    special &= quantized_at_once(g->inputs[k], &q);
    if (q && q->quant) {
      s->step = q->quant->scale[0];
      s->lo = (float)(dtype_info[q->dtype].min - q->quant->zero[0]) * s->step;
      s->hi = (float)(dtype_info[q->dtype].max - q->quant->zero[0]) * s->step;
    } else if (samples) {
      range_of(samples, g->n_inputs, k, s);
    }
  }
  return special;
}

bool verify_inputs(Diag *d, Arena *a, const Graph *g, const char *samples_path, VerifyInputs *out) {
  int p = 0;
  while (graph_macs(g) > plans[p].macs) p++;
  Samples *samples = samples_path ? samples_open(d, a, samples_path, g) : NULL;
  if (samples_path && !samples) return false;
  uint64_t random = 1;
  Builder b = {.arena = a, .graph = g, .out = out};
  *out = (VerifyInputs){
      ARENA_NEW_ARRAY(a, VerifyInput,
                      (size_t)(plans[p].samples + plans[p].random + plans[p].special + N_PATTERNS)),
      0};
  bool special = init_sources(&b, &random, samples);
  for (int i = 0; i < plans[p].samples && samples && i < samples_count(samples); i++) {
    const void **data = ARENA_NEW_ARRAY(a, const void *, (size_t)g->n_inputs + 1);
    samples_load(samples, i, a, data);
    add(&b, "sample", i, data);
  }
  samples_close(samples);
  for (int i = 0; i < N_PATTERNS; i++)
    if (special || !patterns[i].special) add_pattern(&b, &patterns[i], 0);
  for (int i = 0; i < plans[p].random; i++) add_pattern(&b, &random_pattern, i);
  for (int i = 0; i < plans[p].special && special; i++) add_pattern(&b, &special_pattern, i);
  return true;
}

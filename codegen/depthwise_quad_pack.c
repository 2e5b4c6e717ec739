/* The constants of a depthwise kernel by quads. */
#include <string.h>

#include "codegen/depthwise_quad.h"
#include "codegen/names.h"

int64_t quad_block_start(const DepthwiseQuads *s, int64_t block) {
  int64_t c = block * s->width;
  return s->channels >= s->width && c + s->width > s->channels ? s->channels - s->width : c;
}

int64_t quad_index(const DepthwiseQuads *s, int quad, int64_t tap, int result, int vector) {
  return ((quad * s->taps + tap) * s->results + result) * s->vectors + vector;
}

/* The channel of lane l of vector v, counted in the block; -1: none. */
static int64_t channel_of(const DepthwiseQuads *s, int64_t block, int v, int l) {
  int64_t byte = QUAD * (s->vectors * (l / QUAD) + v) + l % QUAD;
  return byte < s->stored ? quad_block_start(s, block) + byte % s->channels : -1;
}

/* ---- weights ---- */

/* Where a vector of weights belongs. */
typedef struct {
  int64_t phase, block, tap;
  int quad, result, vector;
} Place;

static int32_t weight_at(const DepthwiseQuads *s, const Place *p, int64_t c, int j) {
  int64_t down = s->quad[p->quad].tap[p->result][j], taps = s->window->dim[s->down].taps;
  if (c < 0 || down < 0) return 0;
  int64_t tap[3] = {down / taps};
  tap[s->down] = down % taps;
  tap[s->along] = p->tap;
  return s->lc.weights[conv_weight_at(s->window, p->phase, c, 0, tap)];
}

/* Two weights whose products the dot product (of bytes without sign) adds in 16 bits. */
static bool pair_is_safe(const DepthwiseQuads *s, int32_t w0, int32_t w1) {
  int64_t most = s->cg->target->dot_pair_sum;
  int64_t positive = (w0 > 0 ? w0 : 0) + (w1 > 0 ? w1 : 0), negative = (w0 < 0 ? w0 : 0) + (w1 < 0 ? w1 : 0);
  return !most || (positive * s->x_most <= most && -negative * s->x_most <= most + 1);
}

/* Calls `visit` for each vector of weights that is read, in their order, until it returns false. */
typedef bool (*Visit)(DepthwiseQuads *s, const Place *p, void *user);
static bool each_vector(DepthwiseQuads *s, Visit visit, void *user) {
  Place p;
  for (p.phase = 0; p.phase < s->window->phases; p.phase++)
    for (p.block = 0; p.block < s->blocks; p.block++)
      for (p.quad = 0; p.quad < s->quads; p.quad++)
        for (p.tap = 0; p.tap < s->taps; p.tap++)
          for (p.result = 0; p.result < s->results; p.result++)
            for (p.vector = 0; quad_feeds(&s->quad[p.quad], p.result) && p.vector < s->vectors; p.vector++)
              if (!visit(s, &p, user)) return false;
  return true;
}

/* ---- sign flips ---- */

/* False where the dot product can't be exact: no bytes, or a pair whose signs can't be flipped. */
static bool is_packable(DepthwiseQuads *s, const Place *p, void *user) {
  const Target *t = s->cg->target;
  (void)user;
  for (int l = 0; l < s->lanes; l++)
    for (int j = 0; j < QUAD; j++) {
      int64_t c = channel_of(s, p->block, p->vector, l);
      int32_t w = weight_at(s, p, c, j), other = weight_at(s, p, c, j ^ 1);
      if (w < -128 || w > 127) return false;
      if (!t->dot_pair_sum && w < t->weight_min) return false;
      if (!pair_is_safe(s, w, other) && w == -128 && other == -128) return false;
    }
  return true;
}

/* How many vectors need a mask. */
static bool count_flips(DepthwiseQuads *s, const Place *p, void *user) {
  for (int l = 0; l < s->lanes; l++)
    for (int j = 0; j < QUAD; j += 2) {
      int64_t c = channel_of(s, p->block, p->vector, l);
      if (pair_is_safe(s, weight_at(s, p, c, j), weight_at(s, p, c, j + 1))) continue;
      *(int64_t *)user += 1;
      return true;
    }
  return true;
}

static void swap_rows(Quad *q, int i, int j) {
  int64_t x = q->x[i];
  q->x[i] = q->x[j];
  q->x[j] = x;
  for (int r = 0; r < QUAD_RESULTS; r++) {
    int64_t tap = q->tap[r][i];
    q->tap[r][i] = q->tap[r][j];
    q->tap[r][j] = tap;
  }
}

static void swap_all(DepthwiseQuads *s, int with) {
  for (int i = 0; i < s->quads; i++) swap_rows(&s->quad[i], 1, with);
}

/* Which rows are paired is free: so that the fewest pairs are unsafe. */
static void order_rows(DepthwiseQuads *s) {
  if (!s->cg->target->dot_pair_sum) return;
  int best = 1;
  int64_t least = INT64_MAX;
  for (int with = 1; with < QUAD; with++) {
    int64_t flips = 0;
    swap_all(s, with);
    if (each_vector(s, is_packable, NULL))
      each_vector(s, count_flips, &flips);
    else
      flips = INT64_MAX;
    swap_all(s, with);
    if (flips >= least) continue;
    least = flips;
    best = with;
  }
  swap_all(s, best);
}

/* A function serves all blocks and phases, so a mask that one of them needs all have. */
static bool mark_flip(DepthwiseQuads *s, const Place *p, void *user) {
  int64_t flips = 0;
  (void)user;
  count_flips(s, p, &flips);
  for (int64_t tap = s->looped ? 0 : p->tap; flips && tap < (s->looped ? s->taps : p->tap + 1); tap++)
    s->flipped[quad_index(s, p->quad, tap, p->result, p->vector)] = true;
  return true;
}

static void place_weights(DepthwiseQuads *s) {
  int64_t n = s->quads * s->taps * s->results * s->vectors;
  s->weight_at = ARENA_NEW_ARRAY(s->cg->kernel_arena, int64_t, (size_t)n);
  s->flipped = ARENA_NEW_ARRAY(s->cg->kernel_arena, bool, (size_t)n);
  each_vector(s, mark_flip, NULL);
  s->block_size = 0;
  for (int64_t i = 0; i < n; i++) {
    s->weight_at[i] = s->block_size;
    int result = (int)(i / s->vectors % s->results), quad = (int)(i / s->vectors / s->results / s->taps);
    if (quad_feeds(&s->quad[quad], result)) s->block_size += s->flipped[i] ? 2 * s->width : s->width;
  }
}

/* ---- packing ---- */

typedef struct {
  int8_t *weights;
  int32_t *bias; /* [phase][block][result][vector][lane]: flipped weights add to it */
} Packed;

static int32_t *bias_of(const DepthwiseQuads *s, int32_t *bias, const Place *p) {
  int64_t block = p->phase * s->blocks + p->block;
  return bias + ((block * s->results + p->result) * s->vectors + p->vector) * s->lanes;
}

static bool pack_vector(DepthwiseQuads *s, const Place *p, void *user) {
  Packed *to = user;
  int32_t *bias = bias_of(s, to->bias, p);
  int64_t index = quad_index(s, p->quad, p->tap, p->result, p->vector);
  int8_t *w = to->weights + (p->phase * s->blocks + p->block) * s->block_size + s->weight_at[index];
  for (int l = 0; l < s->lanes; l++)
    for (int j = 0; j < QUAD; j += 2) {
      int64_t c = channel_of(s, p->block, p->vector, l);
      int32_t pair[2] = {weight_at(s, p, c, j), weight_at(s, p, c, j + 1)};
      bool safe = pair_is_safe(s, pair[0], pair[1]);
      int flip = pair[1] == -128 ? 0 : 1; /* w * x = 255 * w + -w * (255 - x) */
      if (!safe) {
        bias[l] = (int32_t)((uint32_t)bias[l] + 255u * (uint32_t)pair[flip]);
        pair[flip] = -pair[flip];
        w[s->width + QUAD * l + j + flip] = -1;
      }
      w[QUAD * l + j] = (int8_t)pair[0];
      w[QUAD * l + j + 1] = (int8_t)pair[1];
    }
  return true;
}

static int64_t sum_of(const DepthwiseQuads *s, int64_t phase, int64_t c) {
  const ConvPhase *d = s->window->dim;
  int64_t sum = 0;
  for (int64_t i = 0; i < d[0].taps * d[1].taps * d[2].taps; i++) {
    int64_t tap[3] = {i / d[2].taps / d[1].taps, i / d[2].taps % d[1].taps, i % d[2].taps};
    sum += s->lc.weights[conv_weight_at(s->window, phase, c, 0, tap)];
  }
  return sum;
}

static int32_t *start_bias(const DepthwiseQuads *s) {
  int64_t blocks = s->window->phases * s->blocks;
  int32_t *bias =
      ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)(blocks * s->results * s->vectors * s->lanes));
  Place p = {0};
  for (p.phase = 0; p.phase < s->window->phases; p.phase++)
    for (p.block = 0; p.block < s->blocks; p.block++)
      for (p.vector = 0; p.vector < s->vectors; p.vector++)
        for (int l = 0; l < s->lanes; l++) {
          int64_t c = channel_of(s, p.block, p.vector, l);
          if (c < 0) continue;
          int64_t value = linear_bias(&s->lc, c, sum_of(s, p.phase, c));
          for (p.result = 0; p.result < s->results; p.result++)
            bias_of(s, bias, &p)[l] = (int32_t)(uint32_t)(uint64_t)value;
        }
  return bias;
}

static const VirBase *pack_multipliers(const DepthwiseQuads *s) {
  int64_t n = s->blocks * s->vectors * s->lanes;
  float *m = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)n);
  for (int64_t i = 0; i < n; i++) {
    int64_t block = i / s->lanes / s->vectors;
    int64_t c = channel_of(s, block, (int)(i / s->lanes % s->vectors), (int)(i % s->lanes));
    if (c >= 0) m[i] = s->lc.multiplier[c];
  }
  return vir_constant(s->cg->module, cg_name(s->cg, s->window->node, "m"), DT_F32, n, m, NULL);
}

bool quad_pack(DepthwiseQuads *s) {
  s->x_most = cg_largest_stored(s->cg, s->x);
  order_rows(s);
  if (!each_vector(s, is_packable, NULL)) return false;
  place_weights(s);
  Cg *cg = s->cg;
  const Node *n = s->window->node;
  int64_t blocks = s->window->phases * s->blocks, total = blocks * s->block_size;
  Packed packed = {arena_array(cg->kernel_arena, (size_t)total, 1), start_bias(s)};
  each_vector(s, pack_vector, &packed);
  StrBuf comment;
  strbuf_init(&comment, cg->arena);
  strbuf_printf(&comment, "weights of '%s', packed ", cg_title(cg, n));
  if (s->window->phases > 1) strbuf_printf(&comment, "[%lld phases]", (long long)s->window->phases);
  strbuf_printf(&comment,
                "[%lld channel blocks][%d quads of rows][%lld taps][%d results][%d vectors][%d lanes][4]",
                (long long)s->blocks, s->quads, (long long)s->taps, s->results, s->vectors, s->lanes);
  s->weights =
      vir_constant(cg->module, cg_name(cg, n, "weights"), DT_S8, total, packed.weights, comment.text);
  s->bias = vir_constant(cg->module, cg_name(cg, n, "bias"), DT_S32,
                         blocks * s->results * s->vectors * s->lanes, packed.bias, NULL);
  s->multiplier = pack_multipliers(s);
  s->unclamped = linear_results_fit(&s->lc);
  return true;
}

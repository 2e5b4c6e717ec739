#include "codegen/channel_order.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/plan_steps.h"

/* Channels that are tried for a place in a vector. */
enum { TRIES = 256 };

/* Sets of k-steps that go with each k-step: it has no mask and they have one; the other way round; all have
 * one. */
typedef enum { PLAIN_FLIPPED, FLIPPED_PLAIN, BOTH_FLIPPED, WAYS } Way;
typedef struct {
  uint64_t with[WAYS][PLAN_WORD];
  int choices; /* bits of the first of these */
} Fits;

typedef struct {
  const ChannelWeights *w;
  uint64_t all; /* k-steps */
  Fits *fits;   /* of each channel */
  int32_t *left;
  int64_t n_left;
} Order;

/* Some lanes of a vector: by which pairs their k-steps go (-1: alone), and what that saves: two for each pair
 * with one mask, one for each with two. */
typedef struct {
  Fits fits;
  int saved;
  int partner[PLAN_WORD];
} Lanes;

/* ---- two k-steps of one channel ---- */

static void add_plain(const int8_t *w, int32_t *positive, int32_t *negative) {
  for (int i = 0; i < 2; i++) *(w[i] > 0 ? positive : negative) += abs(w[i]);
}

static void add_flipped(const int8_t *w, int32_t *positive, int32_t *negative) {
  int a = abs(w[0]), b = abs(w[1]);
  plan_balance(positive, negative, a > b ? a : b);
  plan_balance(positive, negative, a > b ? b : a);
}

/* Y is the one that is flipped where one is: as plans are made (codegen/plan_pairs.c). */
static bool go_together(const ChannelWeights *w, const int8_t *x, const int8_t *y, int masks) {
  for (int i = 0; i < 4; i += 2) {
    int32_t positive = 0, negative = 0;
    (masks > 1 ? add_flipped : add_plain)(x + i, &positive, &negative);
    (masks > 0 ? add_flipped : add_plain)(y + i, &positive, &negative);
    if (positive > w->limit || negative > w->limit) return false;
  }
  return true;
}

static void set_fits(const ChannelWeights *w, int64_t channel, Fits *f) {
  const int8_t *k = w->weights + channel * w->k_steps * 4;
  for (int i = 0; i < w->k_steps; i++)
    for (int j = 0; j < i; j++) {
      const int8_t *x = k + 4 * i, *y = k + 4 * j;
      bool plain = go_together(w, x, y, 0);
      bool flipped[2] = {plain || go_together(w, y, x, 1), plain || go_together(w, x, y, 1)}; /* i, j */
      bool both = flipped[0] || flipped[1] || go_together(w, x, y, 2) || go_together(w, y, x, 2);
      f->with[PLAIN_FLIPPED][i] |= (uint64_t)flipped[1] << j;
      f->with[PLAIN_FLIPPED][j] |= (uint64_t)flipped[0] << i;
      f->with[FLIPPED_PLAIN][i] |= (uint64_t)flipped[0] << j;
      f->with[FLIPPED_PLAIN][j] |= (uint64_t)flipped[1] << i;
      f->with[BOTH_FLIPPED][i] |= (uint64_t)both << j;
      f->with[BOTH_FLIPPED][j] |= (uint64_t)both << i;
    }
  for (int i = 0; i < w->k_steps; i++) f->choices += plan_count(f->with[PLAIN_FLIPPED][i]);
}

/* ---- vectors ---- */

static void meet(const Order *o, const Fits *a, const Fits *b, Fits *to) {
  to->choices = 0;
  for (int i = 0; i < o->w->k_steps; i++) {
    for (int way = 0; way < WAYS; way++) to->with[way][i] = a->with[way][i] & b->with[way][i];
    to->choices += plan_count(to->with[PLAIN_FLIPPED][i]);
  }
}

static uint64_t with_one_mask(const Fits *f, int i) {
  return f->with[PLAIN_FLIPPED][i] | f->with[FLIPPED_PLAIN][i];
}

static void count_pairs(const Order *o, Lanes *l) {
  uint64_t with[PLAN_WORD], left = o->all;
  int n = o->w->k_steps;
  for (int i = 0; i < n; i++) with[i] = with_one_mask(&l->fits, i);
  memset(l->partner, -1, sizeof l->partner);
  plan_match(1, with, &left, l->partner);
  int light = n - plan_count(left);
  plan_match(1, l->fits.with[BOTH_FLIPPED], &left, l->partner);
  l->saved = light + (n - light - plan_count(left)) / 2;
}

/* All pairs remain, though one may have a mask more. */
static bool keeps_pairs(const Order *o, const Lanes *l, const Fits *f) {
  for (int i = 0; i < o->w->k_steps; i++) {
    int j = l->partner[i];
    if (j <= i) continue;
    bool light = with_one_mask(&l->fits, i) >> j & 1;
    if (!((light ? with_one_mask(f, i) : f->with[BOTH_FLIPPED][i]) >> j & 1)) return false;
  }
  return true;
}

static int32_t take(Order *o, int64_t i) {
  int32_t channel = o->left[i];
  o->left[i] = o->left[--o->n_left];
  return channel;
}

/* One with many choices. */
static int64_t first_of_vector(const Order *o) {
  int64_t best = 0;
  for (int64_t i = 1; i < o->n_left; i++)
    if (o->fits[o->left[i]].choices > o->fits[o->left[best]].choices) best = i;
  return best;
}

/* The one that leaves most pairs, and of its own choices the greatest part. */
static int64_t next_of_vector(const Order *o, Lanes *l) {
  int64_t step = 1 + o->n_left / TRIES, at = -1;
  int part = 0;
  Lanes best = {.saved = -1}, with;
  for (int64_t i = 0; i < o->n_left; i += step) {
    const Fits *own = &o->fits[o->left[i]];
    meet(o, &l->fits, own, &with.fits);
    int of_own = 1000 * with.fits.choices / (own->choices + 1);
    if (best.saved == l->saved && of_own <= part) continue; /* nothing saves more than without it */
    if (keeps_pairs(o, l, &with.fits)) {
      with.saved = l->saved;
      memcpy(with.partner, l->partner, sizeof with.partner);
    } else {
      count_pairs(o, &with);
    }
    if (with.saved < best.saved || (with.saved == best.saved && of_own <= part)) continue;
    best = with;
    part = of_own;
    at = i;
  }
  *l = best;
  return at;
}

typedef struct {
  int64_t first; /* of the order as it was made */
  int saved;
} VectorRank;

static int more_saved_first(const void *a, const void *b) {
  const VectorRank *x = a, *y = b;
  if (x->saved != y->saved) return x->saved > y->saved ? -1 : 1;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* Whole vectors; what is left over stays last. */
static int32_t *sort_vectors(Arena *a, const ChannelWeights *w, const int32_t *made, VectorRank *rank) {
  int64_t vectors = w->channels / w->lanes, whole = vectors * w->lanes;
  int32_t *order = arena_memdup(a, made, sizeof *made * (size_t)w->channels);
  qsort(rank, (size_t)vectors, sizeof *rank, more_saved_first);
  for (int64_t i = 0; i < whole; i++) order[i] = made[rank[i / w->lanes].first + i % w->lanes];
  return order;
}

int32_t *order_channels(Arena *a, const ChannelWeights *w) {
  Arena *tmp = arena_new();
  size_t n = (size_t)w->channels;
  Order o = {.w = w,
             .all = ~(uint64_t)0 >> (PLAN_WORD - w->k_steps),
             .fits = ARENA_NEW_ARRAY(tmp, Fits, n),
             .left = ARENA_NEW_ARRAY(tmp, int32_t, n),
             .n_left = w->channels};
  int32_t *made = ARENA_NEW_ARRAY(tmp, int32_t, n);
  VectorRank *rank = ARENA_NEW_ARRAY(tmp, VectorRank, n / (size_t)w->lanes + 1);
  for (int32_t c = 0; c < w->channels; c++) {
    o.left[c] = c;
    set_fits(w, c, &o.fits[c]);
  }
  for (int64_t i = 0; i < w->channels;) {
    Lanes l;
    made[i] = take(&o, first_of_vector(&o));
    l.fits = o.fits[made[i++]];
    count_pairs(&o, &l);
    for (; i < w->channels && i % w->lanes; i++) made[i] = take(&o, next_of_vector(&o, &l));
    rank[(i - 1) / w->lanes] = (VectorRank){(i - 1) / w->lanes * w->lanes, l.saved};
  }
  int32_t *order = sort_vectors(a, w, made, rank);
  arena_free(tmp);
  return order;
}

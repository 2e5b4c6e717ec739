/* Where an inside tensor's elements are, by the op of the node between it and its host. */
#include "codegen/alias.h"
#include "codegen/copy.h"
#include "ir/ops/attrs.h"

Tensor *alias_inside(const Alias *a) {
  return a->operand_inside ? a->node->operands[a->operand] : a->node->results[0];
}
Tensor *alias_host(const Alias *a) {
  return a->operand_inside ? a->node->results[0] : a->node->operands[a->operand];
}

static int rank_of(const Alias *a) { return alias_inside(a)->type.shape.rank; }

/* The inside tensor begins `n` elements behind the host. */
static void move(Storage *s, int64_t n) {
  s->base += n;
  s->size -= n;
}

/* Dim `dim` of the inside tensor has nothing of the host's halo around it. */
static void drop_halo(const Alias *a, int dim, Halo *h) {
  int at = halo_index(rank_of(a), dim);
  if (at >= 0) h->before[at] = h->after[at] = 0;
}

/* ---- identity, and ops in place: the same shape ---- */

static bool map_same(const Alias *a, const Storage *host, Storage *s) {
  for (int i = 0; i < rank_of(a); i++) s->stride[i] = host->stride[i];
  s->offset = host->offset;
  return true;
}

static void halo_same(const Alias *a, Halo *h) { (void)a, (void)h; }

/* ---- transpose: result dim i is operand dim perm[i] ---- */

static bool map_transpose(const Alias *a, const Storage *host, Storage *s) {
  const int64_t *perm = ATTRS(a->node, TransposeAttrs)->perm.v;
  for (int i = 0; i < rank_of(a); i++) {
    if (a->operand_inside)
      s->stride[perm[i]] = host->stride[i];
    else
      s->stride[i] = host->stride[perm[i]];
  }
  s->offset = host->offset;
  return true;
}

static void halo_none(const Alias *a, Halo *h) {
  (void)a;
  *h = (Halo){.before = {0}};
}

/* ---- reshape ---- */

static bool map_reshape(const Alias *a, const Storage *host, Storage *s) {
  s->offset = host->offset;
  return storage_reshape(host, &alias_host(a)->type.shape, &alias_inside(a)->type.shape, s->stride);
}

/* ---- slice: a part of the operand ---- */

static bool map_slice(const Alias *a, const Storage *host, Storage *s) {
  const SliceAttrs *slice = ATTRS(a->node, SliceAttrs);
  const Shape *y = &a->node->results[0]->type.shape;
  s->offset = host->offset;
  for (int i = 0; i < rank_of(a); i++) {
    if (slice->step.v[i] < 1) return false;
    move(s, slice->start.v[i] * host->stride[i]);
    /* one element takes no step: around it lies the host's halo */
    s->stride[i] = (y->dim[i] == 1 ? 1 : slice->step.v[i]) * host->stride[i];
  }
  return true;
}

/* What begins or ends with the operand has its halo there. */
static void halo_slice(const Alias *a, Halo *h) {
  const Shape *x = &a->node->operands[0]->type.shape, *y = &a->node->results[0]->type.shape;
  const SliceAttrs *slice = ATTRS(a->node, SliceAttrs);
  for (int i = 0; i < x->rank; i++) {
    int at = halo_index(rank_of(a), i);
    if (at < 0 || x->dim[i] == y->dim[i]) continue;
    bool even = slice->step.v[i] == 1;
    if (!even || slice->start.v[i] != 0) h->before[at] = 0;
    if (!even || slice->stop.v[i] != x->dim[i]) h->after[at] = 0;
  }
}

/* ---- concat: the operand is a part of the result ---- */

static bool map_concat(const Alias *a, const Storage *host, Storage *s) {
  int axis = concat_axis(a->node);
  map_same(a, host, s);
  for (int i = 0; i < a->operand; i++)
    move(s, a->node->operands[i]->type.shape.dim[axis] * host->stride[axis]);
  return true;
}

static void halo_concat(const Alias *a, Halo *h) {
  int at = halo_index(rank_of(a), concat_axis(a->node));
  if (at < 0) return;
  if (a->operand > 0) h->before[at] = 0;
  if (a->operand < a->node->n_operands - 1) h->after[at] = 0;
}

/* ---- pad: the operand is the result's inside ---- */

static bool map_pad(const Alias *a, const Storage *host, Storage *s) {
  const int64_t *before = ATTRS(a->node, PadAttrs)->pads.v;
  map_same(a, host, s);
  for (int i = 0; i < rank_of(a); i++) s->offset += before[i] * host->stride[i];
  return true;
}

static void halo_pad(const Alias *a, Halo *h) {
  const int64_t *pads = ATTRS(a->node, PadAttrs)->pads.v;
  for (int i = 0; i < rank_of(a); i++)
    if (pads[i] || pads[rank_of(a) + i]) drop_halo(a, i, h);
}

/* ---- all of them ---- */

typedef struct {
  bool (*map)(const Alias *a, const Storage *host, Storage *s);
  void (*halo)(const Alias *a, Halo *h); /* leaves what is around both */
} Move;
static const Move moves[OP_COUNT] = {
    [OP_identity] = {map_same, halo_same},   [OP_transpose] = {map_transpose, halo_none},
    [OP_reshape] = {map_reshape, halo_none}, [OP_slice] = {map_slice, halo_slice},
    [OP_concat] = {map_concat, halo_concat}, [OP_pad] = {map_pad, halo_pad},
};
static const Move in_place = {map_same, halo_same};

static const Move *move_of(const Alias *a) { return a->overwrites ? &in_place : &moves[a->node->op]; }

bool alias_moves(OpId op) { return moves[op].map != NULL; }

bool alias_map(const Alias *a, const Storage *host, bool channels_last, Storage *s) {
  const Move *how = move_of(a);
  s->base = host->base;
  s->size = host->size;
  if (!how->map(a, host, s)) return false;
  s->halo = host->halo;
  how->halo(a, &s->halo);
  if (halo_is_none(s->halo)) storage_unit_strides(s, &alias_inside(a)->type.shape, channels_last);
  return true;
}

Halo alias_outer_halo(const Alias *a, Halo inside) {
  move_of(a)->halo(a, &inside);
  return inside;
}

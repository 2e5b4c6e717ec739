#include "passes/ranges/facts.h"

#include "ir/ops/attrs.h"
#include "passes/layers.h"
#include "passes/ranges/linear.h"

bool sum_facts(const Ranges *r, const Node *n, SumFacts *f) {
  const ChannelRanges *sums = ranges_sums(r, n);
  if (!sums) return false;
  *f = (SumFacts){.sums = range_of_all(sums), .bits = 1};
  int64_t limit = 1; /* 2^(bits - 1) */
  for (; f->sums.lo < -limit || f->sums.hi >= limit; limit *= 2) f->bits++;
  f->exact_f32 = f->sums.lo >= -(1 << 24) && f->sums.hi <= 1 << 24;
  return true;
}

/* The products of one output channel after the other, in runs that dot products read through. */
typedef struct {
  LinearWeights l;
  int64_t row;       /* taps of a run */
  const Interval *x; /* of each input channel: the distance from the type's least value */
} Products;

/* A row of the window is read through where its taps lie side by side. */
static int64_t taps_in_row(const Node *n, const LinearWeights *l) {
  if (n->op == OP_linear || n->op == OP_conv_transpose2d || n->op == OP_conv_transpose3d || l->groups > 1)
    return 1;
  const IntList *dilation = &ATTRS(n, ConvAttrs)->dilation;
  const Shape *w = &l->weight->type.shape;
  return dilation->v[dilation->n - 1] == 1 ? w->dim[w->rank - 1] : 1;
}

static Products products_of(Arena *a, const Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0];
  Products p = {.l = linear_weights(n)};
  p.row = taps_in_row(n, &p.l);
  int64_t channels = p.l.groups * p.l.ic, least = dtype_info[x->type.dtype].min;
  const ChannelRanges *known = ranges_tensor(r, x);
  Interval *distance = ARENA_NEW_ARRAY(a, Interval, (size_t)channels),
           all = {least, dtype_info[x->type.dtype].max};
  if (known) all = range_of_all(known);
  bool by_channel = known && known->axis == (n->op == OP_linear ? x->type.shape.rank - 1 : 1);
  for (int64_t c = 0; c < channels; c++) {
    distance[c] = by_channel ? known->channel[c] : all;
    if (linear_sees_padding(n))
      distance[c] = interval_hull(distance[c], (Interval){tensor_zero(x), tensor_zero(x)});
    distance[c] = interval_moved(distance[c], -least);
  }
  p.x = distance;
  return p;
}

static Interval product_at(const Products *p, int64_t oc, int64_t run, int64_t i) {
  const LinearWeights *l = &p->l;
  const Quant *q = l->weight->type.quant;
  int64_t ic = i % l->ic, at = (oc * l->ic + ic) * l->taps + run * p->row + i / l->ic;
  int64_t w = l->weight->type.dtype == DT_U8 ? ((const uint8_t *)l->weight->data)[at]
                                             : ((const int8_t *)l->weight->data)[at];
  w -= q->zero[q->count > 1 ? oc : 0];
  return interval_product((Interval){w, w}, p->x[oc / (l->oc / l->groups) * l->ic + ic]);
}

/* No part of the sum of products i ... i + count - 1 leaves 16 bits. */
static bool fits_16(const Products *p, int64_t oc, int64_t run, int64_t i, int64_t count) {
  Interval sum = {0, 0};
  for (int64_t end = p->row * p->l.ic < i + count ? p->row * p->l.ic : i + count; i < end; i++)
    sum = interval_sum(sum, interval_hull(product_at(p, oc, run, i), (Interval){0, 0}));
  return interval_within(sum, (Interval){INT16_MIN, INT16_MAX});
}

bool product_facts(const Ranges *r, const Node *n, ProductFacts *f) {
  if ((n->op != OP_linear && !layer_is_conv(n)) || !tensor_is_quantized(n->operands[0]) ||
      !linear_is_constant(n))
    return false;
  Arena *tmp = arena_new();
  Products p = products_of(tmp, r, n);
  int64_t length = p.row * p.l.ic;
  *f = (ProductFacts){0};
  for (int64_t oc = 0; oc < p.l.oc; oc++)
    for (int64_t run = 0; run < p.l.taps / p.row; run++)
      for (int64_t i = 0; i < length; i += 2) {
        f->pairs++;
        f->safe_pairs += fits_16(&p, oc, run, i, 2);
        if (i % 4) continue;
        f->quads++;
        f->safe_quads += fits_16(&p, oc, run, i, 4);
      }
  arena_free(tmp);
  return true;
}

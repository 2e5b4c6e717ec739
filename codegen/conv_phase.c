#include "codegen/conv_phase.h"

static int first_dim(const Node *n) { return 5 - n->operands[0]->type.shape.rank; } /* of three */

static int64_t size_along(const Tensor *t, int dim) {
  int rank = t->type.shape.rank, at = dim + rank - 3;
  return at < 2 ? 1 : t->type.shape.dim[at];
}

const Tensor *conv_weight_of(const Node *n) { return n->operands[n->op == OP_dynamic_conv2d ? 3 : 1]; }

static int64_t kernel_along(const Node *n, int dim) { return size_along(conv_weight_of(n), dim); }

static bool is_transposed(const Node *n) {
  return n->op == OP_conv_transpose2d || n->op == OP_conv_transpose3d;
}

/* The outputs first, first + stride, ... of a transposed convolution. Its taps by ascending input: by
 * descending element of the kernel. */
static ConvPhase transposed_phase(int64_t first, int64_t out, int64_t kernel, int64_t stride,
                                  int64_t dilation, int64_t pad) {
  ConvPhase p = {
      .count = (out - first + stride - 1) / stride, .y_first = first, .y_step = stride, .x_step = 1};
  for (int64_t k = kernel - 1; k >= 0; k--) {
    int64_t at = first + pad - k * dilation;
    if (at % stride) continue;
    if (p.taps == 0) {
      p.x_first = at / stride;
      p.w_first = k;
    } else if (p.taps == 1) {
      p.tap_step = at / stride - p.x_first;
      p.w_step = k - p.w_first;
    }
    p.taps++;
  }
  return p;
}

/* The phases along dim `dim` of three; returns how many. */
static int phases_along(Arena *a, const Node *n, int dim, ConvPhase **out) {
  const ConvAttrs *attrs = ATTRS(n, ConvAttrs);
  int i = dim - first_dim(n);
  int64_t kernel = kernel_along(n, dim), count = size_along(n->results[0], dim);
  int64_t stride = i < 0 ? 1 : attrs->stride.v[i], dilation = i < 0 ? 1 : attrs->dilation.v[i],
          pad = i < 0 ? 0 : attrs->pad.v[i];
  if (!is_transposed(n)) {
    ConvPhase *p = ARENA_NEW(a, ConvPhase);
    *p = (ConvPhase){count, 0, 1, -pad, stride, kernel, dilation, 0, 1};
    *out = p;
    return 1;
  }
  int64_t phases = stride < count ? stride : count;
  *out = ARENA_NEW_ARRAY(a, ConvPhase, (size_t)phases);
  for (int64_t p = 0; p < phases; p++) (*out)[p] = transposed_phase(p, count, kernel, stride, dilation, pad);
  return (int)phases;
}

/* What the phases of a transposed convolution read before the first element of dim `dim` and behind the last.
 */
static void reach(Arena *a, const Node *n, int dim, int64_t *before, int64_t *after) {
  ConvPhase *p;
  int64_t size = size_along(n->operands[0], dim);
  int phases = phases_along(a, n, dim, &p);
  for (int k = 0; k < phases; k++) {
    if (!p[k].taps) continue;
    int64_t last = p[k].x_first + (p[k].count - 1) * p[k].x_step + (p[k].taps - 1) * p[k].tap_step;
    if (-p[k].x_first > *before) *before = -p[k].x_first;
    if (last - (size - 1) > *after) *after = last - (size - 1);
  }
}

/* Of an ordinary convolution all of its padding, even where the stride leaves some of it unread: tensors with
 * equal halos can share memory. */
Halo conv_halo(const Node *n, int operand) {
  Halo h = {{0}, {0}};
  if (operand != 0) return h;
  const IntList *pad = &ATTRS(n, ConvAttrs)->pad;
  int dims = pad->n / 2, first = HALO_DIMS - dims;
  Arena *tmp = arena_new();
  for (int i = first; i < HALO_DIMS; i++) {
    if (is_transposed(n)) {
      reach(tmp, n, i, &h.before[i], &h.after[i]);
    } else {
      h.before[i] = pad->v[i - first];
      h.after[i] = pad->v[dims + i - first];
    }
  }
  arena_free(tmp);
  return h;
}

static bool same_steps(const ConvPhase *a, const ConvPhase *b) {
  return a->count == b->count && a->taps == b->taps && a->tap_step == b->tap_step && a->w_step == b->w_step;
}

/* Brings phases with equal steps together; returns how many begin the list that are like its first. */
static int take_class(ConvPhase *p, int n) {
  int same = 1;
  for (int i = 1; i < n; i++) {
    if (!same_steps(&p[0], &p[i])) continue;
    ConvPhase found = p[i];
    for (int k = i; k > same; k--) p[k] = p[k - 1];
    p[same++] = found;
  }
  return same;
}

static ConvWindow make_window(Arena *a, const Node *n, const ConvPhase *const first[3], const int count[3]) {
  ConvWindow w = {.node = n, .weight = conv_weight_of(n), .phases = (int64_t)count[0] * count[1] * count[2]};
  ConvPhase(*place)[3] = arena_array(a, (size_t)w.phases, sizeof *place);
  for (int i = 0; i < 3; i++) {
    w.dim[i] = first[i][0];
    w.empty |= !first[i]->taps;
  }
  for (int64_t p = 0; p < w.phases; p++) {
    place[p][0] = first[0][p / count[2] / count[1]];
    place[p][1] = first[1][p / count[2] % count[1]];
    place[p][2] = first[2][p % count[2]];
  }
  w.place = (const ConvPhase(*)[3])place;
  return w;
}

int conv_windows(Arena *a, const Node *n, ConvWindow **out) {
  ConvPhase *p[3];
  int phases[3], most = 1, made = 0, taken[3];
  for (int i = 0; i < 3; i++) most *= phases[i] = phases_along(a, n, i, &p[i]);
  *out = ARENA_NEW_ARRAY(a, ConvWindow, (size_t)most);
  for (int d = 0; d < phases[0]; d += taken[0]) {
    taken[0] = take_class(p[0] + d, phases[0] - d);
    for (int h = 0; h < phases[1]; h += taken[1]) {
      taken[1] = take_class(p[1] + h, phases[1] - h);
      for (int w = 0; w < phases[2]; w += taken[2]) {
        taken[2] = take_class(p[2] + w, phases[2] - w);
        const ConvPhase *const first[3] = {p[0] + d, p[1] + h, p[2] + w};
        (*out)[made++] = make_window(a, n, first, taken);
      }
    }
  }
  for (int i = 0; i < made; i++) (*out)[i].what = made > 1 ? arena_printf(a, "part%d", i + 1) : "";
  return made;
}

int64_t conv_stride(const ConvWindow *w, const Storage *s, int dim) {
  return dim < first_dim(w->node) ? 0 : s->stride[2 + dim - first_dim(w->node)];
}

int64_t *conv_origins(Arena *a, const ConvWindow *w, const Storage *s, bool result) {
  int64_t *origin = ARENA_NEW_ARRAY(a, int64_t, (size_t)w->phases);
  for (int64_t p = 0; p < w->phases; p++) {
    origin[p] = s->offset;
    for (int i = 0; i < 3; i++)
      origin[p] += (result ? w->place[p][i].y_first : w->place[p][i].x_first) * conv_stride(w, s, i);
  }
  return origin;
}

int64_t conv_weight_at(const ConvWindow *w, int64_t phase, int64_t c, int64_t ic, const int64_t tap[3]) {
  int64_t at = c * w->weight->type.shape.dim[1] + ic;
  for (int i = 0; i < 3; i++)
    at = at * kernel_along(w->node, i) + w->place[phase][i].w_first + tap[i] * w->dim[i].w_step;
  return at;
}

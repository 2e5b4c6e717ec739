#include "codegen/rows.h"

#include "codegen/copy.h"
#include "ir/ops/attrs.h"

int64_t rows_of(const Tensor *t) { return t->type.shape.dim[ROW_DIM]; }

Rows rows_union(Rows a, Rows b) {
  if (!rows_count(a)) return b;
  if (!rows_count(b)) return a;
  return (Rows){a.first < b.first ? a.first : b.first, a.end > b.end ? a.end : b.end};
}

/* It is computed, and no parameters belong to single rows. */
static bool has_rows(const Tensor *t) {
  return t && !tensor_is_const(t) && t->type.shape.rank == 4 && shape_count(&t->type.shape) &&
         !(t->type.quant && t->type.quant->axis == ROW_DIM);
}

/* ---- windows: convolutions and pools ---- */

typedef struct {
  int64_t kernel, stride, dilation, before, after;
} Window;

static Window conv_window(const Node *n) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  return (Window){n->operands[1]->type.shape.dim[ROW_DIM], a->stride.v[0], a->dilation.v[0], a->pad.v[0],
                  a->pad.v[2]};
}

static void pad_conv(const Node *n, int64_t above, int64_t below) {
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->pad.v[0] = above;
  a->pad.v[2] = below;
}

static Window pool_window(const Node *n) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  return (Window){a->kernel.v[0], a->stride.v[0], a->dilation.v[0], a->pad.v[0], a->pad.v[2]};
}

/* What ceil_mode added lies behind the rest of the padding. */
static void pad_pool(const Node *n, int64_t above, int64_t below) {
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  int64_t counted = a->pad.v[2] - a->pad_extra.v[0];
  a->pad.v[0] = above;
  a->pad.v[2] = below;
  a->pad_extra.v[0] = below > counted ? below - counted : 0;
}

typedef struct {
  Window (*window)(const Node *n);
  void (*pad)(const Node *n, int64_t above, int64_t below);
} WindowOp;

static const WindowOp window_ops[OP_COUNT] = {
    [OP_conv2d] = {conv_window, pad_conv},
    [OP_max_pool2d] = {pool_window, pad_pool},
    [OP_avg_pool2d] = {pool_window, pad_pool},
};

/* The rows that the windows of `r` lie on, from -before on. */
static Rows window_rows(const Window *w, Rows r) {
  return (Rows){r.first * w->stride - w->before,
                (r.end - 1) * w->stride - w->before + (w->kernel - 1) * w->dilation + 1};
}

/* ---- ops that compute each row from the same one ---- */

static bool always(const Node *n) {
  (void)n;
  return true;
}

static bool joins_no_rows(const Node *n) { return concat_axis(n) != ROW_DIM; }

static bool takes_all_rows(const Node *n) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  return a->start.v[ROW_DIM] == 0 && a->step.v[ROW_DIM] == 1 &&
         rows_of(n->results[0]) == rows_of(n->operands[0]);
}

static bool (*const row_ops[OP_COUNT])(const Node *n) = {
    [OP_add] = always,        [OP_sub] = always,           [OP_mul] = always,          [OP_div] = always,
    [OP_max] = always,        [OP_min] = always,           [OP_identity] = always,     [OP_quantize] = always,
    [OP_dequantize] = always, [OP_lut] = always,           [OP_clamp] = always,        [OP_cast] = always,
    [OP_prelu] = always,      [OP_concat] = joins_no_rows, [OP_slice] = takes_all_rows};

static bool is_row_op(const Node *n) {
  return op_info[n->op]->quant == QUANT_UNARY || (row_ops[n->op] && row_ops[n->op](n));
}

/* What is used whole must be the same for all rows: constants, and what broadcasts from a lower rank. */
static bool whole_ones_are_even(const Node *n) {
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    int at = t ? ROW_DIM - (4 - t->type.shape.rank) : -1;
    if (at >= 0 && t->type.shape.dim[at] > 1 && !rows_operand(n, i)) return false;
  }
  return true;
}

bool rows_possible(const Node *n) {
  if (n->n_results != 1 || !n->n_operands || !has_rows(n->results[0])) return false;
  if (window_ops[n->op].window) return has_rows(n->operands[0]);
  return is_row_op(n) && whole_ones_are_even(n);
}

bool rows_operand(const Node *n, int i) {
  if (window_ops[n->op].window) return i == 0;
  return has_rows(n->operands[i]) && rows_of(n->operands[i]) == rows_of(n->results[0]);
}

static int64_t clamped(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

Rows rows_needed(const Node *n, int i, Rows r) {
  if (!window_ops[n->op].window || !rows_count(r)) return r;
  Window w = window_ops[n->op].window(n);
  Rows all = window_rows(&w, r);
  int64_t in = rows_of(n->operands[i]);
  return (Rows){clamped(all.first, in), clamped(all.end, in)};
}

void rows_cut(const Node *n, Rows r, Node *band) {
  band->results[0]->type = n->results[0]->type;
  band->results[0]->type.shape.dim[ROW_DIM] = rows_count(r);
  if (n->op == OP_slice) ATTRS(band, SliceAttrs)->stop.v[ROW_DIM] = rows_count(r);
  if (!window_ops[n->op].window) return;
  Window w = window_ops[n->op].window(n);
  Rows all = window_rows(&w, r);
  int64_t below = all.end - rows_of(n->operands[0]);
  window_ops[n->op].pad(band, all.first < 0 ? -all.first : 0, below > 0 ? below : 0);
}

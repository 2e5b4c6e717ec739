#include "ir/ops/window.h"

static const char *const dim_name[2] = {"height", "width"};

static bool check_list(Diag *d, const Node *n, const char *what, const IntList *l, int count, int64_t least) {
  const char *op = op_info[n->op]->name;
  if (l->n != count)
    return diag_error(d, node_loc(n), "%s needs %d values for %s, not %d", op, count, what, l->n);
  for (int i = 0; i < count; i++) {
    if (l->v[i] < least)
      return diag_error(d, node_loc(n), "%s: %s must be at least %lld, not %lld", op, what, (long long)least,
                        (long long)l->v[i]);
    if (l->v[i] > MAX_DIM)
      return diag_error(d, node_loc(n), "%s: %s of %lld is above the limit of %lld", op, what,
                        (long long)l->v[i], (long long)MAX_DIM);
  }
  return true;
}

void window_dims(const Shape *x, const int64_t kernel[2], const IntList *stride, const IntList *pad,
                 const IntList *dilation, WindowDim w[2]) {
  for (int i = 0; i < 2; i++) {
    w[i] = (WindowDim){.in = x->dim[2 + i],
                       .kernel = kernel[i],
                       .stride = stride->v[i],
                       .dilation = dilation->v[i],
                       .before = pad->v[i],
                       .after = pad->v[2 + i]};
    int64_t extent = (w[i].kernel - 1) * w[i].dilation + 1;
    int64_t room = w[i].in + w[i].before + w[i].after - extent;
    w[i].out = room < 0 ? 0 : room / w[i].stride + 1;
  }
}

bool window_check(Diag *d, const Node *n, const Shape *x, const int64_t kernel[2], const IntList *stride,
                  const IntList *pad, const IntList *dilation, WindowDim w[2]) {
  const char *op = op_info[n->op]->name;
  if (x->rank != 4)
    return diag_error(d, node_loc(n), "operand 1 of %s must be [N, C, H, W], not %s", op,
                      shape_text(d->arena, x));
  for (int i = 0; i < 4; i++)
    if (x->dim[i] < 1)
      return diag_error(d, node_loc(n), "operand 1 of %s, %s, has no elements", op, shape_text(d->arena, x));
  const IntList k = {2, {kernel[0], kernel[1]}};
  if (!check_list(d, n, "kernel", &k, 2, 1) || !check_list(d, n, "stride", stride, 2, 1) ||
      !check_list(d, n, "dilation", dilation, 2, 1) || !check_list(d, n, "pad", pad, 4, 0))
    return false;
  window_dims(x, kernel, stride, pad, dilation, w);
  for (int i = 0; i < 2; i++)
    if (w[i].out < 1)
      return diag_error(d, node_loc(n),
                        "%s: a kernel that spans %lld does not fit into a %s of %lld padded to %lld", op,
                        (long long)((w[i].kernel - 1) * w[i].dilation + 1), dim_name[i], (long long)w[i].in,
                        (long long)(w[i].in + w[i].before + w[i].after));
  return true;
}

static int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

void window_taps(const WindowDim *w, int64_t o, int64_t lo, int64_t hi, int64_t *first, int64_t *end) {
  int64_t start = o * w->stride - w->before;
  int64_t a = ceil_div(lo - start, w->dilation), b = ceil_div(hi - start, w->dilation);
  if (a > w->kernel) a = w->kernel;
  if (b > w->kernel) b = w->kernel;
  *first = a;
  *end = b < a ? a : b;
}

void window_interior(const WindowDim *w, int64_t *first, int64_t *end) {
  int64_t last_start = w->in - ((w->kernel - 1) * w->dilation + 1); /* of a window that is inside */
  int64_t a = ceil_div(w->before, w->stride);
  int64_t b = last_start + w->before < 0 ? 0 : (last_start + w->before) / w->stride + 1;
  if (a > w->out) a = w->out;
  if (b > w->out) b = w->out;
  *first = a;
  *end = b < a ? a : b;
}

#include "ir/ops/window.h"

static const char *const dim_name[WINDOW_DIMS] = {"depth", "height", "width"};

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

static int64_t extent_of(const WindowDim *w) { return (w->kernel - 1) * w->dilation + 1; }

void window_dims(const Shape *x, const WindowAttrs *a, WindowDim w[WINDOW_DIMS]) {
  for (int k = 0; k < WINDOW_DIMS; k++) {
    int i = k - (WINDOW_DIMS - a->dims);
    w[k] = (WindowDim){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
    if (i < 0) continue;
    w[k] = (WindowDim){.in = x->dim[2 + i],
                       .kernel = a->kernel[i],
                       .stride = a->stride->v[i],
                       .dilation = a->dilation->v[i],
                       .before = a->pad->v[i],
                       .after = a->pad->v[a->dims + i],
                       .transposed = a->output_pad != NULL};
    if (a->output_pad) {
      w[k].out = (w[k].in - 1) * w[k].stride + extent_of(&w[k]) - w[k].before - w[k].after;
      w[k].out += a->output_pad->v[i];
    } else {
      int64_t room = w[k].in + w[k].before + w[k].after - extent_of(&w[k]);
      w[k].out = room < 0 ? 0 : room / w[k].stride + 1;
    }
  }
}

static bool check_out(Diag *d, const Node *n, const WindowDim *w, const char *name) {
  const char *op = op_info[n->op]->name;
  if (w->out >= 1) return true;
  if (w->transposed)
    return diag_error(d, node_loc(n), "%s: padding of [%lld, %lld] leaves nothing of a %s of %lld", op,
                      (long long)w->before, (long long)w->after, name,
                      (long long)(w->out + w->before + w->after));
  return diag_error(
      d, node_loc(n), "%s: a kernel that spans %lld does not fit into a %s of %lld padded to %lld", op,
      (long long)extent_of(w), name, (long long)w->in, (long long)(w->in + w->before + w->after));
}

bool window_check(Diag *d, const Node *n, const Shape *x, const WindowAttrs *a, WindowDim w[WINDOW_DIMS]) {
  const char *op = op_info[n->op]->name;
  if (x->rank != 2 + a->dims)
    return diag_error(d, node_loc(n), "operand 1 of %s must be %s, not %s", op,
                      a->dims == 2 ? "[N, C, H, W]" : "[N, C, D, H, W]", shape_text(d->arena, x));
  for (int i = 0; i < x->rank; i++)
    if (x->dim[i] < 1)
      return diag_error(d, node_loc(n), "operand 1 of %s, %s, has no elements", op, shape_text(d->arena, x));
  IntList k = {.n = a->dims};
  for (int i = 0; i < a->dims; i++) k.v[i] = a->kernel[i];
  if (!check_list(d, n, "kernel", &k, a->dims, 1) || !check_list(d, n, "stride", a->stride, a->dims, 1) ||
      !check_list(d, n, "dilation", a->dilation, a->dims, 1) ||
      !check_list(d, n, "pad", a->pad, 2 * a->dims, 0) ||
      (a->output_pad && !check_list(d, n, "output_pad", a->output_pad, a->dims, 0)))
    return false;
  window_dims(x, a, w);
  for (int i = 0; i < WINDOW_DIMS; i++)
    if (!check_out(d, n, &w[i], dim_name[i])) return false;
  return true;
}

Shape window_result(const Shape *x, const WindowDim w[WINDOW_DIMS], int64_t channels) {
  Shape s = {.rank = x->rank, .dim = {x->dim[0], channels}};
  for (int i = 2; i < x->rank; i++) s.dim[i] = w[i + WINDOW_DIMS - x->rank].out;
  return s;
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

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

WindowSteps window_steps(const WindowDim *w) {
  if (!w->transposed) return (WindowSteps){w->dilation, 1, 1, w->stride};
  int64_t common = common_divisor(w->stride, w->dilation);
  return (WindowSteps){w->dilation / common, -(w->stride / common), w->stride, 1};
}

/* The x with a * x = 1 modulo m, where a and m have no common divisor: Euclid's algorithm, extended. */
static int64_t inverse_modulo(int64_t a, int64_t m) {
  int64_t x = 0, next = 1, rest = m, divisor = a % m;
  while (divisor) {
    int64_t q = rest / divisor, r = rest % divisor, y = x - q * next;
    rest = divisor;
    divisor = r;
    x = next;
    next = y;
  }
  return (x % m + m) % m;
}

/* Output o of a transposed window gets input i by the kernel's element k where i * stride + k * dilation = o
 * + before. These k are `apart` from each other; the greatest belongs to the least i. `inverse`: of dilation
 * / common modulo `apart`. */
static WindowTaps transposed_taps(const WindowDim *w, int64_t o, int64_t apart, int64_t inverse) {
  int64_t t = o + w->before, common = w->stride / apart;
  if (t % common) return (WindowTaps){0};
  int64_t k = t / w->dilation < w->kernel - 1 ? t / w->dilation : w->kernel - 1;
  int64_t one = t / common % apart * inverse % apart,
          least = ceil_div(t - (w->in - 1) * w->stride, w->dilation);
  k -= ((k - one) % apart + apart) % apart;
  if (k < 0 || k < least) return (WindowTaps){0};
  return (WindowTaps){(k - least) / apart + 1, (t - k * w->dilation) / w->stride, k};
}

WindowTaps *window_all_taps(Arena *a, const WindowDim *w) {
  WindowTaps *taps = ARENA_NEW_ARRAY(a, WindowTaps, (size_t)w->out);
  WindowSteps step = window_steps(w);
  int64_t apart = -step.kernel, inverse = w->transposed ? inverse_modulo(step.in, apart) : 0;
  for (int64_t o = 0; o < w->out; o++) {
    int64_t first, end;
    if (w->transposed) {
      taps[o] = transposed_taps(w, o, apart, inverse);
      continue;
    }
    window_taps(w, o, 0, w->in, &first, &end);
    taps[o] = (WindowTaps){end - first, o * w->stride - w->before + first * w->dilation, first};
  }
  return taps;
}

/* The kernel that is being built: its name, its parameters and the storage behind them. */
#include <string.h>

#include "codegen/layout.h"
#include "codegen/names.h"
#include "ir/quant.h"
#include "ir/ops/custom.h"

Storage *cg_storage(const Cg *cg, const Tensor *t) { return strmap_get(cg->storage_of, t->name); }

static const char *title(const Node *n) { return n->name && *n->name ? n->name : n->results[0]->name; }

char *cg_title(const Cg *cg, const Node *n) { return comment_text(cg->arena, title(n)); }

char *cg_name(Cg *cg, const Node *n, const char *what) {
  char *id = c_identifier(cg->arena, title(n));
  return arena_printf(cg->arena, "n%d_%s%s%s", cg->position, id, *what ? "_" : "", what);
}

void cg_kernel(Cg *cg, VirBuilder *b, const Node *n, const char *what, const char *fmt, ...) {
  StrBuf comment;
  strbuf_init(&comment, cg->arena);
  strbuf_printf(&comment, "%s '%s': ", node_op_name(n), cg_title(cg, n));
  va_list ap;
  va_start(ap, fmt);
  strbuf_vprintf(&comment, fmt, ap);
  va_end(ap);
  vir_func(b, cg->module, cg_name(cg, n, what), false, comment.text);
  cg->open = ARENA_NEW(cg->arena, Kernel);
  cg->open->func = b->f;
  cg->open->node = n;
}

void cg_method(Cg *cg, const Node *n, const char *fmt, ...) {
  const char *name = n->results[0]->name, *before = strmap_get(cg->methods, name);
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(cg->arena, fmt, ap);
  va_end(ap);
  if (before && strstr(before, text)) return;
  strmap_put(cg->methods, name, before ? arena_printf(cg->arena, "%s; %s", before, text) : text);
}

static const VirBase *bind(Cg *cg, VirBuilder *b, KernelArg arg, int64_t count, const char *name) {
  Kernel *k = cg->open;
  if (k->n_args == sizeof k->args / sizeof *k->args) BUG("too many arguments in '%s'", b->f->name);
  k->args[k->n_args++] = arg;
  return arg.elem16 ? vir_param_s16(b, name, arg.writable, count)
                    : vir_param(b, name, arg.elem, arg.writable, count);
}

static const VirBase *bind_tensor(Cg *cg, VirBuilder *b, const Tensor *t, bool writable, int64_t count,
                                  const char *name) {
  const Storage *s = cg_storage(cg, t);
  return bind(cg, b, (KernelArg){s->buffer, s->elem, false, writable, t->name, s->base, t}, count, name);
}

/* The elements that the tensor takes: of what lies in another one only its own, since kernels that bands
 * share must not rely on what is behind one of them. */
static int64_t taken(const Cg *cg, const Tensor *t) {
  const Storage *s = cg_storage(cg, t);
  const Shape *shape = &t->type.shape;
  bool shares = cg->origins && t->producer && strmap_get(cg->origins, t->producer->results[0]->name);
  if (!shares || !s->base) return s->size;
  int64_t end = s->offset + 1;
  for (int i = 0; i < shape->rank; i++) {
    int at = halo_index(shape->rank, i);
    end += (shape->dim[i] - 1 + (at < 0 ? 0 : s->halo.after[at])) * s->stride[i];
  }
  return end;
}

/* What may be read behind a tensor: nothing in a caller's buffer, the slack at least in the workspace. */
static int64_t readable(const Cg *cg, const Tensor *t) {
  const Storage *s = cg_storage(cg, t);
  return taken(cg, t) +
         (s->buffer->kind == BUFFER_WORKSPACE ? WORKSPACE_SLACK / dtype_info[s->elem].bytes : 0);
}

/* A constant in storage order and with the stored values. */
static const VirBase *constant_base(Cg *cg, const Tensor *t, const char *name) {
  Storage *s = cg_storage(cg, t);
  if (s->constant) return s->constant;
  const Shape *shape = &t->type.shape;
  int bytes = dtype_info[s->elem].bytes;
  int64_t count = shape_count(shape), index[MAX_RANK] = {0};
  unsigned char *stored = arena_array(cg->arena, (size_t)count + 1, (size_t)bytes);
  const unsigned char *data = t->data;
  for (int64_t i = 0; i < count; i++) {
    int64_t at = 0;
    for (int d = 0; d < shape->rank; d++) at += index[d] * s->stride[d];
    if (bytes == 1) {
      stored[at] = (unsigned char)(data[i] - s->bias);
    } else {
      memcpy(stored + at * bytes, data + i * bytes, (size_t)bytes);
    }
    for (int d = shape->rank - 1; d >= 0 && ++index[d] == shape->dim[d]; d--) index[d] = 0;
  }
  const char *comment =
      arena_printf(cg->arena, "%s %s", comment_text(cg->arena, t->name), shape_text(cg->arena, shape));
  s->constant =
      vir_constant(cg->module, name, s->elem, count ? count : 1, stored, comment); /* C has no [0] */
  return s->constant;
}

const VirBase *cg_read(Cg *cg, VirBuilder *b, const Tensor *t, const char *name) {
  Storage *s = cg_storage(cg, t);
  if (!s->buffer) return constant_base(cg, t, arena_printf(cg->arena, "n%d_%s", cg->position, name));
  return bind_tensor(cg, b, t, false, readable(cg, t), name);
}

const VirBase *cg_write(Cg *cg, VirBuilder *b, const Tensor *t, const char *name) {
  return bind_tensor(cg, b, t, true, taken(cg, t), name);
}

const VirBase *cg_scratch_at(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, DType elem,
                             int64_t byte) {
  int bytes = dtype_info[elem].bytes;
  const KernelArg arg = {
      .buffer = scratch, .elem = elem, .writable = true, .what = "scratch", .base = byte / bytes};
  return bind(cg, b, arg, (scratch->bytes - byte) / bytes, name);
}

const VirBase *cg_scratch(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, DType elem) {
  return cg_scratch_at(cg, b, scratch, name, elem, 0);
}

const VirBase *cg_scratch_s16(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, bool writable) {
  const KernelArg arg = {.buffer = scratch, .elem16 = true, .writable = writable, .what = "scratch"};
  return bind(cg, b, arg, scratch->bytes / 2, name);
}

/* A constant of s32 whose elements become index variables. */
static const VirBase *index_table(Cg *cg, const Node *n, const char *what, int64_t count, const int64_t *v) {
  int32_t *table = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) table[i] = (int32_t)v[i];
  return vir_constant(cg->module, cg_name(cg, n, what), DT_S32, count, table, NULL);
}

/* The address of each turn of the loop. What is at one place in all of them, as where nothing is read, needs
 * no variable. */
static VirAddr phase_addr(Cg *cg, VirBuilder *b, const Node *n, const char *name, VirAddr a,
                          const VirVar *phase, int64_t phases, const int64_t *origin) {
  bool moves = false;
  for (int64_t i = 1; i < phases; i++) moves |= origin[i] != origin[0];
  if (!moves) return vir_offset(a, origin[0]);
  const VirBase *table = index_table(cg, n, arena_printf(cg->arena, "phases_%s", name), phases, origin);
  return vir_plus(
      a, vir_index(b, arena_printf(cg->arena, "%s0", name), vir_plus(vir_addr(table, 0), phase, 1)), 1);
}

const VirVar *cg_phases(Cg *cg, VirBuilder *b, const Node *n, int64_t phases, const int64_t *x_origin,
                        const int64_t *y_origin, VirAddr *x, VirAddr *y) {
  if (phases == 1) {
    *x = vir_offset(*x, x_origin[0]);
    *y = vir_offset(*y, y_origin[0]);
    return NULL;
  }
  const VirVar *phase = vir_loop(b, "phase", 0, phases, 1);
  *x = phase_addr(cg, b, n, "x", *x, phase, phases, x_origin);
  *y = phase_addr(cg, b, n, "y", *y, phase, phases, y_origin);
  return phase;
}

void cg_call(Cg *cg, Kernel *k) {
  for (int i = 0; i < k->n_args; i++) /* in place: the parameters may not be restrict */
    for (int j = 0; j < k->n_args; j++)
      if (i != j && k->args[i].buffer == k->args[j].buffer && (k->args[i].writable || k->args[j].writable))
        k->func->params[i]->aliased = true;
  k->first_of_layer = k->node != cg->layer;
  cg->layer = k->node;
  *cg->kernels_tail = k;
  cg->kernels_tail = &k->next;
}

void cg_done(Cg *cg, VirBuilder *b) {
  if (cg->open->func != b->f) BUG("'%s' is not the open kernel", b->f->name);
  cg_call(cg, cg->open);
  cg->open = NULL;
}

int32_t cg_largest_stored(const Cg *cg, const Tensor *t) {
  const ChannelRanges *known = ranges_tensor(cg->ranges, t);
  const Storage *s = cg_storage(cg, t);
  int64_t most = dtype_info[t->type.dtype].max;
  if (known) most = range_of_all(known).hi;
  if (tensor_is_quantized(t) && tensor_zero(t) > most) most = tensor_zero(t);
  return (int32_t)most - s->bias;
}

void cg_stored_range(const Cg *cg, const Tensor *t, float act_min, float act_max, int32_t *lo, int32_t *hi) {
  activation_range(&t->type, act_min, act_max, lo, hi);
  *lo -= cg_storage(cg, t)->bias;
  *hi -= cg_storage(cg, t)->bias;
}

#include "codegen/codegen.h"

#include <ctype.h>
#include <string.h>

#include "codegen/layout.h"
#include "ir/quant.h"

const Lowering lower_none = {0};

#define OP(name, lowering) extern const Lowering lower_##lowering;
#include "ir/ops.def"
#undef OP

const Lowering *const lowering_of[OP_COUNT] = {
#define OP(name, lowering) [OP_##name] = &lower_##lowering,
#include "ir/ops.def"
#undef OP
};

static const ActOps act_u8 = {VIR_load_u8,
                              VIR_load_u8_part,
                              VIR_store_u8,
                              VIR_store_u8_part,
                              VIR_store_u8_x2,
                              VIR_store_u8_x4,
                              VIR_pair_u8,
                              VIR_pair_u8_part,
                              VIR_max_u8,
                              VIR_get_u8,
                              VIR_put_u8,
                              VIR_lookup_u8,
                              0,
                              255};
static const ActOps act_s8 = {VIR_load_s8,
                              VIR_load_s8_part,
                              VIR_store_s8,
                              VIR_store_s8_part,
                              VIR_store_s8_x2,
                              VIR_store_s8_x4,
                              VIR_pair_s8,
                              VIR_pair_s8_part,
                              VIR_max_s8,
                              VIR_get_s8,
                              VIR_put_s8,
                              VIR_lookup_s8,
                              -128,
                              127};

const ActOps *act_ops(DType elem) { return elem == DT_S8 ? &act_s8 : &act_u8; }

char *c_identifier(Arena *a, const char *name) {
  enum { MAX_LENGTH = 40 };
  char *id = arena_alloc(a, MAX_LENGTH + 2);
  size_t n = 0;
  if (isdigit((unsigned char)name[0]) || !name[0]) id[n++] = '_';
  for (; *name && n < MAX_LENGTH; name++) {
    unsigned char c = (unsigned char)*name;
    id[n++] = c < 128 && isalnum(c) ? (char)c : '_';
  }
  return id;
}

Storage *cg_storage(const Cg *cg, const Tensor *t) { return strmap_get(cg->storage_of, t->name); }

/* Text that may stand in a C comment: nothing that ends it, continues the line or starts a trigraph. */
char *comment_text(Arena *a, const char *s) {
  enum { MAX_LENGTH = 80 };
  char *out = arena_strndup(a, s, strlen(s) < MAX_LENGTH ? strlen(s) : MAX_LENGTH);
  for (char *p = out; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c < 32 || c > 126 || c == '*' || c == '/' || c == '\\' || c == '?' || c == '"') *p = '_';
  }
  return out;
}

static const char *node_title(const Node *n) { return n->name && *n->name ? n->name : n->results[0]->name; }

char *cg_name(Cg *cg, const Node *n, const char *what) {
  char *id = c_identifier(cg->arena, node_title(n));
  return arena_printf(cg->arena, "n%d_%s%s%s", cg->position, id, *what ? "_" : "", what);
}

void cg_kernel(Cg *cg, VirBuilder *b, const Node *n, const char *what, const char *fmt, ...) {
  StrBuf comment;
  strbuf_init(&comment, cg->arena);
  strbuf_printf(&comment, "%s '%s': ", op_info[n->op]->name, comment_text(cg->arena, node_title(n)));
  va_list ap;
  va_start(ap, fmt);
  strbuf_vprintf(&comment, fmt, ap);
  va_end(ap);
  vir_func(b, cg->module, cg_name(cg, n, what), false, comment.text);
  cg->open = ARENA_NEW(cg->arena, Kernel);
  cg->open->func = b->f;
}

static const VirBase *bind(Cg *cg, VirBuilder *b, Buffer *buffer, DType elem, int64_t count, bool writable,
                           const char *name, const char *what) {
  Kernel *k = cg->open;
  if (k->n_args == sizeof k->args / sizeof *k->args) BUG("too many arguments in '%s'", b->f->name);
  k->args[k->n_args++] = (KernelArg){buffer, elem, writable, what};
  return vir_param(b, name, elem, writable, count);
}

/* What may be read behind a tensor: nothing in a caller's buffer, the slack at least in the workspace. */
static int64_t readable(const Storage *s) {
  return s->size + (s->buffer->kind == BUFFER_WORKSPACE ? WORKSPACE_SLACK / dtype_info[s->elem].bytes : 0);
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
  return bind(cg, b, s->buffer, s->elem, readable(s), false, name, t->name);
}

const VirBase *cg_write(Cg *cg, VirBuilder *b, const Tensor *t, const char *name) {
  Storage *s = cg_storage(cg, t);
  return bind(cg, b, s->buffer, s->elem, s->size, true, name, t->name);
}

const VirBase *cg_scratch(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, DType elem) {
  return bind(cg, b, scratch, elem, scratch->bytes / dtype_info[elem].bytes, true, name, "scratch");
}

void cg_done(Cg *cg, VirBuilder *b) {
  Kernel *k = cg->open;
  for (int i = 0; i < k->n_args; i++) /* in place: the parameters may not be restrict */
    for (int j = 0; j < k->n_args; j++)
      if (i != j && k->args[i].buffer == k->args[j].buffer && (k->args[i].writable || k->args[j].writable))
        b->f->params[i]->aliased = true;
  *cg->kernels_tail = k;
  cg->kernels_tail = &k->next;
  cg->open = NULL;
}

void cg_stored_range(const Cg *cg, const Tensor *t, float act_min, float act_max, int32_t *lo, int32_t *hi) {
  activation_range(&t->type, act_min, act_max, lo, hi);
  *lo -= cg_storage(cg, t)->bias;
  *hi -= cg_storage(cg, t)->bias;
}

/* Real zeros around a tensor that wants a halo, before its producer writes the inside. */
static void fill_halo(Cg *cg, const Node *n, const Tensor *t) {
  const Storage *s = cg_storage(cg, t);
  if (halo_is_none(s->halo)) return;
  const Shape *shape = &t->type.shape;
  Halo h = s->halo;
  int64_t height = shape->dim[2] + h.top + h.bottom, row = s->stride[2];
  VirBuilder b;
  cg_kernel(cg, &b, n, "halo", "zeros around %s: %lld above, %lld left, %lld below, %lld right",
            shape_text(cg->arena, shape), (long long)h.top, (long long)h.left, (long long)h.bottom,
            (long long)h.right);
  const VirBase *y = cg_write(cg, &b, t, "y");
  VirAddr base = vir_addr(y, 0);
  if (shape->dim[0] > 1) base = vir_plus(base, vir_loop(&b, "n", 0, shape->dim[0], 1), s->stride[0]);
  int64_t side = (h.left + h.right) * s->stride[3]; /* the right of one row and the left of the next touch */
  cg_fill(cg, &b, base, s, h.top * row + h.left * s->stride[3]);
  if (side) {
    VirAddr right = vir_offset(base, h.top * row + (h.left + shape->dim[3]) * s->stride[3]);
    if (shape->dim[2] > 1) {
      const VirVar *i = vir_loop(&b, "i", 0, shape->dim[2] - 1, 1);
      cg_fill(cg, &b, vir_plus(right, i, row), s, side);
      vir_end(&b);
    }
  }
  int64_t last = (height - h.bottom) * row - h.right * s->stride[3];
  cg_fill(cg, &b, vir_offset(base, last), s, height * row - last);
  if (shape->dim[0] > 1) vir_end(&b);
  cg_done(cg, &b);
}

void cg_fill(Cg *cg, VirBuilder *b, VirAddr at, const Storage *s, int64_t count) {
  if (!count) return;
  bool bytes = dtype_info[s->elem].bytes == 1;
  int64_t vector = cg->target->lanes * (bytes ? 4 : 1);
  const VirVar *v =
      bytes ? VIR_ONCE(b, "zero", splat_q, vir_n(s->zero)) : VIR_ONCE(b, "zero", splat_f32, vir_m(0));
  VirOp store = bytes ? VIR_store_q : VIR_store_f32, part = bytes ? VIR_store_q_part : VIR_store_f32_part;
  int64_t whole = count / vector * vector;
  if (whole > vector * 4) {
    const VirVar *i = vir_loop(b, "k", 0, whole, vector);
    vir_do(b, store, VIR_ARGS(vir_at(vir_plus(at, i, 1)), vir_v(v)));
    vir_end(b);
  } else {
    for (int64_t i = 0; i < whole; i += vector)
      vir_do(b, store, VIR_ARGS(vir_at(vir_offset(at, i)), vir_v(v)));
  }
  if (count > whole) vir_do(b, part, VIR_ARGS(vir_at(vir_offset(at, whole)), vir_v(v), vir_n(count - whole)));
}

static bool emit_kernels(Cg *cg) {
  bool ok = true;
  cg->position = 0;
  for (Node *n = cg->graph->first; n; n = n->next, cg->position++) {
    if (!shape_count(&n->results[0]->type.shape)) continue;
    for (int r = 0; r < n->n_results; r++) fill_halo(cg, n, n->results[r]);
    ok &= lowering_of[n->op]->emit(cg, n, strmap_get(cg->scratch_of, n->results[0]->name));
  }
  return ok;
}

bool codegen_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, StrBuf *c, StrBuf *h) {
  Cg cg = {.diag = d, .arena = a, .options = o, .target = o->target, .graph = graph_clone(a, g)};
  cg.public_outputs = (const Tensor *const *)g->outputs;
  cg.module = vir_module(a, o->target->lanes);
  cg.storage_of = strmap_new(a);
  cg.scratch_of = strmap_new(a);
  cg.buffers_tail = &cg.buffers;
  cg.kernels_tail = &cg.kernels;
  if (!cg_place(&cg)) return false;
  cg_plan_memory(&cg);
  if (!emit_kernels(&cg)) return false;
  vir_verify(cg.module);
  cg_write_module(&cg, c, h);
  return true;
}

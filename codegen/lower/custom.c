/* Custom operators: a call of the user's function. It takes tensors as the model has them, in C order and in
 * their own type: what lies otherwise is copied to scratch memory before, or behind the call. */
#include "codegen/copy.h"
#include "codegen/layout.h"
#include "ir/ops/custom.h"
#include "passes/custom.h"

enum { ALIGN = 64 };

/* How the function wants a tensor. */
static Storage plain_storage(const Tensor *t) {
  Storage s = {.elem = t->type.dtype};
  storage_layout(&s, &t->type.shape, false, (Halo){.before = {0}});
  return s;
}

/* It lies so already. */
static bool is_direct(const Cg *cg, const Tensor *t) {
  const Storage *s = cg_storage(cg, t);
  return s->elem == t->type.dtype && !s->offset && storage_is_plain(s, &t->type.shape);
}

static int64_t copied_bytes(const Cg *cg, const Tensor *t) {
  return is_direct(cg, t) ? 0 : (type_bytes(&t->type) + ALIGN - 1) / ALIGN * ALIGN;
}

static int64_t custom_scratch(const Cg *cg, const Node *n) {
  int64_t bytes = 0;
  for (int i = 0; i <= n->n_operands; i++) bytes += copied_bytes(cg, custom_value(n, i));
  return bytes;
}

/* Between the tensor and its copy in scratch memory, in a kernel of its own. */
static void copy_tensor(Cg *cg, const Node *n, const Tensor *t, Buffer *scratch, int64_t at, bool back) {
  const Storage *s = cg_storage(cg, t), plain = plain_storage(t);
  const Storage *from = back ? &plain : s, *to = back ? s : &plain;
  CopyBlock k = {.rank = t->type.shape.rank, .offset_x = from->offset, .offset_y = to->offset};
  for (int i = 0; i < k.rank; i++) {
    k.dim[i] = t->type.shape.dim[i];
    k.stride_x[i] = from->stride[i];
    k.stride_y[i] = to->stride[i];
  }
  VirBuilder b;
  cg_kernel(cg, &b, n, back ? "result" : "operand", "%s '%s', %s",
            back ? "from C order:" : "in C order:", t->name, type_text(cg->arena, &t->type));
  const VirBase *x =
      back ? cg_scratch_at(cg, &b, scratch, "c_order", plain.elem, at) : cg_read(cg, &b, t, "x");
  const VirBase *y =
      back ? cg_write(cg, &b, t, "y") : cg_scratch_at(cg, &b, scratch, "c_order", plain.elem, at);
  copy_block(cg, &b, x, y, &k, copy_flips(from, to));
  cg_done(cg, &b);
}

static VirArg number(const CustomParam *p, CustomValue v) { return p->is_float ? vir_m(v.f) : vir_n(v.i); }

/* A call with the numbers of a node. */
typedef struct {
  const CustomOp *op;
  const CustomValue *numbers;
} BoundCall;

static void call_bound(const void *user, void *const *addresses) {
  const BoundCall *c = user;
  void *tensors[CUSTOM_MAX_OPERANDS + 1] = {NULL};
  for (int i = 0, k = 0; i < c->op->n_params; i++)
    if (c->op->params[i].kind == CUSTOM_TENSOR) tensors[c->op->params[i].index] = addresses[k++];
  c->op->call(c->op, tensors, c->numbers);
}

static const VirExtern *external(Cg *cg, const CustomOp *op, const CustomValue *numbers) {
  VirExtern *e = ARENA_NEW(cg->arena, VirExtern);
  BoundCall *bound = ARENA_NEW(cg->arena, BoundCall);
  StrBuf prototype;
  strbuf_init(&prototype, cg->arena);
  custom_put_prototype(&prototype, op);
  *bound = (BoundCall){op, arena_memdup(cg->arena, numbers, sizeof *numbers * CUSTOM_MAX_PARAMS)};
  *e = (VirExtern){op->name, prototype.text, op->call ? call_bound : NULL, bound};
  return e;
}

/* `at`: where copies lie in scratch memory, by tensor. */
static void call_function(Cg *cg, const Node *n, Buffer *scratch, const int64_t *at) {
  const CustomOp *op = custom_op(n);
  VirArg args[CUSTOM_MAX_PARAMS], tensors[CUSTOM_MAX_OPERANDS + 1];
  int64_t counts[CUSTOM_MAX_PARAMS];
  const char *types[CUSTOM_MAX_PARAMS];
  CustomValue numbers[CUSTOM_MAX_PARAMS] = {{0}};
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "a function of yours, gives %s", type_text(cg->arena, &n->results[0]->type));
  for (int i = 0; i <= n->n_operands; i++) {
    const Tensor *t = custom_value(n, i);
    const char *name = custom_tensor(op, i)->name;
    bool operand = i < n->n_operands;
    const VirBase *base = at[i] >= 0 ? cg_scratch_at(cg, &b, scratch, name, t->type.dtype, at[i])
                          : operand  ? cg_read(cg, &b, t, name)
                                     : cg_write(cg, &b, t, name);
    tensors[i] = operand ? vir_at(vir_addr(base, 0)) : vir_out(vir_addr(base, 0));
  }
  custom_numbers(n, numbers);
  for (int i = 0, k = 0; i < op->n_params; i++) {
    const CustomParam *p = &op->params[i];
    bool tensor = p->kind == CUSTOM_TENSOR;
    args[i] = tensor ? tensors[p->index] : number(p, numbers[k++]);
    counts[i] = tensor ? shape_count(&custom_value(n, p->index)->type.shape) : 0;
    types[i] = tensor ? NULL : p->c_type;
  }
  vir_extern(&b, external(cg, op, numbers), op->n_params, args, counts, types);
  cg_done(cg, &b);
}

static bool custom_emit(Cg *cg, const Node *n, Buffer *scratch) {
  int64_t at[CUSTOM_MAX_OPERANDS + 1], end = 0;
  for (int i = 0; i <= n->n_operands; i++) {
    const Tensor *t = custom_value(n, i);
    int64_t bytes = copied_bytes(cg, t);
    at[i] = bytes ? end : -1;
    end += bytes;
    if (bytes && i < n->n_operands) copy_tensor(cg, n, t, scratch, at[i], false);
  }
  call_function(cg, n, scratch, at);
  if (at[n->n_operands] >= 0) copy_tensor(cg, n, n->results[0], scratch, at[n->n_operands], true);
  return true;
}

/* Graphs that passes have not been over, which a JIT runs too, may have the real form. */
static bool custom_expand(Cg *cg, Node *n) {
  PassCtx ctx = {.diag = cg->diag, .arena = cg->arena};
  if (custom_is_real(n)) custom_make_integer(&ctx, n, false);
  return true;
}

const Lowering lower_custom = {
    .any_strides = true, .expand = custom_expand, .scratch = custom_scratch, .emit = custom_emit};

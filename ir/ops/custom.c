#include "ir/ops/custom.h"

#include <string.h>

#include "ir/quant.h"

static const CustomAttrs no_op = {NULL, {{0}}};

const CustomOp *custom_find(const CustomOps *ops, const char *name, size_t len) {
  for (int i = 0; ops && i < ops->n; i++)
    if (strlen(ops->ops[i]->name) == len && !memcmp(ops->ops[i]->name, name, len)) return ops->ops[i];
  return NULL;
}

Node *custom_node(Graph *g, const CustomOp *op, Tensor *const *operands, int n_operands,
                  const char *result_name, SrcLoc loc, Node *before) {
  Node *n = graph_node1(g, OP_custom, operands, n_operands, result_name, loc, before);
  *ATTRS(n, CustomAttrs) = *op->defaults;
  return n;
}

/* ---- dims ---- */

/* The values of an operator's symbols for a node, and what gave them. */
typedef struct {
  const Node *node;
  const CustomOp *op;
  Diag *diag; /* NULL: all has been checked */
  int64_t value[CUSTOM_MAX_SYMBOLS];
  bool known[CUSTOM_MAX_SYMBOLS];
  const Shape *any; /* of the tensors of any shape */
} Binding;

static bool dim_value(const Binding *b, const CustomDim *d, int64_t *out) {
  int64_t x, y;
  if (d->kind == 'n') return *out = d->number, true;
  if (d->kind == 'x') return *out = b->value[d->symbol], b->known[d->symbol];
  if (!dim_value(b, d->left, &x) || !dim_value(b, d->right, &y)) return false;
  if (d->kind == '/') return y > 0 && x >= 0 ? (*out = x / y, true) : false;
  if (d->kind == '*') return size_mul(x, y, out);
  if (x < 0 || y < 0 || x > MAX_ELEMENTS || y > MAX_ELEMENTS) return false;
  *out = d->kind == '+' ? x + y : x - y;
  return *out >= 0;
}

static bool refuse(const Binding *b, const CustomTensor *t, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(const Binding *b, const CustomTensor *t, const char *fmt, ...) {
  if (!b->diag) return false;
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(b->node->graph->arena, fmt, ap);
  va_end(ap);
  diag_error(b->diag, node_loc(b->node), "%s: %s", b->op->name, text);
  diag_note(b->diag, t->loc, "'%s' is declared here", t->name);
  return false;
}

static const char *shown_type(const Node *n, const Type *t) { return type_text(n->graph->arena, t); }

static bool bind_shape(Binding *b, const CustomTensor *t, const Type *type) {
  const Shape *s = &type->shape;
  if (t->any_shape && b->any && !shape_equal(b->any, s))
    return refuse(b, t, "operand '%s' is %s; the operands before it have the shape %s", t->name,
                  shown_type(b->node, type), shape_text(b->node->graph->arena, b->any));
  if (t->any_shape) return b->any = s, true;
  if (s->rank != t->rank)
    return refuse(b, t, "operand '%s' is %s; it has %d dimension%s", t->name, shown_type(b->node, type),
                  t->rank, t->rank == 1 ? "" : "s");
  for (int i = 0; i < s->rank; i++) {
    const CustomDim *d = t->dim[i];
    if (d->kind != 'x' || b->known[d->symbol]) continue;
    b->value[d->symbol] = s->dim[i];
    b->known[d->symbol] = true;
  }
  return true;
}

/* Once all symbols are known. */
static bool check_shape(const Binding *b, const CustomTensor *t, const Type *type) {
  for (int i = 0; i < t->rank; i++) {
    int64_t want = -1;
    if (!dim_value(b, t->dim[i], &want) || want != type->shape.dim[i])
      return refuse(b, t, "operand '%s' is %s; its dimension %d is %lld by the annotation", t->name,
                    shown_type(b->node, type), i, (long long)want);
  }
  return true;
}

static bool result_shape(const Binding *b, Shape *out) {
  const CustomTensor *t = &b->op->result;
  if (t->any_shape) return *out = *b->any, true;
  *out = (Shape){.rank = t->rank};
  for (int i = 0; i < t->rank; i++)
    if (!dim_value(b, t->dim[i], &out->dim[i]) || out->dim[i] > MAX_DIM)
      return refuse(b, t, "dimension %d of the result '%s' has no value here", i, t->name);
  return true;
}

static bool bind(Binding *b, const Node *n, Diag *d) {
  *b = (Binding){.node = n, .op = custom_op(n), .diag = d};
  for (int i = 0; i < b->op->n_symbols; i++) {
    int attr = b->op->symbols[i].attr;
    if (attr < 0) continue;
    b->value[i] = ATTRS(n, CustomAttrs)->value[attr].i;
    b->known[i] = true;
  }
  bool ok = true;
  for (int i = 0; i < n->n_operands; i++) ok &= bind_shape(b, &b->op->operands[i], &n->operands[i]->type);
  for (int i = 0; i < n->n_operands && ok; i++)
    ok = check_shape(b, &b->op->operands[i], &n->operands[i]->type);
  return ok;
}

/* ---- types ---- */

static const char *annotated(const Node *n, const CustomTensor *t) {
  const char *name = dtype_info[t->dtype].name;
  if (t->kind == CUSTOM_PLAIN) return name;
  if (t->kind == CUSTOM_ANY) return arena_printf(n->graph->arena, "%s<scale, zero>", name);
  char scale[32];
  float_text(scale, t->quant->scale[0]);
  return arena_printf(n->graph->arena, "%s<scale=%s, zero=%d>", name, scale, t->quant->zero[0]);
}

static bool fits(const CustomTensor *t, const Type *type) {
  if (type->dtype != t->dtype) return false;
  if (t->kind == CUSTOM_PLAIN) return !type->quant;
  if (t->kind == CUSTOM_ANY) return type->quant && type->quant->axis < 0;
  return quant_equal(type->quant, t->quant);
}

/* One of the real form's. */
static bool fits_real(const CustomTensor *t, const Type *type) {
  return t->kind != CUSTOM_PLAIN && type->dtype == DT_F32;
}

/* All of a node is of one form: what it gives is of the form of what it takes. */
static bool is_integer_form(const Node *n) {
  const CustomOp *op = custom_op(n);
  bool any = op->result.kind != CUSTOM_PLAIN && n->results[0]->type.quant;
  for (int i = 0; i < n->n_operands; i++)
    any |= op->operands[i].kind != CUSTOM_PLAIN && n->operands[i]->type.dtype != DT_F32;
  return any;
}

bool custom_is_real(const Node *n) {
  const CustomOp *op = custom_op(n);
  bool any = op->result.kind != CUSTOM_PLAIN;
  for (int i = 0; i < op->n_operands; i++) any |= op->operands[i].kind != CUSTOM_PLAIN;
  return any && !is_integer_form(n);
}

static bool check_operand(const Binding *b, int i, bool integers) {
  const CustomTensor *t = &b->op->operands[i];
  const Type *type = &b->node->operands[i]->type;
  if (fits(t, type) || (!integers && fits_real(t, type))) return true;
  return refuse(b, t, "operand '%s' is %s; the function takes %s", t->name, shown_type(b->node, type),
                annotated(b->node, t));
}

static bool infer_custom(Diag *d, Node *n, Type *results) {
  const CustomOp *op = custom_op(n);
  Binding b;
  if (!op) return diag_error(d, node_loc(n), "a custom operator needs a name: custom.NAME");
  if (n->n_operands != op->n_operands) {
    diag_error(d, node_loc(n), "%s takes %d operand%s, not %d", op->name, op->n_operands,
               op->n_operands == 1 ? "" : "s", n->n_operands);
    diag_note(d, op->loc, "'%s' is declared here", op->name);
    return false;
  }
  if (!bind(&b, n, d)) return false;
  bool integers = is_integer_form(n), ok = true;
  for (int i = 0; i < n->n_operands; i++) ok &= check_operand(&b, i, integers);
  if (!ok || !result_shape(&b, &results[0].shape)) return false;
  const CustomTensor *r = &op->result;
  results[0].dtype = r->kind == CUSTOM_PLAIN ? r->dtype : integers ? r->dtype : DT_F32;
  if (!integers || r->kind == CUSTOM_PLAIN) return true;
  results[0].quant = r->quant;
  if (r->kind == CUSTOM_FIXED) return true;
  const Type *own = &n->results[0]->type;
  if (own->dtype != DT_NONE && !fits(r, own))
    return refuse(&b, r, "its result is %s; the function gives %s", shown_type(n, own), annotated(n, r));
  results[0].dtype = DT_NONE; /* its own type says it */
  return true;
}

/* The parameters that a neighbour of the real form has. */
static const Quant *neighbours_quant(const Node *n, int i, DType dtype) {
  const Tensor *t = custom_value(n, i), *q = NULL;
  if (i < n->n_operands) {
    if (t->producer && t->producer->op == OP_dequantize) q = t->producer->operands[0];
  } else {
    for (int u = 0; u < t->n_uses && !q; u++)
      if (t->uses[u].node->op == OP_quantize) q = t->uses[u].node->results[0];
  }
  return q && q->type.dtype == dtype && q->type.quant->axis < 0 ? q->type.quant : NULL;
}

bool custom_call_type(const Node *n, int i, Type *type) {
  const CustomTensor *t = custom_tensor(custom_op(n), i);
  *type = custom_value(n, i)->type;
  if (!fits_real(t, type)) return true;
  type->dtype = t->dtype;
  type->quant = t->kind == CUSTOM_FIXED ? t->quant : neighbours_quant(n, i, t->dtype);
  return type->quant != NULL;
}

bool custom_check(Diag *d, const Graph *g) {
  bool ok = true;
  Type type;
  for (const Node *n = g->first; n; n = n->next) {
    if (n->op != OP_custom) continue;
    for (int i = 0; i <= n->n_operands; i++) {
      const CustomTensor *t = custom_tensor(custom_op(n), i);
      if (custom_call_type(n, i, &type)) continue;
      ok = diag_error(d, node_loc(n), "%s: nothing says the scale of '%s', which is float32 here",
                      custom_op(n)->name, t->name);
      diag_note(d, t->loc, "write %s<scale=..., zero=...> here, or %s it in the model",
                dtype_info[t->dtype].name, i < n->n_operands ? "quantize" : "dequantize");
    }
  }
  return ok;
}

/* ---- numbers ---- */

static CustomValue number_of(const Binding *b, const CustomParam *p) {
  Type type = {0};
  bool of_tensor = p->kind == CUSTOM_SCALE || p->kind == CUSTOM_ZERO || p->kind == CUSTOM_COUNT;
  if (of_tensor) custom_call_type(b->node, p->index, &type);
  switch (p->kind) {
  case CUSTOM_SYMBOL:
    return (CustomValue){.i = b->value[p->index]};
  case CUSTOM_ATTR:
    return ATTRS(b->node, CustomAttrs)->value[p->index];
  case CUSTOM_SCALE:
    return (CustomValue){.f = type.quant->scale[0]};
  case CUSTOM_ZERO:
    return (CustomValue){.i = type.quant->zero[0]};
  case CUSTOM_COUNT:
    return (CustomValue){.i = shape_count(&type.shape)};
  case CUSTOM_TENSOR:
    break;
  }
  return (CustomValue){0};
}

void custom_numbers(const Node *n, CustomValue numbers[CUSTOM_MAX_PARAMS]) {
  Binding b;
  bind(&b, n, NULL);
  int at = 0;
  for (int i = 0; i < b.op->n_params; i++)
    if (b.op->params[i].kind != CUSTOM_TENSOR) numbers[at++] = number_of(&b, &b.op->params[i]);
}

void custom_put_prototype(StrBuf *out, const CustomOp *op) {
  strbuf_printf(out, "void %s(", op->name);
  for (int i = 0; i < op->n_params; i++) {
    const CustomParam *p = &op->params[i];
    strbuf_puts(out, i ? ", " : "");
    if (p->kind == CUSTOM_TENSOR)
      strbuf_printf(out, "%s%s *%s", p->index < op->n_operands ? "const " : "",
                    dtype_info[custom_tensor(op, p->index)->dtype].c_name, p->name);
    else
      strbuf_printf(out, "%s %s", p->c_type, p->name);
  }
  strbuf_puts(out, ");\n");
}

/* ---- the reference kernel ---- */

static void quantize_all(const Type *type, const float *from, uint8_t *to) {
  const Quant *q = type->quant;
  const DTypeInfo *t = &dtype_info[type->dtype];
  for (int64_t i = 0, n = shape_count(&type->shape); i < n; i++)
    to[i] = (uint8_t)quantize_value(from[i], q->scale[0], q->zero[0], (int32_t)t->min, (int32_t)t->max);
}

static void dequantize_all(const Type *type, const uint8_t *from, float *to) {
  const Quant *q = type->quant;
  for (int64_t i = 0, n = shape_count(&type->shape); i < n; i++)
    to[i] = dequantize_value(type->dtype == DT_U8 ? from[i] : (int8_t)from[i], q->scale[0], q->zero[0]);
}

static void eval_custom(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const CustomOp *op = custom_op(n);
  void *tensors[CUSTOM_MAX_OPERANDS + 1];
  CustomValue numbers[CUSTOM_MAX_PARAMS];
  Type type;
  if (!op->call) BUG("the custom operator %s is not loaded", op->name);
  for (int i = 0; i <= n->n_operands; i++) {
    const Type *given = &custom_value(n, i)->type;
    bool operand = i < n->n_operands;
    tensors[i] = operand ? (void *)in[i] : out[0]; /* prototypes say const */
    if (!custom_call_type(n, i, &type)) BUG("%s: '%s' has no scale", op->name, custom_tensor(op, i)->name);
    if (type_equal(&type, given)) continue;
    tensors[i] = arena_alloc(ctx->scratch, (size_t)type_bytes(&type));
    if (operand) quantize_all(&type, in[i], tensors[i]);
  }
  custom_numbers(n, numbers);
  op->call(op, tensors, numbers);
  if (tensors[n->n_operands] != out[0]) dequantize_all(&type, tensors[n->n_operands], out[0]);
}

const OpInfo op_custom = {.name = "custom",
                          .min_operands = 1,
                          .max_operands = CUSTOM_MAX_OPERANDS,
                          .n_results = 1,
                          .attrs_size = sizeof(CustomAttrs),
                          .attr_defaults = &no_op,
                          .quant = QUANT_FLOAT,
                          .infer = infer_custom,
                          .eval = eval_custom};

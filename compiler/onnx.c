#include "compiler/onnx_import.h"
#include "compiler/onnx_scan.h"

#include <string.h>

/* Protobuf's own limit. */
#define MAX_FILE (((int64_t)1 << 31) - 1)

/* After this many errors the rest of the nodes is left alone: messages are for reading. */
enum { ENOUGH_ERRORS = 7 };

/* ---- file -> protobuf ---- */

static void *alloc_in_arena(void *arena, size_t bytes) { return arena_alloc_raw(arena, bytes); }
static void keep_in_arena(void *arena, void *p) { (void)arena, (void)p; }

static const Onnx__ModelProto *unpack(OnnxImporter *im, uint8_t *bytes, size_t len) {
  ProtobufCAllocator allocator = {alloc_in_arena, keep_in_arena, im->arena};
  SrcLoc loc = {.source = im->source};
  if (!onnx_scan(im->diag, loc, bytes, len, &onnx__model_proto__descriptor)) return NULL;
  const Onnx__ModelProto *m = onnx__model_proto__unpack(&allocator, len, bytes);
  if (!m) diag_error(im->diag, loc, "is not a valid ONNX file: protobuf cannot read it");
  return m;
}

/* ---- model-level rules ---- */

static SrcLoc file_loc(const OnnxImporter *im) { return (SrcLoc){.source = im->source}; }

static SrcLoc named_loc(const OnnxImporter *im, const char *kind, const char *name) {
  return (SrcLoc){.source = im->source,
                  .path = arena_printf(im->arena, "%s '%s'", kind, onnx_shown(im->arena, name))};
}

static bool is_default_domain(const char *domain) { return !*domain || !strcmp(domain, "ai.onnx"); }

static bool check_model(OnnxImporter *im) {
  const Onnx__ModelProto *m = im->model;
  SrcLoc loc = file_loc(im);
  if (!m->has_ir_version) return diag_error(im->diag, loc, "is not an ONNX model: it has no ir_version");
  if (m->ir_version < 1 || m->ir_version > ONNX_MAX_IR_VERSION)
    return diag_error(im->diag, loc, "has IR version %lld; 1 to %d are supported", (long long)m->ir_version,
                      ONNX_MAX_IR_VERSION);
  if (!m->graph) return diag_error(im->diag, loc, "has no graph");
  for (size_t i = 0; i < m->n_opset_import; i++) {
    const char *domain = onnx_str(m->opset_import[i]->domain);
    int64_t version = m->opset_import[i]->has_version ? m->opset_import[i]->version : 0;
    if (!is_default_domain(domain)) continue;
    if (im->opset && im->opset != version)
      return diag_error(im->diag, loc, "imports opsets %lld and %lld of the default domain",
                        (long long)im->opset, (long long)version);
    im->opset = version;
    if (version < ONNX_MIN_OPSET || version > ONNX_MAX_OPSET)
      return diag_error(im->diag, loc, "uses opset %lld; %d to %d are supported", (long long)version,
                        ONNX_MIN_OPSET, ONNX_MAX_OPSET);
  }
  if (!im->opset) return diag_error(im->diag, loc, "imports no opset of the default domain");
  if (m->graph->n_sparse_initializer)
    return diag_error(im->diag, loc, "has sparse initializers, which are not supported");
  if (!m->graph->n_output) return diag_error(im->diag, loc, "the graph has no outputs");
  return true;
}

/* ---- values ---- */

static OnnxValue *new_value(OnnxImporter *im, const char *name, SrcLoc loc, int producer) {
  OnnxValue *v = ARENA_NEW(im->arena, OnnxValue);
  *v = (OnnxValue){.name = name, .loc = loc, .producer = producer};
  strmap_put(im->values, name, v);
  return v;
}

static bool add_initializers(OnnxImporter *im) {
  for (size_t i = 0; i < im->proto->n_initializer; i++) {
    const Onnx__TensorProto *t = im->proto->initializer[i];
    const char *name = onnx_str(t->name);
    SrcLoc loc = named_loc(im, "initializer", name);
    if (!*name) return diag_error(im->diag, file_loc(im), "initializer %zu has no name", i);
    if (strmap_get(im->values, name)) return diag_error(im->diag, loc, "is given twice");
    OnnxValue *v = new_value(im, name, loc, -1);
    v->elem = t->data_type;
    v->doubles = onnx_is_double(t) ? t : NULL;
    v->bad = !onnx_read_tensor(im, loc, t, &v->type, &v->data);
    if (v->bad) return false;
  }
  return true;
}

static bool add_nodes(OnnxImporter *im) {
  for (size_t i = 0; i < im->proto->n_node; i++) {
    const Onnx__NodeProto *p = im->proto->node[i];
    SrcLoc loc = onnx_node_loc(im, p);
    bool any = false;
    for (size_t k = 0; k < p->n_output; k++) {
      const char *name = onnx_str(p->output[k]);
      if (!*name) continue;
      any = true;
      const OnnxValue *old = strmap_get(im->values, name);
      if (old)
        return diag_error(im->diag, loc, "its output '%s' is already %s", onnx_shown(im->arena, name),
                          old->producer >= 0 ? "the output of a node" : "an input or an initializer");
      new_value(im, name, loc, (int)i);
    }
    if (!any) return diag_error(im->diag, loc, "has no outputs");
  }
  return true;
}

static bool check_node_inputs(OnnxImporter *im) {
  bool ok = true;
  for (size_t i = 0; i < im->proto->n_node && ok; i++) {
    const Onnx__NodeProto *p = im->proto->node[i];
    for (size_t k = 0; k < p->n_input; k++) {
      const char *name = onnx_str(p->input[k]);
      if (*name && !strmap_get(im->values, name))
        ok = diag_error(im->diag, onnx_node_loc(im, p), "its input '%s' is not defined",
                        onnx_shown(im->arena, name));
    }
  }
  return ok;
}

/* ---- order and liveness ---- */

typedef struct {
  const OnnxImporter *im;
  int n;
  int *waiting;    /* inputs not yet computed, per node */
  int *first_user; /* of a node: an index into users; [n + 1] */
  int *users;
} Order;

static int producer_of(const OnnxImporter *im, const char *name) {
  const OnnxValue *v = *onnx_str(name) ? strmap_get(im->values, name) : NULL;
  return v ? v->producer : -1;
}

static Order order_new(const OnnxImporter *im) {
  int n = (int)im->proto->n_node;
  Order o = {im, n, ARENA_NEW_ARRAY(im->arena, int, (size_t)n + 1),
             ARENA_NEW_ARRAY(im->arena, int, (size_t)n + 2), NULL};
  size_t edges = 0;
  for (int pass = 0; pass < 2; pass++) { /* count, then fill */
    for (int i = 0; i < n; i++)
      for (size_t k = 0; k < im->proto->node[i]->n_input; k++) {
        int p = producer_of(im, im->proto->node[i]->input[k]);
        if (p < 0) continue;
        if (pass) {
          o.users[o.first_user[p]++] = i;
        } else {
          o.waiting[i]++;
          o.first_user[p + 1]++;
          edges++;
        }
      }
    if (pass) break;
    o.users = ARENA_NEW_ARRAY(im->arena, int, edges + 1);
    for (int i = 0; i < n; i++) o.first_user[i + 1] += o.first_user[i];
  }
  for (int i = n; i > 0; i--) o.first_user[i] = o.first_user[i - 1]; /* filling moved each start to its end */
  o.first_user[0] = 0;
  return o;
}

/* From any node that waits, its unfinished producers lead into the cycle. */
static bool report_cycle(const Order *o) {
  const OnnxImporter *im = o->im;
  int at = 0;
  while (!o->waiting[at]) at++;
  for (int step = 0; step < o->n; step++)
    for (size_t k = 0; k < im->proto->node[at]->n_input; k++) {
      int p = producer_of(im, im->proto->node[at]->input[k]);
      if (p < 0 || !o->waiting[p]) continue;
      at = p;
      break;
    }
  return diag_error(im->diag, onnx_node_loc(im, im->proto->node[at]),
                    "the graph has a cycle through this node");
}

/* The nodes in topological order: the file's, where that is one. NULL after a diagnostic. */
static const int *sort_nodes(const OnnxImporter *im) {
  Order o = order_new(im);
  int *queue = ARENA_NEW_ARRAY(im->arena, int, (size_t)o.n + 1);
  int head = 0, count = 0;
  bool sorted = true;
  for (int i = 0; i < o.n; i++) {
    for (size_t k = 0; k < im->proto->node[i]->n_input; k++)
      sorted &= producer_of(im, im->proto->node[i]->input[k]) < i;
    queue[i] = i;
  }
  if (sorted) return queue;
  for (int i = 0; i < o.n; i++)
    if (!o.waiting[i]) queue[count++] = i;
  for (; head < count; head++)
    for (int u = o.first_user[queue[head]]; u < o.first_user[queue[head] + 1]; u++)
      if (!--o.waiting[o.users[u]]) queue[count++] = o.users[u];
  if (count == o.n) return queue;
  report_cycle(&o);
  return NULL;
}

/* Marks the values that outputs depend on. `order` is topological, so one backward sweep does it. */
static void mark_used(OnnxImporter *im, const int *order, bool *live) {
  for (size_t i = 0; i < im->proto->n_output; i++) {
    OnnxValue *v = strmap_get(im->values, onnx_str(im->proto->output[i]->name));
    if (v) v->used = true;
    if (v) v->uses++;
  }
  for (int i = (int)im->proto->n_node - 1; i >= 0; i--) {
    const Onnx__NodeProto *p = im->proto->node[order[i]];
    for (size_t k = 0; k < p->n_output; k++) {
      const OnnxValue *v = *onnx_str(p->output[k]) ? strmap_get(im->values, p->output[k]) : NULL;
      live[order[i]] |= v && v->used;
    }
    for (size_t k = 0; live[order[i]] && k < p->n_input; k++)
      if (*onnx_str(p->input[k])) {
        OnnxValue *v = strmap_get(im->values, p->input[k]);
        v->used = true;
        v->uses++;
      }
  }
}

static bool import_nodes(OnnxImporter *im) {
  int before = im->diag->errors;
  const int *order = sort_nodes(im);
  if (!order) return false;
  bool *live = ARENA_NEW_ARRAY(im->arena, bool, im->proto->n_node + 1);
  mark_used(im, order, live);
  for (size_t i = 0; i < im->proto->n_node && im->diag->errors < before + ENOUGH_ERRORS; i++) {
    const Onnx__NodeProto *p = im->proto->node[order[i]];
    if (!live[order[i]] || onnx_import_node(im, p)) continue;
    for (size_t k = 0; k < p->n_output; k++) {
      OnnxValue *v = *onnx_str(p->output[k]) ? strmap_get(im->values, p->output[k]) : NULL;
      if (v) v->bad = true;
    }
  }
  return im->diag->errors == before;
}

/* ---- outputs ---- */

static bool check_declared(OnnxImporter *im, SrcLoc loc, const Onnx__ValueInfoProto *info, const Type *type) {
  const Onnx__TypeProto *t = info->type;
  if (!t) return true;
  if (t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    return diag_error(im->diag, loc, "is not declared as a tensor");
  if (t->tensor_type->elem_type && onnx_dtype(t->tensor_type->elem_type) != type->dtype)
    return diag_error(im->diag, loc, "is declared %s, but is computed as %s",
                      onnx_elem_name(t->tensor_type->elem_type) ? onnx_elem_name(t->tensor_type->elem_type)
                                                                : "of an unknown type",
                      type_text(im->arena, type));
  const Onnx__TensorShapeProto *s = t->tensor_type->shape;
  if (!s) return true;
  bool fits = (int)s->n_dim == type->shape.rank;
  for (int i = 0; fits && i < type->shape.rank; i++)
    fits = s->dim[i]->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
           s->dim[i]->dim_value == type->shape.dim[i];
  if (fits) return true;
  StrBuf b;
  strbuf_init(&b, im->arena);
  for (size_t i = 0; i < s->n_dim && i <= MAX_RANK; i++)
    strbuf_printf(&b, "%s%s", i ? ", " : "", onnx_dim_text(im->arena, s->dim[i]));
  return diag_error(im->diag, loc, "is declared [%s], but is computed as %s", b.text,
                    shape_text(im->arena, &type->shape));
}

static bool add_output(OnnxImporter *im, const Onnx__ValueInfoProto *info) {
  const char *name = onnx_str(info->name);
  SrcLoc loc = named_loc(im, "output", name);
  OnnxValue *v = *name ? strmap_get(im->values, name) : NULL;
  if (!*name) return diag_error(im->diag, file_loc(im), "an output of the graph has no name");
  if (!v) return diag_error(im->diag, loc, "nothing computes it");
  if (v->bad) return false;
  if (v->data || v->elem) return diag_error(im->diag, loc, "is a constant: it depends on no input");
  Tensor *t = v->tensor;
  if (!t)
    return diag_error(im->diag, loc, "is an integer made of a quantized value, which cannot be an output");
  if (t->is_output) return diag_error(im->diag, loc, "is given twice");
  if (!check_declared(im, loc, info, &t->type)) return false;
  graph_output(im->graph, t);
  return true;
}

static bool add_outputs(OnnxImporter *im) {
  bool ok = true;
  for (size_t i = 0; i < im->proto->n_output && ok; i++) ok = add_output(im, im->proto->output[i]);
  return ok;
}

Graph *onnx_import_bytes(Diag *d, Arena *a, const char *path, uint8_t *bytes, size_t len,
                         const OnnxOptions *o) {
  OnnxImporter im = {.diag = d, .arena = a, .path = path, .options = o, .values = strmap_new(a)};
  Source *source = ARENA_NEW(a, Source); /* without text: messages show no line of a binary file */
  source->path = path;
  im.source = source;
  im.model = unpack(&im, bytes, len);
  if (!im.model || !check_model(&im)) return NULL;
  im.proto = im.model->graph;
  im.graph = graph_new(a, onnx_str(im.proto->name));
  im.own = !strcmp(onnx_str(im.model->producer_name), "qcc");
  onnx_find_annotations(&im);
  bool ok = add_initializers(&im) && onnx_add_inputs(&im) && add_nodes(&im) && check_node_inputs(&im) &&
            import_nodes(&im) && add_outputs(&im) && onnx_check_inputs_used(&im);
  return ok ? im.graph : NULL;
}

Graph *onnx_import(Diag *d, Arena *a, const char *path, const OnnxOptions *o) {
  Arena *tmp = arena_new(); /* protobuf copies what it reads */
  Source *file = source_read(d, tmp, path, MAX_FILE);
  Graph *g =
      file ? onnx_import_bytes(d, a, arena_strdup(a, path), (uint8_t *)file->text, file->len, o) : NULL;
  arena_free(tmp);
  return g;
}

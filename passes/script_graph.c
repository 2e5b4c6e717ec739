/* Graphs as scripts see them: graph, node and tensor are values with fields and methods. */
#include <string.h>

#include "ir/half.h"
#include "ir/text.h"
#include "passes/match.h"
#include "passes/rewrite.h"
#include "passes/script_state.h"

/* ---- handles ---- */

#define HANDLES  "qcc.handles"  /* of this run, by address */
#define PATTERNS "qcc.patterns" /* by text */

typedef struct {
  void *object;
  int serial; /* of the run */
} Handle;

static void push_handle(lua_State *L, void *object, const char *type) {
  if (!object) {
    lua_pushnil(L);
    return;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, HANDLES);
  if (lua_rawgetp(L, -1, object) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    Handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    *h = (Handle){object, script_here(L)->session->serial};
    luaL_setmetatable(L, type);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, object);
  }
  lua_remove(L, -2);
}

void script_push_node(lua_State *L, Node *n) { push_handle(L, n, SCRIPT_NODE); }
void script_push_tensor(lua_State *L, Tensor *t) { push_handle(L, t, SCRIPT_TENSOR); }

void script_push_graph(lua_State *L) {
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, HANDLES);
  push_handle(L, script_here(L)->session->graph, SCRIPT_GRAPH);
}

GraphSession *script_session(lua_State *L) {
  GraphSession *s = script_here(L)->session;
  if (!s) script_error(L, (SrcLoc){0}, "graphs can be used while a pass runs, not outside");
  return s;
}

/* What a value is, as messages say it. */
static const char *kind_of(lua_State *L, int arg) {
  static const char *const types[] = {SCRIPT_GRAPH, SCRIPT_NODE, SCRIPT_TENSOR};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (luaL_testudata(L, arg, types[i])) return types[i];
  return luaL_typename(L, arg);
}

static void *check_handle(lua_State *L, int arg, const char *type) {
  Handle *h = luaL_testudata(L, arg, type);
  const char *name = lua_script_name(L);
  if (!h && arg == 1) script_error(L, (SrcLoc){0}, "call it with a colon: %s:%s(...)", type, name);
  if (!h)
    script_error(L, (SrcLoc){0}, "%s takes a %s, not a %s", *name ? name : "this", type, kind_of(L, arg));
  if (h->serial != script_session(L)->serial)
    script_error(L, (SrcLoc){0}, "this %s is of an earlier run of a pass", type);
  return h->object;
}

static bool in_graph(const Graph *g, const Tensor *t) { return graph_find(g, t->name) == t; }

Graph *script_graph(lua_State *L) { return check_handle(L, 1, SCRIPT_GRAPH); }

Node *script_node(lua_State *L, int arg) {
  Node *n = check_handle(L, arg, SCRIPT_NODE);
  if (!in_graph(script_session(L)->graph, n->results[0]))
    script_error(L, (SrcLoc){0}, "this node, %s, is not in the graph any more", op_info[n->op]->name);
  return n;
}

static Tensor *tensor_of(lua_State *L, int arg) {
  Tensor *t = check_handle(L, arg, SCRIPT_TENSOR);
  if (!in_graph(script_session(L)->graph, t))
    script_error(L, (SrcLoc){0}, "this tensor, '%.60s', is not in the graph any more", t->name);
  return t;
}

Tensor *script_tensor(lua_State *L, int arg) {
  return luaL_testudata(L, arg, SCRIPT_NODE) ? script_node(L, arg)->results[0] : tensor_of(L, arg);
}

int64_t script_list_length(lua_State *L, int arg, const char *what, int64_t most) {
  if (!lua_istable(L, arg))
    script_error(L, (SrcLoc){0}, "%s is a list, not a %s", what, luaL_typename(L, arg));
  int64_t n = (int64_t)lua_rawlen(L, arg);
  if (n > most) script_error(L, (SrcLoc){0}, "%s is a list of at most %lld elements", what, (long long)most);
  return n;
}

static void push_ints(lua_State *L, const int64_t *v, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, v[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* ---- tensors ---- */

static void push_element(lua_State *L, const Tensor *t, int64_t i) {
  switch (t->type.dtype) {
  case DT_F32:
    lua_pushnumber(L, (lua_Number)((const float *)t->data)[i]);
    return;
  case DT_F16:
    lua_pushnumber(L, (lua_Number)half_to_float(((const uint16_t *)t->data)[i]));
    return;
  case DT_U8:
  case DT_BOOL:
    lua_pushinteger(L, ((const uint8_t *)t->data)[i]);
    return;
  case DT_S8:
    lua_pushinteger(L, ((const int8_t *)t->data)[i]);
    return;
  case DT_S32:
    lua_pushinteger(L, ((const int32_t *)t->data)[i]);
    return;
  case DT_S64:
    lua_pushinteger(L, ((const int64_t *)t->data)[i]);
    return;
  case DT_NONE:
  case DT_COUNT:
    break;
  }
  lua_pushnil(L);
}

static const Tensor *constant_arg(lua_State *L) {
  const Tensor *t = tensor_of(L, 1);
  if (!tensor_is_const(t)) script_error(L, (SrcLoc){0}, "'%.60s' is no constant: it has no values", t->name);
  return t;
}

/* t:values(): all of them in C order. */
static int tensor_values(lua_State *L) {
  const Tensor *t = constant_arg(L);
  int64_t n = shape_count(&t->type.shape);
  lua_script_work(L, n);
  lua_createtable(L, n > INT32_MAX ? INT32_MAX : (int)n, 0);
  for (int64_t i = 0; i < n; i++) {
    push_element(L, t, i);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* t:at(i): one of them, from 1. */
static int tensor_at(lua_State *L) {
  const Tensor *t = constant_arg(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i < 1 || i > shape_count(&t->type.shape))
    script_error(L, (SrcLoc){0}, "'%.60s' has %lld values, there is none %lld", t->name,
                 (long long)shape_count(&t->type.shape), (long long)i);
  push_element(L, t, i - 1);
  return 1;
}

/* t:number(): the one value of a constant; nil for anything else. */
static int tensor_number(lua_State *L) {
  const Tensor *t = script_tensor(L, 1);
  if (tensor_is_const(t) && shape_count(&t->type.shape) == 1)
    push_element(L, t, 0);
  else
    lua_pushnil(L);
  return 1;
}

static int tensor_same_shape(lua_State *L) {
  lua_pushboolean(L, shape_equal(&script_tensor(L, 1)->type.shape, &script_tensor(L, 2)->type.shape));
  return 1;
}

static const char *push_type(lua_State *L, const Type *t) {
  Arena *tmp = arena_new();
  const char *text = lua_pushstring(L, type_text(tmp, t));
  arena_free(tmp);
  return text;
}

static int tensor_text(lua_State *L) {
  const Tensor *t = check_handle(L, 1, SCRIPT_TENSOR);
  lua_pushfstring(L, "%s%s : %s", tensor_is_const(t) ? "@" : "%", t->name, push_type(L, &t->type));
  return 1;
}

static void push_users(lua_State *L, const Tensor *t) {
  int n = 0;
  lua_createtable(L, t->n_uses, 0);
  for (Node *node = script_session(L)->graph->first; node; node = node->next)
    for (int i = 0; t->n_uses && i < node->n_operands; i++) {
      if (node->operands[i] != t) continue;
      script_push_node(L, node);
      lua_rawseti(L, -2, ++n);
      break;
    }
}

static void push_scales(lua_State *L, const Quant *q, bool zeros) {
  if (!q) {
    lua_pushnil(L);
    return;
  }
  if (q->axis >= 0) lua_createtable(L, (int)q->count, 0);
  for (int64_t i = 0; i < q->count; i++) {
    if (zeros)
      lua_pushinteger(L, q->zero[i]);
    else
      lua_pushnumber(L, (lua_Number)q->scale[i]);
    if (q->axis >= 0) lua_rawseti(L, -2, i + 1);
  }
}

typedef void (*TensorField)(lua_State *L, Tensor *t);

static void field_name(lua_State *L, Tensor *t) { lua_pushstring(L, t->name); }
static void field_dtype(lua_State *L, Tensor *t) { lua_pushstring(L, dtype_info[t->type.dtype].name); }
static void field_shape(lua_State *L, Tensor *t) { push_ints(L, t->type.shape.dim, t->type.shape.rank); }
static void field_count(lua_State *L, Tensor *t) { lua_pushinteger(L, shape_count(&t->type.shape)); }
static void field_type(lua_State *L, Tensor *t) { push_type(L, &t->type); }
static void field_producer(lua_State *L, Tensor *t) { script_push_node(L, t->producer); }
static void field_users(lua_State *L, Tensor *t) { push_users(L, t); }
static void field_constant(lua_State *L, Tensor *t) { lua_pushboolean(L, tensor_is_const(t)); }
static void field_input(lua_State *L, Tensor *t) { lua_pushboolean(L, t->is_input); }
static void field_output(lua_State *L, Tensor *t) { lua_pushboolean(L, t->is_output); }
static void field_scale(lua_State *L, Tensor *t) { push_scales(L, t->type.quant, false); }
static void field_zero(lua_State *L, Tensor *t) { push_scales(L, t->type.quant, true); }
static void field_axis(lua_State *L, Tensor *t) {
  if (t->type.quant && t->type.quant->axis >= 0)
    lua_pushinteger(L, t->type.quant->axis);
  else
    lua_pushnil(L);
}

static const struct {
  const char *name;
  TensorField push;
} tensor_fields[] = {{"name", field_name},      {"dtype", field_dtype},
                     {"shape", field_shape},    {"count", field_count},
                     {"type", field_type},      {"producer", field_producer},
                     {"users", field_users},    {"is_constant", field_constant},
                     {"is_input", field_input}, {"is_output", field_output},
                     {"scale", field_scale},    {"zero", field_zero},
                     {"axis", field_axis}};

/* Upvalue 1: the methods. */
static int tensor_index(lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL) return 1;
  Tensor *t = tensor_of(L, 1);
  for (size_t i = 0; i < sizeof tensor_fields / sizeof *tensor_fields; i++)
    if (!strcmp(tensor_fields[i].name, key)) {
      tensor_fields[i].push(L, t);
      return 1;
    }
  return luaL_error(L, "a tensor has no '%s'", key);
}

/* ---- nodes ---- */

/* A list; false where an operand is not given. */
static void push_operands(lua_State *L, const Node *n) {
  lua_createtable(L, n->n_operands, 0);
  for (int i = 0; i < n->n_operands; i++) {
    if (n->operands[i])
      script_push_tensor(L, n->operands[i]);
    else
      lua_pushboolean(L, false);
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_results(lua_State *L, const Node *n) {
  lua_createtable(L, n->n_results, 0);
  for (int i = 0; i < n->n_results; i++) {
    script_push_tensor(L, n->results[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

typedef void (*NodeField)(lua_State *L, Node *n);

static void field_op(lua_State *L, Node *n) { lua_pushstring(L, op_info[n->op]->name); }
static void field_label(lua_State *L, Node *n) { lua_pushstring(L, node_label(n)); }
static void field_operands(lua_State *L, Node *n) { push_operands(L, n); }
static void field_results(lua_State *L, Node *n) { push_results(L, n); }
static void field_result(lua_State *L, Node *n) { script_push_tensor(L, n->results[0]); }
static void field_attrs(lua_State *L, Node *n) { script_push_attrs(L, n); }
static void field_macs(lua_State *L, Node *n) {
  lua_pushinteger(L, op_info[n->op]->macs ? op_info[n->op]->macs(n) : 0);
}

static const struct {
  const char *name;
  NodeField push;
} node_fields[] = {{"op", field_op},           {"name", field_label},    {"operands", field_operands},
                   {"results", field_results}, {"result", field_result}, {"attrs", field_attrs},
                   {"macs", field_macs}};

static int node_index(lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  Node *n = script_node(L, 1);
  for (size_t i = 0; i < sizeof node_fields / sizeof *node_fields; i++)
    if (!strcmp(node_fields[i].name, key)) {
      node_fields[i].push(L, n);
      return 1;
    }
  return luaL_error(L, "a node has no '%s'", key);
}

static int node_text(lua_State *L) {
  const Node *n = check_handle(L, 1, SCRIPT_NODE);
  Arena *tmp = arena_new();
  StrBuf text;
  strbuf_init(&text, tmp);
  for (int i = 0; i < n->n_results; i++) strbuf_printf(&text, "%s%%%s", i ? ", " : "", n->results[i]->name);
  strbuf_printf(&text, " = %s(", op_info[n->op]->name);
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    strbuf_printf(&text, "%s%s%s", i ? ", " : "",
                  !t                   ? ""
                  : tensor_is_const(t) ? "@"
                                       : "%",
                  t ? t->name : "-");
  }
  strbuf_printf(&text, ") : %s", type_text(tmp, &n->results[0]->type));
  lua_pushstring(L, text.text);
  arena_free(tmp);
  return 1;
}

/* ---- graphs ---- */

static void push_found(lua_State *L, const Pattern *p, Tensor *const *found) {
  lua_createtable(L, 0, pattern_names(p));
  for (int k = 0; k < pattern_names(p); k++) {
    script_push_tensor(L, found[k]);
    lua_setfield(L, -2, pattern_name(p, k));
  }
}

/* Does the pattern fit? An error of Lua where there are too many ways to try. */
static bool fits(lua_State *L, const Pattern *p, Tensor *t, Tensor **found) {
  MatchResult r = pattern_match(p, t, found);
  if (r == MATCH_TOO_LONG)
    script_error(L, t->producer ? node_loc(t->producer) : t->loc,
                 "there are too many ways to fit this pattern");
  return r == MATCH_YES;
}

/* Upvalues: the nodes (a list that ends with NULL), the position in it, the pattern or nil. Passes over what
 * has left the graph meanwhile. */
static int next_node(lua_State *L) {
  const Graph *g = script_session(L)->graph;
  Node **list = lua_touserdata(L, lua_upvalueindex(1));
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2)), first = i;
  const Pattern *p = lua_touserdata(L, lua_upvalueindex(3));
  Tensor *found[PATTERN_NAMES];
  while (list[i] && (!in_graph(g, list[i]->results[0]) || (p && !fits(L, p, list[i]->results[0], found))))
    i++;
  lua_script_work(L, i - first);
  script_push_node(L, list[i]);
  lua_pushinteger(L, list[i] ? i + 1 : i);
  lua_replace(L, lua_upvalueindex(2));
  if (!p || !list[i]) return 1;
  push_found(L, p, found);
  return 2;
}

static int push_iterator(lua_State *L, OpId op, const Pattern *p) {
  const Graph *g = script_session(L)->graph;
  Node **list = lua_newuserdatauv(L, sizeof *list * ((size_t)g->n_nodes + 1), 0);
  int n = 0;
  for (Node *node = g->first; node; node = node->next)
    if (op == OP_COUNT || node->op == op) list[n++] = node;
  list[n] = NULL;
  lua_pushinteger(L, 0);
  if (p)
    lua_pushlightuserdata(L, (void *)(uintptr_t)p);
  else
    lua_pushnil(L);
  lua_pushcclosure(L, next_node, 3);
  return 1;
}

/* g:nodes() or g:nodes("conv2d") in their order. */
static int graph_nodes(lua_State *L) {
  script_graph(L);
  const char *name = luaL_optstring(L, 2, NULL);
  OpId op = name ? op_from_name(name, strlen(name)) : OP_COUNT;
  if (name && op == OP_COUNT)
    script_error(L, (SrcLoc){0}, "there is no operator '%.60s' (qcc -print-ops lists them)", name);
  return push_iterator(L, op, NULL);
}

static const Pattern *pattern_arg(lua_State *L, int arg) {
  const char *text = luaL_checkstring(L, arg), *error;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, PATTERNS);
  if (lua_getfield(L, -1, text) == LUA_TNIL) {
    lua_script_charge(L, (int64_t)strlen(text) * 64);
    const Pattern *p = pattern_parse(lua_script_arena(L), text, &error);
    if (!p) script_error(L, (SrcLoc){0}, "in the pattern: %s", error);
    lua_pushlightuserdata(L, (void *)(uintptr_t)p);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, text);
  }
  const Pattern *p = lua_touserdata(L, -1);
  lua_settop(L, arg);
  return p;
}

/* for node, found in g:find("mul(%x, sigmoid(%x))") do */
static int graph_find_all(lua_State *L) {
  script_graph(L);
  return push_iterator(L, OP_COUNT, pattern_arg(L, 2));
}

/* g:match(pattern, node): what its names stand for, or nil. */
static int graph_match(lua_State *L) {
  script_graph(L);
  Tensor *t = script_tensor(L, 3), *found[PATTERN_NAMES];
  lua_pushvalue(L, 2);
  const Pattern *p = pattern_arg(L, lua_gettop(L));
  lua_script_work(L, 5);
  if (fits(L, p, t, found))
    push_found(L, p, found);
  else
    lua_pushnil(L);
  return 1;
}

/* g:tensor("name"), or nil. */
static int graph_tensor_named(lua_State *L) {
  script_graph(L);
  script_push_tensor(L, graph_find(script_session(L)->graph, luaL_checkstring(L, 2)));
  return 1;
}

/* The text IR. */
static int graph_text(lua_State *L) {
  const Graph *g = script_session(L)->graph;
  Arena *tmp = arena_new();
  StrBuf text;
  strbuf_init(&text, tmp);
  ir_print(&text, g, &(PrintOptions){.inline_limit = 16}, NULL, NULL);
  lua_pushlstring(L, text.text, text.len - (text.len && text.text[text.len - 1] == '\n'));
  arena_free(tmp);
  lua_script_work(L, g->n_nodes * (int64_t)50);
  return 1;
}

static void push_tensors(lua_State *L, Tensor *const *t, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    script_push_tensor(L, t[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static int graph_index(lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL) return 1;
  const Graph *g = check_handle(L, 1, SCRIPT_GRAPH);
  if (!strcmp(key, "name"))
    lua_pushstring(L, g->name);
  else if (!strcmp(key, "inputs"))
    push_tensors(L, g->inputs, g->n_inputs);
  else if (!strcmp(key, "outputs"))
    push_tensors(L, g->outputs, g->n_outputs);
  else
    return luaL_error(L, "a graph has no '%s'", key);
  return 1;
}

/* ---- types ---- */

void script_methods(lua_State *L, const ScriptMethod *m) {
  for (; m->name; m++) {
    lua_script_push(L, m->name, m->f);
    lua_setfield(L, -2, m->name);
  }
}

static int no_field(lua_State *L) {
  return luaL_error(L, "the fields of a %s cannot be set; a graph has functions that change it",
                    lua_tostring(L, lua_upvalueindex(1)));
}

/* A type with these methods, fields and text. */
static void new_type(lua_State *L, const char *type, const ScriptMethod *methods, lua_CFunction index,
                     lua_CFunction text) {
  luaL_newmetatable(L, type);
  lua_newtable(L);
  script_methods(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcclosure(L, index, 1);
  lua_setfield(L, -2, "__index");
  lua_script_push(L, type, no_field);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, text);
  lua_setfield(L, -2, "__tostring");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

static const ScriptMethod graph_methods[] = {{"nodes", graph_nodes},
                                             {"find", graph_find_all},
                                             {"match", graph_match},
                                             {"tensor", graph_tensor_named},
                                             {0}};
static const ScriptMethod tensor_methods[] = {{"values", tensor_values},
                                              {"at", tensor_at},
                                              {"number", tensor_number},
                                              {"same_shape", tensor_same_shape},
                                              {0}};
static const ScriptMethod node_methods[] = {{0}};

void script_open_graph(lua_State *L) {
  new_type(L, SCRIPT_GRAPH, graph_methods, graph_index, graph_text);
  new_type(L, SCRIPT_NODE, node_methods, node_index, node_text);
  new_type(L, SCRIPT_TENSOR, tensor_methods, tensor_index, tensor_text);
}

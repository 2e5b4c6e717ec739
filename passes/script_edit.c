/* Rewrites by scripts, in transactions: the verifier runs after each, and what is not valid is taken back. */
#include <math.h>
#include <string.h>

#include "ir/half.h"
#include "ir/quant.h"
#include "ir/suggest.h"
#include "ir/text.h"
#include "passes/rewrite.h"
#include "passes/script_state.h"

enum { MAX_OPERANDS = 1024, MAX_NODES = 1000 * 1000 };

/* ---- transactions ---- */

static Diag silent_diag(GraphSession *s) { return (Diag){.arena = s->arena, .max_errors = 1}; }

/* What is wrong with the graph now; NULL: nothing. */
static const char *fault_of(GraphSession *s, SrcLoc *loc) {
  Diag d = silent_diag(s);
  if (!graph_verify(&d, s->graph)) {
    *loc = d.first_loc;
    return d.first_message;
  }
  return snapshot_interface(s->before, s->arena);
}

/* Calls the function below `args` values: all that it changes is valid in the end, or as it was before.
 * Results of the function stay on the stack. */
static void transaction(lua_State *L, int args) {
  GraphSession *s = script_session(L);
  Arena *tmp = arena_new();
  SrcLoc loc = {0};
  lua_script_pause(L);
  s->before = snapshot_take(tmp, s->graph);
  lua_script_resume(L);
  int status = lua_pcall(L, args, LUA_MULTRET, 0);
  const char *fault = NULL;
  lua_script_pause(L);
  if (!status) {
    graph_remove_dead(s->graph);
    fault = fault_of(s, &loc);
  }
  bool back = status || fault;
  if (back) snapshot_restore(s->before);
  s->before = NULL;
  arena_free(tmp);
  lua_script_resume(L);
  if (back) lua_script_charge(L, 2048 + 128 * (int64_t)s->graph->n_nodes); /* what restoring takes */
  if (status) {
    lua_script_caught(L, status);
    lua_error(L);
  }
  if (fault) script_error(L, loc, "this rewrite makes the graph invalid and was taken back: %s", fault);
}

/* g:rewrite(function() ... end): several changes that are valid together. */
static int rewrite(lua_State *L) {
  GraphSession *s = script_session(L);
  script_graph(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (s->before) script_error(L, (SrcLoc){0}, "a rewrite in a rewrite");
  lua_settop(L, 2);
  transaction(L, 0);
  return lua_gettop(L) - 1;
}

/* A change alone is a rewrite, too. `change` has the same name and the same arguments. */
static int edit(lua_State *L, lua_CFunction change) {
  GraphSession *s = script_session(L);
  script_graph(L);
  if (s->graph->n_nodes > MAX_NODES)
    script_error(L, (SrcLoc){0}, "the graph has more than %d nodes", MAX_NODES);
  if (s->before) return change(L);
  lua_script_push(L, lua_script_name(L), change);
  lua_insert(L, 1);
  transaction(L, lua_gettop(L) - 1);
  return lua_gettop(L);
}

/* Infers the node's types, or says why there are none. */
static void infer(lua_State *L, Node *n) {
  Diag d = silent_diag(script_session(L));
  if (!node_infer(&d, n))
    script_error(L, (SrcLoc){0}, "%s", d.first_message ? d.first_message : "an operand is not valid");
}

/* ---- values of calls and of their options ---- */

static lua_Integer whole_number(lua_State *L, int at, const char *what) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, at, &is_whole);
  if (!is_whole)
    script_error(L, (SrcLoc){0}, "%s is a whole number, not %.60s", what, lua_script_text(L, at));
  return i;
}

static const char *text_at(lua_State *L, int at, const char *what) {
  if (lua_type(L, at) != LUA_TSTRING)
    script_error(L, (SrcLoc){0}, "%s is a text, not %.60s", what, lua_script_text(L, at));
  return lua_tostring(L, at);
}

/* ---- types ---- */

static bool has_field(lua_State *L, int table, const char *key) {
  if (lua_istable(L, table) && lua_getfield(L, table, key) != LUA_TNIL) return true;
  if (lua_istable(L, table)) lua_pop(L, 1);
  return false;
}

static DType dtype_field(lua_State *L, int table, DType otherwise) {
  if (!has_field(L, table, "dtype")) return otherwise;
  const char *name = text_at(L, -1, "'dtype'");
  DType t = dtype_from_name(name, strlen(name));
  if (t == DT_NONE) script_error(L, (SrcLoc){0}, "there is no element type '%.40s'", name);
  lua_pop(L, 1);
  return t;
}

/* The number, or the numbers, of a field at the top of the stack: scales or zero points. */
static int64_t quant_numbers(lua_State *L, const char *what, int64_t count, double *v) {
  if (lua_type(L, -1) == LUA_TNUMBER) {
    for (int64_t i = 0; i < count; i++) v[i] = lua_tonumber(L, -1);
    return count;
  }
  int64_t n = script_list_length(L, -1, what, count);
  if (n != count)
    script_error(L, (SrcLoc){0}, "'%s' has %lld numbers, not %lld", what, (long long)count, (long long)n);
  for (int64_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    if (lua_type(L, -1) != LUA_TNUMBER)
      script_error(L, (SrcLoc){0}, "'%s' is a number, or a list of them", what);
    v[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

/* scale, zero and axis of the table, for a tensor of that shape; NULL: it has none. */
static const Quant *quant_field(lua_State *L, int table, const Shape *shape) {
  GraphSession *s = script_session(L);
  lua_Integer axis = -1;
  if (has_field(L, table, "axis")) {
    axis = whole_number(L, -1, "'axis'");
    lua_pop(L, 1);
    if (axis < 0 || axis >= shape->rank)
      script_error(L, (SrcLoc){0}, "there is no axis %lld", (long long)axis);
  }
  if (!has_field(L, table, "scale")) return NULL;
  int64_t count = axis < 0 ? 1 : shape->dim[axis];
  double *v = ARENA_NEW_ARRAY(s->arena, double, (size_t)count + 1);
  float *scale = ARENA_NEW_ARRAY(s->arena, float, (size_t)count + 1);
  int32_t *zero = ARENA_NEW_ARRAY(s->arena, int32_t, (size_t)count + 1);
  quant_numbers(L, "scale", count, v);
  for (int64_t i = 0; i < count; i++) scale[i] = (float)v[i];
  lua_pop(L, 1);
  if (has_field(L, table, "zero")) {
    quant_numbers(L, "zero", count, v);
    for (int64_t i = 0; i < count; i++) {
      if (!(v[i] >= INT32_MIN && v[i] <= INT32_MAX && v[i] == floor(v[i])))
        script_error(L, (SrcLoc){0}, "a zero point is an integer");
      zero[i] = (int32_t)v[i];
    }
    lua_pop(L, 1);
  }
  return quant_new(s->graph->arena, (int)axis, count, scale, zero);
}

static void check_options(lua_State *L, int table, const char *const *known) {
  if (lua_isnoneornil(L, table)) return;
  luaL_checktype(L, table, LUA_TTABLE);
  const char *key = script_unknown_key(L, table, known);
  if (key) script_error(L, (SrcLoc){0}, "%s has no option '%.60s'", lua_script_name(L), key);
}

/* ---- constants ---- */

static Shape shape_field(lua_State *L, int table, int64_t values) {
  Shape shape = {.rank = 1, .dim = {values}};
  if (!has_field(L, table, "shape")) return shape;
  shape.rank = (int)script_list_length(L, -1, "shape", MAX_RANK);
  for (int i = 0; i < shape.rank; i++) {
    lua_rawgeti(L, -1, i + 1);
    shape.dim[i] = whole_number(L, -1, "a dimension");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (!shape_check(&shape)) script_error(L, (SrcLoc){0}, "a shape beyond the limits");
  return shape;
}

static void put_value(lua_State *L, DType t, double v, void *data, int64_t i) {
  const DTypeInfo *info = &dtype_info[t];
  bool real = t == DT_F32 || t == DT_F16, flag = t == DT_BOOL;
  if (!real && !(v == floor(v) && v >= (flag ? 0 : (double)info->min) && v <= (flag ? 1 : (double)info->max)))
    script_error(L, (SrcLoc){0}, "%.9g is no value of %s", v, info->name);
  if (t == DT_F32)
    ((float *)data)[i] = (float)v;
  else if (t == DT_F16)
    ((uint16_t *)data)[i] = half_from_float((float)v);
  else if (t == DT_S32)
    ((int32_t *)data)[i] = (int32_t)v;
  else if (t == DT_S64)
    ((int64_t *)data)[i] = (int64_t)v;
  else if (t == DT_S8)
    ((int8_t *)data)[i] = (int8_t)v;
  else
    ((uint8_t *)data)[i] = (uint8_t)v;
}

static double value_at(lua_State *L, int arg, int64_t i) {
  lua_rawgeti(L, arg, i + 1);
  if (lua_type(L, -1) != LUA_TNUMBER)
    script_error(L, (SrcLoc){0}, "value %lld of a constant is a %s, no number", (long long)i + 1,
                 luaL_typename(L, -1));
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

/* g:constant(number or list, { name, dtype, shape, scale, zero, axis }) */
static int make_constant(lua_State *L) {
  static const char *const known[] = {"name", "dtype", "shape", "scale", "zero", "axis", NULL};
  Graph *g = script_graph(L);
  bool single = lua_type(L, 2) == LUA_TNUMBER;
  if (!single) luaL_checktype(L, 2, LUA_TTABLE);
  check_options(L, 3, known);
  int64_t given = single ? 1 : (int64_t)lua_rawlen(L, 2);
  Type type = {.dtype = dtype_field(L, 3, DT_F32), .shape = shape_field(L, 3, given)};
  if (single && !has_field(L, 3, "shape")) type.shape = (Shape){0};
  type.quant = quant_field(L, 3, &type.shape);
  int64_t n = shape_count(&type.shape);
  if (!single && n != given)
    script_error(L, (SrcLoc){0}, "a constant of the shape %s has %lld values, not %lld",
                 shape_text(lua_script_arena(L), &type.shape), (long long)n, (long long)given);
  lua_script_charge(L, type_bytes(&type) + 64);
  lua_script_work(L, single ? n / 64 : n);
  void *data = arena_alloc(g->arena, (size_t)type_bytes(&type) + 1);
  for (int64_t i = 0; i < n; i++)
    put_value(L, type.dtype, single ? lua_tonumber(L, 2) : value_at(L, 2, i), data, i);
  const char *name = has_field(L, 3, "name") ? arena_strdup(g->arena, text_at(L, -1, "'name'")) : "constant";
  script_push_tensor(L, graph_constant(g, name, type, data, (SrcLoc){0}));
  return 1;
}

/* ---- nodes ---- */

static OpId op_arg(lua_State *L, int arg) {
  const char *name = text_at(L, arg, "an operator");
  OpId op = op_from_name(name, strlen(name));
  if (op != OP_COUNT) return op;
  Suggest near = {.word = name};
  for (int i = 0; i < OP_COUNT; i++) suggest_offer(&near, op_info[i]->name);
  script_error(L, (SrcLoc){0}, "there is no operator '%.60s'%s%s%s", name,
               near.best ? "; did you mean '" : "", near.best ? near.best : " (qcc -print-ops lists them)",
               near.best ? "'?" : "");
}

/* A list of tensors or nodes; false stands for an operand that is not given. */
static Tensor **operands_arg(lua_State *L, int arg, int *n) {
  *n = (int)script_list_length(L, arg, "operands", MAX_OPERANDS);
  Tensor **list = ARENA_NEW_ARRAY(script_session(L)->arena, Tensor *, (size_t)*n + 1);
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, arg, i + 1);
    if (lua_type(L, -1) != LUA_TBOOLEAN || lua_toboolean(L, -1)) list[i] = script_tensor(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  return list;
}

/* The first node that uses the tensor, or the first at all; NULL: the end. */
static Node *place_option(lua_State *L, int table) {
  if (!has_field(L, table, "before")) return NULL;
  Node *n = script_node(L, lua_gettop(L));
  lua_pop(L, 1);
  return n;
}

/* What a quantized result is, where the op does not say it. */
static void give_type(lua_State *L, int table, Node *n) {
  Type *t = &n->results[0]->type;
  if (has_field(L, table, "like")) {
    *t = script_tensor(L, lua_gettop(L))->type;
    lua_pop(L, 1);
  }
  DType dtype = dtype_field(L, table, t->dtype);
  const Quant *q = quant_field(L, table, &t->shape);
  t->dtype = dtype;
  if (q) t->quant = q;
}

/* g:node(op, operands, attributes, { before, name, like, dtype, scale, zero }) */
static int make_node(lua_State *L) {
  static const char *const known[] = {"before", "name", "like", "dtype", "scale", "zero", NULL};
  GraphSession *s = script_session(L);
  script_graph(L);
  if (!s->before) script_error(L, (SrcLoc){0}, "a node alone is used by nothing: make it in a rewrite");
  OpId op = op_arg(L, 2);
  int n_operands;
  Tensor **operands = operands_arg(L, 3, &n_operands);
  check_options(L, 5, known);
  Node *before = place_option(L, 5);
  const char *name = has_field(L, 5, "name") ? arena_strdup(s->graph->arena, text_at(L, -1, "'name'")) : NULL;
  const char *names[16] = {name};
  SrcLoc loc = before ? node_loc(before) : n_operands && operands[0] ? operands[0]->loc : (SrcLoc){0};
  lua_script_charge(L, 1024);
  Node *n = graph_node(s->graph, op, operands, n_operands, names, op_info[op]->n_results, loc, before);
  script_set_attrs(L, 4, n);
  give_type(L, 5, n);
  infer(L, n);
  script_push_node(L, n);
  return 1;
}

/* g:replace(node, op, operands, attributes): its name, its users and its place. */
static int replace_node(lua_State *L) {
  GraphSession *s = script_session(L);
  Node *old = script_node(L, 2);
  OpId op = op_arg(L, 3);
  int n_operands;
  Tensor **operands = operands_arg(L, 4, &n_operands), *was = old->results[0];
  if (old->n_results != 1 || op_info[op]->n_results != 1)
    script_error(L, (SrcLoc){0}, "only nodes with one result can be replaced so");
  lua_script_charge(L, 1024);
  Node *n = node_replacement(old, op, operands, n_operands);
  n->results[0]->type = was->type; /* a quantized result keeps its parameters */
  script_set_attrs(L, 5, n);
  infer(L, n);
  if (!type_equal(&n->results[0]->type, &was->type))
    script_error(L, node_loc(old), "'%s' is %s, but %s gives %s", was->name, type_text(s->arena, &was->type),
                 op_info[op]->name, type_text(s->arena, &n->results[0]->type));
  tensor_replace_uses(was, n->results[0]);
  tensor_swap_names(s->graph, n->results[0], was);
  node_remove(old);
  script_push_node(L, n);
  return 1;
}

/* g:redirect(from, to): what uses `from` uses `to`; outputs keep their names. */
static int redirect(lua_State *L) {
  GraphSession *s = script_session(L);
  Tensor *from = script_tensor(L, 2), *to = script_tensor(L, 3);
  if (!type_equal(&from->type, &to->type))
    script_error(L, from->loc, "'%s' is %s, but '%s' is %s", from->name, type_text(s->arena, &from->type),
                 to->name, type_text(s->arena, &to->type));
  bool is_output = from->is_output;
  if (from == to) return 0;
  if (is_output && (to->is_output || to->is_input || tensor_is_const(to)))
    script_error(L, from->loc, "the output '%s' cannot become '%s', whose name is public, too", from->name,
                 to->name);
  tensor_replace_uses(from, to);
  if (is_output) tensor_swap_names(s->graph, from, to);
  return 0;
}

/* g:bypass(node): its users take its first operand. False where both names are public. */
static int bypass(lua_State *L) {
  GraphSession *s = script_session(L);
  Node *n = script_node(L, 2);
  Tensor *x = n->n_operands ? n->operands[0] : NULL;
  if (!x || n->n_results != 1 || !type_equal(&x->type, &n->results[0]->type))
    script_error(L, node_loc(n), "%s has no operand of the type of its result, %s", op_info[n->op]->name,
                 type_text(s->arena, &n->results[0]->type));
  lua_pushboolean(L, node_bypass(n));
  return 1;
}

/* g:set(node, attributes) */
static int set_attributes(lua_State *L) {
  Node *n = script_node(L, 2);
  script_set_attrs(L, 3, n);
  infer(L, n);
  return 0;
}

/* g:set_operand(node, i, tensor), or false */
static int set_operand(lua_State *L) {
  Node *n = script_node(L, 2);
  lua_Integer i = whole_number(L, 3, "the place of an operand");
  if (i < 1 || i > n->n_operands)
    script_error(L, node_loc(n), "%s has %d operands, there is none %lld", op_info[n->op]->name,
                 n->n_operands, (long long)i);
  bool none = lua_isboolean(L, 4) && !lua_toboolean(L, 4);
  node_set_operand(n, (int)i - 1, none ? NULL : script_tensor(L, 4));
  infer(L, n);
  return 0;
}

/* g:remove(node) */
static int remove_node(lua_State *L) {
  Node *n = script_node(L, 2);
  for (int i = 0; i < n->n_results; i++)
    if (n->results[i]->n_uses || n->results[i]->is_output)
      script_error(L, node_loc(n), "'%s' is used, and cannot be removed", n->results[i]->name);
  node_remove(n);
  return 0;
}

static int edit_replace(lua_State *L) { return edit(L, replace_node); }
static int edit_redirect(lua_State *L) { return edit(L, redirect); }
static int edit_bypass(lua_State *L) { return edit(L, bypass); }
static int edit_set(lua_State *L) { return edit(L, set_attributes); }
static int edit_operand(lua_State *L) { return edit(L, set_operand); }
static int edit_remove(lua_State *L) { return edit(L, remove_node); }

void script_open_edits(lua_State *L) {
  static const ScriptMethod methods[] = {{"rewrite", rewrite},        {"constant", make_constant},
                                         {"node", make_node},         {"replace", edit_replace},
                                         {"redirect", edit_redirect}, {"bypass", edit_bypass},
                                         {"set", edit_set},           {"set_operand", edit_operand},
                                         {"remove", edit_remove},     {0}};
  luaL_getmetatable(L, SCRIPT_GRAPH);
  lua_getfield(L, -1, "methods");
  script_methods(L, methods);
  lua_pop(L, 2);
}

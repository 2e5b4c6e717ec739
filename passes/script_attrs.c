/* Attributes as tables of a script, by the table of the op. */
#include <math.h>
#include <string.h>

#include "ir/suggest.h"
#include "passes/script_state.h"

enum { MAX_ATTRS = 32 };

static void push_list(lua_State *L, const AttrDesc *a, const void *field) {
  const IntList *ints = field;
  const RealList *reals = field;
  int n = a->kind == ATTR_INTS ? ints->n : reals->n;
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    if (a->kind == ATTR_INTS)
      lua_pushinteger(L, ints->v[i]);
    else
      lua_pushnumber(L, (lua_Number)reals->v[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_attr(lua_State *L, const AttrDesc *a, const void *field) {
  switch (a->kind) {
  case ATTR_INT:
    lua_pushinteger(L, *(const int64_t *)field);
    break;
  case ATTR_FLOAT:
    lua_pushnumber(L, (lua_Number) * (const float *)field);
    break;
  case ATTR_BOOL:
    lua_pushboolean(L, *(const bool *)field);
    break;
  case ATTR_ENUM:
    lua_pushstring(L, a->values[*(const int *)field]);
    break;
  case ATTR_INTS:
  case ATTR_REALS:
    push_list(L, a, field);
    break;
  }
}

void script_push_attrs(lua_State *L, const Node *n) {
  lua_newtable(L);
  for (const AttrDesc *a = op_info[n->op]->attrs; a && a->name; a++) {
    push_attr(L, a, (const char *)n->attrs + a->offset);
    lua_setfield(L, -2, a->name);
  }
}

/* ---- setting: the value is at the top of the stack ---- */

_Noreturn static void wrong(lua_State *L, const Node *n, const AttrDesc *a, const char *wanted) {
  script_error(L, (SrcLoc){0}, "the attribute '%s' of %s is %s, not %s", a->name, op_info[n->op]->name,
               wanted, lua_script_text(L, -1));
}

static int64_t integer_at(lua_State *L, int at, const Node *n, const AttrDesc *a) {
  int ok;
  lua_Integer v = lua_type(L, at) == LUA_TNUMBER ? lua_tointegerx(L, at, &ok) : (ok = 0);
  if (!ok) wrong(L, n, a, a->kind == ATTR_INT ? "an integer" : "a list of integers");
  return v;
}

static float real_at(lua_State *L, int at, const Node *n, const AttrDesc *a) {
  lua_Number v = lua_tonumber(L, at);
  if (lua_type(L, at) != LUA_TNUMBER || isnan(v)) wrong(L, n, a, "a number");
  return (float)v;
}

static void set_list(lua_State *L, const Node *n, const AttrDesc *a, void *field) {
  IntList ints = {0};
  RealList reals = {0};
  int at = lua_gettop(L), count = (int)script_list_length(L, at, a->name, MAX_RANK * 2);
  if (a->count && count != a->count)
    script_error(L, (SrcLoc){0}, "the attribute '%s' of %s takes %d elements, not %d", a->name,
                 op_info[n->op]->name, a->count, count);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, at, i + 1);
    if (a->kind == ATTR_INTS)
      ints.v[ints.n++] = integer_at(L, -1, n, a);
    else
      reals.v[reals.n++] = real_at(L, -1, n, a);
    lua_pop(L, 1);
  }
  if (a->kind == ATTR_INTS)
    *(IntList *)field = ints;
  else
    *(RealList *)field = reals;
}

static void set_enum(lua_State *L, const Node *n, const AttrDesc *a, int *field) {
  StrBuf names;
  strbuf_init(&names, lua_script_arena(L));
  for (int i = 0; a->values[i]; i++) {
    if (lua_type(L, -1) == LUA_TSTRING && !strcmp(lua_tostring(L, -1), a->values[i])) {
      *field = i;
      return;
    }
    strbuf_printf(&names, "%s\"%s\"", i ? " or " : "", a->values[i]);
  }
  wrong(L, n, a, names.text);
}

static void set_attr(lua_State *L, const Node *n, const AttrDesc *a) {
  void *field = (char *)n->attrs + a->offset;
  switch (a->kind) {
  case ATTR_INT:
    *(int64_t *)field = integer_at(L, -1, n, a);
    break;
  case ATTR_FLOAT:
    *(float *)field = real_at(L, -1, n, a);
    break;
  case ATTR_BOOL:
    if (!lua_isboolean(L, -1)) wrong(L, n, a, "true or false");
    *(bool *)field = lua_toboolean(L, -1);
    break;
  case ATTR_ENUM:
    set_enum(L, n, a, field);
    break;
  case ATTR_INTS:
  case ATTR_REALS:
    set_list(L, n, a, field);
    break;
  }
}

_Noreturn static void unknown(lua_State *L, const Node *n, const char *name) {
  Suggest near = {.word = name};
  for (const AttrDesc *a = op_info[n->op]->attrs; a && a->name; a++) suggest_offer(&near, a->name);
  script_error(L, (SrcLoc){0}, "%s has no attribute '%.60s'%s%s%s", op_info[n->op]->name, name,
               near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

void script_set_attrs(lua_State *L, int arg, Node *n) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (const AttrDesc *a = op_info[n->op]->attrs; a && a->name; a++) {
    if (lua_getfield(L, arg, a->name) != LUA_TNIL) set_attr(L, n, a);
    lua_pop(L, 1);
  }
  const char *names[MAX_ATTRS + 1] = {NULL};
  int n_names = 0;
  for (const AttrDesc *a = op_info[n->op]->attrs; a && a->name; a++) names[n_names++] = a->name;
  const char *key = script_unknown_key(L, arg, names);
  if (key) unknown(L, n, key);
}

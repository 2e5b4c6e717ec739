/* Observers as values of scripts: minmax { dtype = "s8" }. */
#ifndef QCC_PASSES_RULE_VALUES_H
#define QCC_PASSES_RULE_VALUES_H

#include "passes/lua.h"
#include "passes/observe.h"

/* Pushes the function that makes them of a table. */
void rule_push_observer(lua_State *L, const Observer *o);

#endif

#include "ir/op.h"

#include <string.h>

#define OP(name, lowering) extern const OpInfo op_##name;
#include "ir/ops.def"
#undef OP

const OpInfo *const op_info[OP_COUNT] = {
#define OP(name, lowering) [OP_##name] = &op_##name,
#include "ir/ops.def"
#undef OP
};

OpId op_from_name(const char *name, size_t len) {
  for (int i = 0; i < OP_COUNT; i++)
    if (strlen(op_info[i]->name) == len && !memcmp(op_info[i]->name, name, len)) return (OpId)i;
  return OP_COUNT;
}

const AttrDesc *op_attr(OpId op, const char *name, size_t len) {
  for (const AttrDesc *a = op_info[op]->attrs; a && a->name; a++)
    if (strlen(a->name) == len && !memcmp(a->name, name, len)) return a;
  return NULL;
}

/* The arena plan: each workspace buffer gets the lowest offset that is free for its whole life, largest
 * first. */
#include "codegen/lower.h"

#include <stdlib.h>

enum { BUFFER_ALIGN = 64 };

static int by_size(const void *a, const void *b) {
  const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x->last < y->last ? -1 : x->last > y->last);
}

static int by_offset(const void *a, const void *b) {
  const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int64_t aligned(int64_t n) { return (n + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN; }

static bool alive_together(const Buffer *a, const Buffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

void cg_plan_memory(Cg *cg) {
  int n = 0;
  for (Buffer *b = cg->buffers; b; b = b->next) n += b->kind == BUFFER_WORKSPACE;
  Buffer **order = ARENA_NEW_ARRAY(cg->arena, Buffer *, (size_t)n + 1);
  Buffer **others = ARENA_NEW_ARRAY(cg->arena, Buffer *, (size_t)n + 1);
  n = 0;
  for (Buffer *b = cg->buffers; b; b = b->next)
    if (b->kind == BUFFER_WORKSPACE) order[n++] = b;
  qsort(order, (size_t)n, sizeof *order, by_size);
  int64_t end = 0;
  for (int i = 0; i < n; i++) {
    int k = 0;
    for (int j = 0; j < i; j++)
      if (alive_together(order[i], order[j])) others[k++] = order[j];
    qsort(others, (size_t)k, sizeof *others, by_offset);
    int64_t at = 0;
    for (int j = 0; j < k; j++) {
      if (others[j]->offset >= at + aligned(order[i]->bytes)) break;
      int64_t behind = others[j]->offset + aligned(others[j]->bytes);
      if (behind > at) at = behind;
    }
    order[i]->offset = at;
    if (at + aligned(order[i]->bytes) > end) end = at + aligned(order[i]->bytes);
  }
  cg->workspace = end ? end + WORKSPACE_SLACK : 0;
}

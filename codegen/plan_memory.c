/* The arena plan: an offset in the workspace for each buffer (see arena_plan.h). */
#include "codegen/arena_plan.h"
#include "codegen/lower.h"

/* Offsets are multiples of this, so sizes count in units of it. */
enum { BUFFER_ALIGN = 64 };

static int64_t units(int64_t bytes) { return (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN; }

static PlanItem *items_of(const Cg *cg, Arena *a, int *n) {
  *n = 0;
  for (const Buffer *b = cg->buffers; b; b = b->next) *n += b->kind == BUFFER_WORKSPACE;
  PlanItem *items = ARENA_NEW_ARRAY(a, PlanItem, (size_t)*n + 1), *p = items;
  for (const Buffer *b = cg->buffers; b; b = b->next)
    if (b->kind == BUFFER_WORKSPACE) *p++ = (PlanItem){units(b->bytes), b->first, b->last, 0};
  return items;
}

static int64_t workspace_bytes(int64_t end) { return end ? end * BUFFER_ALIGN + WORKSPACE_SLACK : 0; }

int64_t cg_memory_bound(const Cg *cg, int *position) {
  int n;
  Arena *tmp = arena_new();
  const PlanItem *items = items_of(cg, tmp, &n);
  int64_t bound = workspace_bytes(arena_bound(tmp, items, n, position));
  arena_free(tmp);
  return bound;
}

int64_t *cg_memory_profile(const Cg *cg, Arena *a) {
  int n, positions = cg->graph->n_nodes;
  Arena *tmp = arena_new();
  const PlanItem *items = items_of(cg, tmp, &n);
  int64_t *bytes = ARENA_NEW_ARRAY(a, int64_t, (size_t)positions + 1);
  for (int i = 0; i < n; i++)
    for (int p = items[i].first; p <= items[i].last && p < positions; p++) bytes[p] += items[i].size;
  for (int p = 0; p < positions; p++) bytes[p] = workspace_bytes(bytes[p]);
  arena_free(tmp);
  return bytes;
}

void cg_plan_memory(Cg *cg) {
  int n;
  Arena *tmp = arena_new();
  PlanItem *items = items_of(cg, tmp, &n), *p = items;
  cg->memory.workspace = workspace_bytes(arena_plan(tmp, items, n));
  for (Buffer *b = cg->buffers; b; b = b->next)
    if (b->kind == BUFFER_WORKSPACE) b->offset = p++->offset * BUFFER_ALIGN;
  arena_free(tmp);
  int peak;
  cg->memory.bound = cg_memory_bound(cg, &peak);
}

/* The arena plan: each workspace buffer gets the lowest offset that is free for its whole life. They are
 * taken in several orders, largest first, earliest first, longest-lived first, and the plan that needs least
 * wins. */
#include "codegen/lower.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_ALIGN = 64 };

static int compare(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

static int by_size(const Buffer *x, const Buffer *y) { return compare(y->bytes, x->bytes); }
static int by_first(const Buffer *x, const Buffer *y) { return compare(x->first, y->first); }
static int by_life(const Buffer *x, const Buffer *y) {
  return compare(y->last - y->first, x->last - x->first);
}

static int (*const orders[])(const Buffer *, const Buffer *) = {by_size, by_first, by_life};
enum { ORDERS = sizeof orders / sizeof *orders };

static int by_offset(const void *a, const void *b) {
  const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int64_t aligned(int64_t n) { return (n + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN; }

static bool alive_together(const Buffer *a, const Buffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* Stable, by insertion: there are as many buffers as layers. */
static void sort(Buffer **list, int n, int (*order)(const Buffer *, const Buffer *)) {
  for (int i = 1; i < n; i++) {
    Buffer *b = list[i];
    int k = i;
    for (; k > 0 && order(list[k - 1], b) > 0; k--) list[k] = list[k - 1];
    list[k] = b;
  }
}

/* Sets the offsets in the order of the list; returns the bytes that it takes. `others` has room for all. */
static int64_t place(Buffer **list, int n, Buffer **others) {
  int64_t end = 0;
  for (int i = 0; i < n; i++) {
    int k = 0;
    for (int j = 0; j < i; j++)
      if (alive_together(list[i], list[j])) others[k++] = list[j];
    qsort(others, (size_t)k, sizeof *others, by_offset);
    int64_t at = 0;
    for (int j = 0; j < k; j++) {
      if (others[j]->offset >= at + aligned(list[i]->bytes)) break;
      int64_t behind = others[j]->offset + aligned(others[j]->bytes);
      if (behind > at) at = behind;
    }
    list[i]->offset = at;
    if (at + aligned(list[i]->bytes) > end) end = at + aligned(list[i]->bytes);
  }
  return end;
}

void cg_plan_memory(Cg *cg) {
  int n = 0;
  for (Buffer *b = cg->buffers; b; b = b->next) n += b->kind == BUFFER_WORKSPACE;
  Buffer **list = ARENA_NEW_ARRAY(cg->arena, Buffer *, (size_t)n + 1);
  Buffer **others = ARENA_NEW_ARRAY(cg->arena, Buffer *, (size_t)n + 1);
  Buffer **best = ARENA_NEW_ARRAY(cg->arena, Buffer *, (size_t)n + 1);
  n = 0;
  for (Buffer *b = cg->buffers; b; b = b->next)
    if (b->kind == BUFFER_WORKSPACE) list[n++] = b;
  sort(list, n, by_first);
  int64_t least = INT64_MAX;
  for (int i = 0; i < ORDERS; i++) {
    sort(list, n, orders[i]);
    int64_t end = place(list, n, others);
    if (end >= least) continue;
    least = end;
    memcpy(best, list, sizeof *list * (size_t)n);
  }
  place(best, n, others);
  cg->workspace = least ? least + WORKSPACE_SLACK : 0;
}

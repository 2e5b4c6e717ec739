#include "ir/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CHUNK = 1 << 16 };

typedef struct Chunk {
  struct Chunk *next;
  size_t used, cap;
} Chunk;

struct Arena {
  Chunk *chunks;
};

static void out_of_memory(void) {
  fputs("qcc: error: out of memory\n", stderr);
  exit(1);
}

Arena *arena_new(void) {
  Arena *a = calloc(1, sizeof *a);
  if (!a) out_of_memory();
  return a;
}

void arena_free(Arena *a) {
  if (!a) return;
  for (Chunk *c = a->chunks, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(a);
}

/* The chunk's header takes one alignment unit, so that its payload stays aligned. The payload is not zeroed.
 */
static Chunk *new_chunk(size_t payload) {
  if (payload > SIZE_MAX - 2 * ALIGNMENT) out_of_memory();
  size_t cap = (payload + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  Chunk *c = aligned_alloc(ALIGNMENT, cap + ALIGNMENT);
  if (!c) out_of_memory();
  *c = (Chunk){.cap = cap};
  return c;
}

void *arena_alloc_raw(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX - ALIGNMENT) out_of_memory();
  size_t need = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  Chunk *c = a->chunks;
  if (!c || c->cap - c->used < need) {
    Chunk *fresh = new_chunk(need > CHUNK / 4 ? need : CHUNK);
    if (c && need > CHUNK / 4) { /* keep filling the current chunk: put the big one behind it */
      fresh->next = c->next;
      c->next = fresh;
    } else {
      fresh->next = c;
      a->chunks = fresh;
    }
    c = fresh;
  }
  void *p = (char *)c + ALIGNMENT + c->used;
  c->used += need;
  return p;
}

void *arena_alloc(Arena *a, size_t bytes) {
  void *p = arena_alloc_raw(a, bytes);
  memset(p, 0, bytes);
  return p;
}

void *arena_array(Arena *a, size_t count, size_t size) {
  if (size && count > SIZE_MAX / size) out_of_memory();
  return arena_alloc(a, count * size);
}

void *arena_memdup(Arena *a, const void *data, size_t bytes) {
  void *p = arena_alloc_raw(a, bytes);
  if (bytes) memcpy(p, data, bytes);
  return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  char *p = arena_alloc_raw(a, n + 1);
  if (n) memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

char *arena_strdup(Arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(Arena *a, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  char *p = arena_alloc(a, (size_t)n + 1);
  vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(again);
  return p;
}

char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *p = arena_vprintf(a, fmt, ap);
  va_end(ap);
  return p;
}

void strbuf_init(StrBuf *b, Arena *a) { *b = (StrBuf){.arena = a, .text = arena_alloc(a, 1), .cap = 0}; }

/* Not zeroed: what is reserved and never used need not be there. */
static void set_cap(StrBuf *b, size_t cap) {
  char *text = arena_alloc_raw(b->arena, cap + 1);
  memcpy(text, b->text, b->len + 1);
  b->text = text;
  b->cap = cap;
}

void strbuf_reserve(StrBuf *b, size_t n) {
  if (b->len + n > b->cap) set_cap(b, b->len + n);
}

void strbuf_put(StrBuf *b, const void *data, size_t n) {
  if (b->len + n > b->cap) {
    size_t cap = b->cap ? b->cap * 2 : 256;
    while (cap < b->len + n) cap *= 2;
    set_cap(b, cap);
  }
  if (n) memcpy(b->text + b->len, data, n);
  b->len += n;
  b->text[b->len] = 0;
}

void strbuf_puts(StrBuf *b, const char *s) { strbuf_put(b, s, strlen(s)); }

void strbuf_vprintf(StrBuf *b, const char *fmt, va_list ap) {
  char small[512];
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(small, sizeof small, fmt, ap);
  if ((size_t)n < sizeof small) {
    strbuf_put(b, small, (size_t)n);
  } else {
    strbuf_puts(b, arena_vprintf(b->arena, fmt, again));
  }
  va_end(again);
}

void strbuf_printf(StrBuf *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  strbuf_vprintf(b, fmt, ap);
  va_end(ap);
}

bool size_mul(int64_t a, int64_t b, int64_t *out) {
  return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

bool size_add(int64_t a, int64_t b, int64_t *out) {
  return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, out);
}

/* Open addressing with linear probing; the table doubles at three quarters full. */
typedef struct {
  const char *key;
  void *value;
} Slot;

struct StrMap {
  Arena *arena;
  Slot *slots;
  size_t count, cap;
};

StrMap *strmap_new(Arena *a) {
  StrMap *m = ARENA_NEW(a, StrMap);
  m->arena = a;
  m->cap = 64;
  m->slots = ARENA_NEW_ARRAY(a, Slot, m->cap);
  return m;
}

static Slot *find_slot(Slot *slots, size_t cap, const char *key) {
  uint64_t h = 14695981039346656037u; /* FNV-1a */
  for (const char *p = key; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
  size_t i = h & (cap - 1);
  while (slots[i].key && strcmp(slots[i].key, key)) i = (i + 1) & (cap - 1);
  return &slots[i];
}

void *strmap_get(const StrMap *m, const char *key) { return find_slot(m->slots, m->cap, key)->value; }

void strmap_put(StrMap *m, const char *key, void *value) {
  if (m->count * 4 >= m->cap * 3) {
    Slot *slots = ARENA_NEW_ARRAY(m->arena, Slot, m->cap * 2);
    for (size_t i = 0; i < m->cap; i++)
      if (m->slots[i].key) *find_slot(slots, m->cap * 2, m->slots[i].key) = m->slots[i];
    m->slots = slots;
    m->cap *= 2;
  }
  Slot *s = find_slot(m->slots, m->cap, key);
  if (!s->key) m->count++;
  *s = (Slot){key, value};
}

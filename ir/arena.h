/* Arenas: memory that is dropped as a whole. Three lifetimes are in use: the module's (one compilation),
 * a pass's and a kernel's. Allocators take the arena first; nobody frees a single object. */
#ifndef QCC_IR_ARENA_H
#define QCC_IR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *a); /* frees everything in it; NULL is allowed */

/* Zeroed memory, aligned to 64 bytes. Never returns NULL: when memory runs out the process prints
 * "qcc: error: out of memory" and exits with status 1. */
void *arena_alloc(Arena *a, size_t bytes);
/* The same, not zeroed: for buffers of megabytes that are written before they are read. */
void *arena_alloc_raw(Arena *a, size_t bytes);
/* `count` objects of `size` bytes; a product that overflows counts as out of memory. */
void *arena_array(Arena *a, size_t count, size_t size);
void *arena_memdup(Arena *a, const void *data, size_t bytes);
char *arena_strdup(Arena *a, const char *s);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);

#define ARENA_NEW(a, T)          ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_NEW_ARRAY(a, T, n) ((T *)arena_array((a), (n), sizeof(T)))

/* A growing byte string in an arena; text[len] is always NUL. Initialise with strbuf_init. */
typedef struct {
  Arena *arena;
  char *text;
  size_t len, cap;
} StrBuf;

void strbuf_init(StrBuf *b, Arena *a);
/* Room for n bytes more. What is not used of megabytes takes no memory. */
void strbuf_reserve(StrBuf *b, size_t n);
void strbuf_put(StrBuf *b, const void *data, size_t n);
void strbuf_puts(StrBuf *b, const char *s);
void strbuf_printf(StrBuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(StrBuf *b, const char *fmt, va_list ap);

/* Size arithmetic that cannot wrap: false where the result does not fit a non-negative int64_t. */
bool size_mul(int64_t a, int64_t b, int64_t *out);
bool size_add(int64_t a, int64_t b, int64_t *out);

/* String -> pointer hash map in an arena; keys are not copied. */
typedef struct StrMap StrMap;
StrMap *strmap_new(Arena *a);
void *strmap_get(const StrMap *m, const char *key); /* NULL where absent */
void strmap_put(StrMap *m, const char *key, void *value);

#endif

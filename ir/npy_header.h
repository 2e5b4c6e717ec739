/* The header of an .npy file: a Python dictionary literal with exactly the keys descr, fortran_order and
 * shape. It is parsed, never evaluated. Format: numpy.lib.format, versions 1.0 to 3.0. */
#ifndef QCC_IR_NPY_HEADER_H
#define QCC_IR_NPY_HEADER_H

#include "ir/type.h"

/* One element type that NumPy may write, and what it becomes here. */
typedef struct {
  char kind;   /* NumPy's: f i u b */
  int bytes;   /* in the file */
  DType dtype; /* DT_NONE: refused */
  const char *name;
  /* Converts n elements in host byte order; NULL: the bytes are taken as they are. False where a value does
   * not fit: *bad is its index. */
  bool (*convert)(const void *src, int64_t n, void *dst, int64_t *bad);
} NpyDtype;

typedef struct {
  const NpyDtype *dtype;
  bool swap; /* the file's byte order is not the host's */
  bool fortran_order;
  Shape shape;
} NpyHeader;

enum { NPY_MAX_HEADER = 2 << 20, NPY_PREAMBLE = 12 };
/* An array's limit, in the file and in memory. */
#define NPY_MAX_BYTES ((int64_t)1 << 30)

/* The fixed part: magic, version, header length. `bytes` holds `n` <= NPY_PREAMBLE bytes of the file's start.
 * Gives the offset and length of the literal, or a message in *error. */
bool npy_parse_preamble(const uint8_t *bytes, size_t n, size_t *offset, size_t *length, const char **error);
/* The literal. Messages (with the text of what is refused) are allocated from `a`. */
bool npy_parse_header(Arena *a, const char *text, size_t len, NpyHeader *h, const char **error);

#endif

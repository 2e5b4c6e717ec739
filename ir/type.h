/* Tensor types. The type carries the quantization, as in MLIR's quant dialect: real = scale * (q -
 * zero_point). */
#ifndef QCC_IR_TYPE_H
#define QCC_IR_TYPE_H

#include "ir/arena.h"

typedef enum {
  DT_NONE, /* not known yet, or erroneous */
  DT_F32,
  DT_U8,
  DT_S8,
  DT_S32,
  DT_S64,  /* shapes and indices in imported constants */
  DT_BOOL, /* one byte, 0 or 1 */
  DT_F16,  /* IEEE half: constants only, as uint16_t; widened where they are read (ir/half.h) */
  DT_COUNT
} DType;

typedef struct {
  const char *name; /* in the text IR: f32 u8 s8 s32 s64 bool f16 */
  const char *c_name;
  int bytes;
  int64_t min, max; /* of the integer types */
} DTypeInfo;
extern const DTypeInfo dtype_info[DT_COUNT];
DType dtype_from_name(const char *name, size_t len); /* DT_NONE where unknown */

enum { MAX_RANK = 8 };
/* Limits that keep every index in a signed 32-bit int in the emitted code. */
#define MAX_DIM      ((int64_t)1 << 24)
#define MAX_ELEMENTS ((int64_t)1 << 28)

typedef struct {
  int rank; /* 0: a scalar */
  int64_t dim[MAX_RANK];
} Shape;

int64_t shape_count(const Shape *s); /* product of the dims; the dims have been checked */
bool shape_check(const Shape *s);    /* every dim in [0, MAX_DIM], product <= MAX_ELEMENTS */
bool shape_equal(const Shape *a, const Shape *b);
char *shape_text(Arena *a, const Shape *s); /* "[1, 16, 28, 28]" */
Shape shape_of(int rank, ...);              /* int64_t dims */
/* NumPy broadcasting of two shapes; false where they do not fit. */
bool shape_broadcast(const Shape *a, const Shape *b, Shape *out);

typedef struct {
  int axis;            /* -1: per tensor */
  int64_t count;       /* 1, or the shape's dim[axis] */
  const float *scale;  /* [count], positive, finite, normal */
  const int32_t *zero; /* [count], within the range of the element type */
} Quant;

typedef struct {
  DType dtype;
  Shape shape;
  const Quant *quant; /* NULL: not quantized */
} Type;

Quant *quant_new(Arena *a, int axis, int64_t count, const float *scale, const int32_t *zero); /* copies */
Quant *quant_per_tensor(Arena *a, float scale, int32_t zero);
bool quant_equal(const Quant *a, const Quant *b); /* both NULL: equal */
bool type_equal(const Type *a, const Type *b);
int64_t type_bytes(const Type *t);
/* "u8<scale=0.0235, zero=0>[1, 16, 28, 28]"; floats print so that they read back equal. */
char *type_text(Arena *a, const Type *t);
/* Shortest decimal text that reads back as the same float: "0.1", "1e-05", "inf", "nan". */
void float_text(char out[32], float v);

#endif

/* Arrays as NumPy writes them: .npy versions 1-3, .npz stored and deflated (libzip). Everything about the
 * file is checked: headers are parsed as literals, sizes are bounded, pickled objects are refused. */
#ifndef QCC_IR_NPY_H
#define QCC_IR_NPY_H

#include "ir/diag.h"
#include "ir/type.h"

typedef struct {
  const char *name; /* without ".npy"; "" for a bare .npy file */
  DType dtype;      /* f32 u8 s8 s32 s64 bool f16; f64 is converted to f32, i16/u16 to s32, u32/u64 refused */
  Shape shape;
  const void *data; /* C order, host byte order, owned by the arena */
} NpyArray;

typedef struct Npz Npz; /* an open archive; arrays are read on demand and kept */

/* Opens .npz, or .npy (then it has one array, named ""). Errors go to `d` at `loc`, naming the file and
 * member. The file is closed by npz_close; arrays that were read stay valid. NULL after an error. */
Npz *npz_open(Diag *d, Arena *a, const char *path, SrcLoc loc);
void npz_close(Npz *z);
int npz_count(const Npz *z);
const char *npz_name(const Npz *z, int i);
/* The array of that name, float16 widened to f32: NULL with no message where absent (*ok stays true), NULL
 * with *ok = false after an error. */
const NpyArray *npz_get(Npz *z, const char *name, bool *ok);
/* The same, but float16 stays f16. */
const NpyArray *npz_get_stored(Npz *z, const char *name, bool *ok);

/* An array read from front to back, so that it need not fit into memory. Streams of one archive may be open
 * side by side, on one thread at a time; those of a bare .npy may not. */
typedef struct NpyStream NpyStream;
/* At the array's first element. NULL as from npz_get. */
NpyStream *npz_stream(Npz *z, const char *name, bool *ok);
/* Its name, element type (float16 comes as f32) and shape; no data. */
const NpyArray *npy_stream_array(const NpyStream *s);
/* Its elements come in C order. Otherwise (Fortran order) it cannot be read as a stream. */
bool npy_stream_in_order(const NpyStream *s);
/* The next `count` elements; with the last one, what the file says behind them is checked as well. False
 * after an error. */
bool npy_stream_read(NpyStream *s, void *out, int64_t count);
void npy_stream_close(NpyStream *s); /* before npz_close; NULL is allowed */

/* Serialises arrays to .npz bytes in memory (stored, fixed time stamps: the same bytes each time). The bytes
 * are the arena's. False where a name cannot be a member's: twice, or longer than 65,531 bytes. */
bool npz_write(Arena *a, const NpyArray *arrays, int n, const void **bytes, size_t *size);
/* One array as .npy bytes, and what comes before the data in them. */
void npy_write_header(StrBuf *out, const NpyArray *array);
void npy_write(StrBuf *out, const NpyArray *array);

#endif

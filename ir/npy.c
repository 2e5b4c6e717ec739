#include "ir/npy.h"
#include "ir/half.h"
#include "ir/npy_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

/* Deflate's densest code is a 258-byte match in 2 bits: nothing expands more than 1032 times. A large array
 * that expands more than 200 times holds next to nothing: a bomb, not data. */
enum { MAX_RATIO = 1032, BOMB_RATIO = 200, BOMB_BYTES = 64 << 20 };
enum { MAX_MEMBERS = 1 << 20, CHUNK_BYTES = 1 << 16 };

typedef struct {
  const char *name;      /* without .npy */
  zip_uint64_t index;    /* in the archive */
  const NpyArray *array; /* once read */
  const NpyArray *wide;  /* float16 as float32, once asked for */
  bool failed;           /* its error has been reported */
} Member;

struct Npz {
  Diag *diag;
  Arena *arena;
  SrcLoc loc;
  const char *path;
  zip_t *zip; /* NULL: a bare .npy */
  int fd;     /* a bare .npy; else -1 */
  int64_t file_size;
  Member *members;
  int n_members;
  StrMap *by_name;
};

/* Where an array's bytes come from. */
typedef struct {
  Npz *npz;
  const char *member; /* NULL: a bare .npy */
  zip_file_t *zf;     /* NULL: npz->fd */
  int64_t size;       /* declared */
} Stream;

static bool npz_error(const Npz *z, const char *member, const char *what) {
  if (member)
    return diag_error(z->diag, z->loc, "%s: array '%s': %s", z->path,
                      arena_strndup(z->arena, member, strnlen(member, 100)), what);
  return diag_error(z->diag, z->loc, "%s: %s", z->path, what);
}

/* Up to n bytes; fewer only at the end of the data. -1 after an error. The end of a member is where libzip
 * checks its CRC. */
static int64_t stream_read(Stream *s, void *buf, int64_t n) {
  int64_t got = 0;
  while (got < n) {
    char *to = (char *)buf + got;
    zip_int64_t r =
        s->zf ? zip_fread(s->zf, to, (zip_uint64_t)(n - got)) : read(s->npz->fd, to, (size_t)(n - got));
    if (r < 0 && !s->zf && errno == EINTR) continue;
    if (r < 0) {
      npz_error(s->npz, s->member, s->zf ? zip_file_strerror(s->zf) : strerror(errno));
      return -1;
    }
    if (r == 0) break;
    got += r;
  }
  return got;
}

/* One element from the file goes to this index of the array in C order. */
typedef struct {
  const Shape *shape;
  int64_t at[MAX_RANK], stride[MAX_RANK], index;
} FortranWalk;

static void fortran_start(FortranWalk *w, const Shape *s) {
  *w = (FortranWalk){.shape = s};
  int64_t stride = 1;
  for (int i = s->rank - 1; i >= 0; i--) {
    w->stride[i] = stride;
    stride *= s->dim[i];
  }
}

static void fortran_step(FortranWalk *w) {
  for (int i = 0; i < w->shape->rank; i++) {
    w->index += w->stride[i];
    if (++w->at[i] < w->shape->dim[i]) return;
    w->index -= w->stride[i] * w->shape->dim[i];
    w->at[i] = 0;
  }
}

static void swap_bytes(uint8_t *p, int64_t n, int size) {
  for (int64_t i = 0; i < n; i++, p += size)
    for (int a = 0, b = size - 1; a < b; a++, b--) {
      uint8_t t = p[a];
      p[a] = p[b];
      p[b] = t;
    }
}

/* The next `count` elements, converted chunk by chunk, so that an array never needs more memory than its
 * result; `walk` scatters those of an array in Fortran order, NULL: they come in C order. `done`: elements
 * before them, for messages. */
static bool read_converted(Stream *s, const NpyHeader *h, int64_t done, int64_t count, FortranWalk *walk,
                           void *out) {
  _Alignas(8) uint8_t raw[CHUNK_BYTES], host[CHUNK_BYTES * 2];
  int size = h->dtype->bytes, out_size = dtype_info[h->dtype->dtype].bytes;
  for (int64_t at = 0; at < count;) {
    int64_t n = CHUNK_BYTES / size, bad = 0;
    if (n > count - at) n = count - at;
    int64_t got = stream_read(s, raw, n * size);
    if (got < 0) return false;
    if (got < n * size) return npz_error(s->npz, s->member, "its data is cut short");
    if (h->swap) swap_bytes(raw, n, size);
    if (!h->dtype->convert) {
      memcpy(host, raw, (size_t)(n * size));
    } else if (!h->dtype->convert(raw, n, host, &bad)) {
      return npz_error(s->npz, s->member,
                       arena_printf(s->npz->arena,
                                    "element %" PRId64 " (in the file's order) does not fit float32",
                                    done + at + bad));
    }
    if (!walk) {
      memcpy((char *)out + at * out_size, host, (size_t)(n * out_size));
    } else {
      for (int64_t i = 0; i < n; i++, fortran_step(walk))
        memcpy((char *)out + walk->index * out_size, host + i * out_size, (size_t)out_size);
    }
    at += n;
  }
  return true;
}

static bool read_plain(Stream *s, int64_t bytes, void *out) {
  int64_t got = stream_read(s, out, bytes);
  if (got < 0) return false;
  return got == bytes || npz_error(s->npz, s->member, "its data is cut short");
}

static bool needs_walk(const NpyHeader *h) { return h->fortran_order && h->shape.rank > 1; }

static bool read_elements(Stream *s, const NpyHeader *h, int64_t done, int64_t count, void *out) {
  FortranWalk walk;
  if (needs_walk(h)) {
    fortran_start(&walk, &h->shape);
    return read_converted(s, h, done, count, &walk, out);
  }
  if (!h->swap && !h->dtype->convert) return read_plain(s, count * h->dtype->bytes, out);
  return read_converted(s, h, done, count, NULL, out);
}

static bool read_end(Stream *s) {
  uint8_t extra;
  int64_t more = stream_read(s, &extra, 1);
  if (more > 0) npz_error(s->npz, s->member, "there are bytes after its data");
  return more == 0;
}

/* Sizes against the limits and against what the file holds, before anything is allocated for them. */
static bool check_sizes(Stream *s, const NpyHeader *h, int64_t header_bytes, int64_t *count) {
  Npz *z = s->npz;
  int64_t n = 1, bytes, memory, total;
  for (int i = 0; i < h->shape.rank; i++)
    if (!size_mul(n, h->shape.dim[i], &n)) return npz_error(z, s->member, "its shape is too large");
  if (!size_mul(n, h->dtype->bytes, &bytes) || !size_add(header_bytes, bytes, &total) ||
      !size_mul(n, dtype_info[h->dtype->dtype].bytes, &memory) || !shape_check(&h->shape))
    return npz_error(z, s->member,
                     arena_printf(z->arena, "its shape %s is too large", shape_text(z->arena, &h->shape)));
  if (total != s->size)
    return npz_error(z, s->member,
                     arena_printf(z->arena,
                                  "its header promises %" PRId64 " bytes of data, the file holds %" PRId64,
                                  bytes, s->size - header_bytes));
  if (bytes > NPY_MAX_BYTES || memory > NPY_MAX_BYTES)
    return npz_error(z, s->member, "it is larger than the limit of 1 GiB");
  *count = n;
  return true;
}

static bool read_header(Stream *s, NpyHeader *h, int64_t *header_bytes) {
  Npz *z = s->npz;
  uint8_t preamble[NPY_PREAMBLE];
  size_t offset = 0, length = 0;
  const char *error;
  int64_t got = stream_read(s, preamble, 10);
  if (got < 0) return false;
  if (got == 10 && preamble[6] > 1) { /* versions 2 and 3: two more bytes of length */
    int64_t more = stream_read(s, preamble + 10, 2);
    if (more < 0) return false;
    got += more;
  }
  if (!npy_parse_preamble(preamble, (size_t)got, &offset, &length, &error))
    return npz_error(z, s->member, error);
  if ((int64_t)(offset + length) > s->size) return npz_error(z, s->member, "it ends within its header");
  Arena *scratch = arena_new();
  char *text = arena_alloc(scratch, length + 1);
  got = stream_read(s, text, (int64_t)length);
  bool ok = got == (int64_t)length;
  if (got >= 0 && !ok) npz_error(z, s->member, "it ends within its header");
  if (ok && !npy_parse_header(scratch, text, length, h, &error)) ok = npz_error(z, s->member, error);
  arena_free(scratch);
  *header_bytes = (int64_t)(offset + length);
  return ok;
}

static bool read_start(Stream *s, NpyHeader *h, int64_t *count) {
  int64_t header_bytes = 0;
  return read_header(s, h, &header_bytes) && check_sizes(s, h, header_bytes, count);
}

static const NpyArray *read_array(Stream *s, const char *name) {
  Npz *z = s->npz;
  NpyHeader h;
  int64_t count = 0;
  if (!read_start(s, &h, &count)) return NULL;
  void *data = arena_alloc(z->arena, (size_t)count * (size_t)dtype_info[h.dtype->dtype].bytes);
  if (!read_elements(s, &h, 0, count, data) || !read_end(s)) return NULL;
  NpyArray *array = ARENA_NEW(z->arena, NpyArray);
  *array = (NpyArray){name, h.dtype->dtype, h.shape, data};
  return array;
}

/* What the archive says of a member, checked before it is opened. */
static bool check_member(const Npz *z, const char *member, const zip_stat_t *st) {
  const zip_uint64_t need =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((st->valid & need) != need) return npz_error(z, member, "the archive does not state its size");
  if (st->encryption_method != ZIP_EM_NONE) return npz_error(z, member, "it is encrypted");
  if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
    return npz_error(z, member,
                     arena_printf(z->arena,
                                  "compression method %d is not supported (only stored and deflated)",
                                  st->comp_method));
  int64_t most = z->file_size; /* comp_size <= file_size was checked at opening */
  if (st->comp_method == ZIP_CM_DEFLATE && !size_mul((int64_t)st->comp_size, MAX_RATIO, &most))
    most = INT64_MAX;
  if (st->size > (zip_uint64_t)most)
    return npz_error(z, member, "its declared size cannot come from so few compressed bytes");
  if (st->size > BOMB_BYTES && st->size / BOMB_RATIO > st->comp_size)
    return npz_error(z, member,
                     "more than 64 MiB from less than a 200th of that: refused as a decompression bomb");
  if (st->size > (zip_uint64_t)NPY_MAX_BYTES + NPY_MAX_HEADER + NPY_PREAMBLE)
    return npz_error(z, member, "it is larger than the limit of 1 GiB");
  return true;
}

static bool open_member(Npz *z, const Member *m, Stream *s) {
  if (!z->zip) {
    *s = (Stream){.npz = z, .size = z->file_size};
    return lseek(z->fd, 0, SEEK_SET) == 0 || npz_error(z, NULL, strerror(errno));
  }
  zip_stat_t st;
  if (zip_stat_index(z->zip, m->index, 0, &st)) return npz_error(z, m->name, zip_strerror(z->zip));
  if (!check_member(z, m->name, &st)) return false;
  zip_file_t *zf = zip_fopen_index(z->zip, m->index, 0);
  if (!zf) return npz_error(z, m->name, zip_strerror(z->zip));
  *s = (Stream){.npz = z, .member = m->name, .zf = zf, .size = (int64_t)st.size};
  return true;
}

static void close_member(Stream *s) {
  if (s->zf) zip_fclose(s->zf);
  s->zf = NULL;
}

static const NpyArray *read_member(Npz *z, const Member *m) {
  Stream s;
  if (!open_member(z, m, &s)) return NULL;
  const NpyArray *array = read_array(&s, m->name);
  close_member(&s);
  return array;
}

static bool add_member(Npz *z, const char *name, zip_uint64_t index) {
  Member *m = &z->members[z->n_members++];
  *m = (Member){.name = name, .index = index};
  if (strmap_get(z->by_name, name))
    return npz_error(z, name, "the archive holds it twice"); /* older libzip */
  strmap_put(z->by_name, name, m);
  return true;
}

/* Names are taken as raw bytes; libzip turns a NUL in one into a space, so none can be cut short by it. */
static bool list_members(Npz *z) {
  zip_int64_t n = zip_get_num_entries(z->zip, 0);
  if (n > MAX_MEMBERS) return npz_error(z, NULL, "the archive has too many members");
  z->members = ARENA_NEW_ARRAY(z->arena, Member, (size_t)n + 1);
  int64_t total = 0;
  for (zip_int64_t i = 0; i < n; i++) {
    zip_stat_t st;
    const char *full = zip_get_name(z->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
    if (!full || zip_stat_index(z->zip, (zip_uint64_t)i, 0, &st))
      return npz_error(z, NULL, zip_strerror(z->zip));
    /* Members that overlap, as in a bomb that reads one stream many times, add up to more than the file. */
    if (!(st.valid & ZIP_STAT_COMP_SIZE) || st.comp_size > (zip_uint64_t)z->file_size ||
        !size_add(total, (int64_t)st.comp_size, &total) || total > z->file_size)
      return npz_error(z, NULL, "the archive's members overlap or reach past its end");
    size_t len = strlen(full);
    if (len < 4 || memcmp(full + len - 4, ".npy", 4)) continue; /* a README, a folder */
    if (!add_member(z, arena_strndup(z->arena, full, len - 4), (zip_uint64_t)i)) return false;
  }
  return z->n_members > 0 || npz_error(z, NULL, "the archive holds no arrays");
}

static bool open_archive(Npz *z, int fd) {
  int code = 0;
  z->zip = zip_fdopen(fd, ZIP_CHECKCONS, &code);
  if (z->zip) return list_members(z); /* the archive owns fd now */
  close(fd);
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const char *why = code == ZIP_ER_EXISTS ? "it holds a member twice" : zip_error_strerror(&error);
  npz_error(z, NULL, arena_printf(z->arena, "neither an .npy array nor a sound .npz archive (%s)", why));
  zip_error_fini(&error);
  return false;
}

static bool open_file(Npz *z) {
  int fd = open(z->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO without a writer must not hang us */
  if (fd < 0) return npz_error(z, NULL, strerror(errno));
  struct stat st;
  char magic[6] = {0};
  const char *error = NULL;
  if (fstat(fd, &st)) {
    error = strerror(errno);
  } else if (S_ISDIR(st.st_mode)) {
    error = "is a directory";
  } else if (!S_ISREG(st.st_mode)) {
    error = "is not a regular file";
  } else if (st.st_size == 0) {
    error = "is empty";
  } else if (pread(fd, magic, sizeof magic, 0) < 0) {
    error = strerror(errno);
  }
  if (error) {
    close(fd);
    return npz_error(z, NULL, error);
  }
  diag_add_file(z->diag, z->path);
  z->file_size = st.st_size;
  if (memcmp(magic, "\x93NUMPY", 6)) return open_archive(z, fd);
  z->fd = fd;
  z->members = ARENA_NEW(z->arena, Member);
  return add_member(z, "", 0);
}

Npz *npz_open(Diag *d, Arena *a, const char *path, SrcLoc loc) {
  Npz *z = ARENA_NEW(a, Npz);
  *z = (Npz){
      .diag = d, .arena = a, .loc = loc, .path = arena_strdup(a, path), .fd = -1, .by_name = strmap_new(a)};
  if (open_file(z)) return z;
  npz_close(z);
  return NULL;
}

void npz_close(Npz *z) {
  if (!z) return;
  if (z->zip) zip_discard(z->zip);
  if (z->fd >= 0) close(z->fd);
  z->zip = NULL;
  z->fd = -1;
}

int npz_count(const Npz *z) { return z->n_members; }
const char *npz_name(const Npz *z, int i) { return z->members[i].name; }

static Member *read_once(Npz *z, const char *name, bool *ok) {
  Member *m = strmap_get(z->by_name, name);
  *ok = true;
  if (!m) return NULL;
  if (!m->array && !m->failed) {
    m->array = read_member(z, m);
    m->failed = !m->array;
  }
  *ok = !m->failed;
  return m;
}

const NpyArray *npz_get_stored(Npz *z, const char *name, bool *ok) {
  const Member *m = read_once(z, name, ok);
  return m ? m->array : NULL;
}

const NpyArray *npz_get(Npz *z, const char *name, bool *ok) {
  Member *m = read_once(z, name, ok);
  if (!m || !m->array || m->array->dtype != DT_F16) return m ? m->array : NULL;
  if (!m->wide) {
    int64_t n = shape_count(&m->array->shape);
    float *data = ARENA_NEW_ARRAY(z->arena, float, (size_t)n);
    half_widen(m->array->data, n, data);
    NpyArray *wide = ARENA_NEW(z->arena, NpyArray);
    *wide = (NpyArray){m->array->name, DT_F32, m->array->shape, data};
    m->wide = wide;
  }
  return m->wide;
}

/* ---- streams ---- */

struct NpyStream {
  Stream stream;
  NpyHeader header;
  NpyArray array;
  int64_t count, done; /* elements */
};

NpyStream *npz_stream(Npz *z, const char *name, bool *ok) {
  const Member *m = strmap_get(z->by_name, name);
  *ok = true;
  if (!m) return NULL;
  NpyStream *s = ARENA_NEW(z->arena, NpyStream);
  *ok = open_member(z, m, &s->stream);
  if (!*ok) return NULL;
  *ok = read_start(&s->stream, &s->header, &s->count);
  if (!*ok) {
    close_member(&s->stream);
    return NULL;
  }
  DType dtype = s->header.dtype->dtype;
  s->array = (NpyArray){m->name, dtype == DT_F16 ? DT_F32 : dtype, s->header.shape, NULL};
  return s;
}

const NpyArray *npy_stream_array(const NpyStream *s) { return &s->array; }
bool npy_stream_in_order(const NpyStream *s) { return !needs_walk(&s->header); }

static bool read_widened(NpyStream *s, int64_t count, float *out) {
  uint16_t half[1024];
  for (int64_t at = 0, n; at < count; at += n) {
    n = count - at < 1024 ? count - at : 1024;
    if (!read_elements(&s->stream, &s->header, s->done + at, n, half)) return false;
    half_widen(half, n, out + at);
  }
  return true;
}

bool npy_stream_read(NpyStream *s, void *out, int64_t count) {
  if (count > s->count - s->done) BUG("reading past the end of '%s'", s->array.name);
  bool ok = s->header.dtype->dtype == DT_F16 ? read_widened(s, count, out)
                                             : read_elements(&s->stream, &s->header, s->done, count, out);
  s->done += count;
  return ok && (s->done < s->count || read_end(&s->stream));
}

void npy_stream_close(NpyStream *s) {
  if (s) close_member(&s->stream);
}

#include "ir/npz_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One member of the archive: a local header, the .npy header, the data. */
typedef struct {
  const char *name;     /* with ".npy" */
  int64_t offset, size; /* where the local header begins; how long header and data of the .npy are */
  int64_t written;      /* of `size` */
  uint32_t crc;         /* of what is written */
} Member;

struct NpzWriter {
  Diag *diag;
  Arena *arena;
  const char *shown, *path; /* as given; with symbolic links resolved */
  char *temp;
  int fd;
  Member *members;
  int n;
  uint32_t crc_table[256];
};

enum { MAX_NAME = 65535 - 4, LOCAL_HEADER = 30, ZIP64_EXTRA = 20 };
static const uint32_t none32 = 0xFFFFFFFF; /* "see the ZIP64 field" */

static bool stream_error(NpzWriter *s, const char *what) {
  return diag_error(s->diag, (SrcLoc){0}, "cannot write %s: %s", s->shown, what);
}

/* --- zip's checksum --- */

static void make_crc_table(uint32_t table[256]) {
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = i;
    for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0);
  }
}

static uint32_t crc_of(const uint32_t table[256], uint32_t crc, const void *data, size_t n) {
  const unsigned char *p = data;
  for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
  return crc;
}

/* --- its records --- */

static void put_int(StrBuf *b, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) strbuf_put(b, &(unsigned char){v >> 8 * i & 255}, 1);
}

static bool is_long(const Member *m) { return m->size >= none32; }

static int64_t header_bytes(const Member *m) {
  return LOCAL_HEADER + (int64_t)strlen(m->name) + (is_long(m) ? ZIP64_EXTRA : 0);
}

/* From "version needed" to the length of the name: what local and central headers have in common. Names are
 * UTF-8 where they are not ASCII; the time is 1 January 1980, so that files are the same each time. */
static void put_common(StrBuf *b, const Member *m, bool zip64) {
  bool ascii = true;
  for (const char *p = m->name; *p; p++) ascii &= !(*p & 128);
  put_int(b, zip64 ? 45 : 20, 2);
  put_int(b, ascii ? 0 : 1 << 11, 2);
  put_int(b, 0, 2); /* stored */
  put_int(b, 0, 2);
  put_int(b, 1 << 5 | 1, 2);
  put_int(b, ~m->crc & none32, 4);
  put_int(b, is_long(m) ? none32 : (uint64_t)m->size, 4);
  put_int(b, is_long(m) ? none32 : (uint64_t)m->size, 4);
  put_int(b, strlen(m->name), 2);
}

static void put_local(StrBuf *b, const Member *m) {
  put_int(b, 0x04034b50, 4);
  put_common(b, m, is_long(m));
  put_int(b, is_long(m) ? ZIP64_EXTRA : 0, 2);
  strbuf_puts(b, m->name);
  if (!is_long(m)) return;
  put_int(b, 1, 2);
  put_int(b, ZIP64_EXTRA - 4, 2);
  put_int(b, (uint64_t)m->size, 8);
  put_int(b, (uint64_t)m->size, 8);
}

static void put_central(StrBuf *b, const Member *m) {
  bool far = m->offset >= none32;
  int fields = 8 * (2 * is_long(m) + far);
  put_int(b, 0x02014b50, 4);
  put_int(b, 3 << 8 | 45, 2); /* made on Unix */
  put_common(b, m, is_long(m) || far);
  put_int(b, fields ? (uint64_t)fields + 4 : 0, 2);
  put_int(b, 0, 2 + 2 + 2);               /* no comment, first disk, binary */
  put_int(b, (uint64_t)0100644 << 16, 4); /* a file's mode */
  put_int(b, far ? none32 : (uint64_t)m->offset, 4);
  strbuf_puts(b, m->name);
  if (!fields) return;
  put_int(b, 1, 2);
  put_int(b, (uint64_t)fields, 2);
  if (is_long(m)) put_int(b, (uint64_t)m->size, 8);
  if (is_long(m)) put_int(b, (uint64_t)m->size, 8);
  if (far) put_int(b, (uint64_t)m->offset, 8);
}

/* The list of members begins at `at`. */
static void put_end(StrBuf *b, int64_t at, int64_t bytes, int n) {
  bool zip64 = at + bytes >= none32 || n >= 0xFFFF;
  if (zip64) {
    put_int(b, 0x06064b50, 4);
    put_int(b, 44, 8);
    put_int(b, 45, 2);
    put_int(b, 45, 2);
    put_int(b, 0, 4 + 4);
    put_int(b, (uint64_t)n, 8);
    put_int(b, (uint64_t)n, 8);
    put_int(b, (uint64_t)bytes, 8);
    put_int(b, (uint64_t)at, 8);
    put_int(b, 0x07064b50, 4); /* and where that record stands */
    put_int(b, 0, 4);
    put_int(b, (uint64_t)(at + bytes), 8);
    put_int(b, 1, 4);
  }
  put_int(b, 0x06054b50, 4);
  put_int(b, 0, 2 + 2);
  put_int(b, zip64 ? 0xFFFF : (uint64_t)n, 2);
  put_int(b, zip64 ? 0xFFFF : (uint64_t)n, 2);
  put_int(b, zip64 ? none32 : (uint64_t)bytes, 4);
  put_int(b, zip64 ? none32 : (uint64_t)at, 4);
  put_int(b, 0, 2);
}

/* --- the file --- */

static bool write_at(NpzWriter *s, const void *data, size_t n, int64_t at) {
  const char *p = data;
  while (n) {
    ssize_t done = pwrite(s->fd, p, n < 1 << 30 ? n : 1 << 30, at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return stream_error(s, strerror(errno));
    p += done;
    n -= (size_t)done;
    at += done;
  }
  return true;
}

static bool append(NpzWriter *s, Member *m, const void *data, size_t n) {
  if ((int64_t)n > m->size - m->written) BUG("more data than the array of '%s' has", m->name);
  if (!write_at(s, data, n, m->offset + header_bytes(m) + m->written)) return false;
  m->crc = crc_of(s->crc_table, m->crc, data, n);
  m->written += (int64_t)n;
  return true;
}

static bool begin_member(NpzWriter *s, Member *m, const NpyArray *array, int64_t *end) {
  StrBuf head;
  Type type = {array->dtype, array->shape, NULL};
  if (strlen(array->name) > MAX_NAME)
    return stream_error(s, "the name of a tensor is too long for an .npz member");
  strbuf_init(&head, s->arena);
  npy_write_header(&head, array);
  *m = (Member){.name = arena_printf(s->arena, "%s.npy", array->name), .offset = *end, .crc = none32};
  m->size = (int64_t)head.len + type_bytes(&type);
  *end += header_bytes(m) + m->size;
  return append(s, m, head.text, head.len);
}

static bool open_temp(NpzWriter *s) {
  struct stat st;
  char *target = realpath(s->shown, NULL);
  s->path = target ? arena_strdup(s->arena, target) : s->shown;
  free(target);
  if (!stat(s->path, &st) && !S_ISREG(st.st_mode)) return stream_error(s, "it is not a regular file");
  s->temp = arena_printf(s->arena, "%s.XXXXXX", s->path);
  s->fd = mkostemp(s->temp, O_CLOEXEC);
  return s->fd >= 0 || stream_error(s, strerror(errno));
}

static void drop(NpzWriter *s) {
  close(s->fd);
  unlink(s->temp);
}

NpzWriter *npz_writer_open(Diag *d, Arena *a, const char *path, const NpyArray *arrays, int n) {
  NpzWriter *s = ARENA_NEW(a, NpzWriter);
  *s = (NpzWriter){.diag = d, .arena = a, .shown = path, .n = n};
  s->members = ARENA_NEW_ARRAY(a, Member, (size_t)n);
  make_crc_table(s->crc_table);
  if (!open_temp(s)) return NULL;
  int64_t end = 0;
  for (int i = 0; i < n; i++)
    if (!begin_member(s, &s->members[i], &arrays[i], &end)) {
      drop(s);
      return NULL;
    }
  return s;
}

bool npz_writer_put(NpzWriter *s, int array, const void *data, size_t bytes) {
  return append(s, &s->members[array], data, bytes);
}

/* Now that the checksums are known. */
static bool write_headers(NpzWriter *s) {
  StrBuf b;
  int64_t end = 0;
  for (int i = 0; i < s->n; i++) {
    const Member *m = &s->members[i];
    if (m->written != m->size) BUG("the array of '%s' is not complete", m->name);
    strbuf_init(&b, s->arena);
    put_local(&b, m);
    if (!write_at(s, b.text, b.len, m->offset)) return false;
    end = m->offset + header_bytes(m) + m->size;
  }
  strbuf_init(&b, s->arena);
  for (int i = 0; i < s->n; i++) put_central(&b, &s->members[i]);
  put_end(&b, end, (int64_t)b.len, s->n);
  return write_at(s, b.text, b.len, end);
}

/* A new file gets what the umask leaves of rw-rw-rw-; one that is replaced keeps its mode. */
static mode_t mode_for(const char *path) {
  struct stat st;
  if (!stat(path, &st)) return st.st_mode & 0777;
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

bool npz_writer_close(NpzWriter *s, bool keep) {
  if (!keep || !write_headers(s)) {
    drop(s);
    return !keep;
  }
  bool ok = !fchmod(s->fd, mode_for(s->path)) && !fsync(s->fd);
  int error = errno;
  if (close(s->fd) && ok) {
    ok = false;
    error = errno;
  }
  if (ok && rename(s->temp, s->path)) {
    ok = false;
    error = errno;
  }
  if (ok) return true;
  unlink(s->temp);
  return stream_error(s, strerror(error));
}

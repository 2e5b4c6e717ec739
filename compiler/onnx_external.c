#include "compiler/onnx_import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif
#endif

typedef struct {
  const char *location;
  int64_t offset, length; /* length -1: not given */
} External;

static const char *model_directory(Arena *a, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ".";
  return slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path));
}

/* Decimal digits only, and no wrap: what strtoll would let pass (signs, blanks, 0x) is refused. */
static bool parse_size(const char *text, int64_t *v) {
  *v = 0;
  if (!*text) return false;
  for (const char *p = text; *p; p++)
    if (*p < '0' || *p > '9' || !size_mul(*v, 10, v) || !size_add(*v, *p - '0', v)) return false;
  return true;
}

static bool parse_entries(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, External *e) {
  bool have_offset = false, have_checksum = false;
  *e = (External){.length = -1};
  for (size_t i = 0; i < t->n_external_data; i++) {
    const char *key = onnx_str(t->external_data[i]->key), *value = onnx_str(t->external_data[i]->value);
    bool *seen = !strcmp(key, "offset") ? &have_offset : !strcmp(key, "checksum") ? &have_checksum : NULL;
    if ((seen && *seen) || (!strcmp(key, "location") && e->location) ||
        (!strcmp(key, "length") && e->length >= 0))
      return diag_error(im->diag, loc, "external data: '%s' is given twice", key);
    if (seen) *seen = true;
    if (!strcmp(key, "location")) {
      e->location = value;
    } else if (!strcmp(key, "offset") || !strcmp(key, "length")) {
      if (!parse_size(value, key[0] == 'o' ? &e->offset : &e->length))
        return diag_error(im->diag, loc, "external data: the %s '%s' is not a size", key,
                          onnx_shown(im->arena, value));
    } else if (strcmp(key, "checksum")) {
      return diag_error(im->diag, loc, "external data: the key '%s' is not known",
                        onnx_shown(im->arena, key));
    }
  }
  if (!e->location || !*e->location) return diag_error(im->diag, loc, "external data: there is no location");
  return true;
}

/* Refused before anything is opened, so that the answer does not depend on what lies on this disk. */
static bool check_location(OnnxImporter *im, SrcLoc loc, const char *location) {
  bool dots = false;
  for (const char *p = location; p; p = strchr(p, '/')) {
    if (*p == '/') p++;
    dots |= p[0] == '.' && p[1] == '.' && (p[2] == '/' || !p[2]);
  }
  if (location[0] == '/' || dots || strchr(location, '\\'))
    return diag_error(im->diag, loc, "external data: the path '%s' must be below the model's folder",
                      onnx_shown(im->arena, location));
  return true;
}

/* Component by component, following no symbolic link: for kernels without openat2. */
static int open_by_steps(Arena *a, int dir, const char *location) {
  int at = dup(dir);
  char *copy = arena_strdup(a, location), *rest = copy;
  while (at >= 0) {
    char *slash = strchr(rest, '/');
    if (slash) *slash = 0;
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (slash ? O_DIRECTORY : 0);
    int next = openat(at, *rest ? rest : ".", flags);
    int error = errno;
    close(at);
    errno = error;
    at = next;
    if (!slash) break;
    rest = slash + 1;
  }
  return at;
}

static int open_beneath(Arena *a, int dir, const char *location) {
#if defined(SYS_openat2) && defined(RESOLVE_BENEATH)
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, dir, location, &how, sizeof how);
  /* EPERM: sandboxes answer so for system calls that they do not know */
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) return fd;
#endif
  return open_by_steps(a, dir, location);
}

static bool read_at(int fd, char *to, int64_t bytes, int64_t offset) {
  for (int64_t got = 0; got < bytes;) {
    ssize_t n = pread(fd, to + got, (size_t)(bytes - got), offset + got);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO; /* the file shrank while it was read */
    if (n <= 0) return false;
    got += n;
  }
  return true;
}

/* The checks are made on the open file, so that nothing can be swapped between check and use. */
static const void *read_file(OnnxImporter *im, SrcLoc loc, int fd, const External *e, int64_t bytes) {
  const char *shown = onnx_shown(im->arena, e->location);
  struct stat st;
  int64_t end;
  if (fstat(fd, &st)) {
    diag_error(im->diag, loc, "external data: '%s': %s", shown, strerror(errno));
  } else if (!S_ISREG(st.st_mode)) {
    diag_error(im->diag, loc, "external data: '%s' is not a regular file", shown);
  } else if (st.st_nlink != 1) {
    diag_error(im->diag, loc, "external data: '%s' has more than one hard link", shown);
  } else if (e->length >= 0 && e->length != bytes) {
    diag_error(im->diag, loc, "external data: the length is %lld, the tensor has %lld bytes",
               (long long)e->length, (long long)bytes);
  } else if (!size_add(e->offset, bytes, &end) || end > st.st_size) {
    diag_error(im->diag, loc, "external data: '%s' has %lld bytes, too few for %lld at offset %lld", shown,
               (long long)st.st_size, (long long)bytes, (long long)e->offset);
  } else {
    char *data = arena_alloc(im->arena, (size_t)bytes);
    if (read_at(fd, data, bytes, e->offset)) return data;
    diag_error(im->diag, loc, "external data: '%s': %s", shown, strerror(errno));
  }
  return NULL;
}

const void *onnx_read_external(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, int64_t bytes) {
  External e;
  if (!parse_entries(im, loc, t, &e) || !check_location(im, loc, e.location)) return NULL;
  int dir = open(model_directory(im->arena, im->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) {
    diag_error(im->diag, loc, "external data: the model's folder: %s", strerror(errno));
    return NULL;
  }
  int fd = open_beneath(im->arena, dir, e.location);
  int error = errno;
  close(dir);
  if (fd < 0) {
    const char *why = error == ELOOP || error == EXDEV ? "leads through a symbolic link" : strerror(error);
    diag_error(im->diag, loc, "external data: '%s': %s", onnx_shown(im->arena, e.location), why);
    return NULL;
  }
  diag_add_file(im->diag, arena_printf(im->arena, "%s/%s", model_directory(im->arena, im->path), e.location));
  const void *data = read_file(im, loc, fd, &e, bytes);
  close(fd);
  return data;
}

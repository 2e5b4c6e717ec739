#include "ir/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void diag_init(Diag *d, Arena *a, FILE *out) { *d = (Diag){.arena = a, .out = out, .max_errors = 8}; }

/* Control bytes must not reach a terminal: names come from files that may be hostile. */
static void put_escaped(FILE *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '\t') {
      fputc(' ', out);
    } else if (c < 32 || c == 127) {
      fprintf(out, "\\x%02x", c);
    } else {
      fputc(c, out);
    }
  }
}

void source_position(const Source *s, uint32_t offset, int *line, int *col) {
  *line = 1;
  *col = 1;
  for (size_t i = 0; i < offset && i < s->len; i++) {
    ++*col;
    if (s->text[i] == '\n') {
      ++*line;
      *col = 1;
    }
  }
}

enum { MAX_SHOWN_LINE = 160, MAX_MESSAGE = 600 };

static void put_caret(FILE *out, const Source *s, uint32_t begin, uint32_t end) {
  size_t first = begin, last = begin;
  while (first > 0 && s->text[first - 1] != '\n') first--;
  while (last < s->len && s->text[last] != '\n' && s->text[last] != '\r') last++;
  if (begin - first > MAX_SHOWN_LINE / 2) first = begin - MAX_SHOWN_LINE / 2;
  if (last - first > MAX_SHOWN_LINE) last = first + MAX_SHOWN_LINE;
  for (size_t i = first; i < last; i++) /* one column a byte, so that the caret stands right */
    if ((unsigned char)s->text[i] < 32 || s->text[i] == 127) {
      fputc(' ', out);
    } else {
      fputc(s->text[i], out);
    }
  fputc('\n', out);
  for (size_t i = first; i < begin; i++) fputc(' ', out);
  fputc('^', out);
  for (size_t i = begin + 1; i < end && i < last; i++) fputc('~', out);
  fputc('\n', out);
}

static void report(Diag *d, SrcLoc loc, const char *kind, const char *suffix, const char *fmt, va_list ap) {
  char message[MAX_MESSAGE];
  vsnprintf(message, sizeof message, fmt, ap);
  if (!d->out && !d->first_message && !strcmp(kind, "error")) {
    d->first_loc = loc;
    d->first_message = arena_strdup(d->arena, message);
  }
  if (!d->out) return;
  bool text = loc.source && loc.source->text && !loc.path;
  if (loc.source) {
    put_escaped(d->out, loc.source->path, strlen(loc.source->path));
    if (text) {
      int line, col;
      source_position(loc.source, loc.begin, &line, &col);
      fprintf(d->out, ":%d:%d", line, col);
    }
    fputs(": ", d->out);
  } else {
    fputs("qcc: ", d->out);
  }
  if (loc.path) {
    put_escaped(d->out, loc.path, strnlen(loc.path, 200));
    fputs(": ", d->out);
  }
  fprintf(d->out, "%s: ", kind);
  put_escaped(d->out, message, strlen(message));
  fprintf(d->out, "%s\n", suffix);
  if (text) put_caret(d->out, loc.source, loc.begin, loc.end);
}

bool diag_error(Diag *d, SrcLoc loc, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (d->errors < d->max_errors) report(d, loc, "error", "", fmt, ap);
  va_end(ap);
  d->errors++;
  return false;
}

void diag_warning(Diag *d, const char *name, SrcLoc loc, const char *fmt, ...) {
  if (d->disabled && strmap_get(d->disabled, name)) return;
  char suffix[80];
  va_list ap;
  va_start(ap, fmt);
  if (d->warnings_as_errors) {
    snprintf(suffix, sizeof suffix, " [-Werror,-W%s]", name);
    if (d->errors < d->max_errors) report(d, loc, "error", suffix, fmt, ap);
    d->errors++;
  } else {
    snprintf(suffix, sizeof suffix, " [-W%s]", name);
    if (d->warnings < d->max_errors) report(d, loc, "warning", suffix, fmt, ap);
    d->warnings++;
  }
  va_end(ap);
}

void diag_note(Diag *d, SrcLoc loc, const char *fmt, ...) {
  if (d->errors > d->max_errors) return;
  va_list ap;
  va_start(ap, fmt);
  report(d, loc, "note", "", fmt, ap);
  va_end(ap);
}

void diag_add_file(Diag *d, const char *path) {
  for (int i = 0; i < d->n_files; i++)
    if (!strcmp(d->files[i], path)) return;
  const char **files = ARENA_NEW_ARRAY(d->arena, const char *, (size_t)d->n_files + 1);
  if (d->n_files) memcpy(files, d->files, sizeof *files * (size_t)d->n_files);
  files[d->n_files++] = arena_strdup(d->arena, path);
  d->files = files;
}

void bug_at(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "qcc: internal error at %s:%d: ", file, line);
  vfprintf(stderr, fmt, ap);
  fputs("\nqcc: this is a bug in qcc, not in your model; please report it with the model.\n", stderr);
  va_end(ap);
  exit(70);
}

Source *source_from_text(Arena *a, const char *path, const char *text, size_t len) {
  Source *s = ARENA_NEW(a, Source);
  *s = (Source){.path = arena_strdup(a, path), .text = arena_strndup(a, text, len), .len = len};
  return s;
}

static bool read_all(int fd, char *buf, size_t size) {
  size_t got = 0;
  while (got < size) {
    ssize_t n = read(fd, buf + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      errno = EIO; /* the file shrank while it was read */
      return false;
    }
    got += (size_t)n;
  }
  return true;
}

Source *source_read(Diag *d, Arena *a, const char *path, int64_t limit) {
  SrcLoc at = {.source = &(Source){.path = path}};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO without a writer must not hang us */
  if (fd < 0) {
    diag_error(d, at, "%s", strerror(errno));
    return NULL;
  }
  diag_add_file(d, path);
  struct stat st;
  Source *s = NULL;
  if (fstat(fd, &st)) {
    diag_error(d, at, "%s", strerror(errno));
  } else if (S_ISDIR(st.st_mode)) {
    diag_error(d, at, "is a directory");
  } else if (!S_ISREG(st.st_mode)) {
    diag_error(d, at, "is not a regular file");
  } else if (st.st_size > limit) {
    diag_error(d, at, "is larger than the limit of %lld MiB", (long long)(limit >> 20));
  } else {
    char *text = arena_alloc_raw(a, (size_t)st.st_size + 1);
    text[st.st_size] = 0;
    if (read_all(fd, text, (size_t)st.st_size)) {
      s = ARENA_NEW(a, Source);
      *s = (Source){.path = arena_strdup(a, path), .text = text, .len = (size_t)st.st_size};
    } else {
      diag_error(d, at, "%s", strerror(errno));
    }
  }
  close(fd);
  return s;
}

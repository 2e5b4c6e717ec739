#include "compiler/model.h"
#include "compiler/names.h"
#include "compiler/onnx.h"
#include "ir/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT ((int64_t)256 << 20)

static Source *read_stdin(Diag *d, Arena *a) {
  StrBuf text;
  char chunk[1 << 16];
  SrcLoc at = {.source = &(Source){.path = "<stdin>"}};
  strbuf_init(&text, a);
  for (;;) {
    ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      diag_error(d, at, "%s", strerror(errno));
      return NULL;
    }
    if (n == 0) break;
    strbuf_put(&text, chunk, (size_t)n);
    if ((int64_t)text.len > MAX_TEXT) {
      diag_error(d, at, "is larger than the limit of %lld MiB", (long long)(MAX_TEXT >> 20));
      return NULL;
    }
  }
  return source_from_text(a, "<stdin>", text.text, text.len);
}

/* Text IR starts with the word `model`, after blanks and comments; no ONNX file does. Whatever cannot be read
 * is left to the ONNX reader, which says why. */
static bool looks_like_text(const char *path) {
  char text[4096 + 1];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  if (fd < 0) return false;
  ssize_t n = !fstat(fd, &st) && S_ISREG(st.st_mode) ? pread(fd, text, sizeof text - 1, 0) : 0;
  close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *p = text;
  for (;;) {
    p += strspn(p, " \t\r\n");
    if (strncmp(p, "//", 2)) break;
    p += strcspn(p, "\n");
  }
  return !strncmp(p, "model", 5);
}

static Graph *read_text(Diag *d, Arena *a, const Options *o, const Source *s) {
  if (o->shapes.n) {
    diag_error(d, (SrcLoc){.source = &(Source){.path = s->path}},
               "-shape is for ONNX models; text IR states its shapes");
    return NULL;
  }
  return ir_parse(d, a, s, NULL);
}

Graph *model_read(Diag *d, Arena *a, const Options *o) {
  if (!strcmp(o->model, "-")) {
    const Source *s = read_stdin(d, a);
    return s ? read_text(d, a, o, s) : NULL;
  }
  if (path_has_suffix(o->model, ".ir") ||
      (!path_has_suffix(o->model, ".onnx") && looks_like_text(o->model))) {
    const Source *s = source_read(d, a, o->model, MAX_TEXT);
    return s ? read_text(d, a, o, s) : NULL;
  }
  const OnnxOptions onnx = {o->shapes.items, o->shapes.n};
  return onnx_import(d, a, o->model, &onnx);
}

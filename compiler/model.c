#include "compiler/model.h"
#include "compiler/names.h"
#include "compiler/onnx.h"
#include "ir/ops/custom.h"
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

enum { HEAD = 4096 };

/* The first bytes of a regular file, and a 0 behind them; none of what cannot be read, which is left to the
 * readers: they say why. */
static void read_head(const char *path, char head[HEAD + 1]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  memset(head, 0, HEAD + 1);
  if (fd < 0) return;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode) || pread(fd, head, HEAD, 0) < 0) *head = 0;
  close(fd);
}

/* Other files that are taken for models. */
static const struct {
  int at;
  const char *magic, *what;
} others[] = {
    {0, "PK\3\4", "a zip archive (.npz, .pt, .keras)"},
    {0, "\x93NUMPY", "a NumPy array"},
    {0, "\x89HDF", "an HDF5 file (Keras)"},
    {4, "TFL3", "a TensorFlow Lite model"},
    {4, "ORTM", "a model in ONNX Runtime's own format"},
};

static const char *what_other(const char *head) {
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (!strncmp(head + others[i].at, others[i].magic, strlen(others[i].magic))) return others[i].what;
  return NULL;
}

/* Text IR starts with the word `model`, after blanks and comments; no ONNX file does. */
static bool looks_like_text(const char *head) {
  const char *p = !strncmp(head, "\xef\xbb\xbf", 3) ? head + 3 : head;
  for (;;) {
    p += strspn(p, " \t\r\n");
    if (strncmp(p, "//", 2)) break;
    p += strcspn(p, "\n");
  }
  return !strncmp(p, "model", 5);
}

static Graph *read_text(Diag *d, Arena *a, const Options *o, const CustomOps *customs, const Source *s) {
  if (o->shapes.n) {
    diag_error(d, (SrcLoc){.source = &(Source){.path = s->path}},
               "-shape is for ONNX models; text IR states its shapes");
    return NULL;
  }
  return ir_parse_custom(d, a, s, NULL, customs);
}

Graph *model_read(Diag *d, Arena *a, const Options *o, const CustomOps *customs) {
  if (!strcmp(o->model, "-")) {
    const Source *s = read_stdin(d, a);
    return s ? read_text(d, a, o, customs, s) : NULL;
  }
  char head[HEAD + 1];
  read_head(o->model, head);
  bool named_onnx = path_has_suffix(o->model, ".onnx");
  if (path_has_suffix(o->model, ".ir") || (!named_onnx && looks_like_text(head))) {
    const Source *s = source_read(d, a, o->model, MAX_TEXT);
    return s ? read_text(d, a, o, customs, s) : NULL;
  }
  const char *other = named_onnx ? NULL : what_other(head);
  if (other) {
    diag_error(d, (SrcLoc){.source = &(Source){.path = o->model}},
               "is %s; qcc takes models as ONNX or as text IR", other);
    return NULL;
  }
  const OnnxOptions onnx = {o->shapes.items, o->shapes.n, customs};
  return onnx_import(d, a, o->model, &onnx);
}

#include "compiler/output.h"
#include "compiler/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool output_error(Diag *d, const char *path, const char *what) {
  return diag_error(d, (SrcLoc){0}, "cannot write %s: %s", strcmp(path, "-") ? path : "standard output",
                    what);
}

/* One file on its way. */
typedef struct {
  const OutputFile *file;
  const char *path; /* symbolic links resolved: the link stays, its target is replaced */
  char *temp;       /* complete and synced, or NULL: written directly */
  char *backup;     /* another name for what stood there, until all files are in place; or NULL */
  bool renamed;
} Pending;

static bool is_stdout(const char *path) { return !strcmp(path, "-"); }

bool output_is_stream(const char *path) {
  struct stat st;
  /* /dev/stdout may lead to a regular file, but to one that is open already */
  return is_stdout(path) || !strncmp(path, "/dev/", 5) ||
         (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static bool is_input(const Diag *d, const struct stat *st) {
  struct stat in;
  for (int i = 0; i < d->n_files; i++)
    if (!stat(d->files[i], &in) && in.st_dev == st->st_dev && in.st_ino == st->st_ino) return true;
  return false;
}

bool output_check(Diag *d, const char *path) {
  struct stat st;
  if (is_stdout(path)) return true;
  if (!stat(path, &st)) {
    if (S_ISDIR(st.st_mode)) return output_error(d, path, "it is a directory");
    if (S_ISREG(st.st_mode) && is_input(d, &st)) return output_error(d, path, "it is an input of this run");
    if (!S_ISREG(st.st_mode)) return true;
  } else if (errno != ENOENT) {
    return output_error(d, path, strerror(errno));
  }
  size_t len = strlen(path);
  if (path[len - 1] == '/') return output_error(d, path, "it names a directory");
  const char *folder = path_folder(d->arena, path);
  if (stat(folder, &st)) return output_error(d, path, strerror(errno));
  if (access(folder, W_OK | X_OK)) return output_error(d, path, strerror(errno));
  return true;
}

static bool write_all(int fd, const char *data, size_t size) {
  while (size) {
    ssize_t n = write(fd, data, size < 1 << 30 ? size : 1 << 30);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    size -= (size_t)n;
  }
  return true;
}

static bool write_stream(Diag *d, const OutputFile *f) {
  int fd = is_stdout(f->path) ? STDOUT_FILENO : open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return output_error(d, f->path, strerror(errno));
  bool ok = write_all(fd, f->data, f->size);
  if (!ok) output_error(d, f->path, strerror(errno));
  if (fd != STDOUT_FILENO && close(fd) && ok) ok = output_error(d, f->path, strerror(errno));
  return ok;
}

/* A new file gets what the umask leaves of rw-rw-rw-; one that is replaced keeps its mode. */
static mode_t mode_for(const char *path) {
  struct stat st;
  if (!stat(path, &st)) return st.st_mode & 0777;
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

static bool write_temp(Diag *d, Pending *p) {
  const char *shown = p->file->path;
  char *temp = arena_printf(d->arena, "%s/.qcc-XXXXXX", path_folder(d->arena, p->path));
  int fd = mkostemp(temp, O_CLOEXEC);
  if (fd < 0) return output_error(d, shown, strerror(errno));
  p->temp = temp;
  bool ok = write_all(fd, p->file->data, p->file->size) && !fchmod(fd, mode_for(p->path)) && !fsync(fd);
  int error = errno;
  if (close(fd) && ok) {
    ok = false;
    error = errno;
  }
  return ok || output_error(d, shown, strerror(error));
}

static bool prepare(Diag *d, Pending *p) {
  const char *path = p->file->path;
  p->path = path;
  if (output_is_stream(path)) return true;
  if (!output_check(d, path)) return false;
  struct stat st;
  if (!lstat(path, &st) && S_ISLNK(st.st_mode)) {
    char *target = realpath(path, NULL);
    if (!target) return output_error(d, path, strerror(errno));
    p->path = arena_strdup(d->arena, target);
    free(target);
  }
  return write_temp(d, p);
}

/* Puts one file in place. What stood there keeps a second name, so that a later failure can bring it back. */
static bool commit(Diag *d, Pending *p, bool keep_old) {
  if (!p->temp) return write_stream(d, p->file);
  if (keep_old) {
    char *backup = arena_printf(d->arena, "%s~", p->temp);
    if (!link(p->path, backup)) {
      p->backup = backup;
    } else if (errno != ENOENT) {
      return output_error(d, p->file->path, strerror(errno));
    }
  }
  if (rename(p->temp, p->path)) return output_error(d, p->file->path, strerror(errno));
  p->renamed = true;
  return true;
}

static void roll_back(Pending *p) {
  if (p->renamed && p->backup) {
    rename(p->backup, p->path);
    p->backup = NULL;
  } else if (p->renamed) {
    unlink(p->path);
  } else if (p->temp) {
    unlink(p->temp);
  }
}

/* The name is on disk only once its folder is. Some file systems cannot sync folders: that is no error. */
static bool sync_folder(Diag *d, const Pending *p) {
  int fd = open(path_folder(d->arena, p->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return true; /* a folder that may be written but not read */
  bool ok = !fsync(fd) || errno == EINVAL || errno == EROFS;
  if (!ok) output_error(d, p->file->path, strerror(errno));
  close(fd);
  return ok;
}

bool output_write(Diag *d, const OutputFile *files, int n) {
  Pending *pending = ARENA_NEW_ARRAY(d->arena, Pending, (size_t)n);
  bool ok = true;
  for (int i = 0; i < n && ok; i++) {
    pending[i].file = &files[i];
    ok = prepare(d, &pending[i]);
  }
  for (int i = 0; i < n && ok; i++) ok = commit(d, &pending[i], n > 1);
  for (int i = 0; i < n && ok; i++) ok = !pending[i].temp || sync_folder(d, &pending[i]);
  for (int i = 0; i < n; i++) {
    if (!ok) roll_back(&pending[i]);
    if (pending[i].backup) unlink(pending[i].backup);
  }
  return ok;
}

#include "compiler/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void words_add(Arena *a, Words *w, const char *word) {
  const char **words = ARENA_NEW_ARRAY(a, const char *, (size_t)w->n + 1);
  if (w->n) memcpy(words, w->words, sizeof *words * (size_t)w->n);
  words[w->n] = word;
  *w = (Words){words, w->n + 1};
}

void words_split(Arena *a, Words *w, const char *text) {
  for (;;) {
    text += strspn(text, " \t");
    size_t n = strcspn(text, " \t");
    if (!n) return;
    words_add(a, w, arena_strndup(a, text, n));
    text += n;
  }
}

int spawn_wait(Arena *a, const Words *w, const char *log) {
  char **argv = ARENA_NEW_ARRAY(a, char *, (size_t)w->n + 1);
  for (int i = 0; i < w->n; i++) argv[i] = arena_strdup(a, w->words[i]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid;
  int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), status;
  posix_spawn_file_actions_destroy(&actions);
  if (error) {
    errno = error;
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void note_log(Diag *d, const char *log, int lines, size_t most) {
  char *text = arena_alloc(d->arena, most + 1);
  FILE *f = fopen(log, "rb");
  size_t n = f ? fread(text, 1, most, f) : 0;
  if (f) fclose(f);
  text[n] = 0;
  char *rest = text;
  for (int i = 0; i < lines; i++) {
    char *line = strsep(&rest, "\n");
    if (line && *line) diag_note(d, (SrcLoc){0}, "%s", line);
  }
}

const char *temp_folder(Arena *a, const char *what, const char **tried) {
  const char *tmp = getenv("TMPDIR");
  char *folder = arena_printf(a, "%s/qcc-%s-XXXXXX", tmp && *tmp ? tmp : "/tmp", what);
  *tried = folder;
  return mkdtemp(folder);
}

const char *temp_file(Arena *a, const char *folder, const char *name) {
  return arena_printf(a, "%s/%s", folder, name);
}

void temp_remove(Arena *a, const char *folder, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++) unlink(temp_file(a, folder, names[i]));
  rmdir(folder);
}

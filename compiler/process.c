#include "compiler/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
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

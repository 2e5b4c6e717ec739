/* Output files: all or nothing, modes and links kept, nothing left behind, every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/output.h"

static Arena *arena;
static Diag diag;
static char folder[64];
static char messages[2000];

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  memset(messages, 0, sizeof messages);
  diag_init(&diag, arena, fmemopen(messages, sizeof messages, "w"));
  setvbuf(diag.out, NULL, _IONBF, 0);
  strcpy(folder, "/tmp/qcc_output_XXXXXX");
  return mkdtemp(folder) ? 0 : 1;
}

static int teardown(void **state) {
  (void)state;
  fclose(diag.out);
  arena_free(arena);
  char command[200];
  snprintf(command, sizeof command, "chmod -R u+w %s && rm -r %s", folder, folder);
  return system(command);
}

static const char *path_of(const char *name) { return arena_printf(arena, "%s/%s", folder, name); }

static OutputFile file(const char *path, const char *text) { return (OutputFile){path, text, strlen(text)}; }

static void expect_text(const char *path, const char *text) {
  char got[100] = {0};
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s is missing", path);
  assert_true(fread(got, 1, sizeof got - 1, f) < sizeof got);
  fclose(f);
  assert_string_equal(got, text);
}

static int count_files(void) {
  DIR *d = opendir(folder);
  int n = 0;
  for (const struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
  closedir(d);
  return n;
}

static void expect_error(bool ok, const char *message) {
  assert_false(ok);
  assert_int_equal(diag.errors, 1);
  if (!strstr(messages, message)) fail_msg("expected '%s' in: %s", message, messages);
}

static void files_are_written_and_replaced(void **state) {
  (void)state;
  const OutputFile first[] = {file(path_of("a.c"), "one"), file(path_of("a.h"), "two")};
  assert_true(output_write(&diag, first, 2));
  expect_text(first[0].path, "one");
  expect_text(first[1].path, "two");
  struct stat st;
  mode_t mask = umask(0);
  umask(mask);
  assert_int_equal(stat(first[0].path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
  assert_int_equal(chmod(first[0].path, 0640), 0);
  const OutputFile second[] = {file(first[0].path, "longer than before"), file(first[1].path, "")};
  assert_true(output_write(&diag, second, 2));
  expect_text(first[0].path, "longer than before");
  expect_text(first[1].path, "");
  assert_int_equal(stat(first[0].path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0640);
  assert_int_equal(count_files(), 2);
}

static void links_stay(void **state) {
  (void)state;
  assert_int_equal(symlink("real", path_of("link")), 0);
  const OutputFile real = file(path_of("real"), "old"), link = file(path_of("link"), "new");
  assert_true(output_write(&diag, &real, 1));
  assert_true(output_write(&diag, &link, 1));
  expect_text(real.path, "new");
  struct stat st;
  assert_int_equal(lstat(link.path, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
}

static void all_or_none(void **state) {
  (void)state;
  const OutputFile old = file(path_of("a.c"), "old");
  assert_true(output_write(&diag, &old, 1));
  /* The second fails when the first is in place already: a device that takes nothing, written last. */
  const OutputFile files[] = {file(old.path, "new"), file(path_of("a.h"), "header"), file("/dev/full", "x")};
  expect_error(output_write(&diag, files, 3), "cannot write /dev/full: No space left on device");
  expect_text(old.path, "old");
  assert_int_equal(count_files(), 1);
}

static void limits_are_errors(void **state) {
  (void)state;
  const struct rlimit limit = {4, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  const OutputFile files[] = {file(path_of("a.c"), "123"), file(path_of("a.h"), "12345")};
  setrlimit(RLIMIT_FSIZE, &limit);
  bool ok = output_write(&diag, files, 2);
  setrlimit(RLIMIT_FSIZE, &none);
  expect_error(ok, "a.h: File too large");
  assert_int_equal(count_files(), 0);
}

static void impossible_paths_are_refused(void **state) {
  (void)state;
  const struct {
    const char *path, *message;
  } cases[] = {
      {folder, "it is a directory"},
      {"/nonexistent/folder/a.c", "No such file or directory"},
      {path_of("none/"), "it names a directory"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    diag.errors = 0;
    expect_error(output_check(&diag, cases[i].path), cases[i].message);
    diag.errors = 0;
    const OutputFile f = file(cases[i].path, "x");
    expect_error(output_write(&diag, &f, 1), cases[i].message);
  }
  if (geteuid() == 0) return; /* root may write anywhere */
  assert_int_equal(chmod(folder, 0500), 0);
  diag.errors = 0;
  expect_error(output_check(&diag, path_of("a.c")), "Permission denied");
}

static void inputs_are_not_overwritten(void **state) {
  (void)state;
  const OutputFile model = file(path_of("model"), "precious");
  assert_true(output_write(&diag, &model, 1));
  diag_add_file(&diag, model.path);
  diag_add_file(&diag, model.path);
  assert_int_equal(diag.n_files, 1);
  assert_int_equal(link(model.path, path_of("same")), 0);
  expect_error(output_check(&diag, path_of("same")), "it is an input of this run");
}

static void streams_are_known(void **state) {
  (void)state;
  assert_true(output_is_stream("-"));
  assert_true(output_is_stream("/dev/null"));
  assert_false(output_is_stream(folder));
  assert_false(output_is_stream(path_of("new")));
  const OutputFile sink = file("/dev/null", "x");
  assert_true(output_write(&diag, &sink, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(files_are_written_and_replaced),
      TEST(links_stay),
      TEST(all_or_none),
      TEST(limits_are_errors),
      TEST(impossible_paths_are_refused),
      TEST(inputs_are_not_overwritten),
      TEST(streams_are_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

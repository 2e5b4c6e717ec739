#include "compiler/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "passes/script.h"

enum { EXIT_INPUT = 1, EXIT_INTERNAL = 70 };
#define TICK_SECONDS 0.05

/* What whoever started qcc sends to end it. */
static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { N_PASSED_ON = sizeof passed_on / sizeof *passed_on };

/* ---- the child ---- */

static void set_soft_limit(int what, rlim_t limit) {
  struct rlimit r;
  if (getrlimit(what, &r)) return;
  r.rlim_cur = limit < r.rlim_max ? limit : r.rlim_max;
  setrlimit(what, &r);
}

/* All memory of the machine, so that no script makes it swap. Sanitizers reserve more than any machine has.
 */
static void limit_memory(LuaTrace *trace) {
  struct rlimit r;
  trace->memory = getrlimit(RLIMIT_AS, &r) ? RLIM_INFINITY : r.rlim_cur;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  rlim_t all = (rlim_t)pages * (rlim_t)size;
  if (pages > 0 && size > 0 && all < trace->memory) set_soft_limit(RLIMIT_AS, all);
#endif
}

void supervise_lift_limit(const LuaTrace *trace) { set_soft_limit(RLIMIT_AS, trace->memory); }

_Noreturn static void run_child(pid_t parent, const sigset_t *mask, int (*work)(void *user, Watch *watch),
                                void *user, Watch *watch) {
  sigset_t limit;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_INTERNAL); /* it ended before it could be watched */
  sigprocmask(SIG_SETMASK, mask, NULL);
  sigemptyset(&limit);
  sigaddset(&limit, SIGXCPU);
  sigprocmask(SIG_UNBLOCK, &limit, NULL);
  signal(SIGXCPU, SIG_DFL);
  set_soft_limit(RLIMIT_CORE, 0); /* which SIGXCPU would write */
  limit_memory(&watch->lua);
  exit(work(user, watch));
}

/* ---- the parent ---- */

/* How long the running call of a script has taken by the clock. */
typedef struct {
  unsigned call;
  double last, spent; /* when this was seen last; seconds */
  bool over;
} Clock;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ends a call that takes too long, though it gets little of the processor. While both processes are stopped
 * (^Z) no time goes by. */
static void watch_clock(Clock *c, const LuaTrace *trace, pid_t child) {
  static const double most_passed = 10 * TICK_SECONDS;
  double passed = now() - c->last;
  c->last += passed;
  if (!trace->running || trace->calls != c->call) c->spent = 0;
  c->call = trace->calls;
  if (!trace->running || c->over) return;
  c->spent += passed < most_passed ? passed : most_passed;
  c->over = c->spent >= trace->seconds;
  if (c->over) kill(child, SIGXCPU);
}

/* Waits for the child's end; signals from outside are passed on. */
static int wait_for(pid_t child, const sigset_t *watched, const LuaTrace *trace, Clock *clock) {
  static const struct timespec tick = {0, (long)(TICK_SECONDS * 1e9)};
  int status;
  *clock = (Clock){.last = now()};
  for (;;) {
    int sig = sigtimedwait(watched, NULL, &tick);
    if (sig > 0 && sig != SIGCHLD) kill(child, sig);
    if (waitpid(child, &status, WNOHANG) == child) return status;
    watch_clock(clock, trace, child);
  }
}

/* Ends this process as the child has ended. */
static void end_by(int sig, const sigset_t *mask) {
  set_soft_limit(RLIMIT_CORE, 0);
  signal(sig, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, NULL);
  raise(sig);
}

/* A custom operator was at work. */
static int blame_custom(Diag *d, Arena *a, int status, const CustomTrace *trace) {
  const Source *s = source_read(d, a, trace->path, INT32_MAX);
  SrcLoc at = {s, trace->begin, trace->end, NULL};
  if (s && trace->end > s->len) at = (SrcLoc){.source = &(Source){.path = trace->path}};
  if (WIFEXITED(status))
    diag_error(d, at, "the custom operator '%s' ended the program while the interpreter ran it", trace->name);
  else
    diag_error(d, at, "the custom operator '%s' crashed while the interpreter ran it: %s", trace->name,
               strsignal(WTERMSIG(status)));
  return EXIT_INPUT;
}

static int judge(Diag *d, Arena *a, int status, const Watch *watch, bool over, const sigset_t *mask) {
  const LuaTrace *trace = &watch->lua;
  if (*watch->custom.name) return blame_custom(d, a, status, &watch->custom);
  SrcLoc place = trace->running || over ? script_place(d, a, trace) : (SrcLoc){0};
  if (WIFEXITED(status)) {
    if (place.source && WEXITSTATUS(status)) diag_note(d, place, "this line of a script was being run");
    return WEXITSTATUS(status);
  }
  int sig = WTERMSIG(status);
  if (place.source && sig == SIGXCPU) {
    diag_error(d, place, "this line of a script runs for too long (-script-seconds gives it more)");
    return EXIT_INPUT;
  }
  if (place.source) diag_note(d, place, "this line of a script was being run");
  end_by(sig, mask);
  return EXIT_INTERNAL; /* the signal is blocked */
}

int supervise(Diag *d, Arena *a, int (*work)(void *user, Watch *watch), void *user) {
  Watch *watch = mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sigset_t watched, mask;
  if (watch == MAP_FAILED) {
    diag_error(d, (SrcLoc){0}, "no memory to share with the process that does the work: %s", strerror(errno));
    return EXIT_INPUT;
  }
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  for (int i = 0; i < N_PASSED_ON; i++) sigaddset(&watched, passed_on[i]);
  sigprocmask(SIG_BLOCK, &watched, &mask);
  signal(SIGCHLD, SIG_DFL); /* where it is ignored nothing can be waited for */
  pid_t self = getpid(), child = fork();
  if (child < 0) {
    diag_error(d, (SrcLoc){0}, "no process for the work: %s", strerror(errno));
    return EXIT_INPUT;
  }
  if (!child) run_child(self, &mask, work, user, watch);
  Clock clock;
  int status = wait_for(child, &watched, &watch->lua, &clock);
  int code = judge(d, a, status, watch, clock.over, &mask);
  munmap(watch, sizeof *watch);
  return code;
}

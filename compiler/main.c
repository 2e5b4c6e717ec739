#include "compiler/driver.h"

#include <malloc.h>
#include <signal.h>

/* Samples take and leave tensors of megabytes by the thousand. glibc would map and unmap each, and the kernel
 * would zero it page by page: a third of the time of calibration. */
static void keep_freed_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error of write, which we report */
  keep_freed_memory();
  return driver_main(argc, argv);
}

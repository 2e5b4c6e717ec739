#include "compiler/driver.h"

#include <signal.h>

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error of write, which we report */
  return driver_main(argc, argv);
}

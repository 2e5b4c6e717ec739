/* The driver: from the command line to the files, the whole way. */
#ifndef QCC_COMPILER_DRIVER_H
#define QCC_COMPILER_DRIVER_H

/* Returns the exit code: 0 done, 1 the input is at fault, 2 usage. (70, an internal error, comes from BUG.)
 */
int driver_main(int argc, char **argv);

#endif

/* The command line: one table of options, from which parsing and --help come. */
#ifndef QCC_COMPILER_OPTIONS_H
#define QCC_COMPILER_OPTIONS_H

#include "ir/diag.h"

typedef enum { EMIT_UNSET, EMIT_C, EMIT_IR, EMIT_ONNX, EMIT_DOT, EMIT_CALIBRATION, EMIT_REPORT } EmitKind;
typedef enum {
  QUANTIZE_AUTO,
  QUANTIZE_STATIC,
  QUANTIZE_DYNAMIC,
  QUANTIZE_WEIGHTS,
  QUANTIZE_F16,
  QUANTIZE_NONE
} QuantizeChoice;
typedef enum { IO_MODEL, IO_FLOAT, IO_QUANTIZED } IoChoice;
typedef enum { RUNTIME_UNSET, RUNTIME_INLINE, RUNTIME_INCLUDE } RuntimeChoice;
typedef enum { WEIGHTS_UNSET, WEIGHTS_IN_TEXT, WEIGHTS_IN_BIN, WEIGHTS_IN_OBJECT } WeightsChoice;
typedef enum { LAYOUT_MODEL, LAYOUT_NCHW, LAYOUT_NHWC } LayoutChoice;

typedef struct {
  const char **items;
  int n;
} OptionList;

/* Options as given; NULL, 0 or false where they were not. */
typedef struct {
  const char *model;
  const char *target, *output, *config, *observer, *record;
  const char *eval, *run;
  const char *name;
  const char *depfile;   /* -MF */
  int64_t max_workspace; /* bytes; 0: not given */
  double script_seconds; /* 0: not given */
  const char *dump_after, *stop_after;
  OptionList shapes, calib, pass, custom;
  OptionList no_warnings;                           /* -Wno-NAME */
  int emit, quantize, io, layout, weights, runtime; /* the enumerations above */
  bool threads, instrument;
  bool check, no_check;
  bool verify, jit, make_depfile, werror, verbose;
  bool print_qconfig;
  bool print_passes, print_targets, print_ops, print_observers;
  bool help, version;
} Options;

/* Parses argv[1..]. False after a usage error, which has been reported to `d`. Lists are the arena's, strings
 * argv's. */
bool options_parse(Diag *d, Arena *a, int argc, char **argv, Options *o);
void options_help(StrBuf *out);

#endif

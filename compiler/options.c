#include "compiler/options.h"
#include "compiler/names.h"
#include "ir/suggest.h"

#include <stdlib.h>
#include <string.h>

typedef enum {
  OPT_GROUP,   /* a title in --help */
  OPT_FLAG,    /* bool */
  OPT_STRING,  /* const char * */
  OPT_BYTES,   /* int64_t, at least 1 */
  OPT_SECONDS, /* double, above 0 */
  OPT_LIST,    /* OptionList: may be given again */
  OPT_CHOICE,  /* int: 1 + index into choices */
  OPT_LATER,   /* known, but not in this version */
} OptionKind;

typedef struct {
  const char *name;
  OptionKind kind;
  size_t offset;   /* in Options */
  const char *arg; /* its value's name in --help; NULL: none */
  const char *help;
  const char *const *choices; /* NULL-terminated */
  const char *const *later;   /* choices of the design that this version does not have */
} OptionDesc;

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(field) offsetof(Options, field)

static const OptionDesc options[] = {
    {NULL, OPT_GROUP, .help = "Output"},
    {"o", OPT_STRING, AT(output), "FILE", "the C file; the header stands beside it. - is standard output"},
    {"target", OPT_STRING, AT(target), "T",
     "what the code runs on (see -print-targets; default: after the host), native, or\n"
     "                         a list with commas: the best of it for the CPU at run time"},
    {"emit", OPT_CHOICE, AT(emit), "K",
     "c (default), ir, onnx, dot, calibration (statistics, for -calib),\n"
     "                         report (what was proved and used, layer by layer)",
     LIST("c", "ir", "onnx", "dot", "calibration", "report"), LIST("obj", "package")},
    {"name", OPT_STRING, AT(name), "P", "prefix of the C names (default: from -o)"},
    {"io", OPT_CHOICE, AT(io), "T", "float, quantized: type of inputs and outputs (default: the model's own)",
     LIST("float", "quantized"), NULL},
    {"layout", OPT_CHOICE, AT(layout), "L",
     "nchw, nhwc: order of image inputs and outputs (default: the model's)", LIST("nchw", "nhwc"), NULL},
    {"weights", OPT_CHOICE, AT(weights), "W",
     "string (in the C file, default), incbin (MODEL.bin, for gcc and clang),\n"
     "                         obj (MODEL_weights.o, an ELF object to link with)",
     LIST("string", "incbin", "obj"), NULL},
    {"runtime", OPT_CHOICE, AT(runtime), "R",
     "inline (vector operations stand in the C file, default), include (in\n"
     "                         qcc's headers, which qcc/vec_*.h names)",
     LIST("inline", "include"), NULL},
    {"max-workspace", OPT_BYTES, AT(max_workspace), "BYTES",
     "what the tensors between layers may take, in bytes, or with K or M in KiB\n"
     "                         or MiB: where it needs less, layers are computed band by band"},
    {"threads", OPT_FLAG, AT(threads), NULL,
     "add a run function that shares its work out among the caller's threads"},
    {"instrument", OPT_FLAG, AT(instrument), NULL,
     "add a run function that calls back before and after each layer"},
    {"MD", OPT_FLAG, AT(make_depfile), NULL, "write a depfile for make and ninja: the output's name with .d"},
    {"MF", OPT_STRING, AT(depfile), "FILE", "write the depfile here"},

    {NULL, OPT_GROUP, .help = "Quantization"},
    {"calib", OPT_LIST, AT(calib), "FILE",
     "calibration data: .npz or .npy, arrays named after the inputs, or x;\n"
     "                         or .calib, statistics; may be given again"},
    {"quantize", OPT_CHOICE, AT(quantize), "M",
     "static (default with calibration data), dynamic (s8 weights, operands at\n"
     "                         run time), weights (s8, computed in float), f16 (so), none (float32 code)",
     LIST("static", "dynamic", "weights", "f16", "none"), NULL},
    {"config", OPT_STRING, AT(config), "C",
     "how a float model is quantized: a Lua file, or a preset: qcc (default),\n"
     "                         fbgemm, qnnpack, onednn, tensorrt ... (docs/quantization.md)"},
    {"observer", OPT_STRING, AT(observer), "O",
     "how ranges are found, with parameters: extremes (default),\n"
     "                         percentile=99.9, entropy,num_bins=4096 ... (docs/quantization.md)"},
    {"record", OPT_STRING, AT(record), "FILE", "what the observer recording sees goes to this .npz"},
    {"shape", OPT_LIST, AT(shapes), "X=1,3,224,224",
     "fixes an ONNX model's input of this name; N=1 a symbolic dimension"},
    {"custom", OPT_LIST, AT(custom), "F.c",
     "custom operators: C functions with an annotation (docs/custom-ops.md);\n"
     "                         may be given again"},
    {"pass", OPT_LIST, AT(pass), "F.lua",
     "a script that adds passes, rules or observers, or one of qcc's own: silu ...\n"
     "                         (docs/lua.md); may be given again"},
    {"script-seconds", OPT_SECONDS, AT(script_seconds), "S",
     "what all scripts together may take by the clock (default: 3), and half of it\n"
     "                         of the processor"},

    {NULL, OPT_GROUP, .help = "Checking"},
    {"eval", OPT_STRING, AT(eval), "FILE",
     "run float and int8 over an .npz: accuracy against labels y, SQNR"},
    {"run", OPT_STRING, AT(run), "FILE", "run the quantized model over an .npz; outputs go to -o FILE.npz"},
    {"jit", OPT_FLAG, AT(jit), NULL,
     "calibrate, -run and -eval with kernels that libgccjit compiles in this process:\n"
     "                         the interpreter's bits, in less time where there are many samples"},
    {"verify", OPT_FLAG, AT(verify), NULL, "build the emitted C, run it, compare it with the interpreter"},

    {"check", OPT_FLAG, AT(check), NULL,
     "MODEL is a C file that qcc wrote: check that it is what qcc promises, for\n"
     "                         -target (default: what it says itself)"},
    {"no-check", OPT_FLAG, AT(no_check), NULL, "write C without having libclang read it and check it first"},

    {NULL, OPT_GROUP, .help = "Looking inside"},
    {"dump-after", OPT_STRING, AT(dump_after), "PASS",
     "print the IR after a pass, or after all of them, on stderr"},
    {"stop-after", OPT_STRING, AT(stop_after), "PASS", "stop after a pass, emit the IR as it stands there"},
    {"print-qconfig", OPT_FLAG, AT(print_qconfig), NULL,
     "list how each node is quantized, and by which rule"},
    {"print-passes", OPT_FLAG, AT(print_passes), NULL, "list the passes in their order"},
    {"print-targets", OPT_FLAG, AT(print_targets), NULL, "list the targets, and which of them run here"},
    {"print-ops", OPT_FLAG, AT(print_ops), NULL, "list the operators of the IR"},
    {"print-observers", OPT_FLAG, AT(print_observers), NULL, "list the observers and their parameters"},

    {NULL, OPT_GROUP, .help = "Messages"},
    {"Werror", OPT_FLAG, AT(werror), NULL, "make warnings errors"},
    {"v", OPT_FLAG, AT(verbose), NULL, "say what is being done, with times"},
    {"help", OPT_FLAG, AT(help), NULL, "this text"},
    {"version", OPT_FLAG, AT(version), NULL, "the version"},

    {"accuracy-target", OPT_LATER},
    {"unroll", OPT_LATER},
};
enum { N_OPTIONS = sizeof options / sizeof *options };

/* Every name that diag_warning is called with. */
static const char *const warnings[] = {"bias-scale", "constant-input", "eval-labels", "float-model",
                                       "float-op",   "half-range",     "io",          "quantized-model",
                                       "record",     "unused-rule"};
enum { N_WARNINGS = sizeof warnings / sizeof *warnings };
static const char no_warning[] = "Wno-";

void options_help(StrBuf *out) {
  strbuf_puts(out, "usage: qcc MODEL [options]\n"
                   "Compiles a neural network into one C file and a header.\n"
                   "MODEL is an .onnx file, a text .ir file, or - (text IR on standard input).\n"
                   "Options take one dash or two, and their value as -x=v or -x v.\n");
  for (int i = 0; i < N_OPTIONS; i++) {
    const OptionDesc *o = &options[i];
    char left[40];
    if (o->kind == OPT_LATER) continue;
    if (o->kind == OPT_GROUP) {
      strbuf_printf(out, "\n%s\n", o->help);
      continue;
    }
    snprintf(left, sizeof left, "-%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    strbuf_printf(out, "  %-22s %s\n", left, o->help);
    if (strcmp(o->name, "Werror")) continue;
    strbuf_printf(out, "  %-22s %s", "-Wno-NAME", "silence");
    for (int k = 0; k < N_WARNINGS; k++) {
      const char *between = k == 0 ? " " : k % 5 ? ", " : ",\n                         ";
      strbuf_printf(out, "%s%s", between, warnings[k]);
    }
    strbuf_puts(out, "\n");
  }
}

typedef struct {
  Diag *diag;
  Arena *arena;
  int argc, next;
  char **argv;
  Options *out;
} Parser;

static bool usage(Parser *p, const char *message) { return diag_error(p->diag, (SrcLoc){0}, "%s", message); }

static void append(Parser *p, OptionList *list, const char *item) {
  const char **items = ARENA_NEW_ARRAY(p->arena, const char *, (size_t)list->n + 1);
  if (list->n) memcpy(items, list->items, sizeof *items * (size_t)list->n);
  items[list->n] = item;
  *list = (OptionList){items, list->n + 1};
}

static bool set_choice(Parser *p, const OptionDesc *o, int *field, const char *value) {
  Suggest s = {.word = value};
  StrBuf known;
  strbuf_init(&known, p->arena);
  for (int i = 0; o->choices[i]; i++) {
    suggest_offer(&s, o->choices[i]);
    strbuf_printf(&known, "%s%s", i ? ", " : "", o->choices[i]);
    if (strcmp(o->choices[i], value)) continue;
    *field = i + 1;
    return true;
  }
  for (int i = 0; o->later && o->later[i]; i++)
    if (!strcmp(o->later[i], value))
      return usage(p, arena_printf(p->arena, "-%s %s is not in this version of qcc", o->name, value));
  if (s.best)
    return usage(p, arena_printf(p->arena, "unknown value '%.100s' of -%s; did you mean '%s'?", value,
                                 o->name, s.best));
  return usage(
      p, arena_printf(p->arena, "unknown value '%.100s' of -%s (it may be %s)", value, o->name, known.text));
}

/* Digits, and K or M. */
static bool set_bytes(Parser *p, const OptionDesc *o, int64_t *field, const char *value) {
  enum { MOST = 1 << 30 };
  int64_t n = 0;
  const char *c = value;
  for (; *c >= '0' && *c <= '9' && n <= MOST; c++) n = n * 10 + (*c - '0');
  int64_t unit = *c == 'K' ? 1 << 10 : *c == 'M' ? 1 << 20 : 1;
  bool well_formed = c > value && !c[unit > 1];
  if (!well_formed || !n || n > MOST / unit)
    return usage(p, arena_printf(p->arena,
                                 "-%s takes a number of bytes from 1 to %d, which may end in K or M, not "
                                 "'%.100s'",
                                 o->name, (int)MOST, value));
  *field = n * unit;
  return true;
}

static bool set_seconds(Parser *p, const OptionDesc *o, double *field, const char *value) {
  static const double most = 1e6;
  char *end;
  double seconds = strtod(value, &end);
  if (*end || !(seconds > 0 && seconds <= most))
    return usage(p,
                 arena_printf(p->arena, "-%s takes a number of seconds above 0, at most %.0f, not '%.100s'",
                              o->name, most, value));
  *field = seconds;
  return true;
}

static bool set_option(Parser *p, const OptionDesc *o, const char *value) {
  void *field = (char *)p->out + o->offset;
  if (o->kind == OPT_LATER)
    return usage(p, arena_printf(p->arena, "-%s is not in this version of qcc", o->name));
  if (o->kind == OPT_FLAG) {
    if (value) return usage(p, arena_printf(p->arena, "-%s takes no value", o->name));
    *(bool *)field = true;
    return true;
  }
  if (!value && p->next < p->argc) value = p->argv[p->next++];
  if (!value) return usage(p, arena_printf(p->arena, "-%s needs a value: -%s %s", o->name, o->name, o->arg));
  if (!*value) return usage(p, arena_printf(p->arena, "the value of -%s is empty", o->name));
  if (o->kind == OPT_CHOICE) return set_choice(p, o, field, value);
  if (o->kind == OPT_BYTES) return set_bytes(p, o, field, value);
  if (o->kind == OPT_SECONDS) return set_seconds(p, o, field, value);
  if (o->kind == OPT_LIST) {
    append(p, field, value);
  } else {
    *(const char **)field = value;
  }
  return true;
}

static bool silence(Parser *p, const char *name) {
  Suggest s = {.word = name};
  for (int i = 0; i < N_WARNINGS; i++) {
    suggest_offer(&s, warnings[i]);
    if (strcmp(warnings[i], name)) continue;
    append(p, &p->out->no_warnings, name);
    return true;
  }
  if (s.best)
    return usage(p, arena_printf(p->arena, "there is no warning '%.100s'; did you mean '%s'?", name, s.best));
  return usage(p, arena_printf(p->arena, "there is no warning '%.100s' (see qcc --help)", name));
}

static bool parse_option(Parser *p, const char *arg) {
  const char *text = arg + (arg[1] == '-' ? 2 : 1), *equals = strchr(text, '=');
  const char *name = arena_strndup(p->arena, text, equals ? (size_t)(equals - text) : strlen(text));
  if (!strncmp(name, no_warning, sizeof no_warning - 1) && !equals)
    return silence(p, name + sizeof no_warning - 1);
  Suggest s = {.word = name};
  for (int i = 0; i < N_OPTIONS; i++) {
    if (!options[i].name) continue;
    if (!strcmp(options[i].name, name)) return set_option(p, &options[i], equals ? equals + 1 : NULL);
    if (options[i].kind != OPT_LATER) suggest_offer(&s, options[i].name);
  }
  if (s.best)
    return usage(p, arena_printf(p->arena, "unknown option '%.100s'; did you mean '-%s'?", arg, s.best));
  return usage(p, arena_printf(p->arena, "unknown option '%.100s' (see qcc --help)", arg));
}

/* What can be said from the options alone. */
static bool check_together(Parser *p) {
  const Options *o = p->out;
  if (o->help || o->version || o->print_passes || o->print_targets || o->print_ops || o->print_observers)
    return true;
  if (!o->model) return usage(p, "no model given (see qcc --help)");
  if (o->check && o->no_check) return usage(p, "-check and -no-check exclude each other");
  if (o->check && (o->output || o->emit || o->run || o->eval || o->verify))
    return usage(
        p, "-check checks a C file and does nothing else; it excludes -o, -emit, -run, -eval and -verify");
  if (o->run && o->eval) return usage(p, "-run and -eval exclude each other");
  if (o->run && !o->output) return usage(p, "-run needs -o FILE.npz for the outputs");
  if (o->run && o->emit) return usage(p, "-run and -emit exclude each other");
  if (o->run && o->verify) return usage(p, "-run and -verify exclude each other");
  if (o->run && strcmp(o->output, "-") && !path_has_suffix(o->output, ".npz"))
    return usage(
        p, arena_printf(p->arena, "-run writes the outputs as an .npz file, not to '%.100s'", o->output));
  if (o->stop_after && o->emit == EMIT_C)
    return usage(p, "-stop-after leaves nothing to emit as C; use -emit ir");
  if (o->emit == EMIT_CALIBRATION && (o->stop_after || o->eval))
    return usage(p, "-emit calibration ends with calibration; it excludes -stop-after and -eval");
  if (o->emit == EMIT_REPORT && o->stop_after)
    return usage(p, "-emit report is about the compiled model; it excludes -stop-after");
  if (o->record && !path_has_suffix(o->record, ".npz"))
    return usage(p, arena_printf(p->arena, "-record writes an .npz file, not '%.100s'", o->record));
  if (o->stop_after && (o->run || o->eval || o->verify))
    return usage(p, "-stop-after excludes -run, -eval and -verify");
  if (o->verify && o->emit > EMIT_C) return usage(p, "-verify checks C; it excludes every other -emit");
  return true;
}

bool options_parse(Diag *d, Arena *a, int argc, char **argv, Options *o) {
  Parser p = {d, a, argc, 1, argv, o};
  bool only_operands = false;
  *o = (Options){0};
  while (p.next < argc) {
    const char *arg = argv[p.next++];
    if (!only_operands && !strcmp(arg, "--")) {
      only_operands = true;
    } else if (!only_operands && arg[0] == '-' && arg[1]) {
      if (!parse_option(&p, arg)) return false;
    } else if (o->model) {
      return usage(&p, arena_printf(a, "more than one model: '%.100s' and '%.100s'", o->model, arg));
    } else {
      o->model = arg;
    }
  }
  return check_together(&p);
}

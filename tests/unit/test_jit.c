/* Every operation of vir.def through each of the ways in which the JIT builds it: what its rows compute is
 * what the functions of vec_generic.h do, which the calls are. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/jit_compile.h"
#include "ir/diag.h"

enum { SLOT = 1088, GUARD = 64, OUT = 256, ROUNDS = 40, MAX_CASES = 1000 };

static Arena *arena;
static Diag diag;
static char *said;
static size_t said_size;

/* ---- one function for each operation and constant ---- */

typedef struct {
  VirOp op;
  int64_t n;
  float m;
} Case;
static Case cases[MAX_CASES];
static int n_cases;

static bool starts(VirOp op, const char *with) { return !strncmp(vir_op_info[op].name, with, strlen(with)); }
static bool holds(VirOp op, const char *part) { return strstr(vir_op_info[op].name, part) != NULL; }

/* The constants that an operation is tried with. */
static int constants_of(VirOp op, const int **values) {
  static const int parts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, any[] = {-5, 77, 200};
  static const int shifts[] = {0, 1, 13, 31}, lanes[] = {0, 1, 2, 3}, apart[] = {1, 3, 9},
                   pieces[] = {16, 20, 40}, channels[] = {2, 3, 4}, qmax[] = {127, 255};
  *values = holds(op, "_part")        ? parts
            : holds(op, "shr")        ? shifts
            : holds(op, "_lane")      ? lanes
            : starts(op, "dynamic")   ? qmax
            : starts(op, "scatter")   ? apart
            : op == VIR_load_q_blocks ? apart
            : op == VIR_store_pixels  ? channels
            : vir_pieces(op) > 1      ? pieces
                                      : any;
  if (!strchr(vir_op_info[op].signature, 'n')) return 1;
  if (holds(op, "_part")) return holds(op, "_q_part") ? 16 : 4;
  if (*values == shifts || *values == lanes) return 4;
  return *values == qmax ? 2 : 3;
}

static void make_cases(void) {
  static const float floats[] = {0.5f, -0.0f, INFINITY, NAN, 1e-42f};
  n_cases = 0;
  for (int op = 0; op < VIR_OP_COUNT; op++) {
    const int *n;
    int count = constants_of((VirOp)op, &n);
    bool constant = !strcmp(vir_op_info[op].signature, "m");
    for (int i = 0; i < count; i++)
      for (int k = 0; k < (constant ? 5 : 1); k++) cases[n_cases++] = (Case){(VirOp)op, n[i], floats[k]};
  }
}

static const VirVar *load(VirBuilder *b, char kind, VirAddr at) {
  static const VirOp loads[128] = {['i'] = VIR_load_s32, ['f'] = VIR_load_f32, ['q'] = VIR_load_q,
                                   ['p'] = VIR_load_p,   ['I'] = VIR_get_s32,  ['F'] = VIR_get_f32};
  return vir_let(b, "v", loads[(int)kind], VIR_ARGS(vir_at(at)));
}

static void store(VirBuilder *b, const VirVar *v, const VirBase *out) {
  static const VirOp stores[128] = {['i'] = VIR_store_s32, ['f'] = VIR_store_f32, ['q'] = VIR_store_q,
                                    ['p'] = VIR_store_p,   ['I'] = VIR_put_s32,   ['F'] = VIR_put_f32};
  vir_do(b, stores[v->type], VIR_ARGS(vir_at(vir_addr(out, 0)), vir_v(v)));
}

/* Operands lie a slot apart; a first constant of dynamic_* is the rule. */
static VirFunc *build(VirModule *m, const Case *c) {
  const VirOpInfo *info = &vir_op_info[c->op];
  VirBuilder b;
  VirArg args[VIR_MAX_ARGS];
  int n_args = (int)strlen(info->signature);
  vir_func(&b, m, info->name, false, NULL);
  const VirBase *in = vir_param(&b, "in", DT_U8, false, 0), *out = vir_param(&b, "out", DT_U8, true, 0);
  for (int i = 0; i < n_args; i++) {
    char kind = info->signature[i];
    bool rule = kind == 'n' && i + 1 < n_args && info->signature[i + 1] == 'n' && starts(c->op, "dynamic");
    float bound = i == 2 || i == 3 ? -100.5f : 150.25f; /* of int_requant */
    args[i] = kind == 'n'   ? vir_n(rule ? c->n & 1 : c->n)
              : kind == 'm' ? vir_m(n_args > 1 ? bound : c->m)
              : kind == 'r' ? vir_at(vir_addr(in, (int64_t)i * SLOT))
              : kind == 'w' ? vir_at(vir_addr(out, GUARD))
                            : vir_v(load(&b, kind, vir_addr(in, (int64_t)i * SLOT)));
  }
  if (info->result == VIR_VOID)
    vir_do(&b, c->op, n_args, args);
  else
    store(&b, vir_let(&b, "r", c->op, n_args, args), out);
  return b.f;
}

/* ---- compiled in each way ---- */

typedef struct {
  JitCode code[MAX_CASES];
  void *compiled;
} Build;

static void compile(Build *build_of, JitRows rows) {
  static Buffer in = {.kind = BUFFER_INPUT}, out = {.kind = BUFFER_OUTPUT};
  Cg cg = {.arena = arena, .module = vir_module(arena, 4)};
  for (int i = 0; i < n_cases; i++) {
    Kernel *k = ARENA_NEW(arena, Kernel);
    *k = (Kernel){.func = build(cg.module, &cases[i]),
                  .args = {{.buffer = &in, .elem = DT_U8}, {.buffer = &out, .elem = DT_U8, .writable = true}},
                  .n_args = 2};
    build_of->code[i] = (JitCode){.first = k};
  }
  build_of->compiled = jit_compile(&diag, arena, &cg, rows, build_of->code, n_cases);
  fflush(diag.out);
  if (!build_of->compiled) fail_msg("%s", said);
}

/* ---- operands ---- */

static uint64_t state = 88172645463325252u;
static uint32_t random32(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static int32_t some_int(void) {
  static const int32_t extreme[] = {0,      1,        -1,        127,       -128,      255,   32767,
                                    -32768, 16777217, INT32_MAX, INT32_MIN, -16777215, 65535, 8388607};
  uint32_t kind = random32() % 3;
  if (!kind) return extreme[random32() % (sizeof extreme / sizeof *extreme)];
  return kind == 1 ? (int32_t)random32() : (int32_t)(random32() % 1000) - 500;
}

static float some_float(void) {
  static const float extreme[] = {0,      -0.0f,    0.5f,      1.5f,     2.5f,  -0.5f,
                                  -1.5f,  INFINITY, -INFINITY, 1e-42f,   1e38f, 1e-38f,
                                  100000, 0.125f,   4194304,   -4194304, NAN,   88.5f};
  if (random32() % 2) return extreme[random32() % (sizeof extreme / sizeof *extreme)];
  return (float)((int32_t)random32() >> random32() % 24) * 0x1p-12f;
}

/* Within what vir.def says of the operation. */
static float float_for(VirOp op, int argument) {
  float v = some_float();
  bool rounds = op == VIR_rne_f32 || op == VIR_float_rne, bound = op == VIR_requant && argument > 1;
  if ((rounds || bound) && !(fabsf(v) <= 4194304)) return (float)(some_int() % 4194304);
  if (op == VIR_scale) return (float)((int32_t)random32() % 1000) * 0x1p-12f;
  return v;
}

static uint8_t byte_for(VirOp op, int argument) {
  uint8_t b = (uint8_t)(random32() % 4 ? random32() : random32() % 2 ? 255 : 128);
  bool weights = argument == (op == VIR_products ? 1 : 2);
  bool halved = starts(op, "dot_sat") || op == VIR_products;
  if (weights && halved) return (uint8_t)((int8_t)b / 2);
  return weights && starts(op, "dot2x2") && b == 128 ? 129 : b;
}

static void fill_slot(const Case *c, int i, uint8_t *slot) {
  char kind = vir_op_info[c->op].signature[i];
  for (int k = 0; k < SLOT; k++) slot[k] = byte_for(c->op, i);
  bool lanes_of_32 = strchr("iI", kind) || holds(c->op, "_s32");
  bool floats = strchr("fF", kind) || (kind == 'r' && (holds(c->op, "_f32")));
  for (int k = 0; k < SLOT / 4 && (lanes_of_32 || floats); k++) {
    int32_t n = starts(c->op, "lookup") && i == 1 ? (int32_t)(random32() % 256) : some_int();
    float f = float_for(c->op, i);
    memcpy(slot + 4 * k, floats ? (const void *)&f : (const void *)&n, 4);
  }
  if (kind != 'p') return;
  bool zero_point = starts(c->op, "narrow"); /* the same in all lanes */
  int16_t *pairs = (int16_t *)(void *)slot, zero = (int16_t)(some_int() % 256);
  for (int k = 0; k < SLOT / 2; k++) {
    if (zero_point) pairs[k] = zero;
    if (c->op == VIR_dot2 && pairs[k] == INT16_MIN) pairs[k] = 1; /* not all four may be */
  }
}

/* ---- comparing ---- */

/* NaN of any kind are equal where floats are. */
static bool same(VirOp op, const uint8_t *x, const uint8_t *y) {
  bool floats = vir_op_info[op].result == VIR_VEC_F32 || vir_op_info[op].result == VIR_FLOAT ||
                holds(op, "store_f32") || op == VIR_put_f32;
  for (int i = 0; i < OUT; i += 4) {
    float a, b;
    memcpy(&a, x + i, 4);
    memcpy(&b, y + i, 4);
    if (memcmp(x + i, y + i, 4) && !(floats && isnan(a) && isnan(b))) return false;
  }
  return true;
}

static void check(const Case *c, const JitCode *calls, const JitCode *rows, const char *which) {
  static uint8_t in[VIR_MAX_ARGS * SLOT], want[OUT], got[OUT];
  const void *const inputs[] = {in};
  void *const want_out[] = {want}, *const got_out[] = {got};
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; vir_op_info[c->op].signature[i]; i++) fill_slot(c, i, in + i * SLOT);
    memset(want, 0x88, sizeof want);
    memset(got, 0x88, sizeof got);
    calls->run(inputs, want_out, NULL);
    rows->run(inputs, got_out, NULL);
    if (!same(c->op, want, got)) fail_msg("v_%s with %d, %s rows", vir_op_info[c->op].name, (int)c->n, which);
  }
}

static void test_rows(void **unused) {
  (void)unused;
  static const char *const names[JIT_ROWS] = {"this machine's", "older machines'", "portable", "no"};
  static Build builds[JIT_ROWS];
  make_cases();
  for (int rows = 0; rows < JIT_ROWS; rows++) compile(&builds[rows], (JitRows)rows);
  for (int rows = 0; rows < JIT_CALLS; rows++)
    for (int i = 0; i < n_cases; i++)
      check(&cases[i], &builds[JIT_CALLS].code[i], &builds[rows].code[i], names[rows]);
  for (int rows = 0; rows < JIT_ROWS; rows++) jit_release(builds[rows].compiled);
}

/* What libgccjit says is the user's to read. Here: a call without arguments. */
static void test_error(void **unused) {
  (void)unused;
  Cg cg = {.arena = arena, .module = vir_module(arena, 4)};
  const Kernel k = {.func = build(cg.module, &(Case){VIR_add_s32, 0, 0})};
  JitCode code = {.first = &k};
  assert_null(jit_compile(&diag, arena, &cg, JIT_BEST, &code, 1));
  fflush(diag.out);
  assert_non_null(strstr(said, "-jit: libgccjit: "));
  assert_non_null(strstr(said, "not enough arguments"));
}

static int setup(void **unused) {
  (void)unused;
  arena = arena_new();
  diag_init(&diag, arena, open_memstream(&said, &said_size));
  return 0;
}

static int teardown(void **unused) {
  (void)unused;
  fclose(diag.out);
  free(said);
  arena_free(arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
                                     cmocka_unit_test_setup_teardown(test_error, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

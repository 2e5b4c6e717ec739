/* What runtime_extract copies for one operation compiles alone, without a warning: nothing that it needs is
 * missing, and nothing that it does not need is there (clang warns about unused functions). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/runtime_text.h"

static Arena *arena;
static char folder[] = "/tmp/test_runtime_text_XXXXXX";

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  return mkdtemp(folder) ? 0 : -1;
}
static int teardown(void **state) {
  (void)state;
  int status = system(arena_printf(arena, "rm -r %s", folder));
  arena_free(arena);
  return status;
}

static const char *c_type(char kind) {
  switch (kind) {
  case 'i':
    return "v_s32";
  case 'f':
    return "v_f32";
  case 'q':
    return "v_q";
  case 'p':
    return "v_p";
  case 'I':
    return "int32_t";
  case 'F':
    return "float";
  default:
    return "void";
  }
}

/* A function that is one call of the operation; pointers are `void *`, which C converts. */
static void put_caller(StrBuf *out, const VirOpInfo *op, const char *attribute) {
  strbuf_printf(out, "\n%s %s caller(", attribute, c_type((char)op->result));
  bool first = true;
  for (int i = 0; op->signature[i]; i++) {
    char kind = op->signature[i];
    if (kind == 'n' || kind == 'm') continue;
    const char *type = kind == 'r' ? "const void *" : kind == 'w' ? "void *" : c_type(kind);
    strbuf_printf(out, "%s%s a%d", first ? "" : ", ", type, i);
    first = false;
  }
  strbuf_printf(out, "%s) {\n  %sv_%s(", first ? "void" : "", op->result == VIR_VOID ? "" : "return ",
                op->name);
  for (int i = 0; op->signature[i]; i++) {
    char kind = op->signature[i];
    const char *comma = i ? ", " : "";
    if (kind == 'n' || kind == 'm')
      strbuf_printf(out, "%s%s", comma, kind == 'n' ? "3" : "1.0f");
    else
      strbuf_printf(out, "%sa%d", comma, i);
  }
  strbuf_puts(out, ");\n}\n");
}

typedef struct {
  const char *isa, *attribute, *cc;
  /* one by one, too: operations first, first + every, ..., with QCC_SOAK all; every 0: none. It takes time
   * where the intrinsics' header is long: each operation has one such instruction set. */
  int every, first;
} Configuration;
static const char warnings[] = "-std=c99 -Wall -Wextra -pedantic -Wpointer-sign -Werror";
#define TARGET_ATTRIBUTE(features) "__attribute__((target(\"" features "\")))"
#define AVX2                       TARGET_ATTRIBUTE("avx2,f16c")
#define AVXVNNI                    TARGET_ATTRIBUTE("avx2,f16c,avxvnni")
#define AVX512                     TARGET_ATTRIBUTE("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#define AVX512VNNI                 TARGET_ATTRIBUTE("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
static const Configuration configurations[] = {
    {"generic", "", "gcc -O2 -c", 1, 0},
    {"generic", "", "clang -fsyntax-only", 3, 0},
    {"avx2", AVX2, "gcc -O0 -c", 0, 0},
    {"avx2", AVX2, "clang -fsyntax-only", 3, 0},
    {"avxvnni", AVXVNNI, "gcc -O0 -c", 0, 0},
    {"avxvnni", AVXVNNI, "clang -fsyntax-only", 0, 0},
    {"avx512", AVX512, "gcc -O0 -c", 0, 0},
    {"avx512", AVX512, "clang -fsyntax-only", 0, 0},
    {"avx512vnni", AVX512VNNI, "gcc -O0 -c", 0, 0},
    {"avx512vnni", AVX512VNNI, "clang -fsyntax-only", 3, 1},
    {"neon", "", "aarch64-linux-gnu-gcc -O0 -c", 0, 0},
    {"neon", "", "clang --target=aarch64-linux-gnu -ffreestanding -fsyntax-only", 3, 2},
    {"neon_dotprod", "V_TARGET", "aarch64-linux-gnu-gcc -O0 -c", 0, 0},
    {"neon_dotprod", "V_TARGET", "clang --target=aarch64-linux-gnu -ffreestanding -fsyntax-only", 0, 0},
    {"neon_i8mm", "V_TARGET", "aarch64-linux-gnu-gcc -O0 -c", 0, 0},
    {"neon_i8mm", "V_TARGET", "clang --target=aarch64-linux-gnu -ffreestanding -fsyntax-only", 0, 0},
};

static bool compiler_works(const Configuration *c) {
  return system(arena_printf(arena, "echo 'int x;' | %s -x c - -o %s/probe.o 2>/dev/null", c->cc, folder)) ==
         0;
}

/* Compiles the files name*.c; what compilers say goes to standard error. */
static bool compile(const Configuration *c, const char *files) {
  return system(arena_printf(arena, "cd %s && for f in %s; do %s %s $f || exit 1; done", folder, files, c->cc,
                             warnings)) == 0;
}

static void write_file(const char *name, const StrBuf *text) {
  FILE *f = fopen(arena_printf(arena, "%s/%s", folder, name), "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text->text, 1, text->len, f), text->len);
  assert_int_equal(fclose(f), 0);
}

static bool is_taken(const Configuration *c, int op) {
  const char *soak = getenv("QCC_SOAK");
  bool all = soak && *soak && strcmp(soak, "0");
  return runtime_has(c->isa, (VirOp)op) && (all || op % c->every == c->first);
}

static void each_operation_stands_alone(void **state) {
  const Configuration *c = *state;
  if (!compiler_works(c)) {
    print_message("skipped: '%s' does not work here\n", c->cc);
    skip();
  }
  for (int op = 0; op < VIR_OP_COUNT; op++) {
    if (!is_taken(c, op)) continue;
    bool used[VIR_OP_COUNT] = {false};
    used[op] = true;
    StrBuf out;
    strbuf_init(&out, arena);
    runtime_extract(&out, c->isa, used);
    put_caller(&out, &vir_op_info[op], c->attribute);
    runtime_end(&out);
    write_file(arena_printf(arena, "one_%s.c", vir_op_info[op].name), &out);
  }
  bool compiled = compile(c, "one_*.c");
  for (int op = 0; op < VIR_OP_COUNT; op++) /* the next instruction set may not have it */
    remove(arena_printf(arena, "%s/one_%s.c", folder, vir_op_info[op].name));
  assert_true(compiled);
}

static void all_operations_stand_together(void **state) {
  const Configuration *c = *state;
  if (!compiler_works(c)) skip();
  bool used[VIR_OP_COUNT];
  StrBuf out;
  strbuf_init(&out, arena);
  for (int op = 0; op < VIR_OP_COUNT; op++) used[op] = runtime_has(c->isa, (VirOp)op);
  runtime_extract(&out, c->isa, used);
  for (int op = 0; op < VIR_OP_COUNT; op++) {
    if (!used[op]) continue;
    StrBuf caller;
    strbuf_init(&caller, arena);
    put_caller(&caller, &vir_op_info[op], c->attribute);
    char *name = strstr(caller.text, "caller(");
    strbuf_printf(&out, "%.*scaller_%s%s", (int)(name - caller.text), caller.text, vir_op_info[op].name,
                  name + strlen("caller"));
  }
  runtime_end(&out);
  write_file("all.c", &out);
  assert_true(compile(c, "all.c"));
}

static void includes_stand_first_and_once(void **state) {
  (void)state;
  bool used[VIR_OP_COUNT] = {[VIR_dot] = true, [VIR_float_exp] = true};
  StrBuf out;
  strbuf_init(&out, arena);
  runtime_extract(&out, "avx2", used);
  const char first[] = "#include <float.h>\n#include <stdint.h>\n#include <immintrin.h>\n\n";
  assert_memory_equal(out.text, first, sizeof first - 1);
  assert_null(strstr(out.text + sizeof first, "#include"));
  assert_null(strstr(out.text, "QCC_RUNTIME"));
  assert_null(strstr(out.text, "v_dot_sat"));
  assert_non_null(strstr(out.text, "FP_CONTRACT OFF"));
  assert_non_null(strstr(out.text, "#define v_aligned"));
}

/* Two parts: what they have in common keeps its name, what means two things gets two. */
static void parts_of_a_list(void **state) {
  (void)state;
  bool used[VIR_OP_COUNT] = {[VIR_add_s32] = true, [VIR_dot] = true, [VIR_int_add] = true};
  const RuntimeUse uses[] = {
      {"avx2", ARCH_X86_64, used}, {"avxvnni", ARCH_X86_64, used}, {"neon", ARCH_ARM64, used}};
  StrBuf out;
  strbuf_init(&out, arena);
  used[VIR_dot] = false;
  const RuntimePlan *p = runtime_plan(arena, uses, 2);
  assert_null(strmap_get(runtime_renamed(p, 0), "v_add_s32"));
  used[VIR_dot] = true;
  p = runtime_plan(arena, uses, 2);
  assert_string_equal(strmap_get(runtime_renamed(p, 1), "v_dot"), "v_avxvnni_dot");
  assert_null(strmap_get(runtime_renamed(p, 1), "v_add_s32"));
  used[VIR_dot] = false;
  p = runtime_plan(arena, uses, 3);
  assert_string_equal(strmap_get(runtime_renamed(p, 1), "v_add_s32"), "v_avx2_add_s32"); /* the same one */
  assert_string_equal(strmap_get(runtime_renamed(p, 2), "v_s32"), "v_neon_s32");
  assert_null(strmap_get(runtime_renamed(p, 2), "v_int_add"));
  runtime_put(&out, p);
  const char *intel = strstr(out.text, "#if defined(__x86_64__)\n#include <immintrin.h>\n#endif\n");
  assert_non_null(intel);
  assert_non_null(strstr(out.text, "v_avx2_s32 v_avx2_add_s32(v_avx2_s32 a, v_avx2_s32 b)"));
  const char *common = strstr(out.text, "int32_t v_int_add("), *of_arm = strstr(out.text, "v_neon_add_s32(");
  assert_true(common && of_arm && common < of_arm);
  assert_null(strstr(common + 1, "int32_t v_int_add("));
  out.len = 0;
  runtime_put_text(&out, runtime_renamed(p, 0), "av_s32 v_s32 v_s32x(v_s32)");
  assert_string_equal(out.text, "av_s32 v_avx2_s32 v_s32x(v_avx2_s32)");
}

/* What tells the compiler of a target's instructions is there whatever is used; a list has one for each, and
 * includes the intrinsics' header once, in a block that shows clang all of them. */
static void targets_go_everywhere(void **state) {
  (void)state;
  bool used[VIR_OP_COUNT] = {[VIR_int_add] = true};
  StrBuf out;
  strbuf_init(&out, arena);
  runtime_extract(&out, "neon_dotprod", used);
  assert_non_null(strstr(out.text, "#define V_TARGET __attribute__"));
  assert_null(strstr(out.text, "v_dot_s8"));
  used[VIR_add_s32] = true;
  const RuntimeUse uses[] = {
      {"neon", ARCH_ARM64, used}, {"neon_dotprod", ARCH_ARM64, used}, {"neon_i8mm", ARCH_ARM64, used}};
  out.len = 0;
  runtime_put(&out, runtime_plan(arena, uses, 3));
  const char *block = strstr(out.text, "#define __ARM_FEATURE_DOTPROD");
  assert_non_null(block);
  assert_null(strstr(block + 1, "#define __ARM_FEATURE_DOTPROD"));
  assert_true(block < strstr(out.text, "#include <arm_neon.h>"));
  const char *target =
      strstr(out.text, "#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)\n"
                       "#define V_NEON_I8MM_TARGET\n");
  assert_non_null(target);
  assert_non_null(strstr(out.text, "#define V_NEON_DOTPROD_TARGET"));
}

static void nothing_used_is_the_preamble(void **state) {
  (void)state;
  bool used[VIR_OP_COUNT] = {false};
  StrBuf out;
  strbuf_init(&out, arena);
  runtime_extract(&out, "neon", used);
  assert_null(strstr(out.text, "arm_neon.h"));
  assert_non_null(strstr(out.text, "#define v_aligned"));
}

int main(void) {
  enum { N = sizeof configurations / sizeof *configurations };
  struct CMUnitTest tests[2 * N + 4] = {
      cmocka_unit_test(includes_stand_first_and_once),
      cmocka_unit_test(targets_go_everywhere),
      cmocka_unit_test(nothing_used_is_the_preamble),
      cmocka_unit_test(parts_of_a_list),
  };
  size_t n = 4;
  for (int i = 0; i < N; i++) {
    const Configuration *c = &configurations[i];
    if (c->every) tests[n++] = (struct CMUnitTest){c->cc, each_operation_stands_alone, NULL, NULL, (void *)c};
    tests[n++] = (struct CMUnitTest){c->cc, all_operations_stand_together, NULL, NULL, (void *)c};
  }
  return _cmocka_run_group_tests("runtime_text", tests, n, setup, teardown);
}

/* The function of a list of targets that returns the run function of the best one: no state, no libc, no
 * instruction that a CPU might not have. */
#include "codegen/module.h"
#include "codegen/names.h"
#include "codegen/runtime_text.h"

static bool has_arch(const Module *m, Arch arch) {
  for (int i = 0; i < m->n_variants; i++)
    if (m->variants[i]->target->arch == arch) return true;
  return false;
}

/* What the variants of an architecture need. */
static unsigned features_of(const Module *m, Arch arch) {
  unsigned all = 0;
  for (int i = 0; i < m->n_variants; i++)
    if (m->variants[i]->target->arch == arch) all |= m->variants[i]->target->features;
  return all;
}

static const char *parameters(const Module *m) {
  return has_arch(m, ARCH_ARM64) ? "unsigned long hwcap, unsigned long hwcap2" : "void";
}

void module_declare_select(const Module *m, StrBuf *h) {
  bool always = has_arch(m, ARCH_ANY);
  strbuf_printf(h, "/* The run function of the best variant for this CPU%s.\n",
                always ? "" : "; NULL where it can run none of them");
  if (has_arch(m, ARCH_X86_64))
    strbuf_puts(h, " * On x86-64 the CPU is asked, and which registers the operating system saves.\n");
  if (has_arch(m, ARCH_ARM64))
    strbuf_puts(
        h, " * On ARM the caller says what it has: getauxval(AT_HWCAP), getauxval(AT_HWCAP2) of <sys/auxv.h> "
           "on Linux;\n * 0, 0 where that is not known. Other CPUs ignore both.\n");
  strbuf_puts(h, " * Nothing is kept: ask once. */\n");
  strbuf_printf(h, "%s_run_function %s_select(%s);\n", m->name, m->name, parameters(m));
  if (m->cg->options->threads)
    strbuf_printf(h, "%s_run_threads_function %s_select_threads(%s);\n", m->name, m->name, parameters(m));
  strbuf_puts(h, "\n");
}

/* "CPU_AVX2" */
static const char *feature_name(Arena *a, int i) {
  return arena_printf(a, "CPU_%s", c_upper(a, cpu_features[i].name));
}

static void put_set(StrBuf *c, unsigned features) {
  const char *before = "";
  for (int i = 0; i < FEATURE_COUNT; i++) {
    if (!(features >> i & 1)) continue;
    strbuf_printf(c, "%s%s", before, feature_name(c->arena, i));
    before = " | ";
  }
}

/* The names of features, and the set that each variant needs. */
static void define_features(const Module *m, StrBuf *c, Arch arch) {
  unsigned all = features_of(m, arch), bit = 1;
  strbuf_puts(c, "/* What the variants need of the CPU. */\nenum {\n");
  for (int i = 0; i < FEATURE_COUNT; i++) {
    if (!(all >> i & 1)) continue;
    strbuf_printf(c, "  %s = %u,\n", feature_name(c->arena, i), bit);
    bit *= 2;
  }
  for (int i = 0; i < m->n_variants; i++) {
    const Target *t = m->variants[i]->target;
    if (t->arch != arch || !t->features) continue;
    strbuf_printf(c, "  NEEDS%s =\n      ", c_upper(c->arena, module_suffix(m, m->variants[i])));
    put_set(c, t->features);
    strbuf_puts(c, ",\n");
  }
  strbuf_puts(c, "};\n\n");
}

static void define_cpuid(const Module *m, StrBuf *c) {
  unsigned all = features_of(m, ARCH_X86_64), last = 1;
  const CpuFeature *before = NULL;
  for (int i = 0; i < FEATURE_COUNT; i++)
    if (all >> i & 1 && cpu_features[i].leaf > last) last = cpu_features[i].leaf;
  strbuf_puts(c, "/* eax, ebx, ecx and edx of a leaf of cpuid. */\n"
                 "static void cpu_leaf(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {\n"
                 "  __asm__ __volatile__(\"cpuid\"\n"
                 "                       : \"=a\"(r[0]), \"=b\"(r[1]), \"=c\"(r[2]), \"=d\"(r[3])\n"
                 "                       : \"0\"(leaf), \"2\"(subleaf));\n"
                 "}\n\n"
                 "/* What the CPU has, where the operating system saves the registers that go with it. */\n"
                 "static unsigned cpu_features(void) {\n"
                 "  uint32_t r[4], saved, high;\n"
                 "  unsigned has = 0;\n"
                 "  cpu_leaf(0, 0, r);\n");
  strbuf_printf(c, "  if (r[0] < %u) return 0;\n", last);
  strbuf_puts(c, "  cpu_leaf(1, 0, r);\n"
                 "  if (!(r[2] >> 27 & 1)) return 0; /* OSXSAVE: there is no xgetbv */\n"
                 "  __asm__ __volatile__(\"xgetbv\" : \"=a\"(saved), \"=d\"(high) : \"c\"(0));\n"
                 "  (void)high;\n");
  for (int i = 0; i < FEATURE_COUNT; i++) {
    const CpuFeature *f = &cpu_features[i];
    if (!(all >> i & 1)) continue;
    bool same = before ? before->leaf == f->leaf && before->subleaf == f->subleaf : f->leaf == 1;
    if (!same) strbuf_printf(c, "  cpu_leaf(%u, %u, r);\n", f->leaf, f->subleaf);
    before = f;
    strbuf_printf(c, "  if ((saved & 0x%xu) == 0x%xu && (r[%d] >> %d & 1)) has |= %s;\n", f->states,
                  f->states, f->word, f->bit, feature_name(c->arena, i));
  }
  strbuf_puts(c, "  return has;\n}\n\n");
}

static void define_hwcaps(const Module *m, StrBuf *c) {
  unsigned all = features_of(m, ARCH_ARM64);
  strbuf_puts(c, "/* By the bits of Linux' hwcaps. */\n"
                 "static unsigned cpu_features(unsigned long hwcap, unsigned long hwcap2) {\n"
                 "  const unsigned long words[2] = {hwcap, hwcap2};\n"
                 "  unsigned has = 0;\n");
  for (int i = 0; i < FEATURE_COUNT; i++)
    if (all >> i & 1)
      strbuf_printf(c, "  if (words[%d] >> %d & 1) has |= %s;\n", cpu_features[i].word, cpu_features[i].bit,
                    feature_name(c->arena, i));
  strbuf_puts(c, "  return has;\n}\n\n");
}

static void define_detection(const Module *m, StrBuf *c, Arch arch) {
  if (!features_of(m, arch)) return;
  runtime_guard(c, 1u << arch);
  strbuf_puts(c, "\n");
  define_features(m, c, arch);
  (arch == ARCH_X86_64 ? define_cpuid : define_hwcaps)(m, c);
  strbuf_puts(c, "#endif\n\n");
}

static const Cg *variant_of(const Module *m, const Target *t) {
  for (int i = 0; i < m->n_variants; i++)
    if (m->variants[i]->target == t) return m->variants[i];
  return NULL;
}

/* The best first. True where the last one needs nothing. */
static bool put_choices(const Module *m, StrBuf *c, const char *kind, Arch arch) {
  const Target *end = target_table;
  while (end->name) end++;
  for (const Target *t = end; t-- > target_table;) {
    const Cg *v = t->arch == arch ? variant_of(m, t) : NULL;
    if (!v) continue;
    const char *suffix = module_suffix(m, v), *upper = c_upper(c->arena, suffix);
    if (t->features) strbuf_printf(c, "  if ((has & NEEDS%s) == NEEDS%s) ", upper, upper);
    strbuf_printf(c, "%sreturn %s_run%s%s;\n", t->features ? "" : "  ", m->name, kind, suffix);
    if (!t->features) return true;
  }
  return false;
}

/* `kind`: "" or "_threads". */
static void define_select(const Module *m, StrBuf *c, const char *kind) {
  strbuf_printf(c, "%s_run%s_function %s_select%s(%s) {\n", m->name, kind, m->name, kind, parameters(m));
  for (int arch = ARCH_ANY + 1; arch < ARCH_COUNT; arch++) {
    if (!has_arch(m, (Arch)arch)) continue;
    runtime_guard(c, 1u << arch);
    if (features_of(m, (Arch)arch))
      strbuf_printf(c, "  const unsigned has = cpu_features(%s);\n",
                    arch == ARCH_ARM64 ? "hwcap, hwcap2" : "");
    put_choices(m, c, kind, (Arch)arch);
    strbuf_puts(c, "#endif\n");
  }
  if (has_arch(m, ARCH_ARM64)) strbuf_puts(c, "  (void)hwcap;\n  (void)hwcap2;\n");
  if (!put_choices(m, c, kind, ARCH_ANY)) strbuf_puts(c, "  return NULL;\n");
  strbuf_puts(c, "}\n\n");
}

void module_define_select(const Module *m, StrBuf *c) {
  strbuf_puts(c, "/* ---- which of them this CPU runs ---- */\n\n");
  for (int arch = ARCH_ANY + 1; arch < ARCH_COUNT; arch++) define_detection(m, c, (Arch)arch);
  define_select(m, c, "");
  if (m->cg->options->threads) define_select(m, c, "_threads");
}

/* What one core can do at most, for the roofline of bench/layers: 8-bit multiply-accumulates by the
 * instructions that targets have, on registers alone, and reading memory.
 *
 * usage: peak BYTES     BYTES: of the buffer that is read again and again
 * Prints "TARGET GMAC/s" for each target whose instructions are here, and "read GB/s". */
#define _GNU_SOURCE
#include "codegen/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 40, STEPS = 20000, CHAINS = 12 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A loop of independent chains, enough for the instructions' latency. */
#define CHAINS_OF(step)                                                                                      \
  for (long i = 0; i < STEPS; i++) {                                                                         \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)        \
  }

#if defined(__x86_64__)

#define CLOBBERS                                                                                             \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"
#define VNNI_512(n) __asm__ volatile("vpdpbusd %%zmm12, %%zmm13, %%zmm" #n ::: CLOBBERS);
#define VNNI_256(n) __asm__ volatile("%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" #n ::: CLOBBERS);
#define EXACT_256(n)                                                                                         \
  __asm__ volatile("vpmaddubsw %%ymm12, %%ymm13, %%ymm14\n\tvpmaddwd %%ymm14, %%ymm15, %%ymm14\n\t"          \
                   "vpaddd %%ymm14, %%ymm" #n ", %%ymm" #n ::                                                \
                       : CLOBBERS);
#define EXACT_512(n)                                                                                         \
  __asm__ volatile("vpmaddubsw %%zmm12, %%zmm13, %%zmm14\n\tvpmaddwd %%zmm14, %%zmm15, %%zmm14\n\t"          \
                   "vpaddd %%zmm14, %%zmm" #n ", %%zmm" #n ::                                                \
                       : CLOBBERS);
#define ALL "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avxvnni"
__attribute__((target(ALL))) static void vnni_512(void) { CHAINS_OF(VNNI_512) }
__attribute__((target(ALL))) static void vnni_256(void) { CHAINS_OF(VNNI_256) }
__attribute__((target(ALL))) static void exact_512(void) { CHAINS_OF(EXACT_512) }
__attribute__((target(ALL))) static void exact_256(void) { CHAINS_OF(EXACT_256) }

#elif defined(__aarch64__)

#define CLOBBERS                                                                                             \
  "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15"
#define PAIRS(n)                                                                                             \
  __asm__ volatile("smull v14.8h, v12.8b, v13.8b\n\tsmlal2 v14.8h, v12.16b, v13.16b\n\tsadalp v" #n          \
                   ".4s, v14.8h" ::                                                                          \
                       : CLOBBERS);
#define SDOT(n) __asm__ volatile(".inst 0x4e8d9580 + " #n ::: CLOBBERS); /* sdot vn.4s, v12.16b, v13.16b */
#define SMMLA(n)                                                                                             \
  __asm__ volatile(".inst 0x4e8da580 + " #n ::                                                               \
                       : CLOBBERS); /* smmla vn.4s, v12.16b, v13.16b                                         \
                                     */
static void pairs(void) { CHAINS_OF(PAIRS) }
static void sdot(void) { CHAINS_OF(SDOT) }
static void smmla(void) { CHAINS_OF(SMMLA) }

#endif

typedef struct {
  const char *target;
  unsigned features;
  int macs; /* of a step of a chain */
  void (*run)(void);
} Peak;
static const Peak peaks[] = {
#if defined(__x86_64__)
    {"x86-64-v3", CPU_avx2, 32, exact_256},
    {"x86-64-v3+avxvnni", CPU_avx_vnni, 32, vnni_256},
    {"x86-64-v4", CPU_avx512f | CPU_avx512bw, 64, exact_512},
    {"x86-64-v4+avx512vnni", CPU_avx512f | CPU_avx512_vnni, 64, vnni_512},
#elif defined(__aarch64__)
    {"arm64", 0, 16, pairs},
    {"arm64+dotprod", CPU_asimddp, 16, sdot},
    {"arm64+i8mm", CPU_i8mm, 32, smmla},
#endif
    {NULL, 0, 0, NULL}};

static double least_time(void (*run)(void)) {
  double least = 1e30;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now();
    run();
    double t = now() - start;
    if (t < least) least = t;
  }
  return least;
}

/* Reads 256 bytes. */
#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void read_zmm(const char *p) {
  __asm__ volatile("vmovdqu64 (%0), %%zmm0\n\tvmovdqu64 64(%0), %%zmm1\n\t"
                   "vmovdqu64 128(%0), %%zmm2\n\tvmovdqu64 192(%0), %%zmm3" ::"r"(p)
                   : "memory", "xmm0", "xmm1", "xmm2", "xmm3");
}
__attribute__((target("avx2"))) static void read_ymm(const char *p) {
  __asm__ volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu 32(%0), %%ymm1\n\tvmovdqu 64(%0), %%ymm2\n\t"
                   "vmovdqu 96(%0), %%ymm3\n\tvmovdqu 128(%0), %%ymm0\n\tvmovdqu 160(%0), %%ymm1\n\t"
                   "vmovdqu 192(%0), %%ymm2\n\tvmovdqu 224(%0), %%ymm3" ::"r"(p)
                   : "memory", "xmm0", "xmm1", "xmm2", "xmm3");
}
#elif defined(__aarch64__)
static void read_q(const char *p) {
  __asm__ volatile(
      "ldp q0, q1, [%0]\n\tldp q2, q3, [%0, 32]\n\tldp q4, q5, [%0, 64]\n\tldp q6, q7, [%0, 96]\n\t"
      "ldp q0, q1, [%0, 128]\n\tldp q2, q3, [%0, 160]\n\tldp q4, q5, [%0, 192]\n\t"
      "ldp q6, q7, [%0, 224]" ::"r"(p)
      : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
}
#endif
static void read_words(const char *p) {
  for (int i = 0; i < 256; i += 8) (void)*(const volatile uint64_t *)(p + i);
}

typedef void (*ReadBlock)(const char *p);

static ReadBlock best_reader(void) {
#if defined(__x86_64__)
  if (cpu_host_features() & CPU_avx512f) return read_zmm;
  if (cpu_host_features() & CPU_avx2) return read_ymm;
#elif defined(__aarch64__)
  return read_q;
#endif
  return read_words;
}

/* The buffer from its begin to its end, as often as it takes to see a short time. */
static double read_speed(size_t bytes) {
  enum { BLOCK = 256, LEAST_BLOCKS = 20000 };
  const double seconds = 0.2;
  ReadBlock block = best_reader();
  size_t size = (bytes / BLOCK + 1) * BLOCK, passes = LEAST_BLOCKS * BLOCK / size + 1;
  char *data = aligned_alloc(BLOCK, size);
  double least = 1e30, begin = now();
  if (!data) return 0;
  memset(data, 1, size);
  for (int i = 0; i < ROUNDS || now() - begin < seconds; i++) {
    double start = now();
    for (size_t pass = 0; pass < passes; pass++)
      for (const char *p = data; p < data + size; p += BLOCK) block(p);
    double t = (now() - start) / (double)passes;
    if (t < least) least = t;
  }
  free(data);
  return (double)size / least;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: peak BYTES\n", stderr);
    return 2;
  }
  for (const Peak *p = peaks; p->target; p++)
    if (!(p->features & ~cpu_host_features()))
      printf("%s %.1f\n", p->target, 1e-9 * STEPS * CHAINS * p->macs / least_time(p->run));
  printf("read %.1f\n", read_speed(strtoull(argv[1], NULL, 10)) * 1e-9);
  return 0;
}

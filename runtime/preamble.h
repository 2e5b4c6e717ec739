/* What every emitted file begins with: the arithmetic that its results depend on. */
#ifndef QCC_RUNTIME_PREAMBLE_H
#define QCC_RUNTIME_PREAMBLE_H

#include <float.h>
#include <stdint.h>

/* Each float operation rounds once, to nearest even. The code must run in that rounding mode, C's default.
 * (gcc, no-tree-ter: it would expand a tile's sums one after the other and keep all operands on the stack
 * till then. no-tree-loop-distribute-patterns: it would call libc's memset.) */
#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "needs IEEE single precision: compile without -ffast-math, and not for x87"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-tree-ter", "no-tree-loop-distribute-patterns")
#endif

#if defined(__GNUC__)
#define v_aligned __attribute__((aligned(64)))
/* From here on the compiler knows nothing of the pointer: constants behind it are loaded once, where the code
 * says so, and neither copied to other places nor kept through a loop that needs all registers. */
#define v_opaque(p) __asm__ volatile("" : "+r"(p))
#else
#define v_aligned
#define v_opaque(p) (void)(p)
#endif

/* gcc moves nothing over it: it would start so many of a tile's loads at once that registers run out. */
#if defined(__GNUC__) && !defined(__clang__)
#define v_fence() __asm__ volatile("")
#else
#define v_fence() (void)0
#endif

#endif

/* How functions are told to use the 8-bit matrix products of ARMv8.6, whose CPUs have the dot products too,
 * where the compiler's flags do not. gcc takes them as a part of an architecture. */
#ifndef QCC_RUNTIME_TARGET_I8MM_H
#define QCC_RUNTIME_TARGET_I8MM_H

#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
#define V_TARGET
#elif defined(__clang__)
#define V_TARGET __attribute__((target("dotprod,i8mm")))
#else
#define V_TARGET __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#endif

#endif

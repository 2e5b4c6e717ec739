/* How functions are told to use the dot products of ARMv8.2 where the compiler's flags do not. gcc
 * takes them as a part of an architecture. */
#ifndef QCC_RUNTIME_TARGET_DOTPROD_H
#define QCC_RUNTIME_TARGET_DOTPROD_H

#if defined(__ARM_FEATURE_DOTPROD)
#define V_TARGET
#elif defined(__clang__)
#define V_TARGET __attribute__((target("dotprod")))
#else
#define V_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#endif

/* The natural logarithm of doubles, ours, so that scales do not depend on the host's libm. */
#ifndef QCC_PASSES_OBSERVE_EXACT_LOG_H
#define QCC_PASSES_OBSERVE_EXACT_LOG_H

/* x positive and normal. To about 1e-15, relative to max(1, |log x|). */
double quick_log(double x);
/* x positive and normal. Computed to about 100 bits and rounded once: the nearest double, but for one
 * argument in 2^40 or so. */
double exact_log(double x);

#endif

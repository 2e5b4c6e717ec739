/* A pool of threads whose pool_parallel_for is what run functions of qcc -threads take: it fits the type
 * <model>_parallel_for of every model. */
#ifndef POOL_H
#define POOL_H

typedef struct Pool Pool;

Pool *pool_new(int threads); /* the caller's own is one of them; NULL where there are no threads to be had */
void pool_free(Pool *p);
/* Calls task(context, i) for each i from 0 to count - 1; returns when all are done. One call at a time. */
void pool_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count);

#endif

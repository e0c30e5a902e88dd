/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processors this process may run on, and one of its own for each thread.
 *
 * A thread that the kernel moves about is often put beside the server that it has just woken, while another processor
 * sleeps. On two processors a server behind threads that keep theirs answers a quarter more requests (bench/plaintext.sh,
 * Redis with small values). The server itself goes where there is room.
 */
#ifndef TG_RELAY_PROCESSORS_H
#define TG_RELAY_PROCESSORS_H

#include <pthread.h>
#include <stddef.h>

/* One for each processor that this process may run on (sched_getaffinity(2)); 1 to `max`. */
size_t tg_processors_count(size_t max);

/*
 * Keeps each of the threads on a processor of its own. Where there are not as many as
 * processors they stay where the kernel puts them; so they do where it refuses.
 */
void tg_processors_spread(const pthread_t *threads, size_t count);

#endif

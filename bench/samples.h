/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a measurement is made of: latencies, and the processor time of processes that are not ours.
 */
#ifndef TG_BENCH_SAMPLES_H
#define TG_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC, in nanoseconds. */
uint64_t nanoseconds(void);

/* Notes one latency, in nanoseconds. Past a few million the rest is not looked at. */
void sample_note(uint64_t latency);

/* The latency that `part` (0 to 1) of the noted ones are not above, in microseconds; 0 where none was noted. */
double sample_quantile(double part);

/* `pid` and all that it has started up to now are measured from here on. */
void processes_add(pid_t pid);

/* Seconds of processor time that they have used up to now, all threads of each. */
double processes_seconds(void);

/* Seconds of processor time that this process has used. */
double own_seconds(void);

#endif

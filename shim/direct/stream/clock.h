/* SPDX-License-Identifier: Apache-2.0 */
/* Milliseconds of CLOCK_MONOTONIC, and what of them is left until a deadline. No system call (the vDSO's). */
#ifndef TG_SHIM_DIRECT_STREAM_CLOCK_H
#define TG_SHIM_DIRECT_STREAM_CLOCK_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

#define TG_CLOCK_NEVER INT64_MAX

static inline int64_t tg_clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* As poll(2) takes it: -1 for never; rounded up, so that a wait does not end before its deadline. */
static inline int tg_clock_left(int64_t deadline, int64_t now)
{
	if (deadline == TG_CLOCK_NEVER)
		return -1;
	if (deadline <= now)
		return 0;
	return deadline - now < INT_MAX ? (int)(deadline - now) + 1 : INT_MAX;
}

#endif

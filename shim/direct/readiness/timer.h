/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeout of a call that waits several times: for the kernel's answers, the streams', and streams' deadlines. In
 * nanoseconds, INT64_MAX: none. The clock is not read where nothing needs it.
 */
#ifndef TG_SHIM_DIRECT_READINESS_TIMER_H
#define TG_SHIM_DIRECT_READINESS_TIMER_H

#include "shim/direct/stream/clock.h"

#include <stdbool.h>

struct tg_timer {
	int64_t timeout;
	int64_t end; /* 0: not known before it is needed */
};

static inline int64_t tg_timer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct tg_timer tg_timer_of_milliseconds(int milliseconds)
{
	return (struct tg_timer){.timeout = milliseconds < 0 ? INT64_MAX : (int64_t)milliseconds * 1000000};
}

/* NULL: none. */
static inline struct tg_timer tg_timer_of_timespec(const struct timespec *timeout)
{
	if (timeout == NULL || timeout->tv_sec > INT64_MAX / 2000000000)
		return (struct tg_timer){.timeout = INT64_MAX};
	return (struct tg_timer){.timeout = (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec};
}

static inline bool tg_timer_is_valid(const struct timespec *timeout)
{
	return timeout == NULL || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000);
}

/* How long the kernel may wait now, at most until `deadline` (clock.h) and a little more, as that clock is a coarser one.
 */
static inline int64_t tg_timer_left(struct tg_timer *timer, int64_t deadline)
{
	if (timer->timeout == 0 || (timer->timeout == INT64_MAX && deadline == TG_CLOCK_NEVER))
		return timer->timeout;
	int64_t now = tg_timer_now();
	if (timer->end == 0)
		timer->end = timer->timeout > INT64_MAX - now ? INT64_MAX : now + timer->timeout;
	int64_t left = timer->end == INT64_MAX ? INT64_MAX : timer->end > now ? timer->end - now : 0;
	if (deadline == TG_CLOCK_NEVER)
		return left;
	int64_t until = (deadline + 1) * 1000000;
	if (until <= now)
		return 0;
	return until - now < left ? until - now : left;
}

static inline bool tg_timer_is_over(const struct tg_timer *timer)
{
	if (timer->timeout == 0)
		return true;
	return timer->end != 0 && timer->end != INT64_MAX && tg_timer_now() >= timer->end;
}

/* Rounded up, -1 for none. */
static inline int tg_timer_milliseconds(int64_t left)
{
	if (left == INT64_MAX)
		return -1;
	return left > INT64_C(1000000) * (INT_MAX - 1) ? INT_MAX : (int)((left + 999999) / 1000000);
}

/* NULL for none. */
static inline const struct timespec *tg_timer_timespec(int64_t left, struct timespec *ret)
{
	*ret = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
	return left == INT64_MAX ? NULL : ret;
}

#endif

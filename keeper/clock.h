/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks that the keeper uses, and the one spelling of dates that it writes. Thread-safe.
 */
#ifndef TG_KEEPER_CLOCK_H
#define TG_KEEPER_CLOCK_H

#include <stdint.h>

#define TG_RFC3339_SIZE 32

/* Milliseconds of CLOCK_MONOTONIC, for timeouts. */
int64_t tg_monotonic_ms(void);

/* The same clock with its fraction, for what took how long. */
double tg_monotonic_fine_ms(void);

/* Seconds since the epoch. */
int64_t tg_wall_seconds(void);

/* `seconds` since the epoch in UTC as RFC 3339 has it, "2026-01-31T12:00:00Z"; returns `text`. */
const char *tg_rfc3339(int64_t seconds, char text[TG_RFC3339_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/clock.h"

#include <string.h>
#include <time.h>

int64_t tg_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double tg_monotonic_fine_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int64_t tg_wall_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

const char *tg_rfc3339(int64_t seconds, char text[TG_RFC3339_SIZE])
{
	const time_t when = seconds;
	struct tm parts;

	if (gmtime_r(&when, &parts) == NULL || strftime(text, TG_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		strcpy(text, "-");
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/processors.h"

#include <sched.h>
#include <unistd.h>

size_t tg_processors_count(size_t max)
{
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = online < 1 ? 1 : (size_t)online;
	cpu_set_t allowed;

	/* fails on a machine of more processors than a set has room for */
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		count = (size_t)CPU_COUNT(&allowed);
	return count < max ? count : max;
}

void tg_processors_spread(const pthread_t *threads, size_t count)
{
	size_t spread = 0;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || (size_t)CPU_COUNT(&allowed) != count)
		return;
	for (size_t processor = 0; processor < CPU_SETSIZE && spread < count; processor++) {
		cpu_set_t one;

		if (!CPU_ISSET(processor, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(processor, &one);
		pthread_setaffinity_np(threads[spread++], sizeof(one), &one);
	}
}

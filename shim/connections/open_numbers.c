/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/open_numbers.h"

#include "shim/binding/libc.h"

#include <errno.h>
#include <sys/resource.h>

#define AT_ONCE 1024

/* poll(2) takes no more numbers than the process may have. */
static int batch(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= AT_ONCE)
		return AT_ONCE;
	return limit.rlim_cur > 0 ? (int)limit.rlim_cur : 1;
}

bool tg_numbers_each(tg_number_visit *visit, void *data)
{
	struct pollfd numbers[AT_ONCE];
	const int saved = errno, count = batch();
	bool enough = false;

	for (int first = 0; first < TG_NUMBERS && !enough; first += count) {
		for (int i = 0; i < count; i++)
			numbers[i] = (struct pollfd){.fd = first + i};
		const bool answered = tg_libc.poll(numbers, (nfds_t)count, 0) >= 0;
		for (int i = 0; i < count && !enough; i++)
			if (answered ? (numbers[i].revents & POLLNVAL) == 0 : tg_libc.fcntl(first + i, F_GETFD) >= 0)
				enough = visit(first + i, data);
	}
	errno = saved;
	return enough;
}

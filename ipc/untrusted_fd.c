/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/untrusted_fd.h"

#include "ipc/calls.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_NS 1000000 /* what sockets of attached processes take is microseconds */

static timer_t timer;
static bool has_timer;

static void interrupted(int number)
{
	(void)number;
}

int tg_untrusted_fd_start(void)
{
	/* without SA_RESTART */
	const struct sigaction action = {.sa_handler = interrupted};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};

	event._sigev_un._tid = gettid();
	if (tg_call_sigaction(SIGALRM, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return -errno;
	has_timer = true;
	return 0;
}

/* Again and again: who was not waiting yet when it came waits all the same. */
static void set_timer(long nanoseconds)
{
	const struct itimerspec when = {.it_value.tv_nsec = nanoseconds, .it_interval.tv_nsec = nanoseconds};

	if (has_timer)
		timer_settime(timer, 0, &when, NULL);
}

void tg_untrusted_fd_close(int fd)
{
	set_timer(LONGEST_NS);
	tg_call_close(fd);
	set_timer(0);
}

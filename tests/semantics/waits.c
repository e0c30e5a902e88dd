/* SPDX-License-Identifier: Apache-2.0 */
#include "situations.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

const char *event_names(unsigned events, char buffer[64])
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{EPOLLIN, "IN"},         {EPOLLOUT, "OUT"},       {EPOLLERR, "ERR"},
		     {EPOLLHUP, "HUP"},       {EPOLLRDHUP, "RDHUP"},   {EPOLLPRI, "PRI"},
		     {EPOLLRDNORM, "RDNORM"}, {EPOLLWRNORM, "WRNORM"}, {POLLNVAL, "NVAL"}};

	buffer[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (events & names[i].bit) {
			if (buffer[0])
				strcat(buffer, "|");
			strcat(buffer, names[i].name);
			events &= ~names[i].bit;
		}
	if (events != 0)
		snprintf(buffer + strlen(buffer), 64 - strlen(buffer), "|%x", events);
	return buffer;
}

void note_poll(struct test *t, short events, int timeout)
{
	struct pollfd waiting = {.fd = t->fd, .events = events, .revents = -1};
	char names[64];

	errno = ERRNO_UNTOUCHED;
	if (note_result(t, "poll", poll(&waiting, 1, timeout)) >= 0)
		note(t, "  %s", event_names((unsigned short)waiting.revents, names));
}

/* The registration's data must come back as it was given. */
enum { DATA = 0x5eed };

int new_epoll(struct test *t, unsigned events)
{
	const int epoll = epoll_create1(EPOLL_CLOEXEC);

	register_epoll(t, epoll, EPOLL_CTL_ADD, events);
	return epoll;
}

void register_epoll(struct test *t, int epoll, int operation, unsigned events)
{
	struct epoll_event event = {.events = events, .data.u64 = UINT64_C(0xfedcba9800000000) | DATA};

	errno = ERRNO_UNTOUCHED;
	note_result(t, "epoll_ctl", epoll_ctl(epoll, operation, t->fd, &event));
}

void note_epoll(struct test *t, int epoll, int timeout)
{
	struct epoll_event events[4] = {{0}};
	char names[64];
	int count;

	errno = ERRNO_UNTOUCHED;
	count = epoll_wait(epoll, events, 4, timeout);
	note_result(t, "epoll_wait", count);
	for (int i = 0; i < count; i++)
		note(t, "  %s data %llx", event_names(events[i].events, names), (unsigned long long)events[i].data.u64);
}

void note_select(struct test *t, long timeout_ms)
{
	struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	fd_set readable, failed;

	FD_ZERO(&readable);
	FD_ZERO(&failed);
	FD_SET(t->fd, &readable);
	FD_SET(t->fd, &failed);
	errno = ERRNO_UNTOUCHED;
	note_result(t, "select", select(t->fd + 1, &readable, NULL, &failed, &timeout));
	note(t, "  %s %s", FD_ISSET(t->fd, &readable) ? "readable" : "", FD_ISSET(t->fd, &failed) ? "except" : "");
}

struct answer finish_meanwhile(struct test *t)
{
	const long end = now_ms() + 3000;
	struct pollfd waiting = {.fd = t->fd, .events = POLLIN};

	for (; t->asked > 1; t->asked--) {
		struct answer earlier;

		while (!is_finished(t) && now_ms() < end)
			poll(&waiting, 1, 2);
		recv(t->control, &earlier, sizeof(earlier), 0);
	}
	while (!is_finished(t) && now_ms() < end)
		poll(&waiting, 1, 2);
	return finish(t);
}

void client_receives_meanwhile(struct test *t, unsigned size)
{
	begin(t, STEP_RECEIVE, size, 0);
	const struct answer answer = finish_meanwhile(t);
	note_answer(t, "client received", &answer);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/readiness/interest.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"

#include <errno.h>

#define IN_BITS ((unsigned)(POLLIN | POLLRDNORM))
#define OUT_BITS ((unsigned)(POLLOUT | POLLWRNORM))

unsigned tg_interest_on_socket(struct tg_stream *stream, unsigned events)
{
	unsigned state = tg_stream_state(stream);
	unsigned wants = ((events & IN_BITS) != 0 ? POLLIN : 0) | ((events & OUT_BITS) != 0 ? POLLOUT : 0);

	if ((state & (TG_STREAM_HANDSHAKING | TG_STREAM_OUTPUT | TG_STREAM_ENDED)) != 0) {
		unsigned output = (state & TG_STREAM_OUTPUT) == 0 ? wants & POLLOUT : 0;
		wants = tg_stream_wants(stream, wants | (events & POLLRDHUP)) | output;
	}
	return (state & TG_STREAM_HANDSHAKING) == 0 ? wants | (events & POLLRDHUP) : wants;
}

unsigned tg_interest_look(struct tg_stream *stream, unsigned events)
{
	unsigned state = tg_stream_state(stream);

	/* The socket is writable, and so is the stream: it need not do anything for that. */
	if (events == POLLOUT && (state & (TG_STREAM_OUTPUT | TG_STREAM_ENDED)) == 0)
		return POLLOUT | ((state & TG_STREAM_INPUT) != 0 ? POLLIN : 0);
	unsigned ready = tg_stream_poll(stream);
	state = tg_stream_state(stream);
	if ((state & TG_STREAM_HANDSHAKING) == 0)
		return ready | (events & (POLLERR | POLLHUP | POLLRDHUP));
	return (state & TG_STREAM_OUTPUT) == 0 ? ready : ready & ~(unsigned)POLLOUT;
}

unsigned tg_interest_reported(unsigned ready, unsigned events)
{
	if ((ready & POLLIN) != 0)
		ready |= POLLRDNORM;
	if ((ready & POLLOUT) != 0)
		ready |= POLLWRNORM;
	return ready & (events | POLLERR | POLLHUP);
}

uint32_t tg_interest_events(const struct tg_registration *registration, struct tg_stream *stream)
{
	uint32_t flags = registration->events & (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP);

	/* With EPOLLONESHOT each answer that is not for the server would be asked for again, and come at once. */
	if ((flags & (EPOLLET | EPOLLONESHOT)) == EPOLLET)
		return flags | EPOLLIN | EPOLLOUT | EPOLLRDHUP;
	return flags | tg_interest_on_socket(stream, registration->events) | (registration->wake ? EPOLLOUT : 0);
}

static void set_interest(struct tg_epoll *epoll, struct tg_registration *registration, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = tg_registration_token(registration)};
	int saved = errno;

	if (tg_libc.epoll_ctl(epoll->fd, EPOLL_CTL_MOD, registration->fd, &event) == 0) {
		registration->interest = events;
		registration->spent = false;
	}
	errno = saved;
}

void tg_interest_for_good(struct tg_epoll *epoll, struct tg_registration *registration)
{
	const uint32_t once = registration->events & EPOLLONESHOT;

	set_interest(epoll, registration, once | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool tg_interest_has_news(const struct tg_registration *registration, struct tg_stream *stream)
{
	if (registration->closer)
		return true;
	if ((registration->events & EPOLLET) != 0 || (registration->events & IN_BITS) == 0)
		return false;
	return (tg_stream_state(stream) & TG_STREAM_INPUT) != 0;
}

void tg_interest_refresh(struct tg_epoll *epoll, struct tg_registration *registration, struct tg_stream *stream, bool wakes)
{
	const bool edge = (registration->events & EPOLLET) != 0;
	unsigned state = tg_stream_state(stream);
	bool woken = registration->wake;

	if ((state & TG_STREAM_OUTPUT) != 0)
		registration->reported_out = false;
	if (registration->handshaking && (state & TG_STREAM_HANDSHAKING) == 0) {
		registration->handshaking = false;
		tg_epoll_set_deadline(epoll, registration, TG_CLOCK_NEVER);
	}
	if (registration->disabled)
		return;
	if (edge && (state & TG_STREAM_NEWS) != 0 && (registration->events & IN_BITS) != 0)
		registration->closer = true;
	if (tg_interest_has_news(registration, stream))
		tg_epoll_list(epoll, registration);
	const bool reports = registration->listed && tg_interest_has_news(registration, stream);
	if (epoll->nested)
		registration->wake = reports;
	else
		registration->wake = woken || (reports && wakes && tg_epoll_has_waiters(epoll));
	uint32_t events = tg_interest_events(registration, stream);
	/* Under a number that was closed, and is another socket now, the kernel has nothing of ours. */
	if ((events != registration->interest || registration->spent || (edge && registration->wake && !woken)) &&
	    tg_descriptors_is(registration->fd, stream))
		set_interest(epoll, registration, events);
}

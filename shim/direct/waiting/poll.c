/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/waiting/poll.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/interest.h"
#include "shim/direct/readiness/timer.h"

#include <errno.h>
#include <stdlib.h>

#define ON_STACK 128

/* One call in progress: for each descriptor what the kernel is asked, and its stream (NULL for most). */
struct work {
	const struct tg_poll_call *call;
	struct tg_timer timer;
	struct pollfd *interest;
	struct tg_stream **streams;
	void *memory;
};

static int in_kernel(const struct work *work, int64_t left)
{
	const struct tg_poll_call *call = work->call;
	struct timespec timeout;

	if (call->is_ppoll)
		return tg_libc.ppoll(work->interest, call->count, tg_timer_timespec(left, &timeout), call->mask);
	return tg_libc.poll(work->interest, call->count, tg_timer_milliseconds(left));
}

static int pass(const struct tg_poll_call *call)
{
	if (call->is_ppoll)
		return tg_libc.ppoll(call->fds, call->count, call->timeout, call->mask);
	return tg_libc.poll(call->fds, call->count, call->milliseconds);
}

bool tg_poll_concerns(const struct pollfd *fds, nfds_t count)
{
	bool found = false;

	if (atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) == 0)
		return false;
	tg_stream_before_wait();
	for (nfds_t i = 0; i < count; i++) {
		if (tg_epoll_find(fds[i].fd) != NULL)
			tg_epoll_expose(fds[i].fd);
		found |= tg_descriptors_is_one(fds[i].fd);
	}
	return found;
}

static bool holds_input(const struct work *work, nfds_t at)
{
	return (work->call->fds[at].events & (POLLIN | POLLRDNORM)) != 0 &&
	       (tg_stream_state(work->streams[at]) & TG_STREAM_INPUT) != 0;
}

/* Fills in what to ask the kernel. Returns how long it may wait. */
static int64_t prepare(struct work *work)
{
	int64_t deadline = TG_CLOCK_NEVER;
	bool wait = true;

	for (nfds_t i = 0; i < work->call->count; i++) {
		struct tg_stream *stream = work->streams[i];
		work->interest[i].revents = 0;
		if (stream == NULL)
			continue;
		work->interest[i].events = (short)tg_interest_on_socket(stream, (unsigned short)work->call->fds[i].events);
		int64_t own = tg_stream_deadline(stream);
		if (own < deadline)
			deadline = own;
		if (holds_input(work, i))
			wait = false;
	}
	return wait ? tg_timer_left(&work->timer, deadline) : 0;
}

static short look_at_stream(struct work *work, nfds_t at)
{
	struct tg_stream *stream = work->streams[at];
	unsigned events = (unsigned short)work->interest[at].revents;
	int saved = errno;

	if ((events & POLLNVAL) != 0)
		return POLLNVAL;
	if (events == 0 && !holds_input(work, at) && tg_stream_deadline(stream) > tg_clock_now())
		return 0;
	if (tg_descriptors_claim(stream))
		events = tg_interest_look(stream, events);
	errno = saved;
	return (short)tg_interest_reported(events, (unsigned short)work->call->fds[at].events);
}

/* Returns how many descriptors are reported to the server. */
static int fill_revents(struct work *work)
{
	int reported = 0;

	for (nfds_t i = 0; i < work->call->count; i++) {
		struct pollfd *fd = &work->call->fds[i];
		fd->revents = work->streams[i] == NULL ? work->interest[i].revents : look_at_stream(work, i);
		reported += fd->revents != 0;
	}
	return reported;
}

static void release(void *arg)
{
	struct work *work = arg;

	for (nfds_t i = 0; i < work->call->count; i++)
		if (work->streams[i] != NULL)
			tg_descriptors_put(work->streams[i]);
	free(work->memory);
}

static int go_on(struct work *work)
{
	const struct tg_poll_call *call = work->call;
	int r;

	for (nfds_t i = 0; i < call->count; i++) {
		work->interest[i] = call->fds[i];
		work->streams[i] = tg_descriptors_get(call->fds[i].fd);
	}
	pthread_cleanup_push(release, work);
	do {
		r = in_kernel(work, prepare(work));
		if (r >= 0)
			r = fill_revents(work);
	} while (r == 0 && !tg_timer_is_over(&work->timer));
	pthread_cleanup_pop(1);
	return r;
}

int tg_poll(const struct tg_poll_call *call)
{
	struct pollfd interest[ON_STACK];
	struct tg_stream *streams[ON_STACK];
	struct work work = {.call = call, .interest = interest, .streams = streams};

	if (!tg_timer_is_valid(call->timeout))
		return pass(call);
	work.timer = call->is_ppoll ? tg_timer_of_timespec(call->timeout) : tg_timer_of_milliseconds(call->milliseconds);
	if (call->count > ON_STACK) {
		work.memory = calloc(call->count, sizeof(struct pollfd) + sizeof(struct tg_stream *));
		if (work.memory == NULL) {
			errno = ENOMEM;
			return -1;
		}
		work.streams = work.memory;
		work.interest = (struct pollfd *)(work.streams + call->count);
	}
	return go_on(&work);
}

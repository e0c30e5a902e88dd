/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll_wait(2) where streams are registered. Each round looks at the list, then asks the kernel, then translates its
 * answers. It goes on with the rest of the timeout until there is an event for the server.
 */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/interest.h"
#include "shim/direct/readiness/timer.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>

/*
 * The most events of one call. A stream that was reported readable holds libssl's buffer until the server has read it. A
 * server that got a thousand events at once would work through as many buffers, none of them in the processor's cache any
 * more. The kernel reports the remaining ones to the next call.
 */
#define AT_ONCE 64

/* One call in progress. */
struct wait {
	const struct tg_epoll_call *call;
	struct tg_epoll *epoll;
	int room;
	uint32_t round;
	struct tg_timer timer;
};

static struct tg_timer timer_of(const struct tg_epoll_call *call)
{
	return call->kind == TG_EPOLL_PWAIT2 ? tg_timer_of_timespec(call->timeout)
					     : tg_timer_of_milliseconds(call->milliseconds);
}

static int in_kernel(const struct tg_epoll_call *call, struct epoll_event *events, int room, int64_t left)
{
	struct timespec timeout;

	switch (call->kind) {
	case TG_EPOLL_WAIT:
		break;
	case TG_EPOLL_PWAIT:
		return tg_libc.epoll_pwait(call->fd, events, room, tg_timer_milliseconds(left), call->mask);
	case TG_EPOLL_PWAIT2:
		return tg_libc.epoll_pwait2(call->fd, events, room, tg_timer_timespec(left, &timeout), call->mask);
	}
	return tg_libc.epoll_wait(call->fd, events, room, tg_timer_milliseconds(left));
}

/* The real call, as the server made it. */
static int pass(const struct tg_epoll_call *call)
{
	switch (call->kind) {
	case TG_EPOLL_WAIT:
		break;
	case TG_EPOLL_PWAIT:
		return tg_libc.epoll_pwait(call->fd, call->events, call->room, call->milliseconds, call->mask);
	case TG_EPOLL_PWAIT2:
		return tg_libc.epoll_pwait2(call->fd, call->events, call->room, call->timeout, call->mask);
	}
	return tg_libc.epoll_wait(call->fd, call->events, call->room, call->milliseconds);
}

/*
 * Under the epoll's lock. Fills the server's event with what is ready of the stream; false: nothing that the server waits
 * for. A level-triggered registration that was reported is listed, and looked at again before the next wait.
 */
static bool fill_event(struct tg_epoll *epoll, struct tg_registration *registration, unsigned ready, uint32_t round,
		       struct epoll_event *ret)
{
	const bool edge = (registration->events & EPOLLET) != 0;
	unsigned said = tg_interest_reported(ready, registration->events);

	if (registration->disabled || (round != 0 && registration->round == round))
		return false;
	/* The kernel's edge is of both directions, and each piece of a slow handshake is one. */
	if (edge && (said & ~(unsigned)(EPOLLOUT | EPOLLWRNORM)) == 0 && registration->reported_out)
		return false;
	if (said == 0)
		return false;
	ret->events = said;
	ret->data = registration->data;
	registration->round = round;
	registration->reported_out |= (said & EPOLLOUT) != 0;
	registration->disabled = (registration->events & EPOLLONESHOT) != 0;
	if (!registration->disabled && !edge && (said & EPOLLIN) != 0)
		tg_epoll_list(epoll, registration);
	return true;
}

/* With a reference. The registered number may be closed while another number of the stream lives on (epoll(7)). */
static struct tg_stream *stream_of(struct tg_registration *registration, uint64_t token)
{
	struct tg_stream *stream = tg_descriptors_get(registration->fd);
	struct tg_epoll *epoll = registration->epoll;
	int other = -1;

	if (stream != NULL && stream == registration->stream)
		return stream;
	if (stream != NULL)
		tg_descriptors_put(stream);
	if (epoll == NULL)
		return NULL;
	tg_lock_take(&epoll->lock);
	if (tg_registration_is(registration, token) && registration->epoll == epoll)
		other = tg_stream_fd(registration->stream);
	tg_lock_release(&epoll->lock);
	stream = other < 0 ? NULL : tg_descriptors_get(other);
	if (stream != NULL && stream != registration->stream) {
		tg_descriptors_put(stream);
		return NULL;
	}
	return stream;
}

/*
 * If another process owns the stream, the kernel's events are reported as they are, and listed input as before. The
 * server's read then tells it that nothing is there for it (EIO).
 */
static unsigned look_at_stream(struct tg_stream *stream, unsigned events)
{
	int saved = errno;
	bool ours = tg_descriptors_claim(stream);

	errno = saved;
	if (ours)
		return tg_interest_look(stream, events);
	return events != 0 ? events : POLLIN;
}

static void update_deadline(struct tg_epoll *epoll, struct tg_registration *registration, int64_t deadline)
{
	/* A deadline that has passed without an effect on the stream is not tried again. */
	if (registration->place != 0 || (deadline != TG_CLOCK_NEVER && deadline != registration->deadline))
		tg_epoll_set_deadline(epoll, registration, deadline);
}

/* Translates an event of a stream. True: *event is now the server's. */
static bool fill_if_due(uint32_t round, struct epoll_event *event)
{
	const uint64_t token = event->data.u64;
	struct tg_registration *registration = tg_registration_find(token);
	struct tg_stream *stream = registration == NULL ? NULL : stream_of(registration, token);
	bool reported = false;

	if (stream == NULL)
		return false;
	if ((event->events & (EPOLLRDHUP | EPOLLHUP)) != 0)
		tg_stream_hear_end(stream);
	unsigned ready = look_at_stream(stream, event->events);
	bool handshaking = (tg_stream_state(stream) & TG_STREAM_HANDSHAKING) != 0;
	int64_t deadline = handshaking ? tg_stream_deadline(stream) : TG_CLOCK_NEVER;
	struct tg_epoll *epoll = atomic_load_explicit(&registration->epoll, memory_order_acquire);
	if (epoll != NULL) {
		tg_lock_take(&epoll->lock);
		if (tg_registration_is(registration, token) && registration->epoll == epoll) {
			if (event->events != 0 && (registration->events & EPOLLONESHOT) != 0)
				registration->spent = true;
			registration->wake = registration->closer = false;
			reported = fill_event(epoll, registration, ready, round, event);
			update_deadline(epoll, registration, deadline);
			/* Level-triggered, the kernel would report to the next waiting thread as well, before this one has
			 * read. */
			tg_interest_refresh(epoll, registration, stream, reported);
		}
		tg_lock_release(&epoll->lock);
	}
	tg_descriptors_put(stream);
	return reported;
}

/* Keeps those of `count` events that are for the server, and moves them together. */
static int filter(uint32_t round, struct epoll_event *events, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++)
		if (!tg_registration_is_token(events[i].data.u64) || fill_if_due(round, &events[i])) {
			if (kept != i)
				events[kept] = events[i];
			kept++;
		}
	return kept;
}

/* Under the lock. Whether a listed registration may be ready, by the hint alone. False: it leaves the list. */
static bool is_still_ready(const struct tg_registration *registration)
{
	return !registration->disabled && tg_interest_has_news(registration, registration->stream);
}

/* Under the lock. Whether the list has something to report. */
static bool look_through(struct tg_epoll *epoll)
{
	while (epoll->listed_first != NULL) {
		if (is_still_ready(epoll->listed_first))
			return true;
		tg_epoll_unlist(epoll, epoll->listed_first);
	}
	return false;
}

static void expire(struct tg_epoll *epoll)
{
	struct tg_registration *registration = tg_epoll_earliest(epoll);
	const int64_t now = registration == NULL ? 0 : tg_clock_now();

	while (registration != NULL && registration->deadline <= now) {
		registration->closer = true;
		tg_epoll_list(epoll, registration);
		tg_epoll_set_deadline(epoll, registration, TG_CLOCK_NEVER);
		registration = tg_epoll_earliest(epoll);
	}
}

/*
 * Takes each listed registration once, as an event of the kernel without event bits. The stream itself is asked later,
 * without the lock.
 */
static int take_listed(struct wait *wait, struct epoll_event *events, int room)
{
	struct tg_epoll *epoll = wait->epoll;
	int count = 0;

	tg_lock_take(&epoll->lock);
	for (unsigned left = epoll->listed_count; left > 0 && count < room; left--) {
		struct tg_registration *registration = epoll->listed_first;
		tg_epoll_unlist(epoll, registration);
		if (!is_still_ready(registration))
			continue;
		if (registration->round == wait->round) {
			tg_epoll_list(epoll, registration);
			continue;
		}
		events[count].events = 0;
		events[count++].data.u64 = tg_registration_token(registration);
	}
	tg_lock_release(&epoll->lock);
	return filter(wait->round, events, count);
}

/* The room for the kernel's events; the list gets up to half of all room. */
static int share(struct tg_epoll *epoll, int room)
{
	if (room == 1) {
		epoll->turn = !epoll->turn;
		return epoll->turn ? 1 : 0;
	}
	unsigned half = (unsigned)room / 2;
	return room - (int)(epoll->listed_count < half ? epoll->listed_count : half);
}

static void leave(void *arg)
{
	struct tg_epoll *epoll = arg;

	tg_lock_take(&epoll->lock);
	if (epoll->waiters > 0)
		epoll->waiters--;
	tg_lock_release(&epoll->lock);
}

/* Under the lock: how long the kernel may wait. */
static int64_t left_of(struct wait *wait)
{
	const struct tg_registration *earliest = tg_epoll_earliest(wait->epoll);

	wait->epoll->until = earliest == NULL ? TG_CLOCK_NEVER : earliest->deadline;
	return tg_timer_left(&wait->timer, wait->epoll->until);
}

static int block(struct wait *wait, int64_t left)
{
	int r;

	pthread_cleanup_push(leave, wait->epoll);
	r = in_kernel(wait->call, wait->call->events, wait->room, left);
	pthread_cleanup_pop(1);
	return r;
}

/*
 * No stream is registered yet. Another thread may register one during the wait, with input that TLS holds, and must then
 * wake this thread. So the waiting thread is counted all the same. False: a stream is registered by now.
 */
static bool is_empty_and_counted(struct tg_epoll *epoll)
{
	tg_lock_take(&epoll->lock);
	const bool empty = atomic_load_explicit(&epoll->count, memory_order_relaxed) == 0;
	if (empty) {
		epoll->waiters++;
		epoll->until = TG_CLOCK_NEVER;
	}
	tg_lock_release(&epoll->lock);
	return empty;
}

static int pass_counted(const struct tg_epoll_call *call, struct tg_epoll *epoll)
{
	int r;

	pthread_cleanup_push(leave, epoll);
	r = pass(call);
	pthread_cleanup_pop(1);
	return r;
}

/* One round. 0: nothing for the server yet. */
static int wait_once(struct wait *wait)
{
	const struct tg_epoll_call *call = wait->call;
	struct tg_epoll *epoll = wait->epoll;
	int room = wait->room, got = 0, saved = errno;
	int64_t left = 0;

	tg_lock_take(&epoll->lock);
	wait->round = ++epoll->round == 0 ? ++epoll->round : epoll->round;
	expire(epoll);
	const bool listed = look_through(epoll);
	if (listed)
		room = share(epoll, room);
	else
		left = left_of(wait);
	if (left != 0)
		epoll->waiters++;
	tg_lock_release(&epoll->lock);
	if (left != 0)
		got = block(wait, left);
	else if (room > 0)
		got = in_kernel(call, call->events, room, 0);
	if (got < 0)
		return -1;
	got = filter(wait->round, call->events, got);
	if (listed && got < wait->room)
		got += take_listed(wait, call->events + got, wait->room - got);
	errno = saved;
	return got;
}

static bool has_token(const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++)
		if (tg_registration_is_token(events[i].data.u64))
			return true;
	return false;
}

int tg_epoll_wait(const struct tg_epoll_call *call)
{
	struct wait wait = {
	    .call = call, .epoll = tg_epoll_find(call->fd), .room = call->room < AT_ONCE ? call->room : AT_ONCE};
	const bool passes = wait.epoll == NULL || call->room <= 0 || !tg_timer_is_valid(call->timeout);
	int r;

	tg_stream_before_wait();
	if (tg_timer_is_valid(call->timeout))
		wait.timer = timer_of(call);
	if (passes ||
	    (atomic_load_explicit(&wait.epoll->count, memory_order_relaxed) == 0 && is_empty_and_counted(wait.epoll))) {
		bool dropped = false;
		r = passes ? pass(call) : pass_counted(call, wait.epoll);
		while (r > 0 && has_token(call->events, r)) {
			/* The first stream was registered during the wait, or the descriptor came from another process. */
			r = filter(0, call->events, r);
			dropped = r == 0;
			wait.epoll = tg_epoll_find(call->fd);
			if (r > 0 || wait.epoll != NULL || tg_timer_is_over(&wait.timer))
				break;
			r = in_kernel(call, call->events, call->room, tg_timer_left(&wait.timer, TG_CLOCK_NEVER));
			dropped = false;
		}
		if (!dropped || wait.epoll == NULL)
			return r;
	}
	do
		r = wait_once(&wait);
	while (r == 0 && !tg_timer_is_over(&wait.timer));
	return r;
}

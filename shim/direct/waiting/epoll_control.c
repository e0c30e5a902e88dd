/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl(2) on a stream. */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/interest.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>

#define EXCLUSIVE_BITS                                                                                                     \
	((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE | EPOLLRDNORM))

/*
 * Computes which changes of the stream's state are worth taking the locks for after a call on it. If somebody waits for the
 * epoll descriptor itself, every call is, because the kernel must stop reporting that descriptor when there is nothing left
 * to report.
 */
#define LOOK_ALWAYS (1U << 31)
static void look_for(struct tg_watch *watch)
{
	unsigned look = 0;

	for (struct tg_registration *registration = watch->first; registration != NULL;
	     registration = registration->of_stream) {
		look |= TG_STREAM_OUTPUT | TG_STREAM_NEWS;
		if ((registration->events & EPOLLET) == 0)
			look |= TG_STREAM_INPUT;
		if (registration->handshaking)
			look |= TG_STREAM_HANDSHAKING;
		const struct tg_epoll *epoll = atomic_load_explicit(&registration->epoll, memory_order_acquire);
		if (epoll != NULL && epoll->nested)
			look |= LOOK_ALWAYS;
	}
	atomic_exchange_explicit(&watch->look, look, memory_order_acq_rel);
}

static void fill(struct tg_registration *registration, const struct epoll_event *event, bool exclusive)
{
	registration->events = event->events & ~(uint32_t)EPOLLEXCLUSIVE;
	registration->data = event->data;
	registration->round = 0;
	registration->exclusive = exclusive;
	registration->disabled = registration->spent = registration->reported_out = registration->closer = false;
}

/* A thread that waits already must be woken for an earlier deadline. */
static void set_deadline(struct tg_epoll *epoll, struct tg_registration *registration, struct tg_stream *stream)
{
	registration->handshaking = (tg_stream_state(stream) & TG_STREAM_HANDSHAKING) != 0;
	int64_t deadline = registration->handshaking ? tg_stream_deadline(stream) : TG_CLOCK_NEVER;
	tg_epoll_set_deadline(epoll, registration, deadline);
	registration->wake =
	    deadline != TG_CLOCK_NEVER && tg_epoll_has_waiters(epoll) && (epoll->waiters == 0 || deadline < epoll->until);
}

static int control_kernel(struct tg_epoll *epoll, int operation, struct tg_registration *registration,
			  struct tg_stream *stream)
{
	struct epoll_event event = {.events = tg_interest_events(registration, stream),
				    .data.u64 = tg_registration_token(registration)};
	int r = tg_libc.epoll_ctl(epoll->fd, operation, registration->fd, &event);

	if (r == 0)
		registration->interest = event.events;
	return r;
}

/*
 * The kernel reports a writable socket right after this. If the socket is not writable, or with EPOLLONESHOT, which asks
 * for no more than it must, the registration is listed here for what TLS holds.
 */
static void begin_reports(struct tg_epoll *epoll, struct tg_registration *registration, struct tg_stream *stream)
{
	const bool once = (registration->events & EPOLLONESHOT) != 0;
	const unsigned closely = (unsigned)TG_STREAM_INPUT | (once ? 0 : (unsigned)TG_STREAM_OUTPUT);

	if ((registration->events & EPOLLET) != 0 && (tg_stream_state(stream) & closely) == closely)
		registration->closer = true;
	tg_interest_refresh(epoll, registration, stream, true);
}

static void drop(struct tg_epoll *epoll, struct tg_registration *registration)
{
	tg_epoll_remove(epoll, registration);
	tg_registration_end(registration);
}

/* Under the epoll's lock: `fd` is still one of its numbers. */
static bool is_at(struct tg_epoll *epoll, int fd)
{
	if (tg_epoll_find(fd) == epoll)
		return true;
	errno = EBADF;
	return false;
}

/* `before`: a registration that the kernel may have dropped, because the number was closed without a hook. */
static int add(struct tg_epoll *epoll, int operation, struct tg_registration *registration, struct tg_stream *stream,
	       const struct epoll_event *event, struct tg_registration *before)
{
	tg_epoll_add(epoll, registration);
	fill(registration, event, (event->events & EPOLLEXCLUSIVE) != 0);
	set_deadline(epoll, registration, stream);
	int r = control_kernel(epoll, operation, registration, stream);
	if (r != 0) {
		drop(epoll, registration);
	} else {
		if (before != NULL)
			drop(epoll, before);
		begin_reports(epoll, registration, stream);
	}
	return r;
}

static int modify(struct tg_epoll *epoll, struct tg_registration *registration, struct tg_stream *stream,
		  const struct epoll_event *event)
{
	const struct epoll_event before = {.events = registration->events, .data = registration->data};
	const bool disabled = registration->disabled, spent = registration->spent;

	if (registration->exclusive || (event->events & EPOLLEXCLUSIVE) != 0) {
		errno = EINVAL;
		return -1;
	}
	fill(registration, event, false);
	set_deadline(epoll, registration, stream);
	int r = control_kernel(epoll, EPOLL_CTL_MOD, registration, stream);
	if (r == 0) {
		begin_reports(epoll, registration, stream);
	} else {
		fill(registration, &before, false);
		registration->disabled = disabled;
		registration->spent = spent;
	}
	return r;
}

static void change(struct tg_registration *registration, struct tg_stream *stream)
{
	struct tg_epoll *epoll = atomic_load_explicit(&registration->epoll, memory_order_acquire);

	if (epoll == NULL)
		return;
	tg_lock_take(&epoll->lock);
	if (registration->epoll == epoll)
		tg_interest_refresh(epoll, registration, stream, true);
	tg_lock_release(&epoll->lock);
}

/* Under the lock of the list. */
static int set_locked(struct tg_epoll *epoll, int fd, int operation, struct tg_stream *stream, int of,
		      const struct epoll_event *event)
{
	struct tg_watch *watch = tg_stream_watch(stream);
	struct tg_registration *before = tg_registration_of(watch, epoll, of), *fresh = NULL;
	const bool modifies = operation == EPOLL_CTL_MOD && before != NULL;
	int r = -1;

	/* A thread that closes the number waits for the lock, and then finds this registration. */
	if (!tg_descriptors_is(of, stream)) {
		errno = EBADF;
		return -1;
	}
	if (!modifies && (fresh = tg_registration_new(watch, stream, of)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	tg_lock_take(&epoll->lock);
	if (!is_at(epoll, fd)) {
		if (fresh != NULL)
			tg_registration_end(fresh);
	} else if (modifies) {
		r = modify(epoll, before, stream, event);
	} else {
		r = add(epoll, operation, fresh, stream, event, before);
	}
	tg_lock_release(&epoll->lock);
	return r;
}

static int set(int fd, int operation, struct tg_stream *stream, int of, const struct epoll_event *event)
{
	struct tg_watch *watch = tg_stream_watch(stream);
	struct tg_epoll *epoll = tg_epoll_get(fd);
	struct tg_registration *registration;

	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (epoll == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (operation == EPOLL_CTL_ADD && (event->events & EPOLLEXCLUSIVE) != 0 && (event->events & ~EXCLUSIVE_BITS) != 0) {
		errno = EINVAL;
		return -1;
	}
	tg_registrations_lock(watch);
	int r = set_locked(epoll, fd, operation, stream, of, event), saved = errno;
	tg_registrations_prune(watch);
	look_for(watch);
	/* A thread that reads at this moment may leave input, and not see yet that somebody waits for it. */
	if (r == 0 && !__libc_single_threaded && (registration = tg_registration_of(watch, epoll, of)) != NULL)
		change(registration, stream);
	tg_registrations_unlock(watch);
	errno = saved;
	return r;
}

/* The kernel's registration and ours are removed under one lock. Otherwise another thread's new one could be removed
 * instead.
 */
static int delete (int fd, struct tg_stream *stream, int of, struct epoll_event *event)
{
	struct tg_watch *watch = tg_stream_watch(stream);

	tg_registrations_lock(watch);
	struct tg_epoll *epoll = tg_epoll_find(fd);
	const bool is_its = tg_descriptors_is(of, stream);
	int r = is_its ? tg_libc.epoll_ctl(fd, EPOLL_CTL_DEL, of, event) : -1, saved = is_its ? errno : EBADF;
	struct tg_registration *registration =
	    epoll == NULL || (r != 0 && saved != ENOENT) ? NULL : tg_registration_of(watch, epoll, of);
	if (registration != NULL) {
		tg_lock_take(&epoll->lock);
		if (registration->epoll == epoll)
			drop(epoll, registration);
		tg_lock_release(&epoll->lock);
	}
	tg_registrations_prune(watch);
	look_for(watch);
	tg_registrations_unlock(watch);
	errno = saved;
	return r;
}

void tg_epoll_expose(int fd)
{
	struct tg_epoll *epoll = tg_epoll_find(fd);

	if (epoll == NULL || epoll->nested)
		return;
	tg_lock_take(&epoll->lock);
	epoll->nested = true;
	for (struct tg_registration *registration = epoll->first; registration != NULL; registration = registration->next) {
		atomic_fetch_or_explicit(&tg_stream_watch(registration->stream)->look, LOOK_ALWAYS, memory_order_relaxed);
		tg_interest_refresh(epoll, registration, registration->stream, true);
	}
	tg_lock_release(&epoll->lock);
}

/* `of` may be an epoll descriptor that is registered with another epoll from now on. */
static int control_other(int fd, int operation, int of, struct epoll_event *event)
{
	int r = tg_libc.epoll_ctl(fd, operation, of, event);

	if (r == 0 && operation == EPOLL_CTL_ADD)
		tg_epoll_expose(of);
	return r;
}

int tg_epoll_control(int fd, int operation, int of, struct epoll_event *event)
{
	struct tg_stream *stream = tg_descriptors_get(of);
	int r;

	if (stream == NULL)
		return control_other(fd, operation, of, event);
	if (operation == EPOLL_CTL_DEL)
		r = delete (fd, stream, of, event);
	else if ((operation == EPOLL_CTL_ADD || operation == EPOLL_CTL_MOD) && event != NULL)
		r = set(fd, operation, stream, of, event);
	else
		r = tg_libc.epoll_ctl(fd, operation, of, event);
	tg_descriptors_put(stream);
	return r;
}

void tg_readiness_changed(struct tg_stream *stream)
{
	struct tg_watch *watch = tg_stream_watch(stream);
	/* A thread that registers the stream now is either seen here, or sees what this thread has left (look_for). */
	unsigned look = __libc_single_threaded ? atomic_load_explicit(&watch->look, memory_order_relaxed)
					       : atomic_fetch_or_explicit(&watch->look, 0, memory_order_acq_rel);

	/* For HANDSHAKING it is the end that counts. */
	if (((tg_stream_state(stream) ^ TG_STREAM_HANDSHAKING) & look) == 0 && (look & LOOK_ALWAYS) == 0)
		return;
	tg_registrations_lock(watch);
	tg_registrations_prune(watch);
	for (struct tg_registration *registration = watch->first; registration != NULL;
	     registration = registration->of_stream)
		change(registration, stream);
	look_for(watch);
	tg_registrations_unlock(watch);
}

/*
 * The kernel drops a registration when the last number of the socket is closed, in every process that has one. After a
 * fork, or while the relay sends an unsent tail, or if the server gave the socket away, that may be late, and events would
 * find no registration. So the process that registered the stream removes it, unless the number is something else by now.
 */
static void forget(struct tg_registration *registration, int fd)
{
	struct tg_epoll *epoll = atomic_load_explicit(&registration->epoll, memory_order_acquire);

	if (epoll == NULL)
		return;
	tg_lock_take(&epoll->lock);
	if (registration->epoll == epoll) {
		int saved = errno;
		if (registration->fd != fd)
			atomic_store_explicit(&tg_epolls_have_strays, true, memory_order_relaxed);
		else if (registration->process == tg_claims_process())
			tg_libc.epoll_ctl(epoll->fd, EPOLL_CTL_DEL, fd, NULL);
		errno = saved;
		drop(epoll, registration);
	}
	tg_lock_release(&epoll->lock);
}

/* Nothing is registered, and no other thread is about to register. */
static bool is_unwatched(const struct tg_watch *watch)
{
	return __libc_single_threaded && atomic_load_explicit(&watch->look, memory_order_relaxed) == 0;
}

/* The kernel would report the old interest again and again. From now on it reports arrivals once; the rest is listed. */
void tg_readiness_leave(struct tg_stream *stream, int fd)
{
	struct tg_watch *watch = tg_stream_watch(stream);

	if (is_unwatched(watch))
		return;
	tg_registrations_lock(watch);
	for (struct tg_registration *registration = watch->first; registration != NULL;
	     registration = registration->of_stream) {
		struct tg_epoll *epoll = atomic_load_explicit(&registration->epoll, memory_order_acquire);
		if (epoll == NULL || registration->fd != fd || registration->process != tg_claims_process())
			continue;
		tg_lock_take(&epoll->lock);
		if (registration->epoll == epoll)
			tg_interest_for_good(epoll, registration);
		tg_lock_release(&epoll->lock);
	}
	tg_registrations_unlock(watch);
}

void tg_readiness_forget(struct tg_stream *stream, int fd)
{
	struct tg_watch *watch = tg_stream_watch(stream);

	if (is_unwatched(watch))
		return;
	tg_registrations_lock(watch);
	for (struct tg_registration *registration = watch->first; registration != NULL;
	     registration = registration->of_stream)
		forget(registration, fd);
	tg_registrations_prune(watch);
	look_for(watch);
	tg_registrations_unlock(watch);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll_ctl(2) and epoll_wait(2) of a process that has streams: registrations of streams are the kernel's with other events
 * and a token (registrations.h), all else passes as it is.
 *
 * Level-triggered input is reported as long as there is some, by the kernel or from the epoll's list; edge-triggered once
 * for each arrival, as the kernel would. EPOLLONESHOT is the kernel's own, so that of several threads one gets an event; it
 * is armed again where the event was not for the server. EPOLLEXCLUSIVE is dropped, since the kernel could not be asked for
 * anything else later; who modifies such a registration fails as the kernel lets it fail.
 */
#ifndef TG_SHIM_DIRECT_WAITING_EPOLL_H
#define TG_SHIM_DIRECT_WAITING_EPOLL_H

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/process/state.h"

#include <sys/single_threaded.h>

/* The hook's function: with tg_libc's own for what is no stream. */
int tg_epoll_control(int fd, int operation, int of, struct epoll_event *event);

enum tg_epoll_kind { TG_EPOLL_WAIT, TG_EPOLL_PWAIT, TG_EPOLL_PWAIT2 };

/* A call of the server's: the C library's function of the same kind is what waits. */
struct tg_epoll_call {
	enum tg_epoll_kind kind;
	int fd;
	struct epoll_event *events;
	int room;
	int milliseconds;               /* of the first two */
	const struct timespec *timeout; /* of the third; NULL: none */
	const sigset_t *mask;
};

/*
 * No event of a stream's can come out of it, however long the wait: nobody else could register one meanwhile. Then the C
 * library's function does it, called as the last thing (hooks_socket.c), and before it nothing is: a function that calls
 * none saves no register.
 */
static inline bool tg_epoll_is_plain(int fd)
{
	if (!tg_descriptors_are_wanted())
		return tg_libc_is_bound() && (__libc_single_threaded || !tg_shim_is(TG_STATE_LATENT));
	if (!__libc_single_threaded || tg_registrations_have_forked() || tg_stream_is_any_corked() ||
	    atomic_load_explicit(&tg_epolls_have_strays, memory_order_relaxed))
		return false;
	if (atomic_load_explicit(&tg_epolls_registrations, memory_order_relaxed) == 0)
		return true;
	const struct tg_epoll *epoll = tg_epoll_find(fd);
	return epoll != NULL && atomic_load_explicit(&epoll->count, memory_order_relaxed) == 0;
}

/* A cancellation point. */
int tg_epoll_wait(const struct tg_epoll_call *call);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll_ctl(2) and epoll_wait(2) in a process that has streams. A stream is registered in the kernel with other events and
 * a token (registrations.h). Everything else passes unchanged.
 *
 * Level-triggered input is reported as long as there is some, by the kernel or from the epoll's list. Edge-triggered input
 * is reported once for each arrival, as the kernel does. EPOLLONESHOT is left to the kernel, so that one of several threads
 * gets the event; it is armed again if the event was not for the server. EPOLLEXCLUSIVE is dropped, because the kernel
 * allows no other interest later. Modifying such a registration fails as it does in the kernel.
 */
#ifndef TG_SHIM_DIRECT_WAITING_EPOLL_H
#define TG_SHIM_DIRECT_WAITING_EPOLL_H

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/process/state.h"

#include <sys/single_threaded.h>

/* For the hook: calls the C library's function for what is no stream. */
int tg_epoll_control(int fd, int operation, int of, struct epoll_event *event);

enum tg_epoll_kind { TG_EPOLL_WAIT, TG_EPOLL_PWAIT, TG_EPOLL_PWAIT2 };

/* A call of the server's. The C library's function of the same kind does the waiting. */
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
 * True: no event of a stream can come out of the wait, however long it takes, because no other thread can register one
 * meanwhile. Then the hook calls nothing but the C library's function, as its last action (hooks_socket.c), so that the
 * compiler saves no registers.
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registrations: which stream is registered with which epoll descriptor, and for what (epoll_ctl(2)).
 *
 * The kernel gets a token instead of the server's data: a fixed pattern in the upper 16 bits, then a generation, then an
 * index. Servers keep a descriptor, a small counter or an address there, and no address of a program looks like the
 * pattern. So one comparison recognises an event of ours. The generation differs from that of the registration that had the
 * slot before, and from those that another process of the same epoll made after a fork. Events of registrations that are
 * gone are dropped.
 *
 * Locks, in this order: tg_registrations_lock (for the lists that begin in streams), then the epoll's lock (for everything
 * else). The memory of registrations and epolls is reused but never freed, so a thread with a stale token or number may
 * read it before it locks. Neither lock is held across a call on a stream or a wait.
 */
#ifndef TG_SHIM_DIRECT_READINESS_REGISTRATIONS_H
#define TG_SHIM_DIRECT_READINESS_REGISTRATIONS_H

#include "shim/direct/stream/stream.h"

#include <stdatomic.h>
#include <sys/epoll.h>

struct tg_epoll;

struct tg_registration {
	_Atomic uint32_t generation; /* 0: free, or its epoll is gone */
	uint32_t index;
	_Atomic int fd;
	struct tg_stream *_Atomic stream;
	struct tg_epoll *_Atomic epoll;
	struct tg_registration *of_stream; /* the next one */

	uint32_t events, interest; /* the server's; what the kernel was given */
	epoll_data_t data;         /* the server's */
	uint32_t round;            /* the wait that reported it last */
	uint32_t process;          /* that made it (claims.h) */
	bool disabled;             /* EPOLLONESHOT: reported, until it is modified */
	bool spent;                /* EPOLLONESHOT: the kernel has disabled it */
	bool exclusive;            /* EPOLLEXCLUSIVE was asked for */
	_Atomic bool handshaking;  /* no verdict yet, as far as was seen; also read in the lock of the list alone */
	bool reported_out;         /* edge-triggered: EPOLLOUT was reported, and nothing has been in the way since */
	bool closer;               /* to be looked at closely at the next wait */
	bool wake;                 /* the kernel is asked for EPOLLOUT to wake who waits already */
	bool listed;               /* in the list of what may be reported without the kernel */
	struct tg_registration *previous, *next; /* of the epoll */
	struct tg_registration *listed_before, *listed_after;
	int64_t deadline;
	size_t place; /* in the heap of deadlines, from 1; 0: not there */
};

#define TG_TOKEN_PATTERN UINT64_C(0xa574)

static inline bool tg_registration_is_token(uint64_t data)
{
	return data >> 48 == TG_TOKEN_PATTERN;
}

/* NULL: not live. Without a lock: to be looked at again (tg_registration_is) under the epoll's. */
struct tg_registration *tg_registration_find(uint64_t token);
uint64_t tg_registration_token(const struct tg_registration *registration);

static inline bool tg_registration_is(struct tg_registration *registration, uint64_t token)
{
	return (token >> 24 & 0xffffff) == atomic_load_explicit(&registration->generation, memory_order_acquire);
}

/* The lock of the list that begins in `watch`. */
void tg_registrations_lock(const struct tg_watch *watch);
void tg_registrations_unlock(const struct tg_watch *watch);

/*
 * In that lock. A new one is live and in the stream's list, all else of it zero; NULL: no memory. `find` and `prune` free
 * what has lost its epoll on the way.
 */
struct tg_registration *tg_registration_new(struct tg_watch *watch, struct tg_stream *stream, int fd);
struct tg_registration *tg_registration_of(struct tg_watch *watch, const struct tg_epoll *epoll, int fd);
void tg_registrations_prune(struct tg_watch *watch);

/* It is not live any more. The next prune frees it. In the epoll's lock. */
void tg_registration_end(struct tg_registration *registration);

/* How many processes lie between this one and the first: one more after each fork, in the child. */
unsigned tg_registrations_epoch(void);
extern _Atomic bool tg_registrations_forked;
static inline bool tg_registrations_have_forked(void)
{
	return atomic_load_explicit(&tg_registrations_forked, memory_order_relaxed);
}

/* Around fork. */
void tg_registrations_lock_all(void);
void tg_registrations_unlock_all(bool child);

#endif

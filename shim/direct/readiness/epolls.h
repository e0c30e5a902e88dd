/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The epoll instances that streams are registered with, by their descriptor numbers. Each has
 *
 * - a list of registrations that may be reported without the kernel, because TLS holds input, or something happened that
 * the kernel does not know of. It is looked at before each wait. A thread that waits already, also one that waits for the
 * epoll descriptor itself, is woken by asking the kernel for EPOLLOUT on the socket, which is writable now or soon;
 * - a heap of deadlines, for unfinished handshakes and silent clients.
 *
 * Memory is reused but never freed. Locks: see registrations.h.
 */
#ifndef TG_SHIM_DIRECT_READINESS_EPOLLS_H
#define TG_SHIM_DIRECT_READINESS_EPOLLS_H

#include "shim/binding/lock.h"
#include "shim/direct/readiness/registrations.h"

#include <sys/single_threaded.h>

struct tg_epoll {
	struct tg_lock lock;
	struct tg_epoll *next; /* all that there are, or all that are free */
	struct tg_epoll *next_free;
	int fd;                 /* one of its numbers */
	int numbers;            /* how many it has */
	_Atomic unsigned count; /* registrations */
	unsigned waiters;       /* threads that are in the kernel, or about to be */
	_Atomic bool nested;    /* somebody waits for its descriptor */
	bool turn;              /* with room for one event: whose it is */
	uint32_t round;
	int64_t until; /* the earliest deadline, as far as who waits knows */
	struct tg_registration *first;
	struct tg_registration *listed_first, *listed_last;
	unsigned listed_count;
	struct tg_registration **heap; /* from 1 */
	size_t heap_count, heap_room;
};

/* By numbers; an epoll descriptor beyond these has none. */
#define TG_EPOLLS_PAGE 1024
#define TG_EPOLLS_PAGES 1024
struct tg_epolls_page {
	struct tg_epoll *_Atomic entry[TG_EPOLLS_PAGE];
};
extern struct tg_epolls_page *_Atomic tg_epolls_pages[TG_EPOLLS_PAGES];

/* Of all epolls together. */
extern _Atomic unsigned tg_epolls_registrations;
extern _Atomic bool tg_epolls_have_strays; /* for good: the kernel may tell of what is none of them any more */

static inline struct tg_epoll *_Atomic *tg_epolls_slot(int fd)
{
	if (fd < 0 || fd >= TG_EPOLLS_PAGES * TG_EPOLLS_PAGE)
		return NULL;
	struct tg_epolls_page *page = atomic_load_explicit(&tg_epolls_pages[fd / TG_EPOLLS_PAGE], memory_order_acquire);
	return page == NULL ? NULL : &page->entry[fd % TG_EPOLLS_PAGE];
}

/* Without a lock. NULL: no stream was ever registered with it. */
static inline struct tg_epoll *tg_epoll_find(int fd)
{
	struct tg_epoll *_Atomic *slot = tg_epolls_slot(fd);

	return slot == NULL ? NULL : atomic_load_explicit(slot, memory_order_acquire);
}

/* NULL: no memory. */
struct tg_epoll *tg_epoll_get(int fd);

/* The number is not this epoll's any more. What it was the last number of is forgotten. */
void tg_epoll_forget(int fd);

/* `fd` is `from` now (dup(2)). */
void tg_epoll_duplicated(int from, int fd);

/*
 * `fd` may be an epoll descriptor that somebody waits for by other means than epoll_wait(2): whoever does is woken by what
 * its list holds. For good.
 */
void tg_epoll_expose(int fd);

/* The rest in the epoll's lock. */

/*
 * Somebody may be in the kernel who is to hear of what it does not know. Whoever began to wait before the epoll was known
 * here is not counted (round: no wait has come through here yet).
 */
static inline bool tg_epoll_has_waiters(const struct tg_epoll *epoll)
{
	return epoll->waiters > 0 || (epoll->round == 0 && !__libc_single_threaded);
}

void tg_epoll_add(struct tg_epoll *epoll, struct tg_registration *registration);
void tg_epoll_remove(struct tg_epoll *epoll, struct tg_registration *registration);

void tg_epoll_list(struct tg_epoll *epoll, struct tg_registration *registration);
void tg_epoll_unlist(struct tg_epoll *epoll, struct tg_registration *registration);

/* TG_CLOCK_NEVER takes it out. Without memory there is no deadline. */
void tg_epoll_set_deadline(struct tg_epoll *epoll, struct tg_registration *registration, int64_t deadline);
struct tg_registration *tg_epoll_earliest(const struct tg_epoll *epoll);

/* Around fork. */
void tg_epolls_lock_all(void);
void tg_epolls_unlock_all(bool child);

#endif

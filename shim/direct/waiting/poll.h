/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll(2) and select(2) in a process that has streams. If none of the descriptors is a stream, the call passes unchanged.
 * Otherwise the kernel is asked for what the streams need, and again with the rest of the timeout until there is something
 * for the server.
 */
#ifndef TG_SHIM_DIRECT_WAITING_POLL_H
#define TG_SHIM_DIRECT_WAITING_POLL_H

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/fd_bitmap.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/select.h>
#include <time.h>

/* A call of the server's. The C library's function of the same kind does the waiting. Both are cancellation points. */
struct tg_poll_call {
	struct pollfd *fds;
	nfds_t count;
	bool is_ppoll;
	int milliseconds;               /* of poll */
	const struct timespec *timeout; /* of ppoll; NULL: none */
	const sigset_t *mask;
};

/*
 * True: none of them is a stream, or an epoll with streams. The hook then calls nothing but the C library's function, as
 * its last action (epoll.h).
 */
static inline bool tg_poll_is_plain(const struct pollfd *fds, nfds_t count)
{
	if (!tg_fd_bitmap_any())
		return tg_libc_is_bound();
	if (tg_stream_is_any_corked())
		return false;
	for (nfds_t i = 0; i < count; i++)
		if (tg_fd_bitmap_has(fds[i].fd))
			return false;
	return tg_libc_is_bound();
}

/* Before the wait, if they are not plain: looks closer. True: one is a stream. */
bool tg_poll_concerns(const struct pollfd *fds, nfds_t count);
int tg_poll(const struct tg_poll_call *call);

struct tg_select_call {
	int count;
	fd_set *sets[3]; /* to read, to write, exceptions; NULL: none */
	bool is_pselect;
	struct timeval *limit;          /* of select, which leaves the rest of it there; NULL: none */
	const struct timespec *timeout; /* of pselect; NULL: none */
	const sigset_t *mask;
};

/* The same for sets. Their words are read as the kernel reads them (select(2)), see select.c for how many. */
static inline bool tg_select_is_plain(int count, const fd_set *read, const fd_set *write)
{
	const unsigned long *reads = (const unsigned long *)(const void *)read;
	const unsigned long *writes = (const unsigned long *)(const void *)write;

	if (!tg_fd_bitmap_any())
		return tg_libc_is_bound();
	if (tg_stream_is_any_corked() || count > FD_SETSIZE)
		return false;
	for (int base = 0; base < count; base += TG_FD_BITMAP_WORD_BITS) {
		const int at = base / TG_FD_BITMAP_WORD_BITS;
		if ((((reads == NULL ? 0 : reads[at]) | (writes == NULL ? 0 : writes[at])) & tg_fd_bitmap_from(base)) != 0)
			return false;
	}
	return tg_libc_is_bound();
}

bool tg_select_concerns(int count, const fd_set *read, const fd_set *write);
int tg_select(const struct tg_select_call *call);

#endif

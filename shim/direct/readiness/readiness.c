/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/readiness/readiness.h"

#include "shim/direct/readiness/epolls.h"
#include "shim/process/process.h"

#include <unistd.h>

void tg_readiness_closed(int fd)
{
	/* Between vfork(2) and exec the memory is the parent's, but the descriptor is the child's. */
	if (tg_epoll_find(fd) != NULL && !tg_process_is_vforked())
		tg_epoll_forget(fd);
}

void tg_readiness_duplicated(int from, int fd)
{
	if ((tg_epoll_find(from) != NULL || tg_epoll_find(fd) != NULL) && !tg_process_is_vforked())
		tg_epoll_duplicated(from, fd);
}

bool tg_readiness_is_watched(struct tg_stream *stream)
{
	struct tg_watch *watch = tg_stream_watch(stream);

	if (atomic_load(&watch->reader) != 0)
		return true;
	tg_registrations_lock(watch);
	tg_registrations_prune(watch);
	const bool registered = watch->first != NULL;
	tg_registrations_unlock(watch);
	return registered;
}

static pid_t forking;

void tg_readiness_lock(void)
{
	tg_registrations_lock_all();
	tg_epolls_lock_all();
	forking = getpid();
}

void tg_readiness_unlock(void)
{
	const bool child = getpid() != forking;

	tg_epolls_unlock_all(child);
	tg_registrations_unlock_all(child);
}

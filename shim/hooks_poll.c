/*
 * Hooks of waiting for descriptors.
 */
#undef _FORTIFY_SOURCE /* its inline poll and ppoll would stand in the way of ours */

#include "shim/libc.h"
#include "shim/state.h"

TG_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	tg_libc_bind();
	return tg_libc.poll(fds, count, timeout);
}

TG_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	tg_libc_bind();
	return tg_libc.__poll_chk(fds, count, timeout, room);
}

TG_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	tg_libc_bind();
	return tg_libc.ppoll(fds, count, timeout, mask);
}

TG_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
			  size_t room)
{
	tg_libc_bind();
	return tg_libc.__ppoll_chk(fds, count, timeout, mask, room);
}

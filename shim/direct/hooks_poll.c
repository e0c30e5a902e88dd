/* Hooks of poll and select (direct/poll.h). What a fortified program calls checks the array's size first, as the C library.
 */
#undef _FORTIFY_SOURCE /* its inline poll and ppoll would stand in the way of ours */

#include "shim/direct/poll.h"
#include "shim/libc.h"
#include "shim/state.h"

TG_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct tg_poll_call call = {.fds = fds, .count = count, .milliseconds = timeout};

	tg_libc_bind();
	return tg_poll(&call);
}

/* An array that is too small is the C library's to complain of. */
TG_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	const struct tg_poll_call call = {.fds = fds, .count = count, .milliseconds = timeout};

	tg_libc_bind();
	return room / sizeof(*fds) < count ? tg_libc.__poll_chk(fds, count, timeout, room) : tg_poll(&call);
}

TG_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	const struct tg_poll_call call = {.fds = fds, .count = count, .is_ppoll = true, .timeout = timeout, .mask = mask};

	tg_libc_bind();
	return tg_poll(&call);
}

TG_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
			  size_t room)
{
	const struct tg_poll_call call = {.fds = fds, .count = count, .is_ppoll = true, .timeout = timeout, .mask = mask};

	tg_libc_bind();
	return room / sizeof(*fds) < count ? tg_libc.__ppoll_chk(fds, count, timeout, mask, room) : tg_poll(&call);
}

TG_EXPORT int select(int count, fd_set *read, fd_set *write, fd_set *exception, struct timeval *limit)
{
	const struct tg_select_call call = {.count = count, .sets = {read, write, exception}, .limit = limit};

	tg_libc_bind();
	return tg_select(&call);
}

TG_EXPORT int pselect(int count, fd_set *read, fd_set *write, fd_set *exception, const struct timespec *timeout,
		      const sigset_t *mask)
{
	const struct tg_select_call call = {
	    .count = count, .sets = {read, write, exception}, .is_pselect = true, .timeout = timeout, .mask = mask};

	tg_libc_bind();
	return tg_select(&call);
}

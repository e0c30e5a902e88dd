/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of poll and select (direct/waiting/poll.h). What a fortified program calls checks the array's size first, as the C
 * library.
 */
#undef _FORTIFY_SOURCE /* its inline poll and ppoll would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/direct/waiting/poll.h"
#include "shim/process/state.h"

static __attribute__((noinline)) int poll_closely(struct pollfd *fds, nfds_t count, int timeout)
{
	tg_libc_bind();
	if (!tg_poll_concerns(fds, count))
		return tg_libc.poll(fds, count, timeout);
	return tg_poll(&(struct tg_poll_call){.fds = fds, .count = count, .milliseconds = timeout});
}

/* Under a name of its own: the C library declares that poll(2) only writes to the array, and the compiler takes it at its
 * word.
 */
static int hooked_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return tg_poll_is_plain(fds, count) ? tg_libc.poll(fds, count, timeout) : poll_closely(fds, count, timeout);
}

TG_EXPORT __typeof__(poll) poll __attribute__((alias("hooked_poll")));
TG_EXPORT __typeof__(poll) __poll __attribute__((alias("hooked_poll")));

/* An array that is too small is the C library's to complain of. */
TG_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	tg_libc_bind();
	if (room / sizeof(*fds) < count || !tg_poll_concerns(fds, count))
		return tg_libc.__poll_chk(fds, count, timeout, room);
	return tg_poll(&(struct tg_poll_call){.fds = fds, .count = count, .milliseconds = timeout});
}

TG_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	tg_libc_bind();
	if (!tg_poll_concerns(fds, count))
		return tg_libc.ppoll(fds, count, timeout, mask);
	return tg_poll(
	    &(struct tg_poll_call){.fds = fds, .count = count, .is_ppoll = true, .timeout = timeout, .mask = mask});
}

TG_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
			  size_t room)
{
	tg_libc_bind();
	if (room / sizeof(*fds) < count || !tg_poll_concerns(fds, count))
		return tg_libc.__ppoll_chk(fds, count, timeout, mask, room);
	return tg_poll(
	    &(struct tg_poll_call){.fds = fds, .count = count, .is_ppoll = true, .timeout = timeout, .mask = mask});
}

static __attribute__((noinline)) int select_closely(int count, fd_set *read, fd_set *write, fd_set *exception,
						    struct timeval *limit)
{
	tg_libc_bind();
	if (!tg_select_concerns(count, read, write))
		return tg_libc.select(count, read, write, exception, limit);
	return tg_select(&(struct tg_select_call){.count = count, .sets = {read, write, exception}, .limit = limit});
}

TG_EXPORT int select(int count, fd_set *read, fd_set *write, fd_set *exception, struct timeval *limit)
{
	return tg_select_is_plain(count, read, write) ? tg_libc.select(count, read, write, exception, limit)
						      : select_closely(count, read, write, exception, limit);
}

TG_EXPORT __typeof__(select) __select __attribute__((alias("select")));

TG_EXPORT int pselect(int count, fd_set *read, fd_set *write, fd_set *exception, const struct timespec *timeout,
		      const sigset_t *mask)
{
	tg_libc_bind();
	if (!tg_select_concerns(count, read, write))
		return tg_libc.pselect(count, read, write, exception, timeout, mask);
	return tg_select(&(struct tg_select_call){
	    .count = count, .sets = {read, write, exception}, .is_pselect = true, .timeout = timeout, .mask = mask});
}

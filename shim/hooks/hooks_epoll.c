/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of epoll (direct/waiting/epoll.h). */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/waiting/epoll.h"
#include "shim/process/state.h"

/* Number of something else until now, maybe of an epoll that was closed behind our back. */
static int created(int fd)
{
	if (fd >= 0 && tg_descriptors_are_wanted()) {
		tg_readiness_closed(fd);
		tg_epoll_get(fd);
	}
	return fd;
}

TG_EXPORT int epoll_create(int size)
{
	tg_libc_bind();
	return created(tg_libc.epoll_create(size));
}

TG_EXPORT int epoll_create1(int flags)
{
	tg_libc_bind();
	return created(tg_libc.epoll_create1(flags));
}

TG_EXPORT int epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
	tg_libc_bind();
	return tg_epoll_control(fd, operation, of, event);
}

static __attribute__((noinline)) int wait(int fd, struct epoll_event *events, int room, int timeout)
{
	tg_libc_bind();
	return tg_epoll_wait(&(struct tg_epoll_call){
	    .kind = TG_EPOLL_WAIT, .fd = fd, .events = events, .room = room, .milliseconds = timeout});
}

TG_EXPORT int epoll_wait(int fd, struct epoll_event *events, int room, int timeout)
{
	return tg_epoll_is_plain(fd) ? tg_libc.epoll_wait(fd, events, room, timeout) : wait(fd, events, room, timeout);
}

TG_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int room, int timeout, const sigset_t *mask)
{
	if (tg_epoll_is_plain(fd))
		return tg_libc.epoll_pwait(fd, events, room, timeout, mask);
	tg_libc_bind();
	return tg_epoll_wait(&(struct tg_epoll_call){
	    .kind = TG_EPOLL_PWAIT, .fd = fd, .events = events, .room = room, .milliseconds = timeout, .mask = mask});
}

TG_EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int room, const struct timespec *timeout,
			   const sigset_t *mask)
{
	if (tg_epoll_is_plain(fd))
		return tg_libc.epoll_pwait2(fd, events, room, timeout, mask);
	tg_libc_bind();
	return tg_epoll_wait(&(struct tg_epoll_call){
	    .kind = TG_EPOLL_PWAIT2, .fd = fd, .events = events, .room = room, .timeout = timeout, .mask = mask});
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on what makes, changes and ends descriptors' numbers. Where no stream lives, each is a few loads and the C
 * library's own call.
 */
#include "shim/binding/libc.h"
#include "shim/connections/peers.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/duplicate.h"
#include "shim/direct/handoff/divided.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/transfer.h"
#include "shim/process/signal_descriptor.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <sys/ioctl.h>

TG_EXPORT int close(int fd)
{
	tg_libc_bind();
	if (tg_transfer_is_one(fd) && tg_descriptors_closing(fd, true))
		return 0;
	if (tg_epoll_find(fd) != NULL)
		tg_readiness_closed(fd);
	tg_peers_forget(fd);
	if (tg_signal_descriptor_is_read())
		tg_signal_descriptor_forget(fd);
	const int r = tg_libc.close(fd);
	if (tg_descriptors_are_wanted())
		tg_descriptors_note_closed(fd);
	return r;
}

TG_EXPORT __typeof__(close) __close __attribute__((alias("close")));

TG_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	tg_libc_bind();
	if ((flags & (int)CLOSE_RANGE_UNSHARE) != 0 && !tg_divided_before_unshare())
		return -1;
	if (tg_descriptors_are_wanted())
		tg_close_range(first, last, flags);
	return tg_libc.close_range(first, last, flags);
}

TG_EXPORT void closefrom(int first)
{
	tg_libc_bind();
	if (tg_descriptors_are_wanted())
		tg_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
	tg_libc.closefrom(first);
}

/* A connection's descriptor, or an epoll's, maybe. */
static int duplicated(int from, int fd)
{
	if (fd >= 0)
		tg_peers_copy(from, fd);
	if (fd >= 0 && tg_descriptors_are_wanted())
		tg_readiness_duplicated(from, fd);
	return fd;
}

TG_EXPORT int dup(int fd)
{
	tg_libc_bind();
	if (tg_transfer_is_one(fd) || tg_duplicate_is_shared())
		return duplicated(fd, tg_duplicate_above(fd, 0, true));
	return duplicated(fd, tg_libc.dup(fd));
}

static bool needs_table(int from, int fd)
{
	return from != fd && (tg_transfer_is_one(from) || tg_transfer_is_one(fd) || tg_duplicate_is_shared());
}

TG_EXPORT int dup2(int from, int fd)
{
	tg_libc_bind();
	if (needs_table(from, fd))
		return duplicated(from, tg_duplicate_onto(from, fd, true));
	return duplicated(from, tg_libc.dup2(from, fd));
}

TG_EXPORT int __dup2(int from, int fd)
{
	return dup2(from, fd);
}

TG_EXPORT int dup3(int from, int fd, int flags)
{
	tg_libc_bind();
	if ((flags & ~O_CLOEXEC) == 0 && needs_table(from, fd))
		return duplicated(from, tg_duplicate_onto(from, fd, (flags & O_CLOEXEC) == 0));
	return duplicated(from, tg_libc.dup3(from, fd, flags));
}

static void note_blocking(int fd, bool nonblocking)
{
	struct tg_stream *stream = tg_descriptors_get(fd);

	if (stream != NULL) {
		tg_descriptors_set_nonblocking(stream, nonblocking);
		tg_descriptors_put(stream);
	}
}

/* `fd` is a stream. */
static int control(int fd, int command, void *argument)
{
	const int number = (int)(intptr_t)argument;
	int r;

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicated(fd, tg_duplicate_above(fd, number, command == F_DUPFD));
	case F_GETFD:
		r = tg_libc.fcntl(fd, F_GETFD);
		return r < 0 ? r : tg_descriptors_is_kept(fd) ? 0 : FD_CLOEXEC;
	case F_SETFD:
		tg_descriptors_keep(fd, (number & FD_CLOEXEC) == 0);
		return tg_libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
	case F_SETFL:
		r = tg_libc.fcntl(fd, F_SETFL, number);
		if (r == 0)
			note_blocking(fd, (number & O_NONBLOCK) != 0);
		return r;
	default:
		return tg_libc.fcntl(fd, command, argument);
	}
}

static bool copies(int command)
{
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC;
}

/* `fd` is no stream. */
static int copy_other(int fd, int command, void *argument)
{
	if (tg_duplicate_is_shared())
		return duplicated(fd, tg_duplicate_above(fd, (int)(intptr_t)argument, command == F_DUPFD));
	return duplicated(fd, tg_libc.fcntl(fd, command, argument));
}

TG_EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	tg_libc_bind();
	if (tg_transfer_is_one(fd))
		return control(fd, command, argument);
	return copies(command) ? copy_other(fd, command, argument) : tg_libc.fcntl(fd, command, argument);
}

TG_EXPORT __typeof__(fcntl) __fcntl __attribute__((alias("fcntl")));

TG_EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	tg_libc_bind();
	if (tg_transfer_is_one(fd))
		return control(fd, command, argument);
	return copies(command) ? copy_other(fd, command, argument) : tg_libc.fcntl64(fd, command, argument);
}

static int count_readable(int fd, int *ret)
{
	struct tg_stream *stream = tg_descriptors_get(fd);

	if (stream == NULL)
		return tg_libc.ioctl(fd, FIONREAD, ret);
	bool ours = tg_descriptors_claim(stream);
	size_t size = ours ? tg_stream_readable(stream) : 0;
	tg_readiness_changed(stream); /* it was taken out of the socket */
	tg_descriptors_put(stream);
	if (ours)
		*ret = size < INT_MAX ? (int)size : INT_MAX;
	return ours ? 0 : -1;
}

TG_EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	tg_libc_bind();
	if (!tg_transfer_is_one(fd))
		return tg_libc.ioctl(fd, request, argument);
	switch (request) {
	case FIONREAD:
		return count_readable(fd, argument);
	case FIOCLEX:
	case FIONCLEX:
		tg_descriptors_keep(fd, request == FIONCLEX);
		return 0;
	default:
		r = tg_libc.ioctl(fd, request, argument);
		if (r == 0 && request == FIONBIO)
			note_blocking(fd, *(const int *)argument != 0);
		return r;
	}
}

TG_EXPORT int shutdown(int fd, int how)
{
	tg_libc_bind();
	/* A signal handler's cannot wait for the call that it is in: the client sees an end without close_notify. */
	struct tg_stream *stream = tg_stream_is_inside() ? NULL : tg_descriptors_get(fd);
	if (stream == NULL)
		return tg_libc.shutdown(fd, how);
	int r = tg_descriptors_claim(stream) ? tg_stream_shutdown(stream, how) : -1;
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
	return r;
}

TG_EXPORT int listen(int fd, int backlog)
{
	tg_libc_bind();
	tg_shim_start();
	tg_shim_serve();
	if (tg_descriptors_are_wanted())
		tg_descriptors_listening(fd);
	return tg_libc.listen(fd, backlog);
}

/* Another process's, or a second one of our own that went by the table: as what SCM_RIGHTS brings. */
TG_EXPORT int pidfd_getfd(int process, int of, unsigned flags)
{
	tg_libc_bind();
	int fd = tg_libc.pidfd_getfd(process, of, flags);
	if (fd >= 0) {
		tg_shim_serve_on(fd);
		tg_peers_forget(fd);
	}
	if (fd >= 0 && tg_descriptors_are_wanted())
		tg_descriptors_received(fd, SOCK_CLOEXEC);
	return fd;
}

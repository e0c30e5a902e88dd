/* SPDX-License-Identifier: Apache-2.0 */
/* Outside of the shim: the C library's own. A library of its own, so that the shim never links it. */
#include "ipc/calls.h"

#include <fcntl.h>
#include <unistd.h>

int tg_call_close(int fd)
{
	return close(fd);
}

int tg_call_add_seals(int fd, int seals)
{
	return fcntl(fd, F_ADD_SEALS, seals);
}

int tg_call_lease(int fd, int kind)
{
	return fcntl(fd, F_SETLEASE, kind);
}

int tg_call_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	return getsockopt(fd, level, name, value, size);
}

int tg_call_listen(int fd, int backlog)
{
	return listen(fd, backlog);
}

int tg_call_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return poll(fds, count, timeout);
}

ssize_t tg_call_read(int fd, void *data, size_t size)
{
	return read(fd, data, size);
}

ssize_t tg_call_recvmsg(int fd, struct msghdr *message, int flags)
{
	return recvmsg(fd, message, flags);
}

ssize_t tg_call_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return sendmsg(fd, message, flags);
}

int tg_call_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return setsockopt(fd, level, name, value, size);
}

int tg_call_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	return sigaction(number, action, before);
}

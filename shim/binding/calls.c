/* SPDX-License-Identifier: Apache-2.0 */
/* In the shim: past our own hooks. */
#include "ipc/calls.h"
#include "shim/binding/libc.h"

int tg_call_close(int fd)
{
	tg_libc_bind();
	return tg_libc.close(fd);
}

int tg_call_add_seals(int fd, int seals)
{
	tg_libc_bind();
	return tg_libc.fcntl(fd, F_ADD_SEALS, seals);
}

int tg_call_lease(int fd, int kind)
{
	tg_libc_bind();
	return tg_libc.fcntl(fd, F_SETLEASE, kind);
}

int tg_call_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	tg_libc_bind();
	return tg_libc.getsockopt(fd, level, name, value, size);
}

int tg_call_listen(int fd, int backlog)
{
	tg_libc_bind();
	return tg_libc.listen(fd, backlog);
}

int tg_call_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	tg_libc_bind();
	return tg_libc.poll(fds, count, timeout);
}

ssize_t tg_call_read(int fd, void *data, size_t size)
{
	tg_libc_bind();
	return tg_libc.read(fd, data, size);
}

ssize_t tg_call_recvmsg(int fd, struct msghdr *message, int flags)
{
	tg_libc_bind();
	return tg_libc.recvmsg(fd, message, flags);
}

ssize_t tg_call_sendmsg(int fd, const struct msghdr *message, int flags)
{
	tg_libc_bind();
	return tg_libc.sendmsg(fd, message, flags);
}

int tg_call_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	tg_libc_bind();
	return tg_libc.setsockopt(fd, level, name, value, size);
}

int tg_call_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	tg_libc_bind();
	return tg_libc.sigaction(number, action, before);
}

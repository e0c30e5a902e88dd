/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/handoff/handover.h"

#include "shim/binding/libc.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/process/environment.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define SEND_BUFFER 425984       /* twice the kernel's usual limit, net.core.wmem_max */
#define SEND_BUFFER_LEAST 327680 /* a quarter of it is more than 17 pages and what goes with them */

/* As in relayed.c: neither hooks of ours nor cancellation points. */

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			tg_libc.syscall(SYS_close, fds[i]);
}

static int address_of(long call, int fd, struct sockaddr_storage *ret)
{
	socklen_t size = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	return tg_libc.syscall(call, fd, ret, &size) < 0 ? -errno : 0;
}

/* Gives `fd` its name; `real` is connected. */
static int name_end(int fd, int real, const char *tree, const struct tg_policy_header *policy)
{
	struct tg_relay_end end;
	struct sockaddr_un name;
	socklen_t size = sizeof end.cookie;
	int result = address_of(SYS_getsockname, real, &end.local);

	if (result == 0)
		result = address_of(SYS_getpeername, real, &end.peer);
	if (result == 0 && tg_libc.syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &end.cookie, &size) < 0)
		result = -errno;
	if (result == 0)
		result = tg_relay_name(tree, &end, policy->relay_key, &name, &size);
	if (result == 0 && tg_libc.syscall(SYS_bind, fd, &name, size) < 0)
		result = -errno;
	return result;
}

/* What an accepted socket has from its listener and what concerns waiting in this process. */
static void copy_timeout(int from, int to, int option)
{
	struct timeval value;
	socklen_t size = sizeof value;

	if (tg_libc.syscall(SYS_getsockopt, from, SOL_SOCKET, option, &value, &size) == 0 &&
	    (value.tv_sec != 0 || value.tv_usec != 0))
		tg_libc.syscall(SYS_setsockopt, to, SOL_SOCKET, option, &value, size);
}

/*
 * Of the byte that is never taken off, the kernel keeps the whole buffer in which it came: with sendfile(2) 17 pages. It
 * lets poll(2) report room only while three quarters of the send buffer are free (unix_writable of the kernel's
 * af_unix.c), so a small one would never have room again.
 */
static int make_room(int fd)
{
	const int wanted = SEND_BUFFER / 2; /* the kernel doubles it (socket(7)) */
	int room = 0;
	socklen_t size = sizeof room;

	tg_libc.syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
	if (tg_libc.syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDBUF, &room, &size) < 0)
		return -errno;
	return room >= SEND_BUFFER_LEAST ? 0 : -ENOBUFS;
}

/* The byte that is never taken off (ipc/relay.h), and what the server wrote by now. */
static int write_begun(int fd, const struct tg_stream_begun *begun)
{
	struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t) "", .iov_len = 1}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = begun == NULL ? 1 : 2};
	size_t size = 1;
	long sent;

	if (begun != NULL) {
		parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)begun->data, .iov_len = begun->size};
		size += begun->size;
	}
	sent = tg_libc.syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sent < 0 ? -errno : sent == (long)size ? 0 : -ENOBUFS;
}

static void shut_begun(int fd, const struct tg_stream_begun *begun)
{
	if (begun != NULL && begun->read_shut)
		tg_libc.syscall(SYS_shutdown, fd, SHUT_RD);
	if (begun != NULL && begun->write_shut)
		tg_libc.syscall(SYS_shutdown, fd, SHUT_WR);
}

/* The server's end of a new pair whose other end, with `real`, is the relay's. Or a negative errno. */
static int give_away(int real, const struct tg_stream_begun *begun, const char *tree, const struct tg_policy_header *policy)
{
	const long flags = tg_libc.syscall(SYS_fcntl, real, F_GETFL);
	struct tg_relay_request request = {.magic = TG_RELAY_MAGIC, .layout = TG_LAYOUT, .kind = TG_RELAY_CARRY};
	int fds[3] = {-1, -1, -1}; /* the server's end, the relay's, the connection on which it goes there */
	int result;

	if (flags < 0 ||
	    tg_libc.syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK), 0, fds) < 0)
		return -errno;
	result = make_room(fds[0]);
	if (result == 0)
		result = name_end(fds[0], real, tree, policy);
	if (result == 0)
		result = write_begun(fds[0], begun);
	if (result == 0) {
		tg_relayed_inherit(real, fds[0]);
		copy_timeout(real, fds[0], SO_RCVTIMEO);
		copy_timeout(real, fds[0], SO_SNDTIMEO);
		fds[2] = tg_relayed_connect(tree);
		result = fds[2] < 0 ? fds[2] : 0;
	}
	if (result == 0) {
		const int given[2] = {real, fds[1]};

		memcpy(request.key, policy->relay_key, sizeof request.key);
		result = tg_relayed_send(fds[2], &request, given, 2);
		explicit_bzero(request.key, sizeof request.key);
	}
	if (result < 0) {
		close_all(fds, 3);
		return result;
	}
	close_all(fds + 1, 2);
	shut_begun(fds[0], begun);
	return fds[0];
}

static int give_to_relay(int fd, const struct tg_stream_begun *begun)
{
	if (!tg_shim_is(TG_STATE_GOVERNED))
		return -EACCES;
	return give_away(fd, begun, tg_environment_value(tg_environment.keeper), tg_shim.policy);
}

int tg_handover_last(int fd, const struct tg_stream_begun *begun)
{
	const int saved_errno = errno;
	const int end = give_to_relay(fd, begun);

	if (end >= 0)
		tg_libc.syscall(SYS_close, end);
	errno = saved_errno;
	return end < 0 ? end : 1;
}

int tg_handover(int fd, const struct tg_stream_begun *begun)
{
	const int saved_errno = errno;
	const long descriptor_flags = tg_libc.syscall(SYS_fcntl, fd, F_GETFD);
	const int end = descriptor_flags < 0 ? -errno : give_to_relay(fd, begun);

	if (end >= 0) {
		/* in one step: no other thread finds the number free */
		tg_libc.syscall(SYS_dup3, end, fd, descriptor_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
		tg_libc.syscall(SYS_close, end);
		atomic_store_explicit(&tg_relayed_seen, true, memory_order_relaxed);
	}
	errno = saved_errno;
	return end < 0 ? end : 0;
}

static int send_all(int connection, const unsigned char *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const long sent = tg_libc.syscall(SYS_sendto, connection, data + done, size - done, MSG_NOSIGNAL, NULL, 0);

		if (sent > 0)
			done += (size_t)sent;
		else if (errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	return 0;
}

int tg_handover_unsent_tail(int fd, const void *data, size_t size)
{
	struct tg_relay_request request = {.magic = TG_RELAY_MAGIC, .layout = TG_LAYOUT, .kind = TG_RELAY_UNSENT_TAIL};
	const int saved_errno = errno;
	int connection;
	int result;

	if (!tg_shim_is(TG_STATE_GOVERNED))
		return -EACCES;
	if (size == 0 || size > TG_RELAY_TAIL_MAX)
		return -EMSGSIZE;
	connection = tg_relayed_connect(tg_environment_value(tg_environment.keeper));
	result = connection;
	if (connection >= 0) {
		request.size = (uint32_t)size;
		memcpy(request.key, tg_shim.policy->relay_key, sizeof request.key);
		result = tg_relayed_send(connection, &request, &fd, 1);
		explicit_bzero(request.key, sizeof request.key);
		tg_relayed_set_timeout(connection);
		if (result == 0)
			result = send_all(connection, data, size);
		tg_libc.syscall(SYS_close, connection);
	}
	errno = saved_errno;
	return result;
}

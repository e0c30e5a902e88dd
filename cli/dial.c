/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dial.h"

#include "keeper/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0, or -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = events};
		const int64_t left = deadline - tg_monotonic_ms();
		const int count = left <= 0 ? 0 : poll(&ready, 1, (int)left);

		if (count > 0)
			return 0;
		if (count == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static socklen_t fill(const struct tg_address *from, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (from->family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(from->port);
		memcpy(&in6->sin6_addr, from->bytes, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	in->sin_family = AF_INET;
	in->sin_port = htons(from->port);
	memcpy(&in->sin_addr, from->bytes, 4);
	return sizeof(*in);
}

int tg_dial(const struct tg_address *to, int64_t deadline)
{
	struct sockaddr_storage address;
	const socklen_t length = fill(to, &address);
	int error = 0;
	socklen_t size = sizeof(error);
	int result = 0;
	const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, length) < 0) {
		result = errno == EINPROGRESS ? wait_for(fd, POLLOUT, deadline) : -errno;
		if (result == 0 && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0))
			result = error != 0 ? -error : -errno;
	}
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

int tg_dial_send(int fd, const void *data, size_t size, int64_t deadline)
{
	const char *at = data;

	while (size > 0) {
		const ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent >= 0) {
			at += sent;
			size -= (size_t)sent;
		} else if (errno == EAGAIN) {
			const int result = wait_for(fd, POLLOUT, deadline);

			if (result < 0)
				return result;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

ssize_t tg_dial_receive(int fd, void *ret, size_t size, int64_t deadline)
{
	for (;;) {
		const ssize_t got = recv(fd, ret, size, 0);
		int result;

		if (got >= 0)
			return got;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		result = wait_for(fd, POLLIN, deadline);
		if (result < 0)
			return result;
	}
}

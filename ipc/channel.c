/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"

#include "ipc/calls.h"
#include "ipc/listener.h"
#include "ipc/tree.h"
#include "ipc/untrusted_fd.h"
#include "ipc/user.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128
#define MOST_DESCRIPTORS 2
#define MOST_SENT 253 /* by anybody in one message (unix(7), SCM_MAX_FD) */
#define AGAIN_MS 5
#define FULL_MS 20 /* after which a full queue makes it worth asking whose it is */

/* Room for more descriptors than anybody sends here: what a peer sends too many of is received and closed. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(MOST_SENT * sizeof(int))];
};

static int socket_address(const char *tree, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
	char name[TG_TREE_NAME_SIZE];
	const int length = tg_tree_name(TG_SOCKET_PREFIX, tree, name);

	if (length < 0)
		return length;
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path + 1, name, (size_t)length);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int tg_channel_listen(const char *tree)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd, error;

	error = socket_address(tree, &address, &size);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, size) || tg_call_listen(fd, BACKLOG)) {
		error = -errno;
		tg_call_close(fd);
		return error;
	}
	return fd;
}

int tg_channel_owner(const char *tree, uid_t *ret_uid)
{
	struct sockaddr_un address;
	socklen_t size;
	const int error = socket_address(tree, &address, &size);

	return error ? error
		     : tg_listener_owner(SOCK_SEQPACKET, address.sun_path, size - offsetof(struct sockaddr_un, sun_path),
					 ret_uid);
}

/* Whoever took the name of a keeper that is gone may leave the queue full: nobody would ever be told who it is. */
static bool is_others(const char *tree)
{
	uid_t owner;

	return tg_channel_owner(tree, &owner) == 0 && !tg_user_trusted(owner);
}

int tg_channel_connect(const char *tree, int timeout_ms)
{
	const int64_t deadline = now_ms() + timeout_ms;
	bool has_checked = false;
	struct sockaddr_un address;
	socklen_t size;
	int fd, error;

	error = socket_address(tree, &address, &size);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do {
		/* A full backlog cannot be polled for; the send timeout bounds connect too (unix(7), socket(7)). */
		const int64_t left = deadline - now_ms();
		const int64_t now = has_checked || left < FULL_MS ? left : FULL_MS;
		const struct timeval wait = {.tv_sec = (time_t)(now / 1000), .tv_usec = (suseconds_t)(now % 1000 * 1000)};

		error = -ETIMEDOUT;
		if (left <= 0)
			break;
		if (tg_call_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) ||
		    connect(fd, (const struct sockaddr *)&address, size))
			error = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else
			error = 0;
		if (error == -ETIMEDOUT && !has_checked) {
			has_checked = true;
			error = is_others(tree) ? -EPERM : -EINTR;
		}
	} while (error == -EINTR);
	if (error) {
		tg_call_close(fd);
		return error;
	}
	return fd;
}

int tg_channel_peer(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (tg_call_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	if (ret_uid)
		*ret_uid = peer.uid;
	if (ret_pid)
		*ret_pid = peer.pid;
	return 0;
}

ssize_t tg_channel_send(int fd, const void *data, size_t size, const int *fds, int fd_count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;
	ssize_t sent;

	if (fd_count < 0 || fd_count > MOST_DESCRIPTORS)
		return -EINVAL;
	if (fd_count > 0) {
		const size_t length = (size_t)fd_count * sizeof *fds;

		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(length);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(length);
		memcpy(CMSG_DATA(&control.header), fds, length);
	}
	do
		sent = tg_call_sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* Hands out the first `capacity` descriptors of the message; any more are closed. Returns how many there were. */
static int collect_descriptors(struct msghdr *message, int *ret_fds, int capacity)
{
	int count = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		const size_t size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
			if (count < capacity)
				ret_fds[count] = fd;
			else
				tg_untrusted_fd_close(fd);
		}
	}
	return count;
}

static void close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++) {
		if (fds[i] >= 0)
			tg_untrusted_fd_close(fds[i]);
		fds[i] = -1;
	}
}

ssize_t tg_channel_receive(int fd, void *data, size_t size, int *ret_fds, int fd_capacity)
{
	struct iovec part = {.iov_base = data, .iov_len = size};
	union control control;
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control,
	};
	ssize_t received;

	for (int i = 0; i < fd_capacity; i++)
		ret_fds[i] = -1;
	do
		received = tg_call_recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	if (collect_descriptors(&message, ret_fds, fd_capacity) > fd_capacity ||
	    (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_all(ret_fds, fd_capacity);
		return -EMSGSIZE;
	}
	return received;
}

static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN};

	for (;;) {
		const int64_t left = deadline - now_ms();
		const int ready = tg_call_poll(&waited, 1, left > 0 ? (int)left : 0);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int check_keeper(int fd)
{
	uid_t uid = (uid_t)-1;
	const int error = tg_channel_peer(fd, &uid, NULL);

	if (error)
		return error;
	return tg_user_trusted(uid) ? 0 : -EPERM;
}

static int judge_reply(const struct tg_hello_reply *reply, ssize_t size, const int fds[MOST_DESCRIPTORS])
{
	if (size == 0)
		return -ECONNRESET;
	if (size != (ssize_t)sizeof *reply || reply->magic != TG_CHANNEL_MAGIC)
		return -EPROTO;
	switch (reply->status) {
	case TG_HELLO_OK:
		return fds[0] >= 0 && fds[1] >= 0 ? 0 : -EPROTO;
	case TG_HELLO_NOT_ALLOWED:
		return -EACCES;
	case TG_HELLO_LAYOUT:
		return -EPROTONOSUPPORT;
	default:
		return -EPROTO;
	}
}

/* Asks on a connected socket; on success both descriptors are open. */
static int request_descriptors(int fd, uint32_t layout, int timeout_ms, int ret_fds[MOST_DESCRIPTORS])
{
	const struct tg_request request = {.magic = TG_CHANNEL_MAGIC, .layout = layout, .kind = TG_REQUEST_HELLO};
	struct tg_hello_reply reply;
	ssize_t size;
	int error;

	error = check_keeper(fd);
	if (error)
		return error;
	size = tg_channel_send(fd, &request, sizeof request, NULL, 0);
	if (size < 0)
		return size == -EAGAIN ? -ETIMEDOUT : (int)size;
	error = wait_readable(fd, now_ms() + timeout_ms);
	if (error)
		return error;
	size = tg_channel_receive(fd, &reply, sizeof reply, ret_fds, MOST_DESCRIPTORS);
	if (size < 0)
		return (int)size;
	error = judge_reply(&reply, size, ret_fds);
	if (error)
		close_all(ret_fds, MOST_DESCRIPTORS);
	return error;
}

/*
 * Hung up on: the keeper died with this connection in its queue, or more asked at once than it keeps connections for. The
 * next try tells.
 */
static bool hung_up(int error)
{
	return error == -ECONNRESET || error == -EPIPE;
}

static int converse(const char *tree, uint32_t layout, int64_t deadline, int ret_fds[MOST_DESCRIPTORS])
{
	int error;

	do {
		const int64_t left = deadline - now_ms();
		const int fd = left > 0 ? tg_channel_connect(tree, (int)left) : -ETIMEDOUT;

		error = fd;
		if (fd >= 0) {
			error = request_descriptors(fd, layout, (int)left, ret_fds);
			tg_call_close(fd);
		}
		if (hung_up(error))
			tg_call_poll(NULL, 0, AGAIN_MS);
	} while (hung_up(error));
	return error;
}

int tg_channel_hello(const char *tree, int timeout_ms, int *ret_policy_fd, int *ret_report_fd)
{
	const int64_t deadline = now_ms() + timeout_ms;
	const int saved_errno = errno;
	int fds[MOST_DESCRIPTORS] = {-1, -1};
	int error = converse(tree, TG_LAYOUT, deadline, fds);

	/* A keeper knows its own layout alone: an older one cannot say that this reader knows that, too. */
	if (error == -EPROTONOSUPPORT)
		error = converse(tree, TG_LAYOUT - 1, deadline, fds);
	if (error == 0) {
		*ret_policy_fd = fds[0];
		*ret_report_fd = fds[1];
	}
	errno = saved_errno;
	return error;
}

void tg_channel_leave(const char *tree, int timeout_ms)
{
	const struct tg_request request = {.magic = TG_CHANNEL_MAGIC, .layout = TG_LAYOUT, .kind = TG_REQUEST_LEAVE};
	const int saved_errno = errno;
	const int fd = tg_channel_connect(tree, timeout_ms);

	if (fd >= 0) {
		tg_channel_send(fd, &request, sizeof request, NULL, 0);
		tg_call_close(fd);
	}
	errno = saved_errno;
}

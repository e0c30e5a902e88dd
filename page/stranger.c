#include "page/stranger.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 253           /* descriptors in one message (unix(7), SCM_MAX_FD) */
#define MESSAGES_MAX 10000 /* more than any send buffer holds */

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(MOST * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

void tg_stranger_close(int fd)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	const struct linger none = {0};
	int domain = AF_UNSPEC;
	socklen_t size = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
		/* and nothing is left that somebody else, who sets the option again, could make us wait for */
		if (domain == AF_INET || domain == AF_INET6)
			(void)connect(fd, &nowhere, sizeof nowhere);
	}
	close(fd);
}

static void close_passed(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (const char *)part + at, sizeof fd);
			tg_stranger_close(fd);
		}
	}
}

/* Where messages have ends, an empty one comes with credentials, and the end of all does not. */
static bool take_one(int connection, bool stream)
{
	union control control;
	char data[4096];
	struct iovec part = {.iov_base = data, .iov_len = sizeof data};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control,
	};

	const ssize_t size = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size < 0 || (size == 0 && (stream || message.msg_controllen == 0)))
		return false;
	close_passed(&message);
	return true;
}

void tg_stranger_hang_up(int connection)
{
	const int on = 1;
	int type = SOCK_STREAM;
	socklen_t size = sizeof type;

	getsockopt(connection, SOL_SOCKET, SO_TYPE, &type, &size);
	setsockopt(connection, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	shutdown(connection, SHUT_RD);
	for (int i = 0; i < MESSAGES_MAX && take_one(connection, type == SOCK_STREAM); i++)
		;
	close(connection);
}

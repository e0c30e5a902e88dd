/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t by_read(int fd, char *buffer, size_t size)
{
	return read(fd, buffer, size);
}

static ssize_t by_recv(int fd, char *buffer, size_t size)
{
	return recv(fd, buffer, size, 0);
}

static ssize_t by_recv_dontwait(int fd, char *buffer, size_t size)
{
	return recv(fd, buffer, size, MSG_DONTWAIT);
}

static ssize_t by_recv_waitall(int fd, char *buffer, size_t size)
{
	return recv(fd, buffer, size, MSG_WAITALL);
}

/* Throws away: `buffer` may be none at all, as HAProxy has it. */
static ssize_t by_recv_trunc(int fd, char *buffer, size_t size)
{
	memset(buffer, 't', size);
	return recv(fd, NULL, size, MSG_TRUNC);
}

static ssize_t by_peek(int fd, char *buffer, size_t size)
{
	const ssize_t seen = recv(fd, buffer, size, MSG_PEEK);
	char again[8192];

	if (seen <= 0 || seen > (ssize_t)sizeof(again))
		return seen;
	if (recv(fd, again, (size_t)seen, MSG_PEEK | MSG_DONTWAIT) != seen || memcmp(again, buffer, (size_t)seen) != 0 ||
	    recv(fd, again, (size_t)seen, 0) != seen || memcmp(again, buffer, (size_t)seen) != 0)
		return -2; /* what was seen is not what is read */
	return seen;
}

static ssize_t by_recvfrom(int fd, char *buffer, size_t size)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);

	return recvfrom(fd, buffer, size, 0, (struct sockaddr *)&from, &length);
}

enum { PARTS = 3 };

/* Parts of unlike sizes, one of them empty. */
static void cut(struct iovec parts[PARTS], char *buffer, size_t size)
{
	parts[0] = (struct iovec){.iov_base = buffer, .iov_len = size / 3};
	parts[1] = (struct iovec){.iov_base = NULL, .iov_len = 0};
	parts[2] = (struct iovec){.iov_base = buffer + size / 3, .iov_len = size - size / 3};
}

static ssize_t by_readv(int fd, char *buffer, size_t size)
{
	struct iovec parts[PARTS];

	cut(parts, buffer, size);
	return readv(fd, parts, PARTS);
}

static ssize_t by_readv_one(int fd, char *buffer, size_t size)
{
	const struct iovec part = {.iov_base = buffer, .iov_len = size};

	return readv(fd, &part, 1);
}

static ssize_t by_preadv2(int fd, char *buffer, size_t size)
{
	struct iovec parts[PARTS];

	cut(parts, buffer, size);
	return preadv2(fd, parts, PARTS, -1, 0);
}

static ssize_t by_recvmsg(int fd, char *buffer, size_t size)
{
	struct iovec parts[PARTS];
	char control[128];
	struct sockaddr_storage name;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS, .msg_control = control, .msg_name = &name};
	ssize_t got;

	cut(parts, buffer, size);
	message.msg_controllen = sizeof(control);
	message.msg_namelen = sizeof(name);
	message.msg_flags = -1;
	got = recvmsg(fd, &message, 0);
	/* of a stream there is neither a control message, nor a name, nor a flag */
	if (got >= 0 && (message.msg_controllen != 0 || message.msg_namelen != 0 || message.msg_flags != 0))
		return -3;
	return got;
}

static ssize_t by_recvmmsg(int fd, char *buffer, size_t size)
{
	struct iovec parts[PARTS];
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &parts[2], .msg_iovlen = 1}}};
	const int count = (cut(parts, buffer, size), recvmmsg(fd, messages, 2, MSG_WAITFORONE, NULL));

	if (count <= 0)
		return count;
	/* what came between the two of a first one that was not full */
	if (count == 2 && messages[0].msg_len < parts[0].iov_len)
		memmove(buffer + messages[0].msg_len, parts[2].iov_base, messages[1].msg_len);
	return (ssize_t)messages[0].msg_len + (count == 2 ? (ssize_t)messages[1].msg_len : 0);
}

static ssize_t by_splice(int fd, char *buffer, size_t size)
{
	int ends[2];
	ssize_t got;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -5;
	got = splice(fd, NULL, ends[1], NULL, size, 0);
	if (got > 0 && read(ends[0], buffer, (size_t)got) != got)
		got = -6;
	const int error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return got;
}

static ssize_t by_splice_nonblock(int fd, char *buffer, size_t size)
{
	int ends[2];
	ssize_t got;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -5;
	got = splice(fd, NULL, ends[1], NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (got > 0 && read(ends[0], buffer, (size_t)got) != got)
		got = -6;
	const int error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return got;
}

static ssize_t by_dup(int fd, char *buffer, size_t size)
{
	const int copy = dup(fd);
	const ssize_t got = read(copy, buffer, size);
	const int error = errno;

	close(copy);
	errno = error;
	return got;
}

static ssize_t by_dup2(int fd, char *buffer, size_t size)
{
	const int copy = dup2(fd, 200);
	const ssize_t got = recv(copy, buffer, size, 0);
	const int error = errno;

	close(copy);
	errno = error;
	return got;
}

/* As sshd reads the client's first line. */
static ssize_t by_single_bytes(int fd, char *buffer, size_t size)
{
	size_t at = 0;

	while (at < size) {
		const ssize_t got = read(fd, buffer + at, 1);

		if (got <= 0)
			return at > 0 ? (ssize_t)at : got;
		at++;
	}
	return (ssize_t)at;
}

static ssize_t by_fread(int fd, char *buffer, size_t size)
{
	const int copy = dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "r+");
	ssize_t got;
	int error;

	if (!stream)
		return -5;
	setvbuf(stream, NULL, _IONBF, 0);
	got = (ssize_t)fread(buffer, 1, size, stream);
	error = errno;
	if (got == 0 && ferror(stream))
		got = -1;
	fclose(stream);
	errno = error;
	return got;
}

const struct read_way read_ways[] = {
    {"read", by_read, 0},
    {"readv", by_readv, 0},
    {"readv_one", by_readv_one, 0},
    {"preadv2", by_preadv2, 0},
    {"recv", by_recv, 0},
    {"recv_dontwait", by_recv_dontwait, WAY_NEVER_WAITS},
    {"recv_waitall", by_recv_waitall, WAY_FILLS},
    {"recv_trunc", by_recv_trunc, 0},
    {"peek", by_peek, 0},
    {"recvfrom", by_recvfrom, 0},
    {"recvmsg", by_recvmsg, 0},
    {"recvmmsg", by_recvmmsg, 0},
    {"splice", by_splice, 0},
    {"splice_nonblock", by_splice_nonblock, WAY_NEVER_WAITS},
    {"dup", by_dup, 0},
    {"dup2", by_dup2, 0},
    {"single_bytes", by_single_bytes, WAY_FILLS},
    {"fread", by_fread, WAY_FILLS | WAY_BUFFERS},
    {"read_chk", checked_read, 0},
    {"recv_chk", checked_recv, 0},
    {"recvfrom_chk", checked_recvfrom, 0},
    {"fread_chk", checked_fread, WAY_FILLS | WAY_BUFFERS},
    {0},
};

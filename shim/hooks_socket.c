/*
 * Hooks on accepting connections and reading from descriptors (accepted.h). Where no policy tells sections apart by
 * address, each is one load and the C library's own call.
 */
#undef _FORTIFY_SOURCE /* its inline read and recv would stand in the way of ours */

#include "shim/accepted.h"
#include "shim/libc.h"
#include "shim/signal_descriptor.h"
#include "shim/state.h"

#include <string.h>

static int begun(int fd)
{
	if (fd >= 0 && tg_accepted_is_wanted())
		tg_accepted_begin(fd);
	return fd;
}

/*
 * Bytes that are only looked at will be read again; those out of band are not of the stream; those thrown away (MSG_TRUNC,
 * tcp(7)) are in no buffer, which HAProxy does not even have then.
 */
static ssize_t seen(int fd, const void *data, ssize_t size, int flags)
{
	if (size <= 0 || !tg_accepted_is_wanted())
		return size;
	tg_accepted_read(fd);
	if ((flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC)) == 0)
		tg_accepted_bytes(fd, data, (size_t)size);
	return size;
}

static ssize_t seen_vector(int fd, const struct iovec *vector, size_t count, ssize_t size, int flags)
{
	size_t left = size > 0 ? (size_t)size : 0;

	if (left == 0 || !tg_accepted_is_wanted())
		return size;
	tg_accepted_read(fd);
	for (size_t i = 0; i < count && left > 0; i++) {
		size_t here = vector[i].iov_len < left ? vector[i].iov_len : left;
		seen(fd, vector[i].iov_base, (ssize_t)here, flags);
		left -= here;
	}
	return size;
}

/* A connection that another process accepted, say the first one of a cluster (unix(7), SCM_RIGHTS). */
static void begin_passed(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, (const char *)part + at, sizeof(fd));
			begun(fd);
		}
	}
}

TG_EXPORT int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	tg_libc_bind();
	return begun(tg_libc.accept(fd, address, size));
}

TG_EXPORT int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
	tg_libc_bind();
	return begun(tg_libc.accept4(fd, address, size, flags));
}

/* By these calls other things than sockets are read, a signalfd(2) among them. */
static ssize_t seen_any(int fd, const void *data, ssize_t size)
{
	if (size > 0 && tg_signal_descriptor_is_read())
		tg_signal_descriptor_bytes(fd, data, (size_t)size);
	return seen(fd, data, size, 0);
}

TG_EXPORT ssize_t read(int fd, void *data, size_t size)
{
	tg_libc_bind();
	return seen_any(fd, data, tg_libc.read(fd, data, size));
}

TG_EXPORT ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
	tg_libc_bind();
	return seen_any(fd, data, tg_libc.__read_chk(fd, data, size, room));
}

TG_EXPORT ssize_t readv(int fd, const struct iovec *vector, int count)
{
	tg_libc_bind();
	ssize_t size = tg_libc.readv(fd, vector, count);
	return seen_vector(fd, vector, count > 0 ? (size_t)count : 0, size, 0);
}

TG_EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	tg_libc_bind();
	return seen(fd, data, tg_libc.recv(fd, data, size, flags), flags);
}

TG_EXPORT ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	tg_libc_bind();
	return seen(fd, data, tg_libc.__recv_chk(fd, data, size, room, flags), flags);
}

TG_EXPORT ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, __SOCKADDR_ARG from,
			   socklen_t *restrict from_size)
{
	tg_libc_bind();
	return seen(fd, data, tg_libc.recvfrom(fd, data, size, flags, from, from_size), flags);
}

TG_EXPORT ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, __SOCKADDR_ARG from,
				 socklen_t *from_size)
{
	tg_libc_bind();
	return seen(fd, data, tg_libc.__recvfrom_chk(fd, data, size, room, flags, from, from_size), flags);
}

TG_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	tg_libc_bind();
	ssize_t size = tg_libc.recvmsg(fd, message, flags);
	if (size >= 0 && message->msg_controllen > 0 && tg_accepted_is_wanted())
		begin_passed(message);
	return seen_vector(fd, message->msg_iov, message->msg_iovlen, size, flags);
}

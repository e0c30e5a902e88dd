/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on writing to descriptors: what is written to a connection that TLS is terminated for goes there (transfer.h). For
 * all others, each is a few loads and the C library's own call.
 */
#undef _FORTIFY_SOURCE /* its inline functions would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/direct/handoff/passing.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

#include <errno.h>

TG_EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	return stream != NULL ? tg_transfer_write(stream, data, size, 0) : tg_libc.write(fd, data, size);
}

TG_EXPORT __typeof__(write) __write __attribute__((alias("write")));

TG_EXPORT ssize_t writev(int fd, const struct iovec *vector, int count)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	return stream != NULL ? tg_transfer_send(stream, vector, (size_t)count, 0) : tg_libc.writev(fd, vector, count);
}

TG_EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	return stream != NULL ? tg_transfer_write(stream, data, size, flags) : tg_libc.send(fd, data, size, flags);
}

TG_EXPORT __typeof__(send) __send __attribute__((alias("send")));

/* The kernel overlooks the address, too, where a stream of bytes is connected. */
TG_EXPORT ssize_t sendto(int fd, const void *data, size_t size, int flags, __CONST_SOCKADDR_ARG to, socklen_t to_size)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	if (stream != NULL)
		return tg_transfer_write(stream, data, size, flags);
	/* a connected TCP socket does not look at an address, a UNIX socket refuses it */
	if (to.__sockaddr__ != NULL && tg_relayed_any() && tg_relayed_is(fd))
		return tg_libc.send(fd, data, size, flags);
	return tg_libc.sendto(fd, data, size, flags, to, to_size);
}

TG_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	tg_libc_bind();
	if (message->msg_controllen > 0 && tg_transfer_any() && tg_passing_is_one(message))
		return tg_passing_send(fd, message, flags);
	struct tg_stream *stream = tg_transfer_begin(fd);
	return stream != NULL ? tg_transfer_send(stream, message->msg_iov, message->msg_iovlen, flags)
			      : tg_libc.sendmsg(fd, message, flags);
}

/* One after the other where one may be of ours, or pass on one. */
TG_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	const int saved = errno;
	unsigned done = 0;

	tg_libc_bind();
	if (!tg_transfer_any() && !tg_descriptors_is_known(fd))
		return tg_libc.sendmmsg(fd, messages, count, flags);
	while (done < count) {
		ssize_t size = sendmsg(fd, &messages[done].msg_hdr, flags);
		if (size < 0 && done == 0)
			return -1;
		if (size < 0)
			break;
		messages[done++].msg_len = (unsigned)size;
	}
	errno = saved;
	return (int)done;
}

static ssize_t write_at(struct tg_stream *stream, const struct iovec *vector, int count, off64_t offset, int flags)
{
	if (stream == TG_TRANSFER_CLOSED) {
		errno = EBADF;
		return -1;
	}
	if (offset != -1 || (flags & ~(RWF_HIPRI | RWF_NOWAIT | RWF_SYNC | RWF_DSYNC | RWF_APPEND)) != 0) {
		tg_descriptors_put(stream);
		errno = offset != -1 ? ESPIPE : EOPNOTSUPP;
		return -1;
	}
	return tg_transfer_send(stream, vector, (size_t)count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0);
}

TG_EXPORT ssize_t pwritev2(int fd, const struct iovec *vector, int count, off_t offset, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	return stream != NULL ? write_at(stream, vector, count, offset, flags)
			      : tg_libc.pwritev2(fd, vector, count, offset, flags);
}

TG_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *vector, int count, off64_t offset, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	return stream != NULL ? write_at(stream, vector, count, offset, flags)
			      : tg_libc.pwritev64v2(fd, vector, count, offset, flags);
}

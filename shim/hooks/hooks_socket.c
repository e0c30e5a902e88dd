/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on accepting connections and reading from descriptors: what is read from a connection that TLS is terminated for
 * comes from there (direct/transfer.h), else what is read is only looked at (accepted.h). Where no policy tells sections
 * apart by address and no server speaks plaintext, each is a few loads and the C library's own call.
 */
#undef _FORTIFY_SOURCE /* its inline read and recv would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/connections/accepted.h"
#include "shim/connections/last_read.h"
#include "shim/connections/peers.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/transfer.h"
#include "shim/process/signal_descriptor.h"
#include "shim/process/state.h"

#include <errno.h>
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

/* Connections that another process accepted, say the first one of a cluster (unix(7), SCM_RIGHTS). */
static void begin_passed(struct msghdr *message, int flags)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, (const char *)part + at, sizeof(fd));
			tg_shim_serve_on(fd);
			tg_peers_forget(fd);
			if (tg_descriptors_are_wanted())
				tg_descriptors_received(fd, flags);
			else
				begun(fd);
		}
	}
}

static bool is_looked_at(void)
{
	return tg_accepted_is_wanted() || tg_descriptors_are_wanted() || tg_shim_is(TG_STATE_LATENT);
}

/* Asked for the address also where the server is not interested: it comes with the connection. */
static int taken(int fd, struct sockaddr *address, socklen_t *size, int flags, bool is_accept4)
{
	struct sockaddr_storage own;
	socklen_t own_size = sizeof(own);
	const bool wants_address = address != NULL && size != NULL;
	struct sockaddr *to = wants_address ? address : (struct sockaddr *)&own;
	socklen_t *to_size = wants_address ? size : &own_size;

	if ((address != NULL && size == NULL) || !tg_shim_is(TG_STATE_GOVERNED))
		return is_accept4 ? tg_libc.accept4(fd, address, size, flags) : tg_libc.accept(fd, address, size);
	const socklen_t room = *to_size;
	int accepted = is_accept4 ? tg_libc.accept4(fd, to, to_size, flags) : tg_libc.accept(fd, to, to_size);
	if (accepted >= 0)
		tg_peers_note(accepted, to, *to_size < room ? *to_size : room);
	return accepted;
}

TG_EXPORT int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
	tg_libc_bind();
	tg_shim_start();
	tg_shim_serve_on(fd);
	if (!tg_descriptors_are_wanted())
		return begun(taken(fd, address.__sockaddr__, size, flags, true));
	tg_stream_before_wait();
	int accepted = taken(fd, address.__sockaddr__, size, flags | SOCK_CLOEXEC, true);
	return accepted < 0 ? accepted : tg_descriptors_accepted(accepted, flags);
}

TG_EXPORT int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	tg_libc_bind();
	tg_shim_start();
	tg_shim_serve_on(fd);
	if (!tg_descriptors_are_wanted())
		return begun(taken(fd, address.__sockaddr__, size, 0, false));
	return accept4(fd, address, size, 0);
}

/*
 * Whether what is read is looked at. Where it is not, the C library's function is called as the last thing: after a system
 * call the processor guesses wrong where each function returns to, so that one in between would cost more than all it does.
 */
static bool is_seen(int fd)
{
	tg_last_read = fd + 1;
	return tg_accepted_is_wanted() || tg_signal_descriptor_is_read();
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
	struct tg_stream *stream = tg_transfer_begin(fd);
	if (stream != NULL)
		return tg_transfer_read(stream, data, size, 0);
	return is_seen(fd) ? seen_any(fd, data, tg_libc.read(fd, data, size)) : tg_libc.read(fd, data, size);
}

TG_EXPORT __typeof__(read) __read __attribute__((alias("read")));

TG_EXPORT ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
	tg_libc_bind();
	struct tg_stream *stream = size > room ? NULL : tg_transfer_begin(fd);
	if (stream != NULL)
		return tg_transfer_read(stream, data, size, 0);
	return is_seen(fd) ? seen_any(fd, data, tg_libc.__read_chk(fd, data, size, room))
			   : tg_libc.__read_chk(fd, data, size, room);
}

TG_EXPORT ssize_t readv(int fd, const struct iovec *vector, int count)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	if (stream != NULL)
		return tg_transfer_receive(stream, vector, (size_t)count, 0);
	if (!is_seen(fd))
		return tg_libc.readv(fd, vector, count);
	ssize_t size = tg_libc.readv(fd, vector, count);
	return seen_vector(fd, vector, count > 0 ? (size_t)count : 0, size, 0);
}

TG_EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	if (stream != NULL)
		return tg_transfer_read(stream, data, size, flags);
	if (tg_relayed_discards(fd, flags))
		return tg_relayed_discard(fd, size, flags);
	return is_seen(fd) ? seen(fd, data, tg_libc.recv(fd, data, size, flags), flags)
			   : tg_libc.recv(fd, data, size, flags);
}

TG_EXPORT ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = size > room ? NULL : tg_transfer_begin(fd);
	if (stream != NULL)
		return tg_transfer_read(stream, data, size, flags);
	return is_seen(fd) ? seen(fd, data, tg_libc.__recv_chk(fd, data, size, room, flags), flags)
			   : tg_libc.__recv_chk(fd, data, size, room, flags);
}

/* The kernel gives no address with a stream of bytes. */
static void give_no_address(const void *from, socklen_t *size)
{
	if (from != NULL && size != NULL)
		*size = 0;
}

TG_EXPORT ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, __SOCKADDR_ARG from,
			   socklen_t *restrict from_size)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	if (stream != NULL) {
		give_no_address(from.__sockaddr__, from_size);
		return tg_transfer_read(stream, data, size, flags);
	}
	return is_seen(fd) ? seen(fd, data, tg_libc.recvfrom(fd, data, size, flags, from, from_size), flags)
			   : tg_libc.recvfrom(fd, data, size, flags, from, from_size);
}

TG_EXPORT ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, __SOCKADDR_ARG from,
				 socklen_t *from_size)
{
	tg_libc_bind();
	struct tg_stream *stream = size > room ? NULL : tg_transfer_begin(fd);
	if (stream != NULL) {
		give_no_address(from.__sockaddr__, from_size);
		return tg_transfer_read(stream, data, size, flags);
	}
	return is_seen(fd) ? seen(fd, data, tg_libc.__recvfrom_chk(fd, data, size, room, flags, from, from_size), flags)
			   : tg_libc.__recvfrom_chk(fd, data, size, room, flags, from, from_size);
}

static ssize_t receive_message(struct tg_stream *stream, struct msghdr *message, int flags)
{
	ssize_t size = tg_transfer_receive(stream, message->msg_iov, message->msg_iovlen, flags);

	if (size >= 0) {
		message->msg_namelen = 0;
		message->msg_controllen = 0;
		message->msg_flags = 0;
	}
	return size;
}

TG_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_begin(fd);
	if (stream != NULL)
		return receive_message(stream, message, flags);
	tg_last_read = fd + 1;
	ssize_t size = tg_libc.recvmsg(fd, message, flags);
	if (size >= 0 && message->msg_controllen > 0 && is_looked_at())
		begin_passed(message, (flags & MSG_CMSG_CLOEXEC) != 0 ? SOCK_CLOEXEC : 0);
	return seen_vector(fd, message->msg_iov, message->msg_iovlen, size, flags);
}

TG_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	const int saved = errno;
	int64_t end = TG_CLOCK_NEVER;
	unsigned done = 0;

	tg_libc_bind();
	if (!tg_transfer_is_ours(fd)) {
		tg_last_read = fd + 1;
		const int got = tg_libc.recvmmsg(fd, messages, count, flags, timeout);
		for (int i = 0; i < got && is_looked_at(); i++) {
			const struct msghdr *message = &messages[i].msg_hdr;
			begin_passed(&messages[i].msg_hdr, (flags & MSG_CMSG_CLOEXEC) != 0 ? SOCK_CLOEXEC : 0);
			seen_vector(fd, message->msg_iov, message->msg_iovlen, (ssize_t)messages[i].msg_len, flags);
		}
		return got;
	}
	if (timeout != NULL)
		end = tg_clock_now() + (int64_t)timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000;
	while (done < count) {
		ssize_t size = recvmsg(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (size < 0 && done == 0)
			return -1;
		if (size < 0)
			break;
		messages[done++].msg_len = (unsigned)size;
		if ((flags & MSG_WAITFORONE) != 0)
			flags |= MSG_DONTWAIT;
		/* The kernel looks at the time after each message, too, and only then. */
		if (size == 0 || (timeout != NULL && tg_clock_now() >= end))
			break;
	}
	errno = saved;
	return (int)done;
}

/* As the kernel judges them for a socket (preadv2(2)): it has no position, and reads at none. */
static bool is_vector_call(off64_t offset, int flags, int known)
{
	errno = (flags & ~known) != 0 ? EOPNOTSUPP : ESPIPE;
	return offset == -1 && (flags & ~known) == 0;
}

static ssize_t read_at(struct tg_stream *stream, const struct iovec *vector, int count, off64_t offset, int flags)
{
	int saved = errno;

	if (stream != TG_TRANSFER_CLOSED && !is_vector_call(offset, flags, RWF_HIPRI | RWF_NOWAIT)) {
		tg_descriptors_put(stream);
		return -1;
	}
	errno = saved;
	return tg_transfer_receive(stream, vector, (size_t)count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0);
}

TG_EXPORT ssize_t preadv2(int fd, const struct iovec *vector, int count, off_t offset, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	if (stream != NULL)
		return read_at(stream, vector, count, offset, flags);
	if (!is_seen(fd))
		return tg_libc.preadv2(fd, vector, count, offset, flags);
	return seen_vector(fd, vector, count > 0 ? (size_t)count : 0, tg_libc.preadv2(fd, vector, count, offset, flags), 0);
}

TG_EXPORT ssize_t preadv64v2(int fd, const struct iovec *vector, int count, off64_t offset, int flags)
{
	tg_libc_bind();
	struct tg_stream *stream = tg_transfer_vector(fd, count);
	if (stream != NULL)
		return read_at(stream, vector, count, offset, flags);
	if (!is_seen(fd))
		return tg_libc.preadv64v2(fd, vector, count, offset, flags);
	return seen_vector(fd, vector, count > 0 ? (size_t)count : 0, tg_libc.preadv64v2(fd, vector, count, offset, flags),
			   0);
}

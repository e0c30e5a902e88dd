/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read(2), write(2) and their families on a stream, blocking or not. The hooks of these calls are made of it.
 *
 * Each call consumes the caller's reference to the stream. Each is a cancellation point like the call that it replaces. Not
 * async-signal-safe: a call from a signal handler that interrupted another one in the same thread fails with EAGAIN.
 */
#ifndef TG_SHIM_DIRECT_TRANSFER_H
#define TG_SHIM_DIRECT_TRANSFER_H

#include "shim/direct/descriptors/descriptors.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* any: some descriptor of this process is a stream. is_one: this descriptor is. */
static inline bool tg_transfer_any(void)
{
	return atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) != 0;
}

static inline bool tg_transfer_is_one(int fd)
{
	return tg_transfer_any() && tg_descriptors_is_one(fd);
}

/*
 * For a call that writes by other means than the functions below: the number is a stream, or was one and may be one again
 * before the kernel's call gets there.
 */
static inline bool tg_transfer_is_ours(int fd)
{
	return tg_descriptors_is_known(fd) && (tg_descriptors_is_one(fd) || !tg_descriptors_is_plain(fd));
}

/*
 * The stream with a reference for one of the calls below; itself a cancellation point. NULL: no stream, make the real call.
 * TG_TRANSFER_CLOSED: it was a stream and has been closed. The number may be the next client's connection before the
 * kernel's call gets there, which would then send clear text to it. So the calls below fail with EBADF.
 */
extern char tg_transfer_closed;
#define TG_TRANSFER_CLOSED ((struct tg_stream *)(void *)&tg_transfer_closed)
struct tg_stream *tg_transfer_begin_slowly(int fd);

static inline struct tg_stream *tg_transfer_begin(int fd)
{
	return tg_descriptors_is_known(fd) ? tg_transfer_begin_slowly(fd) : NULL;
}

/* The same for a call with a vector. A vector whose length the kernel refuses is left to the kernel. */
static inline struct tg_stream *tg_transfer_vector(int fd, int count)
{
	return count < 0 || count > IOV_MAX ? NULL : tg_transfer_begin(fd);
}

/* `flags`: of recv(2), send(2). errno and a result as theirs; SIGPIPE as theirs. */
ssize_t tg_transfer_receive(struct tg_stream *stream, const struct iovec *vector, size_t count, int flags);
ssize_t tg_transfer_send(struct tg_stream *stream, const struct iovec *vector, size_t count, int flags);

static inline ssize_t tg_transfer_read(struct tg_stream *stream, void *data, size_t size, int flags)
{
	return tg_transfer_receive(stream, &(struct iovec){.iov_base = data, .iov_len = size}, 1, flags);
}

ssize_t tg_transfer_write(struct tg_stream *stream, const void *data, size_t size, int flags);

#endif

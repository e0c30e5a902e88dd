/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/transfer.h"

#include "shim/binding/libc.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

#define PIECES 64 /* parts of a vector that are handled together */

/* One call in progress. */
struct transfer {
	struct tg_stream *stream;
	int64_t deadline; /* as of clock.h; 0: not asked for yet */
	int timeout;      /* SO_RCVTIMEO or SO_SNDTIMEO */
	int flags;
};

/* This thread is inside a stream. A signal handler that used a stream now would wait for its own thread. */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

char tg_transfer_closed;

struct tg_stream *tg_transfer_begin_slowly(int fd)
{
	pthread_testcancel();
	struct tg_stream *stream = tg_descriptors_look_up(fd);
	/* A number that the relay has now is used by the real call. */
	return stream != NULL || tg_descriptors_is_plain(fd) ? stream : TG_TRANSFER_CLOSED;
}

/* Another thread has moved the connection to the relay. The number may have been closed since, and be another one. */
static bool goes_on_there(struct tg_stream *stream)
{
	return tg_stream_moved(stream) >= 0 && tg_relayed_is(tg_stream_moved(stream));
}

static ssize_t fail_closed(void)
{
	errno = EBADF;
	return -1;
}

/* Cleanup for a thread that is cancelled, which happens only in a wait. */
static void cancelled(void *stream)
{
	if (tg_readiness_has_turn(stream))
		tg_readiness_give_turn(stream);
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
}

static bool may_block(const struct transfer *transfer)
{
	return (transfer->flags & MSG_DONTWAIT) == 0 && tg_descriptors_is_blocking(transfer->stream);
}

static int64_t deadline_of(const struct transfer *transfer)
{
	struct timeval limit = {0};
	socklen_t size = sizeof(limit);

	if (tg_libc.getsockopt(tg_stream_fd(transfer->stream), SOL_SOCKET, transfer->timeout, &limit, &size) != 0 ||
	    (limit.tv_sec == 0 && limit.tv_usec == 0))
		return TG_CLOCK_NEVER;
	return tg_clock_now() + (int64_t)limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000;
}

/* 0: try again. */
static int wait_for(struct transfer *transfer, unsigned events)
{
	volatile int r;

	if (transfer->deadline == 0)
		transfer->deadline = deadline_of(transfer);
	pthread_cleanup_push(cancelled, transfer->stream);
	r = tg_readiness_wait(transfer->stream, events, transfer->deadline);
	pthread_cleanup_pop(0);
	return r;
}

/* The same for what the stream itself needs of the socket. */
static int wait_for_socket(struct transfer *transfer)
{
	struct pollfd interest = {.fd = tg_stream_fd(transfer->stream),
				  .events = (short)tg_stream_wants(transfer->stream, 0)};
	int64_t now = tg_clock_now(), until = tg_stream_deadline(transfer->stream);
	volatile int r;

	/* Another thread has done it meanwhile, and nothing would end the wait. */
	if (interest.events == 0)
		return 0;
	if (transfer->deadline == 0)
		transfer->deadline = deadline_of(transfer);
	if (transfer->deadline <= now)
		return -1;
	if (until > transfer->deadline)
		until = transfer->deadline;
	const int64_t slice_end = tg_readiness_slice_end(transfer->stream, now);
	if ((tg_stream_state(transfer->stream) & TG_STREAM_HANDSHAKING) != 0 && until > slice_end)
		until = slice_end;
	pthread_cleanup_push(cancelled, transfer->stream);
	r = tg_libc.poll(&interest, 1, tg_clock_left(until, now));
	pthread_cleanup_pop(0);
	return r < 0 && !tg_readiness_restarts(transfer->deadline) ? -1 : 0;
}

static size_t size_of(const struct iovec *vector, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += vector[i].iov_len;
	return size;
}

/* The part of a vector after its first `done` bytes, as far as `ret` has room. */
static int rest_of(const struct iovec *vector, size_t count, size_t done, struct iovec ret[PIECES])
{
	int pieces = 0;

	for (size_t i = 0; i < count && pieces < PIECES; i++) {
		if (done >= vector[i].iov_len) {
			done -= vector[i].iov_len;
			continue;
		}
		ret[pieces].iov_base = (char *)vector[i].iov_base + done;
		ret[pieces++].iov_len = vector[i].iov_len - done;
		done = 0;
	}
	return pieces;
}

enum way { READ, WRITE, WRITE_MORE };

static ssize_t step(const struct transfer *transfer, enum way way, const struct iovec *vector, int count)
{
	ssize_t r;

	if (inside) {
		errno = EAGAIN;
		return -1;
	}
	if (!tg_descriptors_claim(transfer->stream))
		return -1;
	inside = true;
	r = way != READ ? tg_stream_write(transfer->stream, vector, count, way == WRITE_MORE)
			: tg_stream_read(transfer->stream, vector, count, (transfer->flags & MSG_PEEK) != 0);
	inside = false;
	return r;
}

/* Nobody else continues the handshake. So a write must not wait for it. */
static bool is_alone(struct tg_stream *stream)
{
	return tg_stream_is_unread(stream) && !tg_readiness_is_watched(stream);
}

/* Waits for the first byte, then takes what is there, once. */
static ssize_t receive_there(struct transfer *transfer, const struct iovec *vector, int count)
{
	for (;;) {
		ssize_t r = step(transfer, READ, vector, count);
		if (r >= 0 || errno != EAGAIN || inside || !may_block(transfer))
			return r;
		if (wait_for(transfer, POLLIN) != 0)
			return -1;
	}
}

static int wait_behind(struct transfer *transfer)
{
	volatile int r;

	if (transfer->deadline == 0)
		transfer->deadline = deadline_of(transfer);
	pthread_cleanup_push(cancelled, transfer->stream);
	r = tg_readiness_wait_behind(transfer->stream, transfer->deadline);
	pthread_cleanup_pop(0);
	return r;
}

/* The same in this thread's turn. Calls that do not wait, and a signal handler of the thread that has the turn, take none.
 */
static ssize_t receive_some(struct transfer *transfer, const struct iovec *vector, int count)
{
	if (inside || (transfer->flags & MSG_DONTWAIT) != 0 || tg_readiness_has_turn(transfer->stream))
		return receive_there(transfer, vector, count);
	while (!tg_readiness_take_turn(transfer->stream)) {
		if (!may_block(transfer))
			return step(transfer, READ, vector, count);
		if (wait_behind(transfer) != 0)
			return -1;
	}
	ssize_t r = receive_there(transfer, vector, count);
	int saved = errno;
	tg_readiness_give_turn(transfer->stream);
	errno = saved;
	return r;
}

/* MSG_TRUNC on a byte stream: the bytes are discarded (tcp(7)). */
static ssize_t throw_away(struct transfer *transfer, size_t size)
{
	char bin[4096];
	size_t done = 0;

	while (done < size) {
		size_t here = size - done < sizeof(bin) ? size - done : sizeof(bin);
		struct iovec piece = {.iov_base = &bin[0], .iov_len = here};
		ssize_t r = done == 0 ? receive_some(transfer, &piece, 1) : step(transfer, READ, &piece, 1);
		if (r <= 0)
			return done > 0 ? (ssize_t)done : r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static ssize_t receive_all(struct transfer *transfer, const struct iovec *vector, size_t count)
{
	const size_t size = size_of(vector, count);
	const bool whole = (transfer->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL;
	size_t done = 0;

	if ((transfer->flags & (MSG_TRUNC | MSG_PEEK)) == MSG_TRUNC)
		return throw_away(transfer, size);
	for (;;) {
		struct iovec rest[PIECES];
		const int pieces = rest_of(vector, count, done, rest);
		const size_t wanted = size_of(rest, (size_t)pieces);
		ssize_t r = done > 0 && !whole ? step(transfer, READ, rest, pieces) : receive_some(transfer, rest, pieces);
		if (r <= 0)
			return done > 0 ? (ssize_t)done : r;
		done += (size_t)r;
		if (done == size || (!whole && (size_t)r < wanted) || (transfer->flags & MSG_PEEK) != 0)
			return (ssize_t)done;
	}
}

ssize_t tg_transfer_receive(struct tg_stream *stream, const struct iovec *vector, size_t count, int flags)
{
	struct transfer transfer = {.stream = stream, .timeout = SO_RCVTIMEO, .flags = flags};
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = count};
	int saved = errno;
	ssize_t r = -1;

	if (stream == TG_TRANSFER_CLOSED)
		return fail_closed();
	if ((flags & MSG_OOB) != 0)
		errno = EINVAL;
	else if ((flags & MSG_ERRQUEUE) != 0)
		errno = EAGAIN;
	else if (count > IOV_MAX)
		errno = EMSGSIZE; /* the vector of a message; tg_transfer_vector has refused all others */
	else if (size_of(vector, count) == 0)
		r = 0;
	else
		r = receive_all(&transfer, vector, count);
	if (r < 0 && goes_on_there(stream))
		r = tg_libc.recvmsg(tg_stream_moved(stream), &message, flags);
	if (r >= 0)
		errno = saved;
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
	return r;
}

/*
 * A blocking server may close as soon as its last write has returned. So the write returns only when the kernel has the
 * bytes, as it would without TLS. Before the handshake it waits only if the relay did not take the connection, and nobody
 * else continues the handshake here.
 */
static void wait_until_sent(struct transfer *transfer)
{
	while ((tg_stream_state(transfer->stream) & (TG_STREAM_HANDSHAKING | TG_STREAM_OUTPUT)) != 0 &&
	       (tg_stream_state(transfer->stream) & TG_STREAM_ENDED) == 0 && tg_descriptors_claim(transfer->stream) &&
	       may_block(transfer)) {
		if (wait_for_socket(transfer) != 0)
			return;
		inside = true;
		tg_stream_poll(transfer->stream);
		inside = false;
	}
}

/* Sends the rest on the server's end, after the connection has become the relay's. */
static size_t send_elsewhere(const struct transfer *transfer, const struct iovec *vector, size_t count, size_t done)
{
	const size_t size = size_of(vector, count);

	while (done < size) {
		struct iovec rest[PIECES];
		const struct msghdr message = {.msg_iov = rest, .msg_iovlen = (size_t)rest_of(vector, count, done, rest)};
		const int fd = tg_stream_moved(transfer->stream);
		/* another thread may have put something else at the number */
		const ssize_t r = tg_relayed_is(fd) ? tg_libc.sendmsg(fd, &message, transfer->flags | MSG_NOSIGNAL) : -1;
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

/*
 * A blocking server that writes first would wait here for the handshake of a client that may never begin it, and so would
 * everybody whom it serves next. So the connection goes to the relay, together with what was written. The bytes are written
 * before it goes there, so that a client that is refused at once does not change what the write returns. 0: it stays here.
 */
static size_t send_first(struct transfer *transfer, const struct iovec *vector, size_t count)
{
	struct iovec first[PIECES];
	ssize_t r;

	if ((tg_stream_state(transfer->stream) & TG_STREAM_HANDSHAKING) == 0 || inside || tg_stream_is_inside() ||
	    !may_block(transfer) || !is_alone(transfer->stream))
		return 0;
	r = step(transfer, WRITE, first, rest_of(vector, count, 0, first));
	if (r <= 0)
		return 0;
	return tg_descriptors_move(tg_stream_fd(transfer->stream)) ? send_elsewhere(transfer, vector, count, (size_t)r)
								   : (size_t)r;
}

static ssize_t send_all(struct transfer *transfer, const struct iovec *vector, size_t count)
{
	const bool waits = (tg_stream_state(transfer->stream) & TG_STREAM_HANDSHAKING) == 0 || is_alone(transfer->stream);
	const size_t size = size_of(vector, count);
	size_t done = send_first(transfer, vector, count);

	if (tg_stream_moved(transfer->stream) >= 0 && done > 0)
		return (ssize_t)done;
	while (done < size) {
		struct iovec rest[PIECES];
		const int pieces = rest_of(vector, count, done, rest);
		const bool more = (transfer->flags & MSG_MORE) != 0 || done + size_of(rest, (size_t)pieces) < size;
		ssize_t r = step(transfer, more ? WRITE_MORE : WRITE, rest, pieces);
		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		if (r == 0 || errno != EAGAIN || inside || !may_block(transfer) || wait_for(transfer, POLLOUT) != 0)
			break;
	}
	if (done == 0 && size > 0)
		return -1;
	if (!inside && done == size && waits)
		wait_until_sent(transfer);
	return (ssize_t)done;
}

ssize_t tg_transfer_send(struct tg_stream *stream, const struct iovec *vector, size_t count, int flags)
{
	struct transfer transfer = {.stream = stream, .timeout = SO_SNDTIMEO, .flags = flags};
	const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = count};
	int saved = errno;
	ssize_t r = -1;

	if (stream == TG_TRANSFER_CLOSED)
		return fail_closed();
	if ((flags & MSG_OOB) != 0)
		errno = EOPNOTSUPP;
	else if (count > IOV_MAX)
		errno = EMSGSIZE;
	else
		r = send_all(&transfer, vector, count);
	if (r < 0 && goes_on_there(stream))
		r = tg_libc.sendmsg(tg_stream_moved(stream), &message, flags | MSG_NOSIGNAL);
	if (r >= 0)
		errno = saved;
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
	if (r < 0 && errno == EPIPE && (flags & MSG_NOSIGNAL) == 0) {
		raise(SIGPIPE);
		errno = EPIPE;
	}
	return r;
}

ssize_t tg_transfer_write(struct tg_stream *stream, const void *data, size_t size, int flags)
{
	return tg_transfer_send(stream, &(struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size}, 1, flags);
}

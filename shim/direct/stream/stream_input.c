/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: from libssl to the server. */
#include "shim/binding/libc.h"
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"
#include "shim/policy/ready.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/param.h>

#define PIECE 4096 /* bytes of plaintext that are only peeked at */

static bool is_readable_in_libssl(const struct tg_openssl *o, const struct tg_stream *stream)
{
	return !stream->call.is_drained || (!stream->tls.is_stalled && o->SSL_has_pending(stream->tls.ssl) == 1);
}

/* Decrypts into `data`; with `peek` the bytes stay in libssl. 0: nothing, or the end; the stage and peer_closed say which.
 */
static size_t take_plaintext(struct tg_stream *stream, void *data, size_t size, bool peek)
{
	const struct tg_openssl *o = tg_openssl();
	size_t done = 0;

	if (!is_readable_in_libssl(o, stream) || stream->input.peer_closed || !tg_stream_is_ready(stream))
		return 0;
	int result;
	do
		result = peek ? o->SSL_peek_ex(stream->tls.ssl, data, size, &done)
			      : o->SSL_read_ex(stream->tls.ssl, data, size, &done);
	while (result != 1 && stream->output.error == 0 && tg_stream_is_output_full(stream) && tg_stream_flush(stream));
	if (result == 1) {
		stream->tls.is_stalled = false;
		tg_stream_used(stream);
		if (tg_ready_still(o, stream->tls.ssl))
			return done;
		explicit_bzero(data, done);
		tg_stream_refuse(stream);
		return 0;
	}
	if ((o->SSL_get_shutdown(stream->tls.ssl) & SSL_RECEIVED_SHUTDOWN) != 0 &&
	    o->SSL_get_error(stream->tls.ssl, result) == SSL_ERROR_ZERO_RETURN)
		stream->input.peer_closed = true;
	else if (tg_stream_may_retry(stream, result))
		stream->tls.is_stalled = true;
	return 0;
}

bool tg_stream_fill(struct tg_stream *stream)
{
	unsigned char byte;

	return tg_bytes_left(&stream->input.kept) > 0 ||
	       (stream->stage == TG_STAGE_OPEN && take_plaintext(stream, &byte, 1, true) > 0) ||
	       stream->input.peer_closed || stream->input.is_shut || stream->stage == TG_STAGE_ENDED;
}

static size_t total(const struct iovec *vector, int count)
{
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += vector[i].iov_len;
	return size;
}

/*
 * Takes bytes that are peeked at from libssl and keeps them, because they may come from several small records. It never
 * keeps more than the largest record holds. So what a client makes us keep is bounded, and the rest stays in the socket,
 * where the client meets back pressure.
 */
static void keep(struct tg_stream *stream, size_t wanted)
{
	unsigned char piece[PIECE];

	wanted = MIN(wanted, TG_STREAM_RECORD);
	while (tg_bytes_left(&stream->input.kept) < wanted && stream->stage == TG_STAGE_OPEN) {
		size_t got =
		    take_plaintext(stream, piece, MIN(sizeof(piece), wanted - tg_bytes_left(&stream->input.kept)), false);
		if (got == 0)
			break;
		if (!tg_bytes_add(&stream->input.kept, piece, got))
			tg_stream_end(stream, ENOMEM);
		explicit_bzero(piece, got);
	}
}

/* Reads into the vector after its first `skip` bytes. */
static size_t read_open(struct tg_stream *stream, const struct iovec *vector, int count, size_t skip)
{
	size_t done = 0;

	for (int i = 0; i < count; i++) {
		size_t at = MIN(skip, vector[i].iov_len);
		skip -= at;
		while (at < vector[i].iov_len) {
			size_t got =
			    stream->stage != TG_STAGE_OPEN
				? 0
				: take_plaintext(stream, (char *)vector[i].iov_base + at, vector[i].iov_len - at, false);
			if (got == 0)
				return done;
			done += got;
			at += got;
			/* What has come since is news that the next wait brings; to ask for it here would cost each request
			 * a call. */
			stream->call.is_drained = stream->call.is_drained || stream->input.was_drained;
		}
	}
	return done;
}

static ssize_t read_plain(struct tg_stream *stream, const struct iovec *vector, int count, bool peek, int *ret_error)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count};
	ssize_t got = tg_socket_receive_vector(stream->fd, &message, peek ? MSG_PEEK : 0);

	if (got > 0)
		stream->is_touched = true;
	if (got < 0)
		*ret_error = errno == EINTR ? EAGAIN : errno;
	return got;
}

/*
 * FIONREAD reported less than there was. A server that has read that much, and then waits for the edge of later bytes
 * (nginx), is notified of the rest.
 */
static void note_read(struct tg_stream *stream, size_t done)
{
	stream->input.has_news = false;
	if (stream->input.counted == 0)
		return;
	stream->input.counted -= MIN(done, stream->input.counted);
	stream->input.has_news = stream->input.counted == 0;
}

/* Nothing could be read: the result and errno for the server. */
static ssize_t nothing(const struct tg_stream *stream, int *ret_error)
{
	if (stream->input.peer_closed || stream->input.is_shut)
		return 0;
	*ret_error = stream->stage == TG_STAGE_ENDED ? stream->error : EAGAIN;
	return -1;
}

static ssize_t read_locked(struct tg_stream *stream, const struct iovec *vector, int count, bool peek, int *ret_error)
{
	size_t wanted = total(vector, count);

	if (wanted == 0)
		return 0;
	tg_stream_advance(stream);
	tg_stream_let_go(stream);
	if (peek && stream->stage == TG_STAGE_OPEN)
		keep(stream, wanted);
	size_t done = tg_bytes_copy(&stream->input.kept, vector, count);
	if (done > 0 && !peek)
		tg_bytes_use(&stream->input.kept, done);
	if (stream->stage == TG_STAGE_PLAIN && done == 0)
		return read_plain(stream, vector, count, peek, ret_error);
	if (!peek && done < wanted && stream->stage == TG_STAGE_OPEN)
		done += read_open(stream, vector, count, done);
	if (!peek)
		note_read(stream, done);
	if (stream->stage == TG_STAGE_OPEN)
		tg_stream_flush(stream);
	return done > 0 ? (ssize_t)done : nothing(stream, ret_error);
}

ssize_t tg_stream_read(struct tg_stream *stream, const struct iovec *vector, int count, bool peek)
{
	struct tg_stream_call call;
	int error = 0;

	tg_stream_enter(&call, stream);
	ssize_t result = read_locked(stream, vector, count, peek, &error);
	tg_stream_leave(&call, error);
	return result;
}

/* At most as much as is kept, see above. */
size_t tg_stream_readable(struct tg_stream *stream)
{
	struct tg_stream_call call;

	tg_stream_enter(&call, stream);
	tg_stream_advance(stream);
	if (stream->stage == TG_STAGE_OPEN)
		keep(stream, TG_STREAM_RECORD);
	size_t size = tg_bytes_left(&stream->input.kept);
	stream->input.counted = stream->stage == TG_STAGE_OPEN && is_readable_in_libssl(tg_openssl(), stream) ? size : 0;
	int more = 0;
	if (stream->stage == TG_STAGE_PLAIN && tg_libc.ioctl(stream->fd, FIONREAD, &more) == 0)
		size += (size_t)more;
	tg_stream_leave(&call, 0);
	return size;
}

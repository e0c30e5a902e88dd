/* SPDX-License-Identifier: Apache-2.0 */
/* What the server writes, and how it ends. */
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#define RECORD TG_STREAM_RECORD
#define RECORD_EXTRA 256    /* what a record has beside its plaintext, at most (RFC 8446 section 5.2) */
#define NOT_ALONE 1024      /* less than a packet: not sent for itself */
#define PIECES 64           /* of a vector that go behind what a cork holds back */
#define DISCARD (64 * 1024) /* of what the client sent last, so that closing does not reset the connection */

/* Collects the ciphertext of one record. False: nothing more can be sent. */
static bool encrypt(struct tg_stream *stream, const void *data, size_t size, bool is_last)
{
	const struct tg_openssl *o = tg_openssl();
	size_t done = 0;

	stream->call.sends_now = is_last;
	int result = o->SSL_write_ex(stream->tls.ssl, data, size, &done);
	stream->call.sends_now = false;
	stream->call.may_have_failed = stream->call.may_have_failed || result != 1;
	if (stream->output.error == 0 && (result != 1 || done != size))
		tg_stream_end(stream, ECONNRESET);
	return stream->output.error == 0 && stream->stage == TG_STAGE_OPEN;
}

/* A place in the server's vector. */
struct cursor {
	const struct iovec *vector;
	int count, at;
	size_t offset;
};

static void step(struct cursor *cursor, size_t size)
{
	cursor->offset += size;
	while (cursor->at < cursor->count && cursor->offset == cursor->vector[cursor->at].iov_len) {
		cursor->at++;
		cursor->offset = 0;
	}
}

/* The next record's plaintext: where it lies, or gathered into `piece`. */
static const void *next_piece(struct cursor *cursor, size_t size, unsigned char *piece)
{
	const struct iovec *here = &cursor->vector[cursor->at];
	size_t done = 0;

	if (here->iov_len - cursor->offset >= size) {
		const void *data = (const char *)here->iov_base + cursor->offset;
		step(cursor, size);
		return data;
	}
	while (done < size) {
		here = &cursor->vector[cursor->at];
		size_t part = MIN(size - done, here->iov_len - cursor->offset);
		memcpy(piece + done, (const char *)here->iov_base + cursor->offset, part);
		done += part;
		step(cursor, part);
	}
	return piece;
}

/* The next `size` bytes as records. False: not all of them, and nothing more can be sent. */
static bool write_batch(struct tg_stream *stream, struct cursor *cursor, size_t size, unsigned char *piece, size_t *done)
{
	if (size > RECORD && !tg_bytes_reserve(&stream->output.unsent, size + TG_STREAM_BATCH / RECORD * RECORD_EXTRA))
		return false;
	for (size_t in = 0; in < size;) {
		size_t part = MIN(size - in, RECORD);
		if (!encrypt(stream, next_piece(cursor, part, piece), part, in + part == size))
			return false;
		in += part;
		*done += part;
	}
	return true;
}

/*
 * All that is there, as long as the socket takes what was encrypted before. But for the end of it the kernel is told that
 * more follows: of several parts of packets it would hold back the last one until the client has acknowledged the first one
 * (RFC 1122 section 4.2.3.4), which it delays. `piece`: of a record's size, or `wanted`.
 */
static size_t write_batches(struct tg_stream *stream, struct cursor *cursor, size_t wanted, unsigned char *piece)
{
	const struct tg_pace pace = tg_stream_pace_begin(stream, wanted);
	const bool more = stream->call.more_follows;
	bool goes_on = true;
	size_t done = 0;

	stream->call.more_follows = !pace.at_once;
	while (goes_on && done < wanted && (goes_on = tg_stream_flush(stream))) {
		const size_t left = wanted - done, batch = left < pace.batch + NOT_ALONE ? left : pace.batch;
		stream->call.more_follows = !pace.at_once && (more || batch < left);
		goes_on = write_batch(stream, cursor, batch, piece, &done);
	}
	if (goes_on)
		tg_stream_flush(stream);
	stream->output.in_a_row = more ? stream->output.in_a_row + done : 0;
	stream->output.is_row_split = more && pace.at_once;
	tg_stream_pace_end(stream, &pace);
	return done;
}

static size_t write_open(struct tg_stream *stream, const struct iovec *vector, int count, size_t wanted)
{
	struct cursor cursor = {.vector = vector, .count = count};
	unsigned char small[4096], *piece = small; /* what gathers a record of several parts, as of a header and a body */
	const size_t room = count == 1 ? 0 : MIN(wanted, RECORD);

	if (room > sizeof(small) && (piece = malloc(room)) == NULL)
		return 0;
	step(&cursor, 0);
	const size_t done = write_batches(stream, &cursor, wanted, piece);
	explicit_bzero(piece, room);
	if (piece != small)
		free(piece);
	return done;
}

/*
 * Behind a cork, as long as it is less than a record. Then what was corked goes in front of the rest: both are in the
 * first record, so that this is written or nothing is.
 */
static ssize_t write_behind_cork(struct tg_stream *stream, const struct iovec *vector, int count, size_t wanted)
{
	size_t before = tg_bytes_left(&stream->output.early);
	struct iovec whole[PIECES + 1] = {{stream->output.early.data + stream->output.early.from, before}};

	if (!tg_stream_flush(stream))
		return 0;
	if (stream->output.cork == TG_CORK_HERE && before + wanted < RECORD)
		return tg_stream_hold(stream, vector, count) ? (ssize_t)wanted : 0;
	count = MIN(count, PIECES);
	memcpy(whole + 1, vector, (size_t)count * sizeof(*vector));
	wanted = before;
	for (int i = 1; i <= count; i++)
		wanted += whole[i].iov_len;
	size_t done = write_open(stream, whole, count + 1, wanted);
	if (done < before)
		return 0;
	tg_stream_corked_forget(stream);
	tg_bytes_free(&stream->output.early);
	return (ssize_t)(done - before);
}

static ssize_t write_judged(struct tg_stream *stream, const struct iovec *vector, int count, size_t wanted)
{
	if (stream->output.cork == TG_CORK_HERE || tg_bytes_left(&stream->output.early) > 0)
		return write_behind_cork(stream, vector, count, wanted);
	return (ssize_t)write_open(stream, vector, count, wanted);
}

static ssize_t write_early(struct tg_stream *stream, const struct iovec *vector, int count)
{
	size_t done = 0;

	for (int i = 0; i < count; i++) {
		size_t room = TG_STREAM_EARLY - tg_bytes_left(&stream->output.early);
		size_t size = MIN(room, vector[i].iov_len);
		if (!tg_bytes_add(&stream->output.early, vector[i].iov_base, size))
			break;
		done += size;
		if (size < vector[i].iov_len)
			break;
	}
	return (ssize_t)done;
}

static ssize_t write_plain(struct tg_stream *stream, const struct iovec *vector, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count};

	if (!tg_stream_flush(stream)) {
		errno = stream->output.error == 0 ? EAGAIN : stream->output.error;
		return -1;
	}
	stream->is_touched = true;
	return tg_socket_send_vector(stream->fd, &message, stream->call.more_follows ? MSG_MORE : 0);
}

static int close_write(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	if (stream->stage == TG_STAGE_OPEN && !stream->output.close_sent && stream->output.error == 0) {
		if (tg_stream_is_ready(stream) && o->SSL_shutdown(stream->tls.ssl) < 0)
			stream->call.may_have_failed = true;
		stream->output.close_sent = stream->stage == TG_STAGE_OPEN;
	}
	if (stream->stage == TG_STAGE_PLAIN)
		stream->output.close_sent = true;
	tg_stream_flush(stream);
	return 0;
}

void tg_stream_release_early(struct tg_stream *stream)
{
	struct tg_bytes early = stream->output.early;

	stream->output.early = (struct tg_bytes){0};
	if (stream->stage == TG_STAGE_PLAIN) {
		stream->output.unsent = early;
	} else {
		for (size_t at = early.from; at < early.size && stream->stage == TG_STAGE_OPEN;) {
			size_t size = MIN(early.size - at, RECORD);
			if (!encrypt(stream, early.data + at, size, at + size == early.size))
				break;
			at += size;
		}
		tg_bytes_free(&early);
	}
	if (stream->output.is_shut)
		close_write(stream);
	else
		tg_stream_flush(stream);
}

/*
 * A server that speaks first and closes at once does not begin the handshake by that: as long as nothing was taken from the
 * socket, the connection can go on elsewhere (tg_stream_move).
 */
static void go_on(struct tg_stream *stream, bool is_first)
{
	if (is_first && stream->stage == TG_STAGE_SILENT)
		tg_stream_look_at_time(stream);
	else
		tg_stream_advance(stream);
}

static ssize_t write_locked(struct tg_stream *stream, const struct iovec *vector, int count, int *ret_error)
{
	size_t wanted = 0;

	for (int i = 0; i < count; i++)
		wanted += vector[i].iov_len;
	go_on(stream, tg_bytes_left(&stream->output.early) == 0);
	if (stream->stage == TG_STAGE_ENDED || stream->output.is_shut) {
		*ret_error = stream->output.is_shut ? EPIPE : stream->error;
		return -1;
	}
	if (wanted == 0)
		return 0;
	ssize_t done;
	if (stream->stage == TG_STAGE_PLAIN)
		done = write_plain(stream, vector, count);
	else if (stream->stage == TG_STAGE_OPEN)
		done = tg_stream_is_ready(stream) ? write_judged(stream, vector, count, wanted) : 0;
	else
		done = write_early(stream, vector, count);
	if (done > 0)
		return done;
	*ret_error = EAGAIN;
	if (stream->stage == TG_STAGE_ENDED)
		*ret_error = stream->error;
	else if (stream->output.error != 0)
		*ret_error = stream->output.error;
	else if (stream->stage == TG_STAGE_PLAIN && done < 0 && errno != EINTR)
		*ret_error = errno;
	if (stream->output.error != 0)
		stream->output.error = EPIPE; /* it is told once what happened, as by tcp(7) */
	return -1;
}

ssize_t tg_stream_write(struct tg_stream *stream, const struct iovec *vector, int count, bool more)
{
	struct tg_stream_call call;
	int error = 0;

	tg_stream_enter(&call, stream);
	stream->call.more_follows = more || stream->output.cork != TG_CORK_OFF;
	ssize_t result = write_locked(stream, vector, count, &error);
	tg_stream_corked_update(stream);
	tg_stream_leave(&call, error);
	return result;
}

int tg_stream_shutdown(struct tg_stream *stream, int how)
{
	struct tg_stream_call call;
	int error = 0;

	tg_stream_enter(&call, stream);
	go_on(stream, true);
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
		error = EINVAL;
	} else if (stream->stage == TG_STAGE_ENDED) {
		error = ENOTCONN;
	} else {
		tg_stream_let_go(stream);
		stream->input.is_shut = stream->input.is_shut || how != SHUT_WR;
		/* It wakes who blocks in the kernel. A handshake has still to be read. */
		if ((stream->stage == TG_STAGE_OPEN || stream->stage == TG_STAGE_PLAIN) && how != SHUT_WR)
			tg_socket_shutdown(stream->fd, SHUT_RD);
		if (how != SHUT_RD) {
			stream->output.is_shut = true;
			close_write(stream);
		}
	}
	tg_stream_leave(&call, error);
	return error == 0 ? 0 : -1;
}

bool tg_stream_finish(struct tg_stream *stream, struct iovec *ret_tail)
{
	struct tg_stream_call call;
	bool done = true;

	tg_stream_enter(&call, stream);
	tg_stream_advance(stream);
	tg_stream_let_go(stream);
	stream->output.is_shut = true;
	if (stream->stage == TG_STAGE_OPEN || stream->stage == TG_STAGE_PLAIN)
		close_write(stream);
	if (stream->stage == TG_STAGE_OPEN || stream->stage == TG_STAGE_ENDED)
		while (tg_socket_receive(stream->fd, NULL, DISCARD, MSG_TRUNC) == DISCARD)
			;
	if (stream->stage != TG_STAGE_ENDED) {
		bool handshaking = stream->stage != TG_STAGE_OPEN && stream->stage != TG_STAGE_PLAIN;
		size_t left = tg_bytes_left(handshaking ? &stream->output.early : &stream->output.unsent);
		done = left == 0 || stream->output.error != 0;
		if (!done && handshaking)
			*ret_tail = (struct iovec){0};
		else if (!done)
			*ret_tail = (struct iovec){stream->output.unsent.data + stream->output.unsent.from, left};
	}
	tg_stream_leave(&call, 0);
	return done;
}

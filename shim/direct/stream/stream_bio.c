/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BIO between libssl and the socket.
 *
 * Reading: a recv(2) that returned less than it was asked for has emptied the socket. So no further recv is made just to
 * get EAGAIN. Bytes that arrive later during the same call are found by the next one.
 *
 * Writing: records are collected and sent together. A write of libssl's fails only where a peer that reads nothing makes
 * libssl answer on and on (KeyUpdate, refused renegotiations).
 */
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The FIN is behind the bytes that were read, and the kernel reports it only once. */
static bool has_heard_end(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->input.heard_end, memory_order_relaxed);
}

static int receive(struct tg_stream *stream, char *data, size_t size, size_t *done)
{
	if (tg_bytes_left(&stream->handshaking.first) > 0) {
		*done = tg_bytes_copy(&stream->handshaking.first, &(struct iovec){data, size}, 1);
		tg_bytes_use(&stream->handshaking.first, *done);
		return 1;
	}
	stream->call.is_drained = stream->call.is_drained || tg_readiness_is_awaited(&stream->watch);
	if (stream->call.is_drained || stream->input.is_at_end)
		return 0;
	ssize_t got = tg_socket_receive(stream->fd, data, size, 0);
	if (got > 0) {
		stream->is_touched = true;
		stream->call.is_drained = stream->input.was_drained = (size_t)got < size && !has_heard_end(stream);
		*done = (size_t)got;
		return 1;
	}
	const bool is_empty = got == 0 ? stream->input.is_shut /* an end by the server's own shutdown(2), not by the peer */
				       : errno == EAGAIN || errno == EINTR;
	stream->input.was_drained = is_empty;
	if (is_empty)
		stream->call.is_drained = true;
	else if (got == 0)
		stream->input.is_at_end = true;
	else
		stream->input.error = errno;
	return 0;
}

static int bio_read(BIO *bio, char *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_stream *stream = o->BIO_get_data(bio);

	o->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	int result = receive(stream, data, size, done);
	if (result != 1 && stream->call.is_drained)
		o->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
	return result;
}

static ssize_t send_now(struct tg_stream *stream, const void *data, size_t size)
{
	stream->is_touched = true;
	stream->output.is_corked_below = stream->call.more_follows;
	return tg_socket_send(stream->fd, data, size, stream->call.more_follows ? MSG_MORE : 0);
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *done)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_stream *stream = o->BIO_get_data(bio);
	size_t sent = 0;

	o->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	if (tg_stream_is_output_full(stream)) {
		o->BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
		return 0;
	}
	if (stream->call.sends_now && tg_bytes_left(&stream->output.unsent) == 0) {
		ssize_t n = send_now(stream, data, size);
		if (n > 0)
			sent = (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			stream->output.error = errno;
	}
	if (stream->output.error != 0 || !tg_bytes_add(&stream->output.unsent, data + sent, size - sent))
		return 0;
	*done = size;
	return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	const struct tg_stream *stream = tg_openssl()->BIO_get_data(bio);
	(void)number;

	switch (command) {
	case BIO_C_GET_FD: /* enforcement finds the listener by it */
		if (pointer != NULL)
			*(int *)pointer = stream->fd;
		return stream->fd;
	case BIO_CTRL_EOF:
		return stream->input.is_at_end;
	case BIO_CTRL_FLUSH:
		return 1;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	tg_openssl()->BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tg_stream_bio_method(const struct tg_openssl *o)
{
	int index = o->BIO_get_new_index();
	BIO_METHOD *method =
	    index == -1 ? NULL : o->BIO_meth_new(index | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "tlsgraft stream");

	if (method == NULL)
		return NULL;
	o->BIO_meth_set_read_ex(method, bio_read);
	o->BIO_meth_set_write_ex(method, bio_write);
	o->BIO_meth_set_ctrl(method, bio_control);
	o->BIO_meth_set_create(method, bio_create);
	return method;
}

bool tg_stream_flush(struct tg_stream *stream)
{
	struct tg_bytes *output = &stream->output.unsent;

	while (tg_bytes_left(output) > 0) {
		size_t left = tg_bytes_left(output);
		ssize_t n = send_now(stream, output->data + output->from, left);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			stream->output.error = errno;
		if (stream->output.error != 0)
			tg_bytes_free(output);
		if (n <= 0)
			return false;
		tg_bytes_use(output, (size_t)n);
	}
	if (stream->output.error != 0)
		return false;
	if (stream->output.close_sent && !stream->output.fin_sent) {
		tg_socket_shutdown(stream->fd, SHUT_WR);
		stream->output.fin_sent = true;
	}
	return true;
}

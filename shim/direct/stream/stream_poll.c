/* SPDX-License-Identifier: Apache-2.0 */
/* What is ready, and what to wait for. */
#include "shim/binding/libc.h"
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"

#include <poll.h>

static bool is_handshaking(const struct tg_stream *stream)
{
	return stream->stage == TG_STAGE_SILENT || stream->stage == TG_STAGE_HANDSHAKE;
}

/* The kernel knows it for a plaintext client. */
static unsigned ready_plain(const struct tg_stream *stream)
{
	struct pollfd socket = {.fd = stream->fd, .events = POLLIN | POLLOUT | POLLRDHUP};
	unsigned ready = tg_libc.poll(&socket, 1, 0) == 1 ? (unsigned)socket.revents : 0;

	if (tg_bytes_left(&stream->input.kept) > 0)
		ready |= POLLIN;
	if (tg_bytes_left(&stream->output.unsent) > 0)
		ready &= ~(unsigned)POLLOUT;
	return ready;
}

static unsigned ready_now(struct tg_stream *stream)
{
	unsigned ready = 0;

	if (stream->stage == TG_STAGE_ENDED)
		return POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR;
	if (stream->stage == TG_STAGE_PLAIN)
		return ready_plain(stream);
	if (tg_stream_fill(stream))
		ready |= POLLIN;
	if (stream->stage == TG_STAGE_ENDED)
		return POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR;
	bool room =
	    is_handshaking(stream) ? tg_bytes_left(&stream->output.early) < TG_STREAM_EARLY : tg_stream_flush(stream);
	if (room || stream->output.is_shut || stream->output.error != 0)
		ready |= POLLOUT;
	if (stream->input.peer_closed || stream->input.is_shut)
		ready |= POLLRDHUP;
	if (stream->input.peer_closed && stream->output.fin_sent)
		ready |= POLLHUP;
	return ready;
}

unsigned tg_stream_poll(struct tg_stream *stream)
{
	struct tg_stream_call call;

	tg_stream_enter(&call, stream);
	stream->input.was_drained = false;
	stream->input.has_news = false;
	tg_stream_advance(stream);
	tg_stream_let_go(stream);
	unsigned ready = ready_now(stream);
	tg_stream_leave(&call, 0);
	return ready;
}

unsigned tg_stream_wants(struct tg_stream *stream, unsigned events)
{
	unsigned wants = 0;

	tg_lock_take(&stream->lock);
	bool input, output = tg_bytes_left(&stream->output.unsent) > 0 || tg_bytes_left(&stream->output.early) > 0;
	switch (stream->stage) {
	case TG_STAGE_SILENT:
	case TG_STAGE_HANDSHAKE:
		/* What the server has written already waits for the verdict, not for room. */
		wants = POLLIN | (tg_bytes_left(&stream->output.unsent) > 0 ? POLLOUT : 0);
		break;
	case TG_STAGE_OPEN:
		/* The end of the stream comes after what waits to be read. */
		input = (tg_stream_state(stream) & TG_STREAM_INPUT) != 0;
		if (((events & POLLIN) != 0 || ((events & POLLRDHUP) != 0 && !input)) && !stream->input.peer_closed &&
		    !tg_stream_is_output_full(stream))
			wants |= POLLIN;
		if ((events & POLLOUT) != 0 || output)
			wants |= POLLOUT;
		break;
	case TG_STAGE_PLAIN:
		wants = (events & (POLLIN | POLLOUT)) | (output ? POLLOUT : 0);
		break;
	case TG_STAGE_ENDED:
		wants = events & (POLLIN | POLLOUT);
		break;
	}
	tg_lock_release(&stream->lock);
	return wants;
}

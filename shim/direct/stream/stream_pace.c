/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of what the server writes the socket gets at once.
 *
 * A batch of records, the end of which waits for a packet's rest where more is to follow. Or smaller pieces, each sent for
 * itself: a client on the same machine that has done with all there is goes to sleep, and to wake it costs the server more
 * than a piece does; so it shall be busy with one while the next is encrypted. Over loopback, where a packet takes records,
 * that is for much data in a row; where the kernel makes many packets of one record (a container's network), and the end of
 * a batch would arrive apart from the rest of it, from the beginning, and smaller still for much data. The sizes are those
 * that bench/plaintext.sh came out best with, with and without MTU=1500.
 *
 * Nagle's algorithm (RFC 9293 section 3.7.4) would hold back the end of each piece until the next one comes, so it is off
 * during such a call.
 */
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"

#define MUCH (2 * TG_STREAM_BATCH) /* in a row */
#define PIECE (3 * TG_STREAM_RECORD)

static void set_no_delay(int fd, int value)
{
	tg_libc.syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
}

struct tg_pace tg_stream_pace_begin(struct tg_stream *stream, size_t wanted)
{
	struct tg_pace pace = {.batch = TG_STREAM_BATCH};

	if (wanted <= TG_STREAM_RECORD && !stream->output.is_row_split)
		return pace;
	if (stream->output.packet == 0)
		stream->output.packet = tg_socket_option(stream->fd, TCP_MAXSEG);
	/* Over loopback it is 65,483 bytes, or half of the client's window at first. */
	const bool takes_records = stream->output.packet > TG_STREAM_RECORD, is_much = stream->output.in_a_row >= MUCH;
	if (takes_records && !is_much)
		return pace;
	pace.batch = takes_records || !is_much ? PIECE : TG_STREAM_RECORD;
	pace.at_once = true;
	pace.is_nagle_off = tg_socket_option(stream->fd, TCP_NODELAY) == 0;
	if (pace.is_nagle_off)
		set_no_delay(stream->fd, 1);
	return pace;
}

void tg_stream_pace_end(const struct tg_stream *stream, const struct tg_pace *pace)
{
	if (pace->is_nagle_off)
		set_no_delay(stream->fd, 0);
}

int tg_stream_get_no_delay(struct tg_stream *stream, int fd, void *value, socklen_t *size)
{
	tg_lock_take(&stream->lock);
	int result = tg_libc.getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, size);
	tg_lock_release(&stream->lock);
	return result;
}

int tg_stream_set_no_delay(struct tg_stream *stream, int fd, const void *value, socklen_t size)
{
	tg_lock_take(&stream->lock);
	int result = tg_libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, size);
	tg_lock_release(&stream->lock);
	return result;
}

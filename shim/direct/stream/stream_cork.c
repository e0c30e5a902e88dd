/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP_CORK (tcp(7)). A server sets it before it sends a header and then a file. Both become one record and one send(2).
 *
 * At most one record of plaintext waits until the stream is uncorked, or any other call is made on it. The same holds for a
 * part of a packet that the kernel holds back because more was announced (MSG_MORE). The kernel would send it after 200 ms.
 * Here no timer is needed: corked bytes are sent when the process waits in poll, select, epoll_wait or accept.
 */
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"

#include <stdatomic.h>
#include <sys/param.h>

#define HEADER_ROOM 4096 /* room for a header and the beginning of its body, without moving them */

_Atomic unsigned tg_stream_corked_count;

/* The list of corked streams. */
static struct {
	struct tg_lock lock;
	struct tg_stream *first;
	uint32_t process; /* the process that corked them (claims.h): after a fork the child must not write them */
} corked_streams = {.lock = TG_LOCK_INITIALIZER(CORKED)};

/* Under the lock. In a process that a raw clone(2) made: the parent's corked bytes are the parent's to write. */
static void begin_anew(void)
{
	while (corked_streams.first != NULL) {
		corked_streams.first->output.corked_link = NULL;
		corked_streams.first = corked_streams.first->output.corked_next;
	}
	atomic_store_explicit(&tg_stream_corked_count, 0, memory_order_relaxed);
	corked_streams.process = tg_claims_process();
}

static void list(struct tg_stream *stream)
{
	tg_lock_take(&corked_streams.lock);
	if (corked_streams.process != tg_claims_process())
		begin_anew();
	if (stream->output.corked_link == NULL) {
		stream->output.corked_next = corked_streams.first;
		stream->output.corked_link = &corked_streams.first;
		if (corked_streams.first != NULL)
			corked_streams.first->output.corked_link = &stream->output.corked_next;
		corked_streams.first = stream;
		atomic_fetch_add_explicit(&tg_stream_corked_count, 1, memory_order_relaxed);
	}
	tg_lock_release(&corked_streams.lock);
}

void tg_stream_corked_forget(struct tg_stream *stream)
{
	tg_lock_take(&corked_streams.lock);
	if (stream->output.corked_link != NULL) {
		*stream->output.corked_link = stream->output.corked_next;
		if (stream->output.corked_next != NULL)
			stream->output.corked_next->output.corked_link = stream->output.corked_link;
		stream->output.corked_link = NULL;
		atomic_fetch_sub_explicit(&tg_stream_corked_count, 1, memory_order_relaxed);
	}
	tg_lock_release(&corked_streams.lock);
}

bool tg_stream_hold(struct tg_stream *stream, const struct iovec *vector, int count)
{
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += vector[i].iov_len;
	if (!tg_bytes_reserve(&stream->output.early, MAX(size, HEADER_ROOM)))
		return false;
	for (int i = 0; i < count; i++)
		tg_bytes_add(&stream->output.early, vector[i].iov_base, vector[i].iov_len);
	list(stream);
	return true;
}

void tg_stream_let_go(struct tg_stream *stream)
{
	const struct tg_pace pace = tg_stream_pace_begin(stream, 0);

	if (stream->stage == TG_STAGE_OPEN && tg_bytes_left(&stream->output.early) > 0) {
		tg_stream_corked_forget(stream);
		tg_stream_release_early(stream);
	} else if (stream->output.is_corked_below) {
		tg_stream_corked_forget(stream);
		stream->output.is_corked_below = false;
		tg_socket_push(stream->fd);
	}
	tg_stream_pace_end(stream, &pace);
	stream->output.in_a_row = 0;
	stream->output.is_row_split = false;
}

void tg_stream_corked_update(struct tg_stream *stream)
{
	if (stream->output.is_corked_below)
		list(stream);
	else if (stream->output.corked_link != NULL && tg_bytes_left(&stream->output.early) == 0)
		tg_stream_corked_forget(stream);
}

/* A thread that uses a stream at this moment sends its corked bytes by that, or uncorks it soon. */
void tg_stream_let_go_all(void)
{
	struct tg_stream *stream;

	/* A wait in a signal handler must not wait for a stream. */
	if (tg_stream_is_inside())
		return;
	do {
		tg_lock_take(&corked_streams.lock);
		for (stream = corked_streams.process == tg_claims_process() ? corked_streams.first : NULL;
		     stream != NULL && !tg_lock_try(&stream->lock);)
			stream = stream->output.corked_next;
		tg_lock_release(&corked_streams.lock);
		if (stream != NULL) {
			struct tg_stream_call call;
			tg_stream_enter_locked(&call, stream);
			tg_stream_let_go(stream);
			tg_stream_corked_forget(stream);
			/* If the socket did not take all, somebody has to wait for room from now on. */
			const bool is_kept = tg_descriptors_keep_stream(stream);
			tg_stream_leave(&call, 0);
			if (is_kept) {
				tg_readiness_changed(stream);
				tg_descriptors_put(stream);
			}
		}
	} while (stream != NULL);
}

/*
 * Corked bytes must not exist in two processes. Each would write them, with the same keys and record numbers; or nobody
 * would, if both just close the connection.
 */
void tg_stream_lock_for_fork(struct tg_stream *stream)
{
	tg_lock_take_next(&stream->lock);
	while (stream->output.corked_link != NULL && corked_streams.process == tg_claims_process()) {
		struct tg_stream_call call;
		tg_stream_enter_locked(&call, stream);
		tg_stream_let_go(stream);
		tg_stream_corked_forget(stream);
		tg_stream_leave(&call, 0);
		tg_lock_take_next(&stream->lock);
	}
}

void tg_stream_corked_lock(void)
{
	tg_lock_take(&corked_streams.lock);
}

void tg_stream_corked_unlock(void)
{
	tg_lock_release(&corked_streams.lock);
}

bool tg_stream_cork(struct tg_stream *stream, enum tg_cork cork)
{
	struct tg_stream_call call;

	tg_stream_enter(&call, stream);
	bool taken = stream->stage != TG_STAGE_PLAIN && stream->stage != TG_STAGE_ENDED;
	if (taken)
		stream->output.cork = cork;
	if (taken && cork == TG_CORK_OFF)
		tg_stream_let_go(stream);
	tg_stream_leave(&call, 0);
	return taken;
}

bool tg_stream_is_corked(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	bool corked = stream->output.cork != TG_CORK_OFF;
	tg_lock_release(&stream->lock);
	return corked;
}

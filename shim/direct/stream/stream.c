/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/stream.h"

#include "shim/direct/stream/clock.h"
#include "shim/direct/stream/stream_call.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"
#include "shim/policy/generation.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct tg_stream *all;
static struct tg_lock all_lock = TG_LOCK_INITIALIZER(STREAMS);

/* Where a newer generation came between, the listener's counters are found by the handshake alone. */
static struct tg_section_slot *counters_of(const struct tg_route *route)
{
	struct tg_generation *generation = tg_shim_is(TG_STATE_GOVERNED) ? tg_generation_acquire() : NULL;
	struct tg_section_slot *slot = NULL;

	if (generation != NULL) {
		const struct tg_route *routes = generation->document->routes;
		if (route >= routes && route < routes + generation->document->route_count)
			slot = generation->counters[route->policy];
	}
	tg_generation_unref(generation);
	return slot;
}

struct tg_stream *tg_stream_new(int fd, const struct tg_route *route)
{
	struct tg_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return NULL;
	tg_lock_init(&stream->lock, TG_RANK_STREAM);
	stream->output.unsent.is_public = true;
	stream->fd = fd;
	stream->handshaking.accepts_plain = route->plaintext.accept;
	stream->header = route->plaintext.proxy_header;
	stream->handshaking.wait_ms = route->plaintext.wait_ms;
	stream->handshaking.born = tg_clock_now();
	stream->handshaking.deadline = stream->handshaking.born + (int64_t)route->plaintext.handshake_timeout * 1000;
	stream->counters = counters_of(route);
	tg_socket_tell_of_all(fd);
	atomic_init(&stream->state, TG_STREAM_HANDSHAKING);
	tg_lock_take(&all_lock);
	stream->next = all;
	stream->link = &all;
	if (all != NULL)
		all->link = &stream->next;
	all = stream;
	tg_lock_release(&all_lock);
	return stream;
}

void tg_stream_free(struct tg_stream *stream)
{
	struct tg_stream_call call;

	if (stream == NULL)
		return;
	tg_lock_take(&all_lock);
	*stream->link = stream->next;
	if (stream->next != NULL)
		stream->next->link = stream->link;
	tg_lock_release(&all_lock);
	tg_stream_enter(&call, stream);
	tg_stream_release(stream);
	tg_stream_handshaking_freed(stream);
	stream->stage = TG_STAGE_ENDED;
	tg_bytes_free(&stream->input.kept);
	tg_stream_leave(&call, 0);
	tg_lock_end(&stream->lock);
	free(stream);
}

void tg_stream_set_fd(struct tg_stream *stream, int fd)
{
	/* A signal handler's close cannot wait for the call that it is in, which finds no socket then. */
	const bool waits = !tg_stream_is_inside();

	if (waits)
		tg_lock_take(&stream->lock);
	stream->fd = fd;
	if (waits)
		tg_lock_release(&stream->lock);
}

int tg_stream_fd(const struct tg_stream *stream)
{
	return stream->fd;
}

struct tg_watch *tg_stream_watch(struct tg_stream *stream)
{
	return &stream->watch;
}

struct tg_fd_entry **tg_stream_fd_entry(struct tg_stream *stream)
{
	return &stream->fd_entry;
}

unsigned tg_stream_state(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->state, memory_order_acquire);
}

void tg_stream_hear_end(struct tg_stream *stream)
{
	atomic_store_explicit(&stream->input.heard_end, true, memory_order_relaxed);
}

bool tg_stream_is_untouched(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	bool untouched = !stream->is_touched && stream->stage == TG_STAGE_SILENT &&
			 tg_bytes_left(&stream->output.early) == 0 && !stream->output.is_shut && !stream->input.is_shut;
	tg_lock_release(&stream->lock);
	return untouched;
}

bool tg_stream_is_unread(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	const bool unread = !stream->is_touched && stream->stage == TG_STAGE_SILENT;
	tg_lock_release(&stream->lock);
	return unread;
}

/* Nothing of it is freed or allocated here: this may happen between vfork(2) and exec. */
int tg_stream_move(struct tg_stream *stream, int fd, int (*give)(int fd, const struct tg_stream_begun *begun))
{
	int result = -EBUSY;

	tg_lock_take(&stream->lock);
	if (!stream->is_touched && stream->stage == TG_STAGE_SILENT) {
		const struct tg_stream_begun begun = {.data = stream->output.early.data + stream->output.early.from,
						      .size = tg_bytes_left(&stream->output.early),
						      .read_shut = stream->input.is_shut,
						      .write_shut = stream->output.is_shut};
		result = give(fd, &begun);
	}
	if (result >= 0) {
		stream->stage = TG_STAGE_ENDED;
		stream->error = EIO;
		if (result == 0)
			atomic_store_explicit(&stream->moved, fd + 1, memory_order_release);
		atomic_store_explicit(&stream->state, TG_STREAM_ENDED | TG_STREAM_INPUT, memory_order_release);
	}
	tg_lock_release(&stream->lock);
	return result < 0 ? result : 0;
}

int tg_stream_moved(const struct tg_stream *stream)
{
	return atomic_load_explicit(&stream->moved, memory_order_acquire) - 1;
}

bool tg_stream_has_early(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	const bool has = tg_bytes_left(&stream->output.early) > 0;
	tg_lock_release(&stream->lock);
	return has;
}

bool tg_stream_has_sent_end(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	bool sent = stream->output.fin_sent;
	tg_lock_release(&stream->lock);
	return sent;
}

int64_t tg_stream_born(const struct tg_stream *stream)
{
	return stream->handshaking.born;
}

int64_t tg_stream_deadline(const struct tg_stream *stream)
{
	struct tg_stream *locked = (struct tg_stream *)(uintptr_t)stream;
	int64_t deadline = TG_CLOCK_NEVER;

	if ((tg_stream_state(stream) & TG_STREAM_HANDSHAKING) == 0)
		return TG_CLOCK_NEVER;
	tg_lock_take(&locked->lock);
	if (stream->stage == TG_STAGE_SILENT || stream->stage == TG_STAGE_HANDSHAKE)
		deadline = stream->handshaking.deadline;
	if (tg_stream_is_silent(stream) && stream->handshaking.born + stream->handshaking.wait_ms < deadline)
		deadline = stream->handshaking.born + stream->handshaking.wait_ms;
	tg_lock_release(&locked->lock);
	return deadline;
}

/*
 * libssl and libcrypto are torn down at the end of the process while other threads go on: nothing may call into them any
 * more. What OpenSSL held of the streams is gone with it.
 */
void tg_stream_end_all(void)
{
	tg_stream_lock_all();
	for (struct tg_stream *stream = all; stream != NULL; stream = stream->next) {
		stream->tls.ssl = NULL;
		stream->stage = TG_STAGE_ENDED;
		stream->error = ECONNRESET;
		atomic_store_explicit(&stream->state, TG_STREAM_ENDED | TG_STREAM_INPUT, memory_order_release);
	}
	tg_stream_unlock_all();
}

void tg_stream_lock_all(void)
{
	tg_lock_take(&all_lock);
	for (struct tg_stream *stream = all; stream != NULL; stream = stream->next)
		tg_stream_lock_for_fork(stream);
	tg_stream_handshakes_lock();
	tg_stream_buffers_lock();
	tg_stream_corked_lock();
}

void tg_stream_unlock_all(void)
{
	tg_stream_corked_unlock();
	tg_stream_buffers_unlock();
	tg_stream_handshakes_unlock();
	for (struct tg_stream *stream = all; stream != NULL; stream = stream->next)
		tg_lock_release(&stream->lock);
	tg_lock_release(&all_lock);
}

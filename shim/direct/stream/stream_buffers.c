/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams keep libssl's buffers, 16 KiB for each direction. An idle connection must not hold them
 * (SSL_MODE_RELEASE_BUFFERS). A busy one must not allocate and free them for every record: in a server's threads that costs
 * page faults and calls of mprotect(2) besides the instructions. So a bounded number of streams keeps its buffers. A busy
 * stream takes a slot, if need be that of a stream that is not busy any more.
 */
#include "shim/direct/stream/stream_inside.h"

#include <stdatomic.h>
#include <time.h>

#define PLACES 256     /* slots of a process, 33 KiB each at most */
#define CALLS 16       /* reads of a stream between two checks; must divide 2^32 */
#define IDLE_SECONDS 2 /* a stream without CALLS reads for so long may lose its slot */

static struct {
	struct tg_lock lock;
	struct tg_stream *streams[PLACES];
	unsigned next;
} places = {.lock = TG_LOCK_INITIALIZER(BUFFERS)};

/* By the vDSO, without a system call. */
static int64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* Under the stream's lock. A buffer with unread data stays until it is read. */
static void give_back(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	o->SSL_ctrl(stream->tls.ssl, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
	o->SSL_free_buffers(stream->tls.ssl);
}

/* False: a thread uses the slot's stream right now. *ret_before: the stream that loses its slot, locked; NULL: none. */
static bool take_over(unsigned place, int64_t now, struct tg_stream **ret_before)
{
	struct tg_stream *before = places.streams[place];

	if (before != NULL && (now - atomic_load_explicit(&before->tls.busy_at, memory_order_relaxed) < IDLE_SECONDS ||
			       !tg_lock_try(&before->lock)))
		return false;
	if (before != NULL)
		before->tls.place = 0;
	*ret_before = before;
	return true;
}

/* Under the stream's lock. libssl is called without the lock of the slots. */
static void find_place(struct tg_stream *stream, int64_t now)
{
	struct tg_stream *before = NULL;
	bool found = false;

	tg_stream_buffers_lock();
	for (unsigned tries = 0; tries < 4 && !found; tries++) {
		unsigned place = places.next++ % PLACES;
		found = take_over(place, now, &before);
		if (found) {
			places.streams[place] = stream;
			stream->tls.place = place + 1;
		}
	}
	tg_stream_buffers_unlock();
	if (before != NULL) {
		give_back(before);
		tg_lock_release(&before->lock);
	}
	if (found)
		tg_openssl()->SSL_ctrl(stream->tls.ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
}

void tg_stream_used(struct tg_stream *stream)
{
	if (++stream->tls.calls % CALLS != 0)
		return;
	int64_t now = seconds();
	atomic_store_explicit(&stream->tls.busy_at, now, memory_order_relaxed);
	if (stream->tls.place == 0)
		find_place(stream, now);
}

void tg_stream_unused(struct tg_stream *stream)
{
	tg_lock_take(&places.lock);
	if (stream->tls.place != 0)
		places.streams[stream->tls.place - 1] = NULL;
	stream->tls.place = 0;
	tg_lock_release(&places.lock);
}

void tg_stream_buffers_lock(void)
{
	tg_lock_take(&places.lock);
}

void tg_stream_buffers_unlock(void)
{
	tg_lock_release(&places.lock);
}

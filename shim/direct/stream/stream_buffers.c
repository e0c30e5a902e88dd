/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps libssl's buffers, 16 KiB for each direction. A connection that is idle shall not hold them
 * (SSL_MODE_RELEASE_BUFFERS), and one that is busy shall not get and give them back for every record, which in a server's
 * threads costs page faults and calls of mprotect(2) beside the instructions. So a bounded number of streams keeps them:
 * whoever is busy takes a place, if need be that of one who is not busy any more.
 */
#include "shim/direct/stream/stream_inside.h"

#include <stdatomic.h>
#include <time.h>

#define PLACES 256     /* of each process, 33 KiB each at most */
#define CALLS 16       /* of a stream, until it is looked at again; must divide 2^32 */
#define IDLE_SECONDS 2 /* without so many calls, and its place may be taken */

static struct {
	struct tg_lock lock;
	struct tg_stream *streams[PLACES];
	unsigned next;
} places = {.lock = TG_LOCK_INITIALIZER(BUFFERS)};

/* No system call (the vDSO's). */
static int64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* In its lock. What is not used up yet stays until it is. */
static void give_back(struct tg_stream *stream)
{
	const struct tg_openssl *o = tg_openssl();

	o->SSL_ctrl(stream->tls.ssl, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
	o->SSL_free_buffers(stream->tls.ssl);
}

/* Another stream in use by a thread right now keeps its place. *ret_before: whose it was, locked; NULL: nobody's. */
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

/* In the stream's lock; libssl is called with that of the places let go of. */
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

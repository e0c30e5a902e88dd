/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness of streams: what epoll, poll and select report of a descriptor is true of the plaintext.
 *
 * The kernel is asked for what the stream needs (tg_stream_wants). Its answer goes to the stream (tg_stream_poll), and only
 * what is ready of the plaintext is reported to the server. Input that TLS holds is reported although the socket is not
 * readable. In epoll, the server's data is replaced by a token (registrations.h). There is no descriptor and no thread of
 * our own.
 */
#ifndef TG_SHIM_DIRECT_READINESS_READINESS_H
#define TG_SHIM_DIRECT_READINESS_READINESS_H

#include "shim/direct/stream/stream.h"

#include <stdint.h>

/* After a call on the stream outside of a wait: updates its registrations, and wakes threads that wait. */
void tg_readiness_changed(struct tg_stream *stream);

/* The last close in this process: `fd` is about to be closed, or -1 if it has been. Removes all registrations. */
void tg_readiness_forget(struct tg_stream *stream, int fd);

/* One of several numbers is about to be closed. Its registrations live on, and cannot be modified any more (epoll(7)). */
void tg_readiness_leave(struct tg_stream *stream, int fd);

/* For any descriptor, which may be an epoll's: it is about to be closed, was closed, or (dup(2)) is what `from` is now. */
void tg_readiness_closed(int fd);
void tg_readiness_duplicated(int from, int fd);

/*
 * For a call on a blocking descriptor: waits until one of `events` (POLLIN, POLLOUT) may be true of the plaintext.
 * `deadline` in milliseconds of CLOCK_MONOTONIC, INT64_MAX: none. 0: try the call again, it may have to wait again. -1:
 * errno EAGAIN (deadline) or EINTR. A cancellation point.
 */
int tg_readiness_wait(struct tg_stream *stream, unsigned events, int64_t deadline);

/*
 * After a wait that a signal handler interrupted (EINTR): whether the kernel would have restarted the server's call
 * (signal(7)). That is so without a timeout (`deadline` INT64_MAX), and if every handler has SA_RESTART. The poll(2) in
 * which we wait is never restarted.
 */
bool tg_readiness_restarts(int64_t deadline);

/*
 * Turns: of several threads that read from one stream in calls that may block, one has the turn. It alone reads the socket
 * and waits for it. A record is read as a whole, and the kernel would wake no other thread for what one leaves of it in
 * TLS. take: false if another thread has it; a thread has one turn at most. wait_behind: 0: try again; -1 with errno as
 * above; a cancellation point.
 */
bool tg_readiness_take_turn(struct tg_stream *stream);
void tg_readiness_give_turn(struct tg_stream *stream);
bool tg_readiness_has_turn(const struct tg_stream *stream);
int tg_readiness_wait_behind(struct tg_stream *stream, int64_t deadline);

/*
 * A thread sleeps in the kernel until the socket is readable. Meanwhile no other call reads the socket, not even one that
 * does not wait or only asks what is ready: the kernel would not wake the sleeping thread for what they leave. Exact under
 * the stream's lock.
 */
bool tg_readiness_is_awaited(const struct tg_watch *watch);

/*
 * The end of one slice of sleep while there is no verdict. Another thread that uses the stream may continue the handshake,
 * and read from the socket what the sleeping thread waits for, so that must look again. A slice is as long as the
 * connection is old: so the needless wait is short compared with the handshake, and a silent client costs next to nothing.
 */
static inline int64_t tg_readiness_slice_end(const struct tg_stream *stream, int64_t now)
{
	const int64_t age = now - tg_stream_born(stream), least = 10; /* milliseconds */

	return now + (age < least ? least : age);
}

/* Somebody continues the stream: a thread reads from it in a call that blocks, or it is registered with an epoll. */
bool tg_readiness_is_watched(struct tg_stream *stream);

/* Around fork. */
void tg_readiness_lock(void);
void tg_readiness_unlock(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest readiness: what epoll, poll and select say of a descriptor is true of the plaintext.
 *
 * The kernel is asked for what the stream needs (tg_stream_wants), its answer is put to the stream (tg_stream_poll), and
 * only what is ready of the plaintext reaches the server; what TLS holds already is reported although the socket is not
 * readable. A registration's data is replaced by an address in a range of our own, so that an event finds its stream by one
 * comparison; everything else passes untouched. No descriptor and no thread of our own.
 */
#ifndef TG_SHIM_DIRECT_READINESS_READINESS_H
#define TG_SHIM_DIRECT_READINESS_READINESS_H

#include "shim/direct/stream/stream.h"

#include <stdint.h>

/* After a call on the stream outside of a wait: its registrations are brought up to date, and who waits is woken. */
void tg_readiness_changed(struct tg_stream *stream);

/* The stream's last descriptor in this process is about to be closed: `fd`, or -1 where it has been already. */
void tg_readiness_forget(struct tg_stream *stream, int fd);

/* So is one of several; what it was registered by lives on, and cannot be modified any more (epoll(7)). */
void tg_readiness_leave(struct tg_stream *stream, int fd);

/* Any descriptor is about to be closed, or has been, or (dup(2)) is what `from` is now: it may be an epoll's. */
void tg_readiness_closed(int fd);
void tg_readiness_duplicated(int from, int fd);

/*
 * Waits until one of `events` (POLLIN, POLLOUT) is true of the plaintext, for a call on a blocking descriptor. `deadline`
 * in milliseconds of CLOCK_MONOTONIC, INT64_MAX: none. 0, where the call is to be tried again (it may have to wait again);
 * -1 with errno EAGAIN (deadline) or EINTR. A cancellation point.
 */
int tg_readiness_wait(struct tg_stream *stream, unsigned events, int64_t deadline);

/*
 * After a wait that a signal handler interrupted (EINTR): true where the call that waited would have been restarted, were
 * it one of the kernel's (signal(7)): without a timeout (`deadline` INT64_MAX), and if no handler asks for EINTR. poll(2),
 * in which we wait, never is.
 */
bool tg_readiness_restarts(int64_t deadline);

/*
 * Of several threads that read from one stream in calls that may block, one has the turn: it alone takes from the socket,
 * and waits for it. A record is taken as a whole; what of it one thread leaves in TLS the kernel would wake no other for.
 * take: false where another one has it; a thread has one turn at most. wait_behind: 0 where it is to be tried again, else
 * -1 with errno as above; a cancellation point.
 */
bool tg_readiness_take_turn(struct tg_stream *stream);
void tg_readiness_give_turn(struct tg_stream *stream);
bool tg_readiness_has_turn(const struct tg_stream *stream);
int tg_readiness_wait_behind(struct tg_stream *stream, int64_t deadline);

/*
 * A thread sleeps in the kernel until the socket is readable. Nobody else takes from the socket meanwhile, also not who
 * does not wait or only asks what is ready: the kernel would not wake it for what they leave. Exact with the stream's lock.
 */
bool tg_readiness_is_awaited(const struct tg_watch *watch);

/*
 * Until when one thread sleeps at once while there is no verdict: another one that uses the stream may go on with the
 * handshake and take with it from the socket what the sleeper waits for. As long again as the connection is old, so that
 * what it may wait for nothing is little beside the handshake, and a silent client costs next to nothing.
 */
static inline int64_t tg_readiness_slice_end(const struct tg_stream *stream, int64_t now)
{
	const int64_t age = now - tg_stream_born(stream), least = 10; /* milliseconds */

	return now + (age < least ? least : age);
}

/* A thread reads from it in a call that blocks, or it is registered with an epoll: somebody goes on with it. */
bool tg_readiness_is_watched(struct tg_stream *stream);

/* Around fork. */
void tg_readiness_lock(void);
void tg_readiness_unlock(void);

#endif

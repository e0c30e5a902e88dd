/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a plaintext server that TLS is terminated for: an SSL over a socket, with what the server wrote before
 * the handshake was finished and what TLS has already made of its later bytes. Knows neither descriptors' numbers beyond
 * the one socket, nor who waits for it: the direct engine puts it under read(2) and write(2), the relay carries its bytes
 * on.
 *
 * No call here blocks, whatever O_NONBLOCK says. A stream goes on (handshake, flushing) by whatever is called on it.
 * All calls lock the stream for themselves, so that one thread may read while another one writes; none is a cancellation
 * point; errno is set where they fail and kept else; OpenSSL's error queue is left as found. Not async-signal-safe.
 *
 * What the peer sees of the server begins after the verdict (tg_enforce_verdict), never before.
 */
#ifndef TG_SHIM_DIRECT_STREAM_STREAM_H
#define TG_SHIM_DIRECT_STREAM_STREAM_H

#include "ipc/policy.h"
#include "shim/binding/lock.h"
#include "shim/direct/stream/watch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct tg_stream;

/*
 * `fd`: a connected TCP socket, which stays the caller's. `route` (of the generation that was current at accept) speaks
 * plaintext and is copied. Opens nothing and allocates no SSL: that comes with the client's first byte. NULL: no memory.
 */
struct tg_stream *tg_stream_new(int fd, const struct tg_route *route);

/*
 * Counts among the unfinished handshakes from now on, and not only from the client's first byte: for a process that has the
 * descriptors of all clients, of which there are not more than `max` so. One for each process.
 */
void tg_stream_count_at_once(struct tg_stream *stream);
void tg_stream_bound_handshakes(unsigned max);

/* Cleanses and frees; sends nothing, closes nothing. */
void tg_stream_free(struct tg_stream *stream);

/* The socket goes by another number from now on (dup(2)). */
void tg_stream_set_fd(struct tg_stream *stream, int fd);
int tg_stream_fd(const struct tg_stream *stream);

/* Zeroed by tg_stream_new, then left alone: for who waits for the stream. Lives as long as it. */
struct tg_watch *tg_stream_watch(struct tg_stream *stream);

/* NULL at first, then left alone: for the table of descriptors, which finds its own by it. Lives as long as the stream. */
struct tg_fd_entry;
struct tg_fd_entry **tg_stream_fd_entry(struct tg_stream *stream);

/*
 * As recv(2) and send(2) on the plaintext, all that fits: -1 with EAGAIN where it would block. A read ends with 0 after the
 * peer's close_notify; with ECONNRESET where it went without one, was refused, or took too long. `peek`: MSG_PEEK.
 * Before the handshake is finished a write takes at most TG_STREAM_EARLY bytes in all. After the end EPIPE or ECONNRESET;
 * never a signal. `more`: MSG_MORE, the next write follows at once, and the kernel need not send less than a packet before.
 */
#define TG_STREAM_EARLY 65536
ssize_t tg_stream_read(struct tg_stream *stream, const struct iovec *vector, int count, bool peek);
ssize_t tg_stream_write(struct tg_stream *stream, const struct iovec *vector, int count, bool more);

/*
 * Goes on as far as it can and says what is ready now: POLLIN (bytes, the end or an error can be read), POLLOUT, POLLRDHUP,
 * POLLHUP, POLLERR of poll(2), true of the plaintext.
 */
unsigned tg_stream_poll(struct tg_stream *stream);

/*
 * What to wait for on the socket so that POLLIN or POLLOUT in `events` may become true of the plaintext: POLLIN, POLLOUT.
 * What the stream needs for itself (its handshake, ciphertext that the socket would not take) is in it for any `events`.
 */
unsigned tg_stream_wants(struct tg_stream *stream, unsigned events);

/* Without going on, without the lock, so that it costs nothing: a hint for who decides whether to look closer. */
enum {
	TG_STREAM_HANDSHAKING = 1, /* no verdict yet: readiness of the socket is not the plaintext's */
	TG_STREAM_INPUT = 2,       /* something can be read without the socket becoming readable */
	TG_STREAM_OUTPUT = 4,      /* ciphertext or early bytes wait for the socket or the handshake */
	TG_STREAM_ENDED = 8,       /* by the peer, an error or a refusal */
	TG_STREAM_PLAIN = 16,      /* a plaintext client that accept_plaintext let in: bytes go through as they are */
	TG_STREAM_UNREAD =
	    32, /* after the handshake: the socket was not found empty when it was last read, or its end came */
	TG_STREAM_NEWS = 64, /* an edge is due that no arrival brings (FIONREAD) */
};
unsigned tg_stream_state(const struct tg_stream *stream);

/* The kernel said that the socket's end came (EPOLLRDHUP), which a read that brought less than it asked for does not tell.
 */
void tg_stream_hear_end(struct tg_stream *stream);

/* FIONREAD: plaintext bytes that can be read at once, up to as many as a record holds. */
size_t tg_stream_readable(struct tg_stream *stream);

/* True as long as nothing was read from or written to the socket, and the server has done nothing either. */
bool tg_stream_is_untouched(struct tg_stream *stream);

/* The same, whatever the server has done. */
bool tg_stream_is_unread(struct tg_stream *stream);

/* What the server did with a connection of which nothing was read or written yet. */
struct tg_stream_begun {
	const void *data; /* what it wrote */
	size_t size;
	bool read_shut, write_shut;
};

/*
 * Where nothing was read from or written to the socket: `give` is called with `fd` and what the server did so far. Where it
 * returns 0 the stream has ended; whoever is in a call on it finds the connection at `fd` then (tg_stream_moved). Where it
 * returns 1 nobody does: the number is about to be closed. Returns 0, what it failed with, or -EBUSY.
 */
int tg_stream_move(struct tg_stream *stream, int fd, int (*give)(int fd, const struct tg_stream_begun *begun));

/* Where the connection went by tg_stream_move; -1: it did not. */
int tg_stream_moved(const struct tg_stream *stream);

/* The server wrote something, and no verdict lets it out: a stream that ends now has lost it. */
bool tg_stream_has_early(struct tg_stream *stream);

/* shutdown(2): SHUT_WR sends close_notify after all that was written, and then the socket's own FIN. 0 or -1. */
int tg_stream_shutdown(struct tg_stream *stream, int how);

/* TCP_CORK of tcp(7): less than a record waits until it is uncorked, or anything but a write is done with the stream. */
enum tg_cork {
	TG_CORK_OFF,
	TG_CORK_BELOW, /* records are made at once, and packets wait in the kernel, 200 ms at most: a server that blocks */
	TG_CORK_HERE,  /* bytes wait here: a server that does not block, and soon waits for its descriptors */
};
/* False: the socket's own option has to say it (a plaintext client). */
bool tg_stream_cork(struct tg_stream *stream, enum tg_cork cork);
bool tg_stream_is_corked(struct tg_stream *stream);

/* TCP_NODELAY of the stream's descriptor `fd`, as by setsockopt(2): not during a write, which turns it on, and off again.
 */
int tg_stream_set_no_delay(struct tg_stream *stream, int fd, const void *value, socklen_t size);
int tg_stream_get_no_delay(struct tg_stream *stream, int fd, void *value, socklen_t *size);

/* Before this thread waits by poll, select, epoll_wait or accept: nothing waits behind a cork meanwhile. */
extern _Atomic unsigned tg_stream_corked_count;
void tg_stream_let_go_all(void);
static inline bool tg_stream_is_any_corked(void)
{
	return atomic_load_explicit(&tg_stream_corked_count, memory_order_relaxed) != 0;
}
static inline void tg_stream_before_wait(void)
{
	tg_lock_check_wait();
	if (tg_stream_is_any_corked())
		tg_stream_let_go_all();
}

/*
 * Before the last descriptor is closed by the process that owns the stream: close_notify, and as much as the socket takes.
 * True where nothing is left to send. Else *ret_tail is ciphertext for the caller to send; it belongs to the stream. It is
 * empty where the handshake is not finished and what the server wrote waits for that: the stream may go on (tg_stream_poll)
 * until a later call is true, or be freed, and the bytes are lost.
 */
bool tg_stream_finish(struct tg_stream *stream, struct iovec *ret_tail);

/* Nothing can be written to the socket any more, by nobody. */
bool tg_stream_has_sent_end(struct tg_stream *stream);

/*
 * Milliseconds of CLOCK_MONOTONIC by which the handshake must be finished, or (accept_plaintext, plaintext_wait) a silent
 * client is taken for a plaintext one; INT64_MAX: none. tg_stream_poll acts on it.
 */
int64_t tg_stream_deadline(const struct tg_stream *stream);

/* When it was made, in milliseconds of CLOCK_MONOTONIC. */
int64_t tg_stream_born(const struct tg_stream *stream);

/*
 * Opens libssl where the process has none, and makes the context: at listen(2), before chroot, setuid, fork, seccomp. A
 * latent process is decided before (tg_shim_serve). Again costs nothing. False: TLS cannot be terminated here.
 */
bool tg_stream_prepare(void);

/* This thread is in a call on a stream: whoever asks was called by a signal handler, and must not wait for a stream. */
bool tg_stream_is_inside(void);

/* By this thread, at this moment. */
bool tg_stream_is_preparing(void);

/* Around fork. */
void tg_stream_lock_all(void);
void tg_stream_unlock_all(void);

#endif

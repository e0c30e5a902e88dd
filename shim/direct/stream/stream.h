/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream is one connection of a plaintext server whose TLS is terminated here: an SSL over a TCP socket, the bytes that
 * the server wrote before the handshake was finished, and ciphertext that the socket has not taken yet. A stream knows its
 * one socket, but no other descriptor number and nobody who waits for it. The direct engine puts it under read(2) and
 * write(2); the relay copies its bytes to and from a socket pair. docs/stream.md shows its states.
 *
 * Blocking: no call blocks, whatever O_NONBLOCK says. Every call also continues the handshake and flushes ciphertext.
 * Threads: each call takes the stream's lock, so one thread may read while another one writes. No call is a cancellation
 * point or async-signal-safe. Errors: -1 or NULL with errno; on success errno is unchanged. OpenSSL's error queue is left
 * as found.
 *
 * Security: no byte of the server's leaves before the verdict (tg_enforce_verdict).
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
 * `fd`: a connected TCP socket, which stays the caller's. `route`: a plaintext route of the generation that was current at
 * accept; it is copied. The SSL is not made here but with the client's first byte. NULL: no memory.
 */
struct tg_stream *tg_stream_new(int fd, const struct tg_route *route);

/*
 * For the relay, which holds the descriptors of all clients: the stream counts as an unfinished handshake from now on, and
 * not only from the client's first byte. `max` is the process's limit for unfinished handshakes.
 */
void tg_stream_count_at_once(struct tg_stream *stream);
void tg_stream_bound_handshakes(unsigned max);

/*
 * More than an eighth of that limit was evicted and is not freed yet. An evicted stream still has its descriptors: whoever
 * begins more streams than other threads free would run out of them.
 */
bool tg_stream_evictions_lag(void);

/* Erases keys and frees. Sends nothing and does not close the socket. */
void tg_stream_free(struct tg_stream *stream);

/* The number that the stream uses for its socket from now on: a dup(2) of the one before. */
void tg_stream_set_fd(struct tg_stream *stream, int fd);
int tg_stream_fd(const struct tg_stream *stream);

/* Memory for the readiness code: zeroed by tg_stream_new, not used by the stream itself, freed with it. */
struct tg_watch *tg_stream_watch(struct tg_stream *stream);

/* A pointer for the descriptor table: NULL at first, not used by the stream itself. Lives as long as the stream. */
struct tg_fd_entry;
struct tg_fd_entry **tg_stream_fd_entry(struct tg_stream *stream);

/*
 * recv(2) and send(2) on the plaintext, for as many bytes as fit; -1 with EAGAIN where they would block.
 *
 * Read: 0 after the peer's close_notify. ECONNRESET if the peer went without one (RFC 8446, section 6.1), was refused, or
 * took too long. `peek`: as MSG_PEEK. Write: until the handshake is finished at most TG_STREAM_EARLY bytes in all. After
 * the end EPIPE or ECONNRESET, but never SIGPIPE. `more`: as MSG_MORE, another write follows at once.
 */
#define TG_STREAM_EARLY 65536
ssize_t tg_stream_read(struct tg_stream *stream, const struct iovec *vector, int count, bool peek);
ssize_t tg_stream_write(struct tg_stream *stream, const struct iovec *vector, int count, bool more);

/*
 * Continues as far as possible and returns what is ready now, of the plaintext: POLLIN (bytes, the end or an error can be
 * read), POLLOUT, POLLRDHUP, POLLHUP, POLLERR of poll(2).
 */
unsigned tg_stream_poll(struct tg_stream *stream);

/*
 * What to wait for on the socket (POLLIN, POLLOUT) so that `events` may become true of the plaintext. What the stream
 * itself needs, for its handshake or for ciphertext that is left over, is included for any `events`.
 */
unsigned tg_stream_wants(struct tg_stream *stream, unsigned events);

/* A snapshot without the lock: a cheap hint that tells whether another call is worth making. */
enum {
	TG_STREAM_HANDSHAKING = 1, /* no verdict yet: readiness of the socket is not the plaintext's */
	TG_STREAM_INPUT = 2,       /* something can be read without the socket becoming readable */
	TG_STREAM_OUTPUT = 4,      /* ciphertext or early bytes wait for the socket or the handshake */
	TG_STREAM_ENDED = 8,       /* the peer ended, an error occurred, or the client was refused */
	TG_STREAM_PLAIN = 16,      /* a plaintext client that accept_plaintext admitted: bytes pass unchanged */
	TG_STREAM_NEWS = 32,       /* an edge is due although nothing arrives on the socket (after FIONREAD) */
};
unsigned tg_stream_state(const struct tg_stream *stream);

/* The kernel said that the socket's end came (EPOLLRDHUP), which a read that brought less than it asked for does not tell.
 */
void tg_stream_hear_end(struct tg_stream *stream);

/* FIONREAD: plaintext bytes that can be read at once, at most one record (back pressure is kept). */
size_t tg_stream_readable(struct tg_stream *stream);

/* True while nothing was read from or written to the socket, and the server has not used the connection. */
bool tg_stream_is_untouched(struct tg_stream *stream);

/* True while nothing was read from or written to the socket, whatever the server has done. */
bool tg_stream_is_unread(struct tg_stream *stream);

/* What the server did with a connection of which nothing was read or written yet. */
struct tg_stream_begun {
	const void *data; /* what it wrote */
	size_t size;
	bool read_shut, write_shut;
};

/*
 * Gives away a connection of which nothing was read from or written to the socket. `give` is called with `fd` and with what
 * the server did so far. It returns 0: the stream has ended, and a thread that is in a call on it continues with the
 * connection that `fd` is now (tg_stream_moved). 1: the same, but `fd` is about to be closed, so no thread continues. A
 * negative errno: nothing has changed. Returns 0, that errno, or -EBUSY where the socket was used.
 */
int tg_stream_move(struct tg_stream *stream, int fd, int (*give)(int fd, const struct tg_stream_begun *begun));

/* The descriptor that tg_stream_move left the connection at; -1: it was not moved. */
int tg_stream_moved(const struct tg_stream *stream);

/* The server wrote something before the verdict. If the stream ends now, these bytes are lost. */
bool tg_stream_has_early(struct tg_stream *stream);

/* shutdown(2). SHUT_WR sends close_notify after all that was written, and then the TCP FIN. 0 or -1. */
int tg_stream_shutdown(struct tg_stream *stream, int how);

/* TCP_CORK of tcp(7). Less than a record waits until the stream is uncorked, or any call but a write is made on it. */
enum tg_cork {
	TG_CORK_OFF,
	TG_CORK_BELOW, /* a blocking server: records are made at once; packets wait in the kernel for at most 200 ms */
	TG_CORK_HERE,  /* a non-blocking server, which soon waits for its descriptors: plaintext waits here */
};
/* False for a plaintext client (accept_plaintext): set the socket's own option. */
bool tg_stream_cork(struct tg_stream *stream, enum tg_cork cork);
bool tg_stream_is_corked(struct tg_stream *stream);

/* TCP_NODELAY of the stream's descriptor `fd`, as by setsockopt(2): not during a write, which turns it on, and off again.
 */
int tg_stream_set_no_delay(struct tg_stream *stream, int fd, const void *value, socklen_t size);
int tg_stream_get_no_delay(struct tg_stream *stream, int fd, void *value, socklen_t *size);

/* To be called before this thread waits in poll, select, epoll_wait or accept: sends all corked bytes. */
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
 * The last close, by the process that owns the stream: sends close_notify and as much as the socket takes. True: nothing is
 * left to send. False: *ret_tail is ciphertext that the caller has to send; it belongs to the stream. It is empty if the
 * handshake is not finished and the server's bytes wait for that. Then the caller either continues (tg_stream_poll) until
 * this returns true, or frees the stream and loses the bytes.
 */
bool tg_stream_finish(struct tg_stream *stream, struct iovec *ret_tail);

/* The FIN was sent: nothing can be written to the socket any more. */
bool tg_stream_has_sent_end(struct tg_stream *stream);

/*
 * The deadline in milliseconds of CLOCK_MONOTONIC by which the handshake must be finished, or (accept_plaintext,
 * plaintext_wait) by which a silent client is taken for a plaintext one. INT64_MAX: none. tg_stream_poll enforces it.
 */
int64_t tg_stream_deadline(const struct tg_stream *stream);

/* When the stream was made, in milliseconds of CLOCK_MONOTONIC. */
int64_t tg_stream_born(const struct tg_stream *stream);

/*
 * Opens libssl if the process has none, and makes the SSL_CTX. Called at listen(2), because servers chroot, drop rights,
 * fork or filter system calls afterwards. A latent process must be decided before (tg_shim_serve). Idempotent. False: TLS
 * cannot be terminated in this process.
 */
bool tg_stream_prepare(void);

/* This thread is inside a call on a stream. So the caller runs in a signal handler, and must not wait for a stream's lock.
 */
bool tg_stream_is_inside(void);

/* This thread is inside tg_stream_prepare. */
bool tg_stream_is_preparing(void);

/* For the fork handlers (shim/fork.c): the locks of all streams. */
void tg_stream_lock_all(void);
void tg_stream_unlock_all(void);

#endif

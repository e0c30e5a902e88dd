/* SPDX-License-Identifier: Apache-2.0 */
/* Before the handshake: whether the client speaks TLS, and the limit for unfinished handshakes. */
#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/stream/first_bytes.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/direct/stream/stream_socket.h"
#include "shim/policy/enforce.h"
#include "shim/process/state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>

#define FIRST_SIZE 4096 /* more than any ClientHello needs; the rest stays in the socket */

bool tg_stream_is_silent(const struct tg_stream *stream)
{
	return stream->stage == TG_STAGE_SILENT && stream->handshaking.accepts_plain && stream->handshaking.wait_ms > 0 &&
	       tg_bytes_left(&stream->handshaking.first) == 0;
}

/* The client's bytes stay in the socket, and the server reads them there. */
static void let_plain(struct tg_stream *stream)
{
	stream->stage = TG_STAGE_PLAIN;
	/* From now on the cork is the socket's own option, and the server uncorks the socket. */
	if (stream->output.cork != TG_CORK_OFF)
		tg_libc.setsockopt(stream->fd, IPPROTO_TCP, TCP_CORK, &(const int){1}, sizeof(int));
	stream->output.cork = TG_CORK_OFF;
	if (!tg_stream_add_header(stream))
		return;
	if (tg_shim_is(TG_STATE_GOVERNED))
		tg_report_plaintext(tg_shim.report, stream->counters, TG_PLAINTEXT_CLIENT);
	tg_stream_release_early(stream);
}

/* The client left without a byte. Nothing is missing, so this is a proper end. */
static void count_silence(struct tg_stream *stream)
{
	stream->input.is_at_end = true;
	struct tg_connection *counted;

	if (tg_stream_start(stream))
		(void)tg_enforce_begin(stream->tls.ssl, &counted); /* which ends here, without a handshake */
	tg_stream_end(stream, EPIPE);
	stream->input.peer_closed = true;
}

/*
 * Takes too few bytes for a decision out of the socket, which would be readable all the time otherwise. A plaintext
 * client's later bytes follow them.
 */
static void take_short(struct tg_stream *stream, unsigned char *head, size_t seen)
{
	ssize_t got = tg_socket_receive(stream->fd, head, seen, 0);

	stream->is_touched = true;
	if (got <= 0 || !tg_bytes_add(&stream->handshaking.first, head, (size_t)got))
		tg_stream_end(stream, ECONNRESET);
}

/* The first byte may begin a TLS record: decide with the next ones. */
static void decide_later(struct tg_stream *stream)
{
	unsigned char head[TG_FIRST_BYTES];
	size_t size = tg_bytes_copy(&stream->handshaking.first, &(struct iovec){head, sizeof(head)}, 1);
	ssize_t got = tg_socket_receive(stream->fd, head + size, sizeof(head) - size, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0 || !tg_bytes_add(&stream->handshaking.first, head + size, (size_t)got)) {
		tg_stream_end(stream, ECONNRESET);
		return;
	}
	enum tg_looks looks = got == 0 ? TG_LOOKS_PLAIN : tg_first_bytes_look(head, size + (size_t)got);
	if (looks == TG_LOOKS_TLS) {
		tg_stream_start(stream);
	} else if (looks == TG_LOOKS_PLAIN) {
		struct tg_bytes first = stream->handshaking.first;
		stream->handshaking.first = (struct tg_bytes){0};
		let_plain(stream);
		if (!tg_bytes_add(&stream->input.kept, first.data + first.from, tg_bytes_left(&first)))
			tg_stream_refuse(stream);
		tg_bytes_free(&first);
	}
}

static void decide(struct tg_stream *stream)
{
	if (tg_bytes_left(&stream->handshaking.first) > 0) {
		decide_later(stream);
		return;
	}
	unsigned char head[TG_FIRST_BYTES];
	ssize_t got = tg_socket_receive(stream->fd, head, sizeof(head), MSG_PEEK);

	if (got < 0 && errno != EAGAIN && errno != EINTR) {
		tg_stream_end(stream, errno);
		return;
	}
	enum tg_looks looks = got > 0 ? tg_first_bytes_look(head, (size_t)got) : TG_LOOKS_MORE;
	bool waited = got < 0 && tg_stream_is_silent(stream) &&
		      tg_clock_now() >= stream->handshaking.born + stream->handshaking.wait_ms;
	if (got == 0)
		count_silence(stream);
	else if (looks == TG_LOOKS_PLAIN || waited)
		let_plain(stream);
	else if (looks == TG_LOOKS_TLS)
		tg_stream_start(stream);
	else if (got > 0)
		take_short(stream, head, (size_t)got);
}

/* The first byte shows that the client does not speak TLS. It is refused without libssl. */
static void refuse_plain(struct tg_stream *stream)
{
	if (!tg_stream_start(stream))
		return;
	struct tg_connection *connection;
	if (tg_enforce_begin(stream->tls.ssl, &connection) && connection != NULL) {
		tg_connection_refuse(connection, TG_REFUSED_MALFORMED, "the client does not speak TLS");
		tg_connection_count_end(connection, stream->tls.ssl);
	}
	tg_stream_refuse(stream);
}

void tg_stream_listen(struct tg_stream *stream)
{
	unsigned char head[FIRST_SIZE];

	if (stream->handshaking.accepts_plain) {
		decide(stream);
		return;
	}
	ssize_t got = tg_socket_receive(stream->fd, head, sizeof(head), 0);
	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			tg_stream_end(stream, errno);
		stream->call.is_drained = true;
		return;
	}
	stream->is_touched = true;
	stream->call.is_drained = got > 0 && (size_t)got < sizeof(head);
	if (!tg_bytes_add(&stream->handshaking.first, head, (size_t)got))
		tg_stream_end(stream, ENOMEM);
	else if (got > 0 && tg_first_bytes_look(head, (size_t)got) == TG_LOOKS_PLAIN)
		refuse_plain(stream);
	else if (got == 0)
		count_silence(stream);
	else
		tg_stream_start(stream);
}

/* The limit of a process, some 30 KiB each: enough for all clients of a busy server to reconnect at once, and a bound for
 * one that floods it. */
unsigned tg_stream_handshakes_max = 8192;

/* Streams with an unfinished handshake; in the relay all without a verdict. The oldest stream of the client that has the
 * most is evicted. */
static struct {
	struct tg_lock lock;
	struct tg_shares shares;
} handshakes = {.lock = TG_LOCK_INITIALIZER(HANDSHAKES)};

static void unlink_handshake(struct tg_stream *stream)
{
	tg_shares_remove(&handshakes.shares, &stream->handshaking.share);
	stream->handshaking.is_counted = false;
}

static uint32_t share_of(int fd)
{
	static const unsigned char none[TG_SIPHASH_KEY_SIZE];
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);

	tg_libc.getpeername(fd, (struct sockaddr *)&peer, &size);
	return tg_share_of_peer(&peer, tg_shim_is(TG_STATE_GOVERNED) ? tg_shim.policy->relay_key : none);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static struct tg_stream *stream_of(struct tg_share_entry *entry)
{
	return (struct tg_stream *)(void *)((char *)entry - offsetof(struct tg_stream, handshaking.share));
}

static _Atomic unsigned evicted; /* streams that are not freed yet */

bool tg_stream_evictions_lag(void)
{
	return atomic_load_explicit(&evicted, memory_order_relaxed) > tg_stream_handshakes_max / 8;
}

/*
 * Evicts a stream: it ends in its own next call, and shutting down its socket wakes the server for that. If the number was
 * closed without a hook, and is another connection by now, it is left alone.
 */
static void push_out(struct tg_stream *stream)
{
	unlink_handshake(stream);
	if (stream->handshaking.pid != getpid())
		return; /* a fork's copy */
	atomic_store_explicit(&stream->handshaking.is_evicted, true, memory_order_release);
	atomic_fetch_add_explicit(&evicted, 1, memory_order_relaxed);
	if (stream->handshaking.cookie != 0 && cookie_of(stream->fd) == stream->handshaking.cookie)
		tg_socket_shutdown(stream->fd, SHUT_RDWR);
}

void tg_stream_handshaking_begin(struct tg_stream *stream)
{
	int saved = errno;

	stream->handshaking.cookie = cookie_of(stream->fd);
	stream->handshaking.pid = getpid();
	const uint32_t share = share_of(stream->fd);
	tg_lock_take(&handshakes.lock);
	/* The relay counts a stream at once. One that was evicted before its own first call counts no more. */
	if (!stream->handshaking.is_counted &&
	    !atomic_load_explicit(&stream->handshaking.is_evicted, memory_order_relaxed)) {
		tg_shares_add(&handshakes.shares, &stream->handshaking.share, share);
		stream->handshaking.is_counted = true;
		if (handshakes.shares.count > tg_stream_handshakes_max)
			push_out(stream_of(tg_shares_next_to_go(&handshakes.shares)));
	}
	tg_lock_release(&handshakes.lock);
	errno = saved;
}

void tg_stream_count_at_once(struct tg_stream *stream)
{
	tg_lock_take(&stream->lock);
	tg_stream_handshaking_begin(stream);
	tg_lock_release(&stream->lock);
}

void tg_stream_handshaking_freed(struct tg_stream *stream)
{
	if (atomic_load_explicit(&stream->handshaking.is_evicted, memory_order_relaxed))
		atomic_fetch_sub_explicit(&evicted, 1, memory_order_relaxed);
}

void tg_stream_bound_handshakes(unsigned max)
{
	if (max < tg_stream_handshakes_max)
		tg_stream_handshakes_max = max;
}

void tg_stream_handshaking_end(struct tg_stream *stream)
{
	tg_lock_take(&handshakes.lock);
	if (stream->handshaking.is_counted)
		unlink_handshake(stream);
	tg_lock_release(&handshakes.lock);
}

void tg_stream_handshakes_lock(void)
{
	tg_lock_take(&handshakes.lock);
}

void tg_stream_handshakes_unlock(void)
{
	tg_lock_release(&handshakes.lock);
}

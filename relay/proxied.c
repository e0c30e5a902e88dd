/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/proxied.h"

#include "relay/counts.h"
#include "relay/listed.h"
#include "shim/direct/stream/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SMALL 4096     /* up to here bytes are copied twice, which costs less than another system call */
#define ROUNDS 8       /* buffers in each direction before other connections have their turn */
#define FLUSH_MS 60000 /* for a client to take the last bytes, as long as it takes none */

/* What the other side would not take yet. */
struct residue {
	unsigned char *data; /* NULL: none */
	size_t from, size;
};

struct tg_proxied {
	struct tg_timed timed; /* first: freed by it */
	struct tg_source on_real, on_end;
	struct tg_listed listed;
	struct tg_loop *loop;
	struct tg_stream *stream;
	int end;
	struct residue to_server, to_client;
	size_t tail;         /* bytes that the client has not taken yet, in is_finishing */
	bool is_begun;       /* its thread has seen it */
	bool is_handshaking; /* no verdict yet, as last seen */
	bool real_is_ready;  /* there may be something to read, as far as events and reads told (EPOLLET) */
	bool end_is_ready;
	bool real_ended;   /* the client's FIN or an error came: to be read on until its end */
	bool end_hung_up;  /* the server closed its end, or shut it down both ways */
	bool end_shut;     /* the server sends no more than what is there */
	bool end_is_full;  /* EPOLLOUT is asked for */
	bool server_deaf;  /* the server reads no more: what comes is thrown away */
	bool client_done;  /* close_notify came, and was passed on */
	bool server_done;  /* all that the server sent went on, and close_notify after it */
	bool has_failed;   /* the client went without close_notify, or was refused */
	bool is_finishing; /* nothing more comes from the server; the last bytes are on their way */
	bool is_over;      /* to be freed */
};

static struct tg_proxied *of_timed(struct tg_timed *timed)
{
	return (struct tg_proxied *)(void *)timed;
}

static void residue_free(struct residue *residue)
{
	if (residue->data != NULL) {
		explicit_bzero(residue->data, residue->size);
		free(residue->data);
	}
	*residue = (struct residue){0};
}

static bool residue_keep(struct residue *residue, const unsigned char *data, size_t size)
{
	residue->data = malloc(size);
	if (residue->data == NULL)
		return false;
	memcpy(residue->data, data, size);
	residue->from = 0;
	residue->size = size;
	return true;
}

static void watch_end(struct tg_proxied *proxied, int operation, bool full)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (full ? EPOLLOUT : 0),
				    .data.ptr = &proxied->on_end};

	if (epoll_ctl(proxied->loop->epoll, operation, proxied->end, &event) < 0)
		proxied->has_failed = true;
	proxied->end_is_full = full;
}

/* SO_LINGER of the server's: *ret_wait where close(2) would wait for it. True: without time, so that close(2) resets. */
static bool lingers(int real, bool *ret_wait)
{
	struct linger linger = {0};
	socklen_t size = sizeof(linger);
	const bool is_set = getsockopt(real, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff != 0;

	*ret_wait = is_set && linger.l_linger != 0;
	return is_set && linger.l_linger == 0;
}

static void close_real(int real)
{
	static const struct linger none;
	bool wait;
	const bool reset = lingers(real, &wait);

	/* the thread has other connections; the kernel goes on sending by itself */
	if (wait)
		setsockopt(real, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	/* also where a fork of the server's took a copy of the descriptor along before it was given away */
	if (!reset)
		shutdown(real, SHUT_RDWR);
	close(real);
}

/* The byte that is never read makes this an error to the server, unless it is taken off before. */
static void end_connection(struct tg_proxied *proxied)
{
	const int real = proxied->listed.real;

	proxied->is_over = true;
	tg_listed_remove(&proxied->listed);
	epoll_ctl(proxied->loop->epoll, EPOLL_CTL_DEL, proxied->end, NULL);
	epoll_ctl(proxied->loop->epoll, EPOLL_CTL_DEL, real, NULL);
	tg_stream_free(proxied->stream);
	residue_free(&proxied->to_server);
	residue_free(&proxied->to_client);
	close(proxied->end);
	close_real(real);
	atomic_fetch_sub_explicit(&proxied->loop->load, 1, memory_order_relaxed);
	tg_counts_changed();
	tg_loop_free_later(proxied->loop, &proxied->timed);
}

/* Returns how much the server's socket took; all of it where the server reads no more. */
static size_t give_server(struct tg_proxied *proxied, const unsigned char *data, size_t size)
{
	size_t done = 0;

	while (done < size && !proxied->server_deaf) {
		const ssize_t sent = send(proxied->end, data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0)
			done += (size_t)sent;
		else if (errno == EAGAIN)
			return done;
		else if (errno != EINTR)
			proxied->server_deaf = true;
	}
	return size;
}

static bool flush_to_server(struct tg_proxied *proxied)
{
	struct residue *residue = &proxied->to_server;

	if (residue->data == NULL)
		return true;
	residue->from += give_server(proxied, residue->data + residue->from, residue->size - residue->from);
	if (residue->from < residue->size)
		return false;
	residue_free(residue);
	if (proxied->end_is_full)
		watch_end(proxied, EPOLL_CTL_MOD, false);
	return true;
}

/* True where there may be more at once. */
static bool carry_to_server(struct tg_proxied *proxied)
{
	unsigned char *scratch = proxied->loop->scratch;
	const struct iovec room = {.iov_base = scratch, .iov_len = TG_SCRATCH};
	ssize_t got;
	size_t given;

	if (proxied->client_done || proxied->has_failed || !flush_to_server(proxied) || !proxied->real_is_ready)
		return false;
	got = tg_stream_read(proxied->stream, &room, 1, false);
	/* a call that brings a part of a record has emptied the socket, and leaves the end behind it to the next one */
	if (got < 0 && errno == EAGAIN && proxied->real_ended)
		got = tg_stream_read(proxied->stream, &room, 1, false);
	/* a short read has emptied the socket; what ended is read on to its end */
	if (got < TG_SCRATCH && !proxied->real_ended)
		proxied->real_is_ready = (tg_stream_state(proxied->stream) & TG_STREAM_INPUT) != 0;
	if (got == 0) {
		proxied->client_done = true;
		shutdown(proxied->end, SHUT_WR);
		return false;
	}
	if (got < 0) {
		proxied->has_failed = errno != EAGAIN && errno != EINTR;
		return false;
	}
	given = give_server(proxied, scratch, (size_t)got);
	if (given < (size_t)got) {
		if (!residue_keep(&proxied->to_server, scratch + given, (size_t)got - given))
			proxied->has_failed = true;
		else if (!proxied->end_is_full)
			watch_end(proxied, EPOLL_CTL_MOD, true);
		/* the socket may have got room before it was asked for */
		return flush_to_server(proxied);
	}
	/* also close_notify, which came with what was read */
	return proxied->real_is_ready;
}

/* Bytes from the server into scratch + 1, of which the last one stays where it is: see ipc/relay.h. */
static size_t take_from_server(struct tg_proxied *proxied)
{
	unsigned char *scratch = proxied->loop->scratch;
	ssize_t there = recv(proxied->end, scratch, SMALL, MSG_PEEK | MSG_DONTWAIT);
	int queued = 0;
	size_t size;

	/* what comes from here on is an event of its own */
	if (there < SMALL && !proxied->end_shut && !proxied->end_hung_up)
		proxied->end_is_ready = false;
	if (there <= 1)
		return 0;
	size = (size_t)there - 1;
	if (there < SMALL)
		return recv(proxied->end, proxied->loop->trash, size, MSG_DONTWAIT) == (ssize_t)size ? size : 0;
	if (ioctl(proxied->end, FIONREAD, &queued) < 0 || queued <= 1)
		return 0;
	size = queued > TG_SCRATCH ? TG_SCRATCH : (size_t)queued - 1;
	there = recv(proxied->end, scratch, size, MSG_DONTWAIT);
	if (there <= 0 || recv(proxied->end, scratch + there, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return 0;
	return (size_t)there;
}

static size_t give_client(struct tg_proxied *proxied, unsigned char *data, size_t size)
{
	const struct iovec part = {.iov_base = data, .iov_len = size};
	const ssize_t done = tg_stream_write(proxied->stream, &part, 1, false);

	if (done >= 0)
		return (size_t)done;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	/* what the server still sends goes nowhere; what the client sent before is still to be read */
	proxied->real_ended = proxied->real_is_ready = true;
	proxied->has_failed = proxied->client_done;
	return size;
}

static bool flush_to_client(struct tg_proxied *proxied)
{
	struct residue *residue = &proxied->to_client;

	if (residue->data != NULL) {
		residue->from += give_client(proxied, residue->data + residue->from, residue->size - residue->from);
		if (residue->from < residue->size)
			return false;
		residue_free(residue);
	}
	if ((tg_stream_state(proxied->stream) & TG_STREAM_OUTPUT) != 0)
		tg_stream_poll(proxied->stream);
	return (tg_stream_state(proxied->stream) & TG_STREAM_OUTPUT) == 0;
}

/* True where there may be more at once. */
static bool carry_to_client(struct tg_proxied *proxied)
{
	unsigned char *data = proxied->loop->scratch + 1;
	size_t size, given;

	if (proxied->is_handshaking || proxied->server_done || !flush_to_client(proxied) || !proxied->end_is_ready)
		return false;
	size = take_from_server(proxied);
	if (size == 0) {
		if (proxied->end_shut || proxied->end_hung_up) {
			proxied->server_done = true;
			tg_stream_shutdown(proxied->stream, SHUT_WR);
		}
		return false;
	}
	given = give_client(proxied, data, size);
	if (given < size && !residue_keep(&proxied->to_client, data + given, size - given))
		proxied->has_failed = true;
	return given == size;
}

/*
 * Sending what was left over looks at the socket in both directions (tg_stream_poll), and may have taken from it what the
 * client sent meanwhile, so that no event tells of it any more. True: it has.
 */
static bool took_input(struct tg_proxied *proxied)
{
	if (proxied->real_is_ready || (tg_stream_state(proxied->stream) & TG_STREAM_INPUT) == 0)
		return false;
	proxied->real_is_ready = true;
	return true;
}

/* Until the verdict a connection has a time by which it must be there, and one for accept_plaintext. */
static void look_at_verdict(struct tg_proxied *proxied)
{
	if (!proxied->is_handshaking)
		return;
	proxied->is_handshaking = (tg_stream_state(proxied->stream) & TG_STREAM_HANDSHAKING) != 0;
	tg_loop_time(proxied->loop, &proxied->timed,
		     proxied->is_handshaking ? tg_stream_deadline(proxied->stream) : INT64_MAX);
	if (!proxied->is_handshaking)
		tg_counts_changed();
}

static void finish(struct tg_proxied *proxied)
{
	unsigned char last;
	struct iovec tail;

	if (!tg_stream_finish(proxied->stream, &tail)) {
		if (!proxied->is_finishing || tail.iov_len != proxied->tail)
			tg_loop_time(proxied->loop, &proxied->timed, tg_loop_now() + FLUSH_MS);
		proxied->is_finishing = true;
		proxied->tail = tail.iov_len;
		return;
	}
	/* an end in good order */
	recv(proxied->end, &last, 1, MSG_DONTWAIT);
	end_connection(proxied);
}

/* The server has sent its last, and there is nobody or nothing left to give to it. */
static bool is_done(struct tg_proxied *proxied)
{
	return proxied->server_done && (proxied->end_hung_up || (proxied->client_done && flush_to_server(proxied)));
}

static void go_on(struct tg_proxied *proxied)
{
	int rounds = ROUNDS;
	bool more = true;
	bool wait;

	/* before anything is sent that would look like an end in good order */
	if (proxied->end_hung_up && !proxied->is_finishing && lingers(proxied->listed.real, &wait)) {
		end_connection(proxied);
		return;
	}
	while (more && rounds-- > 0 && !proxied->is_finishing) {
		more = carry_to_server(proxied);
		look_at_verdict(proxied);
		more = carry_to_client(proxied) || more;
		more = took_input(proxied) || more;
	}
	if (!proxied->is_finishing && proxied->has_failed && flush_to_server(proxied))
		end_connection(proxied);
	else if (proxied->is_finishing || is_done(proxied))
		finish(proxied);
	else if (more)
		tg_loop_time(proxied->loop, &proxied->timed, 0);
}

static void due(struct tg_timed *timed)
{
	struct tg_proxied *proxied = of_timed(timed);

	if (proxied->is_finishing) {
		end_connection(proxied);
		return;
	}
	tg_loop_time(proxied->loop, timed, INT64_MAX);
	if (proxied->is_handshaking) {
		proxied->real_is_ready = true;
		tg_stream_poll(proxied->stream);
	}
	go_on(proxied);
}

static void begin_proxying(struct tg_proxied *proxied)
{
	proxied->is_begun = true;
	watch_end(proxied, EPOLL_CTL_ADD, false);
}

static void real_ready(struct tg_source *source, uint32_t events)
{
	struct tg_proxied *proxied = (struct tg_proxied *)(void *)((char *)source - offsetof(struct tg_proxied, on_real));

	if (proxied->is_over)
		return;
	if (!proxied->is_begun)
		begin_proxying(proxied);
	/* a handshake may wait for room, too */
	if ((events & ~(uint32_t)EPOLLOUT) != 0 || proxied->is_handshaking)
		proxied->real_is_ready = true;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		proxied->real_ended = true;
	/* a reset that answers what the server sends after the client's end */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && proxied->client_done && !proxied->server_done)
		proxied->has_failed = true;
	go_on(proxied);
}

static void end_ready(struct tg_source *source, uint32_t events)
{
	struct tg_proxied *proxied = (struct tg_proxied *)(void *)((char *)source - offsetof(struct tg_proxied, on_end));

	if (proxied->is_over)
		return;
	if ((events & EPOLLRDHUP) != 0)
		proxied->end_shut = true;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		proxied->end_hung_up = true;
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		proxied->end_is_ready = true;
	go_on(proxied);
}

bool tg_proxied_begin(struct tg_loop *loop, int real, int end, uint64_t cookie, const struct tg_route *route)
{
	struct tg_proxied *proxied = calloc(1, sizeof(*proxied));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	const int on = 1;

	if (proxied == NULL)
		goto out;
	*proxied = (struct tg_proxied){.timed.due = due,
				       .on_real.ready = real_ready,
				       .on_end.ready = end_ready,
				       .listed = {.cookie = cookie, .real = real},
				       .loop = loop,
				       .end = end,
				       .is_handshaking = true};
	proxied->stream = tg_stream_new(real, route);
	if (proxied->stream == NULL || !tg_listed_add(&proxied->listed))
		goto out;
	tg_stream_count_at_once(proxied->stream);
	/* a byte out of band would be passed over */
	setsockopt(end, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	/* what came from the server goes on as it came: the server's own TCP_NODELAY and TCP_CORK stay with its end */
	setsockopt(real, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	atomic_fetch_add_explicit(&loop->load, 1, memory_order_relaxed);
	/*
	 * The real socket can be written to, so its first event comes at once, in the loop's own thread, which does the
	 * rest: from here on the connection is that thread's.
	 */
	event.data.ptr = &proxied->on_real;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, real, &event) == 0)
		return true;
	atomic_fetch_sub_explicit(&loop->load, 1, memory_order_relaxed);
	tg_listed_remove(&proxied->listed);
out:
	if (proxied != NULL && proxied->stream != NULL)
		tg_stream_free(proxied->stream);
	free(proxied);
	close(end);
	close_real(real);
	return false;
}

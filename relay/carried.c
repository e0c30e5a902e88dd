/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/carried.h"

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

struct tg_carried {
	struct tg_timed timed; /* first: buried by it */
	struct tg_source on_real, on_end;
	struct tg_listed listed;
	struct tg_loop *loop;
	struct tg_stream *stream;
	int end;
	struct residue to_server, to_client;
	size_t rest;        /* bytes that the client has not taken yet, in is_finishing */
	bool is_begun;      /* its thread has seen it */
	bool is_opening;    /* no verdict yet, as last seen */
	bool real_is_ready; /* there may be something to read, as far as events and reads told (EPOLLET) */
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
	bool is_over;      /* buried */
};

static struct tg_carried *of_timed(struct tg_timed *timed)
{
	return (struct tg_carried *)(void *)timed;
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

static void watch_end(struct tg_carried *carried, int operation, bool full)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (full ? EPOLLOUT : 0),
				    .data.ptr = &carried->on_end};

	if (epoll_ctl(carried->loop->epoll, operation, carried->end, &event) < 0)
		carried->has_failed = true;
	carried->end_is_full = full;
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
static void end_connection(struct tg_carried *carried)
{
	const int real = carried->listed.real;

	carried->is_over = true;
	tg_listed_remove(&carried->listed);
	epoll_ctl(carried->loop->epoll, EPOLL_CTL_DEL, carried->end, NULL);
	epoll_ctl(carried->loop->epoll, EPOLL_CTL_DEL, real, NULL);
	tg_stream_free(carried->stream);
	residue_free(&carried->to_server);
	residue_free(&carried->to_client);
	close(carried->end);
	close_real(real);
	atomic_fetch_sub_explicit(&carried->loop->load, 1, memory_order_relaxed);
	tg_counts_changed();
	tg_loop_bury(carried->loop, &carried->timed);
}

/* Returns how much the server's socket took; all of it where the server reads no more. */
static size_t give_server(struct tg_carried *carried, const unsigned char *data, size_t size)
{
	size_t done = 0;

	while (done < size && !carried->server_deaf) {
		const ssize_t sent = send(carried->end, data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0)
			done += (size_t)sent;
		else if (errno == EAGAIN)
			return done;
		else if (errno != EINTR)
			carried->server_deaf = true;
	}
	return size;
}

static bool flush_to_server(struct tg_carried *carried)
{
	struct residue *residue = &carried->to_server;

	if (residue->data == NULL)
		return true;
	residue->from += give_server(carried, residue->data + residue->from, residue->size - residue->from);
	if (residue->from < residue->size)
		return false;
	residue_free(residue);
	if (carried->end_is_full)
		watch_end(carried, EPOLL_CTL_MOD, false);
	return true;
}

/* True where there may be more at once. */
static bool carry_to_server(struct tg_carried *carried)
{
	unsigned char *scratch = carried->loop->scratch;
	const struct iovec room = {.iov_base = scratch, .iov_len = TG_SCRATCH};
	ssize_t got;
	size_t given;

	if (carried->client_done || carried->has_failed || !flush_to_server(carried) || !carried->real_is_ready)
		return false;
	got = tg_stream_read(carried->stream, &room, 1, false);
	/* a call that brings a part of a record has emptied the socket, and leaves the end behind it to the next one */
	if (got < 0 && errno == EAGAIN && carried->real_ended)
		got = tg_stream_read(carried->stream, &room, 1, false);
	/* a short read has emptied the socket; what ended is read on to its end */
	if (got < TG_SCRATCH && !carried->real_ended)
		carried->real_is_ready = (tg_stream_state(carried->stream) & TG_STREAM_INPUT) != 0;
	if (got == 0) {
		carried->client_done = true;
		shutdown(carried->end, SHUT_WR);
		return false;
	}
	if (got < 0) {
		carried->has_failed = errno != EAGAIN && errno != EINTR;
		return false;
	}
	given = give_server(carried, scratch, (size_t)got);
	if (given < (size_t)got) {
		if (!residue_keep(&carried->to_server, scratch + given, (size_t)got - given))
			carried->has_failed = true;
		else if (!carried->end_is_full)
			watch_end(carried, EPOLL_CTL_MOD, true);
		/* the socket may have got room before it was asked for */
		return flush_to_server(carried);
	}
	/* also close_notify, which came with what was read */
	return carried->real_is_ready;
}

/* Bytes from the server into scratch + 1, of which the last one stays where it is: see ipc/relay.h. */
static size_t take_from_server(struct tg_carried *carried)
{
	unsigned char *scratch = carried->loop->scratch;
	ssize_t there = recv(carried->end, scratch, SMALL, MSG_PEEK | MSG_DONTWAIT);
	int queued = 0;
	size_t size;

	/* what comes from here on is an event of its own */
	if (there < SMALL && !carried->end_shut && !carried->end_hung_up)
		carried->end_is_ready = false;
	if (there <= 1)
		return 0;
	size = (size_t)there - 1;
	if (there < SMALL)
		return recv(carried->end, carried->loop->trash, size, MSG_DONTWAIT) == (ssize_t)size ? size : 0;
	if (ioctl(carried->end, FIONREAD, &queued) < 0 || queued <= 1)
		return 0;
	size = queued > TG_SCRATCH ? TG_SCRATCH : (size_t)queued - 1;
	there = recv(carried->end, scratch, size, MSG_DONTWAIT);
	if (there <= 0 || recv(carried->end, scratch + there, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return 0;
	return (size_t)there;
}

static size_t give_client(struct tg_carried *carried, unsigned char *data, size_t size)
{
	const struct iovec part = {.iov_base = data, .iov_len = size};
	const ssize_t done = tg_stream_write(carried->stream, &part, 1, false);

	if (done >= 0)
		return (size_t)done;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	/* what the server still sends goes nowhere; what the client sent before is still to be read */
	carried->real_ended = carried->real_is_ready = true;
	carried->has_failed = carried->client_done;
	return size;
}

static bool flush_to_client(struct tg_carried *carried)
{
	struct residue *residue = &carried->to_client;

	if (residue->data != NULL) {
		residue->from += give_client(carried, residue->data + residue->from, residue->size - residue->from);
		if (residue->from < residue->size)
			return false;
		residue_free(residue);
	}
	if ((tg_stream_state(carried->stream) & TG_STREAM_OUTPUT) != 0)
		tg_stream_poll(carried->stream);
	return (tg_stream_state(carried->stream) & TG_STREAM_OUTPUT) == 0;
}

/* True where there may be more at once. */
static bool carry_to_client(struct tg_carried *carried)
{
	unsigned char *data = carried->loop->scratch + 1;
	size_t size, given;

	if (carried->is_opening || carried->server_done || !flush_to_client(carried) || !carried->end_is_ready)
		return false;
	size = take_from_server(carried);
	if (size == 0) {
		if (carried->end_shut || carried->end_hung_up) {
			carried->server_done = true;
			tg_stream_shutdown(carried->stream, SHUT_WR);
		}
		return false;
	}
	given = give_client(carried, data, size);
	if (given < size && !residue_keep(&carried->to_client, data + given, size - given))
		carried->has_failed = true;
	return given == size;
}

/*
 * Sending what was left over looks at the socket in both directions (tg_stream_poll), and may have taken from it what the
 * client sent meanwhile, so that no event tells of it any more. True: it has.
 */
static bool took_input(struct tg_carried *carried)
{
	if (carried->real_is_ready || (tg_stream_state(carried->stream) & TG_STREAM_INPUT) == 0)
		return false;
	carried->real_is_ready = true;
	return true;
}

/* Until the verdict a connection has a time by which it must be there, and one for accept_plaintext. */
static void look_at_verdict(struct tg_carried *carried)
{
	if (!carried->is_opening)
		return;
	carried->is_opening = (tg_stream_state(carried->stream) & TG_STREAM_OPENING) != 0;
	tg_loop_time(carried->loop, &carried->timed, carried->is_opening ? tg_stream_deadline(carried->stream) : INT64_MAX);
	if (!carried->is_opening)
		tg_counts_changed();
}

static void finish(struct tg_carried *carried)
{
	unsigned char last;
	struct iovec rest;

	if (!tg_stream_finish(carried->stream, &rest)) {
		if (!carried->is_finishing || rest.iov_len != carried->rest)
			tg_loop_time(carried->loop, &carried->timed, tg_loop_now() + FLUSH_MS);
		carried->is_finishing = true;
		carried->rest = rest.iov_len;
		return;
	}
	/* an end in good order */
	recv(carried->end, &last, 1, MSG_DONTWAIT);
	end_connection(carried);
}

/* The server has sent its last, and there is nobody or nothing left to give to it. */
static bool is_done(struct tg_carried *carried)
{
	return carried->server_done && (carried->end_hung_up || (carried->client_done && flush_to_server(carried)));
}

static void go_on(struct tg_carried *carried)
{
	int rounds = ROUNDS;
	bool more = true;
	bool wait;

	/* before anything is sent that would look like an end in good order */
	if (carried->end_hung_up && !carried->is_finishing && lingers(carried->listed.real, &wait)) {
		end_connection(carried);
		return;
	}
	while (more && rounds-- > 0 && !carried->is_finishing) {
		more = carry_to_server(carried);
		look_at_verdict(carried);
		more = carry_to_client(carried) || more;
		more = took_input(carried) || more;
	}
	if (!carried->is_finishing && carried->has_failed && flush_to_server(carried))
		end_connection(carried);
	else if (carried->is_finishing || is_done(carried))
		finish(carried);
	else if (more)
		tg_loop_time(carried->loop, &carried->timed, 0);
}

static void due(struct tg_timed *timed)
{
	struct tg_carried *carried = of_timed(timed);

	if (carried->is_finishing) {
		end_connection(carried);
		return;
	}
	tg_loop_time(carried->loop, timed, INT64_MAX);
	if (carried->is_opening) {
		carried->real_is_ready = true;
		tg_stream_poll(carried->stream);
	}
	go_on(carried);
}

static void begin(struct tg_carried *carried)
{
	carried->is_begun = true;
	watch_end(carried, EPOLL_CTL_ADD, false);
}

static void real_ready(struct tg_source *source, uint32_t events)
{
	struct tg_carried *carried = (struct tg_carried *)(void *)((char *)source - offsetof(struct tg_carried, on_real));

	if (carried->is_over)
		return;
	if (!carried->is_begun)
		begin(carried);
	/* a handshake may wait for room, too */
	if ((events & ~(uint32_t)EPOLLOUT) != 0 || carried->is_opening)
		carried->real_is_ready = true;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		carried->real_ended = true;
	/* a reset that answers what the server sends after the client's end */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && carried->client_done && !carried->server_done)
		carried->has_failed = true;
	go_on(carried);
}

static void end_ready(struct tg_source *source, uint32_t events)
{
	struct tg_carried *carried = (struct tg_carried *)(void *)((char *)source - offsetof(struct tg_carried, on_end));

	if (carried->is_over)
		return;
	if ((events & EPOLLRDHUP) != 0)
		carried->end_shut = true;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		carried->end_hung_up = true;
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		carried->end_is_ready = true;
	go_on(carried);
}

bool tg_carried_begin(struct tg_loop *loop, int real, int end, uint64_t cookie, const struct tg_route *route)
{
	struct tg_carried *carried = calloc(1, sizeof(*carried));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	const int on = 1;

	if (carried == NULL)
		goto out;
	*carried = (struct tg_carried){.timed.due = due,
				       .on_real.ready = real_ready,
				       .on_end.ready = end_ready,
				       .listed = {.cookie = cookie, .real = real},
				       .loop = loop,
				       .end = end,
				       .is_opening = true};
	carried->stream = tg_stream_new(real, route);
	if (carried->stream == NULL || !tg_listed_add(&carried->listed))
		goto out;
	tg_stream_count_at_once(carried->stream);
	/* a byte out of band would be passed over */
	setsockopt(end, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	/* what came from the server goes on as it came: the server's own TCP_NODELAY and TCP_CORK stay with its end */
	setsockopt(real, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	atomic_fetch_add_explicit(&loop->load, 1, memory_order_relaxed);
	/*
	 * The real socket can be written to, so its first event comes at once, in the loop's own thread, which does the
	 * rest: from here on the connection is that thread's.
	 */
	event.data.ptr = &carried->on_real;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, real, &event) == 0)
		return true;
	atomic_fetch_sub_explicit(&loop->load, 1, memory_order_relaxed);
	tg_listed_remove(&carried->listed);
out:
	if (carried != NULL && carried->stream != NULL)
		tg_stream_free(carried->stream);
	free(carried);
	close(end);
	close_real(real);
	return false;
}

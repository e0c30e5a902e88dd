/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections end: by shutdown, close, the peer, and what is left to be sent then.
 */
#include "situations.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[70000];

static void shutdown_write(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, write(t->fd, "last", 4));
	CALL(t, shutdown(t->fd, SHUT_WR));
	CALL(t, shutdown(t->fd, SHUT_WR));
	client_reads_to_end(t);
	client_sends(t, 100);
	CALL(t, read(t->fd, buffer, 40));
	CALL(t, read(t->fd, buffer, 100));
	client_ends(t, STEP_CLOSE);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, shutdown(t->fd, SHUT_RDWR));
	CALL(t, close(t->fd));
}

static void shutdown_read(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	client_sends(t, 100);
	CALL(t, read(t->fd, buffer, 40));
	CALL(t, shutdown(t->fd, SHUT_RD));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "fine", 4));
	client_receives(t, 4);
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 0);
}

static void shutdown_both(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	CALL(t, write(t->fd, "last", 4));
	CALL(t, shutdown(t->fd, SHUT_RDWR));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "more", 4));
	note(t, "%d SIGPIPE", pipes_seen());
	client_reads_to_end(t);
	CALL(t, close(t->fd));
}

static void shutdown_wrong(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, shutdown(t->fd, 77));
	CALL(t, shutdown(t->fd, -1));
	client_ends(t, STEP_ABORT);
	CALL(t, shutdown(t->fd, SHUT_WR));
}

/* Before the handshake is finished: what was written comes, then the end. */
static void shutdown_cold(struct test *t)
{
	connect_cold(t, 0);
	CALL(t, write(t->fd, "early", 5));
	CALL(t, shutdown(t->fd, SHUT_WR));
	client_receives_meanwhile(t, UINT32_MAX);
}

static void close_after_write(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, write(t->fd, next_bytes(t, 60000), 60000));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

/* Nobody reads for a while: what the socket did not take must come after close returned, or close waits. */
static void close_with_much_left(struct test *t)
{
	size_t done = 0;
	ssize_t now;
	struct answer answer;

	connect_warm(t, SOCK_NONBLOCK);
	while ((now = write(t->fd, buffer, sizeof(buffer))) > 0)
		done += (size_t)now;
	CALL(t, close(t->fd));
	answer = step(t, STEP_RECEIVE, UINT32_MAX);
	note(t, "client received %s, %s", answer.result == (int64_t)done ? "all" : "something else",
	     answer.ending == ENDING_END ? "ended" : "failed");
}

static void shutdown_with_much_left(struct test *t)
{
	size_t done = 0;
	ssize_t now;
	struct answer answer;

	connect_warm(t, SOCK_NONBLOCK);
	while ((now = write(t->fd, buffer, sizeof(buffer))) > 0)
		done += (size_t)now;
	CALL(t, shutdown(t->fd, SHUT_WR));
	begin(t, STEP_RECEIVE, UINT32_MAX, 0);
	/* as servers do that wait for the client to go */
	for (const long end = now_ms() + 3000; !is_finished(t) && now_ms() < end;)
		poll(&(struct pollfd){.fd = t->fd, .events = POLLIN}, 1, 2);
	answer = finish(t);
	note(t, "client received %s, %s", answer.result == (int64_t)done ? "all" : "something else",
	     answer.ending == ENDING_END ? "ended" : "failed");
}

static void close_cold(struct test *t)
{
	connect_cold(t, 0);
	CALL(t, close(t->fd));
	finish(t); /* connected, or not any more */
	client_reads_to_end(t);
}

/* A server that speaks first, and closes: "421 too many connections". */
static void refuse_cold(struct test *t)
{
	connect_cold(t, 0);
	CALL(t, write(t->fd, "421 no\r\n", 8));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

/* Bytes that nobody read make of a close a reset. */
static void close_unread(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 100);
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void peer_half_close(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 10);
	client_ends(t, STEP_HALF);
	CALL(t, recv(t->fd, buffer, 100, MSG_PEEK));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, recv(t->fd, buffer, 100, MSG_PEEK));
	CALL(t, read(t->fd, buffer, 100));
	for (int i = 0; i < 3; i++)
		CALL(t, write(t->fd, "answer", 6));
	client_receives(t, 18);
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

/* close_notify alone, without FIN: an end all the same. */
static void peer_notifies(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLRDHUP);
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 100));
	step(t, STEP_NOTIFY, 0);
	note_epoll(t, epoll, 1000);
	note_poll(t, POLLIN | POLLRDHUP, 1000);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "answer", 6));
	client_receives(t, 6);
	close(epoll);
}

/* Without close_notify: over TLS this is an attack, not an end. */
static void peer_cuts(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 10);
	client_ends(t, STEP_CUT);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, read(t->fd, buffer, 100));
}

static void peer_aborts_waiting(struct test *t)
{
	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_ABORT, 0, 0);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, read(t->fd, buffer, 100));
	finish(t);
}

static void peer_closes_waiting(struct test *t)
{
	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_CLOSE, 0, 0);
	CALL(t, read(t->fd, buffer, 100));
	finish(t);
}

static void peer_closes_poll_waiting(struct test *t)
{
	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_CLOSE, 0, 0);
	note_poll(t, POLLIN | POLLRDHUP, 2000);
	finish(t);
	CALL(t, read(t->fd, buffer, 100));
}

/* Of what the peer never read, the writer learns. */
static void peer_aborts_writer(struct test *t)
{
	ssize_t last;

	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_ABORT, 0, 0);
	do
		last = send(t->fd, buffer, sizeof(buffer), MSG_NOSIGNAL);
	while (last > 0);
	/* which of the two is a matter of who met the reset */
	note(t, "send %s", last < 0 && (errno == ECONNRESET || errno == EPIPE) ? "fails" : "does something else");
	finish(t);
	CALL(t, send(t->fd, buffer, 10, MSG_NOSIGNAL));
	note(t, "%d SIGPIPE", pipes_seen());
}

static void ignored_pipe(struct test *t)
{
	connect_warm(t, 0);
	client_ends(t, STEP_ABORT);
	CALL(t, send(t->fd, "x", 1, MSG_NOSIGNAL));
	CALL(t, send(t->fd, "x", 1, MSG_NOSIGNAL));
	note(t, "%d SIGPIPE", pipes_seen());
	CALL(t, send(t->fd, "x", 1, 0));
	note(t, "%d SIGPIPE", pipes_seen());
}

static void *write_slowly(void *argument)
{
	struct test *t = argument;

	for (int i = 0; i < 200; i++)
		if (write(t->fd, "0123456789", 10) != 10)
			return NULL;
	shutdown(t->fd, SHUT_WR);
	return t;
}

/* One thread reads to the end while another one writes and ends its direction. */
static void both_directions_end(struct test *t)
{
	pthread_t writer;
	void *whole = NULL;
	size_t total = 0;
	ssize_t got;

	connect_warm(t, 0);
	begin(t, STEP_SEND, 1000, 20);
	begin(t, STEP_HALF, 0, 0);
	begin(t, STEP_RECEIVE, UINT32_MAX, 0);
	if (pthread_create(&writer, NULL, write_slowly, t) != 0)
		return;
	while ((got = read(t->fd, buffer, 700)) > 0)
		total += (size_t)got;
	note_result(t, "last", got);
	pthread_join(writer, &whole);
	note(t, "read %zu, wrote %s", total, whole ? "all" : "not all");
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
}

static void *write_some(void *argument)
{
	struct test *t = argument;

	for (int i = 0; i < 100; i++)
		if (write(t->fd, "0123456789", 10) != 10)
			return NULL;
	return t;
}

/* Each write is whole, whatever the others do. */
static void four_writers(struct test *t)
{
	pthread_t writers[4];
	void *whole;

	connect_warm(t, 0);
	begin(t, STEP_RECEIVE, 4000, 0);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&writers[i], NULL, write_some, t) != 0)
			return;
	for (int i = 0; i < 4; i++) {
		pthread_join(writers[i], &whole);
		note(t, "%s", whole ? "all" : "not all");
	}
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
}

const struct single singles_ends[] = {
    {"shutdown_write", shutdown_write},
    {"shutdown_read", shutdown_read},
    {"shutdown_both", shutdown_both},
    {"shutdown_wrong", shutdown_wrong},
    {"shutdown_cold", shutdown_cold},
    {"close_after_write", close_after_write},
    {"close_with_much_left", close_with_much_left},
    {"shutdown_with_much_left", shutdown_with_much_left},
    {"close_cold", close_cold},
    {"refuse_cold", refuse_cold},
    {"close_unread", close_unread},
    {"peer_half_close", peer_half_close},
    {"peer_notifies", peer_notifies},
    {"peer_cuts", peer_cuts},
    {"peer_aborts_waiting", peer_aborts_waiting},
    {"peer_closes_waiting", peer_closes_waiting},
    {"peer_closes_poll_waiting", peer_closes_poll_waiting},
    {"peer_aborts_writer", peer_aborts_writer},
    {"ignored_pipe", ignored_pipe},
    {"both_directions_end", both_directions_end},
    {"four_writers", four_writers},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "situations.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One call, recorded. */
static ssize_t give(struct test *t, const struct write_way *way, size_t size)
{
	const char *bytes = next_bytes(t, size);
	ssize_t done;

	errno = ERRNO_UNTOUCHED;
	done = way->write(t->fd, bytes, size);
	note(t, "%s of %zu:", way->name, size);
	note_result(t, " ", done);
	t->sent += done > 0 ? (uint64_t)done : 0;
	return done;
}

/* As many calls as it takes; how many depends on what the buffers hold, so they are not recorded. What came last. */
static ssize_t give_all(struct test *t, const struct write_way *way, size_t size, size_t piece, size_t *ret_done)
{
	size_t all = 0;
	ssize_t done = 0;

	while (all < size) {
		const size_t now = size - all < piece ? size - all : piece;

		done = way->write(t->fd, next_bytes(t, now), now);
		if (done <= 0)
			break;
		t->sent += (uint64_t)done;
		all += (size_t)done;
	}
	*ret_done += all;
	return done;
}

/* The client got exactly the first `size` bytes of this side's stream. */
static void note_all(struct test *t, const struct answer *answer, size_t size)
{
	uint64_t place = 0, sum = SUM_BEGIN;

	while (place < size) {
		const char byte = byte_at(place++);

		sum = sum_of(sum, &byte, 1);
	}
	note(t, "client received %s", answer->result == (int64_t)size && answer->sum == sum ? "all" : "something else");
}

static void blocking(struct test *t, const struct write_way *way)
{
	size_t done = 0;

	connect_warm(t, 0);
	give(t, way, 100);
	client_receives(t, 100);
	give(t, way, 1);
	/* splice(2) may take less at a time */
	note_result(t, "last", give_all(t, way, 30000, 30000, &done) > 0);
	note(t, "wrote %zu", done);
	client_receives(t, 30001);
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void cold(struct test *t, const struct write_way *way)
{
	connect_cold(t, 0);
	give(t, way, 100);
	give(t, way, 2000);
	client_receives_meanwhile(t, 2100);
}

static void nonblocking_cold(struct test *t, const struct write_way *way)
{
	connect_cold(t, SOCK_NONBLOCK);
	note_poll(t, POLLOUT, 1000);
	give(t, way, 100);
	client_receives_meanwhile(t, 100);
}

/* Blocks again and again, since the client reads no faster than it is told. */
static void large(struct test *t, const struct write_way *way)
{
	const size_t size = 1 << 20;
	size_t done = 0;
	struct answer answer;

	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_RECEIVE, size, 0);
	give_all(t, way, size, size, &done);
	note(t, "wrote %zu", done);
	answer = finish(t);
	note_answer(t, "client", &answer);
}

/* Until nothing fits any more, also not after a while: what is between the two has its own buffers. */
static size_t give_till_full(struct test *t, const struct write_way *way, int epoll)
{
	struct pollfd waiting = {.fd = t->fd, .events = POLLOUT};
	struct epoll_event event;
	size_t done = 0;
	ssize_t last;

	do {
		errno = 0;
		last = give_all(t, way, 64 << 20, 20000, &done);
		if (last >= 0 || errno != EAGAIN) {
			note_result(t, "write", last);
			break;
		}
	} while ((epoll < 0 ? poll(&waiting, 1, 50) : epoll_wait(epoll, &event, 1, 50)) > 0);
	return done;
}

static void full(struct test *t, const struct write_way *way)
{
	size_t done;
	struct answer answer;

	connect_warm(t, SOCK_NONBLOCK);
	note_poll(t, POLLOUT, 1000);
	done = give_till_full(t, way, -1);
	note_poll(t, POLLOUT, 0);
	begin(t, STEP_RECEIVE, (unsigned)done + 100000, 0);
	note_poll(t, POLLOUT, 1000);
	set_nonblocking(t->fd, false);
	give_all(t, way, 100000, 7001, &done);
	answer = finish_meanwhile(t);
	note_all(t, &answer, done);
}

static void full_edge(struct test *t, const struct write_way *way)
{
	size_t done = 0;
	struct answer answer;

	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLOUT | EPOLLET);

	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	done = give_till_full(t, way, epoll);
	note_epoll(t, epoll, 0);
	begin(t, STEP_RECEIVE, (unsigned)done, 0);
	note_epoll(t, epoll, 1000);
	answer = finish_meanwhile(t);
	note_all(t, &answer, done);
	close(epoll);
}

static void full_level(struct test *t, const struct write_way *way)
{
	size_t done = 0;
	struct answer answer;

	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLOUT);

	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 1000);
	done = give_till_full(t, way, epoll);
	note_epoll(t, epoll, 0);
	begin(t, STEP_RECEIVE, (unsigned)done, 0);
	note_epoll(t, epoll, 1000);
	answer = finish_meanwhile(t);
	note_all(t, &answer, done);
	close(epoll);
}

static void timeout(struct test *t, const struct write_way *way)
{
	size_t done = 0;
	ssize_t last;
	struct answer answer;

	connect_warm(t, 0);
	set_timeout(t->fd, SO_SNDTIMEO, 50);
	const long since = now_ms();
	last = give_all(t, way, 64 << 20, 50000, &done);
	note_result(t, "last", last);
	note_waited(t, since, 45);
	begin(t, STEP_RECEIVE, (unsigned)done, 0);
	answer = finish_meanwhile(t);
	note_all(t, &answer, done);
}

static void interrupted(struct test *t, const struct write_way *way)
{
	size_t done = 0;
	ssize_t last;
	struct answer answer;

	connect_warm(t, 0);
	set_timeout(t->fd, SO_SNDTIMEO, 2000);
	catch_alarm(false);
	alarm_in(40);
	do {
		errno = 0;
		last = give_all(t, way, 64 << 20, 50000, &done);
	} while (last > 0);
	note_result(t, "last", last);
	alarm_in(0);
	begin(t, STEP_RECEIVE, (unsigned)done, 0);
	answer = finish_meanwhile(t);
	note_all(t, &answer, done);
}

enum { IN = 150000, OUT = 200000 };

static void *read_all(void *argument)
{
	struct test *t = argument;
	uint64_t sum = SUM_BEGIN;
	size_t done = 0;
	char buffer[3001];

	while (done < IN) {
		const ssize_t got = read(t->fd, buffer, sizeof(buffer));

		if (got <= 0)
			break;
		sum = sum_of(sum, buffer, (size_t)got);
		done += (size_t)got;
	}
	note(t, "read %zu, sum %016lx", done, sum);
	return NULL;
}

static void threaded(struct test *t, const struct write_way *way)
{
	size_t done = 0;
	pthread_t reader;
	struct answer answer;

	connect_warm(t, 0);
	begin(t, STEP_EXCHANGE, IN, OUT);
	if (pthread_create(&reader, NULL, read_all, t) != 0)
		return;
	while (done < OUT) {
		const ssize_t last = give_all(t, way, OUT - done, 3000, &done);
		struct pollfd waiting = {.fd = t->fd, .events = POLLOUT};

		if (last <= 0 && !(errno == EAGAIN && way->traits & WAY_NEVER_WAITS))
			break;
		poll(&waiting, 1, 1000);
	}
	pthread_join(reader, NULL);
	note(t, "wrote %zu", done);
	answer = finish(t);
	note_answer(t, "client", &answer);
}

static void after_close(struct test *t, const struct write_way *way)
{
	connect_warm(t, 0);
	client_ends(t, STEP_CLOSE);
	give(t, way, 10);
	note_poll(t, 0, 1000); /* the reset that answers it */
	give(t, way, 10);
	give(t, way, 10);
	note(t, "%d SIGPIPE", pipes_seen());
}

static void after_reset(struct test *t, const struct write_way *way)
{
	connect_warm(t, 0);
	client_ends(t, STEP_ABORT);
	give(t, way, 10);
	give(t, way, 10);
	note(t, "%d SIGPIPE", pipes_seen());
}

static void after_shutdown(struct test *t, const struct write_way *way)
{
	char buffer[100];

	connect_warm(t, 0);
	give(t, way, 100);
	CALL(t, shutdown(t->fd, SHUT_WR));
	give(t, way, 10);
	note(t, "%d SIGPIPE", pipes_seen());
	client_reads_to_end(t);
	client_sends(t, 30);
	CALL(t, read(t->fd, buffer, sizeof(buffer)));
}

const struct writing writings[] = {
    {"blocking", blocking, WAY_NEVER_WAITS},
    {"cold", cold, WAY_NEVER_WAITS},
    {"nonblocking_cold", nonblocking_cold, 0},
    {"large", large, WAY_NEVER_WAITS},
    {"full", full, WAY_BUFFERS | WAY_NEVER_WAITS},
    {"full_edge", full_edge, WAY_BUFFERS},
    {"full_level", full_level, WAY_BUFFERS},
    {"timeout", timeout, WAY_BUFFERS | WAY_NEVER_WAITS},
    {"interrupted", interrupted, WAY_BUFFERS | WAY_NEVER_WAITS},
    {"threaded", threaded, 0},
    {"after_close", after_close, WAY_TWICE},
    {"after_reset", after_reset, 0},
    {"after_shutdown", after_shutdown, 0},
    {0},
};

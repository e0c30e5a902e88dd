/* SPDX-License-Identifier: Apache-2.0 */
#include "situations.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 8192 };

static ssize_t take(struct test *t, const struct read_way *way, size_t size)
{
	char buffer[ROOM];
	ssize_t got;

	errno = ERRNO_UNTOUCHED;
	got = way->read(t->fd, buffer, size);
	note(t, "%s of %zu:", way->name, size);
	note_result(t, " ", got);
	note_bytes(t, buffer, got);
	return got;
}

/* More than there is, for a way that comes back with what there is. */
static void take_more(struct test *t, const struct read_way *way, size_t there)
{
	take(t, way, way->traits & WAY_FILLS ? there : there + 100);
}

static void blocking(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_SEND, 100, 1);
	take(t, way, 100);
	finish(t);
	client_sends(t, 70);
	take_more(t, way, 70);
	client_ends(t, STEP_HALF);
	take(t, way, 10);
	take(t, way, 10);
	CALL(t, write(t->fd, "ok", 2));
	client_receives(t, 2);
}

static void cold(struct test *t, const struct read_way *way)
{
	connect_cold(t, 0);
	begin(t, STEP_SEND, 100, 1);
	take(t, way, 100);
	finish(t);
	client_ends(t, STEP_CLOSE);
	take(t, way, 10);
}

static void pieces(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	client_sends_pieces(t, 100, 3);
	take(t, way, 250);
	take_more(t, way, 50);
	set_nonblocking(t->fd, true);
	take(t, way, 10);
}

static void large(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	client_sends(t, 40000);
	for (int i = 0; i < 4; i++)
		take(t, way, ROOM);
	take_more(t, way, 40000 - 4 * ROOM);
}

static void nonblocking(struct test *t, const struct read_way *way)
{
	connect_warm(t, SOCK_NONBLOCK);
	take(t, way, 10);
	client_sends(t, 300);
	take(t, way, 100);
	take(t, way, 100);
	take(t, way, 500);
	take(t, way, 100);
	client_ends(t, STEP_HALF);
	take(t, way, 100);
	take(t, way, 100);
}

static void nonblocking_cold(struct test *t, const struct read_way *way)
{
	connect_cold(t, SOCK_NONBLOCK);
	take(t, way, 10);
	begin(t, STEP_SEND, 100, 1);
	note_poll(t, POLLIN, 3000);
	take(t, way, 100);
	take(t, way, 100);
	finish(t);
}

static void polling(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	note_poll(t, POLLIN, 0);
	client_sends(t, 300);
	note_poll(t, POLLIN, 1000);
	take(t, way, 100);
	note_poll(t, POLLIN, 1000);
	take(t, way, 200);
	note_poll(t, POLLIN, 0);
	client_ends(t, STEP_HALF);
	note_poll(t, POLLIN | POLLRDHUP, 1000);
	take(t, way, 10);
	note_poll(t, POLLIN | POLLRDHUP, 0);
}

static void selecting(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	note_select(t, 0);
	client_sends(t, 300);
	note_select(t, 1000);
	take(t, way, 100);
	note_select(t, 1000);
	take(t, way, 200);
	note_select(t, 0);
	client_ends(t, STEP_HALF);
	note_select(t, 1000);
	take(t, way, 10);
	note_select(t, 0);
}

static void level(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLRDHUP);

	note_epoll(t, epoll, 0);
	client_sends(t, 300);
	note_epoll(t, epoll, 1000);
	take(t, way, 100);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 1000);
	take(t, way, 200);
	note_epoll(t, epoll, 0);
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	take(t, way, 10);
	client_ends(t, STEP_HALF);
	note_epoll(t, epoll, 1000);
	take(t, way, 10);
	note_epoll(t, epoll, 0);
	close(epoll);
}

static void edge(struct test *t, const struct read_way *way)
{
	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLRDHUP | EPOLLET);

	note_epoll(t, epoll, 0);
	client_sends(t, 300);
	note_epoll(t, epoll, 1000);
	take(t, way, 100);
	note_epoll(t, epoll, 0);
	client_sends(t, 50);
	note_epoll(t, epoll, 1000);
	take(t, way, 500);
	take(t, way, 10);
	note_epoll(t, epoll, 0);
	client_sends(t, 20);
	note_epoll(t, epoll, 1000);
	take(t, way, 20);
	client_ends(t, STEP_HALF);
	note_epoll(t, epoll, 1000);
	take(t, way, 10);
	note_epoll(t, epoll, 0);
	close(epoll);
}

static void oneshot(struct test *t, const struct read_way *way)
{
	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLONESHOT);

	client_sends(t, 100);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	take(t, way, 50);
	note_epoll(t, epoll, 0);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	note_epoll(t, epoll, 1000);
	take(t, way, 50);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	note_epoll(t, epoll, 0);
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	take(t, way, 10);
	close(epoll);
}

enum { IN = 200000, OUT = 150000 };

static void *write_all(void *argument)
{
	struct test *t = argument;
	const char *bytes = next_bytes(t, OUT);
	size_t done = 0;

	while (done < OUT) {
		const size_t piece = OUT - done < 3001 ? OUT - done : 3001;
		const ssize_t now = write(t->fd, bytes + done, piece);

		if (now <= 0)
			break;
		done += (size_t)now;
	}
	return NULL;
}

static void threaded(struct test *t, const struct read_way *way)
{
	uint64_t sum = SUM_BEGIN;
	size_t total = 0;
	char buffer[ROOM];
	pthread_t writer;
	struct answer answer;

	connect_warm(t, 0);
	begin(t, STEP_EXCHANGE, IN, OUT);
	if (pthread_create(&writer, NULL, write_all, t) != 0)
		return;
	while (total < IN) {
		const ssize_t got = way->read(t->fd, buffer, IN - total < 3000 ? IN - total : 3000);

		if (got < 0 && errno == EAGAIN && way->traits & WAY_NEVER_WAITS) {
			struct pollfd waiting = {.fd = t->fd, .events = POLLIN};

			poll(&waiting, 1, 1000);
			continue;
		}
		if (got <= 0) {
			note_result(t, "read", got);
			break;
		}
		sum = sum_of(sum, buffer, (size_t)got);
		total += (size_t)got;
	}
	pthread_join(writer, NULL);
	note(t, "read %zu, sum %016lx", total, sum);
	answer = finish(t);
	note_answer(t, "client", &answer);
}

static void timeout(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	set_timeout(t->fd, SO_RCVTIMEO, 30);
	long since = now_ms();
	take(t, way, 10);
	note_waited(t, since, 25);
	client_sends(t, 20);
	take(t, way, 50);
	since = now_ms();
	take(t, way, 10);
	note_waited(t, since, 25);
	set_timeout(t->fd, SO_RCVTIMEO, 0);
	begin(t, STEP_PAUSE, 40, 0);
	begin(t, STEP_SEND, 10, 1);
	take(t, way, 10);
	finish(t);
}

static void interrupted(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	catch_alarm(false);
	alarm_in(10);
	take(t, way, 10);
	alarm_in(0);
	client_sends(t, 20);
	alarm_in(10);
	take(t, way, 50);
	alarm_in(0);
	note(t, "alarms: %s", alarms_seen() > 0 ? "yes" : "no");
}

static void restarted(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	catch_alarm(true);
	alarm_in(5);
	begin(t, STEP_PAUSE, 30, 0);
	begin(t, STEP_SEND, 10, 1);
	take(t, way, 10);
	alarm_in(0);
	finish(t);
	note(t, "alarms: %s", alarms_seen() > 0 ? "yes" : "no");
}

static void reset(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	client_sends(t, 10);
	client_ends(t, STEP_ABORT);
	take(t, way, 10);
	take(t, way, 10);
	take(t, way, 10);
}

static void closed(struct test *t, const struct read_way *way)
{
	connect_warm(t, 0);
	client_sends(t, 60);
	client_ends(t, STEP_CLOSE);
	take(t, way, 50);
	take(t, way, 50);
	take(t, way, 50);
}

const struct reading readings[] = {
    {"blocking", blocking, WAY_NEVER_WAITS},
    {"cold", cold, WAY_NEVER_WAITS},
    {"pieces", pieces, 0},
    {"large", large, 0},
    {"nonblocking", nonblocking, 0},
    {"nonblocking_cold", nonblocking_cold, 0},
    {"poll", polling, 0},
    {"select", selecting, 0},
    {"level", level, 0},
    {"edge", edge, 0},
    {"oneshot", oneshot, 0},
    {"threaded", threaded, 0},
    {"timeout", timeout, WAY_NEVER_WAITS},
    {"interrupted", interrupted, WAY_NEVER_WAITS},
    {"restarted", restarted, WAY_NEVER_WAITS},
    {"reset", reset, 0},
    {"closed", closed, 0},
    {0},
};

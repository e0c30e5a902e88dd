/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll and select, beyond what every way of reading and writing meets.
 */
#include "situations.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[4096];

static void write_ready(struct test *t)
{
	connect_warm(t, 0);
	note_poll(t, POLLOUT, 0);
	note_poll(t, POLLIN | POLLOUT, 0);
	client_sends(t, 10);
	note_poll(t, POLLIN | POLLOUT, 0);
	note_poll(t, POLLOUT, 0);
	note_poll(t, 0, 0);
	note_poll(t, POLLPRI, 0);
	note_poll(t, POLLRDNORM | POLLWRNORM, 0);
	note_poll(t, POLLRDBAND | POLLWRBAND, 0);
}

/* Before a byte of the handshake was looked at: a server that speaks first may write at once. */
static void write_ready_cold(struct test *t)
{
	connect_cold(t, 0);
	note_poll(t, POLLOUT, 1000);
	CALL(t, write(t->fd, "hello", 5));
	client_receives_meanwhile(t, 5);
}

static void silence_cold(struct test *t)
{
	connect_cold(t, 0);
	/* the handshake is done in these, and none of its messages is anything to read */
	for (int i = 0; i < 5; i++)
		note_poll(t, POLLIN, 20);
	finish(t);
	note_poll(t, POLLIN, 20);
	client_sends(t, 10);
	note_poll(t, POLLIN, 1000);
	CALL(t, read(t->fd, buffer, 100));
}

static void poll_timeout(struct test *t)
{
	connect_warm(t, 0);
	long since = now_ms();
	note_poll(t, POLLIN, 30);
	note_waited(t, since, 29);
	since = now_ms();
	note(t, "%d", checked_ppoll(t->fd, POLLIN, 30));
	note_waited(t, since, 29);
	since = now_ms();
	note(t, "%d", checked_select(t->fd, 30));
	note_waited(t, since, 29);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_SEND, 10, 1);
	note_poll(t, POLLIN, -1);
	finish(t);
}

static void checked(struct test *t)
{
	connect_warm(t, 0);
	note(t, "%d %d %d", checked_poll(t->fd, POLLIN, 0), checked_ppoll(t->fd, POLLIN, 0), checked_select(t->fd, 0));
	client_sends(t, 10);
	note(t, "%d %d %d", checked_poll(t->fd, POLLIN, 1000), checked_ppoll(t->fd, POLLIN, 1000),
	     checked_select(t->fd, 1000));
	CALL(t, read(t->fd, buffer, 4));
	note(t, "%d %d %d", checked_poll(t->fd, POLLIN, 0), checked_ppoll(t->fd, POLLIN, 0), checked_select(t->fd, 0));
	CALL(t, read(t->fd, buffer, 6));
	note(t, "%d %d %d", checked_poll(t->fd, POLLIN, 0), checked_ppoll(t->fd, POLLIN, 0), checked_select(t->fd, 0));
}

/* Others beside it, before and after. */
static void mixed_set(struct test *t)
{
	int ends[2];
	char names[64];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	connect_warm(t, 0);
	struct pollfd set[] = {{.fd = ends[0], .events = POLLIN},
			       {.fd = -1, .events = POLLIN},
			       {.fd = t->fd, .events = POLLIN},
			       {.fd = 999, .events = POLLIN},
			       {.fd = t->fd, .events = POLLOUT}};
	for (int round = 0; round < 4; round++) {
		if (round == 1)
			client_sends(t, 20);
		if (round == 2 && write(ends[1], "x", 1) != 1)
			return;
		if (round == 3)
			CALL(t, read(t->fd, buffer, 20));
		CALL(t, poll(set, 5, 0));
		for (int i = 0; i < 5; i++)
			note(t, "  %s", event_names((unsigned short)set[i].revents, names));
	}
	close(ends[0]);
	close(ends[1]);
}

static void no_descriptors(struct test *t)
{
	struct pollfd set = {.fd = -1, .revents = 7};

	connect_warm(t, 0);
	CALL(t, poll(NULL, 0, 0));
	CALL(t, poll(&set, 1, 0));
	note(t, "%d", set.revents);
	CALL(t, select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 1000}));
}

static void select_sets(struct test *t)
{
	fd_set in, out, except;
	struct timeval limit = {.tv_sec = 1};

	connect_warm(t, 0);
	client_sends(t, 10);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(t->fd, &in);
	FD_SET(t->fd, &out);
	FD_SET(t->fd, &except);
	CALL(t, select(t->fd + 1, &in, &out, &except, &limit));
	note(t, "%d %d %d", !!FD_ISSET(t->fd, &in), !!FD_ISSET(t->fd, &out), !!FD_ISSET(t->fd, &except));
	note(t, "time is left: %d", limit.tv_sec == 0 && limit.tv_usec > 0);
	CALL(t, read(t->fd, buffer, 4));
	/* the rest is not the socket's any more */
	limit = (struct timeval){.tv_sec = 1};
	CALL(t, select(t->fd + 1, &in, NULL, NULL, &limit));
	note(t, "time is left: %d", limit.tv_sec == 0 && limit.tv_usec > 0);
	CALL(t, read(t->fd, buffer, 6));
	FD_SET(t->fd, &in);
	limit = (struct timeval){.tv_usec = 20000};
	CALL(t, select(t->fd + 1, &in, NULL, NULL, &limit));
	note(t, "%d, left %ld.%ld", !!FD_ISSET(t->fd, &in), limit.tv_sec, limit.tv_usec);
	/* descriptors from the first argument on are not looked at */
	FD_SET(t->fd, &in);
	CALL(t, select(t->fd, &in, NULL, NULL, &limit));
	CALL(t, select(-1, &in, NULL, NULL, &limit));
	FD_SET(t->fd, &in);
	FD_SET(999, &in);
	CALL(t, select(1000, &in, NULL, NULL, &limit));
	limit.tv_usec = -1;
	CALL(t, select(t->fd + 1, &in, NULL, NULL, &limit));
}

static void pselect_mask(struct test *t)
{
	sigset_t blocked, none;
	fd_set in;
	const struct timespec limit = {.tv_sec = 1};

	connect_warm(t, 0);
	catch_alarm(true);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	FD_ZERO(&in);
	FD_SET(t->fd, &in);
	CALL(t, pselect(t->fd + 1, &in, NULL, NULL, &limit, &none));
	note(t, "alarms %d", alarms_seen());
	client_sends(t, 10);
	FD_SET(t->fd, &in);
	CALL(t, pselect(t->fd + 1, &in, NULL, NULL, &limit, &blocked));
	note(t, "%d, limit %ld.%ld", !!FD_ISSET(t->fd, &in), limit.tv_sec, limit.tv_nsec);
}

static void ppoll_mask(struct test *t)
{
	sigset_t blocked, none, now;
	struct timespec limit = {.tv_sec = 1};

	connect_warm(t, 0);
	struct pollfd waiting = {.fd = t->fd, .events = POLLIN};
	catch_alarm(true);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	CALL(t, ppoll(&waiting, 1, &limit, &none));
	note(t, "alarms %d", alarms_seen());
	sigprocmask(SIG_BLOCK, NULL, &now);
	note(t, "blocked again: %d", sigismember(&now, SIGALRM));
	raise(SIGALRM);
	limit = (struct timespec){.tv_nsec = 10000000};
	CALL(t, ppoll(&waiting, 1, &limit, &blocked));
	note(t, "alarms %d", alarms_seen());
	limit.tv_nsec = -1;
	CALL(t, ppoll(&waiting, 1, &limit, NULL));
}

/* These end at every signal, whatever SA_RESTART says. */
static void interrupted(struct test *t)
{
	struct timeval limit = {.tv_sec = 2};
	fd_set in;

	connect_warm(t, 0);
	catch_alarm(true);
	alarm_in(10);
	note_poll(t, POLLIN, 2000);
	FD_ZERO(&in);
	FD_SET(t->fd, &in);
	CALL(t, select(t->fd + 1, &in, NULL, NULL, &limit));
	alarm_in(0);
	client_sends(t, 10);
	note_poll(t, POLLIN, 1000);
}

/* With SO_RCVTIMEO, SA_RESTART does not restart. */
static void interrupted_with_timeout(struct test *t)
{
	connect_warm(t, 0);
	catch_alarm(true);
	set_timeout(t->fd, SO_RCVTIMEO, 2000);
	alarm_in(10);
	CALL(t, read(t->fd, buffer, 10));
	alarm_in(0);
}

static void ends(struct test *t)
{
	connect_warm(t, 0);
	client_ends(t, STEP_HALF);
	note_poll(t, POLLIN, 1000);
	note_poll(t, POLLIN | POLLRDHUP, 1000);
	note_poll(t, POLLRDHUP, 1000);
	note_poll(t, POLLOUT, 1000);
	note_poll(t, 0, 0);
	note_select(t, 1000);
	CALL(t, shutdown(t->fd, SHUT_WR));
	note_poll(t, 0, 1000);
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 1000);
	note_select(t, 1000);
}

static void resets(struct test *t)
{
	connect_warm(t, 0);
	client_ends(t, STEP_ABORT);
	note_poll(t, 0, 1000);
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 1000);
	note_select(t, 1000);
	CALL(t, read(t->fd, buffer, 10));
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 1000);
}

static void own_shutdown(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, shutdown(t->fd, SHUT_WR));
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 0);
	CALL(t, shutdown(t->fd, SHUT_RD));
	note_poll(t, POLLIN | POLLOUT | POLLRDHUP, 1000);
}

static void *close_later(void *argument)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	shutdown(*(const int *)argument, SHUT_RDWR);
	return NULL;
}

/* As thread-per-connection servers are told to end. */
static void woken_by_shutdown(struct test *t)
{
	pthread_t other;

	connect_warm(t, 0);
	if (pthread_create(&other, NULL, close_later, &t->fd) != 0)
		return;
	CALL(t, read(t->fd, buffer, 10));
	pthread_join(other, NULL);
	client_reads_to_end(t);
}

static void poll_woken_by_shutdown(struct test *t)
{
	pthread_t other;

	connect_warm(t, 0);
	if (pthread_create(&other, NULL, close_later, &t->fd) != 0)
		return;
	struct pollfd waiting = {.fd = t->fd, .events = POLLIN};
	CALL(t, poll(&waiting, 1, 2000));
	note(t, "%d", (waiting.revents & POLLIN) != 0); /* POLLHUP may be a moment behind */
	pthread_join(other, NULL);
}

/* Two wait for one connection, and both are told. */
static void *poll_too(void *argument)
{
	struct pollfd waiting = {.fd = *(const int *)argument, .events = POLLIN};

	return (void *)(intptr_t)poll(&waiting, 1, 2000);
}

static void two_threads(struct test *t)
{
	pthread_t other;
	void *result = NULL;

	connect_warm(t, 0);
	if (pthread_create(&other, NULL, poll_too, &t->fd) != 0)
		return;
	begin(t, STEP_PAUSE, 10, 0);
	begin(t, STEP_SEND, 10, 1);
	note_poll(t, POLLIN, 2000);
	pthread_join(other, &result);
	note(t, "%ld", (long)(intptr_t)result);
	finish(t);
	CALL(t, read(t->fd, buffer, 10));
}

/* Of more descriptors than the sets are of, and than there are: what lies behind a set is neither read nor written. */
static void select_table_size(struct test *t)
{
	struct timeval limit = {0};
	struct {
		fd_set write, read;
		char behind[512];
	} sets;
	int other[2];

	connect_warm(t, 0);
	if (pipe(other) != 0)
		return;
	FD_ZERO(&sets.write);
	FD_ZERO(&sets.read);
	memset(sets.behind, 0xff, sizeof(sets.behind));
	FD_SET(t->fd, &sets.write);
	FD_SET(other[0], &sets.read);
	CALL(t, select(4096, &sets.read, &sets.write, NULL, &limit));
	note(t, "writable: %d, the pipe is readable: %d", FD_ISSET(t->fd, &sets.write) != 0,
	     FD_ISSET(other[0], &sets.read) != 0);
	close(other[0]);
	close(other[1]);
}

static _Atomic int rounds_read;
enum { ROUNDS = 500, ROUND = 100 };

static void *read_rounds(void *arg)
{
	const struct test *t = arg;
	char data[60];

	for (int left = ROUNDS * ROUND; left > 0;) {
		const int of_round = (left - 1) % ROUND + 1;
		const ssize_t got = read(t->fd, data, of_round < 60 ? (size_t)of_round : 60);
		if (got <= 0)
			break;
		left -= (int)got;
		if (left % ROUND == 0)
			atomic_fetch_add(&rounds_read, 1);
	}
	return NULL;
}

/* One thread blocks in read; another one asks in ways that do not wait what there is, and leaves it to the first. */
static void asker_beside_reader(struct test *t)
{
	pthread_t reader;
	int size;

	connect_warm(t, 0);
	atomic_store(&rounds_read, 0);
	if (pthread_create(&reader, NULL, read_rounds, t) != 0)
		return;
	for (int round = 0; round < ROUNDS; round++) {
		const long end = now_ms() + 2000;
		begin(t, STEP_SEND, ROUND, 1);
		while (atomic_load(&rounds_read) == round && now_ms() < end) {
			struct pollfd interest = {.fd = t->fd, .events = POLLIN};
			if (round % 3 == 0)
				recv(t->fd, buffer, 1, MSG_PEEK | MSG_DONTWAIT);
			else if (round % 3 == 1)
				ioctl(t->fd, FIONREAD, &size);
			else
				poll(&interest, 1, 10);
		}
		finish(t);
		if (atomic_load(&rounds_read) == round)
			break;
	}
	note(t, "read %d times", atomic_load(&rounds_read));
	shutdown(t->fd, SHUT_RD);
	pthread_join(reader, NULL);
}

const struct single singles_polling[] = {
    {"select_table_size", select_table_size},
    {"asker_beside_reader", asker_beside_reader},
    {"write_ready", write_ready},
    {"write_ready_cold", write_ready_cold},
    {"silence_cold", silence_cold},
    {"poll_timeout", poll_timeout},
    {"poll_checked", checked},
    {"poll_mixed_set", mixed_set},
    {"poll_no_descriptors", no_descriptors},
    {"select_sets", select_sets},
    {"pselect_mask", pselect_mask},
    {"ppoll_mask", ppoll_mask},
    {"poll_interrupted", interrupted},
    {"read_interrupted_with_timeout", interrupted_with_timeout},
    {"poll_ends", ends},
    {"poll_resets", resets},
    {"poll_own_shutdown", own_shutdown},
    {"woken_by_shutdown", woken_by_shutdown},
    {"poll_woken_by_shutdown", poll_woken_by_shutdown},
    {"poll_two_threads", two_threads},
    {0},
};

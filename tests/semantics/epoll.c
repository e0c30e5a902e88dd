/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll, beyond what every way of reading and writing meets.
 */
#include "situations.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char buffer[4096];

static void registering(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	register_epoll(t, epoll, EPOLL_CTL_ADD, EPOLLIN);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLOUT);
	note_epoll(t, epoll, 1000);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_DEL, t->fd, NULL));
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_DEL, t->fd, NULL));
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN);
	register_epoll(t, epoll, 77, EPOLLIN);
	note_epoll(t, epoll, 0);
	client_sends(t, 10);
	register_epoll(t, epoll, EPOLL_CTL_ADD, EPOLLIN);
	note_epoll(t, epoll, 1000);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_DEL, t->fd, &(struct epoll_event){0}));
	note_epoll(t, epoll, 0);
	close(epoll);
}

static void wrong_arguments(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN};
	volatile int less_than_none = -1;

	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event));
	CALL(t, epoll_ctl(t->fd, EPOLL_CTL_ADD, epoll, &event));
	CALL(t, epoll_ctl(-1, EPOLL_CTL_ADD, t->fd, &event));
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, 999, &event));
	CALL(t, epoll_wait(epoll, &event, 0, 0));
	CALL(t, epoll_wait(epoll, &event, less_than_none, 0));
	CALL(t, epoll_wait(t->fd, &event, 1, 0));
	CALL(t, epoll_wait(999, &event, 1, 0));
	close(epoll);
	CALL(t, epoll_wait(epoll, &event, 1, 0));
}

static void modified(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, 0);
	client_sends(t, 10);
	note_epoll(t, epoll, 20);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN);
	note_epoll(t, epoll, 1000);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	note_epoll(t, epoll, 1000);
	register_epoll(t, epoll, EPOLL_CTL_MOD, 0);
	note_epoll(t, epoll, 0);
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	/* a change of an edge-triggered one tells again */
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 4));
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 6));
	register_epoll(t, epoll, EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
	note_epoll(t, epoll, 0);
	close(epoll);
}

static void other_data(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = 42};
	int place;

	connect_warm(t, 0);
	const int epoll = epoll_create(1);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &event));
	note(t, "left alone: %x %d", event.events, event.data.fd);
	client_sends(t, 10);
	CALL(t, epoll_wait(epoll, &event, 1, 1000));
	note(t, "%d", event.data.fd);
	event.data.ptr = &place;
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_MOD, t->fd, &event));
	CALL(t, epoll_wait(epoll, &event, 1, 1000));
	note(t, "%d", event.data.ptr == &place);
	close(epoll);
}

static void silence_cold(struct test *t)
{
	connect_cold(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLRDHUP);
	for (int i = 0; i < 4; i++)
		note_epoll(t, epoll, 20);
	finish(t);
	note_epoll(t, epoll, 20);
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	close(epoll);
}

static void silence_cold_edge(struct test *t)
{
	connect_cold(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLET | EPOLLRDHUP);
	for (int i = 0; i < 4; i++)
		note_epoll(t, epoll, 20);
	finish(t);
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	CALL(t, read(t->fd, buffer, 100));
	close(epoll);
}

/* As nginx registers at once: both directions, edge-triggered, before anything came. */
static void both_edges(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "answer", 6));
	client_receives(t, 6);
	client_sends(t, 20);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 100));
	client_ends(t, STEP_HALF);
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	close(epoll);
}

/* Not read to EAGAIN: more than what one record holds stays behind. */
static void edge_large(struct test *t)
{
	static char large[40000];

	connect_warm(t, SOCK_NONBLOCK);
	const int epoll = new_epoll(t, EPOLLIN | EPOLLET);
	client_sends(t, 40000);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, large, 100));
	note_epoll(t, epoll, 0);
	CALL(t, read(t->fd, large, 20000));
	note_epoll(t, epoll, 0);
	CALL(t, read(t->fd, large, 40000));
	note_epoll(t, epoll, 0);
	client_sends(t, 1);
	note_epoll(t, epoll, 1000);
	close(epoll);
}

static void exclusive(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = 5};

	connect_warm(t, 0);
	const int epoll = epoll_create1(0);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &event));
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 4));
	note_epoll(t, epoll, 1000);
	event.events = EPOLLIN;
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_MOD, t->fd, &event));
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_DEL, t->fd, NULL));
	event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &event));
	event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &event));
	note_epoll(t, epoll, 1000);
	note_epoll(t, epoll, 0);
	close(epoll);
}

/* An epoll in an epoll, in poll, and in select: readable where the inner one has an event. */
static void nested(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = 9};

	connect_warm(t, 0);
	const int inner = new_epoll(t, EPOLLIN), outer = epoll_create1(0);
	struct pollfd waiting = {.fd = inner, .events = POLLIN};
	CALL(t, epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	note_epoll(t, outer, 0);
	CALL(t, poll(&waiting, 1, 0));
	client_sends(t, 10);
	note_epoll(t, outer, 1000);
	CALL(t, poll(&waiting, 1, 1000));
	note_epoll(t, inner, 1000);
	CALL(t, read(t->fd, buffer, 4));
	/* what is left is nowhere but with us */
	note_epoll(t, outer, 1000);
	CALL(t, poll(&waiting, 1, 1000));
	note_epoll(t, inner, 1000);
	CALL(t, read(t->fd, buffer, 6));
	note_epoll(t, outer, 0);
	note_epoll(t, inner, 0);
	CALL(t, poll(&waiting, 1, 0));
	close(inner);
	close(outer);
}

static void nested_cold(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = 9};

	connect_cold(t, SOCK_NONBLOCK);
	const int inner = new_epoll(t, EPOLLIN), outer = epoll_create1(0);
	CALL(t, epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	begin(t, STEP_SEND, 10, 1);
	/* where the outer one tells of the handshake, the inner one has nothing to say, and the server waits again */
	for (int i = 0; i < 100; i++) {
		struct epoll_event got;

		if (epoll_wait(outer, &got, 1, 1000) == 1 && epoll_wait(inner, &got, 1, 0) == 1)
			break;
	}
	CALL(t, read(t->fd, buffer, 100));
	finish(t);
	close(inner);
	close(outer);
}

static void two_instances(struct test *t)
{
	connect_warm(t, 0);
	const int first = new_epoll(t, EPOLLIN), second = new_epoll(t, EPOLLIN | EPOLLET);
	client_sends(t, 10);
	note_epoll(t, first, 1000);
	note_epoll(t, second, 1000);
	note_epoll(t, second, 0);
	CALL(t, read(t->fd, buffer, 4));
	note_epoll(t, first, 1000);
	note_epoll(t, second, 0);
	CALL(t, read(t->fd, buffer, 6));
	note_epoll(t, first, 0);
	close(first);
	close(second);
}

static void closed_goes(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	client_sends(t, 10);
	CALL(t, close(t->fd));
	note_epoll(t, epoll, 20);
	close(epoll);
}

/* The registration belongs to the open file: a copy keeps it, under the old number's data. */
static void copy_keeps_it(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN), copy = dup(t->fd);
	client_sends(t, 10);
	CALL(t, close(t->fd));
	note_epoll(t, epoll, 1000);
	CALL(t, read(copy, buffer, 10));
	note_epoll(t, epoll, 0);
	CALL(t, close(copy));
	note_epoll(t, epoll, 0);
	close(epoll);
}

static void copy_too(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};

	connect_warm(t, 0);
	const int copy = dup(t->fd), epoll = epoll_create1(0);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &event));
	client_sends(t, 10);
	note_epoll(t, epoll, 1000);
	CALL(t, read(t->fd, buffer, 4));
	note_epoll(t, epoll, 1000);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_DEL, copy, NULL));
	note_epoll(t, epoll, 0);
	close(epoll);
	close(copy);
}

static void many_events(struct test *t)
{
	struct epoll_event events[3], event = {.events = EPOLLIN, .data.u64 = 1};
	int ends[2], seen[3] = {0};

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	event.events = EPOLLOUT;
	CALL(t, epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event));
	client_sends(t, 10);
	if (write(ends[1], "x", 1) != 1)
		return;
	CALL(t, epoll_wait(epoll, events, 3, 1000));
	/* one at a time: each gets its turn */
	for (int i = 0; i < 6; i++)
		if (epoll_wait(epoll, events, 1, 1000) == 1)
			seen[events[0].data.u64 == 1 ? (events[0].events & EPOLLIN ? 0 : 1) : 2]++;
	note(t, "%d %d %d", seen[0] > 0, seen[1] > 0, seen[2] > 0);
	CALL(t, read(t->fd, buffer, 4));
	CALL(t, epoll_wait(epoll, events, 3, 1000));
	CALL(t, read(t->fd, buffer, 6));
	CALL(t, epoll_wait(epoll, events, 3, 1000));
	close(epoll);
	close(ends[0]);
	close(ends[1]);
}

static void waits(struct test *t)
{
	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	long since = now_ms();
	note_epoll(t, epoll, 30);
	note_waited(t, since, 29);
	begin(t, STEP_PAUSE, 20, 0);
	begin(t, STEP_SEND, 10, 1);
	note_epoll(t, epoll, -1);
	finish(t);
	close(epoll);
}

static void pwait(struct test *t)
{
	struct epoll_event event;
	sigset_t blocked, none;
	const struct timespec limit = {.tv_nsec = 20000000};

	connect_warm(t, 0);
	const int epoll = new_epoll(t, EPOLLIN);
	catch_alarm(true);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGALRM);
	CALL(t, epoll_pwait(epoll, &event, 1, 1000, &none));
	note(t, "alarms %d", alarms_seen());
	CALL(t, epoll_pwait2(epoll, &event, 1, &limit, &blocked));
	client_sends(t, 10);
	CALL(t, epoll_pwait2(epoll, &event, 1, &limit, NULL));
	CALL(t, epoll_pwait(epoll, &event, 1, 1000, NULL));
	alarm_in(10);
	sigprocmask(SIG_SETMASK, &none, NULL);
	CALL(t, read(t->fd, buffer, 10));
	CALL(t, epoll_wait(epoll, &event, 1, 2000));
	alarm_in(0);
	close(epoll);
}

static void ends(struct test *t)
{
	connect_warm(t, 0);
	const int level = new_epoll(t, EPOLLIN), hangs = new_epoll(t, EPOLLRDHUP), none = new_epoll(t, 0);
	client_ends(t, STEP_HALF);
	note_epoll(t, level, 1000);
	note_epoll(t, hangs, 1000);
	note_epoll(t, none, 0);
	CALL(t, shutdown(t->fd, SHUT_WR));
	note_epoll(t, level, 1000);
	note_epoll(t, none, 1000);
	close(level);
	close(hangs);
	close(none);
}

static void resets(struct test *t)
{
	connect_warm(t, 0);
	const int level = new_epoll(t, EPOLLIN | EPOLLOUT | EPOLLRDHUP), edge = new_epoll(t, EPOLLET),
		  none = new_epoll(t, 0);
	client_ends(t, STEP_ABORT);
	note_epoll(t, level, 1000);
	note_epoll(t, none, 1000);
	note_epoll(t, edge, 1000);
	note_epoll(t, edge, 0);
	CALL(t, read(t->fd, buffer, 10));
	note_epoll(t, level, 1000);
	close(level);
	close(edge);
	close(none);
}

static void *send_later(void *argument)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	struct test *t = argument;

	nanosleep(&pause, NULL);
	register_epoll(t, (int)t->port, EPOLL_CTL_MOD, EPOLLIN);
	return NULL;
}

/* Another thread turns the registration on, while one waits. */
static void armed_by_another(struct test *t)
{
	pthread_t other;

	connect_warm(t, 0);
	const int epoll = new_epoll(t, 0);
	client_sends(t, 10);
	t->port = epoll;
	if (pthread_create(&other, NULL, send_later, t) != 0)
		return;
	struct epoll_event event = {0};
	const int count = epoll_wait(epoll, &event, 1, 2000);
	pthread_join(other, NULL);
	note(t, "%d events %x", count, event.events);
	close(epoll);
}

/* Registered by one thread while data of an earlier record is held already. */
static void registered_late(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 100);
	CALL(t, read(t->fd, buffer, 30));
	const int level = new_epoll(t, EPOLLIN), edge = new_epoll(t, EPOLLIN | EPOLLET);
	note_epoll(t, level, 1000);
	note_epoll(t, edge, 1000);
	note_epoll(t, edge, 0);
	CALL(t, read(t->fd, buffer, 70));
	note_epoll(t, level, 0);
	close(level);
	close(edge);
}

/* Asking how much there is takes it out of the socket. */
static void asked_before(struct test *t)
{
	int size = -1;

	connect_warm(t, SOCK_NONBLOCK);
	const int level = new_epoll(t, EPOLLIN), edge = new_epoll(t, EPOLLIN | EPOLLET);
	client_sends(t, 100);
	CALL(t, ioctl(t->fd, FIONREAD, &size));
	note(t, "%d", size);
	note_epoll(t, level, 1000);
	note_epoll(t, edge, 1000);
	client_sends(t, 100);
	CALL(t, recv(t->fd, buffer, 10, MSG_PEEK));
	note_epoll(t, level, 1000);
	note_epoll(t, edge, 1000);
	client_sends(t, 100);
	note_poll(t, POLLIN, 1000);
	note_epoll(t, level, 1000);
	note_epoll(t, edge, 1000);
	close(level);
	close(edge);
}

/* By number, past the C library's functions; newer architectures have the later calls alone. */
static long wait_by_number(int epoll, struct epoll_event *event, int timeout)
{
#ifdef SYS_epoll_wait
	return syscall(SYS_epoll_wait, epoll, event, 1, timeout);
#else
	return syscall(SYS_epoll_pwait, epoll, event, 1, timeout, NULL, 8);
#endif
}

static long poll_by_number(struct pollfd *interest, int timeout)
{
#ifdef SYS_poll
	return syscall(SYS_poll, interest, 1, timeout);
#else
	const struct timespec limit = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000};

	return syscall(SYS_ppoll, interest, 1, &limit, NULL, 8);
#endif
}

/* Without `limit` for as long as it takes. */
static long select_by_number(int count, fd_set *set, struct timeval *limit)
{
#ifdef SYS_select
	return syscall(SYS_select, count, set, NULL, NULL, limit);
#else
	const struct timespec none = {0};

	return syscall(SYS_pselect6, count, set, NULL, NULL, limit == NULL ? NULL : &none, NULL);
#endif
}

static void by_number(struct test *t)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 4242};
	struct pollfd interest = {.events = POLLIN};
	struct timespec none = {0};
	struct timeval nothing = {0};
	fd_set set;

	connect_warm(t, 0);
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	interest.fd = t->fd;
	FD_ZERO(&set);
	FD_SET(t->fd, &set);
	CALL(t, syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, t->fd, &event));
	CALL(t, wait_by_number(epoll, &event, 0));
	CALL(t, syscall(SYS_ppoll, &interest, 1, &none, NULL, 8));
	CALL(t, select_by_number(t->fd + 1, &set, &nothing));
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 4)); /* what is left is in TLS */
	for (int i = 0; i < 3; i++) {
		event = (struct epoll_event){0};
		CALL(t, i == 0   ? wait_by_number(epoll, &event, 1000)
			: i == 1 ? syscall(SYS_epoll_pwait, epoll, &event, 1, 1000, NULL, 8)
				 : syscall(SYS_epoll_pwait2, epoll, &event, 1, NULL, NULL, 8));
		note(t, "%x %lu", event.events, (unsigned long)event.data.u64);
	}
	CALL(t, poll_by_number(&interest, 1000));
	CALL(t, syscall(SYS_ppoll, &interest, 1, NULL, NULL, 8));
	FD_SET(t->fd, &set);
	CALL(t, select_by_number(t->fd + 1, &set, NULL));
	CALL(t, syscall(SYS_pselect6, t->fd + 1, &set, NULL, NULL, NULL, NULL));
	CALL(t, FD_ISSET(t->fd, &set) ? 1 : 0);
	CALL(t, syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_DEL, t->fd, NULL));
	CALL(t, wait_by_number(epoll, &event, 0));
	close(epoll);
}

const struct single singles_epoll[] = {
    {"epoll_by_number", by_number},
    {"epoll_registering", registering},
    {"epoll_wrong_arguments", wrong_arguments},
    {"epoll_modified", modified},
    {"epoll_other_data", other_data},
    {"epoll_silence_cold", silence_cold},
    {"epoll_silence_cold_edge", silence_cold_edge},
    {"epoll_both_edges", both_edges},
    {"epoll_edge_large", edge_large},
    {"epoll_exclusive", exclusive},
    {"epoll_nested", nested},
    {"epoll_nested_cold", nested_cold},
    {"epoll_two_instances", two_instances},
    {"epoll_closed_goes", closed_goes},
    {"epoll_copy_keeps_it", copy_keeps_it},
    {"epoll_copy_too", copy_too},
    {"epoll_many_events", many_events},
    {"epoll_waits", waits},
    {"epoll_pwait", pwait},
    {"epoll_ends", ends},
    {"epoll_resets", resets},
    {"epoll_armed_by_another", armed_by_another},
    {"epoll_asked_before", asked_before},
    {"epoll_registered_late", registered_late},
    {0},
};

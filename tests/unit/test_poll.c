/* SPDX-License-Identifier: Apache-2.0 */
/* poll(2), select(2) and the wait of a blocking call, on streams. */
#include "fake_stream.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/waiting/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 200 /* more than fits the stack */

static struct fake fake;
static int ready, idle; /* descriptors that are no streams */

static int set_up(void **state)
{
	(void)state;
	fake_start();
	fake_is_another_process = false;
	fake = fake_new();
	ready = eventfd(1, EFD_CLOEXEC);
	idle = eventfd(0, EFD_CLOEXEC);
	return ready < 0 || idle < 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_free(&fake);
	close(ready);
	return close(idle);
}

static int poll_all(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct tg_poll_call call = {.fds = fds, .count = count, .milliseconds = timeout};

	return tg_poll(&call);
}

static short reported(short events)
{
	struct pollfd interest[] = {
	    {.fd = idle, .events = POLLIN}, {.fd = fake.fd, .events = events, .revents = 99}, {.fd = -1}};
	int r = poll_all(interest, 3, 0);

	assert_int_equal(r, interest[1].revents != 0);
	assert_int_equal(interest[0].revents | interest[2].revents, 0);
	return interest[1].revents;
}

static void read_some(int size, int expected)
{
	char data[64];

	assert_int_equal(fake_read(&fake, data, size), expected);
}

static void test_poll(void **state)
{
	(void)state;
	assert_int_equal(reported(POLLIN | POLLOUT), POLLOUT);
	fake_send(&fake, "hh");
	assert_int_equal(reported(POLLIN), 0);
	fake_send(&fake, "hh.");
	assert_int_equal(reported(POLLIN), 0);
	assert_int_equal(reported(POLLIN | POLLOUT), POLLOUT);
	fake_send(&fake, "dadb");
	assert_int_equal(reported(POLLIN), POLLIN);
	read_some(1, 1);
	assert_int_equal(reported(POLLIN | POLLRDNORM | POLLWRNORM), POLLIN | POLLRDNORM | POLLWRNORM);
	read_some(1, 1);
	assert_int_equal(reported(POLLIN), 0);
	assert_int_equal(fake_write(&fake, 8 << 20), 8 << 20);
	assert_int_equal(reported(POLLIN | POLLOUT), 0);
	assert_int_equal(shutdown(fake.peer, SHUT_WR), 0);
	assert_int_equal(reported(POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
}

static void test_poll_of_others(void **state)
{
	struct pollfd interest[] = {{.fd = ready, .events = POLLIN}, {.fd = fake.fd, .events = POLLIN}, {.fd = 4000}};
	(void)state;

	fake_send(&fake, "hh");
	assert_int_equal(poll_all(interest, 3, -1), 2);
	assert_int_equal(interest[0].revents, POLLIN);
	assert_int_equal(interest[1].revents, 0);
	assert_int_equal(interest[2].revents, POLLNVAL);
	fake_send(&fake, "hhda");
	assert_int_equal(poll_all(interest, 3, -1), 3);
	assert_int_equal(interest[1].revents, POLLIN);
	/* A number that is still known, and closed behind our back. */
	int fd = fake_duplicate(&fake, -1);
	close(fd);
	interest[0].fd = fd;
	assert_int_equal(poll_all(interest, 1, -1), 1);
	assert_int_equal(interest[0].revents, POLLNVAL);
	assert_int_equal(dup2(fake.fd, fd), fd);
	fake_close(fd);
}

static void test_poll_many(void **state)
{
	struct pollfd interest[MANY];
	(void)state;

	for (int i = 0; i < MANY; i++)
		interest[i] = (struct pollfd){.fd = i == MANY - 1 ? fake.fd : idle, .events = POLLIN};
	fake_send(&fake, "hhhh");
	assert_int_equal(poll_all(interest, MANY, 0), 0);
	fake_send(&fake, "da");
	assert_int_equal(poll_all(interest, MANY, -1), 1);
	assert_int_equal(interest[MANY - 1].revents, POLLIN);
}

static void test_poll_timeout(void **state)
{
	struct pollfd interest = {.fd = fake.fd, .events = POLLIN};
	const struct timespec timeout = {.tv_nsec = 20000000}, wrong = {.tv_nsec = 1000000000};
	struct tg_poll_call call = {.fds = &interest, .count = 1, .is_ppoll = true, .timeout = &timeout};
	int64_t begin = tg_clock_now();
	(void)state;

	fake_send(&fake, "h");
	assert_int_equal(poll_all(&interest, 1, 20), 0);
	assert_true(tg_clock_now() - begin >= 19);
	fake_send(&fake, "h");
	begin = tg_clock_now();
	assert_int_equal(tg_poll(&call), 0);
	assert_true(tg_clock_now() - begin >= 19);
	call.timeout = &wrong;
	assert_int_equal(tg_poll(&call), -1);
	assert_int_equal(errno, EINVAL);
}

static void test_deadline(void **state)
{
	struct pollfd interest = {.fd = fake.fd};
	fd_set set;
	struct tg_select_call call = {.count = fake.fd + 1, .sets = {&set, NULL, NULL}};
	(void)state;

	fake_set_deadline(&fake, tg_clock_now() + 20);
	assert_int_equal(poll_all(&interest, 1, -1), 1);
	assert_int_equal(interest.revents, POLLERR | POLLHUP);
	struct fake other = fake_new();
	fake_set_deadline(&other, tg_clock_now() + 20);
	FD_ZERO(&set);
	FD_SET(other.fd, &set);
	call.count = other.fd + 1;
	assert_int_equal(tg_select(&call), 1);
	assert_true(FD_ISSET(other.fd, &set));
	fake_free(&other);
}

static void test_another_process(void **state)
{
	(void)state;
	assert_int_equal(reported(POLLIN), 0);
	fake_is_another_process = true;
	fake_send(&fake, "h");
	assert_int_equal(reported(POLLIN), POLLIN);
}

static void on_signal(int number)
{
	(void)number;
}

static void test_mask(void **state)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct pollfd interest = {.fd = fake.fd, .events = POLLIN};
	fd_set set;
	sigset_t usr1, none;
	const struct tg_poll_call call = {.fds = &interest, .count = 1, .is_ppoll = true, .mask = &none};
	const struct tg_select_call other = {
	    .count = fake.fd + 1, .sets = {NULL, NULL, &set}, .is_pselect = true, .mask = &none};
	(void)state;

	FD_ZERO(&set);
	FD_SET(fake.fd, &set);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	raise(SIGUSR1);
	assert_int_equal(reported(POLLIN), 0);
	assert_int_equal(tg_poll(&call), -1);
	assert_int_equal(errno, EINTR);
	raise(SIGUSR1);
	assert_int_equal(tg_select(&other), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &usr1, NULL), 0);
}

/* Bits of what is ready: 1 to read, 2 to write. `limit` in milliseconds. */
static int selected(bool reads, bool writes, int limit)
{
	fd_set read, write, exception;
	struct timeval left = {.tv_usec = limit * 1000};
	const struct tg_select_call call = {.count = fake.fd + 1,
					    .sets = {reads ? &read : NULL, writes ? &write : NULL, &exception},
					    .limit = limit < 0 ? NULL : &left};

	FD_ZERO(&read);
	FD_ZERO(&write);
	FD_ZERO(&exception);
	FD_SET(fake.fd, &read);
	FD_SET(fake.fd, &write);
	FD_SET(fake.fd, &exception);
	int r = tg_select(&call);
	int ret = (reads && FD_ISSET(fake.fd, &read) ? 1 : 0) | (writes && FD_ISSET(fake.fd, &write) ? 2 : 0);
	assert_int_equal(r, (ret & 1) + (ret >> 1));
	assert_false(FD_ISSET(fake.fd, &exception));
	assert_true(left.tv_usec <= limit * 1000 || limit < 0);
	return ret;
}

static void test_select(void **state)
{
	(void)state;
	assert_int_equal(selected(true, true, -1), 2);
	assert_int_equal(fake_write(&fake, 9), 9);
	assert_int_equal(selected(true, true, 0), 0);
	fake_send(&fake, "hhh");
	assert_int_equal(selected(false, true, 0), 0);
	fake_send(&fake, "h");
	assert_int_equal(selected(false, true, -1), 2);
	assert_int_equal(selected(true, false, 0), 0);
	fake_send(&fake, "dadb");
	assert_int_equal(selected(true, false, -1), 1);
	read_some(1, 1);
	assert_int_equal(selected(true, true, -1), 3);
	read_some(1, 1);
	assert_int_equal(selected(true, false, 10), 0);
	assert_int_equal(selected(true, true, 1500), 2); /* in microseconds alone */
	fake_send(&fake, "x");
	assert_int_equal(selected(true, true, -1), 3);
}

static void test_select_of_others(void **state)
{
	fd_set read;
	struct timeval left = {.tv_sec = 1000}, wrong = {.tv_usec = -1};
	struct tg_select_call call = {.count = FD_SETSIZE, .sets = {&read, NULL, NULL}, .limit = &left};
	(void)state;

	FD_ZERO(&read);
	FD_SET(ready, &read);
	FD_SET(idle, &read);
	FD_SET(fake.fd, &read);
	fake_send(&fake, "hhhhda");
	assert_int_equal(tg_select(&call), 2);
	assert_true(FD_ISSET(ready, &read) && FD_ISSET(fake.fd, &read) && !FD_ISSET(idle, &read));
	assert_true(left.tv_sec == 999 || left.tv_sec == 1000);
	/* A set with a closed descriptor is left as it is. */
	int closed = dup(idle);
	close(closed);
	FD_SET(closed, &read);
	assert_int_equal(tg_select(&call), -1);
	assert_int_equal(errno, EBADF);
	assert_true(FD_ISSET(ready, &read) && FD_ISSET(fake.fd, &read) && FD_ISSET(closed, &read));
	FD_CLR(closed, &read);
	FD_SET(FD_SETSIZE - 1, &read); /* beyond all that the process has open: not looked at */
	assert_int_equal(tg_select(&call), 2);
	call.limit = &wrong;
	assert_int_equal(tg_select(&call), -1);
	assert_int_equal(errno, EINVAL);
	call.count = -1;
	assert_int_equal(tg_select(&call), -1);
	assert_int_equal(errno, EINVAL);
}

/* Servers with more connections than FD_SETSIZE have sets of their own. */
static void test_select_beyond_its_size(void **state)
{
	unsigned long *set = calloc(4096 / (8 * sizeof(*set)), sizeof(*set));
	const struct tg_select_call call = {.count = 4096, .sets = {(fd_set *)(void *)set, NULL, NULL}};
	(void)state;

	assert_non_null(set);
	int high = fake_duplicate(&fake, 3000);
	set[3000 / (8 * sizeof(*set))] |= 1UL << (3000 % (8 * sizeof(*set)));
	fake_send(&fake, "hhhhda");
	assert_int_equal(tg_select(&call), 1);
	assert_true(set[3000 / (8 * sizeof(*set))] == 1UL << (3000 % (8 * sizeof(*set))));
	fake_close(high);
	free(set);
}

static bool is_plain(int fd)
{
	struct pollfd one = {.fd = fd};
	unsigned long set[4096 / TG_FD_BITMAP_WORD_BITS] = {0};
	const fd_set *members = (const fd_set *)(const void *)set;

	/* Beyond an fd_set's size it has to be found out how far the kernel looks. */
	const int count = fd < FD_SETSIZE ? FD_SETSIZE : 4096;
	set[fd / TG_FD_BITMAP_WORD_BITS] |= 1UL << (fd % TG_FD_BITMAP_WORD_BITS);
	bool plain = tg_poll_is_plain(&one, 1);
	assert_int_equal(tg_select_is_plain(count, members, NULL), plain);
	assert_int_equal(tg_select_is_plain(count, NULL, members), plain);
	return plain;
}

/* Calls that concern no stream are told by one look. */
static void test_plain(void **state)
{
	const int fd = fake.fd;
	struct pollfd none = {.fd = -1};
	const void *volatile nowhere = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)state;

	int epoll = epoll_create1(EPOLL_CLOEXEC), other = dup(epoll);
	int high = fake_duplicate(&fake, 3008);
	assert_non_null(tg_epoll_get(epoll));
	assert_true(tg_poll_is_plain(&none, 1) && tg_poll_is_plain(NULL, 0) && tg_select_is_plain(FD_SETSIZE, NULL, NULL));
	assert_true(is_plain(ready) && is_plain(idle) && is_plain(other));

	/* Of a set the kernel looks no further than it is told to. */
	fd_set members;
	FD_ZERO(&members);
	int even = fake_duplicate(&fake, 128);
	FD_SET(even, &members);
	assert_true(tg_select_is_plain(even, &members, &members));
	assert_false(tg_select_is_plain(even + 1, &members, NULL));
	fake_close(even);

	assert_false(is_plain(fd) || is_plain(high) || is_plain(epoll));
	tg_epoll_duplicated(epoll, other);
	assert_false(is_plain(other));
	tg_epoll_forget(other);
	tg_epoll_forget(epoll);
	assert_true(is_plain(other) && is_plain(epoll));
	fake_close(fd);
	assert_true(is_plain(fd));
	assert_false(is_plain(high));
	/* With the last stream nobody looks at what the server passes. */
	fake_close(high);
	assert_true(tg_poll_is_plain(nowhere, 1));
	assert_true(tg_select_is_plain(8, nowhere, NULL));
	munmap((void *)(uintptr_t)nowhere, 1);
	close(epoll);
	close(other);
}

static void test_wait(void **state)
{
	(void)state;
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, tg_clock_now() + 10), -1);
	assert_int_equal(errno, EAGAIN);
	fake_send(&fake, "hhhh");
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, tg_clock_now() + 10), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tg_readiness_wait(fake.stream, POLLOUT, INT64_MAX), 0);
	fake_send(&fake, "dadb");
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, INT64_MAX), 0);
	read_some(1, 1);
	errno = 77;
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, INT64_MAX), 0);
	assert_int_equal(errno, 77);
	assert_int_equal(fake_write(&fake, 8 << 20), 8 << 20);
	assert_int_equal(tg_readiness_wait(fake.stream, POLLOUT, tg_clock_now() + 10), 0); /* the write is asked again */
	struct fake silent = fake_new();
	fake_set_deadline(&silent, tg_clock_now() + 20);
	assert_int_equal(tg_readiness_wait(silent.stream, POLLIN, INT64_MAX), 0);
	fake_free(&silent);
}

static atomic_int behind;

/* As a call that may block does it. */
static void *read_one(void *arg)
{
	char byte;

	(void)arg;
	while (!tg_readiness_take_turn(fake.stream)) {
		behind++;
		assert_int_equal(tg_readiness_wait_behind(fake.stream, INT64_MAX), 0);
		behind--;
	}
	assert_true(tg_readiness_has_turn(fake.stream));
	while (fake_read(&fake, &byte, 1) != 1)
		assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, INT64_MAX), 0);
	tg_readiness_give_turn(fake.stream);
	return NULL;
}

/* What one of them leaves is for the others, though the socket says no more. */
static void test_wait_of_several(void **state)
{
	pthread_t threads[4];
	(void)state;

	fake_send(&fake, "hhhh");
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, tg_clock_now() + 1), -1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_one, NULL), 0);
	while (behind < 3)
		usleep(1000);
	assert_int_equal(tg_readiness_wait_behind(fake.stream, tg_clock_now()), -1);
	assert_int_equal(errno, EAGAIN);
	fake_send(&fake, "dadbdcdd");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(tg_readiness_wait_behind(fake.stream, INT64_MAX), 0);
}

static void set_handler(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
}

static void *send_after_signals(void *arg)
{
	(void)arg;
	usleep(50000);
	fake_send(&fake, "da");
	return NULL;
}

/* As a read of the server's own would: SA_RESTART is heeded where no timeout is set. */
static void test_wait_and_signals(void **state)
{
	struct itimerval timer = {.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000}, none = {0};
	sigset_t alarms;
	pthread_t thread;
	(void)state;

	fake_send(&fake, "hhhh");
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, tg_clock_now() + 1), -1);
	set_handler(0);
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, INT64_MAX), -1);
	assert_int_equal(errno, EINTR);
	set_handler(SA_RESTART);
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, tg_clock_now() + 1000000), -1);
	assert_int_equal(errno, EINTR);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarms, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_after_signals, NULL), 0);
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL), 0);
	assert_int_equal(tg_readiness_wait(fake.stream, POLLIN, INT64_MAX), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &none, NULL), 0);
	pthread_join(thread, NULL);
}

static bool restarts(int error, int64_t deadline)
{
	errno = error;
	return tg_readiness_restarts(deadline);
}

static void test_restarts(void **state)
{
	(void)state;
	signal(SIGUSR1, SIG_DFL); /* of another test */
	set_handler(SA_RESTART);
	assert_true(restarts(EINTR, INT64_MAX));
	assert_false(restarts(EAGAIN, INT64_MAX) || restarts(EINTR, tg_clock_now() + 1000));
	set_handler(0);
	assert_false(restarts(EINTR, INT64_MAX));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_poll),
	    TEST(test_poll_of_others),
	    TEST(test_poll_many),
	    TEST(test_poll_timeout),
	    TEST(test_deadline),
	    TEST(test_another_process),
	    TEST(test_mask),
	    TEST(test_select),
	    TEST(test_select_of_others),
	    TEST(test_select_beyond_its_size),
	    TEST(test_plain),
	    TEST(test_wait),
	    TEST(test_wait_of_several),
	    TEST(test_wait_and_signals),
	    TEST(test_restarts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads and processes at one epoll, many streams, epolls in epolls, and descriptors that are copied, closed and
 * used again. */
#include "fake_stream.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int epoll;
static struct fake fake;

static int new_epoll(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	assert_true(fd >= 0);
	tg_readiness_closed(fd);
	assert_non_null(tg_epoll_get(fd));
	return fd;
}

static void close_epoll(int fd)
{
	tg_readiness_closed(fd);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	fake_start();
	memset(&fake_counts, 0, sizeof(fake_counts));
	epoll = new_epoll();
	fake = fake_new_open();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_free(&fake);
	close_epoll(epoll);
	return 0;
}

static int control(int at, int operation, int fd, uint32_t interest)
{
	struct epoll_event event = {.events = interest, .data.fd = fd};

	return tg_epoll_control(at, operation, fd, &event);
}

static int wait_at(int at, struct epoll_event *event, int timeout)
{
	const struct tg_epoll_call call = {.fd = at, .events = event, .room = 1, .milliseconds = timeout};

	return tg_epoll_wait(&call);
}

static void assert_quiet(int at)
{
	struct epoll_event event;

	assert_int_equal(wait_at(at, &event, 0), 0);
}

static void assert_reported(int at, int fd, uint32_t what)
{
	struct epoll_event event;

	assert_int_equal(wait_at(at, &event, 0), 1);
	assert_int_equal(event.events, what);
	assert_int_equal(event.data.fd, fd);
}

/* A thread in epoll_wait, without a timeout. */
struct waiter {
	pthread_t thread;
	int at, got;
	struct epoll_event event;
};

static void *wait_without_end(void *arg)
{
	struct waiter *waiter = arg;

	waiter->got = wait_at(waiter->at, &waiter->event, -1);
	return NULL;
}

/* It is in the kernel when this returns, or about to be: the epoll counts it. */
static void start(struct waiter *waiter, int at, unsigned waiters)
{
	struct tg_epoll *counted = tg_epoll_find(at);
	unsigned now = 0;

	waiter->at = at;
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_without_end, waiter), 0);
	while (now != waiters) {
		usleep(1000);
		tg_lock_take(&counted->lock);
		now = counted->waiters;
		tg_lock_release(&counted->lock);
	}
}

static void join(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);
	assert_int_equal(waiter->got, 1);
}

static void read_some(int size, int expected)
{
	char data[64];

	assert_int_equal(fake_read(&fake, data, size), expected);
}

static void assert_thread_is_woken(uint32_t interest, uint32_t reported)
{
	struct waiter waiter;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, interest), 0);
	assert_quiet(epoll);
	start(&waiter, epoll, 1);
	/* The bytes go by the waiting thread: the other one has them before it looks. */
	fake_send(&fake, "dadb");
	read_some(1, 1);
	join(&waiter);
	assert_int_equal(waiter.event.events, reported);
}

static void test_a_thread_that_waits_is_woken(void **state)
{
	(void)state;
	assert_thread_is_woken(EPOLLIN, EPOLLIN);
	read_some(9, 1);
	assert_quiet(epoll);
}

static void test_a_thread_that_waits_is_woken_once(void **state)
{
	(void)state;
	assert_thread_is_woken(EPOLLIN | EPOLLONESHOT, EPOLLIN);
	assert_quiet(epoll);
}

/* Input that TLS holds when a registration is made, or made anew. */
static void test_a_thread_is_woken_by_a_registration(void **state)
{
	struct fake other = fake_new_open();
	struct waiter waiter;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, other.fd, EPOLLIN), 0);
	start(&waiter, epoll, 1);
	fake_send(&fake, "dadbdc");
	read_some(1, 1);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN | EPOLLONESHOT), 0);
	join(&waiter);
	assert_int_equal(waiter.event.data.fd, fake.fd);
	start(&waiter, epoll, 1);
	read_some(1, 1);
	assert_int_equal(control(epoll, EPOLL_CTL_MOD, fake.fd, EPOLLIN | EPOLLONESHOT), 0);
	join(&waiter);
	assert_int_equal(waiter.event.data.fd, fake.fd);
	fake_free(&other);
}

/* The same for who began to wait when the epoll had no stream yet, or was not known to be an epoll. */
static void test_a_thread_is_woken_by_the_first_registration(void **state)
{
	struct waiter waiter;
	(void)state;

	for (int round = 0; round < 2; round++) {
		fake_send(&fake, "dadbdc");
		read_some(1, 1);
		assert_non_null(tg_epoll_get(epoll));
		start(&waiter, epoll, 1);
		assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
		join(&waiter);
		assert_int_equal(waiter.event.data.fd, fake.fd);
		read_some(9, 2);
		assert_int_equal(control(epoll, EPOLL_CTL_DEL, fake.fd, EPOLLIN), 0);
	}
}

/* Level-triggered, the kernel tells one after the other, whatever the first does with it. */
static void test_each_thread_gets_a_report(void **state)
{
	struct waiter one, other;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	start(&one, epoll, 1);
	start(&other, epoll, 2);
	fake_send(&fake, "da");
	join(&one);
	join(&other);
	assert_int_equal(one.event.events, EPOLLIN);
	assert_int_equal(other.event.events, EPOLLIN);
	read_some(9, 1);
	assert_quiet(epoll);
}

static void test_a_thread_hears_of_an_earlier_deadline(void **state)
{
	struct fake other = fake_new();
	struct waiter waiter;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	start(&waiter, epoll, 1);
	fake_set_deadline(&other, tg_clock_now() + 20);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, other.fd, EPOLLIN), 0);
	join(&waiter);
	assert_int_equal(waiter.event.data.fd, other.fd);
	assert_int_equal(waiter.event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
	fake_free(&other);
}

/* Of several threads one gets an event. */
static void test_oneshot_for_one_thread(void **state)
{
	struct waiter waiters[3];
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN | EPOLLONESHOT), 0);
	for (unsigned i = 0; i < 3; i++)
		start(&waiters[i], epoll, i + 1);
	for (int i = 0; i < 3; i++) {
		fake_send(&fake, "da");
		unsigned left = 3;
		struct tg_epoll *counted = tg_epoll_find(epoll);
		while (left != 2U - (unsigned)i) {
			usleep(1000);
			tg_lock_take(&counted->lock);
			left = counted->waiters;
			tg_lock_release(&counted->lock);
		}
		read_some(9, 1);
		assert_int_equal(control(epoll, EPOLL_CTL_MOD, fake.fd, EPOLLIN | EPOLLONESHOT), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		join(&waiters[i]);
}

static void test_closed_while_a_thread_waits(void **state)
{
	struct fake other = fake_new_open();
	struct waiter waiter;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, other.fd, EPOLLIN), 0);
	start(&waiter, epoll, 1);
	fake_send(&other, "d");
	fake_close(other.fd);
	close(other.peer);
	fake_send(&fake, "da");
	join(&waiter);
	assert_int_equal(waiter.event.data.fd, fake.fd);
	assert_int_equal(control(epoll, EPOLL_CTL_DEL, fake.fd, 0), 0);
	assert_quiet(epoll);
}

/* An event that the kernel gave out before the registration went. */
static void test_stale_token(void **state)
{
	struct epoll_event event;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	fake_send(&fake, "da");
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
	assert_true(tg_registration_is_token(event.data.u64));
	assert_non_null(tg_registration_find(event.data.u64));
	assert_int_equal(control(epoll, EPOLL_CTL_DEL, fake.fd, 0), 0);
	assert_null(tg_registration_find(event.data.u64));
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_null(tg_registration_find(event.data.u64));
	assert_null(tg_registration_find(UINT64_MAX));
	assert_reported(epoll, fake.fd, EPOLLIN);
}

static void test_copied_stream(void **state)
{
	int copy = fake_duplicate(&fake, -1), first = fake.fd;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, copy, EPOLLOUT), 0);
	assert_reported(epoll, copy, EPOLLOUT);
	assert_int_equal(control(epoll, EPOLL_CTL_DEL, copy, 0), 0);
	assert_quiet(epoll);
	/* As epoll(7) says: what was registered lives as long as one of the copies. */
	fake_close(fake.fd);
	fake.fd = copy;
	fake_send(&fake, "dadb");
	assert_reported(epoll, first, EPOLLIN);
	read_some(1, 1);
	assert_reported(epoll, first, EPOLLIN);
	read_some(1, 1);
	assert_quiet(epoll);
}

static void test_copied_epoll(void **state)
{
	int copy = fcntl(epoll, F_DUPFD_CLOEXEC, 0), first = epoll;
	(void)state;

	tg_readiness_duplicated(epoll, copy);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	fake_send(&fake, "dadb");
	read_some(1, 1);
	assert_reported(copy, fake.fd, EPOLLIN);
	assert_reported(epoll, fake.fd, EPOLLIN);
	close_epoll(first);
	epoll = copy;
	assert_reported(copy, fake.fd, EPOLLIN);
	assert_int_equal(control(epoll, EPOLL_CTL_MOD, fake.fd, EPOLLOUT), 0);
	assert_reported(copy, fake.fd, EPOLLOUT);
}

/* The number is another epoll's: nothing of the old one is left there, nor in the stream. */
static void test_epoll_closed(void **state)
{
	int number = epoll;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	fake_send(&fake, "dadb");
	read_some(1, 1);
	close_epoll(epoll);
	read_some(1, 1);
	fake_send(&fake, "dadb");
	read_some(1, 1);
	epoll = new_epoll();
	assert_int_equal(epoll, number);
	assert_quiet(epoll);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_reported(epoll, fake.fd, EPOLLIN);
}

static void test_nested(void **state)
{
	int outer = new_epoll();
	(void)state;

	assert_int_equal(control(outer, EPOLL_CTL_ADD, epoll, EPOLLIN), 0);
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_quiet(outer);
	fake_send(&fake, "dadb");
	read_some(1, 1);
	assert_reported(outer, epoll, EPOLLIN);
	assert_reported(epoll, fake.fd, EPOLLIN);
	assert_reported(outer, epoll, EPOLLIN);
	read_some(1, 1);
	assert_quiet(outer);
	assert_quiet(epoll);
	close_epoll(outer);
}

static void *send_soon(void *arg)
{
	(void)arg;
	usleep(20000);
	fake_send(&fake, "dadb");
	read_some(1, 1);
	return NULL;
}

static void test_poll_on_an_epoll(void **state)
{
	struct pollfd interest = {.fd = epoll, .events = POLLIN};
	pthread_t thread;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	tg_epoll_expose(epoll);
	assert_int_equal(poll(&interest, 1, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_soon, NULL), 0);
	assert_int_equal(poll(&interest, 1, -1), 1);
	pthread_join(thread, NULL);
	assert_reported(epoll, fake.fd, EPOLLIN);
}

/* A child that closes its copy leaves the parent's registration; the parent's own last close takes it from the child's. */
static void test_fork(void **state)
{
	struct epoll_event event;
	int status;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	tg_readiness_lock();
	pid_t child = fork();
	tg_readiness_unlock();
	if (child == 0) {
		fake_close(fake.fd);
		_exit((int)fake_counts.deleted);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fake_send(&fake, "da");
	assert_reported(epoll, fake.fd, EPOLLIN);
	int kept = dup(fake.fd); /* as another process would */
	fake_close(fake.fd);
	assert_int_equal(fake_counts.deleted, 1);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	close(kept);
}

/* What the child registers is nobody's in the parent. */
static void test_fork_with_one_epoll(void **state)
{
	int go[2], status;
	char byte;
	(void)state;

	assert_int_equal(control(epoll, EPOLL_CTL_ADD, fake.fd, EPOLLIN), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go), 0);
	tg_readiness_lock();
	pid_t child = fork();
	tg_readiness_unlock();
	if (child == 0) {
		struct fake own = fake_new_open();
		bool added = control(epoll, EPOLL_CTL_ADD, own.fd, EPOLLIN | EPOLLET) == 0;
		fake_send(&own, "da");
		_exit(!added || write(go[1], "", 1) != 1 || read(go[1], &byte, 1) != 1);
	}
	assert_int_equal(read(go[0], &byte, 1), 1);
	struct fake same_place = fake_new_open();
	assert_int_equal(control(epoll, EPOLL_CTL_ADD, same_place.fd, EPOLLOUT), 0);
	assert_int_equal(control(epoll, EPOLL_CTL_MOD, same_place.fd, EPOLLIN), 0);
	unsigned looked = fake_counts.looked;
	assert_quiet(epoll);
	assert_int_equal(fake_counts.looked, looked);
	assert_int_equal(write(go[0], "", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fake_free(&same_place);
	close(go[0]);
	close(go[1]);
}

/* Many events are told a part at a time, each of them once before any is told again. */
static void test_many(void **state)
{
	enum { MANY = 150 };
	static struct fake fakes[MANY];
	static bool reported[MANY];
	struct epoll_event found[MANY];
	const struct tg_epoll_call call = {.fd = epoll, .events = found, .room = MANY};
	(void)state;

	for (int i = 0; i < MANY; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		fakes[i] = fake_new_open();
		assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, fakes[i].fd, &event), 0);
		fake_send(&fakes[i], "da");
	}
	for (int left = MANY; left > 0;) {
		int count = tg_epoll_wait(&call);
		assert_in_range(count, 1, 64);
		for (int i = 0; i < count; i++) {
			char byte;
			assert_false(reported[found[i].data.u32]);
			reported[found[i].data.u32] = true;
			assert_int_equal(fake_read(&fakes[found[i].data.u32], &byte, 1), 1);
		}
		left -= count;
	}
	assert_int_equal(tg_epoll_wait(&call), 0);
	for (int i = 0; i < MANY; i++)
		fake_free(&fakes[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_thread_that_waits_is_woken),
	    TEST(test_a_thread_that_waits_is_woken_once),
	    TEST(test_a_thread_is_woken_by_a_registration),
	    TEST(test_a_thread_is_woken_by_the_first_registration),
	    TEST(test_each_thread_gets_a_report),
	    TEST(test_a_thread_hears_of_an_earlier_deadline),
	    TEST(test_oneshot_for_one_thread),
	    TEST(test_closed_while_a_thread_waits),
	    TEST(test_stale_token),
	    TEST(test_copied_stream),
	    TEST(test_copied_epoll),
	    TEST(test_epoll_closed),
	    TEST(test_nested),
	    TEST(test_poll_on_an_epoll),
	    TEST(test_fork),
	    TEST(test_fork_with_one_epoll),
	    TEST(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

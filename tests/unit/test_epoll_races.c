/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads at one registration, each schedule made: while the kernel does one thread's epoll_ctl(2), another one begins
 * its own call. It may end at once, or wait for the first one.
 */
#include "fake_stream.h"
#include "shim/binding/libc.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_NS 200000000 /* who waits for us until then will wait longer */

static int epoll;
static struct fake fake;
static int (*control_of_kernel)(int, int, int, struct epoll_event *);

static struct {
	int at; /* operation; 0: none any more */
	int (*other)(void);
	pthread_t thread;
	sem_t done;
	int result;
} meanwhile;

static void *run_other(void *unused)
{
	(void)unused;
	meanwhile.result = meanwhile.other();
	sem_post(&meanwhile.done);
	return NULL;
}

static int control_and_meanwhile(int fd, int operation, int of, struct epoll_event *event)
{
	int r = control_of_kernel(fd, operation, of, event), saved = errno;

	if (meanwhile.at == operation) {
		struct timespec until;
		meanwhile.at = 0;
		assert_int_equal(pthread_create(&meanwhile.thread, NULL, run_other, NULL), 0);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TIMEOUT_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		sem_timedwait(&meanwhile.done, &until);
	}
	errno = saved;
	return r;
}

static int set_up(void **state)
{
	(void)state;
	fake_start();
	control_of_kernel = tg_libc.epoll_ctl;
	tg_libc.epoll_ctl = control_and_meanwhile;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	tg_readiness_closed(epoll);
	assert_non_null(tg_epoll_get(epoll));
	fake = fake_new_open();
	sem_init(&meanwhile.done, 0, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tg_libc.epoll_ctl = control_of_kernel;
	fake_free(&fake);
	if (epoll >= 0) {
		tg_readiness_closed(epoll);
		close(epoll);
	}
	return 0;
}

static int control(int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};

	return tg_epoll_control(epoll, operation, fake.fd, &event);
}

static int add(void)
{
	return control(EPOLL_CTL_ADD);
}

static int close_stream(void)
{
	fake_close(fake.fd);
	return 0;
}

static int close_epoll(void)
{
	tg_readiness_closed(epoll);
	return close(epoll);
}

/* While the kernel does `operation`, another thread calls `other`. */
static int control_while(int operation, int (*other)(void))
{
	meanwhile.at = operation;
	meanwhile.other = other;
	int r = control(operation);
	assert_int_equal(meanwhile.at, 0);
	pthread_join(meanwhile.thread, NULL);
	return r;
}

static void added_while_deleted(void **state)
{
	struct epoll_event event;
	const struct tg_epoll_call wait = {.fd = epoll, .events = &event, .room = 1, .milliseconds = 10000};
	(void)state;

	assert_int_equal(add(), 0);
	assert_int_equal(control_while(EPOLL_CTL_DEL, add), 0);
	assert_int_equal(meanwhile.result, 0);
	fake_send(&fake, "dx");
	assert_int_equal(tg_epoll_wait(&wait), 1);
	assert_int_equal(event.data.u64, 7);
	assert_int_equal(control(EPOLL_CTL_DEL), 0);
	assert_int_equal(atomic_load(&tg_epolls_registrations), 0);
}

/* The stream is gone, and nothing leads to it any more. */
static void closed_while_added(void **state)
{
	(void)state;

	control_while(EPOLL_CTL_ADD, close_stream);
	assert_int_equal(atomic_load(&tg_epolls_registrations), 0);
}

static void closed_while_modified(void **state)
{
	(void)state;

	assert_int_equal(add(), 0);
	control_while(EPOLL_CTL_MOD, close_stream);
	assert_int_equal(atomic_load(&tg_epolls_registrations), 0);
}

/* Nor to the epoll, which the next one takes the place of. */
static void epoll_closed_while_added(void **state)
{
	(void)state;

	control_while(EPOLL_CTL_ADD, close_epoll);
	epoll = -1;
	assert_int_equal(atomic_load(&tg_epolls_registrations), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(added_while_deleted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(closed_while_added, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(closed_while_modified, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(epoll_closed_while_added, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

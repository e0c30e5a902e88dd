/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that copy, register and close one number at once. */
#include "streams.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/descriptors/fd_entry.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/waiting/epoll.h"
#include "shim/fork.h"
#include "shim/process/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 3000
#define ABOVE 100 /* where copies are */
#define ONTO 99

static const struct tg_route route;
static int (*dup3_of_kernel)(int, int, int);

static int open_one(int *ret_peer)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct tg_stream *stream = tg_stream_new(ends[0], &route);
	assert_non_null(stream);
	assert_true(tg_descriptors_add(stream, ends[0], 0, TG_ENGINE_DIRECT, NULL));
	*ret_peer = ends[1];
	return ends[0];
}

static void close_one(int fd)
{
	tg_descriptors_closing(fd, false);
	close(fd);
}

static void *nothing(void *unused)
{
	return unused;
}

/* From here on the C library says that there may be threads. */
static void be_threaded(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
	pthread_join(thread, NULL);
}

static int in_between = -1; /* it is being closed; -1: no more */
static int also_closed = -1;

/* A moment in the middle of a close: the number is the connection still. */
static int dup3_in_between(int from, int fd, int flags)
{
	if (fd == in_between) {
		in_between = -1;
		assert_int_equal(tg_descriptors_copy(fd, -1, ABOVE, false), -1);
		assert_int_equal(errno, EBADF);
		assert_int_equal(tg_descriptors_copy(fd, ONTO, 0, false), -1);
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
		assert_false(tg_descriptors_duplicated(fd, copy, false));
		assert_false(tg_descriptors_is_one(copy));
		close(copy);
		if (also_closed >= 0)
			close_one(also_closed);
	}
	return dup3_of_kernel(from, fd, flags);
}

/* Calls on it find the stream until it is something else; copies of it nobody gets. */
static void number_that_is_being_closed(void **state)
{
	int peer, fd = open_one(&peer);
	(void)state;

	in_between = fd;
	also_closed = -1;
	close_one(fd);
	assert_int_equal(in_between, -1);
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	close(peer);
}

/* Both of two numbers at once: one of them is the last one, and it alone sends close_notify. */
static void two_at_once(void **state)
{
	int peer, fd = open_one(&peer);
	int copy = tg_descriptors_copy(fd, -1, ABOVE, false);
	(void)state;

	assert_true(copy >= ABOVE);
	struct tg_stream *stream = tg_descriptors_get(fd);
	in_between = fd;
	also_closed = copy;
	close_one(fd);
	assert_int_equal(tg_stream_fd(stream), -1);
	tg_descriptors_put(stream);
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	close(peer);
}

static int (*getsockname_of_kernel)(int, __SOCKADDR_ARG, socklen_t *);
static int changing = -1; /* it is something else after the next question for its name; -1: no more */
static int changes_to = -1;

static int getsockname_then_change(int fd, __SOCKADDR_ARG name, socklen_t *restrict size)
{
	const int r = getsockname_of_kernel(fd, name, size);

	if (fd == changing) {
		changing = -1;
		assert_int_equal(dup3_of_kernel(changes_to, fd, O_CLOEXEC), fd);
	}
	return r;
}

/* A connection that is put at the number between two questions to the kernel, before it is entered: no call may reach it.
 */
static void number_that_becomes_a_connection(void **state)
{
	struct pair pair;
	int peer, fd = open_one(&peer), ends[2];
	(void)state;

	close_one(fd);
	close(peer);
	assert_true(tg_descriptors_is_known(fd));
	assert_true(tg_descriptors_is_known(ABOVE + 50)); /* which was never open */
	pair_open(&pair, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	const int placeholder = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(dup2(ends[0], ABOVE), ABOVE);
	assert_true(tg_descriptors_is_plain(ABOVE));
	assert_int_equal(dup2(placeholder, fd), fd);
	assert_false(tg_descriptors_is_plain(fd));
	changing = fd;
	changes_to = pair.server;
	assert_false(tg_descriptors_is_plain(fd));
	assert_int_equal(changing, -1);
	assert_false(tg_descriptors_is_plain(fd));

	const int all[] = {ends[0], ends[1], placeholder, fd, ABOVE, pair.server, pair.client};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		close(all[i]);
}

static _Atomic int number = -1;
static atomic_bool over;
static int epoll;

static void *copy_above(void *unused)
{
	while (!atomic_load(&over)) {
		int copy = tg_descriptors_copy(atomic_load(&number), -1, ABOVE, false);
		if (copy >= 0)
			close_one(copy);
	}
	return unused;
}

static void *copy_onto(void *unused)
{
	while (!atomic_load(&over)) {
		int fd = atomic_load(&number);
		tg_descriptors_closing(ONTO, false);
		if (fd >= 0 && tg_descriptors_copy(fd, ONTO, 0, true) >= 0) {
			struct tg_stream *stream = tg_descriptors_get(ONTO);
			if (stream != NULL) {
				tg_stream_poll(stream);
				tg_descriptors_put(stream);
			}
			close_one(ONTO);
		}
	}
	return unused;
}

static void *register_it(void *unused)
{
	for (unsigned i = 0; !atomic_load(&over); i++) {
		int fd = atomic_load(&number);
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | (i % 2 ? EPOLLET : 0), .data.fd = fd};
		if (fd >= 0)
			tg_epoll_control(epoll,
					 i % 5 == 0 ? EPOLL_CTL_DEL
					 : i % 3    ? EPOLL_CTL_ADD
						    : EPOLL_CTL_MOD,
					 fd, &event);
	}
	return unused;
}

static void *wait_for_it(void *unused)
{
	struct epoll_event events[8];
	const struct tg_epoll_call call = {.fd = epoll, .events = events, .room = 8, .milliseconds = 1};

	while (!atomic_load(&over))
		tg_epoll_wait(&call);
	return unused;
}

static void all_at_once(void **state)
{
	void *(*const runs[])(void *) = {copy_above, copy_above, copy_onto, register_it, register_it, wait_for_it};
	enum { THREADS = sizeof(runs) / sizeof(runs[0]) };
	pthread_t threads[THREADS];
	(void)state;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_non_null(tg_epoll_get(epoll));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, runs[i], NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		int peer, fd = open_one(&peer);
		atomic_store(&number, fd);
		for (volatile int k = 0; k < i % 1000; k++)
			;
		close_one(fd);
		close(peer);
	}
	atomic_store(&over, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	assert_int_equal(atomic_load(&tg_epolls_registrations), 0);
	tg_readiness_closed(epoll);
	close(epoll);
}

static int set_up(void **state)
{
	(void)state;
	tg_libc_bind();
	int r = streams_set_up(LISTENER);
	tg_process_start();
	tg_fork_start();
	be_threaded();
	dup3_of_kernel = tg_libc.dup3;
	tg_libc.dup3 = dup3_in_between;
	getsockname_of_kernel = tg_libc.getsockname;
	tg_libc.getsockname = getsockname_then_change;
	return r == 0 && tg_claims_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(number_that_is_being_closed),
	    cmocka_unit_test(two_at_once),
	    cmocka_unit_test(number_that_becomes_a_connection),
	    cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and the streams behind them, references while others close, and whose a stream is after a fork. */
#include "streams.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/stream/claims.h"
#include "shim/fork.h"
#include "shim/process/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct tg_route route;

/* A connection whose number is a stream; the peer's end is in *ret_peer. */
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

static void one_number(void **state)
{
	int peer, fd = open_one(&peer);
	(void)state;

	assert_int_equal(atomic_load(&tg_descriptors_count), 1);
	struct tg_stream *stream = tg_descriptors_get(fd);
	assert_non_null(stream);
	assert_int_equal(tg_stream_fd(stream), fd);
	assert_true(tg_descriptors_claim(stream));
	assert_true(tg_descriptors_is_blocking(stream));
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_false(tg_descriptors_is_blocking(stream));
	assert_null(tg_descriptors_get(peer));
	close_one(fd);
	assert_null(tg_descriptors_get(fd));
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	/* Who still has it finds no socket, whatever becomes of the number. */
	assert_int_equal(tg_stream_fd(stream), -1);
	tg_descriptors_put(stream);
	close(peer);
}

static void several_numbers(void **state)
{
	int peer, fd = open_one(&peer);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	(void)state;

	assert_true(tg_descriptors_duplicated(fd, copy, false));
	assert_true(tg_descriptors_is_kept(fd));
	assert_false(tg_descriptors_is_kept(copy));
	tg_descriptors_keep(copy, true);
	assert_true(tg_descriptors_is_kept(copy));
	struct tg_stream *stream = tg_descriptors_get(copy);
	assert_ptr_equal(stream, tg_descriptors_get(fd));
	tg_descriptors_put(stream);
	assert_int_equal(tg_stream_fd(stream), fd);
	close_one(fd);
	assert_int_equal(tg_stream_fd(stream), copy);
	tg_descriptors_put(stream);
	close_one(copy);
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	close(peer);
}

/* The number of one becomes the other: nothing of the first is left, nothing of it reaches the second's client. */
static void replaced(void **state)
{
	int first_peer, second_peer, first = open_one(&first_peer), second = open_one(&second_peer);
	(void)state;

	struct tg_stream *stream = tg_descriptors_get(second);
	assert_int_equal(dup3(second, first, O_CLOEXEC), first);
	assert_true(tg_descriptors_duplicated(second, first, true));
	struct tg_stream *found = tg_descriptors_get(first);
	assert_ptr_equal(found, stream);
	tg_descriptors_put(found);
	tg_descriptors_put(stream);
	assert_int_equal(atomic_load(&tg_descriptors_count), 2);
	close_one(first);
	close_one(second);
	close(first_peer);
	close(second_peer);
}

static void closed_behind_our_back(void **state)
{
	int peer, again, fd = open_one(&peer);
	(void)state;

	struct tg_stream *old = tg_descriptors_get(fd);
	syscall(SYS_close, fd);
	close(peer);
	assert_int_equal(open_one(&peer), fd);
	struct tg_stream *stream = tg_descriptors_get(fd);
	assert_ptr_not_equal(stream, old);
	assert_int_equal(tg_stream_fd(old), -1);
	tg_descriptors_put(old);
	tg_descriptors_put(stream);
	assert_int_equal(atomic_load(&tg_descriptors_count), 1);
	again = recv(peer, &again, sizeof(again), MSG_DONTWAIT);
	assert_int_equal(again, -1);
	close_one(fd);
	close(peer);
}

static void too_high(void **state)
{
	struct tg_stream *stream = tg_stream_new(1, &route);
	(void)state;

	assert_non_null(stream);
	assert_false(tg_descriptors_add(stream, 1 << 20, 0, TG_ENGINE_DIRECT, NULL));
	assert_false(tg_descriptors_add(stream, -1, 0, TG_ENGINE_DIRECT, NULL));
	assert_null(tg_descriptors_get(1 << 20));
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
	tg_stream_free(stream);
}

static bool owns(int fd)
{
	struct tg_stream *stream = tg_descriptors_get(fd);
	bool ours = stream != NULL && tg_descriptors_claim(stream);

	if (stream != NULL)
		tg_descriptors_put(stream);
	return ours;
}

/* True where a child, forked or cloned, has `fd` for its own. */
static bool child_owns(int fd, bool raw)
{
	int status = 0;
	pid_t pid = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();

	if (pid == 0)
		_exit(owns(fd) ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static void after_fork(void **state)
{
	int peer, fd = open_one(&peer);
	(void)state;

	/* Whoever comes first, also where the parent has used it before. */
	assert_true(owns(fd));
	assert_true(child_owns(fd, false));
	assert_false(owns(fd));
	assert_int_equal(errno, EIO);
	assert_false(child_owns(fd, false));
	close_one(fd);
	close(peer);
}

static void after_raw_clone(void **state)
{
	int peer, fd = open_one(&peer);
	(void)state;

	/* The C library told nobody: what the parent has used is the parent's. */
	assert_true(owns(fd));
	assert_false(child_owns(fd, true));
	assert_true(owns(fd));
	close_one(fd);
	close(peer);
	fd = open_one(&peer);
	assert_true(child_owns(fd, true));
	assert_false(owns(fd));
	close_one(fd);
	close(peer);
}

static void claims(void **state)
{
	struct tg_claim one = tg_claim_new(), other = tg_claim_new();
	(void)state;

	assert_int_not_equal(one.word, other.word);
	assert_int_equal(tg_claim_look(&one), TG_CLAIM_FREE);
	assert_true(tg_claim_take(&one));
	assert_true(tg_claim_take(&one));
	assert_int_equal(tg_claim_look(&one), TG_CLAIM_OURS);
	tg_claim_release(&one);
	assert_int_equal(tg_claim_look(&one), TG_CLAIM_FREE);
	assert_true(tg_claim_give_away(&one));
	assert_false(tg_claim_take(&one));
	assert_true(tg_claim_take(&other));
	tg_claim_end(&other);
	/* The word may be another stream's by now: it is nobody's of before. */
	assert_int_equal(tg_claim_look(&other), TG_CLAIM_LOST);
	struct tg_claim next = tg_claim_new();
	assert_int_equal(next.word, other.word);
	assert_int_equal(tg_claim_look(&other), TG_CLAIM_LOST);
	assert_false(tg_claim_take(&other));
	tg_claim_end(&next);
}

/* More streams than words are looked at: the oldest ones are lost, no two have the same. */
/* Its word in the memory that all processes share is free again. */
static void ends_with_the_process(void **state)
{
	int peer, fd = open_one(&peer);
	struct tg_stream *stream = tg_descriptors_get(fd);
	(void)state;

	assert_true(tg_descriptors_claim(stream));
	tg_descriptors_exit();
	assert_false(tg_descriptors_claim(stream));
	tg_descriptors_put(stream);
	close_one(fd);
	close(peer);
}

static void claims_run_out(void **state)
{
	enum { MANY = 3000 };
	static struct tg_claim all[MANY];
	(void)state;

	for (int i = 0; i < MANY; i++) {
		all[i] = tg_claim_new();
		assert_true(tg_claim_take(&all[i]));
	}
	for (int i = 0; i < MANY; i++)
		for (int k = i + 1; k < MANY; k += 97)
			assert_false(all[i].tag == all[k].tag);
	for (int i = 0; i < MANY; i++)
		tg_claim_end(&all[i]);
}

/* Threads that use numbers while others close them and open new ones. */
enum { NUMBERS = 4, ROUNDS = 3000 };
static _Atomic int numbers[NUMBERS];
static atomic_bool over;

static void *use(void *nothing)
{
	unsigned found = 0;
	(void)nothing;

	while (!atomic_load(&over))
		for (int i = 0; i < NUMBERS; i++) {
			struct tg_stream *stream = tg_descriptors_get(atomic_load(&numbers[i]));
			if (stream == NULL)
				continue;
			found += (unsigned)tg_descriptors_claim(stream) + (tg_stream_state(stream) & 1);
			tg_stream_poll(stream);
			tg_descriptors_put(stream);
			sched_yield();
		}
	return found > 0 ? &over : NULL;
}

static void *replace(void *place)
{
	_Atomic int *number = place;

	for (int i = 0; i < ROUNDS; i++) {
		int peer, fd = open_one(&peer);
		atomic_store(number, fd);
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		assert_true(tg_descriptors_duplicated(fd, copy, false));
		close_one(fd);
		atomic_store(number, copy);
		close_one(copy);
		close(peer);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t users[2], replacers[NUMBERS];
	(void)state;

	for (int i = 0; i < NUMBERS; i++) {
		atomic_store(&numbers[i], -1);
		assert_int_equal(pthread_create(&replacers[i], NULL, replace, &numbers[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&users[i], NULL, use, NULL), 0);
	for (int i = 0; i < 20; i++)
		assert_false(child_owns(-1, false));
	for (int i = 0; i < NUMBERS; i++)
		pthread_join(replacers[i], NULL);
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(users[i], NULL);
	assert_int_equal(atomic_load(&tg_descriptors_count), 0);
}

static int set_up(void **state)
{
	(void)state;
	tg_libc_bind();
	int r = streams_set_up(LISTENER);
	tg_process_start();
	tg_fork_start();
	return r == 0 && tg_claims_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_number),
	    cmocka_unit_test(several_numbers),
	    cmocka_unit_test(replaced),
	    cmocka_unit_test(closed_behind_our_back),
	    cmocka_unit_test(too_high),
	    cmocka_unit_test(claims),
	    cmocka_unit_test(ends_with_the_process),
	    cmocka_unit_test(claims_run_out),
	    cmocka_unit_test(after_fork),
	    cmocka_unit_test(after_raw_clone),
	    cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

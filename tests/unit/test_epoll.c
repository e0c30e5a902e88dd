/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread sees of epoll_wait(2) on streams; several threads, and descriptors that change: test_epoll_others.c. */
#include "fake_stream.h"
#include "shim/binding/libc.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/clock.h"
#include "shim/direct/waiting/epoll.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM 16

static int epoll;
static struct fake fake;
static struct epoll_event events[ROOM];

static int set_up(void **state)
{
	(void)state;
	fake_start();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	tg_readiness_closed(epoll);
	fake = fake_new();
	fake_is_another_process = false;
	memset(&fake_counts, 0, sizeof(fake_counts));
	return epoll < 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_free(&fake);
	tg_readiness_closed(epoll);
	return close(epoll);
}

static int control(int operation, uint32_t interest)
{
	struct epoll_event event = {.events = interest, .data.u64 = 0x1234567800000000 | (unsigned)fake.fd};

	return tg_epoll_control(epoll, operation, fake.fd, &event);
}

static int wait_for(int room, int timeout)
{
	const struct tg_epoll_call call = {.fd = epoll, .events = events, .room = room, .milliseconds = timeout};

	memset(events, 0, sizeof(events));
	return tg_epoll_wait(&call);
}

/* Nothing is there for the server; what the stream has to do is done. */
static void assert_quiet(void)
{
	assert_int_equal(wait_for(ROOM, 0), 0);
}

static void assert_reported(uint32_t what)
{
	assert_int_equal(wait_for(ROOM, 0), 1);
	assert_int_equal(events[0].events, what);
	assert_true(events[0].data.u64 == (0x1234567800000000 | (unsigned)fake.fd));
}

static void read_some(int size, int expected)
{
	char data[64];

	assert_int_equal(fake_read(&fake, data, size), expected);
}

static void finish_handshake(void)
{
	fake_send(&fake, "hhhh");
	wait_for(ROOM, 0);
}

static void test_level(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	assert_quiet();
	fake_send(&fake, "hh");
	assert_quiet();
	fake_send(&fake, "hh.");
	assert_quiet();
	fake_send(&fake, "dadb");
	assert_reported(EPOLLIN);
	/* The socket is empty now: what is told is what TLS holds. */
	assert_reported(EPOLLIN);
	read_some(1, 1);
	assert_reported(EPOLLIN);
	read_some(1, 1);
	assert_quiet();
	fake_send(&fake, "dc");
	assert_reported(EPOLLIN);
	assert_int_equal(fake_counts.modified, 0);
}

/* What a read of the stream has left in the socket is reported again. */
static void test_level_unread(void **state)
{
	char much[2 * 100 + 1] = "";
	(void)state;

	for (int i = 0; i < 100; i++)
		memcpy(&much[2 * i], "dx", 2);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	finish_handshake();
	fake_send(&fake, much);
	for (int left = 100; left > 0;) {
		char data[32];
		assert_reported(EPOLLIN);
		int got = fake_read(&fake, data, sizeof(data));
		assert_true(got > 0);
		left -= got;
	}
	assert_quiet();
}

/* The end came with the last bytes: a read that was short did not see it. */
static void test_level_end_behind_bytes(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	finish_handshake();
	assert_quiet();
	fake_send(&fake, "da");
	assert_int_equal(shutdown(fake.peer, SHUT_WR), 0);
	assert_reported(EPOLLIN);
	read_some(1, 1);
	assert_reported(EPOLLIN);
	assert_reported(EPOLLIN);
}

/* What lies in the socket while a thread sleeps for it is that thread's. */
static void test_level_awaited(void **state)
{
	struct tg_watch *watch = tg_stream_watch(fake.stream);
	char nothing[64 + 1];
	(void)state;

	memset(nothing, '.', 64);
	nothing[64] = '\0';
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	finish_handshake();
	atomic_store(&watch->sleeper, tg_registrations_epoch() + 1);
	fake_send(&fake, nothing); /* as much as a read takes at once, so there may be more */
	assert_int_equal(wait_for(ROOM, 50), 0);
	fake_send(&fake, "da");
	assert_quiet();
	atomic_store(&watch->sleeper, 0);
	tg_readiness_changed(fake.stream);
	assert_int_equal(wait_for(ROOM, 1000), 1);
	read_some(1, 1);
	assert_quiet();
}

/* Processes that share an epoll hear of each other's connections, and go on hearing. */
static void test_level_after_fork(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	finish_handshake();
	atomic_store(&tg_registrations_forked, true);
	fake_is_another_process = true;
	fake_send(&fake, "da");
	assert_reported(EPOLLIN);
	assert_reported(EPOLLIN);
	/* By a raw clone(2), say: of what had been decrypted before. */
	fake_is_another_process = false;
	assert_reported(EPOLLIN);
	fake_is_another_process = true;
	assert_reported(EPOLLIN);
	atomic_store(&tg_registrations_forked, false);
}

/* Read by the server of its own accord, and not to the end. */
static void test_level_input_nobody_reported(void **state)
{
	(void)state;
	fake_send(&fake, "hhhhdadb");
	read_some(1, 1);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	assert_reported(EPOLLIN);
	read_some(1, 1);
	assert_quiet();
	fake_send(&fake, "dadb");
	read_some(1, 1);
	assert_reported(EPOLLIN);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLOUT), 0);
	assert_reported(EPOLLOUT);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
	assert_reported(EPOLLIN);
	assert_int_equal(control(EPOLL_CTL_DEL, 0), 0);
	assert_quiet();
}

static void test_level_output(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT), 0);
	assert_reported(EPOLLOUT);
	assert_int_equal(fake_write(&fake, 10), 10);
	unsigned looked = fake_counts.looked;
	assert_quiet();
	assert_int_equal(fake_counts.looked, looked); /* the kernel is not asked any more whether the socket is writable */
	finish_handshake();
	assert_reported(EPOLLOUT);
	/* More than the socket takes. */
	assert_int_equal(fake_write(&fake, 8 << 20), 8 << 20);
	assert_quiet();
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), 0);
	unsigned modified = fake_counts.modified;
	for (int i = 0; i < 1000 && fake_counts.modified == modified; i++) {
		fake_drain(&fake);
		assert_quiet();
	}
	/* All was sent, by waits for something else; nobody asks for room any more. */
	assert_int_equal(fake_counts.modified, modified + 1);
	fake_drain(&fake);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLOUT), 0);
	assert_reported(EPOLLOUT);
}

static void test_edge(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET), 0);
	assert_reported(EPOLLOUT);
	assert_quiet();
	fake_send(&fake, "hhhh");
	assert_quiet(); /* the kernel's edge is of both directions, the stream's is not */
	fake_send(&fake, ".da");
	assert_reported(EPOLLIN | EPOLLOUT);
	assert_quiet();
	fake_send(&fake, "db");
	assert_reported(EPOLLIN | EPOLLOUT);
	assert_quiet();
	read_some(1, 1);
	assert_quiet();
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLET), 0);
	assert_reported(EPOLLIN);
	assert_quiet();
	read_some(9, 1);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLET), 0);
	assert_quiet();
	assert_int_equal(shutdown(fake.peer, SHUT_WR), 0);
	assert_reported(EPOLLIN);
}

/* The edge of the handshake's last bytes is the only one; the server learns that it can write now. */
static void test_edge_output_after_the_verdict(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET), 0);
	assert_reported(EPOLLOUT);
	assert_int_equal(fake_write(&fake, 10), 10);
	assert_quiet();
	fake_send(&fake, "hhhh");
	assert_reported(EPOLLOUT);
	assert_quiet();
	/* And again, when all has been sent that the socket would not take. */
	assert_int_equal(fake_write(&fake, 8 << 20), 8 << 20);
	assert_quiet();
	for (int i = 0; i < 1000 && wait_for(ROOM, 0) == 0; i++)
		fake_drain(&fake);
	assert_int_equal(events[0].events, EPOLLOUT);
	assert_quiet();
}

static void test_edge_when_a_call_finishes_the_handshake(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLET), 0);
	assert_quiet();
	fake_send(&fake, "hhhhdadb");
	read_some(1, 1);
	assert_reported(EPOLLIN);
	assert_quiet();
}

static void test_oneshot(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLONESHOT), 0);
	fake_send(&fake, "hhh");
	assert_quiet();
	fake_send(&fake, "h");
	assert_quiet();
	fake_send(&fake, "dadb");
	assert_reported(EPOLLIN);
	assert_quiet();
	fake_send(&fake, "dc");
	assert_quiet();
	read_some(1, 1);
	assert_quiet();
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT), 0);
	assert_reported(EPOLLIN);
	assert_quiet();
	read_some(9, 2);
	/* Told by the list alone, and disabled all the same. */
	fake_send(&fake, "dadb");
	read_some(1, 1);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT), 0);
	assert_reported(EPOLLIN);
	fake_send(&fake, "dc");
	assert_quiet();
	assert_quiet();
}

static void test_oneshot_edge(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLONESHOT | EPOLLET), 0);
	fake_send(&fake, "hhh");
	assert_quiet();
	fake_send(&fake, "h");
	assert_quiet();
	fake_send(&fake, "da");
	assert_reported(EPOLLIN);
	fake_send(&fake, "db");
	assert_quiet();
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT | EPOLLET), 0);
	assert_reported(EPOLLIN);
	assert_quiet();
}

/* The socket is writable all the time, which nobody asked for: a wait without news is one wait. */
static void test_oneshot_edge_waits(void **state)
{
	const uint32_t interest = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT | EPOLLET;
	(void)state;

	assert_int_equal(control(EPOLL_CTL_ADD, interest), 0);
	finish_handshake();
	fake_counts.waited = fake_counts.modified = 0;
	assert_int_equal(wait_for(ROOM, 20), 0);
	assert_in_range(fake_counts.waited, 1, 4);
	assert_in_range(fake_counts.modified, 0, 2);
	/* What TLS holds is reported by the call that arms it again, as what lies in a socket. */
	fake_send(&fake, "dadb");
	assert_reported(EPOLLIN);
	read_some(1, 1);
	assert_quiet();
	assert_int_equal(control(EPOLL_CTL_MOD, interest), 0);
	assert_reported(EPOLLIN);
	assert_quiet();
}

static void test_exclusive(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE), 0);
	finish_handshake();
	assert_int_equal(fake_write(&fake, 8 << 20), 8 << 20);
	fake_send(&fake, "da");
	assert_reported(EPOLLIN);
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), -1);
	assert_int_equal(errno, EINVAL);
	assert_reported(EPOLLIN);
}

static void test_errors_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_MOD, EPOLLIN), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(control(EPOLL_CTL_DEL, 0), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLOUT), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(control(99, EPOLLOUT), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, fake.fd, NULL), -1);
	assert_int_equal(errno, EFAULT);
	finish_handshake();
	fake_send(&fake, "da");
	assert_reported(EPOLLIN);
	assert_int_equal(wait_for(0, 0), -1);
	assert_int_equal(errno, EINVAL);
	struct epoll_event event = {.events = EPOLLIN};
	int no_epoll = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(tg_epoll_control(no_epoll, EPOLL_CTL_ADD, fake.fd, &event), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tg_epoll_control(-1, EPOLL_CTL_ADD, fake.fd, &event), -1);
	close(no_epoll);
}

static void test_end_and_failure(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP), 0);
	fake_send(&fake, "hhhhda");
	assert_reported(EPOLLIN);
	assert_int_equal(shutdown(fake.peer, SHUT_WR), 0);
	assert_reported(EPOLLIN | EPOLLRDHUP);
	read_some(9, 1);
	read_some(9, 0);
	assert_reported(EPOLLIN | EPOLLRDHUP);
	struct fake other = fake_new();
	struct epoll_event event = {.events = 0, .data.ptr = &other};
	assert_int_equal(control(EPOLL_CTL_DEL, 0), 0);
	assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, other.fd, &event), 0);
	fake_send(&other, "x");
	assert_int_equal(wait_for(ROOM, 0), 1);
	assert_int_equal(events[0].events, EPOLLERR | EPOLLHUP);
	assert_ptr_equal(events[0].data.ptr, &other);
	fake_free(&other);
}

/* Ready ones of both kinds get through, whatever the room. */
static void test_others_pass(void **state)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
	int other = eventfd(1, EFD_CLOEXEC);
	(void)state;

	assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, other, &event), 0);
	assert_int_equal(wait_for(ROOM, 0), 1);
	assert_true(events[0].data.u64 == UINT64_MAX);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	fake_send(&fake, "hhhh");
	assert_int_equal(wait_for(ROOM, -1), 1);
	assert_true(events[0].data.u64 == UINT64_MAX);
	fake_send(&fake, "da");
	assert_int_equal(wait_for(ROOM, -1), 2);
	for (int room = 1; room <= 3; room++) {
		unsigned seen = 0;
		for (int i = 0; i < 4; i++)
			for (int got = wait_for(room, -1); got > 0; got--)
				seen |= events[got - 1].data.u64 == UINT64_MAX ? 1 : 2;
		assert_int_equal(seen, 3);
	}
	close(other);
}

static void test_timeout_goes_on(void **state)
{
	const struct timespec timeout = {.tv_nsec = 30000000};
	const struct tg_epoll_call call = {
	    .kind = TG_EPOLL_PWAIT2, .fd = epoll, .events = events, .room = ROOM, .timeout = &timeout};
	(void)state;

	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	fake_send(&fake, "hh");
	int64_t begin = tg_clock_now();
	assert_int_equal(wait_for(ROOM, 30), 0);
	assert_true(tg_clock_now() - begin >= 29);
	assert_true(fake_counts.waited >= 2);
	fake_send(&fake, "h");
	begin = tg_clock_now();
	assert_int_equal(tg_epoll_wait(&call), 0);
	assert_true(tg_clock_now() - begin >= 29);
}

static void test_deadline(void **state)
{
	struct fake later = fake_new();
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &later};
	(void)state;

	fake_set_deadline(&later, tg_clock_now() + 1000000);
	assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, later.fd, &event), 0);
	fake_set_deadline(&fake, tg_clock_now() + 20);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	fake_send(&fake, "h");
	assert_int_equal(wait_for(ROOM, -1), 1);
	assert_int_equal(events[0].events, EPOLLIN | EPOLLERR | EPOLLHUP);
	assert_int_equal(events[0].data.u64 & 0xffff, fake.fd);
	fake_free(&later);
}

/* The heap keeps its order whatever is taken out of it. */
static void test_many_deadlines(void **state)
{
	struct fake many[40];
	int64_t begin = tg_clock_now();
	(void)state;

	for (int i = 0; i < 40; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
		many[i] = fake_new();
		fake_set_deadline(&many[i], begin + 5 + (i * 17) % 40);
		assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, many[i].fd, &event), 0);
	}
	for (int i = 0; i < 40; i += 3)
		fake_free(&many[i]);
	uint64_t seen = 0, expected = 0;
	for (int i = 0; i < 40; i++)
		expected |= i % 3 != 0 ? UINT64_C(1) << i : 0;
	while (seen != expected) {
		int got = wait_for(ROOM, -1);
		assert_true(got > 0);
		while (got-- > 0) {
			assert_true((int64_t)(begin + 5 + (int64_t)(events[got].data.u64 * 17) % 40) <= tg_clock_now());
			seen |= UINT64_C(1) << events[got].data.u64;
			fake_set_deadline(&many[events[got].data.u64], TG_CLOCK_NEVER);
			fake_free(&many[events[got].data.u64]);
		}
	}
}

/* Also where another process goes on with the stream: as the kernel sees it. */
static void test_another_process(void **state)
{
	(void)state;
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	fake_is_another_process = true;
	fake_send(&fake, "h");
	unsigned looked = fake_counts.looked;
	assert_reported(EPOLLIN);
	assert_int_equal(fake_counts.looked, looked);
}

static void on_signal(int number)
{
	(void)number;
}

static void test_signal_mask(void **state)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t usr1, none;
	struct tg_epoll_call call = {
	    .kind = TG_EPOLL_PWAIT, .fd = epoll, .events = events, .room = ROOM, .milliseconds = -1, .mask = &none};
	(void)state;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &usr1, NULL), 0);
	assert_int_equal(control(EPOLL_CTL_ADD, EPOLLIN), 0);
	raise(SIGUSR1);
	assert_int_equal(wait_for(ROOM, 0), 0);
	assert_int_equal(tg_epoll_wait(&call), -1);
	assert_int_equal(errno, EINTR);
	call.kind = TG_EPOLL_PWAIT2;
	raise(SIGUSR1);
	assert_int_equal(tg_epoll_wait(&call), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &usr1, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_level),
	    TEST(test_level_unread),
	    TEST(test_level_end_behind_bytes),
	    TEST(test_level_after_fork),
	    TEST(test_level_awaited),
	    TEST(test_level_input_nobody_reported),
	    TEST(test_level_output),
	    TEST(test_edge),
	    TEST(test_edge_output_after_the_verdict),
	    TEST(test_edge_when_a_call_finishes_the_handshake),
	    TEST(test_oneshot),
	    TEST(test_oneshot_edge),
	    TEST(test_oneshot_edge_waits),
	    TEST(test_exclusive),
	    TEST(test_errors_are_the_kernels),
	    TEST(test_end_and_failure),
	    TEST(test_others_pass),
	    TEST(test_timeout_goes_on),
	    TEST(test_deadline),
	    TEST(test_many_deadlines),
	    TEST(test_another_process),
	    TEST(test_signal_mask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a client makes a stream hold that the server has not read: no more than a record, and it is told of all of it. */
#include "streams.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/stream/claims.h"
#include "shim/direct/waiting/epoll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RECORD 16384
#define EXTRA 256 /* what a record has beside its plaintext, at most */
#define AT_ONCE 40000

static unsigned char bytes[1 << 20];

/* As many as the socket takes. */
static size_t push(struct both *both)
{
	size_t pushed = 0;

	SSL_set_mode(both->client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (;;) {
		int done = SSL_write(both->client, bytes, RECORD);
		if (done <= 0)
			return pushed;
		pushed += (size_t)done;
	}
}

static void open_ready(struct both *both, int version)
{
	both_open(both, CLIENT_GOOD, version, 65536);
	assert_true(shake_hands(both));
	fcntl(both->sockets.client, F_SETFL, O_NONBLOCK);
}

/* Of the socket: what the kernel holds for the server, and counts against what the client may send. */
static int lying_in(int fd)
{
	int size = 0;

	assert_int_equal(ioctl(fd, FIONREAD, &size), 0);
	return size;
}

/* However often the server asks, the client waits until it reads. */
static void asking_takes_nothing(void **state)
{
	struct both both;
	(void)state;

	open_ready(&both, TLS1_3_VERSION);
	push(&both);
	await_bytes(both.sockets.server);
	const int before = lying_in(both.sockets.server);
	size_t more = 0;
	for (int i = 0; i < 200; i++) {
		size_t readable = tg_stream_readable(both.stream);
		assert_in_range(readable, 1, RECORD);
		ssize_t seen = stream_peek(&both, bytes, sizeof(bytes));
		assert_in_range(seen, 1, RECORD);
		assert_true((tg_stream_poll(both.stream) & POLLIN) != 0);
		/* the second one is what libssl read of it together with the first */
		assert_in_range(lying_in(both.sockets.server) + 2 * (RECORD + EXTRA), before, INT_MAX);
		more += push(&both);
	}
	/* what was taken from the socket, and what libssl reads of it at once */
	assert_in_range(more, 0, 8 * RECORD);
	both_close(&both);
}

/* Who reads what it was told of, and then waits for an edge, gets all of it. */
static void edges(void **state)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	const struct tg_epoll_call wait = {.fd = epoll, .events = &event, .room = 1, .milliseconds = 10000};
	struct both both;
	size_t got = 0;
	(void)state;

	open_ready(&both, TLS1_2_VERSION);
	assert_true(tg_descriptors_add(both.stream, both.sockets.server, SOCK_NONBLOCK, TG_ENGINE_DIRECT, NULL));
	assert_int_equal(tg_epoll_control(epoll, EPOLL_CTL_ADD, both.sockets.server, &event), 0);
	for (int sent = 0; sent < AT_ONCE;) {
		int now = SSL_write(both.client, bytes, AT_ONCE - sent);
		assert_true(now > 0);
		sent += now;
	}
	await_bytes(both.sockets.server);
	while (got < AT_ONCE) {
		assert_int_equal(tg_epoll_wait(&wait), 1);
		size_t readable = tg_stream_readable(both.stream);
		tg_readiness_changed(both.stream);
		for (size_t left = readable; left > 0;) {
			ssize_t now = stream_read(&both, bytes, left < 5000 ? left : 5000);
			assert_true(now > 0);
			tg_readiness_changed(both.stream);
			left -= (size_t)now;
		}
		got += readable;
	}
	assert_int_equal(got, AT_ONCE);
	tg_descriptors_closing(both.sockets.server, false);
	both.stream = NULL; /* it ended */
	both_close(&both);
	tg_readiness_closed(epoll);
	close(epoll);
}

static int set_up(void **state)
{
	(void)state;
	tg_libc_bind();
	return streams_set_up(LISTENER) == 0 && tg_claims_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asking_takes_nothing),
	    cmocka_unit_test(edges),
	};

	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

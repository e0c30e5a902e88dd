/* SPDX-License-Identifier: Apache-2.0 */
/* What clients that take nothing keep of the relay's room for last bytes. */
#include "relay/loop.h"
#include "relay/unsent_tail.h"
#include "shim/process/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 1024 /* of relay/unsent_tail.c */
#define WAIT_MS 10000
#define TAIL "the last bytes"

static int listener;
static struct sockaddr_in address = {.sin_family = AF_INET};

struct left {
	int client;
	size_t before; /* bytes that are in the socket already */
};

static void listen_there(void)
{
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
}

/* A connection from `source` whose socket takes no more, and last bytes for it. */
static struct left leave(struct tg_loop *loop, const char *source)
{
	static const char much[65536];
	const int small = 1;
	struct sockaddr_in own = {.sin_family = AF_INET};
	struct left left = {.client = socket(AF_INET, SOCK_STREAM, 0)};
	ssize_t sent;
	int from[2];

	inet_pton(AF_INET, source, &own.sin_addr);
	setsockopt(left.client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(left.client, (const struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(left.client, (const struct sockaddr *)&address, sizeof(address)), 0);
	const int real = accept(listener, NULL, NULL);
	assert_true(real >= 0);
	setsockopt(real, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((sent = send(real, much, sizeof(much), MSG_DONTWAIT)) > 0)
		left.before += (size_t)sent;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, from), 0);
	assert_int_equal(send(from[0], TAIL, sizeof(TAIL), 0), sizeof(TAIL));
	close(from[0]);
	assert_true(tg_unsent_tail_begin(loop, from[1], real, sizeof(TAIL)));
	return left;
}

static int idle(void)
{
	return -1;
}

static void *run(void *loop)
{
	tg_loop_run(loop, idle);
}

/* Until the end; what came last is in `tail`. Returns how much came. */
static size_t read_all(const struct left *left, char tail[sizeof(TAIL)])
{
	struct pollfd interest = {.fd = left->client, .events = POLLIN};
	char data[65536];
	size_t got = 0;

	for (;;) {
		assert_int_equal(poll(&interest, 1, WAIT_MS), 1);
		const ssize_t size = recv(left->client, data, sizeof(data), 0);
		if (size <= 0)
			return got;
		for (ssize_t i = 0; i < size; i++, got++)
			if (got >= left->before && got - left->before < sizeof(TAIL))
				tail[got - left->before] = data[i];
	}
}

static void each_client_has_its_own(void **state)
{
	static struct tg_loop loop;
	static struct left crowd[ROOM + 8];
	const struct rlimit many = {.rlim_cur = 4 * (ROOM + 16), .rlim_max = 4 * (ROOM + 16)};
	char tail[sizeof(TAIL)] = "";
	pthread_t thread;
	(void)state;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	listen_there();
	assert_int_equal(tg_loop_open(&loop), 0);
	/* before all others */
	const struct left first = leave(&loop, "127.0.0.2");
	for (size_t i = 0; i < sizeof(crowd) / sizeof(crowd[0]); i++)
		crowd[i] = leave(&loop, "127.0.0.3");
	const struct left last = leave(&loop, "127.0.0.4");
	pthread_create(&thread, NULL, run, &loop);
	assert_int_equal(read_all(&first, tail), first.before + sizeof(TAIL));
	assert_memory_equal(tail, TAIL, sizeof(TAIL));
	assert_int_equal(read_all(&last, tail), last.before + sizeof(TAIL));
	assert_memory_equal(tail, TAIL, sizeof(TAIL));
	/* of who has most, the oldest went */
	for (int i = 0; i < 8; i++)
		assert_int_equal(read_all(&crowd[i], tail), crowd[i].before);
	assert_int_equal(read_all(&crowd[ROOM + 7], tail), crowd[ROOM + 7].before + sizeof(TAIL));
}

int main(void)
{
	static const struct tg_policy_header policy = {.relay_key = "not a secret"};
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_client_has_its_own)};

	tg_shim.policy = &policy;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

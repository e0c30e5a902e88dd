/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/accepted.h"

#include "shim/binding/libc.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HELLO_SIZE 100

/* The server's end of a connection, by whatever number the system gives it. */
struct accepted {
	int fd;
	int peer;
	uint16_t port;
};

static struct accepted connect_to(int listener)
{
	struct accepted made = {.fd = -1};
	struct sockaddr_in address = {0};
	socklen_t size = sizeof(address);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	made.port = ntohs(address.sin_port);
	made.peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(made.peer, (struct sockaddr *)&address, size), 0);
	made.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(made.fd >= 0);
	return made;
}

static int new_listener(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void close_both(const struct accepted *connection)
{
	close(connection->fd);
	close(connection->peer);
}

static void make_hello(unsigned char hello[HELLO_SIZE], unsigned char random)
{
	static const unsigned char head[] = {22, 3, 1, 0, HELLO_SIZE - 5, 1, 0, 0, HELLO_SIZE - 9, 3, 3};

	memset(hello, 0, HELLO_SIZE);
	memcpy(hello, head, sizeof(head));
	memset(hello + sizeof(head), random, TG_RANDOM_SIZE);
}

static void receive(int fd, const void *data, size_t size)
{
	tg_accepted_read(fd);
	tg_accepted_bytes(fd, data, size);
}

static void receive_hello(int fd, unsigned char random)
{
	unsigned char hello[HELLO_SIZE];

	make_hello(hello, random);
	receive(fd, hello, sizeof(hello));
}

#define NO_ADDRESS (-1)

/* The port of the connection that sent `random`; 0: not known; NO_ADDRESS: of a socket that has no IP address. */
static int port_of(unsigned char random)
{
	unsigned char bytes[TG_RANDOM_SIZE];
	struct tg_address address, peer;

	memset(bytes, random, sizeof(bytes));
	if (!tg_accepted_find(bytes, &address, &peer))
		return 0;
	return address.family == 0 ? NO_ADDRESS : address.port;
}

static int first_listener, second_listener;

static int listen_twice(void **state)
{
	tg_libc_bind();
	(void)state;
	first_listener = new_listener();
	second_listener = new_listener();
	return 0;
}

static int close_listeners(void **state)
{
	(void)state;
	close(first_listener);
	close(second_listener);
	return 0;
}

static void test_each_by_its_own(void **state)
{
	struct accepted a = connect_to(first_listener), b = connect_to(second_listener);
	unsigned char hello[HELLO_SIZE];
	(void)state;

	tg_accepted_begin(a.fd);
	tg_accepted_begin(b.fd);
	make_hello(hello, 1);
	receive(a.fd, hello, 50);
	receive_hello(b.fd, 2);
	assert_int_equal(port_of(2), b.port);
	receive(a.fd, hello + 50, sizeof(hello) - 50);
	assert_int_equal(port_of(3), 0);
	assert_int_equal(port_of(1), a.port);
	assert_int_equal(port_of(1), 0); /* once */
	close_both(&a);
	close_both(&b);
}

/* Whatever was read last has to be the one: something else may be what libssl got. */
static void test_another_read_in_between(void **state)
{
	struct accepted a = connect_to(first_listener), b = connect_to(second_listener);
	(void)state;

	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 1);
	tg_accepted_read(b.fd);
	assert_int_equal(port_of(1), 0);
	tg_accepted_read(a.fd);
	tg_accepted_read(1 << 19); /* a number that nothing is known of */
	assert_int_equal(port_of(1), 0);
	tg_accepted_read(a.fd);
	assert_int_equal(port_of(1), a.port);
	close_both(&a);
	close_both(&b);
}

static void test_one_random_on_two_addresses(void **state)
{
	struct accepted a = connect_to(first_listener), b = connect_to(second_listener), c = connect_to(first_listener);
	(void)state;

	tg_accepted_begin(a.fd);
	tg_accepted_begin(b.fd);
	tg_accepted_begin(c.fd);
	receive_hello(b.fd, 1);
	receive_hello(a.fd, 1);
	assert_int_equal(port_of(1), 0);
	close_both(&b); /* what is closed is none */
	receive_hello(c.fd, 1);
	assert_int_equal(port_of(1), c.port); /* two on one address */
	close_both(&a);
	close_both(&c);
}

static void test_incomplete(void **state)
{
	struct accepted a = connect_to(first_listener);
	unsigned char hello[HELLO_SIZE];
	(void)state;

	make_hello(hello, 1);
	tg_accepted_begin(a.fd);
	receive(a.fd, hello, sizeof(hello) - 1);
	assert_int_equal(port_of(1), 0);
	receive(a.fd, hello + sizeof(hello) - 1, 1);
	assert_int_equal(port_of(1), a.port);
	close_both(&a);
}

/* libuv closes behind our back: the number means another socket then, and its address is what counts. */
static void test_number_used_again(void **state)
{
	struct accepted a = connect_to(first_listener), b = connect_to(second_listener);
	unsigned char hello[HELLO_SIZE];
	(void)state;

	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 1);
	assert_int_equal(dup2(b.fd, a.fd), a.fd);
	tg_accepted_read(a.fd);
	assert_int_equal(port_of(1), b.port);
	/* Half a hello of the old one is not the beginning of the new one's. */
	tg_accepted_begin(a.fd);
	make_hello(hello, 2);
	receive(a.fd, hello, 60);
	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 3);
	assert_int_equal(port_of(3), b.port);
	close_both(&a);
	close_both(&b);
}

static void test_no_connection(void **state)
{
	struct accepted a = connect_to(first_listener);
	int pair[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	tg_accepted_begin(pair[0]);
	receive_hello(pair[0], 2);
	assert_int_equal(port_of(2), NO_ADDRESS);
	tg_accepted_begin(pair[0]);
	receive_hello(pair[0], 2);
	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 2);
	assert_int_equal(port_of(2), 0); /* it may be the other one's */
	tg_accepted_begin(-1);
	tg_accepted_begin(1 << 30);
	receive_hello(1 << 30, 3);
	receive_hello(-1, 3);
	assert_int_equal(port_of(3), 0);
	close(pair[0]);
	close(pair[1]);
	close_both(&a);
}

/* Never begun: accepted before anybody asked. A number that was answered for has to be accepted anew. */
static void test_accept_went_by(void **state)
{
	struct accepted a = connect_to(first_listener);
	unsigned char hello[HELLO_SIZE];
	(void)state;

	int fd = fcntl(a.fd, F_DUPFD_CLOEXEC, 2000);
	make_hello(hello, 1);
	receive(fd, hello, 5);
	receive(fd, hello + 5, sizeof(hello) - 5);
	assert_int_equal(port_of(1), a.port);
	receive_hello(fd, 2);
	assert_int_equal(port_of(2), 0);
	close(fd);
	close_both(&a);
}

static void test_high_numbers(void **state)
{
	struct accepted a = connect_to(first_listener), b = connect_to(second_listener);
	(void)state;

	int high = fcntl(b.fd, F_DUPFD_CLOEXEC, 900);
	assert_true(high >= 900);
	tg_accepted_begin(high);
	receive_hello(high, 1);
	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 1);
	assert_int_equal(port_of(1), 0);
	receive_hello(high, 1);
	tg_accepted_begin(a.fd);
	tg_accepted_read(high);
	assert_int_equal(port_of(1), b.port);
	close(high);
	close_both(&a);
	close_both(&b);
}

static void *ask_elsewhere(void *port)
{
	*(int *)port = port_of(1);
	return NULL;
}

/* A thread that read nothing cannot know whose bytes it was given. */
static void test_another_thread(void **state)
{
	struct accepted a = connect_to(first_listener);
	pthread_t thread;
	int port = -1;
	(void)state;

	tg_accepted_begin(a.fd);
	receive_hello(a.fd, 1);
	assert_int_equal(pthread_create(&thread, NULL, ask_elsewhere, &port), 0);
	pthread_join(thread, NULL);
	assert_int_equal(port, 0);
	assert_int_equal(port_of(1), a.port);
	close_both(&a);
}

static void test_wanted_by_policy_and_server(void **state)
{
	(void)state;
	assert_false(tg_accepted_is_wanted());
	tg_accepted_want();
	assert_false(tg_accepted_is_wanted());
	tg_accepted_serves();
	assert_true(tg_accepted_is_wanted());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wanted_by_policy_and_server),
	    cmocka_unit_test(test_each_by_its_own),
	    cmocka_unit_test(test_another_read_in_between),
	    cmocka_unit_test(test_incomplete),
	    cmocka_unit_test(test_one_random_on_two_addresses),
	    cmocka_unit_test(test_number_used_again),
	    cmocka_unit_test(test_no_connection),
	    cmocka_unit_test(test_accept_went_by),
	    cmocka_unit_test(test_high_numbers),
	    cmocka_unit_test(test_another_thread),
	};
	return cmocka_run_group_tests(tests, listen_twice, close_listeners);
}

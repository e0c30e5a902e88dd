/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HIGH 1000000

static struct sockaddr_in v4(unsigned char last)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(0xc0000200U | last)};
}

static struct sockaddr_in6 v6(const char *text)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(4712)};

	assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
	return address;
}

static void note_v4(int fd, unsigned char last)
{
	struct sockaddr_in address = v4(last);

	tg_peers_note(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* The last byte of the IPv4 address; -1: not known. */
static int last_of(int fd)
{
	struct tg_address found;

	return tg_peers_find(fd, &found) && found.family == 4 ? found.bytes[3] : -1;
}

static void test_each_number_its_own(void **state)
{
	(void)state;
	note_v4(5, 1);
	note_v4(HIGH, 2);
	assert_int_equal(last_of(5), 1);
	assert_int_equal(last_of(HIGH), 2);
	assert_int_equal(last_of(6), -1);
	tg_peers_forget(5);
	assert_int_equal(last_of(5), -1);
	tg_peers_forget(HIGH);
}

/* A server that has room for an IPv4 address asks for that of a client on an IPv6 socket. */
static void test_less_than_the_whole_address(void **state)
{
	static const char *const clients[] = {"2001:db8::7", "::ffff:192.0.2.7"};
	struct tg_address found;
	(void)state;

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct sockaddr_in6 address = v6(clients[i]);
		const struct sockaddr *any = (const struct sockaddr *)&address;

		tg_peers_note(7, any, sizeof(address));
		assert_true(tg_peers_find(7, &found));
		tg_peers_note(7, any, sizeof(struct sockaddr_in));
		assert_false(tg_peers_find(7, &found));
	}
	struct sockaddr_in address = v4(3);
	tg_peers_note(7, (const struct sockaddr *)&address, offsetof(struct sockaddr_in, sin_zero));
	assert_int_equal(last_of(7), 3);
	tg_peers_note(7, (const struct sockaddr *)&address, offsetof(struct sockaddr_in, sin_zero) - 1);
	assert_int_equal(last_of(7), -1);
	tg_peers_note(7, (const struct sockaddr *)&address, 0);
	assert_int_equal(last_of(7), -1);
}

static void test_copies(void **state)
{
	(void)state;
	note_v4(8, 4);
	tg_peers_copy(8, 8);
	tg_peers_copy(8, 9);
	assert_int_equal(last_of(8), 4);
	assert_int_equal(last_of(9), 4);
	/* never a wrong one: what takes a known connection's number is told by nobody */
	note_v4(10, 5);
	tg_peers_copy(10, 9);
	assert_int_equal(last_of(9), -1);
	note_v4(9, 6);
	tg_peers_copy(11, 9);
	assert_int_equal(last_of(9), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_number_its_own),
	    cmocka_unit_test(test_less_than_the_whole_address),
	    cmocka_unit_test(test_copies),
	};
	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}

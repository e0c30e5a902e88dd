/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_text(const struct tg_address *address, const char *wanted)
{
	char text[TG_ADDRESS_TEXT_SIZE];

	assert_string_equal(tg_address_text(address, text), wanted);
}

static void test_lines_of_the_kernel(void **state)
{
	struct tg_address address;
	unsigned long inode;

	(void)state;
	assert_true(
	    tg_listeners_parse("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
			       "4711 1 0000000000000000 100 0 0 10 0\n",
			       false, &address, &inode));
	assert_text(&address, "127.0.0.1:8080");
	assert_int_equal(inode, 4711);
	assert_true(
	    tg_listeners_parse("  12: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A "
			       "00000000:00000000 00:00000000 00000000  1000        0 5 1 0 100 0 0 10 0\n",
			       true, &address, &inode));
	assert_text(&address, "[::]:443");
	assert_true(address.any);
	assert_true(
	    tg_listeners_parse("   1: 0000000000000000FFFF00000200A8C0:01BB 00000000000000000000000000000000:0000 0A "
			       "00000000:00000000 00:00000000 00000000  1000        0 6 1 0 100 0 0 10 0\n",
			       true, &address, &inode));
	assert_text(&address, "192.168.0.2:443");
	assert_false(address.any);
	/* established, and the heading */
	assert_false(
	    tg_listeners_parse("   0: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 "
			       "4711 1 0 20 4 0 10 -1\n",
			       false, &address, &inode));
	assert_false(
	    tg_listeners_parse("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
			       "inode\n",
			       false, &address, &inode));
	assert_false(tg_listeners_parse("", false, &address, &inode));
}

static struct tg_address make(uint8_t family, const char *host, uint16_t port)
{
	struct tg_address address = {.family = family, .port = port};

	if (host == NULL)
		address.any = true;
	else
		inet_pton(family == 4 ? AF_INET : AF_INET6, host, address.bytes);
	return address;
}

static bool touches(struct tg_address socket, struct tg_address wanted)
{
	const struct tg_listeners listeners = {&socket, 1, false};
	const struct tg_route route = {.addresses = &wanted, .address_count = 1};

	return tg_listeners_touch(&listeners, &route);
}

static void test_touching(void **state)
{
	const struct tg_listeners none = {0};
	struct tg_address one = make(4, "127.0.0.1", 80);
	const struct tg_listeners some = {&one, 1, false};
	const struct tg_route server = {.is_server = true};

	(void)state;
	assert_true(touches(make(4, "127.0.0.1", 80), make(4, "127.0.0.1", 80)));
	assert_false(touches(make(4, "127.0.0.1", 80), make(4, "127.0.0.1", 81)));
	assert_false(touches(make(4, "127.0.0.1", 80), make(4, "127.0.0.2", 80)));
	assert_true(touches(make(4, "127.0.0.1", 80), make(4, NULL, 80)));
	assert_true(touches(make(4, NULL, 80), make(4, "127.0.0.1", 80)));
	assert_true(touches(make(4, "127.0.0.1", 80), make(0, NULL, 80)));
	assert_true(touches(make(6, "::1", 80), make(0, NULL, 80)));
	assert_true(touches(make(6, NULL, 80), make(4, "127.0.0.1", 80)));
	assert_false(touches(make(4, NULL, 80), make(6, "::1", 80)));
	assert_false(touches(make(6, "::1", 80), make(4, NULL, 80)));
	assert_true(tg_listeners_touch(&some, &server));
	assert_false(tg_listeners_touch(&none, &server));
}

static void test_own_sockets_are_found(void **state)
{
	struct sockaddr_in bound = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(bound);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const pid_t self = getpid();
	struct tg_listeners found = {0};
	struct tg_address wanted;
	struct tg_route route = {.addresses = &wanted, .address_count = 1};

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
	wanted = make(4, "127.0.0.1", ntohs(bound.sin_port));
	assert_int_equal(tg_listeners_find(&self, 1, INT64_MAX, &found), 0);
	assert_false(tg_listeners_touch(&found, &route));
	tg_listeners_free(&found);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(tg_listeners_find(&self, 1, INT64_MAX, &found), 0);
	assert_int_equal(found.count, 1);
	assert_true(tg_listeners_touch(&found, &route));
	tg_listeners_free(&found);
	close(fd);
}

static int listening(const struct sockaddr_in *address)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_each_address_once(void **state)
{
	struct sockaddr_in bound[2] = {{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
				       {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + 1)}}};
	socklen_t size = sizeof(bound[0]);
	const pid_t self = getpid();
	struct tg_listeners found = {0};
	int fds[6];

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		fds[i] = listening(&bound[i % 2]);
		assert_int_equal(getsockname(fds[i], (struct sockaddr *)&bound[i % 2], &size), 0);
	}
	assert_int_equal(tg_listeners_find(&self, 1, INT64_MAX, &found), 0);
	assert_int_equal(found.count, 2);
	tg_listeners_free(&found);
	/* an attached process may have more than there is time for */
	assert_int_equal(tg_listeners_find(&self, 1, 0, &found), -ETIME);
	assert_null(found.addresses);
	for (size_t i = 0; i < 6; i++)
		close(fds[i]);
}

static void test_no_processes(void **state)
{
	const pid_t nobody = 0x3fffffff;
	struct tg_listeners found = {0};

	(void)state;
	assert_int_equal(tg_listeners_find(NULL, 0, INT64_MAX, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(tg_listeners_find(&nobody, 1, INT64_MAX, &found), 0);
	assert_int_equal(found.count, 0);
	tg_listeners_free(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines_of_the_kernel),   cmocka_unit_test(test_touching),
	    cmocka_unit_test(test_own_sockets_are_found), cmocka_unit_test(test_each_address_once),
	    cmocka_unit_test(test_no_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

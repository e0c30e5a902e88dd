/* Streams over real loopback sockets, with libssl as the client. Both ends go on by turns, in one thread. */
#include "governed.h"

#include "shim/direct/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char ini[] = "[listener api]\nlisten = 127.0.0.1:%u\nserver_speaks = plaintext\nmode = mutual\n"
			  "cert = server.pem\nkey = server.key\nca = ca.pem\n";

struct both {
	struct pair sockets;
	struct tg_stream *stream;
	SSL *client;
};

static void both_open(struct both *both, enum client_kind kind, int version)
{
	pair_open(&both->sockets, 0);
	both->stream = tg_stream_new(both->sockets.server, route_of(both->sockets.server));
	assert_non_null(both->stream);
	both->client = client_new(both->sockets.client, kind, version);
}

static void both_close(struct both *both)
{
	tg_stream_free(both->stream);
	SSL_free(both->client);
	close(both->sockets.server);
	close(both->sockets.client);
}

static ssize_t read_some(struct both *both, void *data, size_t size)
{
	return tg_stream_read(both->stream, &(struct iovec){data, size}, 1, false);
}

static ssize_t write_some(struct both *both, const void *data, size_t size)
{
	return tg_stream_write(both->stream, &(struct iovec){(void *)(uintptr_t)data, size}, 1);
}

static void hello(void **state)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100];
		both_open(&both, CLIENT_GOOD, versions[i]);
		for (int k = 0; k < 10 && SSL_do_handshake(both.client) != 1; k++)
			tg_stream_poll(both.stream);
		assert_int_equal(SSL_write(both.client, "hello", 5), 5);
		assert_int_equal(read_some(&both, data, sizeof(data)), 5);
		assert_memory_equal(data, "hello", 5);
		assert_int_equal(read_some(&both, data, sizeof(data)), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(write_some(&both, "world!", 6), 6);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 6);
		assert_memory_equal(data, "world!", 6);
		both_close(&both);
	}
	assert_int_equal(counters_of("listener api")->accepted, 2);
}

static int set_up(void **state)
{
	(void)state;
	govern(ini);
	return tg_stream_prepare() ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	govern_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hello),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

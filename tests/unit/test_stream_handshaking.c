/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes: TLS or plaintext, in time or not, and the header that tells the server who it is. */
#include "streams.h"

#include "ipc/report.h"
#include "shim/direct/stream/stream_inside.h"
#include "shim/process/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BOTH_KINDS LISTENER "accept_plaintext = yes\nhandshake_timeout = 1\n"
#define WITH_WAIT BOTH_KINDS "plaintext_wait = 50\n"

static uint64_t events(enum tg_plaintext_event event)
{
	const struct tg_section_slot *slot = counters_of("listener api");

	return tg_shim.report->plaintext[slot - tg_shim.report->sections].counts[event];
}

static void send_text(struct both *both, const char *text)
{
	assert_int_equal(send(both->sockets.client, text, strlen(text), 0), strlen(text));
	await_bytes(both->sockets.server);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void pass(int64_t until)
{
	while (now() < until)
		poll(NULL, 0, (int)(until - now()));
}

/* From its first byte on a plaintext client reads and writes as if nothing were there. */
static void plaintext_goes_through(void **state)
{
	uint64_t before = events(TG_PLAINTEXT_CLIENT);
	struct both both;
	char data[100];
	(void)state;

	both_open(&both, CLIENT_NONE, 0, 0);
	assert_int_equal(stream_write(&both, "early", 5), 5);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	send_text(&both, "PING\r\n");
	assert_int_equal(tg_stream_poll(both.stream), POLLIN | POLLOUT);
	assert_int_equal(tg_stream_state(both.stream), TG_STREAM_PLAIN);
	assert_int_equal(tg_stream_deadline(both.stream), INT64_MAX);
	assert_int_equal(stream_peek(&both, data, sizeof(data)), 6);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 6);
	assert_memory_equal(data, "PING\r\n", 6);
	assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(stream_write(&both, "PONG", 4), 4);
	await_bytes(both.sockets.client);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 9);
	assert_memory_equal(data, "earlyPONG", 9);
	assert_int_equal(tg_stream_shutdown(both.stream, SHUT_WR), 0);
	await_bytes(both.sockets.client);
	assert_int_equal(recv(both.sockets.client, data, sizeof(data), 0), 0);
	assert_int_equal(events(TG_PLAINTEXT_CLIENT), before + 1);
	both_close(&both);
}

static int corked_in_kernel(const struct both *both)
{
	socklen_t size = sizeof(int);
	int corked = -1;

	assert_int_equal(getsockopt(both->sockets.server, IPPROTO_TCP, TCP_CORK, &corked, &size), 0);
	return corked;
}

/* A cork from before the first bytes is the socket's then, and nothing of it stays with the stream when it is pulled. */
static void cork_of_a_plaintext_client(void **state)
{
	const int off = 0;
	struct both both;
	char data[100];
	(void)state;

	both_open(&both, CLIENT_NONE, 0, 0);
	assert_true(tg_stream_cork(both.stream, TG_CORK_HERE));
	send_text(&both, "PING\r\n");
	assert_int_equal(stream_read(&both, data, sizeof(data)), 6);
	assert_int_equal(corked_in_kernel(&both), 1);
	assert_int_equal(stream_write(&both, "one", 3), 3);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	assert_false(tg_stream_cork(both.stream, TG_CORK_OFF));
	assert_int_equal(setsockopt(both.sockets.server, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)), 0);
	assert_false(tg_stream_is_corked(both.stream));
	await_bytes(both.sockets.client);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 3);
	assert_int_equal(stream_write(&both, "two", 3), 3);
	assert_int_equal(corked_in_kernel(&both), 0);
	assert_int_equal(tg_stream_state(both.stream) & TG_STREAM_OUTPUT, 0);
	await_bytes(both.sockets.client);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 3);
	both_close(&both);
}

/* What begins like a record and is none after all; the bytes that were taken meanwhile are not lost. */
static void nearly_a_record(void **state)
{
	static const char *const words[] = {"\x16\x03\x01\x7f\xffz", "\x16\x03zzz", "\x16zzzz", "\x16\x03\x03\x01\x01\x02"};
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct both both;
		char data[100];
		ssize_t got = 0;

		both_open(&both, CLIENT_NONE, 0, 0);
		for (size_t at = 0; at < strlen(words[i]); at++) {
			assert_int_equal(send(both.sockets.client, words[i] + at, 1, 0), 1);
			await_bytes(both.sockets.server);
			tg_stream_poll(both.stream);
			/* No byte stays behind that would keep the socket readable. */
			if (tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING)
				assert_int_equal(recv(both.sockets.server, data, 1, MSG_PEEK | MSG_DONTWAIT), -1);
		}
		assert_int_equal(tg_stream_state(both.stream) & TG_STREAM_PLAIN, TG_STREAM_PLAIN);
		while (got < (ssize_t)strlen(words[i])) {
			ssize_t n = stream_read(&both, data + got, sizeof(data) - (size_t)got);
			assert_true(n > 0);
			got += n;
		}
		assert_memory_equal(data, words[i], strlen(words[i]));
		both_close(&both);
	}
}

/* A TLS client is one, also where plaintext is let in, and however its first bytes come. */
static void tls_beside_plaintext(void **state)
{
	uint64_t before = events(TG_PLAINTEXT_CLIENT);
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct both both;
		BIO *from_client = BIO_new(BIO_s_mem());
		char data[100], *out;

		both_open(&both, CLIENT_GOOD, version, 0);
		BIO *socket_bio = SSL_get_rbio(both.client);
		BIO_up_ref(socket_bio);
		SSL_set0_wbio(both.client, from_client);
		SSL_do_handshake(both.client);
		long left = BIO_get_mem_data(from_client, &out);
		for (long at = 0; at < 8; at++) {
			assert_int_equal(send(both.sockets.client, out + at, 1, 0), 1);
			await_bytes(both.sockets.server);
			tg_stream_poll(both.stream);
		}
		assert_int_equal(send(both.sockets.client, out + 8, (size_t)left - 8, 0), left - 8);
		SSL_set0_wbio(both.client, socket_bio);
		assert_true(shake_hands(&both));
		assert_int_equal(stream_write(&both, "x", 1), 1);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
		both_close(&both);
		/* Who speaks TLS is judged by it. */
		both_open(&both, CLIENT_OTHER_CA, version, 0);
		shake_hands(&both);
		expect_failure(&both, ECONNRESET);
		both_close(&both);
	}
	assert_int_equal(events(TG_PLAINTEXT_CLIENT), before);
}

static void health_check_is_no_plaintext_client(void **state)
{
	uint64_t before = events(TG_PLAINTEXT_CLIENT);
	struct both both;
	char data[10];
	(void)state;

	both_open(&both, CLIENT_NONE, 0, 0);
	shutdown(both.sockets.client, SHUT_WR);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 0);
	assert_int_equal(events(TG_PLAINTEXT_CLIENT), before);
	both_close(&both);
}

/* Without plaintext_wait silence is no answer: only a byte is. */
static void silence(void **state)
{
	uint64_t late = events(TG_PLAINTEXT_TIMED_OUT);
	struct both both;
	char data[100];
	(void)state;

	both_open(&both, CLIENT_NONE, 0, 0);
	assert_int_equal(stream_write(&both, "220 hello", 9), 9);
	int64_t deadline = tg_stream_deadline(both.stream);
	assert_in_range(deadline, now() + 500, now() + 1000);
	pass(deadline - 450); /* far from it on a busy machine, too */
	assert_int_equal(tg_stream_poll(both.stream), POLLOUT);
	pass(deadline);
	assert_int_equal(tg_stream_poll(both.stream) & POLLERR, POLLERR);
	expect_failure(&both, ECONNRESET);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	assert_int_equal(events(TG_PLAINTEXT_TIMED_OUT), late + 1);
	both_close(&both);
}

/* One byte every now and then buys no time. */
static void slow_handshake(void **state)
{
	uint64_t late = events(TG_PLAINTEXT_TIMED_OUT);
	struct both both;
	BIO *from_client = BIO_new(BIO_s_mem());
	char *out;
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	int64_t deadline = tg_stream_deadline(both.stream);
	SSL_set0_wbio(both.client, from_client);
	SSL_do_handshake(both.client);
	BIO_get_mem_data(from_client, &out);
	for (int at = 0; now() < deadline; at++) {
		assert_int_equal(tg_stream_poll(both.stream), POLLOUT);
		assert_int_equal(tg_stream_deadline(both.stream), deadline);
		assert_int_equal(send(both.sockets.client, out + at, 1, 0), 1);
		pass(now() + 100 < deadline ? now() + 100 : deadline);
	}
	expect_failure(&both, ECONNRESET);
	assert_int_equal(events(TG_PLAINTEXT_TIMED_OUT), late + 1);
	both_close(&both);
}

/* A server that speaks first: after plaintext_wait of silence its client is a plaintext one. */
static void wait_for_plaintext(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	govern_again(WITH_WAIT);
	uint64_t before = events(TG_PLAINTEXT_CLIENT);
	both_open(&both, CLIENT_NONE, 0, 0);
	assert_int_equal(stream_write(&both, "220 hello", 9), 9);
	int64_t deadline = tg_stream_deadline(both.stream);
	assert_in_range(deadline, now(), now() + 50);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	pass(deadline);
	tg_stream_poll(both.stream);
	assert_int_equal(tg_stream_state(both.stream), TG_STREAM_PLAIN);
	await_bytes(both.sockets.client);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 9);
	assert_int_equal(events(TG_PLAINTEXT_CLIENT), before + 1);
	both_close(&both);
	/* One that said the first byte of a record is waited for as long as any other handshake. */
	both_open(&both, CLIENT_NONE, 0, 0);
	deadline = tg_stream_deadline(both.stream);
	send_text(&both, "\x16");
	tg_stream_poll(both.stream);
	assert_true(tg_stream_deadline(both.stream) > deadline);
	pass(deadline);
	tg_stream_poll(both.stream);
	assert_int_equal(tg_stream_state(both.stream), TG_STREAM_HANDSHAKING);
	both_close(&both);
	govern_again(BOTH_KINDS);
}

/* One too many: the one that began first has to go, and its server is woken up to see that. */
static void too_many(void **state)
{
	enum { MAX = 4 };
	uint64_t late = events(TG_PLAINTEXT_TIMED_OUT);
	unsigned usual = tg_stream_handshakes_max;
	struct both both[MAX + 2];
	(void)state;

	tg_stream_handshakes_max = MAX;
	for (int i = 0; i < MAX + 1; i++) {
		both_open(&both[i], CLIENT_GOOD, TLS1_3_VERSION, 0);
		SSL_do_handshake(both[i].client);
		await_bytes(both[i].sockets.server);
		tg_stream_poll(both[i].stream);
	}
	await_bytes(both[0].sockets.server);
	expect_failure(&both[0], ECONNRESET);
	assert_int_equal(events(TG_PLAINTEXT_TIMED_OUT), late + 1);
	/* Who is through counts no more. */
	assert_true(shake_hands(&both[1]));
	both_open(&both[MAX + 1], CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&both[MAX + 1]));
	for (int i = 2; i < MAX + 1; i++)
		assert_true(shake_hands(&both[i]));
	for (int i = 0; i < MAX + 2; i++)
		both_close(&both[i]);
	tg_stream_handshakes_max = usual;
}

/*
 * As in the relay, where one thread counts and others go on: who was evicted before its own first call counts no more, and
 * evicts nobody else then. It has its descriptors until it is freed.
 */
static void too_many_at_once(void **state)
{
	enum { MAX = 4 };
	uint64_t late = events(TG_PLAINTEXT_TIMED_OUT);
	unsigned usual = tg_stream_handshakes_max;
	struct both both[MAX + 1];
	(void)state;

	tg_stream_handshakes_max = MAX;
	for (int i = 0; i < MAX + 1; i++) {
		assert_false(tg_stream_evictions_lag());
		both_open(&both[i], CLIENT_GOOD, TLS1_3_VERSION, 0);
		SSL_do_handshake(both[i].client);
		tg_stream_count_at_once(both[i].stream);
	}
	assert_true(tg_stream_evictions_lag());
	await_bytes(both[0].sockets.server);
	expect_failure(&both[0], ECONNRESET);
	assert_true(tg_stream_evictions_lag());
	both_close(&both[0]);
	assert_false(tg_stream_evictions_lag());
	for (int i = 1; i < MAX + 1; i++)
		assert_true(shake_hands(&both[i]));
	assert_int_equal(events(TG_PLAINTEXT_TIMED_OUT), late + 1);
	for (int i = 1; i < MAX + 1; i++)
		both_close(&both[i]);
	tg_stream_handshakes_max = usual;
}

static size_t header_of(struct both *both, unsigned char *header, size_t size)
{
	size_t got = 0;

	for (int turn = 0; turn < 1000 && (got < 16 || got < 16 + (size_t)(header[14] << 8 | header[15])); turn++) {
		size_t wanted = got < 16 ? 16 - got : 16 + (size_t)(header[14] << 8 | header[15]) - got;
		assert_true(wanted <= size - got);
		ssize_t n = stream_read(both, header + got, wanted);
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

/* The header goes before the first byte, for both kinds of clients; only who speaks TLS has the facts of it. */
static void proxy_header(void **state)
{
	struct both both;
	unsigned char header[1024];
	struct sockaddr_in client;
	socklen_t client_size = sizeof(client);
	char data[10];
	(void)state;

	govern_again(BOTH_KINDS "proxy_protocol = v2\n");
	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_int_equal(stream_read(&both, header, sizeof(header)), -1);
	assert_true(shake_hands(&both));
	assert_int_equal(tg_stream_poll(both.stream) & POLLIN, POLLIN);
	size_t size = header_of(&both, header, sizeof(header));
	assert_memory_equal(header, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
	getsockname(both.sockets.client, (struct sockaddr *)&client, &client_size);
	assert_memory_equal(header + 16, &client.sin_addr, 4);
	assert_memory_equal(header + 24, &client.sin_port, 2);
	assert_int_equal(header[26] << 8 | header[27], pair_port());
	/* AUTHORITY; then SSL: a certificate in this connection, verified. */
	assert_memory_equal(header + 28, "\x02\0\x09localhost\x20", 13);
	assert_memory_equal(header + 43, "\x07\0\0\0\0\x21\0\x07TLSv1.3", 15);
	assert_non_null(memmem(header, size,
			       "\x22\0\x06"
			       "client",
			       9));
	assert_int_equal(SSL_write(both.client, "x", 1), 1);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 1);
	both_close(&both);

	both_open(&both, CLIENT_NONE, 0, 0);
	send_text(&both, "x");
	size = header_of(&both, header, sizeof(header));
	assert_int_equal(size, 28);
	assert_memory_equal(header, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 1);
	both_close(&both);
	govern_again(BOTH_KINDS);
}

static struct tg_stream_begun given;
static char given_data[16];

static int take(int fd, const struct tg_stream_begun *begun)
{
	assert_true(fd >= 0);
	assert_in_range(begun->size, 0, sizeof(given_data));
	memcpy(given_data, begun->data, begun->size);
	given = *begun;
	return 0;
}

static int refuse(int fd, const struct tg_stream_begun *begun)
{
	(void)fd;
	(void)begun;
	return -ECONNREFUSED;
}

/* What a server wrote first goes along, also when the client has spoken meanwhile; not what was taken from the socket. */
static void goes_on_elsewhere(void **state)
{
	struct both both;
	char data[16];
	(void)state;

	govern_again(LISTENER);
	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	SSL_do_handshake(both.client);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_write(&both, "hello", 5), 5);
	assert_int_equal(tg_stream_shutdown(both.stream, SHUT_WR), 0);
	assert_true(tg_stream_is_unread(both.stream));
	assert_false(tg_stream_is_untouched(both.stream));
	assert_int_equal(tg_stream_move(both.stream, both.sockets.server, refuse), -ECONNREFUSED);
	assert_int_equal(tg_stream_moved(both.stream), -1);
	assert_int_equal(tg_stream_move(both.stream, both.sockets.server, take), 0);
	assert_int_equal(tg_stream_moved(both.stream), both.sockets.server);
	assert_int_equal(given.size, 5);
	assert_memory_equal(given_data, "hello", 5);
	assert_true(given.write_shut && !given.read_shut);
	assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
	assert_int_equal(raw_read(&both, data, sizeof(data)), 0);
	both_close(&both);

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	SSL_do_handshake(both.client);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_write(&both, "hello", 5), 5);
	tg_stream_poll(both.stream);
	assert_int_equal(tg_stream_move(both.stream, both.sockets.server, take), -EBUSY);
	assert_true(tg_stream_has_early(both.stream));
	both_close(&both);
	govern_again(BOTH_KINDS);
}

static int set_up(void **state)
{
	(void)state;
	return streams_set_up(BOTH_KINDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(silence),
	    cmocka_unit_test(slow_handshake),
	    cmocka_unit_test(nearly_a_record),
	    cmocka_unit_test(tls_beside_plaintext),
	    cmocka_unit_test(health_check_is_no_plaintext_client),
	    cmocka_unit_test(plaintext_goes_through),
	    cmocka_unit_test(cork_of_a_plaintext_client),
	    cmocka_unit_test(wait_for_plaintext),
	    cmocka_unit_test(too_many),
	    cmocka_unit_test(too_many_at_once),
	    cmocka_unit_test(proxy_header),
	    cmocka_unit_test(goes_on_elsewhere),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

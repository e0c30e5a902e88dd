/* SPDX-License-Identifier: Apache-2.0 */
/* What crosses a stream, and how it ends: compared with what recv(2), send(2), shutdown(2) and poll(2) say. */
#include "streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void open_ready(struct both *both, int version, int buffer)
{
	both_open(both, CLIENT_GOOD, version, buffer);
	assert_true(shake_hands(both));
}

/* The client's bytes go out before the call returns; they arrive soon. */
static void client_sends(struct both *both, const void *data, int size)
{
	assert_int_equal(SSL_write(both->client, data, size), size);
	await_bytes(both->sockets.server);
}

#define BULK ((size_t)3 * 1024 * 1024)
static unsigned char pattern[BULK];

/* FIN or RST without close_notify: what came before is read, and then it is an error, never an end of file. */
static void truncation(void **state)
{
	(void)state;

	for (int i = 0; i < 4; i++) {
		const struct linger reset = {.l_onoff = 1};
		struct both both;
		char data[100];

		open_ready(&both, versions[i % 2], 0);
		client_sends(&both, "last", 4);
		if (i < 2)
			shutdown(both.sockets.client, SHUT_WR);
		else
			setsockopt(both.sockets.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		assert_int_equal(stream_read(&both, data, 4), 4);
		if (i >= 2) {
			SSL_set_quiet_shutdown(both.client, 1);
			close(both.sockets.client);
			both.sockets.client = -1;
		}
		await_bytes(both.sockets.server);
		assert_int_equal(tg_stream_poll(both.stream) & POLLIN, POLLIN);
		expect_failure(&both, ECONNRESET);
		both_close(&both);
	}
}

/* An end that was heard of is found by the same call, behind the part of a record that came with it. */
static void end_behind_a_part(void **state)
{
	static const unsigned char part[] = {23, 3, 3, 0, 50, 1, 2, 3};
	struct both both;
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	assert_int_equal(send(both.sockets.client, part, sizeof(part), MSG_NOSIGNAL), sizeof(part));
	shutdown(both.sockets.client, SHUT_WR);
	struct pollfd end = {.fd = both.sockets.server, .events = POLLRDHUP};
	assert_int_equal(poll(&end, 1, 10000), 1);
	tg_stream_hear_end(both.stream);
	assert_int_equal(tg_stream_poll(both.stream) & POLLIN, POLLIN);
	expect_failure(&both, ECONNRESET);
	both_close(&both);
}

/* What was looked at before the cut stays. */
static void truncation_after_peek(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	client_sends(&both, "last", 4);
	shutdown(both.sockets.client, SHUT_WR);
	for (int turn = 0; turn < 100 && (tg_stream_state(both.stream) & TG_STREAM_ENDED) == 0; turn++)
		assert_int_equal(stream_peek(&both, data, sizeof(data)), 4);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 4);
	assert_memory_equal(data, "last", 4);
	expect_failure(&both, ECONNRESET);
	both_close(&both);
}

static void close_notify_is_the_end(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100];

		open_ready(&both, versions[i], 0);
		client_sends(&both, "last", 4);
		assert_int_equal(SSL_shutdown(both.client), 0);
		shutdown(both.sockets.client, SHUT_WR);
		assert_int_equal(stream_read(&both, data, 4), 4);
		for (int turn = 0; turn < 1000 && (tg_stream_poll(both.stream) & POLLRDHUP) == 0; turn++)
			;
		assert_int_equal(tg_stream_poll(both.stream), POLLIN | POLLRDHUP | POLLOUT);
		for (int k = 0; k < 3; k++)
			assert_int_equal(stream_read(&both, data, sizeof(data)), 0);
		/* Half closed: the other direction goes on. */
		assert_int_equal(stream_write(&both, "answer", 6), 6);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 6);
		both_close(&both);
	}
}

/* Several records and the end at once: one read takes all. */
static void read_takes_all(void **state)
{
	struct both both;
	char data[100], a[2], b[3], c[50];
	const struct iovec vector[] = {{a, 2}, {NULL, 0}, {b, 3}, {c, 50}};
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	for (int k = 0; k < 3; k++)
		client_sends(&both, "abcd", 4);
	assert_int_equal(stream_read(&both, data, 2), 2);
	assert_int_equal(tg_stream_state(both.stream) & TG_STREAM_INPUT, TG_STREAM_INPUT);
	assert_int_equal(tg_stream_read(both.stream, vector, 4, false), 10);
	assert_memory_equal(a, "cd", 2);
	assert_memory_equal(b, "abc", 3);
	assert_memory_equal(c, "dabcd", 5);
	assert_int_equal(tg_stream_state(both.stream), 0);
	assert_int_equal(tg_stream_read(both.stream, vector, 0, false), 0);
	both_close(&both);
}

static void peek(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_2_VERSION, 0);
	assert_int_equal(stream_peek(&both, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	client_sends(&both, "abc", 3);
	assert_int_equal(stream_peek(&both, data, 2), 2);
	client_sends(&both, "def", 3);
	/* Also what lies in the next record. */
	for (int turn = 0; turn < 1000 && stream_peek(&both, data, sizeof(data)) != 6; turn++)
		;
	assert_int_equal(stream_peek(&both, data, sizeof(data)), 6);
	assert_memory_equal(data, "abcdef", 6);
	assert_int_equal(tg_stream_readable(both.stream), 6);
	assert_int_equal(stream_read(&both, data, 1), 1);
	assert_int_equal(stream_peek(&both, data, 5), 5);
	assert_memory_equal(data, "bcdef", 5);
	client_sends(&both, "g", 1);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 6);
	assert_memory_equal(data, "bcdefg", 6);
	both_close(&both);
}

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* Both directions at once, in odd sizes, through sockets that hold next to nothing. */
static void bulk(int version)
{
	struct both both;
	size_t up = 0, down = 0, up_seen = 0, down_seen = 0;
	static unsigned char in[40000];
	bool refused = false;

	for (size_t i = 0; i < BULK; i++)
		pattern[i] = (unsigned char)(i * 31 + i / 251);
	open_ready(&both, version, 32768); /* with less, the kernel itself waits 200 ms and more */
	while (up_seen < BULK || down_seen < BULK) {
		size_t size = least(down % 39989 + 1, BULK - down);
		const struct iovec vector[] = {{pattern + down, size / 3}, {pattern + down + size / 3, size - size / 3}};
		ssize_t n = tg_stream_write(both.stream, vector, 2, false);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(tg_stream_wants(both.stream, 0) & POLLOUT, POLLOUT);
			refused = true;
		}
		down += n > 0 ? (size_t)n : 0;
		size = least(30011, BULK - up);
		int m = size == 0 ? 0 : SSL_write(both.client, pattern + up, (int)size);
		up += m > 0 ? (size_t)m : 0;
		n = stream_read(&both, in, down_seen % 33333 + 1);
		if (n > 0) {
			assert_memory_equal(in, pattern + up_seen, (size_t)n);
			up_seen += (size_t)n;
		}
		m = SSL_read(both.client, in, sizeof(in));
		if (m > 0) {
			assert_memory_equal(in, pattern + down_seen, (size_t)m);
			down_seen += (size_t)m;
		}
		tg_stream_poll(both.stream);
	}
	assert_true(refused);
	assert_int_equal(up_seen, BULK);
	assert_int_equal(down_seen, BULK);
	assert_int_equal(tg_stream_state(both.stream), 0);
	both_close(&both);
}

static void bulk_12(void **state)
{
	(void)state;
	bulk(TLS1_2_VERSION);
}

static void bulk_13(void **state)
{
	(void)state;
	bulk(TLS1_3_VERSION);
}

/* What counted as written is sent as it was, whatever is written afterwards. */
static void partial_write(void **state)
{
	struct both both;
	static char first[300000], other[300000], back[300000];
	size_t written, got = 0;
	(void)state;

	memset(first, 'a', sizeof(first));
	memset(other, 'b', sizeof(other));
	open_ready(&both, TLS1_3_VERSION, 4096);
	ssize_t n = stream_write(&both, first, sizeof(first));
	assert_true(n > 0 && n < (ssize_t)sizeof(first));
	written = (size_t)n;
	memset(first, 'c', sizeof(first));
	assert_int_equal(stream_write(&both, other, sizeof(other)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tg_stream_poll(both.stream) & POLLOUT, 0);
	while (got < written + 100) {
		int m = SSL_read(both.client, back, sizeof(back));
		for (int i = 0; i < m; i++)
			assert_int_equal(back[i], got + (size_t)i < written ? 'a' : 'b');
		got += m > 0 ? (size_t)m : 0;
		if (tg_stream_poll(both.stream) & POLLOUT && got < written + 100 && other[0] == 'b') {
			assert_int_equal(stream_write(&both, other, 100), 100);
			other[0] = 0;
		}
	}
	both_close(&both);
}

/* Small pieces of one writev(2) are one record. */
static void pieces_are_gathered(void **state)
{
	struct both both;
	struct iovec vector[20];
	char digits[] = "0123456789";
	unsigned char wire[2000];
	(void)state;

	for (int i = 0; i < 20; i++)
		vector[i] = (struct iovec){digits, 10};
	vector[7].iov_len = 0;
	open_ready(&both, TLS1_3_VERSION, 0);
	/* The tickets come first. */
	SSL_read(both.client, wire, sizeof(wire));
	assert_int_equal(tg_stream_write(both.stream, vector, 20, false), 190);
	await_bytes(both.sockets.client);
	size_t size = raw_read(&both, wire, sizeof(wire));
	assert_int_equal(size, 5 + ((size_t)wire[3] << 8 | wire[4]));
	both_close(&both);
}

static void shutdown_write(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100];

		open_ready(&both, versions[i], 0);
		assert_int_equal(stream_write(&both, "last", 4), 4);
		assert_int_equal(tg_stream_shutdown(both.stream, SHUT_WR), 0);
		assert_int_equal(stream_write(&both, "x", 1), -1);
		assert_int_equal(errno, EPIPE);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 4);
		int result = SSL_read(both.client, data, sizeof(data));
		assert_int_equal(SSL_get_error(both.client, result), SSL_ERROR_ZERO_RETURN);
		await_bytes(both.sockets.client);
		assert_int_equal(recv(both.sockets.client, data, sizeof(data), 0), 0);
		client_sends(&both, "more", 4);
		assert_int_equal(stream_read(&both, data, sizeof(data)), 4);
		SSL_shutdown(both.client);
		await_bytes(both.sockets.server);
		assert_int_equal(stream_read(&both, data, sizeof(data)), 0);
		assert_int_equal(tg_stream_poll(both.stream) & POLLHUP, POLLHUP);
		both_close(&both);
	}
}

/* Asked for before the handshake is over: it comes after it, and after what was written. */
static void early_shutdown(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_int_equal(stream_write(&both, "bye", 3), 3);
	assert_int_equal(tg_stream_shutdown(both.stream, SHUT_WR), 0);
	assert_int_equal(stream_write(&both, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_true(shake_hands(&both));
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 3);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 0);
	assert_int_equal(SSL_get_shutdown(both.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	both_close(&both);
}

static void shutdown_read(void **state)
{
	struct both both;
	char data[100];
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	client_sends(&both, "left", 4);
	assert_int_equal(tg_stream_shutdown(both.stream, SHUT_RD), 0);
	assert_int_equal(tg_stream_poll(both.stream), POLLIN | POLLOUT | POLLRDHUP);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 4);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 0);
	assert_int_equal(stream_write(&both, "x", 1), 1);
	both_close(&both);
}

/* The answer, its end, and no reset although the client's close_notify was never read. */
static void finish(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		struct iovec rest = {0};
		char data[100];

		open_ready(&both, versions[i], 0);
		assert_int_equal(stream_write(&both, "answer", 6), 6);
		SSL_shutdown(both.client);
		await_bytes(both.sockets.server);
		assert_true(tg_stream_finish(both.stream, &rest));
		close(both.sockets.server);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 6);
		int result = SSL_read(both.client, data, sizeof(data));
		assert_int_equal(SSL_get_error(both.client, result), SSL_ERROR_ZERO_RETURN);
		struct pollfd reset = {.fd = both.sockets.client};
		assert_int_equal(poll(&reset, 1, 100), 0);
		assert_int_equal(recv(both.sockets.client, data, sizeof(data), 0), 0);
		both.sockets.server = dup(0);
		both_close(&both);
	}
}

/* What the socket does not take is the caller's to send. */
static void finish_with_a_rest(void **state)
{
	struct both both;
	struct iovec rest = {0};
	static char much[200000], back[200000];
	size_t got = 0, sent = 0;
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 4096);
	ssize_t n = stream_write(&both, much, sizeof(much));
	assert_true(n > 0);
	assert_false(tg_stream_finish(both.stream, &rest));
	assert_true(rest.iov_len > 0);
	int result = 1;
	while (got < (size_t)n || result > 0) {
		ssize_t m = send(both.sockets.server, (char *)rest.iov_base + sent, rest.iov_len - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += m > 0 ? (size_t)m : 0;
		result = SSL_read(both.client, back, sizeof(back));
		got += result > 0 ? (size_t)result : 0;
		if (result <= 0 && SSL_get_error(both.client, result) == SSL_ERROR_WANT_READ)
			result = 1;
	}
	assert_int_equal(got, n);
	assert_int_equal(SSL_get_error(both.client, result), SSL_ERROR_ZERO_RETURN);
	both_close(&both);
}

/* A server that says its word and goes (daytime): the word waits for the handshake. */
static void finish_before_the_verdict(void **state)
{
	struct both both;
	char unused;
	struct iovec rest = {&unused, 1};
	char data[100];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_int_equal(stream_write(&both, "now", 3), 3);
	assert_false(tg_stream_finish(both.stream, &rest));
	assert_int_equal(rest.iov_len, 0);
	assert_true(shake_hands(&both));
	assert_true(tg_stream_finish(both.stream, &rest));
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 3);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 0);
	both_close(&both);
}

/* A peer that is gone: what came from it can still be read after a write has failed. */
static void write_to_a_dead_peer(void **state)
{
	struct both both;
	char data[100];
	int error = 0;
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 0);
	client_sends(&both, "last", 4);
	close(both.sockets.client);
	both.sockets.client = -1;
	for (int turn = 0; turn < 1000 && error == 0; turn++)
		if (stream_write(&both, "x", 1) < 0)
			error = errno;
	assert_true(error == EPIPE || error == ECONNRESET);
	assert_int_equal(stream_write(&both, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(tg_stream_poll(both.stream) & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 4);
	expect_failure(&both, ECONNRESET);
	both_close(&both);
}

/* What to wait for. */
static void wants(void **state)
{
	struct both both;
	char data[10];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_int_equal(tg_stream_wants(both.stream, 0), POLLIN);
	assert_int_equal(tg_stream_wants(both.stream, POLLOUT), POLLIN);
	assert_true(shake_hands(&both));
	assert_int_equal(tg_stream_wants(both.stream, 0), 0);
	assert_int_equal(tg_stream_wants(both.stream, POLLIN), POLLIN);
	assert_int_equal(tg_stream_wants(both.stream, POLLOUT), POLLOUT);
	assert_int_equal(tg_stream_wants(both.stream, POLLRDHUP), POLLIN);
	client_sends(&both, "abc", 3);
	assert_int_equal(stream_read(&both, data, 1), 1);
	/* The end cannot be seen before the rest is read. */
	assert_int_equal(tg_stream_wants(both.stream, POLLRDHUP), 0);
	both_close(&both);
}

/* A client that makes the server answer (RFC 8446 section 4.6.3), and reads none of it: true once the server takes no more.
 */
static bool flood(struct both *both, unsigned updates)
{
	unsigned refusals = 0;
	char data[100];

	for (unsigned i = 0; i < updates && refusals < 100; i++) {
		SSL_key_update(both->client, SSL_KEY_UPDATE_REQUESTED);
		ERR_clear_error();
		refusals = SSL_do_handshake(both->client) == 1 ? 0 : refusals + 1;
		assert_int_equal(stream_read(both, data, sizeof(data)), -1);
		assert_int_equal(errno, EAGAIN);
	}
	return refusals == 100;
}

static void key_updates(void **state)
{
	struct both both;
	char data[100];
	int got = 0;
	(void)state;

	open_ready(&both, TLS1_3_VERSION, 4096);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), -1);
	assert_true(flood(&both, 200000));

	/* Once it reads, all goes on. */
	for (unsigned turn = 0; turn < 200000 && got != 4; turn++) {
		ERR_clear_error();
		got = SSL_read(both.client, data, sizeof(data));
		if (stream_read(&both, data, sizeof(data)) < 0)
			stream_write(&both, "here", 4);
	}
	assert_int_equal(got, 4);
	assert_memory_equal(data, "here", 4);
	both_close(&both);
}

static int set_up(void **state)
{
	(void)state;
	return streams_set_up(LISTENER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(truncation),
	    cmocka_unit_test(end_behind_a_part),
	    cmocka_unit_test(truncation_after_peek),
	    cmocka_unit_test(close_notify_is_the_end),
	    cmocka_unit_test(read_takes_all),
	    cmocka_unit_test(peek),
	    cmocka_unit_test(bulk_12),
	    cmocka_unit_test(bulk_13),
	    cmocka_unit_test(partial_write),
	    cmocka_unit_test(pieces_are_gathered),
	    cmocka_unit_test(shutdown_write),
	    cmocka_unit_test(early_shutdown),
	    cmocka_unit_test(shutdown_read),
	    cmocka_unit_test(finish),
	    cmocka_unit_test(finish_with_a_rest),
	    cmocka_unit_test(finish_before_the_verdict),
	    cmocka_unit_test(write_to_a_dead_peer),
	    cmocka_unit_test(wants),
	    cmocka_unit_test(key_updates),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

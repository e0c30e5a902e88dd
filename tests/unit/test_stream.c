/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets through, who does not, and what is seen of the server before: streams of a mutual listener. */
#include "streams.h"

#include "ipc/report.h"
#include "shim/policy/recheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define SECRET "what the server says"

/* True where any of it can be found in what went over the wire. */
static bool leaks(const unsigned char *wire, size_t size)
{
	return memmem(wire, size, SECRET, 8) != NULL;
}

static uint64_t refusals(const struct tg_section_slot *slot, enum tg_refusal reason)
{
	return tg_report_refusals(tg_shim.report, slot, reason);
}

/* In TLS 1.3 the client believes in the handshake before the server has judged it. */
static void bad_client(enum client_kind kind, enum tg_refusal reason)
{
	struct tg_section_slot *slot = counters_of("listener api");

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100];
		uint64_t refused = slot->refused, because = refusals(slot, reason), accepted = slot->accepted;

		both_open(&both, kind, versions[i], 0);
		assert_int_equal(stream_write(&both, SECRET, strlen(SECRET)), strlen(SECRET));
		bool client_done = shake_hands(&both);
		expect_failure(&both, ECONNRESET);
		assert_int_equal(slot->refused, refused + 1);
		assert_int_equal(refusals(slot, reason), because + 1);
		assert_int_equal(slot->accepted, accepted);
		/* A fatal alert, and then the end. */
		ERR_clear_error();
		if (!client_done && ERR_peek_error() == 0)
			SSL_do_handshake(both.client);
		assert_true(SSL_read(both.client, data, sizeof(data)) <= 0);
		both_close(&both);
	}
}

/* A handshake is made of messages shorter than what the server may want to be told of. */
static void low_water(void **state)
{
	const int much = 4000;
	int value = 0;
	socklen_t size = sizeof(value);
	struct both both;
	(void)state;

	pair_open(&both.sockets, 0);
	assert_int_equal(setsockopt(both.sockets.server, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof(much)), 0);
	both.stream = tg_stream_new(both.sockets.server, route_of(both.sockets.server));
	both.client = client_new(both.sockets.client, CLIENT_GOOD, TLS1_3_VERSION);
	assert_int_equal(getsockopt(both.sockets.server, SOL_SOCKET, SO_RCVLOWAT, &value, &size), 0);
	assert_int_equal(value, 1);
	assert_true(shake_hands(&both));
	both_close(&both);
}

static void no_certificate(void **state)
{
	(void)state;
	bad_client(CLIENT_NONE, TG_REFUSED_NO_CERTIFICATE);
}

static void unknown_ca(void **state)
{
	(void)state;
	bad_client(CLIENT_OTHER_CA, TG_REFUSED_UNKNOWN_CA);
}

static void expired(void **state)
{
	(void)state;
	bad_client(CLIENT_EXPIRED, TG_REFUSED_EXPIRED);
}

/* Whoever is refused is told why: the alert is not lost. */
static void alert_reaches_client(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[16];
		int result = -1;

		both_open(&both, CLIENT_NONE, versions[i], 0);
		shake_hands(&both);
		for (int turn = 0; turn < 100 && result != 0; turn++) {
			ERR_clear_error();
			if (SSL_is_init_finished(both.client))
				result = SSL_read(both.client, data, sizeof(data));
			else
				result = SSL_do_handshake(both.client);
			if (SSL_get_error(both.client, result) == SSL_ERROR_SSL)
				break;
		}
		int wanted = versions[i] == TLS1_3_VERSION ? SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED
							   : SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE;
		assert_int_equal(ERR_GET_REASON(ERR_peek_error()), wanted);
		both_close(&both);
	}
}

static void plaintext_client_is_refused(void **state)
{
	static const char *const words[] = {"GET / HTTP/1.0\r\n\r\n", "\x80\x2e\x01\x03\x03", "\x16\x02\x01\x00\x10\x01",
					    "\n"};
	struct tg_section_slot *slot = counters_of("listener api");
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct both both;
		unsigned char wire[100];
		uint64_t refused = refusals(slot, TG_REFUSED_MALFORMED);

		both_open(&both, CLIENT_NONE, 0, 0);
		assert_int_equal(stream_write(&both, SECRET, strlen(SECRET)), strlen(SECRET));
		assert_true(send(both.sockets.client, words[i], strlen(words[i]), 0) > 0);
		await_bytes(both.sockets.server);
		expect_failure(&both, ECONNRESET);
		assert_int_equal(refusals(slot, TG_REFUSED_MALFORMED), refused + 1);
		assert_false(leaks(wire, raw_read(&both, wire, sizeof(wire))));
		both_close(&both);
	}
}

/* A health check: it says nothing and goes. */
static void silent_client_goes(void **state)
{
	struct tg_section_slot *slot = counters_of("listener api");
	uint64_t aborted = slot->aborted, refused = slot->refused;
	struct both both;
	char data[16];
	(void)state;

	both_open(&both, CLIENT_NONE, 0, 0);
	assert_true(tg_stream_is_untouched(both.stream));
	assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	shutdown(both.sockets.client, SHUT_WR);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 0);
	assert_int_equal(stream_write(&both, "x", 1), -1);
	assert_int_equal(slot->aborted, aborted + 1);
	assert_int_equal(slot->refused, refused);
	both_close(&both);
}

/* Everything that reaches the wire before the verdict, whatever the server writes, is the handshake's. */
static void nothing_before_the_verdict(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		unsigned char wire[20000];
		char data[100];
		size_t size = 0;

		both_open(&both, CLIENT_GOOD, versions[i], 0);
		assert_int_equal(stream_write(&both, SECRET, strlen(SECRET)), strlen(SECRET));
		assert_int_equal(raw_read(&both, wire, sizeof(wire)), 0);
		BIO *to_client = BIO_new(BIO_s_mem()), *from_client = BIO_new(BIO_s_mem());
		SSL_set_bio(both.client, to_client, from_client);
		while (SSL_do_handshake(both.client) != 1 || tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING) {
			char *out;
			long left = BIO_get_mem_data(from_client, &out);
			assert_int_equal(send(both.sockets.client, out, (size_t)left, 0), left);
			BIO_reset(from_client);
			bool handshaking = tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING;
			tg_stream_poll(both.stream);
			size = raw_read(&both, wire, sizeof(wire));
			assert_false(leaks(wire, size));
			/* Application data of the server is there only once it has judged. */
			if (handshaking && tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING &&
			    versions[i] == TLS1_2_VERSION)
				for (size_t at = 0; at + 5 <= size; at += 5 + ((size_t)wire[at + 3] << 8 | wire[at + 4]))
					assert_int_not_equal(wire[at], 23);
			BIO_write(to_client, wire, (int)size);
		}
		size = raw_read(&both, wire, sizeof(wire));
		BIO_write(to_client, wire, (int)size);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), strlen(SECRET));
		assert_memory_equal(data, SECRET, strlen(SECRET));
		both_close(&both);
	}
}

static void early_writes_are_bounded(void **state)
{
	static char much[TG_STREAM_EARLY + 1000];
	struct both both;
	size_t got = 0;
	(void)state;

	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (char)(i * 7);
	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_int_equal(tg_stream_poll(both.stream) & POLLOUT, POLLOUT);
	assert_int_equal(stream_write(&both, much, 1000), 1000);
	assert_int_equal(stream_write(&both, much + 1000, sizeof(much) - 1000), TG_STREAM_EARLY - 1000);
	assert_int_equal(stream_write(&both, much, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tg_stream_poll(both.stream) & POLLOUT, 0);
	assert_true(shake_hands(&both));
	for (int turn = 0; turn < 1000 && got < TG_STREAM_EARLY; turn++) {
		static char back[TG_STREAM_EARLY];
		int n = SSL_read(both.client, back, sizeof(back));
		if (n > 0) {
			assert_memory_equal(back, much + got, (size_t)n);
			got += (size_t)n;
		}
		tg_stream_poll(both.stream);
	}
	assert_int_equal(got, TG_STREAM_EARLY);
	both_close(&both);
}

static void good_client(void **state)
{
	struct tg_section_slot *slot = counters_of("listener api");
	uint64_t accepted = slot->accepted;
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100];

		both_open(&both, CLIENT_GOOD, versions[i], 0);
		assert_true(shake_hands(&both));
		assert_int_equal(tg_stream_deadline(both.stream), INT64_MAX);
		assert_false(tg_stream_is_untouched(both.stream));
		assert_int_equal(SSL_write(both.client, "hello", 5), 5);
		await_bytes(both.sockets.server);
		assert_int_equal(tg_stream_poll(both.stream), POLLIN | POLLOUT);
		assert_int_equal(tg_stream_readable(both.stream), 5);
		assert_int_equal(stream_read(&both, data, sizeof(data)), 5);
		assert_memory_equal(data, "hello", 5);
		assert_int_equal(tg_stream_state(both.stream), 0);
		assert_int_equal(tg_stream_poll(both.stream), POLLOUT);
		assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(stream_write(&both, "world!", 6), 6);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 6);
		assert_memory_equal(data, "world!", 6);
		both_close(&both);
	}
	assert_int_equal(slot->accepted, accepted + 2);
}

/* One byte of each record at a time, also the first one. */
static void byte_by_byte(void **state)
{
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct both both;
		char data[100], *out;
		unsigned char wire[20000];
		BIO *to_client = BIO_new(BIO_s_mem()), *from_client = BIO_new(BIO_s_mem());
		bool written = false;
		ssize_t got = -1;

		both_open(&both, CLIENT_GOOD, versions[i], 0);
		SSL_set_bio(both.client, to_client, from_client);
		while (got != 5) {
			if (SSL_do_handshake(both.client) == 1 && !written)
				written = SSL_write(both.client, "hello", 5) == 5;
			long left = BIO_get_mem_data(from_client, &out);
			for (long at = 0; at < left && got != 5; at++) {
				assert_int_equal(got, -1);
				assert_int_equal(send(both.sockets.client, out + at, 1, 0), 1);
				await_bytes(both.sockets.server);
				got = stream_read(&both, data, sizeof(data));
				assert_true(got == 5 || errno == EAGAIN);
				assert_int_equal(at == left - 1 && written, got == 5);
				assert_int_equal(tg_stream_state(both.stream) & TG_STREAM_INPUT, 0);
			}
			BIO_reset(from_client);
			BIO_write(to_client, wire, (int)raw_read(&both, wire, sizeof(wire)));
		}
		assert_memory_equal(data, "hello", 5);
		both_close(&both);
	}
}

/* A server that uses libssl itself and has not looked at its errors yet. */
static void error_queue_is_kept(void **state)
{
	struct both both;
	char data[100];
	const char *file, *text;
	int line, flags;
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	for (int turn = 0; turn < 100 && tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING; turn++) {
		SSL_do_handshake(both.client);
		ERR_clear_error();
		ERR_raise_data(ERR_LIB_USER, 7, "mine %d", 1);
		ERR_raise(ERR_LIB_USER, 8);
		errno = 77;
		tg_stream_poll(both.stream);
		assert_int_equal(errno, 77);
		assert_int_equal(ERR_GET_REASON(ERR_get_error_all(&file, &line, NULL, &text, &flags)), 7);
		assert_string_equal(text, "mine 1");
		assert_string_equal(file, __FILE__);
		assert_int_equal(ERR_GET_REASON(ERR_get_error()), 8);
		assert_int_equal(ERR_get_error(), 0);
	}
	assert_int_equal(tg_stream_state(both.stream) & TG_STREAM_HANDSHAKING, 0);
	SSL_write(both.client, "x", 1);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 1);
	close(both.sockets.client);
	both.sockets.client = -1;
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
	assert_int_equal(ERR_peek_error(), 0);
	both_close(&both);
}

/* A session of the connection before; the new one is judged all the same. */
static void resumption(void **state)
{
	struct tg_section_slot *slot = counters_of("listener api");
	(void)state;

	for (int i = 0; i < 2; i++) {
		uint64_t resumed = slot->resumed;
		struct both both;
		char data[16];

		both_open(&both, CLIENT_GOOD, versions[i], 0);
		assert_true(shake_hands(&both));
		SSL_read(both.client, data, sizeof(data)); /* TLS 1.3: the tickets */
		SSL_SESSION *session = SSL_get1_session(both.client);
		SSL_set_shutdown(both.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		both_close(&both);
		both_open(&both, CLIENT_GOOD, versions[i], 0);
		assert_int_equal(SSL_set_session(both.client, session), 1);
		assert_true(shake_hands(&both));
		assert_true(SSL_session_reused(both.client));
		assert_int_equal(slot->resumed, resumed + 1);
		assert_int_equal(stream_write(&both, "x", 1), 1);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
		SSL_SESSION_free(session);
		both_close(&both);
	}
}

static void renegotiation_is_refused(void **state)
{
	struct both both;
	char data[16];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_2_VERSION, 0);
	assert_true(shake_hands(&both));
	assert_int_equal(SSL_renegotiate(both.client), 1);
	for (int turn = 0; turn < 1000 && ERR_peek_error() == 0; turn++) {
		assert_true(SSL_do_handshake(both.client) <= 0);
		stream_read(&both, data, sizeof(data));
	}
	assert_int_equal(ERR_GET_REASON(ERR_get_error()), SSL_R_NO_RENEGOTIATION);
	both_close(&both);
}

/* In TLS 1.3 both sides may change their keys at any time. */
static void key_update(void **state)
{
	struct both both;
	char data[16];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&both));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(
		    SSL_key_update(both.client, i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_write(both.client, "a", 1), 1);
		await_bytes(both.sockets.server);
		assert_int_equal(stream_read(&both, data, sizeof(data)), 1);
		assert_int_equal(stream_write(&both, "bc", 2), 2);
		assert_int_equal(SSL_read(both.client, data, sizeof(data)), 2);
		assert_memory_equal(data, "bc", 2);
	}
	/* Alone, without data: nothing to read, and what it asks for goes with the next write. */
	assert_int_equal(SSL_key_update(both.client, SSL_KEY_UPDATE_REQUESTED), 1);
	SSL_do_handshake(both.client);
	await_bytes(both.sockets.server);
	assert_int_equal(tg_stream_poll(both.stream) & POLLIN, 0);
	assert_int_equal(stream_write(&both, "d", 1), 1);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
	both_close(&both);
}

static void *write_much(void *arg)
{
	struct both *both = arg;
	static char block[10000];
	size_t sent = 0;

	while (sent < 1000000) {
		ssize_t n = stream_write(both, block, sizeof(block));
		if (n > 0)
			sent += (size_t)n;
		else if (errno != EAGAIN)
			break;
	}
	return (void *)sent;
}

static void *play_client(void *arg)
{
	const struct both *both = arg;
	static char block[10000];
	size_t sent = 0, got = 0;

	while (sent < 1000000 || got < 1000000) {
		int n = sent < 1000000 ? SSL_write(both->client, block, sizeof(block)) : 0;
		if (n > 0)
			sent += (size_t)n;
		n = got < 1000000 ? SSL_read(both->client, block, sizeof(block)) : 0;
		if (n > 0)
			got += (size_t)n;
	}
	return (void *)got;
}

/* One thread reads the stream while another one writes to it. */
static void two_threads(void **state)
{
	struct both both;
	static char block[10000];
	pthread_t writer, client;
	size_t got = 0;
	void *result;
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&both));
	pthread_create(&writer, NULL, write_much, &both);
	pthread_create(&client, NULL, play_client, &both);
	while (got < 1000000) {
		ssize_t n = stream_read(&both, block, sizeof(block));
		if (n > 0)
			got += (size_t)n;
		else if (errno != EAGAIN)
			break;
	}
	assert_true(got >= 1000000);
	pthread_join(writer, &result);
	assert_true((size_t)result >= 1000000);
	/* What the socket would not take goes when anybody calls. */
	while (tg_stream_state(both.stream) & TG_STREAM_OUTPUT)
		tg_stream_poll(both.stream);
	pthread_join(client, &result);
	assert_true((size_t)result >= 1000000);
	both_close(&both);
}

/* The child finds no lock taken, and what it does not use sends nothing. */
static void fork_in_the_middle(void **state)
{
	struct both both;
	char data[16];
	int status = -1;
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&both));
	tg_stream_lock_all();
	pid_t child = fork();
	tg_stream_unlock_all();
	if (child == 0) {
		tg_stream_free(both.stream);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), -1);
	assert_int_equal(stream_write(&both, "x", 1), 1);
	assert_int_equal(SSL_read(both.client, data, sizeof(data)), 1);
	both_close(&both);
}

/* `recheck = new-generation`: who would be refused now is, before another byte; who would not goes on. */
static void recheck(void **state)
{
	struct both both;
	char data[16];
	(void)state;

	both_open(&both, CLIENT_GOOD, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&both));
	govern_again(LISTENER "recheck = new-generation\nallow = CN:client\n");
	assert_int_equal(SSL_write(both.client, "a", 1), 1);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, data, sizeof(data)), 1);
	govern_again(LISTENER "recheck = new-generation\nallow = CN:another\n");
	assert_int_equal(SSL_write(both.client, "b", 1), 1);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_peek(&both, data, sizeof(data)), -1);
	expect_failure(&both, ECONNRESET);
	both_close(&both);
	govern_again(LISTENER);
}

static int set_up(void **state)
{
	(void)state;
	return streams_set_up(LISTENER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(low_water),
	    cmocka_unit_test(no_certificate),
	    cmocka_unit_test(unknown_ca),
	    cmocka_unit_test(expired),
	    cmocka_unit_test(alert_reaches_client),
	    cmocka_unit_test(plaintext_client_is_refused),
	    cmocka_unit_test(silent_client_goes),
	    cmocka_unit_test(nothing_before_the_verdict),
	    cmocka_unit_test(early_writes_are_bounded),
	    cmocka_unit_test(good_client),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(error_queue_is_kept),
	    cmocka_unit_test(resumption),
	    cmocka_unit_test(renegotiation_is_refused),
	    cmocka_unit_test(key_update),
	    cmocka_unit_test(two_threads),
	    cmocka_unit_test(fork_in_the_middle),
	    cmocka_unit_test(recheck),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the header of the PROXY protocol says of a connection, against what its client knows of it. */
#include "streams.h"

#include "shim/direct/stream/stream_inside.h"
#include "shim/process/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WITH_HEADER LISTENER "alpn = h2\nproxy_protocol = v2\n"
#define SHORT LISTENER "proxy_protocol = v2-ssl-cn\n"
#define FIXED 16
#define ADDRESSES 12
#define ROOM 70000

enum { ALPN = 0x01, AUTHORITY = 0x02, TLS = 0x20, VERSION, NAME, CIPHER, GROUP = 0x26, SCHEME, CERTIFICATE };

static unsigned char header[ROOM];

static size_t length_at(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Reads the whole header; what is read next is the client's. */
static void read_header(struct both *both)
{
	size_t got = 0, whole = FIXED;

	for (int turn = 0; turn < 10000 && got < whole; turn++) {
		ssize_t n = stream_read(both, header + got, whole - got);
		got += n > 0 ? (size_t)n : 0;
		if (got == FIXED)
			whole = FIXED + length_at(header + 14);
	}
	assert_int_equal(got, whole);
}

/* The value of one type among those from `at` to `end`, which they fill; NULL: there is none. */
static const unsigned char *find(const unsigned char *at, const unsigned char *end, unsigned type, size_t *ret_size)
{
	const unsigned char *found = NULL;

	while (at < end) {
		const size_t size = length_at(at + 1);

		if (at[0] == type) {
			assert_null(found);
			found = at + 3;
			*ret_size = size;
		}
		at += 3 + size;
	}
	assert_ptr_equal(at, end);
	return found;
}

static const unsigned char *value(unsigned type, size_t *ret_size)
{
	const unsigned char *begin = header + FIXED + ADDRESSES, *end = header + FIXED + length_at(header + 14);
	size_t size = 0;

	if (type < TLS)
		return find(begin, end, type, ret_size);
	begin = find(begin, end, TLS, &size);
	assert_non_null(begin);
	return type == TLS ? begin : find(begin + 5, begin + size, type, ret_size);
}

/* NULL: it is not there. */
static void expect(unsigned type, const char *wanted)
{
	size_t size = 0;
	const unsigned char *data = value(type, &size);

	if (wanted == NULL) {
		assert_null(data);
		return;
	}
	assert_non_null(data);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(data, wanted, size);
}

static void expect_certificate(const SSL *client)
{
	unsigned char *der = NULL;
	int wanted = i2d_X509(SSL_get_certificate(client), &der);
	size_t size = 0;
	const unsigned char *data = value(CERTIFICATE, &size);

	assert_true(wanted > 0);
	assert_non_null(data);
	assert_int_equal(size, wanted);
	assert_memory_equal(data, der, size);
	OPENSSL_free(der);
}

static void open_offering(struct both *both, int version, const char *offer)
{
	both_open(both, CLIENT_GOOD, version, 0);
	if (offer != NULL)
		assert_int_equal(SSL_set_alpn_protos(both->client, (const unsigned char *)offer, (unsigned)strlen(offer)),
				 0);
}

static void close_in_order(struct both *both)
{
	SSL_set_shutdown(both->client, SSL_SENT_SHUTDOWN);
	both_close(both);
}

static void asks(struct both *both)
{
	char data[8];

	assert_int_equal(SSL_write(both->client, "ask", 3), 3);
	await_bytes(both->sockets.server);
	assert_int_equal(stream_read(both, data, sizeof(data)), 3);
	assert_memory_equal(data, "ask", 3);
}

static void full_handshakes(void **state)
{
	static const struct {
		int version;
		const char *suites, *groups, *offer, *group, *agreed, *version_name;
	} rows[] = {
	    {TLS1_3_VERSION, NULL, "X25519", "\2h2", "x25519", "h2", "TLSv1.3"},
	    {TLS1_3_VERSION, NULL, "P-384", "\5other", "secp384r1", NULL, "TLSv1.3"},
	    {TLS1_2_VERSION, "ECDHE", "P-256", "\2h2", "secp256r1", "h2", "TLSv1.2"},
	    {TLS1_2_VERSION, "ECDHE", "X25519:P-256", NULL, "x25519", NULL, "TLSv1.2"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct both both;
		char groups[32];

		strcpy(groups, rows[i].groups);
		open_offering(&both, rows[i].version, rows[i].offer);
		assert_int_equal(SSL_set1_groups_list(both.client, groups), 1);
		if (rows[i].suites != NULL)
			assert_int_equal(SSL_set_cipher_list(both.client, rows[i].suites), 1);
		assert_true(shake_hands(&both));
		read_header(&both);
		expect(ALPN, rows[i].agreed);
		expect(AUTHORITY, "localhost");
		expect(VERSION, rows[i].version_name);
		expect(CIPHER, SSL_get_cipher_name(both.client));
		expect(NAME, "client");
		expect(GROUP, rows[i].group);
		expect(SCHEME, "ecdsa_secp256r1_sha256");
		expect_certificate(both.client);
		asks(&both);
		both_close(&both);
	}
}

/* The certificate is the session's; nobody has signed. */
static void resumed(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct both both;
	char data[8];
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		open_offering(&both, versions[i], "\2h2");
		assert_true(shake_hands(&both));
		read_header(&both);
		assert_int_equal(stream_write(&both, "x", 1), 1);
		await_bytes(both.sockets.client);
		assert_int_equal(SSL_read(both.client, data, 1), 1);
		SSL_SESSION *session = SSL_get1_session(both.client);
		close_in_order(&both);
		open_offering(&both, versions[i], "\2h2");
		assert_int_equal(SSL_set_session(both.client, session), 1);
		assert_true(shake_hands(&both));
		assert_true(SSL_session_reused(both.client));
		read_header(&both);
		assert_int_equal(value(TLS, NULL)[0], 0x05);
		expect(ALPN, "h2");
		expect(SCHEME, NULL);
		expect_certificate(both.client);
		asks(&both);
		close_in_order(&both);
		SSL_SESSION_free(session);
	}
}

static void without_the_certificate(void **state)
{
	struct both both;
	(void)state;

	govern_again(SHORT);
	open_offering(&both, TLS1_3_VERSION, "\2h2");
	assert_true(shake_hands(&both));
	read_header(&both);
	expect(NAME, "client");
	expect(CERTIFICATE, NULL);
	asks(&both);
	both_close(&both);
	govern_again(WITH_HEADER);
}

/* So many names of some 200 bytes each. */
static void open_long(struct both *both, int names)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	for (int i = 0; i < names; i++)
		fprintf(stream, "%sDNS:%0198d", i == 0 ? "" : ",", i);
	fclose(stream);
	open_offering(both, TLS1_2_VERSION, NULL);
	/* libssl makes no ticket for a session with so long a certificate, and ends the handshake where one is asked for */
	SSL_set_options(both->client, SSL_OP_NO_TICKET);
	client_show(both->client, text);
	free(text);
}

/* What fits is sent whole, whatever its size; what does not is not sent at all, and its client not served. */
static void long_certificates(void **state)
{
	const struct tg_section_slot *slot = counters_of("listener api");
	const struct tg_plaintext_slot *events = &tg_shim.report->plaintext[slot - tg_shim.report->sections];
	uint64_t closed = events->counts[TG_PLAINTEXT_CLOSED];
	struct both both;
	(void)state;

	open_long(&both, 320);
	assert_true(shake_hands(&both));
	read_header(&both);
	expect_certificate(both.client);
	asks(&both);
	both_close(&both);
	assert_int_equal(events->counts[TG_PLAINTEXT_CLOSED], closed);

	open_long(&both, 330);
	assert_false(shake_hands(&both));
	expect_failure(&both, ECONNRESET);
	assert_int_equal(events->counts[TG_PLAINTEXT_CLOSED], closed + 1);
	both_close(&both);

	govern_again(SHORT);
	open_long(&both, 330);
	assert_true(shake_hands(&both));
	read_header(&both);
	asks(&both);
	both_close(&both);
	govern_again(WITH_HEADER);
}

static int set_up(void **state)
{
	(void)state;
	return streams_set_up(WITH_HEADER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(full_handshakes),
	    cmocka_unit_test(resumed),
	    cmocka_unit_test(without_the_certificate),
	    cmocka_unit_test(long_certificates),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}

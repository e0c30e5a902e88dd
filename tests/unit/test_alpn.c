/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of protocols: what is one, and which name of two lists is agreed on. */
#include "certificates.h"
#include "ipc/alpn.h"
#include "loader/alpn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

#define LIST(text)                                                                                                         \
	(struct tg_span)                                                                                                   \
	{                                                                                                                  \
		(const unsigned char *)(text), sizeof(text) - 1                                                            \
	}

static void lists(void **state)
{
	unsigned char long_list[65536 + 2];

	(void)state;
	assert_true(tg_alpn_is_list(LIST("\2h2")));
	assert_true(tg_alpn_is_list(LIST("\2h2\10http/1.1")));
	assert_true(tg_alpn_is_list(LIST("\1\0")));
	assert_false(tg_alpn_is_list(LIST("")));
	assert_false(tg_alpn_is_list(LIST("\0")));
	assert_false(tg_alpn_is_list(LIST("\2h2\0")));
	assert_false(tg_alpn_is_list(LIST("\2h")));
	assert_false(tg_alpn_is_list(LIST("\2h2\3ab")));
	/* 255 names of 255 bytes, one of 253, and a last one that just fits */
	memset(long_list, 'x', sizeof(long_list));
	for (size_t i = 0; i < 255; i++)
		long_list[i * 256] = 255;
	long_list[65280] = 252;
	long_list[65533] = 1;
	assert_true(tg_alpn_is_list((struct tg_span){long_list, 65535}));
	long_list[65533] = 2;
	assert_false(tg_alpn_is_list((struct tg_span){long_list, 65535}));
	assert_false(tg_alpn_is_list((struct tg_span){long_list, 65536}));
}

static void expect(struct tg_span ours, struct tg_span theirs, const char *wanted)
{
	struct tg_span name = {0};

	assert_int_equal(tg_alpn_select(ours, theirs, &name), wanted != NULL);
	if (wanted == NULL)
		return;
	assert_int_equal(name.size, strlen(wanted));
	assert_memory_equal(name.data, wanted, name.size);
	/* of our own list: what the client's memory holds goes with its hello */
	assert_in_range((uintptr_t)name.data, (uintptr_t)ours.data, (uintptr_t)ours.data + ours.size);
}

/* The order of the server counts, bytes count, and a list that is none holds nothing. */
static void selection(void **state)
{
	(void)state;
	expect(LIST("\2h2\10http/1.1"), LIST("\10http/1.1\2h2"), "h2");
	expect(LIST("\10http/1.1\2h2"), LIST("\2h2\10http/1.1"), "http/1.1");
	expect(LIST("\2h2\10http/1.1"), LIST("\1x\10http/1.1"), "http/1.1");
	expect(LIST("\2h2"), LIST("\2H2"), NULL);
	expect(LIST("\2h2"), LIST("\3h2c\1h"), NULL);
	expect(LIST("\3h2c"), LIST("\2h2"), NULL);
	expect(LIST(""), LIST("\2h2"), NULL);
	expect(LIST("\2h2"), LIST(""), NULL);
	expect(LIST("\2h2"), LIST("\2h2\0"), NULL);
	expect(LIST("\2h2"), LIST("\2h2\5x"), NULL);
	expect(LIST("\2h2"), LIST("\2\0\0\2h2"), "h2");
}

static void names(void **state)
{
	char name[256];

	(void)state;
	assert_null(tg_alpn_parse("h2", 2));
	assert_null(tg_alpn_parse("acme-tls/1", 10));
	assert_non_null(tg_alpn_parse("h2", 0));
	assert_non_null(tg_alpn_parse("h2 http/1.1", 11));
	assert_non_null(tg_alpn_parse("h2\thttp/1.1", 11));
	assert_non_null(tg_alpn_parse("\"h2\"", 4));
	assert_non_null(tg_alpn_parse("h\x7f", 2));
	assert_non_null(tg_alpn_parse("h\xc3\xa9", 3));
	memset(name, 'n', sizeof(name));
	assert_null(tg_alpn_parse(name, 255));
	assert_non_null(tg_alpn_parse(name, 256));
	assert_string_equal(tg_alpn_meant("H2"), "h2");
	assert_string_equal(tg_alpn_meant("h2c"), "h2");
	assert_string_equal(tg_alpn_meant("HTTP/1.1"), "http/1.1");
	assert_null(tg_alpn_meant("h2"));
	assert_null(tg_alpn_meant("My-Protocol"));
}

static void words(void **state)
{
	static const struct {
		struct tg_span list;
		const char *text;
	} rows[] = {{{(const unsigned char *)"\2h2\10http/1.1", 12}, "h2, http/1.1"}, {{NULL, 0}, "none"}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *text = NULL;
		size_t size;
		FILE *stream = open_memstream(&text, &size);

		assert_non_null(stream);
		tg_alpn_print(stream, rows[i].list);
		fclose(stream);
		assert_string_equal(text, rows[i].text);
		free(text);
	}
}

/* A handshake of two ends in memory: what was agreed on, or the alert of the server's. */
static const char *negotiate(const struct tg_policy *policy, const char *offer)
{
	static char agreed[16];
	EVP_PKEY *key = make_key("EC");
	X509 *certificate = make_certificate(&(struct spec){.subject = "s", .key = key, .from = -DAY, .until = DAY});
	SSL_CTX *contexts[] = {SSL_CTX_new(TLS_server_method()), SSL_CTX_new(TLS_client_method())};
	BIO *server_bio, *client_bio;
	const unsigned char *name = NULL;
	unsigned size = 0;

	assert_int_equal(SSL_CTX_use_cert_and_key(contexts[0], certificate, key, NULL, 1), 1);
	tg_alpn_configure(contexts[0], policy);
	SSL *server = SSL_new(contexts[0]), *client = SSL_new(contexts[1]);
	assert_int_equal(BIO_new_bio_pair(&server_bio, 65536, &client_bio, 65536), 1);
	SSL_set_bio(server, server_bio, server_bio);
	SSL_set_bio(client, client_bio, client_bio);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (offer != NULL)
		assert_int_equal(SSL_set_alpn_protos(client, (const unsigned char *)offer, (unsigned)strlen(offer)), 0);
	int result = 0;
	for (int turn = 0; turn < 10 && result != 1; turn++) {
		SSL_do_handshake(client);
		result = SSL_do_handshake(server);
	}
	SSL_get0_alpn_selected(server, &name, &size);
	snprintf(agreed, sizeof(agreed), "%.*s", (int)size, size > 0 ? (const char *)name : "");
	if (result != 1) {
		SSL_do_handshake(client);
		assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		strcpy(agreed, "refused");
	}
	ERR_clear_error();
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(contexts[0]);
	SSL_CTX_free(contexts[1]);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return agreed;
}

/* For servers that use the loader. */
static void configured(void **state)
{
	struct tg_policy policy = {.alpn = LIST("\2h2\10http/1.1")};

	(void)state;
	assert_string_equal(negotiate(&policy, "\10http/1.1\2h2"), "h2");
	assert_string_equal(negotiate(&policy, "\1x"), "");
	assert_string_equal(negotiate(&policy, NULL), "");
	policy.alpn_required = true;
	assert_string_equal(negotiate(&policy, "\10http/1.1"), "http/1.1");
	assert_string_equal(negotiate(&policy, "\1x"), "refused");
	assert_string_equal(negotiate(&policy, NULL), "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists), cmocka_unit_test(selection),  cmocka_unit_test(names),
	    cmocka_unit_test(words), cmocka_unit_test(configured),
	};
	return cmocka_run_group_tests_name("alpn", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: what they compare by, what is said of two of them, what a reload carries over, files that change while they
 * are read, and a server of one's own that uses one.
 */
#include "certificates.h"
#include "loader/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INI "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n"

static struct maker maker;
static struct site site;

static int start(void **state)
{
	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, INI);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free_site(&site);
	maker_stop(&maker);
	return 0;
}

static tlsgraft_identity *loaded(const char *ini, const tlsgraft_identity *serving)
{
	tlsgraft_identity *identity = NULL;

	if (ini)
		write_text(&maker, "site.ini", ini);
	if (load(&maker, serving, &identity) != TLSGRAFT_OK) {
		print_messages();
		fail_msg("not loaded");
	}
	return identity;
}

static void assert_refused(const char *ini, const tlsgraft_identity *serving, const char *why)
{
	tlsgraft_identity *identity = NULL;

	write_text(&maker, "site.ini", ini);
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, why);
}

static void renew(EVP_PKEY *key)
{
	const struct spec spec = {.subject = "renewed",
				  .key = key,
				  .issuer = site.ca,
				  .issuer_key = site.ca_key,
				  .from = -60,
				  .until = 30 * DAY + 60,
				  .names = "DNS:localhost, IP:192.0.2.1, URI:spiffe://a/b"};
	X509 *leaf = make_certificate(&spec);

	write_certificate(&maker, "server.pem", leaf, false);
	write_key(&maker, "server.key", key, NULL, false);
	X509_free(leaf);
}

static void expect_difference(const tlsgraft_identity *a, const tlsgraft_identity *b, const char *part)
{
	char *text = tlsgraft_identity_difference(a, b);

	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("said: %s", text);
	free(text);
}

static void equal_by_content(void **state)
{
	tlsgraft_identity *a = loaded(INI, NULL), *b, *c, *d;
	EVP_PKEY *key = make_key("EC");

	(void)state;
	/* Written anew, with comments and another order: the same. */
	write_certificate(&maker, "ca.pem", site.ca, false);
	b = loaded("; hello\n" INI "ca = ca.pem\n[tlsgraft]\nlog_level = debug\n", NULL);
	assert_true(tlsgraft_identity_equal(a, b));
	assert_true(tlsgraft_identity_equal(a, a));
	expect_difference(a, b, "nothing changed");
	renew(key);
	c = loaded(INI, NULL);
	assert_false(tlsgraft_identity_equal(a, c));
	expect_difference(a, c, "server: certificate EC P-256 ");
	expect_difference(a, c, " -> EC P-256 ");
	d = loaded(INI "allow = CN:x\nverify_depth = 2\n[listener l]\nlisten = *:1\nmode = server\n", NULL);
	expect_difference(c, d, "server: allow added CN:x");
	expect_difference(c, d, "server: verify_depth 8 -> 2");
	expect_difference(c, d, "listener l: new, mode server");
	expect_difference(c, d, "addresses or names changed");
	expect_difference(d, c, "listener l: removed");
	expect_difference(d, c, "server: allow removed CN:x");
	expect_difference(NULL, a, "server: new, mode mutual; server: certificate EC P-256 ");
	expect_difference(NULL, a, "ca added CN=Test CA");
	tlsgraft_identity_unref(a);
	tlsgraft_identity_unref(b);
	tlsgraft_identity_unref(c);
	tlsgraft_identity_unref(d);
	EVP_PKEY_free(key);
}

static void from_published_bytes(void **state)
{
	tlsgraft_identity *a =
	    loaded("[tlsgraft]\nreload_signal = USR2\nchildren = drop\nexe = /bin/sh\nwatch = yes\n" INI, NULL);
	tlsgraft_identity *b = NULL, *c;
	const unsigned char *bytes;
	unsigned char *copy;
	size_t size;

	(void)state;
	bytes = tg_identity_bytes(a, &size);
	copy = malloc(size);
	memcpy(copy, bytes, size);
	assert_int_equal(tg_identity_from_bytes(copy, size, &b), TLSGRAFT_OK);
	memset(copy, 0, size);
	assert_true(tlsgraft_identity_equal(a, b));
	assert_int_equal(tg_identity_settings(b)->reload_signal, SIGUSR2);
	assert_false(tg_identity_settings(b)->children_keep);
	assert_int_equal(tg_identity_settings(b)->exe_count, 1);
	assert_int_equal(tg_identity_settings(b)->warn_days, 14);
	assert_int_equal(tg_identity_file_count(b), 0);
	/* What is not in the published bytes is not known to differ either. */
	c = loaded("[tlsgraft]\nreload_signal = USR2\nchildren = drop\nexe = /bin/sh\nuser = daemon\n" INI, b);
	assert_int_equal(message_count(), 0);
	assert_int_equal(tg_identity_settings(c)->user_count, 1);
	assert_int_equal(tg_identity_from_bytes(copy, size, &b), TLSGRAFT_REFUSED);
	assert_int_equal(tg_identity_from_bytes(copy, 0, &b), TLSGRAFT_REFUSED);
	free(copy);
	tlsgraft_identity_unref(a);
	tlsgraft_identity_unref(b);
	tlsgraft_identity_unref(c);
}

static void a_reload_keeps_what_takes_effect_at_the_next_start(void **state)
{
	tlsgraft_identity *a = loaded("[tlsgraft]\nexe = /bin/sh\n" INI, NULL), *b;

	(void)state;
	b = loaded(
	    "[tlsgraft]\nexe = /bin/true\nreload_signal = none\nchildren = drop\nuser = daemon\nlog = syslog\nlog_level = "
	    "warn\nwatch = yes\nwarn_days = 1\n" INI,
	    a);
	assert_int_equal(message_count(), 4);
	expect_message(TLSGRAFT_WARNING, "[tlsgraft] exe: the change takes effect at the next start");
	expect_message(TLSGRAFT_WARNING, "[tlsgraft] reload_signal: the change");
	expect_message(TLSGRAFT_WARNING, "[tlsgraft] children: the change");
	expect_message(TLSGRAFT_WARNING, "[tlsgraft] user: the change");
	assert_true(tlsgraft_identity_equal(a, b));
	assert_int_equal(tg_identity_settings(b)->reload_signal, SIGHUP);
	assert_int_equal(tg_identity_settings(b)->user_count, 0);
	assert_int_equal(tg_identity_settings(b)->log_target, TG_LOG_SYSLOG);
	assert_int_equal(tg_identity_settings(b)->log_level, TG_LOG_WARN);
	assert_true(tg_identity_settings(b)->watch);
	assert_int_equal(tg_identity_settings(b)->warn_days, 1);
	tlsgraft_identity_unref(a);
	tlsgraft_identity_unref(b);
}

#define SPEAKS(address, rest) "[listener l]\nlisten = " address "\nserver_speaks = plaintext\n" rest

static void a_reload_changes_nothing_of_what_the_server_speaks(void **state)
{
	tlsgraft_identity *a = loaded(INI SPEAKS("*:1", ""), NULL), *tls = loaded(INI "[listener l]\nlisten = *:1\n", NULL);
	tlsgraft_identity *bytes = NULL;
	const unsigned char *encoded;
	size_t size;

	(void)state;
	encoded = tg_identity_bytes(a, &size);
	assert_int_equal(tg_identity_from_bytes(encoded, size, &bytes), TLSGRAFT_OK);
	assert_refused(INI "[listener l]\nlisten = *:1\n", a,
		       ":7: [listener l] listen: '*:1': server_speaks was plaintext there");
	assert_refused(INI "[listener l]\nlisten = *:1\n", bytes, "server_speaks was plaintext there");
	assert_refused(INI SPEAKS("*:1", ""), tls, ":7: [listener l] listen: '*:1': server_speaks was tls there");
	assert_refused(INI SPEAKS("*:1", "listen = [::1]:2\n"), a,
		       ":9: [listener l] listen: '[::1]:2': server_speaks was tls");
	assert_refused(INI SPEAKS("0.0.0.0:1", ""), a,
		       "[listener l] listen: port 1 of a server that speaks plaintext is gone");
	assert_refused(INI, a, "[listener l] listen: port 1 of a server that speaks plaintext is gone");
	/* a narrower listener takes its address out of a wider one */
	assert_refused(INI SPEAKS("*:1", "[listener m]\nlisten = 127.0.0.1:1\n"), a,
		       ":10: [listener m] listen: '127.0.0.1:1': server_speaks was plaintext there");
	tlsgraft_identity_unref(a);
	tlsgraft_identity_unref(tls);
	tlsgraft_identity_unref(bytes);
}

static void a_reload_changes_the_rest_of_a_plaintext_listener(void **state)
{
	tlsgraft_identity *a = loaded(INI SPEAKS("*:1", ""), NULL), *b;

	(void)state;
	b = loaded(INI SPEAKS("*:1", "mode = off\naccept_plaintext = yes\nplaintext_wait = 5\nengine = relay\n"
				     "handshake_timeout = 2\nproxy_protocol = v2\nalpn = h2, http/1.1\n"
				     "alpn_required = yes\n"),
		   a);
	expect_difference(a, b, "listener l: mode mutual -> off");
	expect_difference(a, b, "listener l: alpn none -> h2, http/1.1; listener l: alpn_required yes");
	expect_difference(a, b,
			  "listener l: accept_plaintext yes; listener l: plaintext_wait 0 -> 5; listener l: engine relay; "
			  "listener l: handshake_timeout 10 -> 2; listener l: proxy_protocol v2");
	tlsgraft_identity_unref(b);
	/* under another name, listed one by one, with another one for what was in it: the server speaks as before */
	b = loaded(INI "[listener m]\nlisten = 0.0.0.0:1\nlisten = [::]:1\nserver_speaks = plaintext\n"
		       "[listener n]\nlisten = 127.0.0.1:1\nserver_speaks = plaintext\n[listener o]\nlisten = *:2\n",
		   a);
	tlsgraft_identity_unref(a);
	tlsgraft_identity_unref(b);
}

static void facts_of_a_certificate(void **state)
{
	EVP_PKEY *key = make_key("RSA");
	struct tg_certificate_facts facts;
	tlsgraft_identity *identity;

	(void)state;
	renew(key);
	identity = loaded(INI, NULL);
	assert_int_equal(tg_certificate_facts(tg_identity_document(identity)->credentials[0].pairs[0].leaf, &facts), 0);
	assert_string_equal(facts.key_type, "RSA");
	assert_string_equal(facts.subject, "CN=renewed");
	assert_string_equal(facts.names, "DNS:localhost, IP:192.0.2.1, URI:spiffe://a/b");
	assert_int_equal(facts.days_left, 30);
	assert_int_equal(facts.not_after - facts.not_before, 30 * DAY + 120);
	assert_int_equal(strlen(facts.sha256), 64);
	tg_certificate_facts_clear(&facts);
	assert_int_equal(tg_certificate_facts((struct tg_span){(const unsigned char *)"x", 1}, &facts), -EBADMSG);
	tlsgraft_identity_unref(identity);
	EVP_PKEY_free(key);
}

struct swapper {
	atomic_bool stop;
	X509 *certificates[2];
	EVP_PKEY *keys[2];
};

/* Two whole states, exchanged by moving one symlink, as Kubernetes does. */
static void *swap(void *argument)
{
	struct swapper *swapper = argument;
	unsigned turn = 0;

	while (!atomic_load(&swapper->stop)) {
		struct timespec pause = {0, 3000000};

		unlink(path_in(&maker, "..new"));
		if (symlink(turn++ % 2 ? "one" : "two", path_in(&maker, "..new")) == 0)
			rename(path_in(&maker, "..new"), path_in(&maker, "..data"));
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void every_load_is_of_one_moment(void **state)
{
	static const char *const folders[] = {"one", "two"};
	struct swapper swapper = {.stop = false};
	size_t loads = 0;
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char name[64];

		assert_int_equal(mkdir(path_in(&maker, folders[i]), 0700), 0);
		swapper.keys[i] = make_key("EC");
		renew(swapper.keys[i]);
		snprintf(name, sizeof(name), "%s/server.pem", folders[i]);
		assert_int_equal(rename(path_in(&maker, "server.pem"), path_in(&maker, name)), 0);
		snprintf(name, sizeof(name), "%s/server.key", folders[i]);
		assert_int_equal(rename(path_in(&maker, "server.key"), path_in(&maker, name)), 0);
	}
	assert_int_equal(symlink("one", path_in(&maker, "..data")), 0);
	assert_int_equal(symlink("..data/server.pem", path_in(&maker, "server.pem")), 0);
	assert_int_equal(symlink("..data/server.key", path_in(&maker, "server.key")), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
	for (int i = 0; i < 200; i++) {
		tlsgraft_identity *identity = NULL;

		/* Never a certificate of the one and a key of the other; that it never holds still may be said. */
		if (load(&maker, NULL, &identity) == TLSGRAFT_OK)
			loads++;
		else
			expect_message(TLSGRAFT_ERROR, "was changing all the time");
		tlsgraft_identity_unref(identity);
	}
	atomic_store(&swapper.stop, true);
	pthread_join(thread, NULL);
	assert_true(loads > 100);
	EVP_PKEY_free(swapper.keys[0]);
	EVP_PKEY_free(swapper.keys[1]);
}

/*
 * One handshake in memory; true where the server let the client in and one byte came through. `session`: what the client
 * offers, replaced by what it is given; NULL: none.
 */
static bool handshake_with(SSL_CTX *server_ctx, SSL_CTX *client_ctx, SSL_SESSION **session, bool *ret_resumed)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *one = NULL, *other = NULL;
	bool served = false;
	char byte;

	if (session && *session)
		assert_int_equal(SSL_set_session(client, *session), 1);

	assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 20 && !served; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
		if (SSL_is_init_finished(server) && SSL_is_init_finished(client)) {
			SSL_write(client, "x", 1);
			served = SSL_read(server, &byte, 1) == 1;
		}
	}
	SSL_read(client, &byte, 1); /* tickets of TLS 1.3 come behind the handshake */
	*ret_resumed = SSL_session_reused(server);
	if (session) {
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(client);
		SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else it is not used again */
	}
	SSL_free(server);
	SSL_free(client);
	return served;
}

static bool handshake(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
	bool resumed;

	return handshake_with(server_ctx, client_ctx, NULL, &resumed);
}

static SSL_CTX *client_with(X509 *certificate, EVP_PKEY *key, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_max_proto_version(ctx, version);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), site.ca);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (certificate)
		assert_int_equal(SSL_CTX_use_cert_and_key(ctx, certificate, key, NULL, 1), 1);
	return ctx;
}

static void a_server_of_ones_own(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	EVP_PKEY *key = make_key("EC");
	struct spec spec = {.subject = "client",
			    .key = key,
			    .issuer = site.ca,
			    .issuer_key = site.ca_key,
			    .from = -60,
			    .until = DAY,
			    .names = "URI:spiffe://corp/web/1"};
	X509 *good = make_certificate(&spec), *revoked = make_certificate(&spec), *wrong_name, *wrong_ca;
	X509_CRL *crl = make_crl(site.ca, site.ca_key, -60, 9 * DAY, revoked);
	tlsgraft_identity *identity;

	(void)state;
	spec.names = "URI:spiffe://corp/db/1";
	wrong_name = make_certificate(&spec);
	spec.names = "URI:spiffe://corp/web/1";
	spec.issuer = NULL;
	spec.issuer_key = NULL;
	wrong_ca = make_certificate(&spec);
	write_crl(&maker, "ca.crl", crl, false);
	identity =
	    loaded(INI "crl = ca.crl\nallow = URI:spiffe://corp/web/*\n"
		       "[listener open]\nlisten = *:1\nmode = optional\n[listener plain]\nlisten = *:2\nmode = server\n"
		       "[listener none]\nlisten = *:3\nmode = off\n",
		   NULL);
	for (size_t i = 0; i < 2; i++) {
		const struct {
			const char *section;
			X509 *certificate;
			bool served;
		} rows[] = {
		    {"server", good, true},
		    {"server", NULL, false},
		    {"server", revoked, false},
		    {"server", wrong_name, false},
		    {"server", wrong_ca, false},
		    {"listener open", NULL, true},
		    {"listener open", good, true},
		    {"listener open", revoked, false},
		    {"listener open", wrong_ca, false},
		    {"listener plain", NULL, true},
		    {"listener plain", wrong_ca, true},
		};

		for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
			SSL_CTX *server = SSL_CTX_new(TLS_server_method());
			SSL_CTX *client = client_with(rows[j].certificate, key, versions[i]);

			assert_int_equal(tlsgraft_identity_configure(identity, rows[j].section, server), TLSGRAFT_OK);
			if (handshake(server, client) != rows[j].served)
				fail_msg("row %zu of TLS %x", j, (unsigned)versions[i]);
			SSL_CTX_free(server);
			SSL_CTX_free(client);
		}
	}
	{
		SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client = client_with(good, key, TLS1_3_VERSION);

		assert_int_equal(tlsgraft_identity_configure(identity, "listener nobody", server),
				 TLSGRAFT_NO_SUCH_SECTION);
		assert_int_equal(tlsgraft_identity_configure(identity, "listener none", server), TLSGRAFT_OK);
		assert_null(SSL_CTX_get0_certificate(server));
		assert_int_equal(tlsgraft_identity_configure(identity, "server", server), TLSGRAFT_OK);
		/* The SSL_CTX keeps what it needs. */
		tlsgraft_identity_unref(identity);
		assert_true(handshake(server, client));
		SSL_CTX_free(server);
		SSL_CTX_free(client);
	}
	X509_free(good);
	X509_free(revoked);
	X509_free(wrong_name);
	X509_free(wrong_ca);
	X509_CRL_free(crl);
	EVP_PKEY_free(key);
}

/* Each resumption brings a new ticket; what counts is how long ago the first of the chain was. */
static void tickets_have_an_age(void **state)
{
	enum { AGE = 1 };
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static const char *const sections[] = {"server", "listener plain"};
	EVP_PKEY *key = make_key("EC");
	struct spec spec = {
	    .subject = "client", .key = key, .issuer = site.ca, .issuer_key = site.ca_key, .from = -60, .until = DAY};
	X509 *certificate = make_certificate(&spec);
	tlsgraft_identity *identity =
	    loaded(INI "max_session_age = 1\n[listener plain]\nlisten = *:2\nmode = server\n", NULL);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX *server = SSL_CTX_new(TLS_server_method()),
			*client = client_with(certificate, key, versions[i % 2]);
		SSL_SESSION *session = NULL;
		time_t begin = time(NULL);
		int count = 0;
		bool resumed;

		assert_int_equal(tlsgraft_identity_configure(identity, sections[i / 2], server), TLSGRAFT_OK);
		assert_true(handshake_with(server, client, &session, &resumed));
		assert_false(resumed);
		do {
			assert_true(time(NULL) - begin <= AGE + 2);
			assert_true(handshake_with(server, client, &session, &resumed));
			count += resumed;
			nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		} while (resumed);
		assert_true(count > 1);
		assert_true(time(NULL) - begin > AGE);
		SSL_SESSION_free(session);
		SSL_CTX_free(server);
		SSL_CTX_free(client);
	}
	tlsgraft_identity_unref(identity);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* Refused or pending: nothing is returned, and what served can still be used. */
static void a_refusal_leaves_outputs_alone(void **state)
{
	tlsgraft_identity *serving = loaded(INI, NULL), *untouched = serving;
	tlsgraft_messages *messages = NULL;

	(void)state;
	write_text(&maker, "ca.pem", "nothing");
	assert_int_equal(tlsgraft_load(path_in(&maker, "site.ini"), serving, &untouched, &messages), TLSGRAFT_REFUSED);
	assert_ptr_equal(untouched, serving);
	assert_int_equal(tlsgraft_messages_count(messages), 1);
	tlsgraft_messages_free(messages);
	assert_int_equal(tg_identity_document(serving)->route_count, 1);
	tlsgraft_identity_unref(serving);
	tlsgraft_identity_unref(NULL);
	tlsgraft_messages_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(equal_by_content, start, stop),
	    cmocka_unit_test_setup_teardown(from_published_bytes, start, stop),
	    cmocka_unit_test_setup_teardown(a_reload_keeps_what_takes_effect_at_the_next_start, start, stop),
	    cmocka_unit_test_setup_teardown(a_reload_changes_nothing_of_what_the_server_speaks, start, stop),
	    cmocka_unit_test_setup_teardown(a_reload_changes_the_rest_of_a_plaintext_listener, start, stop),
	    cmocka_unit_test_setup_teardown(facts_of_a_certificate, start, stop),
	    cmocka_unit_test_setup_teardown(every_load_is_of_one_moment, start, stop),
	    cmocka_unit_test_setup_teardown(a_server_of_ones_own, start, stop),
	    cmocka_unit_test_setup_teardown(tickets_have_an_age, start, stop),
	    cmocka_unit_test_setup_teardown(a_refusal_leaves_outputs_alone, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

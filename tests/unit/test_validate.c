/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a start refuses and what a reload takes: faults that are refused at once, the one that is waited for, and those that
 * the serving generation has already.
 */
#include "certificates.h"
#include "ipc/read.h"
#include "loader/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INI "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n"

struct fixture {
	struct maker maker;
	struct site site;
	tlsgraft_identity *serving;
};

static int start(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){0};
	maker_start(&fixture.maker);
	make_site(&fixture.maker, &fixture.site, INI);
	assert_int_equal(load(&fixture.maker, NULL, &fixture.serving), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	*state = &fixture;
	return 0;
}

static int stop(void **state)
{
	struct fixture *fixture = *state;

	tlsgraft_identity_unref(fixture->serving);
	free_site(&fixture->site);
	maker_stop(&fixture->maker);
	return 0;
}

/* Loads and forgets; `serving` decides between a start and a reload. */
static int try_load(struct fixture *fixture, bool reload)
{
	tlsgraft_identity *identity = NULL;
	int result = load(&fixture->maker, reload ? fixture->serving : NULL, &identity);

	assert_int_equal(identity != NULL, result == TLSGRAFT_OK);
	tlsgraft_identity_unref(identity);
	return result;
}

/* What serves becomes what it would be had it been loaded while these (NULL: as it was) were still good. */
static void serve_instead(struct fixture *fixture, X509 *leaf, X509 *ca, X509_CRL *crl)
{
	struct tg_document document = *tg_identity_document(fixture->serving);
	struct tg_pair pair = document.credentials[0].pairs[0];
	struct tg_credentials credentials = {.pairs = &pair, .pair_count = 1};
	struct tg_trust trust = document.trusts[0];
	unsigned char *leaf_der = NULL, *ca_der = NULL, *crl_der = NULL, *bytes = NULL;
	struct tg_span ca_span, crl_span;
	size_t size;

	document.credentials = &credentials;
	document.trusts = &trust;
	if (leaf) {
		pair.leaf.size = (size_t)i2d_X509(leaf, &leaf_der);
		pair.leaf.data = leaf_der;
	}
	if (ca) {
		ca_span.size = (size_t)i2d_X509(ca, &ca_der);
		ca_span.data = ca_der;
		trust.cas = &ca_span;
	}
	if (crl) {
		crl_span.size = (size_t)i2d_X509_CRL(crl, &crl_der);
		crl_span.data = crl_der;
		trust.crls = &crl_span;
		trust.crl_count = 1;
	}
	assert_int_equal(tg_document_encode(&document, &bytes, &size), 0);
	tlsgraft_identity_unref(fixture->serving);
	fixture->serving = NULL;
	assert_int_equal(tg_identity_from_bytes(bytes, size, &fixture->serving), TLSGRAFT_OK);
	tg_cleanse_free(bytes, size);
	OPENSSL_free(leaf_der);
	OPENSSL_free(ca_der);
	OPENSSL_free(crl_der);
}

static X509 *make_leaf(struct fixture *fixture, EVP_PKEY *key, long from, long until)
{
	const struct spec spec = {.subject = "leaf",
				  .key = key,
				  .issuer = fixture->site.ca,
				  .issuer_key = fixture->site.ca_key,
				  .from = from,
				  .until = until,
				  .names = "DNS:localhost"};

	return make_certificate(&spec);
}

static void a_key_that_does_not_match_is_waited_for_at_a_reload(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY *key = make_key("EC");
	X509 *leaf = make_leaf(fixture, key, -60, 90 * DAY);

	write_certificate(&fixture->maker, "server.pem", leaf, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	expect_message(
	    TLSGRAFT_ERROR,
	    "site.ini:4: [server] key: server.key: the private key does not match the certificate in server.pem");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	write_key(&fixture->maker, "server.key", key, NULL, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static void a_key_file_in_the_making_is_waited_for_at_a_reload(void **state)
{
	struct fixture *fixture = *state;

	write_text(&fixture->maker, "server.key", "");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	write_text(&fixture->maker, "server.key",
		   "-----BEGIN PRIVATE"
		   " KEY-----\nMIGH");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	unlink(path_in(&fixture->maker, "server.key"));
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	expect_message(TLSGRAFT_ERROR, "server.key: No such file or directory");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
}

static void a_combined_file_without_its_key_is_waited_for_at_a_reload(void **state)
{
	struct fixture *fixture = *state;

	write_text(&fixture->maker, "site.ini", "[server]\nmode = mutual\ncert = server.pem\nca = ca.pem\n");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	write_key(&fixture->maker, "server.pem", fixture->site.key, NULL, true);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
}

static void a_second_fault_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY *key = make_key("EC");

	write_key(&fixture->maker, "server.key", key, NULL, false);
	write_text(&fixture->maker, "ca.pem", "words\n");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "does not match");
	expect_message(TLSGRAFT_ERROR, "ca.pem: neither PEM nor DER");
	EVP_PKEY_free(key);
}

/* Each file of the site, half written: pending at a reload, refused at a start, and good once it is whole. */
static void whatever_is_half_written_is_waited_for(void **state)
{
	static const char *const names[] = {"server.pem", "server.key", "ca.pem", "ca.crl"};
	struct fixture *fixture = *state;
	X509_CRL *crl = make_crl(fixture->site.ca, fixture->site.ca_key, -60, DAY, NULL);

	write_crl(&fixture->maker, "ca.crl", crl, false);
	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[8192];
		FILE *file = fopen(path_in(&fixture->maker, names[i]), "re");
		const size_t size = fread(text, 1, sizeof(text), file);

		fclose(file);
		for (size_t cut = 0; cut < size - 1; cut += size / 7) {
			write_bytes(&fixture->maker, names[i], text, cut);
			if (try_load(fixture, true) != TLSGRAFT_PENDING)
				fail_msg("%s, cut at %zu", names[i], cut);
			expect_message(TLSGRAFT_ERROR, names[i]);
			assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
		}
		/* written over what was there: the end is still the old one */
		memset(text + size / 2, '!', 20);
		write_bytes(&fixture->maker, names[i], text, size);
		assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
		unlink(path_in(&fixture->maker, names[i]));
		assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
		assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
		write_certificate(&fixture->maker, "server.pem", fixture->site.certificate, false);
		write_certificate(&fixture->maker, "ca.pem", fixture->site.ca, false);
		write_key(&fixture->maker, "server.key", fixture->site.key, NULL, false);
		write_crl(&fixture->maker, "ca.crl", crl, false);
		assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	}
	X509_CRL_free(crl);
}

/* A CA and its CRL are two files, written one after the other, in either order. */
static void a_ca_and_its_crl_wait_for_each_other(void **state)
{
	struct fixture *fixture = *state;
	struct spec spec = {.subject = "New CA", .from = -60, .until = 100 * DAY, .ca = true};
	X509_CRL *crl = make_crl(fixture->site.ca, fixture->site.ca_key, -60, DAY, NULL), *new_crl;
	X509 *new_ca;

	spec.key = make_key("EC");
	new_ca = make_certificate(&spec);
	new_crl = make_crl(new_ca, spec.key, -60, DAY, NULL);
	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	write_certificate(&fixture->maker, "ca.pem", new_ca, true);
	write_crl(&fixture->maker, "ca.crl", crl, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	expect_message(TLSGRAFT_ERROR, "no CRL of the CA CN=New CA");
	write_crl(&fixture->maker, "ca.crl", new_crl, true);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	write_certificate(&fixture->maker, "ca.pem", fixture->site.ca, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	expect_message(TLSGRAFT_ERROR, "the CRL of CN=New CA is signed by none of the CAs");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	X509_CRL_free(crl);
	X509_CRL_free(new_crl);
	X509_free(new_ca);
	EVP_PKEY_free(spec.key);
}

/* Waiting helps where every fault is one of time, and is then worth it until the last of them is over. */
static void what_is_of_the_future_says_when_it_is_good(void **state)
{
	struct fixture *fixture = *state;
	X509 *leaf = make_leaf(fixture, fixture->site.key, 1000, 10 * DAY);
	X509_CRL *crl = make_crl(fixture->site.ca, fixture->site.ca_key, 2000, DAY, NULL);
	int64_t now = time(NULL), from;

	write_certificate(&fixture->maker, "server.pem", leaf, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	from = good_from();
	assert_true(from >= now + 1000 && from <= now + 1010);
	write_crl(&fixture->maker, "ca.crl", crl, false);
	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	from = good_from();
	assert_true(from >= now + 2000 && from <= now + 2010);
	write_text(&fixture->maker, "site.ini", INI "frob = 1\n");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	assert_int_equal(good_from(), 0);
	write_text(&fixture->maker, "site.ini", INI);
	unlink(path_in(&fixture->maker, "ca.pem"));
	assert_int_equal(try_load(fixture, true), TLSGRAFT_PENDING);
	assert_int_equal(good_from(), 0);
	X509_free(leaf);
	X509_CRL_free(crl);
}

/* Trust settings that come with a CA, also beside another copy of it without them. */
static void a_ca_that_is_not_for_clients_is_left_out(void **state)
{
	struct fixture *fixture = *state;
	struct spec spec = {.subject = "Other CA", .from = -60, .until = 100 * DAY, .ca = true};
	BIO *file;
	X509 *other;

	spec.key = make_key("EC");
	other = make_certificate(&spec);
	X509_add1_reject_object(other, OBJ_nid2obj(NID_client_auth));
	for (int order = 0; order < 3; order++) {
		tlsgraft_identity *identity = NULL;

		write_text(&fixture->maker, "ca.pem", "");
		file = BIO_new_file(path_in(&fixture->maker, "ca.pem"), "a");
		if (order == 1)
			PEM_write_bio_X509(file, other);
		PEM_write_bio_X509_AUX(file, other);
		if (order == 2)
			PEM_write_bio_X509(file, other);
		BIO_free(file);
		assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
		expect_message(TLSGRAFT_ERROR, "no CA is left: every one has expired or is not allowed for clients");
		write_certificate(&fixture->maker, "ca.pem", fixture->site.ca, true);
		assert_int_equal(load(&fixture->maker, NULL, &identity), TLSGRAFT_OK);
		expect_message(TLSGRAFT_WARNING, "CN=Other CA: its trust settings do not allow it for clients: left out");
		assert_int_equal(tg_identity_document(identity)->trusts[0].ca_count, 1);
		tlsgraft_identity_unref(identity);
	}
	X509_free(other);
	EVP_PKEY_free(spec.key);
}

/* Rows that a reload refuses at once, the serving generation going on. */
static void every_other_fault_is_refused_at_once(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY *key = make_key("EC");
	X509 *expired = make_leaf(fixture, key, -10 * DAY, -DAY), *future = make_leaf(fixture, key, DAY, 10 * DAY);

	write_key(&fixture->maker, "server.key", key, NULL, false);
	write_certificate(&fixture->maker, "server.pem", expired, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "server.pem: expired on");
	write_certificate(&fixture->maker, "server.pem", future, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "server.pem: not valid before");
	write_certificate(&fixture->maker, "server.pem", fixture->site.certificate, false);
	write_key(&fixture->maker, "server.key", fixture->site.key, NULL, false);
	assert_int_equal(chmod(path_in(&fixture->maker, "server.key"), 0644), 0);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "server.key: holds a secret and is accessible to others (mode 0644)");
	assert_int_equal(chmod(path_in(&fixture->maker, "server.key"), 0600), 0);
	write_text(&fixture->maker, "site.ini", INI "frob = 1\n");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	write_text(&fixture->maker, "site.ini", "");
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	unlink(path_in(&fixture->maker, "site.ini"));
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	write_text(&fixture->maker, "site.ini", INI);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	X509_free(expired);
	X509_free(future);
	EVP_PKEY_free(key);
}

static void a_leaf_that_expired_while_serving_is_a_warning(void **state)
{
	struct fixture *fixture = *state;
	X509 *leaf = make_leaf(fixture, fixture->site.key, -2 * DAY, -DAY);

	write_certificate(&fixture->maker, "server.pem", leaf, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	serve_instead(fixture, leaf, NULL, NULL);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "server.pem: expired on");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	X509_free(leaf);
}

static void a_crl_that_went_stale_while_serving_is_a_warning(void **state)
{
	struct fixture *fixture = *state;
	X509_CRL *crl = make_crl(fixture->site.ca, fixture->site.ca_key, -2 * DAY, -DAY, NULL);
	X509_CRL *other = make_crl(fixture->site.ca, fixture->site.ca_key, -60, -30, NULL);

	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	write_crl(&fixture->maker, "ca.crl", crl, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	serve_instead(fixture, NULL, NULL, crl);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "ca.crl: the CRL of CN=Test CA is stale");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	write_crl(&fixture->maker, "ca.crl", other, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	X509_CRL_free(crl);
	X509_CRL_free(other);
}

static void a_ca_that_expired_while_serving_is_a_warning(void **state)
{
	struct fixture *fixture = *state;
	const struct spec spec = {
	    .subject = "Short CA", .key = fixture->site.ca_key, .from = -2 * DAY, .until = -DAY, .ca = true};
	X509 *ca = make_certificate(&spec);
	tlsgraft_identity *identity = NULL;

	write_certificate(&fixture->maker, "ca.pem", ca, false);
	assert_int_equal(try_load(fixture, true), TLSGRAFT_REFUSED);
	serve_instead(fixture, NULL, ca, NULL);
	assert_int_equal(load(&fixture->maker, fixture->serving, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "every CA has expired");
	assert_int_equal(tg_identity_document(identity)->trusts[0].ca_count, 1);
	tlsgraft_identity_unref(identity);
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "no CA is left");
	/* Beside one that is good it is left out. */
	write_certificate(&fixture->maker, "ca.pem", fixture->site.ca, true);
	identity = NULL;
	assert_int_equal(load(&fixture->maker, NULL, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "left out");
	assert_int_equal(tg_identity_document(identity)->trusts[0].ca_count, 1);
	tlsgraft_identity_unref(identity);
	X509_free(ca);
}

static void of_two_crls_of_a_ca_the_newest_counts(void **state)
{
	struct fixture *fixture = *state;
	X509_CRL *stale = make_crl(fixture->site.ca, fixture->site.ca_key, -10 * DAY, -DAY, NULL);
	X509_CRL *fresh = make_crl(fixture->site.ca, fixture->site.ca_key, -DAY, 9 * DAY, NULL);
	tlsgraft_identity *identity = NULL;
	const struct tg_trust *trust;

	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	write_crl(&fixture->maker, "ca.crl", fresh, false);
	write_crl(&fixture->maker, "ca.crl", stale, true);
	assert_int_equal(load(&fixture->maker, NULL, &identity), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	trust = &tg_identity_document(identity)->trusts[0];
	assert_int_equal(trust->crl_count, 1);
	assert_int_equal(trust->crl_check, TG_CRL_LEAF);
	assert_true(trust->crl_next_update > time(NULL) + 8 * DAY);
	tlsgraft_identity_unref(identity);
	X509_CRL_free(stale);
	X509_CRL_free(fresh);
}

static void warns_before_something_expires(void **state)
{
	struct fixture *fixture = *state;
	X509 *leaf = make_leaf(fixture, fixture->site.key, -DAY, 10 * DAY + 60);
	X509_CRL *crl = make_crl(fixture->site.ca, fixture->site.ca_key, -10 * DAY, 3600 * 2, NULL);

	write_certificate(&fixture->maker, "server.pem", leaf, false);
	write_crl(&fixture->maker, "ca.crl", crl, false);
	write_text(&fixture->maker, "site.ini", INI "crl = ca.crl\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "site.ini:3: [server] cert: server.pem: expires in 10 days, on ");
	expect_message(TLSGRAFT_WARNING, "site.ini:6: [server] crl: ca.crl: the CRL of CN=Test CA will be stale in ");
	assert_int_equal(message_count(), 2);
	write_text(&fixture->maker, "site.ini", INI "[tlsgraft]\nwarn_days = 9\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	X509_free(leaf);
	X509_CRL_free(crl);
}

/* The public half fits, the private one does not: nothing but a signature shows it. */
static void a_broken_private_key_is_found(void **state)
{
	struct fixture *fixture = *state;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(fixture->site.key);
	unsigned char *bytes = NULL;
	int size = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);
	/* RFC 5915: the scalar is the first OCTET STRING of 32 bytes. */
	unsigned char *scalar = memmem(bytes, (size_t)size, "\x02\x01\x01\x04\x20", 5);

	assert_non_null(scalar);
	scalar[20] ^= 0x40;
	write_bytes(&fixture->maker, "server.key", bytes, (size_t)size);
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "[server] key: server.key: ");
	OPENSSL_free(bytes);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static void faults_of_an_inherited_file_are_said_once(void **state)
{
	struct fixture *fixture = *state;

	write_text(&fixture->maker, "ca.pem", "");
	write_text(&fixture->maker, "site.ini", INI "[listener a]\nlisten = 127.0.0.1:1\n[sni b]\nnames = b.example\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	assert_int_equal(message_count(), 1);
}

static void strength_is_judged_by_the_level_of_each_policy(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY *key = make_key("RSA-1024");
	X509 *leaf = make_leaf(fixture, key, -60, 90 * DAY);

	write_certificate(&fixture->maker, "weak.pem", leaf, false);
	write_key(&fixture->maker, "weak.pem", key, NULL, true);
	write_text(&fixture->maker, "site.ini", INI "[listener old]\nlisten = *:1\ncert = weak.pem\nsecurity_level = 1\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_OK);
	write_text(&fixture->maker, "site.ini",
		   INI "[listener old]\nlisten = *:1\ncert = weak.pem\nciphers = DEFAULT@SECLEVEL=1\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_OK);
	write_text(&fixture->maker, "site.ini", INI "[listener old]\nlisten = *:1\ncert = weak.pem\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "site.ini:8: [listener old] cert: weak.pem: its RSA key of 1024 bits is too weak");
	/* Off serves nothing of ours. */
	write_text(&fixture->maker, "site.ini", INI "[listener old]\nlisten = *:1\ncert = weak.pem\nmode = off\n");
	assert_int_equal(try_load(fixture, false), TLSGRAFT_OK);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_key_that_does_not_match_is_waited_for_at_a_reload, start, stop),
	    cmocka_unit_test_setup_teardown(a_key_file_in_the_making_is_waited_for_at_a_reload, start, stop),
	    cmocka_unit_test_setup_teardown(a_combined_file_without_its_key_is_waited_for_at_a_reload, start, stop),
	    cmocka_unit_test_setup_teardown(a_second_fault_is_not_waited_for, start, stop),
	    cmocka_unit_test_setup_teardown(whatever_is_half_written_is_waited_for, start, stop),
	    cmocka_unit_test_setup_teardown(a_ca_and_its_crl_wait_for_each_other, start, stop),
	    cmocka_unit_test_setup_teardown(what_is_of_the_future_says_when_it_is_good, start, stop),
	    cmocka_unit_test_setup_teardown(a_ca_that_is_not_for_clients_is_left_out, start, stop),
	    cmocka_unit_test_setup_teardown(every_other_fault_is_refused_at_once, start, stop),
	    cmocka_unit_test_setup_teardown(a_leaf_that_expired_while_serving_is_a_warning, start, stop),
	    cmocka_unit_test_setup_teardown(a_crl_that_went_stale_while_serving_is_a_warning, start, stop),
	    cmocka_unit_test_setup_teardown(a_ca_that_expired_while_serving_is_a_warning, start, stop),
	    cmocka_unit_test_setup_teardown(of_two_crls_of_a_ca_the_newest_counts, start, stop),
	    cmocka_unit_test_setup_teardown(warns_before_something_expires, start, stop),
	    cmocka_unit_test_setup_teardown(a_broken_private_key_is_found, start, stop),
	    cmocka_unit_test_setup_teardown(faults_of_an_inherited_file_are_said_once, start, stop),
	    cmocka_unit_test_setup_teardown(strength_is_judged_by_the_level_of_each_policy, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

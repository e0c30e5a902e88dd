/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a section serves, as a whole: sets of good files that nobody can be served with are refused, sound ones are not.
 */
#include "certificates.h"
#include "loader/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#define INI "[server]\nmode = server\ncert = leaf.pem\nkey = leaf.key\n"
#define RSA_SUITE "ECDHE-RSA-AES128-GCM-SHA256"
#define EC_SUITE "ECDHE-ECDSA-AES128-GCM-SHA256"

static struct maker maker;

static int start(void **state)
{
	(void)state;
	maker_start(&maker);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	maker_stop(&maker);
	return 0;
}

static EVP_PKEY *key_of(const char *type)
{
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (strncmp(type, "curve ", 6) == 0)
		return EVP_EC_gen(type + 6);
	if (strcmp(type, "explicit") != 0)
		return make_key(type);
	ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *issue(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, struct spec spec)
{
	spec.key = key;
	spec.issuer = issuer;
	spec.issuer_key = issuer_key;
	spec.from = -DAY;
	spec.until = 300 * DAY;
	return make_certificate(&spec);
}

/* leaf.pem with its key, from a root alone; with `chain` the root is in the file too. */
static void write_leaf(const char *type, struct spec leaf, struct spec root, bool chain)
{
	EVP_PKEY *key = key_of(type), *root_key = make_key("EC");
	X509 *above, *certificate;

	root.subject = "root";
	root.ca = true;
	leaf.subject = leaf.subject ? leaf.subject : "server.example";
	above = issue(root_key, NULL, NULL, root);
	certificate = issue(key, above, root_key, leaf);
	write_certificate(&maker, "leaf.pem", certificate, false);
	if (chain)
		write_certificate(&maker, "leaf.pem", above, true);
	write_key(&maker, "leaf.key", key, NULL, false);
	X509_free(above);
	X509_free(certificate);
	EVP_PKEY_free(key);
	EVP_PKEY_free(root_key);
}

static int try_ini(const char *text)
{
	tlsgraft_identity *identity = NULL;
	int result;

	write_text(&maker, "site.ini", text);
	result = load(&maker, NULL, &identity);
	tlsgraft_identity_unref(identity);
	return result;
}

enum expected { GOOD, WARNED, REFUSED };

/* Loads site.ini. */
static void expect(size_t row, enum expected expected, const char *message)
{
	static const int results[] = {[GOOD] = TLSGRAFT_OK, [WARNED] = TLSGRAFT_OK, [REFUSED] = TLSGRAFT_REFUSED};
	tlsgraft_identity *identity = NULL;
	int result = load(&maker, NULL, &identity);

	tlsgraft_identity_unref(identity);
	if (result != results[expected] || (expected == GOOD && message_count() != 0)) {
		print_messages();
		fail_msg("row %zu: %d", row, result);
	}
	if (expected != GOOD)
		expect_message(expected == WARNED ? TLSGRAFT_WARNING : TLSGRAFT_ERROR, message);
}

/* Each key type under each of the section's protocol keys. */
static void a_key_and_what_the_protocol_allows(void **state)
{
	static const struct {
		const char *type;
		const char *keys;
		const char *key_usage;
		enum expected expected;
		const char *message;
	} rows[] = {
	    {"EC", "", NULL, GOOD, NULL},
	    {"RSA", "", NULL, GOOD, NULL},
	    {"RSA-PSS", "", NULL, GOOD, NULL},
	    {"ED25519", "", NULL, GOOD, NULL},
	    {"ED448", "", NULL, GOOD, NULL},
	    {"curve P-384", "", NULL, GOOD, NULL},
	    {"curve P-521", "", NULL, GOOD, NULL},
	    {"EC", "security_level = 0\noverride = yes\n", NULL, GOOD, NULL},
	    {"EC", "security_level = 0\n", NULL, WARNED, "is below what OpenSSL demands by itself"},
	    {"EC", "security_level = 3\n", NULL, GOOD, NULL},
	    {"ED25519", "max_protocol = TLSv1.2\n", NULL, GOOD, NULL},
	    {"ED448", "max_protocol = TLSv1.2\n", NULL, GOOD, NULL},
	    {"RSA", "max_protocol = TLSv1.2\n", NULL, GOOD, NULL},
	    {"RSA", "min_protocol = TLSv1.3\n", NULL, GOOD, NULL},
	    {"RSA-PSS", "max_protocol = TLSv1.2\n", NULL, GOOD, NULL},
	    {"EC", "groups = X25519\n", NULL, GOOD, NULL},
	    {"curve P-384", "groups = X25519:P-256\n", NULL, GOOD, NULL},
	    {"EC", "groups = brainpoolP256r1\nmax_protocol = TLSv1.2\n", NULL, GOOD, NULL},
	    {"EC", "groups = ffdhe2048\n", NULL, WARNED, "no client can be served in TLS 1.2"},
	    {"RSA", "ciphersuites = TLS_CHACHA20_POLY1305_SHA256\nmin_protocol = TLSv1.3\n", NULL, GOOD, NULL},
	    {"RSA", "ciphersuites = TLS_AES_128_CCM_SHA256\n", NULL, GOOD, NULL},
	    {"EC", "ciphers = " EC_SUITE "\n", NULL, GOOD, NULL},
	    {"RSA", "ciphers = AES128-GCM-SHA256\n", NULL, GOOD, NULL},
	    {"RSA", "ciphers = DHE-RSA-AES128-GCM-SHA256\n", NULL, GOOD, NULL},
	    {"EC", "ciphers = " RSA_SUITE "\n", NULL, WARNED,
	     "leaf.pem: no client can be served in TLS 1.2: no shared cipher"},
	    {"EC", "ciphers = " RSA_SUITE "\nmin_protocol = TLSv1.3\n", NULL, GOOD, NULL},
	    {"EC", "ciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n", NULL, REFUSED,
	     "site.ini:3: [server] cert: leaf.pem: no client can be served with it: no shared cipher"},
	    {"RSA", "ciphers = " EC_SUITE "\nmax_protocol = TLSv1.2\n", NULL, REFUSED, "no shared cipher"},
	    {"ED25519", "ciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n", NULL, REFUSED, "no shared cipher"},
	    {"EC", "ciphers = PSK-AES128-GCM-SHA256\nmax_protocol = TLSv1.2\n", NULL, REFUSED, "no shared cipher"},
	    {"RSA", "ciphers = ADH-AES128-GCM-SHA256:@SECLEVEL=0\nmax_protocol = TLSv1.2\n", NULL, REFUSED,
	     "no shared cipher"},
	    {"curve secp256k1", "", NULL, WARNED, "no client can be served in TLS 1.3"},
	    {"curve secp256k1", "min_protocol = TLSv1.3\n", NULL, REFUSED, "no client can be served with it"},
	    {"RSA", "", "critical,digitalSignature", GOOD, NULL},
	    {"RSA", "max_protocol = TLSv1.2\n", "critical,keyEncipherment", WARNED, "digitalSignature"},
	    {"RSA", "", "critical,keyEncipherment", WARNED, "digitalSignature"},
	    {"RSA", "min_protocol = TLSv1.3\n", "critical,keyEncipherment", REFUSED,
	     "no client can be served with it: its key usage lacks digitalSignature"},
	    {"RSA", "ciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n", "critical,keyEncipherment", REFUSED,
	     "no client can be served with it"},
	    {"EC", "max_protocol = TLSv1.1\n", NULL, REFUSED, "no client can be served with it"},
	    {"EC", "min_protocol = TLSv1\nmax_protocol = TLSv1.1\nsecurity_level = 0\noverride = yes\n", NULL, GOOD, NULL},
	    {"explicit", "", NULL, REFUSED, "explicit ECC parameters: issue it anew with a named curve"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), INI "%s", rows[i].keys);
		write_text(&maker, "site.ini", text);
		write_leaf(rows[i].type, (struct spec){.names = "DNS:server.example", .key_usage = rows[i].key_usage},
			   (struct spec){0}, false);
		expect(i, rows[i].expected, rows[i].message);
	}
}

/* A leaf and the root above it, both in the file. */
static void a_chain_that_clients_take_or_not(void **state)
{
	static const struct {
		struct spec leaf, root;
		enum expected expected;
		const char *message;
	} rows[] = {
	    {{.names = "DNS:*.corp.example"}, {.digest = NULL}, GOOD, NULL},
	    {{.names = "DNS:a.corp.example"}, {.constraints = "critical,CA:TRUE,pathlen:0"}, GOOD, NULL},
	    {{.names = "DNS:a.corp.example", .subject = "a.corp.example"},
	     {.more = {{NID_name_constraints, "critical,permitted;DNS:corp.example"}}},
	     GOOD,
	     NULL},
	    {{.names = "DNS:*.corp.example", .subject = "corp.example"},
	     {.more = {{NID_name_constraints, "critical,permitted;DNS:corp.example"}}},
	     GOOD,
	     NULL},
	    {{.names = "DNS:a.other.example"},
	     {.more = {{NID_name_constraints, "critical,permitted;DNS:corp.example"}}},
	     REFUSED,
	     "permitted subtree violation: a CA above it may not issue for its names"},
	    {{.names = "DNS:a.corp.example,IP:192.0.2.1"},
	     {.more = {{NID_name_constraints, "critical,excluded;IP:192.0.2.0/255.255.255.0"}}},
	     REFUSED,
	     "excluded subtree violation"},
	    {{.names = "DNS:a"}, {.usage = "serverAuth"}, GOOD, NULL},
	    {{.names = "DNS:a"}, {.usage = "clientAuth"}, REFUSED, "no client can be served with it: "},
	    {{.names = "DNS:a"}, {.digest = NULL, .more = {{NID_netscape_cert_type, "emailCA"}}}, GOOD, NULL},
	    {{.names = "DNS:a", .usage = "serverAuth,clientAuth"}, {.digest = NULL}, GOOD, NULL},
	    {{.names = "DNS:a", .usage = "anyExtendedKeyUsage"}, {.digest = NULL}, GOOD, NULL},
	    {{.names = "DNS:a", .more = {{NID_netscape_cert_type, "client"}}},
	     {.digest = NULL},
	     REFUSED,
	     "no client can be"},
	    {{.names = "DNS:a", .more = {{NID_inhibit_any_policy, "critical,0"}}}, {.digest = NULL}, GOOD, NULL},
	};

	(void)state;
	write_text(&maker, "site.ini", INI);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_leaf("EC", rows[i].leaf, rows[i].root, true);
		expect(i, rows[i].expected, rows[i].message);
	}
}

/* A signature of a root proves nothing, one of an issuer does. */
static void a_root_that_is_signed_weakly(void **state)
{
	(void)state;
	write_text(&maker, "site.ini", INI);
	write_leaf("EC", (struct spec){.names = "DNS:a"}, (struct spec){.digest = EVP_sha1()}, true);
	expect(0, GOOD, NULL);
}

static void an_extension_that_nobody_knows(void **state)
{
	EVP_PKEY *key = make_key("EC");
	ASN1_OBJECT *object = OBJ_txt2obj("1.2.3.4.5", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	(void)state;
	ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2);
	write_text(&maker, "site.ini", INI);
	write_key(&maker, "leaf.key", key, NULL, false);
	for (int critical = 0; critical < 2; critical++) {
		X509 *first = issue(key, NULL, NULL, (struct spec){.subject = "a", .names = "DNS:a"}),
		     *leaf = X509_dup(first);
		X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, value);

		X509_add_ext(leaf, extension, -1);
		assert_true(X509_sign(leaf, key, EVP_sha256()) > 0);
		write_certificate(&maker, "leaf.pem", leaf, false);
		expect((size_t)critical, critical ? REFUSED : GOOD, "nhandled critical extension");
		X509_EXTENSION_free(extension);
		X509_free(first);
		X509_free(leaf);
	}
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(value);
	EVP_PKEY_free(key);
}

/* leaf, intermediate, cross-signed root, other root: the path that the file has is what is tried. */
static void a_cross_signed_chain(void **state)
{
	EVP_PKEY *keys[4];
	X509 *old_root, *cross, *middle, *leaf;

	(void)state;
	for (int i = 0; i < 4; i++)
		keys[i] = make_key("EC");
	for (int limit = 0; limit < 2; limit++) {
		old_root = issue(keys[0], NULL, NULL, (struct spec){.subject = "old root", .ca = true});
		cross = issue(
		    keys[1], old_root, keys[0],
		    (struct spec){.subject = "new root",
				  .ca = true,
				  .constraints = limit ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE,pathlen:1"});
		middle = issue(keys[2], cross, keys[1], (struct spec){.subject = "middle", .ca = true});
		leaf = issue(keys[3], middle, keys[2], (struct spec){.subject = "a", .names = "DNS:a"});
		write_text(&maker, "site.ini", INI);
		write_key(&maker, "leaf.key", keys[3], NULL, false);
		write_certificate(&maker, "leaf.pem", leaf, false);
		write_certificate(&maker, "leaf.pem", middle, true);
		write_certificate(&maker, "leaf.pem", cross, true);
		expect(0, limit ? REFUSED : GOOD, "path length constraint exceeded");
		write_certificate(&maker, "leaf.pem", old_root, true);
		expect(1, limit ? REFUSED : GOOD, "path length constraint exceeded");
		X509_free(old_root);
		X509_free(cross);
		X509_free(middle);
		X509_free(leaf);
	}
	for (int i = 0; i < 4; i++)
		EVP_PKEY_free(keys[i]);
}

/* Key types side by side: each is to be of use, and a version needs only one of them. */
static void key_types_side_by_side(void **state)
{
	static const char more[] = "cert = ec.pem\nkey = ec.key\n";
	EVP_PKEY *key = make_key("EC");
	X509 *ec = issue(key, NULL, NULL, (struct spec){.subject = "a", .names = "DNS:a"});
	char text[512];

	(void)state;
	write_leaf("RSA", (struct spec){.names = "DNS:a"}, (struct spec){0}, false);
	write_certificate(&maker, "ec.pem", ec, false);
	write_key(&maker, "ec.key", key, NULL, false);
	snprintf(text, sizeof(text), INI "%sciphers = " RSA_SUITE "\n", more);
	assert_int_equal(try_ini(text), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	snprintf(text, sizeof(text), INI "%sciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n", more);
	assert_int_equal(try_ini(text), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR,
		       "site.ini:5: [server] cert: ec.pem: no client can be served with it: no shared cipher");
	assert_int_equal(message_count(), 1);
	X509_free(ec);
	EVP_PKEY_free(key);
}

/* All faults of all sections at once, each at the line of the certificate that it is about. */
static void every_section_is_tried(void **state)
{
	(void)state;
	write_leaf("EC", (struct spec){.names = "DNS:a"}, (struct spec){0}, false);
	assert_int_equal(try_ini(INI "max_protocol = TLSv1.2\n"
				     "[listener one]\nlisten = *:1\nciphers = " RSA_SUITE "\n"
				     "[listener two]\nlisten = *:2\ncert = leaf.pem\nkey = leaf.key\nciphers = " RSA_SUITE
				     "\n"
				     "[listener off]\nlisten = *:3\nmode = off\nciphers = " RSA_SUITE "\n"
				     "[sni three]\nnames = b\ngroups = nonsense\n"),
			 TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "site.ini:3: [server] cert: leaf.pem: no client can be served with it");
	expect_message(TLSGRAFT_ERROR, "site.ini:11: [listener two] cert: leaf.pem: no client can be served with it");
	expect_message(TLSGRAFT_ERROR, "nonsense");
	expect_message(TLSGRAFT_ERROR, "'nonsense' is no list of groups");
	assert_int_equal(message_count(), 4);
}

/* An upgrade brings a stricter judge: what serves goes on, and a reload of it is taken. */
static void what_serves_already_is_a_warning(void **state)
{
	char suites[] = RSA_SUITE;
	tlsgraft_identity *serving = NULL, *identity = NULL;
	struct tg_document document;
	struct tg_policy policy;
	unsigned char *bytes = NULL;
	size_t size;

	(void)state;
	write_leaf("EC", (struct spec){.names = "DNS:a"}, (struct spec){0}, false);
	write_text(&maker, "site.ini", INI);
	assert_int_equal(load(&maker, NULL, &identity), TLSGRAFT_OK);
	document = *tg_identity_document(identity);
	policy = document.policies[0];
	policy.ciphers = suites;
	policy.max_protocol = 0x0303;
	document.policies = &policy;
	assert_int_equal(tg_document_encode(&document, &bytes, &size), 0);
	assert_int_equal(tg_identity_from_bytes(bytes, size, &serving), TLSGRAFT_OK);
	tlsgraft_identity_unref(identity);
	identity = NULL;
	write_text(&maker, "site.ini", INI "ciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n");
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "no client can be served with it");
	tlsgraft_identity_unref(identity);
	identity = NULL;
	write_text(&maker, "site.ini", INI "ciphers = AES128-SHA256\nmax_protocol = TLSv1.2\n");
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_REFUSED);
	tlsgraft_identity_unref(serving);
	OPENSSL_clear_free(bytes, size);
}

static void the_error_queue_is_left_as_found(void **state)
{
	(void)state;
	write_leaf("EC", (struct spec){.names = "DNS:a"}, (struct spec){0}, false);
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	assert_int_equal(try_ini(INI), TLSGRAFT_OK);
	assert_int_equal(try_ini(INI "ciphers = " RSA_SUITE "\nmax_protocol = TLSv1.2\n"), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "no shared cipher");
	assert_int_equal(ERR_GET_REASON(ERR_get_error()), 7);
	assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_key_and_what_the_protocol_allows, start, stop),
	    cmocka_unit_test_setup_teardown(a_chain_that_clients_take_or_not, start, stop),
	    cmocka_unit_test_setup_teardown(a_root_that_is_signed_weakly, start, stop),
	    cmocka_unit_test_setup_teardown(an_extension_that_nobody_knows, start, stop),
	    cmocka_unit_test_setup_teardown(a_cross_signed_chain, start, stop),
	    cmocka_unit_test_setup_teardown(key_types_side_by_side, start, stop),
	    cmocka_unit_test_setup_teardown(every_section_is_tried, start, stop),
	    cmocka_unit_test_setup_teardown(what_serves_already_is_a_warning, start, stop),
	    cmocka_unit_test_setup_teardown(the_error_queue_is_left_as_found, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trust as a whole: what is said of it before it is published, beside what becomes of a real client of each CA when it is
 * published all the same. The two must agree.
 */
#include "certificates.h"
#include "ipc/read.h"
#include "loader/identity.h"
#include "loader/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

#define INI "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = cas.pem\n"

static struct maker maker;
static struct site site;

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

struct authorities {
	struct authority root, middle; /* the one issued the other */
};

static X509 *issue(const struct authority *issuer, EVP_PKEY *key, struct spec spec)
{
	spec.key = key;
	spec.issuer = issuer ? issuer->certificate : NULL;
	spec.issuer_key = issuer ? issuer->key : NULL;
	spec.from = spec.from ? spec.from : -DAY;
	spec.until = spec.until ? spec.until : 300 * DAY;
	return make_certificate(&spec);
}

static void make_authorities(struct authorities *all)
{
	all->root.key = make_key("EC");
	all->root.certificate = issue(NULL, all->root.key, (struct spec){.subject = "root", .ca = true});
	all->middle.key = make_key("EC");
	all->middle.certificate = issue(&all->root, all->middle.key, (struct spec){.subject = "middle", .ca = true});
}

static void free_authority(struct authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
}

static void free_authorities(struct authorities *all)
{
	free_authority(&all->root);
	free_authority(&all->middle);
}

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

/* The scope and further extensions of a CRL. */
struct scope {
	bool only_user, only_ca, only_attribute, indirect, some_reasons;
	const char *uri; /* of its distribution point */
	int unknown;     /* 1: an extension that nobody knows; 2: a critical one */
};

static void add_scope(X509_CRL *crl, const struct scope *scope)
{
	ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();

	point->onlyuser = scope->only_user ? 0xff : 0;
	point->onlyCA = scope->only_ca ? 0xff : 0;
	point->onlyattr = scope->only_attribute ? 0xff : 0;
	point->indirectCRL = scope->indirect ? 0xff : 0;
	if (scope->some_reasons) {
		point->onlysomereasons = ASN1_BIT_STRING_new();
		ASN1_BIT_STRING_set_bit(point->onlysomereasons, 1, 1);
	}
	if (scope->uri) {
		GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_URI, scope->uri, 0);

		point->distpoint = DIST_POINT_NAME_new();
		point->distpoint->type = 0;
		point->distpoint->name.fullname = GENERAL_NAMES_new();
		sk_GENERAL_NAME_push(point->distpoint->name.fullname, name);
	}
	assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, point, 1, X509V3_ADD_DEFAULT), 1);
	ISSUING_DIST_POINT_free(point);
}

static X509_CRL *revoke(const struct authority *authority, const struct scope *scope, X509 *revoked)
{
	X509_CRL *plain = make_crl(authority->certificate, authority->key, -60, 9 * DAY, revoked),
		 *crl = X509_CRL_dup(plain);

	X509_CRL_free(plain);
	if (scope && (scope->only_user || scope->only_ca || scope->only_attribute || scope->indirect ||
		      scope->some_reasons || scope->uri))
		add_scope(crl, scope);
	if (scope && scope->unknown) {
		X509_EXTENSION *extension = NULL;
		ASN1_OBJECT *object = OBJ_txt2obj("1.2.3.4.5", 1);
		ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

		ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2);
		extension = X509_EXTENSION_create_by_OBJ(NULL, object, scope->unknown == 2, value);
		X509_CRL_add_ext(crl, extension, -1);
		X509_EXTENSION_free(extension);
		ASN1_OCTET_STRING_free(value);
		ASN1_OBJECT_free(object);
	}
	assert_true(X509_CRL_sign(crl, authority->key, EVP_sha256()) > 0);
	return crl;
}

/* Files of up to `count` each; NULL entries are left out. */
static void write_lists(X509 *const *cas, X509_CRL *const *crls, size_t count)
{
	bool append = false;

	for (size_t i = 0; i < count; i++)
		if (cas[i]) {
			write_certificate(&maker, "cas.pem", cas[i], append);
			append = true;
		}
	append = false;
	for (size_t i = 0; i < count; i++)
		if (crls && crls[i]) {
			write_crl(&maker, "crls.pem", crls[i], append);
			append = true;
		}
}

static struct tg_span der_of(X509 *certificate, X509_CRL *crl)
{
	unsigned char *der = NULL;
	int size = certificate ? i2d_X509(certificate, &der) : i2d_X509_CRL(crl, &der);

	return (struct tg_span){der, (size_t)size};
}

/* An identity with this trust, whatever the loader says of it. */
static tlsgraft_identity *published(X509 *const *cas, X509_CRL *const *crls, size_t count, enum tg_crl_check check,
				    int depth)
{
	tlsgraft_identity *good = NULL, *identity = NULL;
	struct tg_span ca_spans[40], crl_spans[40];
	struct tg_trust trust = {.cas = ca_spans, .crls = crl_spans, .crl_check = check, .verify_depth = depth};
	struct tg_document document;
	unsigned char *bytes = NULL;
	size_t size;

	write_text(&maker, "site.ini", "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n");
	assert_int_equal(load(&maker, NULL, &good), TLSGRAFT_OK);
	document = *tg_identity_document(good);
	for (size_t i = 0; i < count; i++) {
		if (cas[i])
			ca_spans[trust.ca_count++] = der_of(cas[i], NULL);
		if (crls && crls[i])
			crl_spans[trust.crl_count++] = der_of(NULL, crls[i]);
	}
	document.trusts = &trust;
	assert_int_equal(tg_document_encode(&document, &bytes, &size), 0);
	assert_int_equal(tg_identity_from_bytes(bytes, size, &identity), TLSGRAFT_OK);
	tg_cleanse_free(bytes, size);
	for (size_t i = 0; i < trust.ca_count; i++)
		OPENSSL_free((void *)(uintptr_t)ca_spans[i].data);
	for (size_t i = 0; i < trust.crl_count; i++)
		OPENSSL_free((void *)(uintptr_t)crl_spans[i].data);
	tlsgraft_identity_unref(good);
	return identity;
}

/* Is this client let in? `sent`: what it sends along; NULL: nothing. */
static bool let_in(tlsgraft_identity *identity, X509 *certificate, EVP_PKEY *key, X509 *sent, int version)
{
	SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method()), *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server, *client;
	BIO *one = NULL, *other = NULL;
	bool served = false;
	char byte;

	assert_int_equal(tlsgraft_identity_configure(identity, "server", server_ctx), TLSGRAFT_OK);
	SSL_CTX_set_max_proto_version(client_ctx, version);
	assert_int_equal(SSL_CTX_use_cert_and_key(client_ctx, certificate, key, NULL, 1), 1);
	if (sent)
		assert_int_equal(SSL_CTX_add1_chain_cert(client_ctx, sent), 1);
	server = SSL_new(server_ctx);
	client = SSL_new(client_ctx);
	assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 40 && !served; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
		if (SSL_is_init_finished(server) && SSL_is_init_finished(client)) {
			SSL_write(client, "x", 1);
			served = SSL_read(server, &byte, 1) == 1;
		}
	}
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	ERR_clear_error();
	return served;
}

/* Under all that is published, and in both versions alike. */
static bool client_let_in(tlsgraft_identity *identity, const struct authority *issuer, struct spec spec, X509 *sent)
{
	EVP_PKEY *key = make_key("EC");
	X509 *certificate;
	bool old, new;

	spec.subject = "client";
	certificate = issue(issuer, key, spec);
	old = let_in(identity, certificate, key, sent, TLS1_2_VERSION);
	new = let_in(identity, certificate, key, sent, TLS1_3_VERSION);
	assert_int_equal(old, new);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return new;
}

static int try_lists(const char *keys, X509 *const *cas, X509_CRL *const *crls, size_t count)
{
	tlsgraft_identity *identity = NULL;
	char text[512];
	int result;

	write_lists(cas, crls, count);
	snprintf(text, sizeof(text), INI "%s%s", crls ? "crl = crls.pem\n" : "", keys);
	write_text(&maker, "site.ini", text);
	result = load(&maker, NULL, &identity);
	tlsgraft_identity_unref(identity);
	return result;
}

static void the_scope_of_a_crl(void **state)
{
	static const struct {
		struct scope scope;
		int result;
		bool served;
		const char *message; /* NULL: none */
	} rows[] = {
	    {{0}, TLSGRAFT_OK, true, NULL},
	    {{.only_user = true}, TLSGRAFT_OK, true, NULL},
	    {{.unknown = 1}, TLSGRAFT_OK, true, NULL},
	    {{.only_ca = true}, TLSGRAFT_REFUSED, false, "it is for the certificates of CAs alone"},
	    {{.only_attribute = true}, TLSGRAFT_REFUSED, false, "it is for attribute certificates alone"},
	    {{.some_reasons = true}, TLSGRAFT_REFUSED, false, "it is for some reasons of revocation alone"},
	    {{.indirect = true}, TLSGRAFT_REFUSED, false, "it is an indirect CRL"},
	    {{.unknown = 2}, TLSGRAFT_REFUSED, false, "nhandled critical CRL extension"},
	    {{.uri = "http://crl.invalid/1"}, TLSGRAFT_OK, false, "has the scope of one distribution point"},
	    {{.uri = "http://crl.invalid/1", .only_user = true},
	     TLSGRAFT_OK,
	     false,
	     "has the scope of one distribution point"},
	};
	struct authorities all;

	(void)state;
	make_authorities(&all);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509_CRL *crl = revoke(&all.root, &rows[i].scope, NULL);
		tlsgraft_identity *identity = published(&all.root.certificate, &crl, 1, TG_CRL_LEAF, 8);
		struct spec with_point = {.more = {{NID_crl_distribution_points, "URI:http://crl.invalid/1"}}};

		assert_int_equal(client_let_in(identity, &all.root, (struct spec){0}, NULL), rows[i].served);
		if (rows[i].scope.uri)
			assert_true(client_let_in(identity, &all.root, with_point, NULL));
		assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), rows[i].result);
		if (rows[i].message)
			expect_message(rows[i].result == TLSGRAFT_OK ? TLSGRAFT_WARNING : TLSGRAFT_ERROR, rows[i].message);
		else
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
		X509_CRL_free(crl);
	}
	free_authorities(&all);
}

static void crls_of_two_scopes_side_by_side(void **state)
{
	const struct scope users = {.only_user = true}, cas_alone = {.only_ca = true};
	struct authorities all;
	X509_CRL *crls[3];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate, NULL};

	crls[0] = revoke(&all.root, &users, NULL);
	crls[1] = revoke(&all.root, &cas_alone, NULL);
	crls[2] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 3), TLSGRAFT_OK);
	assert_int_equal(message_count(), 0);
	X509_CRL_free(crls[1]);
	crls[1] = NULL;
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 3), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "it is not for the certificates of CAs");
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[2]);
	free_authorities(&all);
}

/* With crl_check = chain: which CAs and CRLs are listed, and who gets in. */
static void a_chain_is_looked_up_as_far_as_it_is_listed(void **state)
{
	enum { ROOT = 1, MIDDLE = 2 };
	static const struct {
		unsigned cas, crls;
		int result;
		bool of_root, of_middle;
	} rows[] = {
	    {ROOT | MIDDLE, ROOT | MIDDLE, TLSGRAFT_OK, true, true},
	    {MIDDLE, MIDDLE, TLSGRAFT_OK, false, true},
	    {ROOT, ROOT, TLSGRAFT_OK, true, false}, /* with a warning */
	    {ROOT | MIDDLE, MIDDLE, TLSGRAFT_REFUSED, false, false},
	    {ROOT | MIDDLE, ROOT, TLSGRAFT_REFUSED, true, false},
	};
	struct authorities all;

	(void)state;
	make_authorities(&all);
	X509_CRL *of_root = revoke(&all.root, NULL, NULL), *of_middle = revoke(&all.middle, NULL, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509 *const cas[] = {rows[i].cas & ROOT ? all.root.certificate : NULL,
				     rows[i].cas & MIDDLE ? all.middle.certificate : NULL};
		X509_CRL *const crls[] = {rows[i].crls & ROOT ? of_root : NULL, rows[i].crls & MIDDLE ? of_middle : NULL};
		tlsgraft_identity *identity = published(cas, crls, 2, TG_CRL_CHAIN, 8);

		assert_int_equal(client_let_in(identity, &all.root, (struct spec){0}, NULL), rows[i].of_root);
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, all.middle.certificate),
				 rows[i].of_middle);
		/* What is listed need not be sent. */
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL),
				 rows[i].of_middle && rows[i].cas & MIDDLE);
		assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 2), rows[i].result);
		if (rows[i].cas == ROOT)
			expect_message(TLSGRAFT_WARNING,
				       "cas.pem: under crl_check = chain the clients of an intermediate CA");
		else if (rows[i].result == TLSGRAFT_OK)
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(of_root);
	X509_CRL_free(of_middle);
	free_authorities(&all);
}

static void an_intermediate_that_its_root_revoked(void **state)
{
	struct authorities all;
	X509_CRL *crls[2];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate};

	crls[0] = revoke(&all.root, NULL, all.middle.certificate);
	crls[1] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("crl_check = chain\n", cas, crls, 2), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "crls.pem: revokes CN=middle: no client of CN=middle is let in");
	for (int chain = 0; chain < 2; chain++) {
		tlsgraft_identity *identity = published(cas, crls, 2, chain ? TG_CRL_CHAIN : TG_CRL_LEAF, 8);

		assert_true(client_let_in(identity, &all.root, (struct spec){0}, NULL));
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL), !chain);
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	free_authorities(&all);
}

static EVP_PKEY *explicit_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *read_anew(X509 *certificate)
{
	struct tg_span der = der_of(certificate, NULL);
	const unsigned char *at = der.data;
	X509 *again = d2i_X509(NULL, &at, (long)der.size);

	OPENSSL_free((void *)(uintptr_t)der.data);
	X509_free(certificate);
	return again;
}

/* One CA at a time: what makes it useless, and what does not. */
static void a_ca_of_which_nobody_gets_in(void **state)
{
	enum key { PLAIN, EXPLICIT };
	static const struct {
		struct spec spec;
		enum key key;
		const char *type;
		const char *message; /* NULL: it is good */
	} rows[] = {
	    {{.digest = NULL}, PLAIN, "EC", NULL},
	    {{.digest = NULL}, PLAIN, "RSA", NULL},
	    {{.digest = NULL}, PLAIN, "RSA-PSS", NULL},
	    {{.digest = NULL}, PLAIN, "ED25519", NULL},
	    {{.digest = NULL}, PLAIN, "ED448", NULL},
	    {{.constraints = "critical,CA:TRUE,pathlen:0"}, PLAIN, "EC", NULL},
	    {{.usage = "clientAuth"}, PLAIN, "EC", NULL},
	    {{.more = {{NID_netscape_cert_type, "sslCA"}}}, PLAIN, "EC", NULL},
	    {{.more = {{NID_name_constraints, "critical,permitted;DNS:.corp.example"}}}, PLAIN, "EC", NULL},
	    {{.digest = NULL}, EXPLICIT, "EC", "explicit ECC parameters"},
	    {{.usage = "serverAuth"}, PLAIN, "EC", "may not issue clients"},
	    {{.more = {{NID_netscape_cert_type, "emailCA"}}}, PLAIN, "EC", NULL},
	    {{.more = {{NID_inhibit_any_policy, "critical,0"}}}, PLAIN, "EC", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spec spec = rows[i].spec;
		struct authority authority = {.key = rows[i].key == EXPLICIT ? explicit_key() : make_key(rows[i].type)};
		tlsgraft_identity *identity;
		int result;

		spec.subject = "the CA";
		spec.ca = true;
		authority.certificate = read_anew(issue(NULL, authority.key, spec));
		identity = published(&authority.certificate, NULL, 1, TG_CRL_NONE, 8);
		if (client_let_in(identity, &authority, (struct spec){0}, NULL) != !rows[i].message)
			fail_msg("row %zu: the client", i);
		result = try_lists("", &authority.certificate, NULL, 1);
		if (result != (rows[i].message ? TLSGRAFT_REFUSED : TLSGRAFT_OK)) {
			print_messages();
			fail_msg("row %zu", i);
		}
		if (rows[i].message)
			expect_message(TLSGRAFT_ERROR, rows[i].message);
		else
			assert_int_equal(message_count(), 0);
		tlsgraft_identity_unref(identity);
		free_authority(&authority);
	}
}

static void a_path_that_is_too_long(void **state)
{
	struct authorities all;
	X509_CRL *crls[2];

	(void)state;
	make_authorities(&all);
	X509 *const cas[] = {all.root.certificate, all.middle.certificate};

	crls[0] = revoke(&all.root, NULL, NULL);
	crls[1] = revoke(&all.middle, NULL, NULL);
	assert_int_equal(try_lists("verify_depth = 0\n", cas, crls, 2), TLSGRAFT_OK);
	assert_int_equal(try_lists("crl_check = chain\nverify_depth = 1\n", cas, crls, 2), TLSGRAFT_OK);
	assert_int_equal(try_lists("crl_check = chain\nverify_depth = 0\n", cas, crls, 2), TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "[server] ca: cas.pem: CN=middle: no client of this CA can be let in");
	expect_message(TLSGRAFT_ERROR, "verify_depth");
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	free_authorities(&all);
}

/* Several CAs of one name, without key identifiers: each order, with CRLs and without. */
static void cas_of_one_name(void **state)
{
	enum { COUNT = 3 };
	struct authority all[COUNT];
	X509 *cas[COUNT];
	X509_CRL *crls[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		all[i].key = make_key(i == 1 ? "RSA" : "EC");
		all[i].certificate = issue(NULL, all[i].key, (struct spec){.subject = "One Name", .ca = true});
	}
	for (int first = 0; first < COUNT; first++) {
		for (int i = 0; i < COUNT; i++) {
			cas[i] = all[(first + i) % COUNT].certificate;
			crls[i] = make_crl(cas[i], all[(first + i) % COUNT].key, -60 - 10 * i, 9 * DAY, NULL);
		}
		for (int check = TG_CRL_NONE; check <= TG_CRL_CHAIN; check++) {
			X509_CRL **used = check == TG_CRL_NONE ? NULL : crls;
			tlsgraft_identity *identity = published(cas, used, COUNT, (enum tg_crl_check)check, 8);

			for (int i = 0; i < COUNT; i++)
				assert_true(client_let_in(identity, &all[i], (struct spec){0}, NULL));
			tlsgraft_identity_unref(identity);
			assert_int_equal(try_lists(check == TG_CRL_CHAIN ? "crl_check = chain\n" : "", cas, used, COUNT),
					 TLSGRAFT_OK);
		}
		for (int i = 0; i < COUNT; i++)
			X509_CRL_free(crls[i]);
	}
	for (int i = 0; i < COUNT; i++)
		free_authority(&all[i]);
}

/* One of them revoked a client, another CA of its name gave somebody the same serial number. */
static void a_crl_counts_for_its_own_ca_alone(void **state)
{
	struct authority one = {.key = make_key("EC")}, other = {.key = make_key("EC")};
	EVP_PKEY *key = make_key("EC");

	(void)state;
	one.certificate = issue(NULL, one.key, (struct spec){.subject = "One Name", .ca = true});
	other.certificate = issue(NULL, other.key, (struct spec){.subject = "One Name", .ca = true});
	X509 *client = issue(&one, key, (struct spec){.subject = "client"}), *twin = X509_dup(client);
	assert_true(X509_sign(twin, other.key, EVP_sha256()) > 0);
	X509 *const cas[] = {one.certificate, other.certificate};
	X509_CRL *crls[] = {revoke(&one, NULL, client), revoke(&other, NULL, NULL)};
	tlsgraft_identity *identity = published(cas, crls, 2, TG_CRL_LEAF, 8);

	assert_false(let_in(identity, client, key, NULL, TLS1_3_VERSION));
	assert_true(let_in(identity, twin, key, NULL, TLS1_3_VERSION));
	tlsgraft_identity_unref(identity);
	X509_CRL_free(crls[0]);
	X509_CRL_free(crls[1]);
	X509_free(client);
	X509_free(twin);
	EVP_PKEY_free(key);
	free_authority(&one);
	free_authority(&other);
}

/* What a handshake cannot carry is not sent, and that is said. */
static void too_many_names(void **state)
{
	struct authority all = {.key = make_key("EC")};
	char subject[80];
	FILE *file;
	tlsgraft_identity *identity = NULL;

	(void)state;
	file = fopen(path_in(&maker, "cas.pem"), "we");
	assert_non_null(file);
	for (int i = 0; i < 1300; i++) {
		X509 *one;

		snprintf(subject, sizeof(subject), "authority %04d of a federation with a name as long as it can", i);
		one = issue(NULL, all.key, (struct spec){.subject = subject, .ca = true});
		fprintf(file, "-----BEGIN CERTIFICATE-----\n");
		{
			struct tg_span der = der_of(one, NULL);
			unsigned char text[2048];

			assert_true(der.size < 1024);
			EVP_EncodeBlock(text, der.data, (int)der.size);
			for (size_t at = 0; text[at] != '\0'; at += 64)
				fprintf(file, "%.64s\n", text + at);
			OPENSSL_free((void *)(uintptr_t)der.data);
		}
		fprintf(file, "-----END CERTIFICATE-----\n");
		if (i == 0)
			all.certificate = one;
		else
			X509_free(one);
	}
	assert_int_equal(fclose(file), 0);
	write_text(&maker, "site.ini", INI);
	assert_int_equal(load(&maker, NULL, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "site.ini:5: [server] ca: the names of its CAs take ");
	assert_true(client_let_in(identity, &all, (struct spec){0}, NULL));
	tlsgraft_identity_unref(identity);
	free_authority(&all);
}

/* At a reload, what serves has the same fault: then an urgent change still gets in. */
static void what_serves_already_is_a_warning(void **state)
{
	const struct scope scope = {.only_ca = true};
	struct authorities all;
	tlsgraft_identity *serving, *identity = NULL;

	(void)state;
	make_authorities(&all);
	X509_CRL *crl = revoke(&all.root, &scope, NULL);
	serving = published(&all.root.certificate, &crl, 1, TG_CRL_LEAF, 8);
	assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), TLSGRAFT_REFUSED);
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_OK);
	expect_message(TLSGRAFT_WARNING, "it is for the certificates of CAs alone");
	tlsgraft_identity_unref(identity);
	tlsgraft_identity_unref(serving);
	/* The same CA with a list that was good: an error. */
	X509_CRL *good = revoke(&all.root, NULL, NULL);
	identity = NULL;
	serving = published(&all.root.certificate, &good, 1, TG_CRL_LEAF, 8);
	assert_int_equal(try_lists("", &all.root.certificate, &crl, 1), TLSGRAFT_REFUSED);
	assert_int_equal(load(&maker, serving, &identity), TLSGRAFT_REFUSED);
	tlsgraft_identity_unref(serving);
	X509_CRL_free(crl);
	X509_CRL_free(good);
	free_authorities(&all);
}

static void the_error_queue_is_left_as_found(void **state)
{
	struct authorities all;
	const char *file;
	int line;

	(void)state;
	make_authorities(&all);
	X509_CRL *crl = revoke(&all.root, &(struct scope){.only_ca = true}, NULL);
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	try_lists("", &all.root.certificate, &crl, 1);
	assert_int_equal(ERR_GET_REASON(ERR_get_error_all(&file, &line, NULL, NULL, NULL)), 7);
	assert_int_equal(ERR_get_error(), 0);
	try_lists("", &all.root.certificate, NULL, 1);
	assert_int_equal(ERR_get_error(), 0);
	X509_CRL_free(crl);
	free_authorities(&all);
}

/* The trust and the section; what had something to be said of is tried again. */
static void what_serves_and_is_unchanged_is_not_tried_again(void **state)
{
	struct authorities all;
	tlsgraft_identity *first = NULL, *second = NULL, *third = NULL;

	(void)state;
	make_authorities(&all);
	write_lists(&all.root.certificate, NULL, 1);
	write_text(&maker, "site.ini", INI);
	assert_int_equal(load(&maker, NULL, &first), TLSGRAFT_OK);
	assert_int_equal(first->tried.count, 2);
	assert_int_equal(load(&maker, first, &second), TLSGRAFT_OK);
	assert_int_equal(second->tried.count, 2);
	assert_memory_equal(first->tried.digests, second->tried.digests, sizeof(first->tried.digests[0]));
	write_text(&maker, "site.ini", INI "verify_depth = 3\nmin_protocol = TLSv1.3\n");
	assert_int_equal(load(&maker, first, &third), TLSGRAFT_OK);
	assert_int_equal(third->tried.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_false(tg_tried_has(&first->tried, third->tried.digests[i]));
	tlsgraft_identity_unref(first);
	tlsgraft_identity_unref(second);
	tlsgraft_identity_unref(third);
	free_authorities(&all);
}

/* What the loader makes of these lists, with whatever it says of them. */
static tlsgraft_identity *loaded(const char *keys, X509 *const *cas, X509_CRL *const *crls, size_t count)
{
	tlsgraft_identity *identity = NULL;
	char text[512];

	write_lists(cas, crls, count);
	snprintf(text, sizeof(text), INI "crl = crls.pem\n%s", keys);
	write_text(&maker, "site.ini", text);
	assert_int_equal(load(&maker, NULL, &identity), TLSGRAFT_OK);
	return identity;
}

/* The CRL is that of both: the one that has expired does not take it along. */
static void a_ca_that_was_renewed_with_its_key(void **state)
{
	struct authorities all;

	(void)state;
	make_authorities(&all);
	X509 *before = issue(NULL, all.root.key, (struct spec){.subject = "root", .ca = true, .until = -60});
	EVP_PKEY *key = make_key("EC");
	X509 *revoked = issue(&all.root, key, (struct spec){.subject = "revoked"});
	X509_CRL *crl = revoke(&all.root, NULL, revoked);

	for (int last = 0; last < 2; last++) {
		X509 *const cas[] = {last ? all.root.certificate : before, last ? before : all.root.certificate};
		X509_CRL *const crls[] = {crl, NULL};
		tlsgraft_identity *identity = loaded("", cas, crls, 2);

		expect_message(TLSGRAFT_WARNING, "CN=root: expired on");
		assert_true(client_let_in(identity, &all.root, (struct spec){0}, NULL));
		assert_false(let_in(identity, revoked, key, NULL, TLS1_3_VERSION));
		tlsgraft_identity_unref(identity);
	}
	X509_CRL_free(crl);
	X509_free(revoked);
	EVP_PKEY_free(key);
	X509_free(before);
	free_authorities(&all);
}

/* Its root would not be looked at any more, nor what that said of it. */
static void an_intermediate_whose_root_expired(void **state)
{
	struct authorities all;
	struct authority lower = {.key = make_key("EC")};

	(void)state;
	make_authorities(&all);
	lower.certificate = issue(&all.middle, lower.key, (struct spec){.subject = "lower", .ca = true});
	X509 *expired = issue(NULL, all.root.key, (struct spec){.subject = "root", .ca = true, .until = -60});
	X509 *const cas[] = {lower.certificate, all.middle.certificate, expired, site.ca};
	X509_CRL *crls[] = {revoke(&lower, NULL, NULL), revoke(&all.middle, NULL, NULL), NULL,
			    make_crl(site.ca, site.ca_key, -60, 9 * DAY, NULL)};

	for (int is_revoked = 0; is_revoked < 2; is_revoked++) {
		crls[2] = revoke(&all.root, NULL, is_revoked ? all.middle.certificate : NULL);
		tlsgraft_identity *identity = loaded("crl_check = chain\n", cas, crls, 4);

		expect_message(TLSGRAFT_WARNING, "CN=root: expired on");
		if (is_revoked) {
			expect_message(TLSGRAFT_WARNING, "CN=middle: is revoked, or its issuer is: left out");
			expect_message(TLSGRAFT_WARNING, "CN=lower: is revoked, or its issuer is: left out");
		}
		assert_int_equal(client_let_in(identity, &all.middle, (struct spec){0}, NULL), !is_revoked);
		assert_int_equal(client_let_in(identity, &lower, (struct spec){0}, NULL), !is_revoked);
		tlsgraft_identity_unref(identity);
		X509_CRL_free(crls[2]);
	}
	crls[2] = NULL;
	assert_int_equal(
	    try_lists("crl_check = chain\n", (X509 *const[]){lower.certificate, all.middle.certificate, expired},
		      (X509_CRL *const[]){crls[0], crls[1], crls[2] = revoke(&all.root, NULL, all.middle.certificate)}, 3),
	    TLSGRAFT_REFUSED);
	expect_message(TLSGRAFT_ERROR, "no CA is left");
	for (size_t i = 0; i < 4; i++)
		X509_CRL_free(crls[i]);
	X509_free(expired);
	free_authority(&lower);
	free_authorities(&all);
}

/* More CAs of one name than are tried for a client: none of them is passed over when it says who is revoked. */
static void a_revoked_intermediate_among_many_of_one_name(void **state)
{
	enum { OTHERS = TG_SAME_NAME_MAX + 4, ALL = OTHERS + 2 };
	struct authorities all;
	X509 *cas[ALL];
	X509_CRL *crls[ALL];

	(void)state;
	make_authorities(&all);
	for (size_t i = 0; i < OTHERS; i++) {
		EVP_PKEY *key = make_key("EC");
		const struct authority other = {key, issue(NULL, key, (struct spec){.subject = "root", .ca = true})};

		cas[i] = other.certificate;
		crls[i] = revoke(&other, NULL, NULL);
		EVP_PKEY_free(key);
	}
	cas[OTHERS] = all.middle.certificate;
	cas[OTHERS + 1] = all.root.certificate;
	crls[OTHERS] = revoke(&all.middle, NULL, NULL);
	crls[OTHERS + 1] = revoke(&all.root, NULL, all.middle.certificate);
	tlsgraft_identity *identity = published(cas, crls, ALL, TG_CRL_CHAIN, 8);
	assert_false(client_let_in(identity, &all.middle, (struct spec){0}, NULL));
	tlsgraft_identity_unref(identity);
	for (size_t i = 0; i < ALL; i++) {
		X509_CRL_free(crls[i]);
		if (i < OTHERS)
			X509_free(cas[i]);
	}
	free_authorities(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_scope_of_a_crl, start, stop),
	    cmocka_unit_test_setup_teardown(crls_of_two_scopes_side_by_side, start, stop),
	    cmocka_unit_test_setup_teardown(a_chain_is_looked_up_as_far_as_it_is_listed, start, stop),
	    cmocka_unit_test_setup_teardown(an_intermediate_that_its_root_revoked, start, stop),
	    cmocka_unit_test_setup_teardown(a_ca_that_was_renewed_with_its_key, start, stop),
	    cmocka_unit_test_setup_teardown(an_intermediate_whose_root_expired, start, stop),
	    cmocka_unit_test_setup_teardown(a_revoked_intermediate_among_many_of_one_name, start, stop),
	    cmocka_unit_test_setup_teardown(a_ca_of_which_nobody_gets_in, start, stop),
	    cmocka_unit_test_setup_teardown(a_path_that_is_too_long, start, stop),
	    cmocka_unit_test_setup_teardown(cas_of_one_name, start, stop),
	    cmocka_unit_test_setup_teardown(a_crl_counts_for_its_own_ca_alone, start, stop),
	    cmocka_unit_test_setup_teardown(too_many_names, start, stop),
	    cmocka_unit_test_setup_teardown(what_serves_already_is_a_warning, start, stop),
	    cmocka_unit_test_setup_teardown(the_error_queue_is_left_as_found, start, stop),
	    cmocka_unit_test_setup_teardown(what_serves_and_is_unchanged_is_not_tried_again, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "authorities.h"

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

struct maker maker;
struct site site;

X509 *issue(const struct authority *issuer, EVP_PKEY *key, struct spec spec)
{
	spec.key = key;
	spec.issuer = issuer ? issuer->certificate : NULL;
	spec.issuer_key = issuer ? issuer->key : NULL;
	spec.from = spec.from ? spec.from : -DAY;
	spec.until = spec.until ? spec.until : 300 * DAY;
	return make_certificate(&spec);
}

void make_authorities(struct authorities *all)
{
	all->root.key = make_key("EC");
	all->root.certificate = issue(NULL, all->root.key, (struct spec){.subject = "root", .ca = true});
	all->middle.key = make_key("EC");
	all->middle.certificate = issue(&all->root, all->middle.key, (struct spec){.subject = "middle", .ca = true});
}

void free_authority(struct authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
}

void free_authorities(struct authorities *all)
{
	free_authority(&all->root);
	free_authority(&all->middle);
}

int authorities_start(void **state)
{
	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, INI);
	return 0;
}

int authorities_stop(void **state)
{
	(void)state;
	free_site(&site);
	maker_stop(&maker);
	return 0;
}

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

X509_CRL *revoke(const struct authority *authority, const struct scope *scope, X509 *revoked)
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

void write_lists(X509 *const *cas, X509_CRL *const *crls, size_t count)
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

struct tg_span der_of(X509 *certificate, X509_CRL *crl)
{
	unsigned char *der = NULL;
	int size = certificate ? i2d_X509(certificate, &der) : i2d_X509_CRL(crl, &der);

	return (struct tg_span){der, (size_t)size};
}

tlsgraft_identity *published(X509 *const *cas, X509_CRL *const *crls, size_t count, enum tg_crl_check check, int depth)
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

bool let_in(tlsgraft_identity *identity, X509 *certificate, EVP_PKEY *key, X509 *sent, int version)
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

bool client_let_in(tlsgraft_identity *identity, const struct authority *issuer, struct spec spec, X509 *sent)
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

int try_lists(const char *keys, X509 *const *cas, X509_CRL *const *crls, size_t count)
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

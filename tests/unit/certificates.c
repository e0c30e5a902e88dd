/* SPDX-License-Identifier: Apache-2.0 */
#include "certificates.h"
#include "loader/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tlsgraft_messages *messages;

void maker_start(struct maker *maker)
{
	umask(077);
	snprintf(maker->folder, sizeof(maker->folder), "/tmp/tlsgraft-unit-XXXXXX");
	assert_non_null(mkdtemp(maker->folder));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

void maker_stop(struct maker *maker)
{
	forget_messages();
	nftw(maker->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char *path_in(const struct maker *maker, const char *name)
{
	static _Thread_local char paths[8][256];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", maker->folder, name);
	return path;
}

static EVP_PKEY *make_pss_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *make_key(const char *type)
{
	EVP_PKEY *key;

	if (strcmp(type, "EC") == 0)
		key = EVP_EC_gen("P-256");
	else if (strcmp(type, "RSA") == 0)
		key = EVP_RSA_gen(2048);
	else if (strcmp(type, "RSA-1024") == 0)
		key = EVP_RSA_gen(1024);
	else if (strcmp(type, "RSA-PSS") == 0)
		key = make_pss_key();
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, type);
	assert_non_null(key);
	return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

X509 *make_certificate(const struct spec *spec)
{
	static long serial = 1000;
	X509 *certificate = X509_new();
	X509 *issuer = spec->issuer ? spec->issuer : certificate;
	EVP_PKEY *signer = spec->issuer_key ? spec->issuer_key : spec->key;
	const EVP_MD *digest = NULL;
	X509_NAME *name;

	assert_non_null(certificate);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), spec->from);
	X509_gmtime_adj(X509_getm_notAfter(certificate), spec->until);
	name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->subject, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	X509_set_pubkey(certificate, spec->key);
	if (spec->ca)
		add_extension(certificate, issuer, NID_basic_constraints,
			      spec->constraints ? spec->constraints : "critical,CA:TRUE");
	if (spec->ca || spec->key_usage)
		add_extension(certificate, issuer, NID_key_usage,
			      spec->key_usage ? spec->key_usage : "critical,keyCertSign,cRLSign");
	if (spec->names)
		add_extension(certificate, issuer, NID_subject_alt_name, spec->names);
	if (spec->usage)
		add_extension(certificate, issuer, NID_ext_key_usage, spec->usage);
	for (size_t i = 0; i < sizeof(spec->more) / sizeof(spec->more[0]) && spec->more[i].nid; i++)
		add_extension(certificate, issuer, spec->more[i].nid, spec->more[i].value);
	if (EVP_PKEY_get_base_id(signer) != EVP_PKEY_ED25519 && EVP_PKEY_get_base_id(signer) != EVP_PKEY_ED448)
		digest = spec->digest ? spec->digest : EVP_sha256();
	assert_true(X509_sign(certificate, signer, digest) > 0);
	return certificate;
}

X509_CRL *make_crl(X509 *issuer, EVP_PKEY *key, long last, long next, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *time;

	assert_non_null(crl);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	time = X509_gmtime_adj(NULL, last);
	X509_CRL_set1_lastUpdate(crl, time);
	ASN1_TIME_free(time);
	time = X509_gmtime_adj(NULL, next);
	X509_CRL_set1_nextUpdate(crl, time);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
		X509_gmtime_adj(time, -60);
		X509_REVOKED_set_revocationDate(entry, time);
		X509_CRL_add0_revoked(crl, entry);
	}
	ASN1_TIME_free(time);
	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	return crl;
}

static FILE *open_in(const struct maker *maker, const char *name, bool append)
{
	FILE *file = fopen(path_in(maker, name), append ? "ae" : "we");

	assert_non_null(file);
	return file;
}

void write_bytes(const struct maker *maker, const char *name, const void *bytes, size_t size)
{
	FILE *file = open_in(maker, name, false);

	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

void write_text(const struct maker *maker, const char *name, const char *text)
{
	write_bytes(maker, name, text, strlen(text));
}

void write_key(const struct maker *maker, const char *name, EVP_PKEY *key, const char *passphrase, bool append)
{
	FILE *file = open_in(maker, name, append);

	assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
						   passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
			 1);
	assert_int_equal(fclose(file), 0);
}

void write_certificate(const struct maker *maker, const char *name, X509 *certificate, bool append)
{
	FILE *file = open_in(maker, name, append);

	assert_int_equal(PEM_write_X509(file, certificate), 1);
	assert_int_equal(fclose(file), 0);
}

void write_crl(const struct maker *maker, const char *name, X509_CRL *crl, bool append)
{
	FILE *file = open_in(maker, name, append);

	assert_int_equal(PEM_write_X509_CRL(file, crl), 1);
	assert_int_equal(fclose(file), 0);
}

void make_site(const struct maker *maker, struct site *site, const char *ini)
{
	struct spec ca = {.subject = "Test CA", .from = -DAY, .until = 1000 * DAY, .ca = true};
	struct spec leaf = {.subject = "server", .from = -DAY, .until = 90 * DAY, .names = "DNS:localhost"};

	ca.key = site->ca_key = make_key("EC");
	site->ca = make_certificate(&ca);
	leaf.key = site->key = make_key("EC");
	leaf.issuer = site->ca;
	leaf.issuer_key = site->ca_key;
	site->certificate = make_certificate(&leaf);
	write_certificate(maker, "ca.pem", site->ca, false);
	write_certificate(maker, "server.pem", site->certificate, false);
	write_key(maker, "server.key", site->key, NULL, false);
	write_text(maker, "site.ini", ini);
}

void free_site(struct site *site)
{
	EVP_PKEY_free(site->ca_key);
	X509_free(site->ca);
	EVP_PKEY_free(site->key);
	X509_free(site->certificate);
}

int load(const struct maker *maker, const tlsgraft_identity *serving, tlsgraft_identity **ret)
{
	forget_messages();
	return tlsgraft_load(path_in(maker, "site.ini"), serving, ret, &messages);
}

size_t message_count(void)
{
	return messages ? tlsgraft_messages_count(messages) : 0;
}

int64_t good_from(void)
{
	return tg_messages_good_from(messages);
}

void print_messages(void)
{
	for (size_t i = 0; i < message_count(); i++)
		print_message("%s %s\n", tlsgraft_messages_severity(messages, i) == TLSGRAFT_ERROR ? "error" : "warning",
			      tlsgraft_messages_text(messages, i));
}

void expect_message(enum tlsgraft_severity severity, const char *part)
{
	for (size_t i = 0; i < message_count(); i++)
		if (tlsgraft_messages_severity(messages, i) == severity &&
		    strstr(tlsgraft_messages_text(messages, i), part))
			return;
	print_messages();
	fail_msg("no such message: %s", part);
}

void forget_messages(void)
{
	tlsgraft_messages_free(messages);
	messages = NULL;
}

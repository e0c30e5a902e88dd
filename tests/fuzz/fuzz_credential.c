/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential reader. The first byte of an input says what becomes of the rest: taken as it is, wrapped into a PEM block
 * of some label, or laid as a patch over a good file, so that decoders deep inside are reached from an empty corpus.
 */
#include "loader/credential.h"
#include "loader/describe.h"
#include "loader/identity.h"
#include "loader/strength.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_INPUT 16384
#define PASSPHRASE "secret"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A certificate, a key and a CRL in DER, all of them in PEM, and certificate and key in PKCS#12. */
static struct {
	unsigned char *bytes;
	size_t size;
} good[5];

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	return certificate;
}

static X509_CRL *make_crl(X509 *issuer, EVP_PKEY *key)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);

	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, now);
	X509_CRL_sign(crl, key, EVP_sha256());
	ASN1_TIME_free(now);
	return crl;
}

static void make_pkcs12(X509 *certificate, EVP_PKEY *key)
{
	PKCS12 *file = PKCS12_create(PASSPHRASE, "name", key, certificate, NULL, 0, 0, 1, 1, 0);

	good[4].size = (size_t)i2d_PKCS12(file, &good[4].bytes);
	PKCS12_free(file);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = make_certificate(key);
	X509_CRL *crl = make_crl(certificate, key);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	BIO *pem = BIO_new(BIO_s_mem());
	char *text;

	(void)argc, (void)argv;
	good[0].size = (size_t)i2d_X509(certificate, &good[0].bytes);
	good[1].size = (size_t)i2d_PKCS8_PRIV_KEY_INFO(info, &good[1].bytes);
	good[2].size = (size_t)i2d_X509_CRL(crl, &good[2].bytes);
	PEM_write_bio_X509(pem, certificate);
	PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509_CRL(pem, crl);
	good[3].size = (size_t)BIO_get_mem_data(pem, &text);
	good[3].bytes = malloc(good[3].size);
	memcpy(good[3].bytes, text, good[3].size);
	make_pkcs12(certificate, key);
	BIO_free(pem);
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_CRL_free(crl);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return 0;
}

/* Whatever came out can be described, which is what is done with it next. */
static void walk(const struct tg_objects *objects)
{
	struct tg_arena *arena = tg_arena_new();

	for (int i = 0; i < sk_X509_num(objects->certificates); i++) {
		X509 *certificate = sk_X509_value(objects->certificates, i);
		struct tg_certificate_facts facts;

		tg_certificate_weak(arena, certificate, 2);
		if (tg_certificate_facts(tg_certificate_der(arena, certificate), &facts) == 0)
			tg_certificate_facts_clear(&facts);
	}
	for (int i = 0; i < sk_X509_CRL_num(objects->crls); i++)
		tg_name_text(arena, X509_CRL_get_issuer(sk_X509_CRL_value(objects->crls, i)));
	if (objects->key)
		tg_key_der(arena, objects->key);
	tg_arena_free(arena);
}

static void try_bytes(const unsigned char *bytes, size_t size, const char *passphrase)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_objects objects;
	const char *reason = "";

	if (tg_objects_read(arena, bytes, size, TG_WANT_CERTIFICATES | TG_WANT_KEYS | TG_WANT_CRLS, passphrase, &objects,
			    &reason) == TG_READ_OK) {
		walk(&objects);
		tg_objects_text(arena, &objects);
		tg_objects_clear(&objects);
	} else if (reason[0] == '\0' || objects.certificates || objects.key) {
		abort();
	}
	tg_arena_free(arena);
	ERR_clear_error();
}

static void try_block(const uint8_t *data, size_t size)
{
	static const char *const labels[] = {"CERTIFICATE",           "PRIVATE KEY",   "EC PRIVATE KEY",
					     "RSA PRIVATE KEY",       "X509 CRL",      "TRUSTED CERTIFICATE",
					     "ENCRYPTED PRIVATE KEY", "EC PARAMETERS", "PKCS7"};
	const char *label;
	char *text = NULL;
	unsigned char *encoded;
	int length;

	if (size == 0)
		return;
	label = labels[data[0] % (sizeof(labels) / sizeof(labels[0]))];
	encoded = malloc(4 * size + 8);
	EVP_EncodeBlock(encoded, data + 1, (int)size - 1);
	length = asprintf(&text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, (char *)encoded, label);
	/* Without a passphrase: an encrypted key may ask for any number of rounds too. */
	if (length > 0)
		try_bytes((unsigned char *)text, (size_t)length, NULL);
	free(text);
	free(encoded);
}

/* Three bytes each: where, and what. */
static void try_patch(const uint8_t *data, size_t size)
{
	unsigned char *copy;
	size_t which;

	if (size == 0)
		return;
	which = data[0] % 5;
	copy = malloc(good[which].size);
	memcpy(copy, good[which].bytes, good[which].size);
	for (size_t i = 1; i + 2 < size; i += 3)
		copy[(data[i] | (size_t)data[i + 1] << 8) % good[which].size] = data[i + 2];
	try_bytes(copy, good[which].size, which == 4 ? PASSPHRASE : NULL);
	free(copy);
}

/* Two bytes say where the rest is put into the PEM text: before, between and behind its lines, and inside them. */
static void try_insertion(const uint8_t *data, size_t size)
{
	unsigned char *text;
	size_t where;

	if (size < 2)
		return;
	where = (data[0] | (size_t)data[1] << 8) % (good[3].size + 1);
	text = malloc(good[3].size + size);
	memcpy(text, good[3].bytes, where);
	memcpy(text + where, data + 2, size - 2);
	memcpy(text + where + size - 2, good[3].bytes + where, good[3].size - where);
	try_bytes(text, good[3].size + size - 2, NULL);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > SIZE_MAX_INPUT)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_bytes(data + 1, size - 1, NULL);
		break;
	case 1:
		try_block(data + 1, size - 1);
		break;
	case 2:
		try_insertion(data + 1, size - 1);
		break;
	default:
		try_patch(data + 1, size - 1);
		break;
	}
	return 0;
}

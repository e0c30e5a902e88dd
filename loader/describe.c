/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/describe.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *tg_name_text(struct tg_arena *arena, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *text = NULL;
	char *data;
	long length;

	if (!bio)
		return NULL;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		length = BIO_get_mem_data(bio, &data);
		text = length > 0 ? tg_arena_copy(arena, data, (size_t)length) : "(no name)";
	}
	BIO_free(bio);
	return text;
}

const char *tg_subject_text(struct tg_arena *arena, const X509 *certificate)
{
	return tg_name_text(arena, X509_get_subject_name(certificate));
}

int64_t tg_time_of(const ASN1_TIME *time)
{
	struct tm fields = {0};

	if (!time || ASN1_TIME_to_tm(time, &fields) != 1)
		return INT64_MAX;
	return timegm(&fields);
}

const char *tg_date_text(struct tg_arena *arena, int64_t seconds)
{
	const char *text = tg_time_text(arena, seconds);
	const char *time = text ? strchr(text, 'T') : NULL;

	return time ? tg_arena_copy(arena, text, (size_t)(time - text)) : text;
}

const char *tg_time_text(struct tg_arena *arena, int64_t seconds)
{
	time_t time = seconds;
	struct tm fields;
	char text[40];

	if (!gmtime_r(&time, &fields) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &fields) == 0)
		return "a date that cannot be read";
	return tg_arena_text(arena, text);
}

void tg_key_type(const EVP_PKEY *key, char ret[static TG_KEY_TYPE_SIZE])
{
	char group[64] = "";
	const char *known;

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		snprintf(ret, TG_KEY_TYPE_SIZE, "RSA");
		break;
	case EVP_PKEY_RSA_PSS:
		snprintf(ret, TG_KEY_TYPE_SIZE, "RSA-PSS");
		break;
	case EVP_PKEY_EC:
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		known = EC_curve_nid2nist(OBJ_sn2nid(group));
		snprintf(ret, TG_KEY_TYPE_SIZE, "EC %s", known ? known : group);
		break;
	default:
		known = EVP_PKEY_get0_type_name(key);
		snprintf(ret, TG_KEY_TYPE_SIZE, "%s", known ? known : "unknown");
		break;
	}
}

/* Takes OpenSSL's copy into the arena and erases it. */
static struct tg_span take_der(struct tg_arena *arena, unsigned char *der, int size)
{
	struct tg_span span = {0};

	if (size > 0) {
		span.data = tg_arena_copy(arena, der, (size_t)size);
		span.size = span.data ? (size_t)size : 0;
		OPENSSL_clear_free(der, (size_t)size);
	}
	return span;
}

struct tg_span tg_certificate_der(struct tg_arena *arena, const X509 *certificate)
{
	unsigned char *der = NULL;
	int size = i2d_X509(certificate, &der);

	return take_der(arena, der, size);
}

struct tg_span tg_crl_der(struct tg_arena *arena, const X509_CRL *crl)
{
	unsigned char *der = NULL;
	int size = i2d_X509_CRL(crl, &der);

	return take_der(arena, der, size);
}

struct tg_span tg_key_der(struct tg_arena *arena, const EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0;

	PKCS8_PRIV_KEY_INFO_free(info);
	return take_der(arena, der, size);
}

int tg_span_compare(struct tg_span a, struct tg_span b)
{
	int order;

	if (a.size != b.size)
		return a.size < b.size ? -1 : 1;
	order = a.size > 0 ? memcmp(a.data, b.data, a.size) : 0;
	return order;
}

bool tg_span_equal(struct tg_span a, struct tg_span b)
{
	return tg_span_compare(a, b) == 0;
}

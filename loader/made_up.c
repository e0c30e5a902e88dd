/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/made_up.h"

#include <openssl/objects.h>
#include <openssl/rand.h>

#include <stdbool.h>
#include <stdint.h>

#define HOUR 3600

/* RFC 4055: id-RSASSA-PSS with SHA-512 throughout and a salt of 64 bytes. */
static const unsigned char pss[] = {
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f,
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0xa1, 0x1c,
    0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09,
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x40,
};

/* The strongest that such a key signs with. */
static X509_ALGOR *algorithm_of(const EVP_PKEY *key)
{
	const unsigned char *at = pss;
	X509_ALGOR *algorithm;
	int nid, parameter = V_ASN1_UNDEF;

	switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
	case EVP_PKEY_RSA_PSS:
		return d2i_X509_ALGOR(NULL, &at, sizeof(pss));
	case EVP_PKEY_RSA:
		nid = NID_sha512WithRSAEncryption;
		parameter = V_ASN1_NULL;
		break;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		nid = EVP_PKEY_get_base_id(key);
		break;
	case EVP_PKEY_DSA:
		nid = NID_dsa_with_SHA512;
		break;
	default:
		nid = NID_ecdsa_with_SHA512;
		break;
	}
	algorithm = X509_ALGOR_new();
	if (algorithm && X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameter, NULL) == 1)
		return algorithm;
	X509_ALGOR_free(algorithm);
	return NULL;
}

static bool add_point(X509 *leaf, DIST_POINT_NAME *name)
{
	DIST_POINT point = {.distpoint = name};
	STACK_OF(DIST_POINT) *points = sk_DIST_POINT_new_null();
	bool good = points && sk_DIST_POINT_push(points, &point) > 0 &&
		    X509_add1_ext_i2d(leaf, NID_crl_distribution_points, points, 0, X509V3_ADD_DEFAULT) == 1;

	sk_DIST_POINT_free(points);
	return good;
}

static bool add_use(X509 *leaf)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	bool good = usage && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_client_auth)) > 0 &&
		    X509_add1_ext_i2d(leaf, NID_ext_key_usage, usage, 0, X509V3_ADD_DEFAULT) == 1;

	sk_ASN1_OBJECT_free(usage);
	return good;
}

/* A random serial number: no CRL has it. */
static bool fill(X509 *leaf, const X509 *ca, EVP_PKEY *key, DIST_POINT_NAME *point)
{
	unsigned char serial[16];

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	serial[0] = 0x40 | (serial[0] & 0x3f);
	return X509_set_version(leaf, X509_VERSION_3) == 1 &&
	       ASN1_STRING_set(X509_get_serialNumber(leaf), serial, sizeof(serial)) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(leaf), -HOUR) && X509_gmtime_adj(X509_getm_notAfter(leaf), HOUR) &&
	       X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1 && X509_set_pubkey(leaf, key) == 1 &&
	       add_use(leaf) && (!point || add_point(leaf, point));
}

/* OpenSSL has no call that sets a signature without making one: what it shows is only meant to be read. */
static bool sign_wrongly(X509 *leaf, const X509_ALGOR *algorithm)
{
	static const unsigned char nothing[64];
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *outer;

	X509_get0_signature(&signature, &outer, leaf);
	return X509_ALGOR_copy((X509_ALGOR *)(uintptr_t)outer, algorithm) == 1 &&
	       X509_ALGOR_copy((X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(leaf), algorithm) == 1 &&
	       ASN1_STRING_set((ASN1_BIT_STRING *)(uintptr_t)signature, nothing, sizeof(nothing)) == 1;
}

X509 *tg_made_up(const X509 *ca, EVP_PKEY *key, DIST_POINT_NAME *point)
{
	X509 *leaf = X509_new(), *read = NULL;
	X509_ALGOR *algorithm = algorithm_of(X509_get0_pubkey(ca));
	unsigned char *der = NULL;
	int size = -1;

	if (leaf && algorithm && fill(leaf, ca, key, point) && sign_wrongly(leaf, algorithm))
		size = i2d_X509(leaf, &der);
	if (size > 0) {
		const unsigned char *at = der;

		read = d2i_X509(NULL, &at, size);
	}
	OPENSSL_free(der);
	X509_ALGOR_free(algorithm);
	X509_free(leaf);
	return read;
}

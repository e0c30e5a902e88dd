/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, certificates and CRLs of the loader's tests: made at test time, with any dates, written into a folder of their own.
 */
#ifndef TG_TESTS_CERTIFICATES_H
#define TG_TESTS_CERTIFICATES_H

#include "tlsgraft/loader.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

#define DAY 86400

struct maker {
	char folder[64];
};

struct extension {
	int nid;
	const char *value; /* as in x509v3_config(5) */
};

struct spec {
	const char *subject; /* the common name */
	EVP_PKEY *key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	long from; /* seconds from now */
	long until;
	bool ca;
	const char *names;        /* subjectAltName as in x509v3_config(5); NULL: none */
	const char *usage;        /* extendedKeyUsage; NULL: none */
	const char *constraints;  /* basicConstraints of a CA; NULL: without a path length */
	const char *key_usage;    /* NULL: of a CA keyCertSign and cRLSign, else none */
	struct extension more[3]; /* up to one with nid 0 */
	const EVP_MD *digest;     /* of the signature; NULL: SHA-256, or what the key brings */
};

/* A folder under /tmp, removed with all that is in it. */
void maker_start(struct maker *maker);
void maker_stop(struct maker *maker);

EVP_PKEY *make_key(const char *type); /* "EC", "RSA", "ED25519", "ED448", "RSA-1024", "RSA-PSS" */
X509 *make_certificate(const struct spec *spec);
X509_CRL *make_crl(X509 *issuer, EVP_PKEY *key, long last, long next, X509 *revoked);

/* Write a file of the folder, mode 0600. PEM; appended where `append`. */
void write_text(const struct maker *maker, const char *name, const char *text);
void write_bytes(const struct maker *maker, const char *name, const void *bytes, size_t size);
void write_key(const struct maker *maker, const char *name, EVP_PKEY *key, const char *passphrase, bool append);
void write_certificate(const struct maker *maker, const char *name, X509 *certificate, bool append);
void write_crl(const struct maker *maker, const char *name, X509_CRL *crl, bool append);
char *path_in(const struct maker *maker, const char *name); /* valid until the next but seven calls */

/* A CA and a server certificate of it: ca.pem, server.pem, server.key, and site.ini of `ini`. */
struct site {
	EVP_PKEY *ca_key;
	X509 *ca;
	EVP_PKEY *key;
	X509 *certificate;
};
void make_site(const struct maker *maker, struct site *site, const char *ini);
void free_site(struct site *site);

/* Loads site.ini of the folder. Messages are kept until the next load and printed by expect_message where it fails. */
int load(const struct maker *maker, const tlsgraft_identity *serving, tlsgraft_identity **ret);
void expect_message(enum tlsgraft_severity severity, const char *part);
size_t message_count(void);
int64_t good_from(void); /* tg_messages_good_from */
void print_messages(void);
void forget_messages(void);

#endif

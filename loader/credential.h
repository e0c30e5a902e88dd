/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the bytes of one file as certificates, keys and CRLs: PEM with any number of blocks, DER, PKCS#8 (plain or
 * encrypted), and PKCS#12. Nothing in the file is ignored silently: a truncated, damaged or unknown block is a fault, and
 * the result counts what is left aside on purpose (parameters, public keys). Never prompts on a terminal. Keeps no state;
 * any thread.
 */
#ifndef TG_LOADER_CREDENTIAL_H
#define TG_LOADER_CREDENTIAL_H

#include "loader/arena.h"
#include "loader/pem.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

enum tg_wanted { TG_WANT_CERTIFICATES = 1, TG_WANT_KEYS = 2, TG_WANT_CRLS = 4 };

struct tg_objects {
	/*
	 * In the order of the file; for PKCS#12 the leaf first. What a TRUSTED CERTIFICATE block or a PKCS#12 file says
	 * about the trust in one is in it, for X509_check_trust.
	 */
	STACK_OF(X509) * certificates;
	STACK_OF(X509_CRL) * crls;
	EVP_PKEY *key;    /* the first one */
	size_t key_count; /* including unwanted ones */
	size_t certificate_count;
	size_t crl_count;
	size_t
	    parameter_count; /* blocks left aside: of a key exchange, whose groups the key `groups` chooses, or a curve */
	size_t public_count; /* public keys, left aside */
	bool pkcs12;
	bool passphrase_used; /* the passphrase was needed */
};

/*
 * Reads the objects that `wanted` selects (enum tg_wanted, combined) from `size` bytes. Other objects are only counted, and
 * not decrypted. `passphrase` may be NULL. On TG_READ_OK the caller releases *ret with tg_objects_clear. On any other
 * result *ret is empty, and *ret_reason, in the arena, is the reason as text.
 */
enum tg_read_result tg_objects_read(struct tg_arena *arena, const unsigned char *bytes, size_t size, unsigned wanted,
				    const char *passphrase, struct tg_objects *ret, const char **ret_reason);
void tg_objects_clear(struct tg_objects *objects);

/* What was found, counted: "2 certificates, 1 private key, 1 block of parameters (not used)". */
const char *tg_objects_text(struct tg_arena *arena, const struct tg_objects *objects);

#endif

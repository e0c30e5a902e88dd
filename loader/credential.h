/*
 * The bytes of one file as certificates, keys and revocation lists: PEM (any number of blocks), DER, PKCS#8 plain and
 * encrypted, PKCS#12, all through OpenSSL's store loader. Stricter than the loader: a block that is cut, broken or of an
 * unknown kind is a fault and never left out. Nothing is asked of a terminal. Not thread-bound; no state.
 */
#ifndef TG_LOADER_CREDENTIAL_H
#define TG_LOADER_CREDENTIAL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

enum tg_wanted { TG_WANT_CERTIFICATES = 1, TG_WANT_KEYS = 2, TG_WANT_CRLS = 4 };

enum tg_read_result {
	TG_READ_OK,
	TG_READ_UNFINISHED, /* nothing in it yet, or its last block has no end: it may be being written */
	TG_READ_BAD,
	TG_READ_NO_MEMORY,
};

struct tg_objects {
	STACK_OF(X509) * certificates; /* in the order of the file; for PKCS#12 the leaf first */
	STACK_OF(X509_CRL) * crls;
	EVP_PKEY *key;    /* the first one */
	size_t key_count; /* also those that were not wanted */
	size_t certificate_count;
	size_t crl_count;
	bool pkcs12;
	bool passphrase_used; /* the passphrase was needed */
};

/*
 * Reads what `wanted` names out of `size` bytes; what is there beside it is only counted, and not decrypted. `passphrase`
 * may be NULL. On any other result than TG_READ_OK *ret is empty and `reason` says why in words.
 */
enum tg_read_result tg_objects_read(const unsigned char *bytes, size_t size, unsigned wanted, const char *passphrase,
				    struct tg_objects *ret, char reason[static 200]);
void tg_objects_clear(struct tg_objects *objects);

#endif

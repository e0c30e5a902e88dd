/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private keys from their encodings, plain and encrypted, and why one could not be decrypted: a wrong passphrase, or an
 * algorithm that OpenSSL 3 has no more without its legacy provider.
 */
#ifndef TG_LOADER_PRIVATE_KEY_H
#define TG_LOADER_PRIVATE_KEY_H

#include "loader/reader.h"

#include <stdint.h>

/* PKCS#8, plain. `what` names it in a fault, here and below. */
enum tg_read_result tg_key_read_plain(struct tg_reader *reader, const unsigned char *der, size_t size, const char *what);

/* PKCS#8, encrypted (RFC 5208 section 6). */
enum tg_read_result tg_key_read_encrypted(struct tg_reader *reader, const unsigned char *der, size_t size,
					  const char *what);

/* The older encodings of RSA and EC keys: `type` is EVP_PKEY_RSA or EVP_PKEY_EC. `headers` as in PEM; "": not encrypted. */
enum tg_read_result tg_key_read_traditional(struct tg_reader *reader, int type, const char *headers, unsigned char *der,
					    size_t size, const char *what);

/* Decrypts a key of PKCS#8 and adds it. */
enum tg_read_result tg_key_decrypt(struct tg_reader *reader, const X509_SIG *encrypted, const char *what);

/* The fault of an encrypted thing: no passphrase was given, or not this one. */
enum tg_read_result tg_passphrase_fault(struct tg_reader *reader, const char *what);

/* The most rounds of a key derivation that are run: a file that asks for 2^31 would hold its reader up for minutes. */
#define TG_ROUNDS_MAX 10000000

/* How many rounds `algorithm` asks for; 0 where it does not say. */
int64_t tg_algorithm_rounds(const X509_ALGOR *algorithm);

/* The fault of a file that asks for more. */
enum tg_read_result tg_rounds_fault(struct tg_reader *reader, const char *what);

/* The name of what `algorithm` needs and this OpenSSL's providers lack, in the arena; NULL: nothing. */
const char *tg_algorithm_missing(struct tg_arena *arena, const X509_ALGOR *algorithm);

#endif

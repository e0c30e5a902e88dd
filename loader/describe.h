/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, keys, times and numbers in words, for messages. Texts go to an arena. No state.
 */
#ifndef TG_LOADER_DESCRIBE_H
#define TG_LOADER_DESCRIBE_H

#include "ipc/policy.h"
#include "loader/arena.h"
#include "loader/identity.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdint.h>

/* Distinguished name on one line (RFC 2253, UTF-8 left readable, control characters escaped). NULL where memory ran out. */
const char *tg_name_text(struct tg_arena *arena, const X509_NAME *name);
const char *tg_subject_text(struct tg_arena *arena, const X509 *certificate);

/* Seconds since the epoch; INT64_MAX for a time that cannot be read. */
int64_t tg_time_of(const ASN1_TIME *time);
const char *tg_date_text(struct tg_arena *arena, int64_t seconds); /* "2026-01-02", UTC */
const char *tg_time_text(struct tg_arena *arena, int64_t seconds); /* "2026-01-02T03:04:05Z" */

/* "RSA", "EC P-256", "ED25519". */
void tg_key_type(const EVP_PKEY *key, char ret[static TG_KEY_TYPE_SIZE]);

/* The encoding of a certificate, a CRL or a key (PKCS#8) in the arena; data NULL where it failed. */
struct tg_span tg_certificate_der(struct tg_arena *arena, const X509 *certificate);
struct tg_span tg_crl_der(struct tg_arena *arena, const X509_CRL *crl);
struct tg_span tg_key_der(struct tg_arena *arena, const EVP_PKEY *key);

bool tg_span_equal(struct tg_span a, struct tg_span b);
int tg_span_compare(struct tg_span a, struct tg_span b); /* < 0, 0, > 0 */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trust as OpenSSL objects: the store that clients are verified with, as the shim makes it too (ipc/issuer.h).
 */
#ifndef TG_LOADER_STORE_H
#define TG_LOADER_STORE_H

#include "ipc/policy.h"

#include <openssl/x509.h>

/* The store of a trust, and where `ret_names` is not NULL the names that are sent to clients. NULL: out of memory. */
X509_STORE *tg_store_new(const struct tg_trust *trust, STACK_OF(X509_NAME) * *ret_names);

/* Readies `ctx` for X509_verify_cert. False where memory ran out. */
bool tg_store_begin(X509_STORE_CTX *ctx, X509_STORE *store, const struct tg_trust *trust, X509 *leaf, int security_level);

/* For who begins otherwise: the flags of a verification, and what its callback has to say. */
unsigned long tg_store_flags(const struct tg_trust *trust);
int tg_store_callback(const struct tg_trust *trust, int good, X509_STORE_CTX *ctx);

/* What a store of tg_store_new takes for the issuer of `certificate`, with a reference: 1, or 0 or less. */
int tg_store_issuer(X509 **ret_issuer, X509_STORE_CTX *ctx, X509 *certificate);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a client certificate as `ca` could have issued it, but with an invalid signature. X509_verify_cert(3) checks
 * signatures last. So the certificate passes through the checks of every client of that CA: purpose, path length, strength,
 * CRLs.
 */
#ifndef TG_LOADER_MADE_UP_H
#define TG_LOADER_MADE_UP_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* `point` is its CRL distribution point; NULL: none. The caller frees the certificate; NULL: no memory. */
X509 *tg_made_up(const X509 *ca, EVP_PKEY *key, DIST_POINT_NAME *point);

#endif

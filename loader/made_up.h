/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client certificate that a CA could have issued, but for its signature. X509_verify_cert(3) looks at signatures last, so
 * it takes the way of every client of that CA: purpose, length, strength, CRLs.
 */
#ifndef TG_LOADER_MADE_UP_H
#define TG_LOADER_MADE_UP_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* `point`: the CRL distribution point that it names; NULL: none. NULL where memory ran out. */
X509 *tg_made_up(const X509 *ca, EVP_PKEY *key, DIST_POINT_NAME *point);

#endif

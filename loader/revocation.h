/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CRL says of a certificate, by names and signatures alone: whether a verification would get to ask it is another
 * question.
 */
#ifndef TG_LOADER_REVOCATION_H
#define TG_LOADER_REVOCATION_H

#include <openssl/x509.h>

#include <stdbool.h>

bool tg_is_issued_by(X509 *certificate, X509 *issuer);

bool tg_crl_is_of(X509_CRL *crl, X509 *issuer);

/* `crl` is that of `issuer`. */
bool tg_crl_revokes(X509_CRL *crl, X509 *issuer, X509 *certificate);

#endif

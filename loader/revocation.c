/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/revocation.h"

bool tg_is_issued_by(X509 *certificate, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 && key &&
	       X509_verify(certificate, key) == 1;
}

bool tg_crl_is_of(X509_CRL *crl, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	return X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 && key &&
	       X509_CRL_verify(crl, key) == 1;
}

bool tg_crl_revokes(X509_CRL *crl, X509 *issuer, X509 *certificate)
{
	X509_REVOKED *entry;

	/* 2: taken off the list again (RFC 5280 5.3.1) */
	return X509_CRL_get0_by_cert(crl, &entry, certificate) == 1 && tg_is_issued_by(certificate, issuer);
}

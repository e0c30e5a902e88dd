/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/anchor.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

bool tg_anchor_rejected(X509 *certificate)
{
	return X509_check_trust(certificate, X509_TRUST_SSL_CLIENT, 0) == X509_TRUST_REJECTED;
}

/* X509_V_OK, or what stands against it. Dates aside. */
static int verify(struct tg_arena *arena, X509 *certificate)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int error = X509_V_OK;

	if (!store || !context || X509_STORE_add_cert(store, certificate) != 1 ||
	    X509_STORE_CTX_init(context, store, certificate, NULL) != 1) {
		tg_arena_fail(arena);
	} else {
		X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME);
		if (X509_verify_cert(context) != 1)
			error = X509_STORE_CTX_get_error(context);
	}
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return error;
}

/* What X509_V_FLAG_X509_STRICT has against a CA above a client (RFC 5280); NULL: nothing. */
static const char *strictly(X509 *certificate)
{
	AUTHORITY_KEYID *issuer = X509_get_ext_d2i(certificate, NID_authority_key_identifier, NULL, NULL);
	const bool no_key_id = issuer && !issuer->keyid;
	int critical = -1;
	BASIC_CONSTRAINTS *constraints = X509_get_ext_d2i(certificate, NID_basic_constraints, &critical, NULL);

	AUTHORITY_KEYID_free(issuer);
	BASIC_CONSTRAINTS_free(constraints);
	if (X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0)
		return "its subject is empty";
	if (!X509_get0_subject_key_id(certificate))
		return "it has no subject key identifier";
	if (no_key_id)
		return "its authority key identifier holds no key id";
	if (critical != 1)
		return "its basic constraints are not critical";
	if (X509_get_ext_by_NID(certificate, NID_key_usage, -1) < 0)
		return "it has no key usage";
	return NULL;
}

const char *tg_anchor_note(struct tg_arena *arena, X509 *certificate)
{
	const char *reason;
	int error;

	ERR_set_mark();
	error = verify(arena, certificate);
	reason = error == X509_V_OK ? strictly(certificate) : X509_verify_cert_error_string(error);
	ERR_pop_to_mark();
	if (!reason)
		return NULL;
	return tg_arena_format(arena, "%s would not take it as a root (%s): here it is one because it is listed",
			       error == X509_V_OK ? "a strict check, as Python 3.13 makes," : "OpenSSL by itself", reason);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/fault.h"

#include <string.h>

/* Neighbours in the lists have one reason: no branches that somebody forgot to change. */
/* NOLINTBEGIN(bugprone-branch-clone) */

static enum tg_refusal reason_of_verification(int error)
{
	switch (error) {
#define TG_X509(name, reason)                                                                                              \
	case X509_V_ERR_##name:                                                                                            \
		return TG_REFUSED_##reason;
#define TG_SSL(name, reason)
#include "shim/policy/fault.def"
#undef TG_X509
#undef TG_SSL
	default:
		return TG_REFUSED_OTHER;
	}
}

/* Alerts that the client sent have their numbers from SSL_AD_REASON_OFFSET on, also those that no header names. */
static enum tg_refusal reason_of_ssl(int fault)
{
	switch (fault) {
#define TG_X509(name, reason)
#define TG_SSL(name, reason)                                                                                               \
	case SSL_R_##name:                                                                                                 \
		return TG_REFUSED_##reason;
#include "shim/policy/fault.def"
#undef TG_X509
#undef TG_SSL
	case ERR_R_ASN1_LIB: /* what the client sent could not be decoded, or calculated with */
	case ERR_R_X509_LIB:
	case ERR_R_EVP_LIB:
	case ERR_R_EC_LIB:
	case ERR_R_ECDSA_LIB:
	case ERR_R_RSA_LIB:
	case ERR_R_DSA_LIB:
	case ERR_R_DH_LIB:
	case ERR_R_BN_LIB:
		return TG_REFUSED_MALFORMED;
	default:
		return fault >= SSL_AD_REASON_OFFSET && fault < SSL_AD_REASON_OFFSET + 256 ? TG_REFUSED_CLIENT_ALERT
											   : TG_REFUSED_OTHER;
	}
}

/* NOLINTEND(bugprone-branch-clone) */

/* Of another part of OpenSSL than libssl, which says nothing of its own after it. */
static enum tg_refusal reason_of_library(int library)
{
	switch (library) {
	case ERR_LIB_ASN1:
	case ERR_LIB_X509:
	case ERR_LIB_X509V3:
	case ERR_LIB_EVP:
	case ERR_LIB_EC:
	case ERR_LIB_RSA:
	case ERR_LIB_DSA:
	case ERR_LIB_DH:
	case ERR_LIB_BN:
	case ERR_LIB_PROV:
		return TG_REFUSED_MALFORMED;
	default:
		return TG_REFUSED_OTHER;
	}
}

struct tg_fault tg_fault_of_verification(const struct tg_openssl *o, int error, int depth)
{
	return (struct tg_fault){
	    .reason = reason_of_verification(error),
	    .source = TG_EVENT_X509,
	    .code = (uint32_t)error,
	    .depth = depth,
	    .words = o->X509_verify_cert_error_string(error),
	};
}

static bool has_key_id(const struct tg_openssl *o, X509_STORE_CTX *store, int depth)
{
	const OPENSSL_STACK *chain = (const OPENSSL_STACK *)o->X509_STORE_CTX_get0_chain(store);

	if (depth < 0 || depth + 1 >= o->OPENSSL_sk_num(chain))
		return false;
	return o->X509_get0_authority_key_id(o->OPENSSL_sk_value(chain, depth)) != NULL &&
	       o->X509_get0_subject_key_id(o->OPENSSL_sk_value(chain, depth + 1)) != NULL;
}

/*
 * A certificate is looked for among those of the name that it gives for its issuer, and of the same key identifier where
 * both have one (RFC 5280, 4.2.1.1). Without one, a signature that fails is most likely that of another CA of the same
 * name.
 */
struct tg_fault tg_fault_of_chain(const struct tg_openssl *o, X509_STORE_CTX *store, int error)
{
	struct tg_fault fault = tg_fault_of_verification(o, error, o->X509_STORE_CTX_get_error_depth(store));

	if (error == X509_V_ERR_CERT_SIGNATURE_FAILURE && !has_key_id(o, store, fault.depth))
		fault.reason = TG_REFUSED_UNKNOWN_CA;
	return fault;
}

struct tg_fault tg_fault_of_ours(enum tg_refusal reason, const char *words)
{
	return (struct tg_fault){.reason = reason, .source = TG_EVENT_OURS, .depth = -1, .words = words};
}

/*
 * Up to TLS 1.2 the group belongs to the suite, so libssl says "no shared cipher" also where only the groups differ. The
 * client may have named none, which leaves the choice to the server.
 */
static bool lacks_group(const struct tg_openssl *o, SSL *ssl)
{
	return o->SSL_ctrl(ssl, SSL_CTRL_GET_GROUPS, 0, NULL) > 0 &&
	       o->SSL_ctrl(ssl, SSL_CTRL_GET_SHARED_GROUP, -1, NULL) == 0;
}

struct tg_fault tg_fault_of_handshake(const struct tg_openssl *o, SSL *ssl)
{
	const unsigned long error = o->ERR_peek_last_error();
	const char *words = o->ERR_reason_error_string(error);
	const int code = ERR_GET_REASON(error);
	struct tg_fault fault = tg_fault_of_ours(reason_of_library(ERR_GET_LIB(error)), words == NULL ? "" : words);

	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return fault;
	/* By the server's own rule: its verification is not ours to see, but what it found is. */
	const long found = o->SSL_get_verify_result(ssl);
	if (code == SSL_R_CERTIFICATE_VERIFY_FAILED && found != X509_V_OK)
		return tg_fault_of_verification(o, (int)found, -1);
	fault.reason = reason_of_ssl(code);
	if (code == SSL_R_NO_SHARED_CIPHER && lacks_group(o, ssl))
		fault.reason = TG_REFUSED_NO_COMMON_GROUP;
	fault.source = TG_EVENT_SSL;
	fault.code = (uint32_t)code;
	return fault;
}

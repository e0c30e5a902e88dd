#include "shim/verify.h"

#include "shim/allow.h"
#include "shim/dates.h"

#include <time.h>

static enum tg_refusal reason_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TG_REFUSED_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TG_REFUSED_NOT_YET_VALID;
	case X509_V_ERR_CERT_REVOKED:
		return TG_REFUSED_REVOKED;
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return TG_REFUSED_CRL_STALE;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_INVALID_CA:
		return TG_REFUSED_UNKNOWN_CA;
	default:
		return TG_REFUSED_OTHER;
	}
}

int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from)
{
	const struct tg_openssl *o = tg_openssl();
	X509_STORE_CTX *own = o->X509_STORE_CTX_new();
	X509 *leaf = o->X509_STORE_CTX_get0_cert(from);
	STACK_OF(X509) *sent = o->X509_STORE_CTX_get0_untrusted(from);
	int error = X509_V_ERR_UNSPECIFIED;

	connection->verified = false;
	/* What a good chain leaves in the error queue would look to the server like a failure of its next call. */
	o->ERR_set_mark();
	if (own != NULL && tg_anchors_begin(connection->anchors, own, leaf, sent, o->SSL_get_security_level(ssl))) {
		bool good = o->X509_verify_cert(own) == 1;
		error = o->X509_STORE_CTX_get_error(own);
		o->X509_STORE_CTX_set0_verified_chain(from, o->X509_STORE_CTX_get1_chain(own));
		if (!good && error == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
	}
	o->X509_STORE_CTX_free(own);
	if (error == X509_V_OK && !tg_allow(connection->policy, o->X509_STORE_CTX_get0_cert(from))) {
		error = X509_V_ERR_APPLICATION_VERIFICATION;
		tg_connection_refuse(connection, TG_REFUSED_NOT_ALLOWED);
	}
	o->X509_STORE_CTX_set_error(from, error);
	if (error == X509_V_OK)
		o->ERR_pop_to_mark();
	else
		o->ERR_clear_last_mark();
	if (error != X509_V_OK) {
		tg_connection_refuse(connection, reason_of(error));
		return 0;
	}
	connection->verified = true;
	return 1;
}

bool tg_verify_client(const struct tg_policy *policy, const struct tg_anchors *anchors, const struct tg_client *client,
		      enum tg_refusal *ret_reason)
{
	const struct tg_openssl *o = tg_openssl();
	X509_STORE_CTX *own = o->X509_STORE_CTX_new();
	int error = X509_V_ERR_UNSPECIFIED;
	bool good = own != NULL && tg_anchors_begin(anchors, own, client->leaf, client->sent, client->security_level);

	if (good) {
		good = o->X509_verify_cert(own) == 1;
		error = o->X509_STORE_CTX_get_error(own);
	}
	o->X509_STORE_CTX_free(own);
	*ret_reason = good ? TG_REFUSED_NOT_ALLOWED : reason_of(error);
	return good && tg_allow(policy, client->leaf);
}

bool tg_verify_dates(struct tg_connection *connection, const X509 *leaf)
{
	const struct tg_openssl *o = tg_openssl();
	int64_t begin, end, now = time(NULL);

	if (!tg_date_read(o->X509_get0_notAfter(leaf), &end) || end <= now) {
		tg_connection_refuse(connection, TG_REFUSED_EXPIRED);
		return false;
	}
	if (!tg_date_read(o->X509_get0_notBefore(leaf), &begin) || begin > now) {
		tg_connection_refuse(connection, TG_REFUSED_NOT_YET_VALID);
		return false;
	}
	return true;
}

int tg_verify_ended(const struct tg_anchors *anchors)
{
	time_t now = time(NULL);
	int ended = anchors->trust->crl_next_update != 0 && now > anchors->trust->crl_next_update;

	for (size_t i = 0; i < anchors->trust->ca_count; i++)
		ended += now > anchors->ends[i];
	return ended;
}

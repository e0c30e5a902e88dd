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

/*
 * Everything that a verification asks for is said here: what X509_STORE_CTX_set_default(3) and the store would bring along
 * a program can change for its whole process (X509_VERIFY_PARAM_add0_table(3)).
 */
static X509_VERIFY_PARAM *rules(const struct tg_openssl *o, const struct tg_anchors *anchors, int security_level)
{
	X509_VERIFY_PARAM *param = o->X509_VERIFY_PARAM_new();
	/* Whoever is listed in `ca` may sign, also an intermediate without its root. */
	unsigned long flags = X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN;

	if (param == NULL)
		return NULL;
	if (anchors->trust->crl_check != TG_CRL_NONE)
		flags |= X509_V_FLAG_CRL_CHECK;
	if (anchors->trust->crl_check == TG_CRL_CHAIN)
		flags |= X509_V_FLAG_CRL_CHECK_ALL;
	o->X509_VERIFY_PARAM_set_depth(param, anchors->trust->verify_depth);
	o->X509_VERIFY_PARAM_set_auth_level(param, security_level);
	if (o->X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) == 1 &&
	    o->X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_CLIENT) == 1 &&
	    o->X509_VERIFY_PARAM_set_flags(param, flags) == 1)
		return param;
	o->X509_VERIFY_PARAM_free(param);
	return NULL;
}

static bool set_up(const struct tg_openssl *o, const struct tg_anchors *anchors, const struct tg_client *client,
		   X509_STORE_CTX *own)
{
	X509_VERIFY_PARAM *param = NULL;

	if (o->X509_STORE_CTX_init(own, anchors->store, client->leaf, client->sent) == 1)
		param = rules(o, anchors, client->security_level);
	if (param == NULL)
		return false;
	o->X509_STORE_CTX_set0_param(own, param);
	return true;
}

int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from)
{
	const struct tg_openssl *o = tg_openssl();
	X509_STORE_CTX *own = o->X509_STORE_CTX_new();
	const struct tg_client client = {
	    .leaf = o->X509_STORE_CTX_get0_cert(from),
	    .sent = o->X509_STORE_CTX_get0_untrusted(from),
	    .security_level = o->SSL_get_security_level(ssl),
	};
	int error = X509_V_ERR_UNSPECIFIED;

	connection->verified = false;
	/* What a good chain leaves in the error queue would look to the server like a failure of its next call. */
	o->ERR_set_mark();
	if (own != NULL && set_up(o, connection->anchors, &client, own)) {
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
	bool good = own != NULL && set_up(o, anchors, client, own);

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

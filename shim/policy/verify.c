/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/verify.h"

#include "shim/policy/allow.h"
#include "shim/policy/dates.h"
#include "shim/policy/refused.h"

#include <string.h>
#include <time.h>

static struct tg_fault not_allowed(void)
{
	return (struct tg_fault){
	    .reason = TG_REFUSED_NOT_ALLOWED,
	    .source = TG_EVENT_X509,
	    .code = X509_V_ERR_APPLICATION_VERIFICATION,
	    .words = "application verification failure: no allow rule names it",
	};
}

/* In the error queue, too: libssl will say there that the verification failed, and not why. */
static void refuse(const struct tg_openssl *o, struct tg_connection *connection, const struct tg_fault *fault,
		   const X509 *leaf)
{
	char subject[TG_EVENT_SUBJECT_SIZE];

	tg_refused_subject(o, leaf, subject);
	tg_refused_queue(o, SSL_R_CERTIFICATE_VERIFY_FAILED, fault, subject);
	tg_connection_refuse_for(connection, fault);
	if (connection->subject == NULL)
		connection->subject = strdup(subject);
}

int tg_verify_chain(struct tg_connection *connection, SSL *ssl, X509_STORE_CTX *from)
{
	const struct tg_openssl *o = tg_openssl();
	X509_STORE_CTX *own = o->X509_STORE_CTX_new();
	X509 *leaf = o->X509_STORE_CTX_get0_cert(from);
	STACK_OF(X509) *sent = o->X509_STORE_CTX_get0_untrusted(from);
	int error = X509_V_ERR_UNSPECIFIED;
	struct tg_fault fault = tg_fault_of_verification(o, error, -1);

	connection->verified = false;
	/* What a good chain leaves in the error queue would look to the server like a failure of its next call. */
	o->ERR_set_mark();
	if (own != NULL && tg_anchors_begin(connection->anchors, own, leaf, sent, o->SSL_get_security_level(ssl))) {
		bool good = o->X509_verify_cert(own) == 1;
		error = o->X509_STORE_CTX_get_error(own);
		o->X509_STORE_CTX_set0_verified_chain(from, o->X509_STORE_CTX_get1_chain(own));
		if (!good && error == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
		fault = tg_fault_of_chain(o, own, error);
	}
	o->X509_STORE_CTX_free(own);
	if (error == X509_V_OK && !tg_allow(connection->policy, leaf)) {
		error = X509_V_ERR_APPLICATION_VERIFICATION;
		fault = not_allowed();
	}
	o->X509_STORE_CTX_set_error(from, error);
	if (error == X509_V_OK) {
		o->ERR_pop_to_mark();
		connection->verified = true;
		return 1;
	}
	o->ERR_clear_last_mark();
	refuse(o, connection, &fault, leaf);
	return 0;
}

bool tg_verify_client(const struct tg_policy *policy, const struct tg_anchors *anchors, const struct tg_client *client,
		      struct tg_fault *ret_fault)
{
	const struct tg_openssl *o = tg_openssl();
	X509_STORE_CTX *own = o->X509_STORE_CTX_new();
	struct tg_fault fault = tg_fault_of_verification(o, X509_V_ERR_UNSPECIFIED, -1);
	bool good = own != NULL && tg_anchors_begin(anchors, own, client->leaf, client->sent, client->security_level);

	if (good) {
		good = o->X509_verify_cert(own) == 1;
		fault = tg_fault_of_chain(o, own, o->X509_STORE_CTX_get_error(own));
	}
	o->X509_STORE_CTX_free(own);
	*ret_fault = good ? not_allowed() : fault;
	return good && tg_allow(policy, client->leaf);
}

static void refuse_resumed(struct tg_connection *connection, int error)
{
	const struct tg_fault fault = tg_fault_of_verification(tg_openssl(), error, 0);

	tg_connection_refuse_for(connection, &fault);
}

bool tg_verify_dates(struct tg_connection *connection, const X509 *leaf)
{
	const struct tg_openssl *o = tg_openssl();
	int64_t begin, end, now = time(NULL);

	if (!tg_date_read(o->X509_get0_notAfter(leaf), &end) || end <= now) {
		refuse_resumed(connection, X509_V_ERR_CERT_HAS_EXPIRED);
		return false;
	}
	if (!tg_date_read(o->X509_get0_notBefore(leaf), &begin) || begin > now) {
		refuse_resumed(connection, X509_V_ERR_CERT_NOT_YET_VALID);
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

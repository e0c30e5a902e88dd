/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/enforce.h"

#include "ipc/report.h"
#include "shim/policy/alpn.h"
#include "shim/policy/certificateless.h"
#include "shim/policy/pin.h"
#include "shim/policy/protocol_limits.h"
#include "shim/policy/refused.h"
#include "shim/policy/verify.h"
#include "shim/process/state.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define NO_STATUS_TYPE (-1L) /* what libssl holds where the client asked for no staple; its name is not public */

/* True where the mode judges clients by our trust alone: what the server says of verification no longer counts. */
static bool verifies(const struct tg_policy *policy)
{
	return policy->mode == TG_MODE_OPTIONAL || policy->mode == TG_MODE_MUTUAL;
}

static bool own_session_context_stays(const struct tg_policy *policy)
{
	return policy->mode == TG_MODE_OFF ||
	       (policy->mode == TG_MODE_SERVER && !policy->override && policy->max_session_age == 0);
}

bool tg_enforce_session_context_is_ours(const struct tg_connection *connection)
{
	bool pinned = connection->phase == TG_PHASE_HELLO || connection->phase == TG_PHASE_IDENTITY;

	return pinned && connection->policy != NULL && !own_session_context_stays(connection->policy);
}

bool tg_enforce_early_data(const struct tg_connection *connection)
{
	return tg_shim_state() != TG_STATE_CLOSED && connection->phase != TG_PHASE_NEW &&
	       (connection->policy == NULL || !verifies(connection->policy));
}

/* What the server set: on the SSL itself, else on the context that it belongs to by now. */
static struct tg_session_context server_session_context(const struct tg_openssl *o, const struct tg_connection *connection,
							const SSL *ssl)
{
	if (connection->has_own_session_context)
		return connection->own_session_context;
	const struct tg_context *context = tg_context_find(o->SSL_get_SSL_CTX(ssl));
	struct tg_session_context none = {.length = 0};
	return context == NULL ? none : context->session_context;
}

/*
 * Sessions of one epoch resume in it and in no other. Epochs are as long as a session may get old, so none outlives its
 * age, whatever libssl writes into a session when it renews it: in TLS 1.3 each resumption brings a ticket that is as new
 * as that (docs/design/policy.md). Each policy has its own phase: one second is not the full handshake of all.
 */
static int64_t session_epoch(const struct tg_policy *policy)
{
	uint32_t phase;

	if (policy == NULL || policy->max_session_age == 0)
		return 0;
	memcpy(&phase, policy->digest, sizeof(phase));
	return ((int64_t)time(NULL) + phase % policy->max_session_age) / policy->max_session_age;
}

/* Longest input of a session context's digest: policy, what it is judged by beside, the server's own context. */
#define CONTEXT_INPUT_SIZE (TG_DIGEST_SIZE + 3 * sizeof(int64_t) + 1 + SSL_MAX_SID_CTX_LENGTH)

/*
 * SHA-256 of `input`. Most handshakes of a thread have the context of the one before: it is kept, since in a resumption
 * one digest is a good part of what the shim costs.
 */
static bool context_digest(const struct tg_openssl *o, const unsigned char *input, size_t size,
			   unsigned char ret_digest[TG_DIGEST_SIZE])
{
	static _Thread_local struct {
		unsigned char input[CONTEXT_INPUT_SIZE], digest[TG_DIGEST_SIZE];
		size_t size;
	} last;

	if (last.size != size || memcmp(last.input, input, size) != 0) {
		unsigned length = 0;
		last.size = 0;
		if (o->EVP_Digest(input, size, last.digest, &length, o->EVP_sha256(), NULL) != 1)
			return false;
		memcpy(last.input, input, size);
		last.size = size;
	}
	memcpy(ret_digest, last.digest, TG_DIGEST_SIZE);
	return true;
}

bool tg_enforce_session_context(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_session_context own = server_session_context(o, connection, ssl);
	const int64_t judged_by[] = {
	    connection->anchors == NULL ? 0 : tg_verify_ended(connection->anchors),
	    connection->policy->max_session_age,
	    connection->session_epoch,
	};
	unsigned char input[CONTEXT_INPUT_SIZE], digest[TG_DIGEST_SIZE];

	/* A CRL or a CA whose time is over gives a context of its own: nothing resumes, every client is judged anew. */
	unsigned char *at = mempcpy(input, connection->policy->digest, TG_DIGEST_SIZE);
	at = mempcpy(at, judged_by, sizeof(judged_by));
	*at++ = (unsigned char)own.length;
	at = mempcpy(at, own.bytes, own.length);
	if (!context_digest(o, input, (size_t)(at - input), digest))
		return false;
	tg_context_set_prefix(digest);
	return o->SSL_set_session_id_context(ssl, digest, sizeof(digest)) == 1;
}

/*
 * A server that uses one SSL for several connections (SSL_clear) leaves our settings on it. Another policy of ours replaces
 * them; one under which the server's own settings count would find ours instead, so it may not have this SSL.
 */
static bool may_be_reused(const struct tg_connection *connection)
{
	const struct tg_policy *policy = connection->policy;

	if (policy == NULL || policy->mode == TG_MODE_OFF)
		return !connection->touched;
	return policy->mode != TG_MODE_SERVER || policy->override || !connection->verified_before;
}

/* What must stand before the session is looked up and the version chosen. */
static bool apply_hello(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_policy *policy = connection->policy;

	if (!may_be_reused(connection))
		return false;
	if (policy == NULL || policy->mode == TG_MODE_OFF)
		return true;
	connection->touched = true;
	connection->verified_before = connection->verified_before || verifies(policy);
	if (!tg_protocol_limits_apply(policy, ssl))
		return false;
	if (!own_session_context_stays(policy) && !tg_enforce_session_context(connection, ssl))
		return false;
	tg_certificateless_close(policy, ssl);
	return true;
}

void tg_enforce_switched(const struct tg_connection *connection, SSL *ssl)
{
	if (connection->phase == TG_PHASE_HELLO && connection->policy != NULL && connection->policy->mode != TG_MODE_OFF)
		tg_protocol_limits_keep_level(connection->policy, ssl);
}

static _Atomic bool renegotiated_any;

bool tg_enforce_renegotiated_any(void)
{
	return atomic_load_explicit(&renegotiated_any, memory_order_relaxed);
}

/* After a HelloRetryRequest the same handshake says hello again: it keeps what it was pinned to. */
static bool is_retry(const struct tg_connection *connection)
{
	return connection->phase == TG_PHASE_HELLO || connection->phase == TG_PHASE_IDENTITY;
}

int tg_enforce_client_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_context *context = tg_context_find(o->SSL_get_SSL_CTX(ssl));
	(void)arg;

	if (tg_shim_state() == TG_STATE_CLOSED) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	struct tg_connection *connection = tg_shim_state() == TG_STATE_INERT ? NULL : tg_connection_get(ssl);
	if (connection != NULL && !is_retry(connection))
		tg_pin_locate(connection, ssl);
	if (context != NULL && context->client_hello != NULL) {
		int result = context->client_hello(ssl, alert, context->client_hello_arg);
		if (result != SSL_CLIENT_HELLO_SUCCESS)
			return result;
	}
	if (tg_shim_state() == TG_STATE_INERT)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	if (connection == NULL)
		return SSL_CLIENT_HELLO_ERROR;
	if (is_retry(connection)) {
		*alert = SSL_AD_ILLEGAL_PARAMETER;
		if (!tg_pin_holds(connection, ssl))
			return SSL_CLIENT_HELLO_ERROR;
	} else {
		/* A renegotiation is pinned anew; it is no further handshake in the counters. */
		bool counted = connection->counted, has_origin = connection->has_origin;
		if (connection->phase != TG_PHASE_NEW) {
			atomic_store_explicit(&renegotiated_any, true, memory_order_relaxed);
			tg_connection_reset(connection);
		}
		connection->counted = counted;
		connection->has_origin = has_origin;
		connection->phase = TG_PHASE_HELLO;
		if (!tg_pin(connection, ssl))
			return SSL_CLIENT_HELLO_ERROR;
		connection->session_epoch = session_epoch(connection->policy);
	}
	if (!tg_alpn_offer_suits(context, connection, ssl)) {
		*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
		return SSL_CLIENT_HELLO_ERROR;
	}
	return apply_hello(connection, ssl) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

static int keep_verdict(int verdict, X509_STORE_CTX *store)
{
	(void)store;
	return verdict;
}

/* Each connection gets a list of its own: libssl takes ownership, and names have no reference count. */
static bool announce_authorities(const struct tg_openssl *o, const struct tg_anchors *anchors, SSL *ssl)
{
	STACK_OF(X509_NAME) *names = o->SSL_dup_CA_list(anchors->names);

	if (names == NULL)
		return false;
	o->SSL_set_client_CA_list(ssl, names);
	if (o->OPENSSL_sk_num((OPENSSL_STACK *)names) > 0)
		return true;
	/* For an empty list libssl would look into the other one that a server can set. */
	names = (STACK_OF(X509_NAME) *)o->OPENSSL_sk_new_null();
	if (names == NULL)
		return false;
	o->SSL_set0_CA_list(ssl, names);
	return true;
}

static bool apply_verification(const struct tg_openssl *o, struct tg_connection *connection, SSL *ssl)
{
	const struct tg_policy *policy = connection->policy;
	int own = o->SSL_get_verify_mode(ssl);
	int mode = SSL_VERIFY_PEER;

	if (policy->mode == TG_MODE_SERVER) {
		if (policy->override)
			o->SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	bool demanded = (own & SSL_VERIFY_PEER) != 0 && (own & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0 && !policy->override;
	if (policy->mode == TG_MODE_MUTUAL || demanded)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	/* Exactly these bits: SSL_VERIFY_POST_HANDSHAKE would let TLS 1.3 finish without a certificate. */
	o->SSL_set_verify(ssl, mode, keep_verdict);
	return announce_authorities(o, connection->anchors, ssl);
}

static bool apply_identity(struct tg_connection *connection, SSL *ssl)
{
	const struct tg_openssl *o = tg_openssl();
	const struct tg_policy *policy = connection->policy;

	if (policy == NULL || policy->mode == TG_MODE_OFF)
		return true;
	const struct tg_certificates *certificates = &connection->generation->certificates[policy->credentials];
	/* From here on, since libssl asks the server's security callback about what is set now. */
	connection->phase = TG_PHASE_IDENTITY;
	/* The server's own key of another type would be served beside ours. */
	o->SSL_certs_clear(ssl);
	for (size_t i = 0; i < certificates->count; i++) {
		const struct tg_served *served = &certificates->served[i];
		if (o->SSL_use_cert_and_key(ssl, served->leaf, served->key, served->chain, 1) != 1)
			return false;
	}
	/* The server's staple speaks of the certificate that it would have served. */
	o->SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, NO_STATUS_TYPE, NULL);
	return apply_verification(o, connection, ssl);
}

int tg_enforce_certificate(SSL *ssl, void *arg)
{
	const struct tg_openssl *o = tg_openssl();
	struct tg_connection *connection = tg_connection_find(ssl);
	const struct tg_context *context = tg_context_find(o->SSL_get_SSL_CTX(ssl));
	(void)arg;

	int result = 1;
	if (connection != NULL && connection->has_own_certificate) {
		if (connection->own_certificate != NULL)
			result = connection->own_certificate(ssl, connection->own_certificate_arg);
	} else if (context != NULL && context->certificate != NULL) {
		result = context->certificate(ssl, context->certificate_arg);
	}
	if (result <= 0 || !o->SSL_is_server(ssl)) /* libssl takes any positive answer for a yes */
		return result;
	if (tg_shim_state() == TG_STATE_CLOSED)
		return 0;
	if (connection == NULL || connection->policy == NULL)
		return 1;
	if (!tg_protocol_limits_hold(connection->policy, ssl)) {
		tg_connection_refuse(connection, TG_REFUSED_PROTOCOL, "a TLS version outside the section's bounds");
		tg_refused_queue(o, SSL_R_UNSUPPORTED_PROTOCOL, &connection->fault, NULL);
		return 0;
	}
	return tg_certificateless_drop_suites(connection->policy, ssl) && apply_identity(connection, ssl) ? 1 : 0;
}

bool tg_enforce_post_handshake(struct tg_connection *connection, SSL *ssl)
{
	bool ours = connection->phase == TG_PHASE_DONE && connection->policy != NULL && verifies(connection->policy);

	return !ours || apply_verification(tg_openssl(), connection, ssl);
}

int tg_enforce_verify(X509_STORE_CTX *store, void *arg)
{
	const struct tg_openssl *o = tg_openssl();
	SSL *ssl = o->X509_STORE_CTX_get_ex_data(store, o->SSL_get_ex_data_X509_STORE_CTX_idx());
	(void)arg;

	if (ssl != NULL && o->SSL_is_server(ssl)) {
		struct tg_connection *connection = tg_connection_find(ssl);
		if (connection != NULL && connection->anchors != NULL && verifies(connection->policy))
			return tg_verify_chain(connection, ssl, store);
	}
	const struct tg_context *context = ssl == NULL ? NULL : tg_context_find(o->SSL_get_SSL_CTX(ssl));
	if (context != NULL && context->verify_chain != NULL)
		return context->verify_chain(store, context->verify_chain_arg);
	int result = o->X509_verify_cert(store);
	return result < 0 ? 0 : result; /* as libssl does without a callback */
}

bool tg_enforce_begin(SSL *ssl, struct tg_connection **ret_connection)
{
	*ret_connection = NULL;
	if (tg_shim_state() == TG_STATE_INERT || !tg_openssl()->SSL_is_server(ssl))
		return true;
	struct tg_connection *connection = tg_connection_get(ssl);
	if (connection == NULL) {
		const struct tg_fault fault = tg_fault_of_ours(TG_REFUSED_OTHER, "memory ran out");
		tg_enforce_shut(ssl, ERR_R_MALLOC_FAILURE, &fault, NULL);
		return false;
	}
	/* The socket under an SSL may be another one by now. */
	if (connection->phase == TG_PHASE_NEW)
		connection->has_address = false;
	if (connection->counters == NULL && connection->phase == TG_PHASE_NEW && tg_shim_state() == TG_STATE_GOVERNED)
		tg_pin_counters(connection, ssl);
	*ret_connection = connection;
	return true;
}

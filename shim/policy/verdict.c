/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/enforce.h"

#include "ipc/report.h"
#include "shim/policy/alpn.h"
#include "shim/policy/protocol_limits.h"
#include "shim/policy/recheck.h"
#include "shim/policy/refused.h"
#include "shim/policy/verify.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A session that our own context admitted: libssl compared the two when it looked the session up. */
static bool resumed_under_policy(const struct tg_openssl *o, struct tg_connection *connection, SSL *ssl, const X509 *peer)
{
	return o->SSL_session_reused(ssl) && peer != NULL && tg_verify_dates(connection, peer);
}

/* In a full handshake libssl has refused by then; a session without a certificate may be older than the demand. */
static bool demanded(const struct tg_openssl *o, const struct tg_policy *policy, const SSL *ssl)
{
	const int both = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

	return !policy->override && (o->SSL_get_verify_mode(ssl) & both) == both;
}

static bool verdict(const struct tg_openssl *o, struct tg_connection *connection, SSL *ssl)
{
	const struct tg_policy *policy = connection->policy;
	const X509 *peer = o->SSL_get0_peer_certificate(ssl);

	if (!tg_protocol_limits_hold(policy, ssl)) {
		tg_connection_refuse(connection, TG_REFUSED_PROTOCOL, "a TLS version outside the section's bounds");
		return false;
	}
	if (!tg_alpn_is_agreed(policy, ssl)) {
		tg_connection_refuse(connection, TG_REFUSED_NO_COMMON_ALPN, "no protocol was agreed on");
		return false;
	}
	if (policy->mode == TG_MODE_OFF)
		return true;
	/* A full handshake past our certificate callback: the SSL was switched to a context that never was ours. */
	if (connection->phase != TG_PHASE_IDENTITY && !o->SSL_session_reused(ssl)) {
		tg_connection_refuse(connection, TG_REFUSED_OTHER, "switched to a context without a policy");
		return false;
	}
	if (policy->mode == TG_MODE_SERVER)
		return true;
	if (peer == NULL && policy->mode == TG_MODE_OPTIONAL && !demanded(o, policy, ssl))
		return true;
	if (peer != NULL && (connection->verified || resumed_under_policy(o, connection, ssl, peer)))
		return true;
	if (peer == NULL)
		tg_connection_refuse(connection, TG_REFUSED_NO_CERTIFICATE, "peer did not return a certificate");
	else
		tg_connection_refuse(connection, TG_REFUSED_OTHER, "a certificate that was not verified");
	return false;
}

static _Atomic bool refused_any;

bool tg_enforce_refused_any(void)
{
	return atomic_load_explicit(&refused_any, memory_order_relaxed);
}

void tg_enforce_shut(SSL *ssl, int code, const struct tg_fault *fault, const char *subject)
{
	const struct tg_openssl *o = tg_openssl();

	o->SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	tg_refused_queue(o, code, fault, subject);
}

static int fail(struct tg_connection *connection, SSL *ssl)
{
	connection->phase = TG_PHASE_REFUSED;
	tg_connection_count_end(connection, ssl);
	atomic_store_explicit(&refused_any, true, memory_order_relaxed);
	const struct tg_fault unknown = tg_fault_of_ours(TG_REFUSED_OTHER, "this process has no policy");
	tg_enforce_shut(ssl, SSL_R_CERTIFICATE_VERIFY_FAILED, connection->has_fault ? &connection->fault : &unknown,
			connection->subject);
	return -1;
}

/*
 * A fault ends the handshake for good. It is counted at once: a process of one connection ends without freeing anything,
 * and others free late.
 */
static void note_failure(const struct tg_openssl *o, struct tg_connection *connection, SSL *ssl, int result)
{
	const int number = errno;
	struct tg_fault fault;

	if (connection->counted)
		return;
	switch (o->SSL_get_error(ssl, result)) {
	case SSL_ERROR_SSL:
		fault = tg_fault_of_handshake(o, ssl);
		break;
	case SSL_ERROR_SYSCALL:
		/* Some BIOs of a server's own do not say that they only have to wait. */
		if (number == EAGAIN || number == EINTR)
			return;
		fault = tg_fault_of_ours(TG_REFUSED_INCOMPLETE, strerrordesc_np(number));
		break;
	case SSL_ERROR_ZERO_RETURN:
		fault = tg_fault_of_ours(TG_REFUSED_INCOMPLETE, "the client closed the connection");
		break;
	default:
		return;
	}
	/* Who goes without a whole ClientHello is refused by nobody. */
	if (connection->phase != TG_PHASE_NEW || fault.reason != TG_REFUSED_INCOMPLETE)
		tg_connection_refuse_for(connection, &fault);
	tg_connection_count_end(connection, ssl);
}

static int finished(const struct tg_openssl *o, struct tg_connection *connection, SSL *ssl)
{
	/* Finished without our ClientHello callback: a context that was never ours. It may serve nothing. */
	if (tg_shim_state() == TG_STATE_CLOSED || connection->phase == TG_PHASE_NEW)
		return fail(connection, ssl);
	if (connection->policy != NULL && !verdict(o, connection, ssl))
		return fail(connection, ssl);
	connection->phase = TG_PHASE_DONE;
	if (tg_recheck_wanted() != 0)
		tg_recheck_remember(connection, ssl);
	if (connection->counters != NULL && !connection->counted)
		tg_report_accepted(connection->counters, o->SSL_session_reused(ssl));
	connection->counted = true;
	return 1;
}

int tg_enforce_verdict(struct tg_connection *connection, SSL *ssl, int result)
{
	const struct tg_openssl *o = tg_openssl();

	if (connection->phase == TG_PHASE_DONE)
		return result;
	if (connection->phase == TG_PHASE_REFUSED)
		return fail(connection, ssl);
	if (result != 1) {
		note_failure(o, connection, ssl, result);
		return result;
	}
	return o->SSL_is_init_finished(ssl) ? finished(o, connection, ssl) : result;
}

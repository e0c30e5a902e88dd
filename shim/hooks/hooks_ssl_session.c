/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on sessions. The session context of a governed connection says under which policy its session was made (enforce.h),
 * and libssl compares it when the session comes back, from a ticket or from a cache, the server's own too.
 */
#include "shim/policy/blocked_calls.h"
#include "shim/policy/context.h"
#include "shim/process/state.h"

/*
 * Some servers write a fixed context into every session, when they store it and when they fetch it (their caches key by
 * other means), and would so keep it from resuming under ours. What is there stays, and with it what it was worth: so no
 * session gets a context of ours that libssl itself did not give it, and none loses it.
 */
TG_EXPORT int SSL_SESSION_set1_id_context(SSL_SESSION *session, const unsigned char *bytes, unsigned length)
{
	const struct tg_openssl *o = tg_openssl();
	unsigned present_length = 0;

	if (tg_shim_is(TG_STATE_GOVERNED)) {
		const unsigned char *present = o->SSL_SESSION_get0_id_context(session, &present_length);
		if (tg_context_has_prefix(present, present_length) || tg_context_has_prefix(bytes, length))
			return 1;
	}
	return o->SSL_SESSION_set1_id_context(session, bytes, length);
}

/* A session that the server puts in place of the handshake's own would bring its peer along. */
TG_EXPORT int SSL_set_session(SSL *ssl, SSL_SESSION *session)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_set_session) ? 1 : tg_openssl()->SSL_set_session(ssl, session);
}

/* More than its name says: certificate and key of the other SSL too. */
TG_EXPORT int SSL_copy_session_id(SSL *to, const SSL *from)
{
	return tg_call_is_blocked(to, TG_WAY_SSL_copy_session_id) ? 1 : tg_openssl()->SSL_copy_session_id(to, from);
}

TG_EXPORT int SSL_set_session_secret_cb(SSL *ssl, tls_session_secret_cb_fn callback, void *arg)
{
	return tg_call_is_blocked(ssl, TG_WAY_SSL_set_session_secret_cb)
		   ? 1
		   : tg_openssl()->SSL_set_session_secret_cb(ssl, callback, arg);
}

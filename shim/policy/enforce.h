/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy on one connection, from the ClientHello to the verdict. Three trampolines that every server-capable context
 * gets, and what the hooks on handshake calls ask.
 *
 *   ClientHello   pins generation and policy; protocol bounds, session context, early data, PSK
 *   certificate   our certificate, chain, key; verification mode and CA names; no staple of another certificate
 *   verify        our own verdict on the client's chain
 *   verdict       after a handshake call: a finished handshake is judged before anything crosses it
 */
#ifndef TG_SHIM_POLICY_ENFORCE_H
#define TG_SHIM_POLICY_ENFORCE_H

#include "shim/policy/connection.h"

/* Trampolines, with the server's own callbacks called first. */
int tg_enforce_client_hello(SSL *ssl, int *alert, void *arg);
int tg_enforce_certificate(SSL *ssl, void *arg);
int tg_enforce_verify(X509_STORE_CTX *store, void *arg);

/* Sets the digest of policy and the server's own session-id context on the SSL. */
bool tg_enforce_session_context(struct tg_connection *connection, SSL *ssl);

/* True where the session-id context of this connection is the policy's, from its ClientHello on. */
bool tg_enforce_session_context_is_ours(const struct tg_connection *connection);

/* The SSL was given another context (SNI), and with it that one's security level. */
void tg_enforce_switched(const struct tg_connection *connection, SSL *ssl);

/*
 * Before the server asks a client for its certificate after the handshake: our verification stands, which a resumed
 * handshake has not put there. False: it does not.
 */
bool tg_enforce_post_handshake(struct tg_connection *connection, SSL *ssl);

/* True where data may cross before the handshake is finished: nothing verifies the client. */
bool tg_enforce_early_data(const struct tg_connection *connection);

/* True once any connection of this process was refused after its handshake. */
bool tg_enforce_refused_any(void);

/* True once a client of this process has said hello again on a connection that was finished. */
bool tg_enforce_renegotiated_any(void);

/*
 * A server-side handshake call begins. True, with the connection to judge, or with NULL where there is nothing to judge
 * (client side, inert). False: there is no memory to judge by. The SSL is shut then, an error is in OpenSSL's queue, and
 * the call must fail.
 */
bool tg_enforce_begin(SSL *ssl, struct tg_connection **ret_connection);

/*
 * The call returned `result` (1: finished). Returns what the server may see: `result`, or -1 with an error in OpenSSL's
 * queue where the handshake finished without what the policy demands.
 */
int tg_enforce_verdict(struct tg_connection *connection, SSL *ssl, int result);

/*
 * Shuts an SSL in both directions, also for calls that no hook sees, with an error in OpenSSL's queue: `code` of libssl's,
 * with the fault as its text. `subject` may be NULL.
 */
void tg_enforce_shut(SSL *ssl, int code, const struct tg_fault *fault, const char *subject);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enforces the policy on one connection, from the ClientHello to the verdict: the three callbacks that every server-capable
 * SSL_CTX gets, and the functions that the hooks on handshake calls use.
 *
 *   ClientHello   pins generation and policy; protocol bounds, session context, early data, PSK
 *   certificate   our certificate, chain, key; verification mode and CA names; no staple of another certificate
 *   verify        our own verdict on the client's chain
 *   verdict       after a handshake call: a finished handshake is judged before anything crosses it
 */
#ifndef TG_SHIM_POLICY_ENFORCE_H
#define TG_SHIM_POLICY_ENFORCE_H

#include "shim/policy/connection.h"

/* The callbacks. Each first calls the one that the server itself set. */
int tg_enforce_client_hello(SSL *ssl, int *alert, void *arg);
int tg_enforce_certificate(SSL *ssl, void *arg);
int tg_enforce_verify(X509_STORE_CTX *store, void *arg);

/* Sets the digest of policy and the server's own session-id context on the SSL. */
bool tg_enforce_session_context(struct tg_connection *connection, SSL *ssl);

/* True where the session-id context of this connection is the policy's, from its ClientHello on. */
bool tg_enforce_session_context_is_ours(const struct tg_connection *connection);

/* SSL_set_SSL_CTX was called (SNI): the security level of the new context must not count. */
void tg_enforce_switched(const struct tg_connection *connection, SSL *ssl);

/*
 * Before the server requests a certificate after the handshake (RFC 8446, section 4.6.2): installs our verification, which
 * a resumed handshake has not done. False: it could not.
 */
bool tg_enforce_post_handshake(struct tg_connection *connection, SSL *ssl);

/* True if early data may cross before the handshake is finished, because the policy verifies no client. */
bool tg_enforce_early_data(const struct tg_connection *connection);

/* True once this process has refused any connection after its handshake. */
bool tg_enforce_refused_any(void);

/* True once any client of this process has sent another ClientHello on a finished connection. */
bool tg_enforce_renegotiated_any(void);

/*
 * A server-side handshake call begins. True: *ret_connection is the connection to judge, or NULL if there is nothing to
 * judge (client side, inert process). False: out of memory. The SSL has been shut, an error is in OpenSSL's queue, and the
 * call must fail.
 */
bool tg_enforce_begin(SSL *ssl, struct tg_connection **ret_connection);

/*
 * The verdict. The handshake call returned `result` (1: finished). Returns what the server gets: `result`, or -1 with an
 * error in OpenSSL's queue if the handshake finished without what the policy demands.
 */
int tg_enforce_verdict(struct tg_connection *connection, SSL *ssl, int result);

/*
 * Shuts an SSL in both directions, so that calls without a hook fail, too. Adds an error to OpenSSL's queue: libssl's
 * `code` with the fault as its text. `subject` may be NULL.
 */
void tg_enforce_shut(SSL *ssl, int code, const struct tg_fault *fault, const char *subject);

#endif

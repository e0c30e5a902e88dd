/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ALPN where TLS is terminated for a plaintext server (RFC 7301): what the policy lists is chosen from, anew in each
 * handshake, also where a session resumes. On the contexts of a server that speaks TLS itself nothing here acts.
 */
#ifndef TG_SHIM_POLICY_ALPN_H
#define TG_SHIM_POLICY_ALPN_H

#include "shim/policy/connection.h"

/* A context of the shim's own, adopted already, chooses by the policy of each connection. */
void tg_alpn_serve(SSL_CTX *ssl_ctx);

/*
 * In the ClientHello callback, once a policy is pinned, of the first hello and of the one after a HelloRetryRequest. False:
 * alpn_required, and the client offers none of its protocols, or no ALPN; the alert is no_application_protocol.
 */
bool tg_alpn_offer_suits(const struct tg_context *context, struct tg_connection *connection, SSL *ssl);

/* After the handshake: a protocol was agreed on where alpn_required says so. */
bool tg_alpn_is_agreed(const struct tg_policy *policy, const SSL *ssl);

#endif

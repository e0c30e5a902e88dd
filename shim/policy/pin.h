/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing the policy of a connection: generation, local address, host name.
 */
#ifndef TG_SHIM_POLICY_PIN_H
#define TG_SHIM_POLICY_PIN_H

#include "shim/policy/connection.h"

/*
 * At a ClientHello, before the server's own callback may read from anything else: notes which socket it came from, where
 * libssl has no descriptor and that is certain (accepted.h).
 */
void tg_pin_locate(struct tg_connection *connection, SSL *ssl);

/*
 * At a ClientHello: pins the newest generation and the policy that governs this connection. False where there is none that
 * may be used: the handshake must fail.
 */
bool tg_pin(struct tg_connection *connection, SSL *ssl);

/*
 * At the second ClientHello after a HelloRetryRequest: the same generation must give the same policy. A client that names
 * another host now (RFC 8446 section 4.1.2 forbids it) would be served under the policy of the first.
 */
bool tg_pin_holds(struct tg_connection *connection, SSL *ssl);

/* An established connection's local address, in connection->address; false where it cannot be told. */
bool tg_pin_address(struct tg_connection *connection, SSL *ssl);

/* Before the ClientHello: under which section a client that never says hello is counted. */
void tg_pin_counters(struct tg_connection *connection, SSL *ssl);

#endif

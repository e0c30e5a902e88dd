/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing the policy of a connection: generation, local address, host name.
 */
#ifndef TG_SHIM_POLICY_PIN_H
#define TG_SHIM_POLICY_PIN_H

#include "shim/policy/connection.h"

/*
 * At a ClientHello, before the server's own callback can read from another socket: notes the socket that the hello came
 * from, if libssl has no descriptor and the socket is certain (accepted.h).
 */
void tg_pin_locate(struct tg_connection *connection, SSL *ssl);

/*
 * At a ClientHello: pins the newest generation, and the policy that governs this connection. False: no policy may be used,
 * and the handshake must fail.
 */
bool tg_pin(struct tg_connection *connection, SSL *ssl);

/*
 * At the second ClientHello after a HelloRetryRequest: the pinned generation must give the same policy. Otherwise a client
 * that now names another host, which RFC 8446, section 4.1.2 forbids, would be served under the first host's policy.
 */
bool tg_pin_holds(struct tg_connection *connection, SSL *ssl);

/* Fills connection->address with an established connection's local address. False: it is not known. */
bool tg_pin_address(struct tg_connection *connection, SSL *ssl);

/* Before the ClientHello: chooses the section whose counters count a client that never sends one. */
void tg_pin_counters(struct tg_connection *connection, SSL *ssl);

#endif

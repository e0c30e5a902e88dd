/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges established connections by newer generations: `recheck = new-generation` ends those whose clients a newer
 * generation refuses.
 *
 * The policy memory names the newest generation in which a section has that setting. While it names none, the cost is one
 * atomic load for each call. Afterwards every such generation judges each connection once:
 *
 *   the connection's next call  (SSL_read, SSL_write and the like) fails as after any TLS error, before it transfers data.
 *   any call of the process     on any SSL: the first call that sees the generation shuts down the sockets of all refused
 *                               clients, so that the server's event loop wakes up for idle connections.
 *
 * There is no thread and no timer: in a process that makes no TLS calls, idle connections stay open until it makes one. If
 * libssl has no socket of a connection, only the first way applies. Connections of clients that are still allowed are not
 * affected.
 */
#ifndef TG_SHIM_POLICY_RECHECK_H
#define TG_SHIM_POLICY_RECHECK_H

#include "ipc/read.h"
#include "shim/policy/connection.h"
#include "shim/process/state.h"

/* The newest generation that judges live connections; 0: none, and no function below need be called. */
static inline uint64_t tg_recheck_wanted(void)
{
	return tg_shim_state() == TG_STATE_GOVERNED ? tg_policy_recheck_generation(tg_shim.policy) : 0;
}

/* Judges all connections of the process that have a socket, once for each `wanted`. Keeps errno and the error queue. */
void tg_recheck_all(uint64_t wanted);

/* After a good handshake: stores what later generations will judge. Call it in the thread that uses the SSL. */
void tg_recheck_remember(struct tg_connection *connection, SSL *ssl);

/* True if this connection must end; stores the reason in it. Call it in the thread that uses the SSL. */
bool tg_recheck_refuses(struct tg_connection *connection, SSL *ssl, uint64_t wanted);

/* Drops the connection's reference to the result of tg_recheck_remember. The caller holds no lock. NULL is allowed. */
void tg_recheck_free(struct tg_live *live);

#endif

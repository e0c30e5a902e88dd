/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Established connections under a newer generation: `recheck = new-generation` ends those whose clients it would refuse.
 *
 * The policy memory names the newest generation in which any section asks for it; while it names none, all of this is one
 * atomic load a call. From then on each connection is judged once by every such generation:
 *
 *   its own next call   of SSL_read, SSL_write and their like fails as after any TLS error, before data crosses
 *   any call            of the process, on whatever SSL: the first to see the generation shuts the sockets of the refused
 *                       down, so that the server's event loop wakes up for connections that are idle
 *
 * There is no thread and no timer: what is idle in a process that makes no TLS call stays open until it makes one. Where
 * libssl was given no socket only the first of the two exists. Nobody who is still let in is touched.
 */
#ifndef TG_SHIM_POLICY_RECHECK_H
#define TG_SHIM_POLICY_RECHECK_H

#include "ipc/read.h"
#include "shim/policy/connection.h"
#include "shim/process/state.h"

/* The newest generation that live connections are judged by; 0: none, nothing below needs to be called. */
static inline uint64_t tg_recheck_wanted(void)
{
	return tg_shim_state() == TG_STATE_GOVERNED ? tg_policy_recheck_generation(tg_shim.policy) : 0;
}

/* Judges every connection of the process that has a socket, once for each `wanted`. errno and the error queue are kept. */
void tg_recheck_all(uint64_t wanted);

/* The handshake was judged good: remembers what later generations will judge by. In the thread that uses the SSL. */
void tg_recheck_remember(struct tg_connection *connection, SSL *ssl);

/* True where this connection may go on no more; the reason is then noted in it. In the thread that uses the SSL. */
bool tg_recheck_refuses(struct tg_connection *connection, SSL *ssl, uint64_t wanted);

/* Ends the connection's reference to what tg_recheck_remember made, in no lock. NULL is allowed. */
void tg_recheck_free(struct tg_live *live);

#endif

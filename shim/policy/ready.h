/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of every call that carries data.
 */
#ifndef TG_SHIM_POLICY_READY_H
#define TG_SHIM_POLICY_READY_H

#include "shim/binding/openssl.h"

/*
 * Finishes the handshake of a server-side SSL first, by itself. 1: data may cross. Else what the call must return (0 or
 * less): the handshake is not finished, or refused.
 */
int tg_ready(const struct tg_openssl *o, SSL *ssl);

/*
 * After a read: a renegotiation that it finished on its way is judged before the server sees what came with it. False: what
 * was read is not for it.
 */
bool tg_ready_still(const struct tg_openssl *o, SSL *ssl);

/* A handshake call on an SSL that nothing judges returned `result`, which is returned. A client's hello is noted
 * (own_hello.h). */
int tg_ready_noted(const SSL *ssl, int result);

/* One step of the handshake, judged when it is finished. */
int tg_ready_handshake(SSL *ssl, int (*step)(SSL *));

#endif

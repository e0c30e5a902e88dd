/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard in front of every call that reads or writes application data.
 */
#ifndef TG_SHIM_POLICY_READY_H
#define TG_SHIM_POLICY_READY_H

#include "shim/binding/openssl.h"

/*
 * Finishes the handshake of a server-side SSL first. 1: data may cross. 0 or less: the handshake is not finished or was
 * refused, and the call must return this value.
 */
int tg_ready(const struct tg_openssl *o, SSL *ssl);

/*
 * After a read: if the read finished a renegotiation, that is judged before the server gets the data. False: the server
 * must not get the data.
 */
bool tg_ready_still(const struct tg_openssl *o, SSL *ssl);

/* Returns `result` of a handshake call on an SSL that is not judged. Notes a hello that this process sent (own_hello.h). */
int tg_ready_noted(const SSL *ssl, int result);

/* Makes one step of the handshake, and judges the handshake once it is finished. */
int tg_ready_handshake(SSL *ssl, int (*step)(SSL *));

#endif

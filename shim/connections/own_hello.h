/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client randoms (RFC 8446, 4.1.2) of ClientHellos that this process sent itself, over no descriptor: by them a
 * server's side knows that its client is in the same process. The last 64; an older one is not known any more.
 *
 * Any thread, also in a signal handler: no lock, no allocation. Two that note at one moment can lose one of them.
 */
#ifndef TG_SHIM_CONNECTIONS_OWN_HELLO_H
#define TG_SHIM_CONNECTIONS_OWN_HELLO_H

#include "shim/binding/openssl.h"
#include "shim/connections/hello.h"

#include <stdbool.h>

/* After a step of a client's handshake. */
void tg_own_hello_note(const SSL *client);

bool tg_own_hello_is(const unsigned char random[TG_RANDOM_SIZE]);

#endif

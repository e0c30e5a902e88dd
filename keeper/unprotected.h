/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that no section reaches, or not all of it.
 *
 * A server that speaks plaintext does so on each address on which it listens. Where its section names one of them, TLS is
 * spoken there, and the others answer to anybody as before: [::1] beside 127.0.0.1, or all addresses of a socket on
 * 0.0.0.0.
 */
#ifndef TG_KEEPER_UNPROTECTED_H
#define TG_KEEPER_UNPROTECTED_H

#include "ipc/policy.h"
#include "keeper/listeners.h"

struct tg_unprotected {
	struct tg_address address;
	const char *section; /* with `server_speaks = plaintext`, on the same port; NULL: no section has this port */
};

/*
 * `ret` has room for each of `listeners`. Returns how many there are; none where `listeners` may hold sockets of other
 * programs. A socket that [server] may govern is none of them: whether it speaks TLS cannot be told.
 */
size_t tg_unprotected_find(const struct tg_document *document, const struct tg_listeners *listeners,
			   struct tg_unprotected *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket a ClientHello came from, for servers that give libssl no descriptor but bytes (a memory BIO, or one of their
 * own): the hooks on accept and on reading (hooks_socket.c) note the client random of each accepted connection, and the
 * ClientHello callback asks for the one that libssl got.
 *
 * A section is chosen by the answer, so a client must not be able to get the address of another connection of its own. The
 * answer is given only where the last read of data that this thread made, on whatever descriptor, was on a socket whose
 * complete ClientHello has this random and has not been answered before, and no other one has a hello with the same random
 * on another address. The address is asked of the kernel then, not at accept: a descriptor that was closed, copied or used
 * anew meanwhile gives its own. Everything else is "not known".
 *
 * Any thread, also in a signal handler: no lock, no allocation but pages for new descriptor numbers. errno is kept. A fork
 * copies it all.
 */
#ifndef TG_SHIM_CONNECTIONS_ACCEPTED_H
#define TG_SHIM_CONNECTIONS_ACCEPTED_H

#include "ipc/policy.h"
#include "shim/connections/hello.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

extern _Atomic bool tg_accepted_wanted;

/*
 * Bytes are looked at where both are true: a policy whose sections differ by address is in use, and the server speaks TLS
 * itself. For good: what was not looked at in between would be missing.
 */
void tg_accepted_want(void);
void tg_accepted_serves(void);

static inline bool tg_accepted_is_wanted(void)
{
	return atomic_load_explicit(&tg_accepted_wanted, memory_order_relaxed);
}

/* `fd` is a connection that was accepted, or passed by another process: what it sends is looked at from here on. One that
 * went by is begun where its first bytes look like a ClientHello. */
void tg_accepted_begin(int fd);

/* This thread has read from `fd`, which may be anything. */
void tg_accepted_read(int fd);

/* The next bytes of its stream, after tg_accepted_read. */
void tg_accepted_bytes(int fd, const void *data, size_t size);

/*
 * True, once for each connection: the ClientHello with this random came to *ret, which is TG_ADDRESS_NONE (route.h) for a
 * socket that has no IP address, from *ret_peer (family 0: not known).
 */
bool tg_accepted_find(const unsigned char random[TG_RANDOM_SIZE], struct tg_address *ret, struct tg_address *ret_peer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of accepted connections, by descriptor, for the log. The accept call itself says so: a server
 * that filters its system calls may be killed for one that it does not make by itself (getpeername(2), say).
 *
 * Any thread; no lock, no allocation but pages for new descriptor numbers. errno is kept. A fork copies it all.
 */
#ifndef TG_SHIM_CONNECTIONS_PEERS_H
#define TG_SHIM_CONNECTIONS_PEERS_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <sys/socket.h>

/* `fd` was accepted from `address`, of which `size` bytes are there: with less than all of it, nobody has told. */
void tg_peers_note(int fd, const struct sockaddr *address, socklen_t size);

/* `fd` is another number of what `from` is. */
void tg_peers_copy(int from, int fd);

/* The number is closed, or another file's by now. */
void tg_peers_forget(int fd);

/* False where nobody has told. */
bool tg_peers_find(int fd, struct tg_address *ret);

#endif

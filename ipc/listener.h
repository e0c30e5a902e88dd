/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the kernel which user listens on an abstract name (sock_diag(7)). Peer credentials are not enough: they need a
 * connection, and a socket with a full backlog accepts none. Any process may bind the name of a keeper that has ended and
 * leave its backlog full.
 */
#ifndef TG_IPC_LISTENER_H
#define TG_IPC_LISTENER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Finds the user who created the listening UNIX socket of this type (SOCK_SEQPACKET or SOCK_STREAM) with this abstract
 * name. `name` begins with a NUL and has `size` bytes. Returns 0, -ENOENT if no socket listens, or another negative errno
 * if the kernel gives no answer.
 */
int tg_listener_owner(int type, const char *name, size_t size, uid_t *ret);

#endif

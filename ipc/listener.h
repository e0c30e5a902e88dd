/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens under a name, asked of the kernel (sock_diag(7)). A queue that is full takes no connection whose peer
 * credentials would tell, and anybody may bind the name of a keeper that is gone and leave its queue full.
 */
#ifndef TG_IPC_LISTENER_H
#define TG_IPC_LISTENER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The user who made the listening UNIX socket of type `type` with this abstract name (`name` begins with a NUL). 0, -ENOENT
 * where nobody listens, or another negative errno where the kernel does not tell.
 */
int tg_listener_owner(int type, const char *name, size_t size, uid_t *ret);

#endif

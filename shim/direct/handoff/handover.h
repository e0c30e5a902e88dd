/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a connection to the relay. The relay is a process beside the keeper. It speaks TLS on the real socket, and
 * plaintext on a UNIX socket, whose other end (the server's end) takes the connection's number in the server. That survives
 * exec, fork and raw system calls.
 *
 * The server's end is recognised by its own name (getsockname(2)), which holds both addresses of the real connection. So
 * any process that inherits or receives it can answer for the real socket.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_HANDOVER_H
#define TG_SHIM_DIRECT_HANDOFF_HANDOVER_H

#include "shim/direct/stream/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * `fd` becomes the server's end, close-on-exec and O_NONBLOCK as before, after what the server has `begun` (NULL: nothing);
 * the real socket belongs to the relay alone. 0, or a negative errno with `fd` as it was. Opens and closes descriptors;
 * blocks for a bounded time only.
 */
int tg_handover(int fd, const struct tg_stream_begun *begun);

/* The same for a server that is about to close `fd`, which stays the real socket: the relay does what is left to do. 1. */
int tg_handover_last(int fd, const struct tg_stream_begun *begun);

/* Gives away the real socket, with the ciphertext that has to be sent before it is closed. 0 or a negative errno. */
int tg_handover_unsent_tail(int fd, const void *data, size_t size);

/* True where `fd` is a server's end; *ret_local and *ret_peer are the real connection's. */
bool tg_handover_is(int fd, struct sockaddr_storage *ret_local, struct sockaddr_storage *ret_peer);

#endif

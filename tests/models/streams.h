/* SPDX-License-Identifier: Apache-2.0 */
/* Streams without TLS over the sockets of kernel.h: what stream.h says of locks, references and states, and no more. */
#ifndef MODEL_STREAMS_H
#define MODEL_STREAMS_H

#include "shim/direct/stream/stream.h"

/* Of a socket that was accepted; not in any table yet. */
struct tg_stream *stream_new(int fd);

/* By number, as the hooks do: what close(2), write(2) and read(2) of the server do; -1: EBADF, EAGAIN. */
void server_close(int fd);
int server_write(int fd);
int server_read(int fd);

/* Streams that were not freed. */
unsigned streams_left(void);

#endif

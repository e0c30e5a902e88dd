/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a stream and a file or a pipe, as sendfile(2) and splice(2) do it in the kernel. By copies: TLS makes one anyway.
 */
#ifndef TG_SHIM_DIRECT_FILETRANSFER_H
#define TG_SHIM_DIRECT_FILETRANSFER_H

#include <stdbool.h>
#include <sys/types.h>

/* `out` is a stream. */
ssize_t tg_filetransfer_send(int out, int in, off64_t *offset, size_t count);

/* One of both is a stream; the other one has to be a pipe, and `offset` says that a position was given for either. */
ssize_t tg_filetransfer_splice(int in, int out, bool offset, size_t count, unsigned flags);

#endif

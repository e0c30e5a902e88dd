/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to a stream, as sendfile(2) does it in the kernel. By copies: TLS makes one anyway. */
#ifndef TG_SHIM_DIRECT_FILETRANSFER_H
#define TG_SHIM_DIRECT_FILETRANSFER_H

#include <sys/types.h>

/* `out` is a stream. */
ssize_t tg_filetransfer_send(int out, int in, off64_t *offset, size_t count);

#endif

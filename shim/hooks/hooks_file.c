/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks on calls by which the kernel itself moves data between a connection and something else. */
#include "shim/binding/libc.h"
#include "shim/direct/filetransfer.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stddef.h>
#include <sys/sendfile.h>

/* The same type for both (64-bit systems), but not the same name. */
TG_EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	tg_libc_bind();
	if (!tg_transfer_is_ours(out) && !tg_transfer_is_ours(in))
		return tg_libc.sendfile(out, in, offset, count);
	off64_t at = offset == NULL ? 0 : *offset;
	ssize_t r = tg_filetransfer_send(out, in, offset == NULL ? NULL : &at, count);
	if (offset != NULL)
		*offset = (off_t)at;
	return r;
}

TG_EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	tg_libc_bind();
	return tg_transfer_is_ours(out) || tg_transfer_is_ours(in) ? tg_filetransfer_send(out, in, offset, count)
								   : tg_libc.sendfile64(out, in, offset, count);
}

/* Event-driven servers, which alone do this to connections in use, read and write where it fails so. */
static bool may_splice(int fd)
{
	return !tg_transfer_is_ours(fd) || tg_descriptors_leave(fd, "splice", EINVAL);
}

TG_EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count, unsigned flags)
{
	tg_libc_bind();
	return may_splice(in) && may_splice(out) ? tg_libc.splice(in, in_offset, out, out_offset, count, flags) : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aio(7): the C library's threads read and write by inner calls, which on a connection that TLS is terminated for would be
 * the socket's own bytes. Where the relay cannot have it, there is none, as on a system without it.
 */
#include "shim/binding/libc.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stddef.h>

static bool may_use(int fd)
{
	return !tg_transfer_is_ours(fd) || tg_descriptors_leave(fd, "aio", ENOSYS);
}

TG_EXPORT int aio_read(struct aiocb *block)
{
	tg_libc_bind();
	return may_use(block->aio_fildes) ? tg_libc.aio_read(block) : -1;
}

TG_EXPORT int aio_read64(struct aiocb64 *block)
{
	tg_libc_bind();
	return may_use(block->aio_fildes) ? tg_libc.aio_read64(block) : -1;
}

TG_EXPORT int aio_write(struct aiocb *block)
{
	tg_libc_bind();
	return may_use(block->aio_fildes) ? tg_libc.aio_write(block) : -1;
}

TG_EXPORT int aio_write64(struct aiocb64 *block)
{
	tg_libc_bind();
	return may_use(block->aio_fildes) ? tg_libc.aio_write64(block) : -1;
}

TG_EXPORT int lio_listio(int mode, struct aiocb *const list[restrict], int count, struct sigevent *restrict event)
{
	tg_libc_bind();
	for (int i = 0; i < count; i++)
		if (list[i] != NULL && !may_use(list[i]->aio_fildes))
			return -1;
	return tg_libc.lio_listio(mode, list, count, event);
}

TG_EXPORT int lio_listio64(int mode, struct aiocb64 *const list[restrict], int count, struct sigevent *restrict event)
{
	tg_libc_bind();
	for (int i = 0; i < count; i++)
		if (list[i] != NULL && !may_use(list[i]->aio_fildes))
			return -1;
	return tg_libc.lio_listio64(mode, list, count, event);
}

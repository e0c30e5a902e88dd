/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on the C library's calls that give a descriptor to its own input and output, which reads and writes by inner calls
 * that no hook sees.
 */
#undef _FORTIFY_SOURCE /* its inline functions would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static bool may_use(int fd, const char *call)
{
	return !tg_transfer_is_ours(fd) || tg_descriptors_leave(fd, call, EOPNOTSUPP);
}

TG_EXPORT FILE *fdopen(int fd, const char *mode)
{
	tg_libc_bind();
	return may_use(fd, "fdopen") ? tg_libc.fdopen(fd, mode) : NULL;
}

TG_EXPORT FILE *_IO_fdopen(int fd, const char *mode)
{
	return fdopen(fd, mode);
}

TG_EXPORT int vdprintf(int fd, const char *format, va_list arguments)
{
	tg_libc_bind();
	return may_use(fd, "dprintf") ? tg_libc.vdprintf(fd, format, arguments) : -1;
}

TG_EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int r = vdprintf(fd, format, arguments);
	va_end(arguments);
	return r;
}

TG_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
{
	tg_libc_bind();
	return may_use(fd, "dprintf") ? tg_libc.__vdprintf_chk(fd, flag, format, arguments) : -1;
}

TG_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int r = __vdprintf_chk(fd, flag, format, arguments);
	va_end(arguments);
	return r;
}

/* By inner calls, and for a program that is about to end: nobody misses it on a connection. */
TG_EXPORT void backtrace_symbols_fd(void *const *frames, int count, int fd)
{
	tg_libc_bind();
	if (!tg_transfer_is_ours(fd))
		tg_libc.backtrace_symbols_fd(frames, count, fd);
}

TG_EXPORT void __backtrace_symbols_fd(void *const *frames, int count, int fd)
{
	backtrace_symbols_fd(frames, count, fd);
}

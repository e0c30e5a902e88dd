/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks on the C library's calls that give a descriptor to its own input and output (stdio.h). */
#undef _FORTIFY_SOURCE /* its inline functions would stand in the way of ours */

#include "shim/binding/libc.h"
#include "shim/direct/stdio.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

TG_EXPORT FILE *fdopen(int fd, const char *mode)
{
	tg_libc_bind();
	return tg_transfer_is_one(fd) ? tg_stdio_open(fd, mode) : tg_libc.fdopen(fd, mode);
}

TG_EXPORT FILE *_IO_fdopen(int fd, const char *mode)
{
	return fdopen(fd, mode);
}

TG_EXPORT int vdprintf(int fd, const char *format, va_list arguments)
{
	tg_libc_bind();
	return tg_transfer_is_one(fd) ? tg_stdio_print(fd, format, arguments) : tg_libc.vdprintf(fd, format, arguments);
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
	return tg_transfer_is_one(fd) ? tg_stdio_print(fd, format, arguments)
				      : tg_libc.__vdprintf_chk(fd, flag, format, arguments);
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
	if (!tg_transfer_is_one(fd))
		tg_libc.backtrace_symbols_fd(frames, count, fd);
}

TG_EXPORT void __backtrace_symbols_fd(void *const *frames, int count, int fd)
{
	backtrace_symbols_fd(frames, count, fd);
}

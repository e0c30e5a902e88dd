/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C library's FILEs on a stream. They read and write by the library's inner calls, which no hook sees; so they are made
 * of functions (fopencookie(3)) that call the hooked ones. fileno(3) works on them all the same.
 */
#ifndef TG_SHIM_DIRECT_STDIO_H
#define TG_SHIM_DIRECT_STDIO_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* As fdopen(3); `fd` is a stream. */
FILE *tg_stdio_open(int fd, const char *mode);

/* As vdprintf(3); `fd` is a stream. */
int tg_stdio_print(int fd, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

/*
 * `fd` is a stream now. Where it is one of 0 to 2, stdin, stdout or stderr becomes a FILE of the kind above. What the old
 * one still held is lost, and it can write no more: it would write plaintext to the socket. False: it cannot be had.
 */
bool tg_stdio_enter(int fd);

/* It is none any more: the old FILE again. */
void tg_stdio_leave(int fd);

/* Before the streams end with the process. */
void tg_stdio_flush(void);

#endif

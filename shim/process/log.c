/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/log.h"

#include "ipc/socket.h"
#include "shim/binding/libc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1024

static const char prefix[] = "tlsgraft: ";

static bool known;
static dev_t device;
static ino_t inode;

void tg_shim_log_start(void)
{
	struct stat found;
	int saved_errno = errno;

	/* Where it is a client's connection (inetd), what we say is not for it. */
	if (!tg_socket_is_internet(STDERR_FILENO) && fstat(STDERR_FILENO, &found) == 0) {
		device = found.st_dev;
		inode = found.st_ino;
		known = true;
	}
	errno = saved_errno;
}

static bool is_still_stderr(void)
{
	struct stat found;

	return known && fstat(STDERR_FILENO, &found) == 0 && found.st_dev == device && found.st_ino == inode;
}

static void write_all(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = tg_libc.write(STDERR_FILENO, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

/*
 * A reader of stderr that went away must not end the program for our sake, nor leave it a pending SIGPIPE. No cancellation
 * point: the caller may hold a lock of ours.
 */
void tg_shim_log_lines(const char *text, size_t length)
{
	static const struct timespec no_wait;
	int saved_errno = errno, cancellation;
	sigset_t pipe_signal, pending, before;

	tg_libc_bind();
	if (is_still_stderr()) {
		sigemptyset(&pipe_signal);
		sigaddset(&pipe_signal, SIGPIPE);
		sigemptyset(&pending);
		sigpending(&pending);
		pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
		write_all(text, length);
		if (!sigismember(&pending, SIGPIPE))
			tg_libc.sigtimedwait(&pipe_signal, NULL, &no_wait);
		pthread_setcancelstate(cancellation, NULL);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	errno = saved_errno;
}

void tg_shim_log(const char *text, ...)
{
	char line[LINE_SIZE];
	size_t length = sizeof(prefix) - 1;
	int saved_errno = errno;
	va_list arguments;
	int formatted;

	__builtin_memcpy(line, prefix, length);
	va_start(arguments, text);
	formatted = vsnprintf(line + length, sizeof(line) - length - 1, text, arguments);
	va_end(arguments);
	if (formatted > 0) {
		size_t room = sizeof(line) - length - 2;

		length += (size_t)formatted < room ? (size_t)formatted : room;
	}
	line[length++] = '\n';
	tg_shim_log_lines(line, length);
	errno = saved_errno;
}

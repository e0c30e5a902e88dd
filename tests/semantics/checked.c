/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled with _FORTIFY_SOURCE=2: buffers of known and amounts of unknown size, so that the __*_chk variants are called.
 */
#include "ways.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 8192 };

/* As far as the compiler knows, it may be anything. */
static size_t unknown(size_t size)
{
	volatile size_t same = size;

	return same;
}

static ssize_t give(char *buffer, const char *room, ssize_t size)
{
	if (size > 0)
		memcpy(buffer, room, (size_t)size);
	return size;
}

ssize_t checked_read(int fd, char *buffer, size_t size)
{
	char room[ROOM] = {0};

	return give(buffer, room, read(fd, room, unknown(size)));
}

ssize_t checked_recv(int fd, char *buffer, size_t size)
{
	char room[ROOM] = {0};

	return give(buffer, room, recv(fd, room, unknown(size), 0));
}

ssize_t checked_recvfrom(int fd, char *buffer, size_t size)
{
	char room[ROOM] = {0};

	return give(buffer, room, recvfrom(fd, room, unknown(size), 0, NULL, NULL));
}

/* A stream of its own for each call, on a copy of the descriptor, without a buffer that would keep bytes back. */
static FILE *open_stream(int fd, const char *mode)
{
	const int copy = dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, mode);

	if (stream)
		setvbuf(stream, NULL, _IONBF, 0);
	else if (copy >= 0)
		close(copy);
	return stream;
}

static ssize_t close_stream(FILE *stream, ssize_t result)
{
	const int error = errno;

	if (fclose(stream) != 0)
		return -1;
	errno = error;
	return result;
}

ssize_t checked_fread(int fd, char *buffer, size_t size)
{
	char room[ROOM] = {0};
	FILE *stream = open_stream(fd, "r");
	ssize_t got;

	if (!stream)
		return -1;
	got = (ssize_t)fread(room, 1, unknown(size), stream);
	if (got == 0 && ferror(stream))
		got = -1;
	return close_stream(stream, give(buffer, room, got));
}

ssize_t checked_dprintf(int fd, const char *buffer, size_t size)
{
	return dprintf(fd, "%.*s", (int)size, buffer);
}

ssize_t checked_fprintf(int fd, const char *buffer, size_t size)
{
	FILE *stream = open_stream(fd, "w");

	return stream ? close_stream(stream, fprintf(stream, "%.*s", (int)size, buffer)) : -1;
}

int checked_poll(int fd, short events, int timeout)
{
	struct pollfd waiting[4] = {{.fd = fd, .events = events}, {.fd = -1}, {.fd = -1}, {.fd = -1}};
	volatile nfds_t count = 2;
	const int ready = poll(waiting, count, timeout);

	return ready > 0 ? waiting[0].revents : ready;
}

int checked_ppoll(int fd, short events, long timeout_ms)
{
	struct pollfd waiting[4] = {{.fd = -1}, {.fd = fd, .events = events}, {.fd = -1}, {.fd = -1}};
	const struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
	volatile nfds_t count = 3;
	const int ready = ppoll(waiting, count, &timeout, NULL);

	return ready > 0 ? waiting[1].revents : ready;
}

int checked_select(int fd, long timeout_ms)
{
	struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	fd_set readable;
	int ready;

	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	ready = select(fd + 1, &readable, NULL, NULL, &timeout);
	return ready > 0 && FD_ISSET(fd, &readable) ? POLLIN : ready;
}

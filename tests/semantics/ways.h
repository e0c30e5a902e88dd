/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that reads from a connection and every call that writes to one, each with the same signature, so that each
 * goes through the same situations (reading.c, writing.c).
 */
#ifndef TG_TESTS_SEMANTICS_WAYS_H
#define TG_TESTS_SEMANTICS_WAYS_H

#include <stddef.h>
#include <sys/types.h>

enum {
	WAY_FILLS = 1,       /* comes back with all that was asked for, or at the end */
	WAY_NEVER_WAITS = 2, /* whatever the descriptor */
	WAY_TWICE = 8,       /* goes to the socket twice, and the peer may answer between */
	WAY_BUFFERS = 4,     /* of stdio: what became of it is not known from one result */
};

struct read_way {
	const char *name;
	ssize_t (*read)(int fd, char *buffer, size_t size);
	unsigned traits;
};

struct write_way {
	const char *name;
	ssize_t (*write)(int fd, const char *buffer, size_t size);
	unsigned traits;
};

/* Each ends with one without a name. */
extern const struct read_way read_ways[];
extern const struct write_way write_ways[];

/* checked.c: what a program that was compiled with _FORTIFY_SOURCE calls. */
ssize_t checked_read(int fd, char *buffer, size_t size);
ssize_t checked_recv(int fd, char *buffer, size_t size);
ssize_t checked_recvfrom(int fd, char *buffer, size_t size);
ssize_t checked_fread(int fd, char *buffer, size_t size);
ssize_t checked_dprintf(int fd, const char *buffer, size_t size);
ssize_t checked_fprintf(int fd, const char *buffer, size_t size);
int checked_poll(int fd, short events, int timeout);
int checked_ppoll(int fd, short events, long timeout_ms);
int checked_select(int fd, long timeout_ms);

#endif

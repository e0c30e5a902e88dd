/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams without TLS, for tests of who waits for them (direct/readiness/readiness.h): over a pair of sockets, on which
 * four bytes 'h' are the handshake, 'd' and a byte a record with that byte, '.' a record with nothing for the server, 'x' a
 * failure.
 */
#ifndef FAKE_STREAM_H
#define FAKE_STREAM_H

#include "shim/direct/descriptors/descriptors.h"

#include <stddef.h>

struct fake {
	struct tg_stream *stream;
	int fd, peer;
};

/* Functions of the C library that are counted, and streams' own. */
struct fake_counts {
	unsigned modified; /* EPOLL_CTL_MOD */
	unsigned deleted;
	unsigned looked; /* tg_stream_poll */
	unsigned waited; /* epoll_wait */
};

extern struct fake_counts fake_counts;
extern bool fake_is_another_process; /* tg_descriptors_claim says no */

/* Binds what the code under test calls of the C library. */
void fake_start(void);

struct fake fake_new(void);
struct fake fake_new_open(void); /* its handshake is done */
void fake_free(struct fake *fake);

/* The peer's bytes. */
void fake_send(const struct fake *fake, const char *bytes);

/* As the server's own calls. A read takes up to `size` bytes; -1: EAGAIN. */
int fake_read(const struct fake *fake, char *data, int size);
int fake_write(const struct fake *fake, size_t size);

/* The peer takes what was sent. */
void fake_drain(const struct fake *fake);

void fake_set_deadline(const struct fake *fake, int64_t deadline);

/* `fd` is what `fake` is; the number is closed, `behind`: behind the table's back. */
int fake_duplicate(const struct fake *fake, int fd);
void fake_close(int fd);

#endif

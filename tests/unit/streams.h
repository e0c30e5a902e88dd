/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream and a client of it over a real loopback connection. Both ends go on by turns, in one thread, so that a test says
 * what happens when.
 */
#ifndef TG_TESTS_STREAMS_H
#define TG_TESTS_STREAMS_H

#include "governed.h"

#include "shim/direct/stream/stream.h"

#define LISTENER                                                                                                           \
	"[listener api]\nlisten = 127.0.0.1:%u\nserver_speaks = plaintext\nmode = mutual\n"                                \
	"cert = server.pem\nkey = server.key\nca = ca.pem\n"

struct both {
	struct pair sockets;
	struct tg_stream *stream;
	SSL *client; /* NULL: it speaks no TLS */
};

/* version 0: a client without TLS. `buffer`: as pair_open. */
void both_open(struct both *both, enum client_kind kind, int version, int buffer);
void both_close(struct both *both);

/* The handshake to its end, by polls alone. True where the client finished it. */
bool shake_hands(struct both *both);

/* As recv and send on one buffer. */
ssize_t stream_read(struct both *both, void *data, size_t size);
ssize_t stream_peek(struct both *both, void *data, size_t size);
ssize_t stream_write(struct both *both, const void *data, size_t size);

/* The stream's next call, and all later ones, fail so. */
void expect_failure(struct both *both, int error);

/* Waits until the socket of the stream, or the client's, is readable: loopback delivers soon, not at once. */
void await_bytes(int fd);

/* What is not TLS records of ciphertext on the wire: nothing that the server wrote may be seen by a raw client. */
size_t raw_read(struct both *both, void *data, size_t size);

/* Group set-up and tear-down for `ini` (a const char * in *state before the first). */
int streams_set_up(const char *ini);
int streams_tear_down(void **state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client random of a TLS connection, found in the bytes that the server reads from its socket (RFC 8446 sections 4.1.2
 * and 5.1). However the client cuts its records: what came before the ClientHello, lines of a plaintext protocol say, is
 * passed over.
 *
 * Foreign bytes. What is found here is compared with what libssl found, so that a client which makes the two differ is
 * known by neither: nothing is decided by this alone (accepted.h). Pure, no allocation.
 */
#ifndef TG_SHIM_CONNECTIONS_HELLO_H
#define TG_SHIM_CONNECTIONS_HELLO_H

#include <stddef.h>
#include <stdint.h>

#define TG_RANDOM_SIZE 32
#define TG_HELLO_HEAD 38 /* message type, length, version, random */

enum tg_hello_result {
	TG_HELLO_MORE,
	TG_HELLO_COMPLETE, /* the whole message was there; tg_hello_random is set */
	TG_HELLO_NONE,     /* too much went by without one: nothing more is looked at */
};

/* Zeroed: a connection that has sent nothing. */
struct tg_hello {
	unsigned char header[5];
	uint8_t header_size;
	uint16_t record_left; /* of the record whose header is complete */
	uint32_t passed;      /* bytes that belonged to no ClientHello */
	uint32_t message_size;
	uint32_t message_end; /* 0: not known yet */
	unsigned char head[TG_HELLO_HEAD];
};

/* The next bytes, in the order of the stream. After COMPLETE or NONE it is not called again. */
enum tg_hello_result tg_hello_feed(struct tg_hello *hello, const unsigned char *data, size_t size);

/* After COMPLETE. */
static inline const unsigned char *tg_hello_random(const struct tg_hello *hello)
{
	return hello->head + TG_HELLO_HEAD - TG_RANDOM_SIZE;
}

#endif

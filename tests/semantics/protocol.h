/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server's side of a case asks of its client, over a UNIX socket of their own: one step, one answer, in order.
 */
#ifndef TG_TESTS_SEMANTICS_PROTOCOL_H
#define TG_TESTS_SEMANTICS_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

enum step_kind {
	STEP_CONNECT,  /* connects, over TLS with the whole handshake; answers its own port */
	STEP_SEND,     /* `count` pieces of `size` bytes, each a record of its own */
	STEP_RECEIVE,  /* reads `size` bytes, or up to the end */
	STEP_EXCHANGE, /* sends `size` bytes and reads `count` at the same time */
	STEP_PAUSE,    /* `size` milliseconds: for a call that is to be met while it waits */
	STEP_HALF,     /* no more is sent: close_notify and FIN */
	STEP_NOTIFY,   /* the same without FIN, which only TLS knows */
	STEP_CLOSE,    /* reads what is there, then closes */
	STEP_CUT,      /* the same without close_notify */
	STEP_ABORT,    /* a reset */
};

struct step {
	enum step_kind kind;
	uint32_t size;
	uint32_t count;
};

enum ending {
	ENDING_NONE,  /* the connection goes on */
	ENDING_END,   /* the peer said that it sends no more */
	ENDING_ERROR, /* reset, or an end that anybody could have made */
};

struct answer {
	int64_t result; /* bytes; a port; -1 where the step failed */
	uint64_t sum;   /* of the bytes read */
	enum ending ending;
};

/* What both sides send, by its place in the stream: printable, without '%', so that printf(3) can carry it. */
static inline char byte_at(uint64_t place)
{
	return (char)('A' + (place * 7 + place / 53) % 53);
}

static inline void fill(char *buffer, size_t size, uint64_t *place)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = byte_at((*place)++);
}

/* FNV-1a, over several pieces: begins with SUM_BEGIN. */
#define SUM_BEGIN UINT64_C(0xcbf29ce484222325)
static inline uint64_t sum_of(uint64_t sum, const char *buffer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ (unsigned char)buffer[i]) * UINT64_C(0x100000001b3);
	return sum;
}

#endif

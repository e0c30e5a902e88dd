/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/siphash.h"

#include <endian.h>
#include <string.h>

/* Names as in "SipHash: a fast short-input PRF" (Aumasson, Bernstein, 2012). */
struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotated(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t word(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return le64toh(value);
}

static void rounds(struct state *s, int count)
{
	for (int i = 0; i < count; i++) {
		s->v0 += s->v1;
		s->v1 = rotated(s->v1, 13) ^ s->v0;
		s->v0 = rotated(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotated(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotated(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotated(s->v1, 17) ^ s->v2;
		s->v2 = rotated(s->v2, 32);
	}
}

static void compress(struct state *s, uint64_t message)
{
	s->v3 ^= message;
	rounds(s, 2);
	s->v0 ^= message;
}

uint64_t tg_siphash(const unsigned char key[TG_SIPHASH_KEY_SIZE], const unsigned char *data, size_t size)
{
	const uint64_t k0 = word(key), k1 = word(key + 8);
	struct state s = {
	    k0 ^ 0x736f6d6570736575u,
	    k1 ^ 0x646f72616e646f6du,
	    k0 ^ 0x6c7967656e657261u,
	    k1 ^ 0x7465646279746573u,
	};
	unsigned char last[8] = {0};
	size_t done = 0;

	for (; size - done >= 8; done += 8)
		compress(&s, word(data + done));
	memcpy(last, data + done, size - done);
	last[7] = (unsigned char)size;
	compress(&s, word(last));
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client is, by its first bytes: decided by nothing that has not come, and never otherwise by what comes later.
 */
#include "shim/direct/stream/first_bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of just that size, so that a look beyond what came is seen. */
static enum tg_looks look(const uint8_t *data, size_t size)
{
	unsigned char *const bytes = malloc(size > 0 ? size : 1);
	enum tg_looks looks;

	if (!bytes)
		abort();
	if (size > 0)
		memcpy(bytes, data, size);
	looks = tg_first_bytes_look(size > 0 ? bytes : NULL, size);
	free(bytes);
	return looks;
}

/* The head of a ClientHello's record, of whatever version libssl has words for, in the terms of RFC 8446. */
static bool is_hello(const uint8_t *data, size_t size)
{
	static const uint8_t shortest[] = {0, 4}, longest[] = {0x40, 0};

	return size >= TG_FIRST_BYTES && data[0] == 22 && data[1] == 3 && data[2] <= 4 && data[5] == 1 &&
	       memcmp(data + 3, shortest, 2) >= 0 && memcmp(data + 3, longest, 2) <= 0;
}

/* As long as it is open, what follows can make it either. */
static void try_both_ways(const uint8_t *data, size_t seen)
{
	uint8_t head[TG_FIRST_BYTES] = {22, 3, 1, 0, 4, 1};

	if (seen > 0)
		memcpy(head, data, seen);
	if (look(head, sizeof head) != (is_hello(head, sizeof head) ? TG_LOOKS_TLS : TG_LOOKS_PLAIN))
		abort();
	head[TG_FIRST_BYTES - 1] = 2;
	if (look(head, sizeof head) != TG_LOOKS_PLAIN)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum tg_looks decided = TG_LOOKS_MORE;

	/* Every length around the head, a few of what follows. */
	for (size_t seen = 0; seen <= size; seen += seen > 4 * (size_t)TG_FIRST_BYTES ? 61 : 1) {
		const enum tg_looks looks = look(data, seen);

		if (decided != TG_LOOKS_MORE && looks != decided)
			abort();
		if (looks != TG_LOOKS_MORE && (looks == TG_LOOKS_TLS) != is_hello(data, seen))
			abort();
		if (looks == TG_LOOKS_MORE) {
			if (seen >= TG_FIRST_BYTES)
				abort();
			try_both_ways(data, seen);
		}
		decided = looks;
	}
	return 0;
}

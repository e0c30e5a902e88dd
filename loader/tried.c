/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/tried.h"

#include <string.h>

bool tg_tried_has(const struct tg_tried *tried, const unsigned char digest[static TG_DIGEST_SIZE])
{
	for (size_t i = 0; i < tried->count; i++)
		if (memcmp(tried->digests[i], digest, TG_DIGEST_SIZE) == 0)
			return true;
	return false;
}

void tg_tried_add(struct tg_tried *tried, struct tg_arena *arena, const unsigned char digest[static TG_DIGEST_SIZE])
{
	if (!tg_tried_has(tried, digest) &&
	    tg_arena_room(arena, &tried->digests, tried->count, &tried->capacity, TG_DIGEST_SIZE))
		memcpy(tried->digests[tried->count++], digest, TG_DIGEST_SIZE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials that ended well, by a digest over everything that they depend on. The serving identity remembers its own, so that
 * a reload tries what has changed. No trial looks at the clock: dates are judged apart from it, each time.
 */
#ifndef TG_LOADER_TRIED_H
#define TG_LOADER_TRIED_H

#include "ipc/policy.h"
#include "loader/arena.h"

struct tg_tried {
	unsigned char (*digests)[TG_DIGEST_SIZE];
	size_t count;
	size_t capacity;
};

bool tg_tried_has(const struct tg_tried *tried, const unsigned char digest[static TG_DIGEST_SIZE]);
void tg_tried_add(struct tg_tried *tried, struct tg_arena *arena, const unsigned char digest[static TG_DIGEST_SIZE]);

#endif

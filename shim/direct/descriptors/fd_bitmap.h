/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bit for each descriptor number, set where a call that waits for it needs a closer look: it is a stream, or an epoll
 * instance that somebody may register streams with. One load for each number that poll(2) is asked about, one for 64 of
 * them in select(2).
 *
 * The tables themselves say what is so (descriptors.h, epolls.h), each with a lock of its own; the bit follows them. Takes
 * no lock.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_FD_BITMAP_H
#define TG_SHIM_DIRECT_DESCRIPTORS_FD_BITMAP_H

#include "shim/direct/descriptors/descriptors.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TG_FD_BITMAP_NUMBERS (1 << 20) /* as many as both tables have */
#define TG_FD_BITMAP_WORD_BITS ((int)(CHAR_BIT * sizeof(unsigned long)))

extern _Atomic unsigned long tg_fd_bitmap[TG_FD_BITMAP_NUMBERS / (CHAR_BIT * sizeof(unsigned long))];

/* No number is a stream's: then nobody looks into the arrays that the server passes, which may be none. */
static inline bool tg_fd_bitmap_any(void)
{
	return atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) != 0;
}

/* Those of `base`, a multiple of TG_FD_BITMAP_WORD_BITS, and the numbers behind it. */
static inline unsigned long tg_fd_bitmap_from(int base)
{
	return base < 0 || base >= TG_FD_BITMAP_NUMBERS
		   ? 0
		   : atomic_load_explicit(&tg_fd_bitmap[base / TG_FD_BITMAP_WORD_BITS], memory_order_acquire);
}

static inline bool tg_fd_bitmap_has(int fd)
{
	return fd >= 0 && (tg_fd_bitmap_from(fd - fd % TG_FD_BITMAP_WORD_BITS) >> (fd % TG_FD_BITMAP_WORD_BITS) & 1) != 0;
}

/* What one of the tables has of `fd` has changed. */
void tg_fd_bitmap_update(int fd);

#endif

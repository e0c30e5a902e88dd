/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bit for each descriptor number. It is set if a call that waits for the number needs a closer look: the number is a
 * stream, or an epoll instance that streams may be registered with. So poll(2) pays one load for each of its descriptors,
 * and select(2) one for 64 of them.
 *
 * The tables (descriptors.h, epolls.h) have the truth, each with a lock of its own; the bit follows them. Takes no lock.
 */
#ifndef TG_SHIM_DIRECT_DESCRIPTORS_FD_BITMAP_H
#define TG_SHIM_DIRECT_DESCRIPTORS_FD_BITMAP_H

#include "shim/direct/descriptors/descriptors.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TG_FD_BITMAP_NUMBERS (1 << 20) /* at least as many as either table has */
#define TG_FD_BITMAP_WORD_BITS ((int)(CHAR_BIT * sizeof(unsigned long)))

extern _Atomic unsigned long tg_fd_bitmap[TG_FD_BITMAP_NUMBERS / (CHAR_BIT * sizeof(unsigned long))];

/* False: no number needs a closer look. Then the arrays that the server passes, which may be invalid, are not read. */
static inline bool tg_fd_bitmap_any(void)
{
	return atomic_load_explicit(&tg_descriptors_count, memory_order_relaxed) != 0;
}

/* The bits of one word: those of `base`, a multiple of TG_FD_BITMAP_WORD_BITS, and of the numbers after it. */
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

/* To be called after one of the tables has changed at `fd`. */
void tg_fd_bitmap_update(int fd);

#endif

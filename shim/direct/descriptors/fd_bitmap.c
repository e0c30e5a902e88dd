/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/descriptors/fd_bitmap.h"

#include "shim/direct/readiness/epolls.h"

_Static_assert(TG_FD_BITMAP_NUMBERS == TG_DESCRIPTORS_PAGES * TG_DESCRIPTORS_PAGE, "the tables end where the bitmap does");
_Static_assert(TG_FD_BITMAP_NUMBERS == TG_EPOLLS_PAGES * TG_EPOLLS_PAGE, "the tables end where the bitmap does");

_Atomic unsigned long tg_fd_bitmap[TG_FD_BITMAP_NUMBERS / (CHAR_BIT * sizeof(unsigned long))];

static bool is_entered(int fd)
{
	return tg_descriptors_is_one(fd) || tg_epoll_find(fd) != NULL;
}

/*
 * A thread that clears the bit looks at the tables once more afterwards. Another thread that enters something at this
 * moment sets the bit after entering. So the later one of the two leaves the right bit.
 */
void tg_fd_bitmap_update(int fd)
{
	const unsigned long bit = 1UL << (fd % TG_FD_BITMAP_WORD_BITS);
	_Atomic unsigned long *word = &tg_fd_bitmap[fd / TG_FD_BITMAP_WORD_BITS];

	if (!is_entered(fd))
		atomic_fetch_and(word, ~bit);
	if (is_entered(fd))
		atomic_fetch_or(word, bit);
}

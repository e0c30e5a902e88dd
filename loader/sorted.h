/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for one of many: the places of an array's items in order, so that a look-up compares with few of them. Where two
 * lists of 100,000 entries are compared, each with each takes minutes.
 */
#ifndef TG_LOADER_SORTED_H
#define TG_LOADER_SORTED_H

#include <stddef.h>

typedef int tg_compare(const void *a, const void *b);

struct tg_sorted {
	const void **items;
	size_t count;
	tg_compare *compare;
};

/* Items of `size` bytes at `first`, which stay where they are. 0, or -ENOMEM; free with tg_sorted_free. */
int tg_sorted_make(const void *first, size_t count, size_t size, tg_compare *compare, struct tg_sorted *ret);
void tg_sorted_free(struct tg_sorted *sorted);

/* The first of the array's items that are equal to `wanted`; NULL: none. */
const void *tg_sorted_find(const struct tg_sorted *sorted, const void *wanted);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/sorted.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* Among equals the earlier item of the array comes first. */
static int compare_places(const void *a, const void *b, void *context)
{
	const struct tg_sorted *sorted = context;
	const void *one = *(const void *const *)a, *other = *(const void *const *)b;
	const int order = sorted->compare(one, other);

	if (order != 0)
		return order;
	return (uintptr_t)one < (uintptr_t)other ? -1 : (uintptr_t)one > (uintptr_t)other;
}

int tg_sorted_make(const void *first, size_t count, size_t size, tg_compare *compare, struct tg_sorted *ret)
{
	struct tg_sorted sorted = {.count = count, .compare = compare};

	sorted.items = calloc(count + 1, sizeof(*sorted.items));
	if (!sorted.items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted.items[i] = (const char *)first + i * size;
	qsort_r(sorted.items, count, sizeof(*sorted.items), compare_places, &sorted);
	*ret = sorted;
	return 0;
}

void tg_sorted_free(struct tg_sorted *sorted)
{
	free(sorted->items);
	*sorted = (struct tg_sorted){0};
}

const void *tg_sorted_find(const struct tg_sorted *sorted, const void *wanted)
{
	size_t low = 0, high = sorted->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (sorted->compare(sorted->items[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sorted->count && sorted->compare(sorted->items[low], wanted) == 0 ? sorted->items[low] : NULL;
}

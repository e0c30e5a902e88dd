/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/sorted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT 100000

static size_t compared;

static int compare(const void *a, const void *b)
{
	const int one = *(const int *)a, other = *(const int *)b;

	compared++;
	return one < other ? -1 : one > other;
}

static void each_is_found_and_no_other(void **state)
{
	static int items[COUNT];
	struct tg_sorted sorted;
	int wanted;

	(void)state;
	/* each number twice, in no order: 7919 is a prime */
	for (int i = 0; i < COUNT; i++)
		items[i] = i * 7919 % (COUNT / 2) * 2;
	assert_int_equal(tg_sorted_make(items, COUNT, sizeof(items[0]), compare, &sorted), 0);
	for (int i = 0; i < COUNT / 2; i++)
		assert_ptr_equal(tg_sorted_find(&sorted, &items[i]), &items[i]); /* the first of two */
	for (int i = COUNT / 2; i < COUNT; i++)
		assert_ptr_equal(tg_sorted_find(&sorted, &items[i]), &items[i - COUNT / 2]);
	for (int i = -1; i < COUNT + 2; i += 2) {
		wanted = i;
		assert_null(tg_sorted_find(&sorted, &wanted));
	}
	/* not each with each */
	assert_true(compared < COUNT * 100ul);
	tg_sorted_free(&sorted);
}

static void none(void **state)
{
	struct tg_sorted sorted;
	const int wanted = 0;

	(void)state;
	assert_int_equal(tg_sorted_make(NULL, 0, sizeof(int), compare, &sorted), 0);
	assert_null(tg_sorted_find(&sorted, &wanted));
	tg_sorted_free(&sorted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_found_and_no_other),
	    cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL "         0          0 4294967295\n"

static void where_all_ids_are_mapped_nobody_is_nobody(void **state)
{
	(void)state;
	assert_int_equal(tg_user_overflow(ALL, "65534\n"), -1);
	assert_int_equal(tg_user_overflow(ALL, ""), -1);
}

static void elsewhere_the_overflow_id_is_anybody(void **state)
{
	static const char *const maps[] = {
	    "         0       1000          1\n",
	    "         0          0      65536\n", /* also where it is mapped itself */
	    "         0     100000 4294967295\n",
	    "         0          0       1000\n     65534      65534          1\n",
	    "0 0 4294967294\n",
	    "", /* not mapped yet, or no /proc */
	    "no map\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		assert_int_equal(tg_user_overflow(maps[i], "65534\n"), 65534);
		assert_int_equal(tg_user_overflow(maps[i], "65000\n"), 65000);
		assert_int_equal(tg_user_overflow(maps[i], "0\n"), 0);
		assert_int_equal(tg_user_overflow(maps[i], ""), 65534);
		assert_int_equal(tg_user_overflow(maps[i], "many\n"), 65534);
	}
}

static void who_is_trusted(void **state)
{
	(void)state;
	assert_true(tg_user_trusted(0));
	assert_true(tg_user_trusted(geteuid()));
	assert_false(tg_user_trusted(geteuid() + 1));
	assert_true(tg_user_same(7, 7));
	assert_false(tg_user_same(7, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(where_all_ids_are_mapped_nobody_is_nobody),
	    cmocka_unit_test(elsewhere_the_overflow_id_is_anybody),
	    cmocka_unit_test(who_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/worker_handoff.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct tg_worker_handoff *handoff;

static int begin(void **state)
{
	(void)state;
	handoff = tg_handoff_new();
	return handoff == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return munmap(handoff, sizeof(*handoff));
}

static void test_settings_come_back(void **state)
{
	char one[] = "/usr/sbin/one", two[] = "two", user[] = "redis", log[] = "/var/log/x";
	char *exes[] = {one, two};
	char *users[] = {user};
	const struct tg_settings settings = {.log_target = TG_LOG_FILE,
					     .log_file = log,
					     .log_level = TG_LOG_DEBUG,
					     .reload_signal = 10,
					     .watch = true,
					     .warn_days = 3,
					     .exes = exes,
					     .exe_count = 2,
					     .users = users,
					     .user_count = 1,
					     .children_keep = true};
	struct tg_settings back;

	(void)state;
	assert_int_equal(tg_handoff_store_start(handoff, &settings), 0);
	assert_int_equal(tg_handoff_store_effective(handoff, &settings), 0);
	assert_int_equal(tg_handoff_start_settings(handoff, &back), 0);
	assert_int_equal(back.exe_count, 2);
	assert_string_equal(back.exes[0], one);
	assert_string_equal(back.exes[1], two);
	assert_int_equal(back.user_count, 1);
	assert_string_equal(back.users[0], user);
	assert_int_equal(back.reload_signal, 10);
	assert_true(back.children_keep);
	assert_true(handoff->watch);
	assert_int_equal(handoff->warn_days, 3);
	assert_string_equal(handoff->log_file, log);
	tg_handoff_settings_free(&back);
}

static void test_empty_lists(void **state)
{
	const struct tg_settings settings = {.log_target = TG_LOG_SYSLOG};
	struct tg_settings back;

	(void)state;
	assert_int_equal(tg_handoff_store_start(handoff, &settings), 0);
	assert_int_equal(tg_handoff_start_settings(handoff, &back), 0);
	assert_int_equal(back.exe_count, 0);
	assert_int_equal(back.user_count, 0);
	tg_handoff_settings_free(&back);
}

static void test_what_does_not_fit(void **state)
{
	static char long_name[sizeof(handoff->exes)];
	char *exes[] = {long_name};
	const struct tg_settings many = {.exes = exes, .exe_count = 1};
	const struct tg_settings log = {.log_target = TG_LOG_FILE, .log_file = long_name};

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	assert_int_equal(tg_handoff_store_start(handoff, &many), -E2BIG);
	assert_int_equal(tg_handoff_store_effective(handoff, &log), -E2BIG);
	/* one byte less and its two ends fit exactly */
	long_name[sizeof(long_name) - 2] = '\0';
	assert_int_equal(tg_handoff_store_start(handoff, &many), 0);
}

static void test_a_successor_sees_it(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		handoff->requests_answered = 7;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(handoff->requests_answered, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_settings_come_back, begin, end),
	    cmocka_unit_test_setup_teardown(test_empty_lists, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_does_not_fit, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_successor_sees_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each way to break the order ends the process; what is right does not. */
#include "shim/binding/lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct tg_lock descriptors = TG_LOCK_INITIALIZER(DESCRIPTORS), stream = TG_LOCK_INITIALIZER(STREAM),
		      other = TG_LOCK_INITIALIZER(STREAM);

static bool ends(void (*steps)(void))
{
	int status = 0;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		/* These are not for the run's list of reports. */
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		steps();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void in_order(void)
{
	tg_lock_take(&descriptors);
	tg_lock_take(&stream);
	tg_lock_take_next(&other);
	tg_lock_release(&other);
	tg_lock_release(&descriptors);
	tg_lock_check_call();
	if (!tg_lock_try(&descriptors))
		_exit(1);
	tg_lock_release(&descriptors);
	tg_lock_release(&stream);
	tg_lock_check_wait();
}

static void lower(void)
{
	tg_lock_take(&stream);
	tg_lock_take(&descriptors);
}

static void equal(void)
{
	tg_lock_take(&stream);
	tg_lock_take(&other);
}

static void lower_than_tried(void)
{
	(void)tg_lock_try(&stream);
	tg_lock_take(&descriptors);
}

static void calls(void)
{
	tg_lock_take(&descriptors);
	tg_lock_check_call();
}

static void waits(void)
{
	tg_lock_take(&stream);
	tg_lock_check_wait();
}

static void not_held(void)
{
	tg_lock_release(&stream);
}

static void incomplete_fork(void)
{
	tg_lock_take(&descriptors);
	tg_lock_check_all();
}

static void test_order(void **state)
{
	(void)state;

	assert_false(ends(in_order));
	assert_true(ends(lower));
	assert_true(ends(equal));
	assert_true(ends(lower_than_tried));
	assert_true(ends(calls));
	assert_true(ends(waits));
	assert_true(ends(not_held));
	assert_true(ends(incomplete_fork));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

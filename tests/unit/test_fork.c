/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/fork.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static volatile sig_atomic_t handled, handled_inside;

static void handle(int number)
{
	(void)number;
	handled = 1;
}

/* Known to the C library before ours, so it runs behind it: with all locks held. */
static void inside(void)
{
	raise(SIGUSR1);
	handled_inside = handled;
}

static int child_status(pid_t child)
{
	int status = -1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_no_handler_meets_what_a_fork_holds(void **state)
{
	const struct sigaction action = {.sa_handler = handle};
	sigset_t before, mask;
	(void)state;

	tg_libc_bind();
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	assert_int_equal(pthread_atfork(inside, NULL, NULL), 0);
	tg_fork_start();
	tg_descriptors_want();
	pid_t child = fork();
	if (child == 0) {
		/* what was pending is the parent's alone, and the mask is as it was */
		pthread_sigmask(SIG_SETMASK, NULL, &mask);
		_exit(sigismember(&mask, SIGUSR1) != 0 || handled != 0);
	}
	assert_int_equal(child_status(child), 0);
	assert_false(handled_inside);
	assert_true(handled);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	for (int number = 1; number < NSIG; number++)
		assert_int_equal(sigismember(&mask, number), sigismember(&before, number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_handler_meets_what_a_fork_holds)};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}

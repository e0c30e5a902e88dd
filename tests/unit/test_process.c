/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/layout.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __has_feature
#define TG_HAS_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define TG_HAS_TSAN 1
#else
#define TG_HAS_TSAN 0
#endif

/* ThreadSanitizer turns vfork into fork. */
static void skip_without_vfork(void)
{
	if (TG_HAS_TSAN)
		skip();
}

static int set_up(void **state)
{
	(void)state;
	tg_shim.report = mmap(NULL, sizeof(*tg_shim.report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tg_shim.report == MAP_FAILED)
		return -1;
	tg_process_start();
	return 0;
}

static uint64_t reported_by(uint32_t pid)
{
	for (size_t i = 0; i < TG_PROCESS_SLOTS; i++)
		if (tg_shim.report->processes[i].pid == pid)
			return tg_shim.report->processes[i].generation;
	return UINT64_MAX;
}

static void wait_for(pid_t child)
{
	int status = -1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* What a child of any kind must find. */
static int look_as_child(uint32_t parent)
{
	uint32_t me = (uint32_t)getpid();

	if (!tg_process_is_new())
		return 1;
	if (tg_process_id() != me || tg_process_id() != me || me == parent)
		return 2;
	tg_process_report(9);
	return tg_process_is_new() || reported_by(me) != 9 ? 3 : 0;
}

static void a_report_is_written_once(void **state)
{
	uint32_t me = (uint32_t)getpid();

	(void)state;
	assert_int_equal(tg_process_id(), me);
	assert_true(tg_process_is_new());
	tg_process_report(0);
	assert_false(tg_process_is_new());
	assert_int_equal(reported_by(me), 0);
	tg_process_report(3);
	assert_int_equal(reported_by(me), 3);
	/* the same generation again leaves the slot alone, another does not */
	for (size_t i = 0; i < TG_PROCESS_SLOTS; i++)
		if (tg_shim.report->processes[i].pid == me)
			tg_shim.report->processes[i].generation = 99;
	tg_process_report(3);
	assert_int_equal(reported_by(me), 99);
	tg_process_report(4);
	assert_int_equal(reported_by(me), 4);
}

static void a_forked_child_is_itself(void **state)
{
	uint32_t me = tg_process_id();
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(look_as_child(me));
	wait_for(child);
	assert_int_equal(tg_process_id(), me);
	assert_int_equal(reported_by((uint32_t)child), 9);
}

static void a_raw_clone_is_itself(void **state)
{
	uint32_t me = tg_process_id();
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)state;
	if (child == 0)
		_exit(look_as_child(me));
	wait_for(child);
	assert_int_equal(tg_process_id(), me);
}

static void a_vforked_child_is_told_from_its_parent(void **state)
{
	volatile int seen = -1;
	pid_t child;

	(void)state;
	skip_without_vfork();
	assert_false(tg_process_is_vforked());
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
	child = vfork();
	if (child == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): what is tested */
		seen = tg_process_is_vforked();
		_exit(0);
	}
	wait_for(child);
	assert_int_equal(seen, 1);
	assert_false(tg_process_is_vforked());
	assert_int_equal(tg_process_id(), (uint32_t)getpid());
}

/* Also in a fork's child that asked for nothing yet. */
static void a_forked_child_may_vfork(void **state)
{
	volatile int seen = -1;
	pid_t child;

	(void)state;
	skip_without_vfork();
	child = fork();
	if (child == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
		pid_t grandchild = vfork();

		if (grandchild == 0) {
			/* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): what is tested */
			seen = tg_process_is_vforked();
			_exit(0);
		}
		waitpid(grandchild, NULL, 0);
		_exit(seen != 1 || tg_process_is_vforked() || tg_process_id() != (uint32_t)getpid());
	}
	wait_for(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_report_is_written_once), cmocka_unit_test(a_forked_child_is_itself),
	    cmocka_unit_test(a_raw_clone_is_itself),    cmocka_unit_test(a_vforked_child_is_told_from_its_parent),
	    cmocka_unit_test(a_forked_child_may_vfork),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

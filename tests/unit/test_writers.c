/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/tlsgraft-writers-XXXXXX";

static int start(void **state)
{
	const int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || write(fd, "text\n", 5) != 5)
		return -1;
	return close(fd);
}

static int stop(void **state)
{
	(void)state;
	return unlink(path);
}

static int opened(int flags)
{
	const int fd = open(path, flags | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static enum tg_writers look(void)
{
	const int fd = opened(O_RDONLY);
	const enum tg_writers writers = tg_writers_hold(fd);

	close(fd);
	return writers;
}

static void who_has_it_open(void **state)
{
	const int kinds[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND};
	const int reader = opened(O_RDONLY);

	(void)state;
	assert_int_equal(look(), TG_WRITERS_NONE);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const int writer = opened(kinds[i]);
		const int copy = dup(writer);

		assert_int_equal(look(), TG_WRITERS_SOME);
		close(writer);
		assert_int_equal(look(), TG_WRITERS_SOME);
		close(copy);
		assert_int_equal(look(), TG_WRITERS_NONE);
	}
	close(reader);
}

static void a_mapping_writes_too(void **state)
{
	const int fd = opened(O_RDWR);
	void *mapped = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)state;
	assert_ptr_not_equal(mapped, MAP_FAILED);
	close(fd);
	assert_int_equal(look(), TG_WRITERS_SOME);
	munmap(mapped, 5);
	assert_int_equal(look(), TG_WRITERS_NONE);
}

/* What a process does with the file shows in its exit status. */
static int in_a_child(int (*work)(int), int fd)
{
	const pid_t child = fork();
	int status = -1;

	assert_true(child >= 0);
	if (child == 0)
		_exit(work(fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_at_once(int fd)
{
	(void)fd;
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 ? errno : 0;
}

/* Nobody begins to write while it is read, nobody dies of trying, and who does is let in afterwards. */
static void writers_wait(void **state)
{
	const int fd = opened(O_RDONLY);

	(void)state;
	errno = ENOTTY;
	assert_int_equal(tg_writers_hold(fd), TG_WRITERS_NONE);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(in_a_child(open_at_once, -1), EWOULDBLOCK);
	close(fd);
	assert_int_equal(in_a_child(open_at_once, -1), 0);
}

static int hold_as_another_user(int fd)
{
	return setgid(4322) != 0 || setuid(4321) != 0 ? -1 : (int)tg_writers_hold(fd);
}

static void of_another_user(void **state)
{
	const int fd = opened(O_RDONLY);

	(void)state;
	/* the lease belongs to the file's owner; an unprivileged test cannot be another one */
	if (geteuid() == 0)
		assert_int_equal(in_a_child(hold_as_another_user, fd), TG_WRITERS_UNKNOWN);
	close(fd);
}

static void other_file_systems(void **state)
{
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(tg_writers_hold(fd), TG_WRITERS_UNKNOWN);
	close(fd);
}

static struct stat changed(int64_t ms_ago)
{
	struct timespec now;
	int64_t ns;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - ms_ago * 1000000;
	return (struct stat){.st_mtim = {ns / 1000000000, ns % 1000000000}};
}

static void what_may_be_half_written(void **state)
{
	const struct stat just_now = changed(0), before = changed(TG_WRITERS_SETTLED_MS), to_come = changed(-60000);

	(void)state;
	assert_non_null(tg_writers_fault(TG_WRITERS_SOME, &before, true));
	assert_non_null(tg_writers_fault(TG_WRITERS_SOME, &before, false));
	assert_null(tg_writers_fault(TG_WRITERS_NONE, &just_now, true));
	assert_non_null(tg_writers_fault(TG_WRITERS_UNKNOWN, &just_now, true));
	assert_null(tg_writers_fault(TG_WRITERS_UNKNOWN, &just_now, false));
	assert_null(tg_writers_fault(TG_WRITERS_UNKNOWN, &before, true));
	assert_null(tg_writers_fault(TG_WRITERS_UNKNOWN, &to_come, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_has_it_open),    cmocka_unit_test(a_mapping_writes_too),
	    cmocka_unit_test(writers_wait),       cmocka_unit_test(of_another_user),
	    cmocka_unit_test(other_file_systems), cmocka_unit_test(what_may_be_half_written),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

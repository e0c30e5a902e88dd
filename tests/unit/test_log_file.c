/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define EVE 4321

/* home, root's, holds: target, a file; ours, a folder of root's; eve, a folder of another user's. */
static char home[] = "/tmp/tlsgraft-test-log-file-XXXXXX";
static const char *reason;

static const char *in(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
	return path;
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(home) == NULL || chmod(home, 0755) < 0 ? -1 : 0;
}

static int fresh(void **state)
{
	const int fd = open(in("target"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	return fd < 0 || mkdir(in("ours"), 0755) < 0 || mkdir(in("eve"), 0755) < 0 || chown(in("eve"), EVE, EVE) < 0 ? -1
														     : 0;
}

static int clean(void **state)
{
	static const char *const names[] = {"eve/log",   "eve/sub/log", "eve/sub", "ours/log", "ours/log2",
					    "ours/deep", "target",      "eve",     "ours"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlink(in(names[i])) < 0)
			rmdir(in(names[i]));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	return rmdir(home);
}

/* Only root can make what belongs to somebody else. */
static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void opens(const char *path)
{
	const int fd = tg_log_file_open(path, &reason);

	if (fd < 0)
		fail_msg("%s: %s", path, reason);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void refused(const char *path, const char *why)
{
	const int fd = tg_log_file_open(path, &reason);

	if (fd >= 0)
		fail_msg("%s was opened", path);
	if (strstr(reason, why) == NULL)
		fail_msg("%s: %s", path, reason);
}

static off_t size_of(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 ? -1 : status.st_size;
}

static void folders_and_links_of_root(void **state)
{
	struct stat status;

	(void)state;
	need_root();
	opens(in("ours/log"));
	opens(in("ours//./log"));
	opens(in("ours/../ours/log"));
	assert_int_equal(size_of(in("ours/log")), 3);
	assert_int_equal(stat(in("ours/log"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(symlink("../target", in("ours/log2")), 0);
	opens(in("ours/log2"));
	assert_int_equal(size_of(in("target")), 1);
	assert_int_equal(symlink(home, in("ours/deep")), 0);
	opens(in("ours/deep/ours/log"));
	assert_int_equal(size_of(in("ours/log")), 4);
	refused(in("ours"), "directory");
	refused(in("nowhere/log"), "No such file");
	refused(in("target/log"), "Not a directory");
}

static void links_in_a_circle(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(symlink("log", in("ours/log")), 0);
	refused(in("ours/log"), "Too many levels");
	assert_int_equal(symlink("deep/deep", in("ours/deep")), 0);
	refused(in("ours/deep/log"), "Too many levels");
}

static void a_folder_of_another_user(void **state)
{
	(void)state;
	need_root();
	opens(in("eve/log"));
	opens(in("eve/log"));
	assert_int_equal(size_of(in("eve/log")), 2);
}

static void links_of_another_user(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(symlink("../target", in("eve/log")), 0);
	refused(in("eve/log"), "symbolic link");
	assert_int_equal(symlink("../ours", in("eve/sub")), 0);
	refused(in("eve/sub/log"), "symbolic link");
	assert_int_equal(size_of(in("target")), 0);
	assert_int_equal(size_of(in("ours/log")), -1);
	/* in a folder of root's, made by somebody else while everybody could */
	assert_int_equal(symlink("../target", in("ours/log")), 0);
	assert_int_equal(lchown(in("ours/log"), EVE, EVE), 0);
	refused(in("ours/log"), "symbolic link");
}

static void other_names_of_a_file(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(link(in("target"), in("eve/log")), 0);
	refused(in("eve/log"), "more than one name");
	assert_int_equal(size_of(in("target")), 0);
}

static void a_file_of_another_user(void **state)
{
	(void)state;
	need_root();
	opens(in("eve/log"));
	assert_int_equal(chown(in("eve/log"), EVE, EVE), 0);
	refused(in("eve/log"), "belongs to another user");
	/* as logrotate makes it, in a folder where nobody else could */
	opens(in("ours/log"));
	assert_int_equal(chown(in("ours/log"), EVE, EVE), 0);
	opens(in("ours/log"));
	/* where everybody could */
	assert_int_equal(chmod(in("ours"), 01777), 0);
	refused(in("ours/log"), "belongs to another user");
	assert_int_equal(chown(in("ours/log"), 0, 0), 0);
	opens(in("ours/log"));
}

static void what_is_no_file(void **state)
{
	int reader;

	(void)state;
	need_root();
	assert_int_equal(mkfifo(in("eve/log"), 0600), 0);
	refused(in("eve/log"), "No such device");
	reader = open(in("eve/log"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	refused(in("eve/log"), "not a regular file");
	close(reader);
	opens("/dev/null");
}

static void a_folder_below_one_of_another_user(void **state)
{
	(void)state;
	need_root();
	/* root's own, but its name is another's to give away */
	assert_int_equal(mkdir(in("eve/sub"), 0755), 0);
	assert_int_equal(link(in("target"), in("eve/sub/log")), 0);
	refused(in("eve/sub/log"), "more than one name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(folders_and_links_of_root, fresh, clean),
	    cmocka_unit_test_setup_teardown(links_in_a_circle, fresh, clean),
	    cmocka_unit_test_setup_teardown(a_folder_of_another_user, fresh, clean),
	    cmocka_unit_test_setup_teardown(links_of_another_user, fresh, clean),
	    cmocka_unit_test_setup_teardown(other_names_of_a_file, fresh, clean),
	    cmocka_unit_test_setup_teardown(a_file_of_another_user, fresh, clean),
	    cmocka_unit_test_setup_teardown(what_is_no_file, fresh, clean),
	    cmocka_unit_test_setup_teardown(a_folder_below_one_of_another_user, fresh, clean),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

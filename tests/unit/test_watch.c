/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/watch.h"
#include "keeper/worker_handoff.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
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

static char folder[] = "/tmp/tlsgraft-test-watch-XXXXXX";
static struct tg_watch watch;

static const char *in_folder(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *stream = fopen(in_folder(name), "w");

	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
}

/* The list of one file, as worker_handoff.h keeps it. */
static const char *files(const char *name)
{
	static char list[PATH_MAX + 1];

	memset(list, 0, sizeof(list));
	snprintf(list, sizeof(list) - 1, "%s", in_folder(name));
	return list;
}

static bool seen(void)
{
	struct pollfd ready = {.fd = watch.fd, .events = POLLIN};

	return poll(&ready, 1, 0) == 1 && tg_watch_read(&watch);
}

static int begin(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	tg_watch_init(&watch);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	tg_watch_disarm(&watch);
	return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void arm(const char *name, bool broad)
{
	assert_true(tg_watch_arm(&watch, files(name), broad) >= 0);
	assert_false(seen());
}

static void test_written(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", false);
	put("file", "two");
	assert_true(seen());
	assert_false(seen());
	assert_int_equal(chmod(in_folder("file"), 0600), 0);
	assert_true(seen());
}

static void test_replaced_and_removed(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", false);
	put("new", "two");
	assert_false(seen());
	assert_int_equal(rename(in_folder("new"), in_folder("file")), 0);
	assert_true(seen());
	assert_int_equal(unlink(in_folder("file")), 0);
	assert_true(seen());
}

static void test_others_do_not_count(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", false);
	put("other", "one");
	put("file2", "one");
	assert_int_equal(mkdir(in_folder("fil"), 0700), 0);
	assert_false(seen());
}

static void test_reading_is_no_change(void **state)
{
	char text[8];
	FILE *stream;

	(void)state;
	put("file", "one");
	arm("file", false);
	stream = fopen(in_folder("file"), "r");
	assert_non_null(stream);
	assert_int_equal(fread(text, 1, sizeof(text), stream), 3);
	fclose(stream);
	assert_false(seen());
}

static void test_broad(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", true);
	put("other", "one");
	assert_true(seen());
}

static void test_file_that_does_not_exist_yet(void **state)
{
	(void)state;
	arm("file", false);
	put("file", "one");
	assert_true(seen());
	arm("a/b/file", false);
	assert_int_equal(mkdir(in_folder("a"), 0700), 0);
	assert_true(seen());
	arm("a/b/file", false);
	assert_int_equal(mkdir(in_folder("a/b"), 0700), 0);
	assert_true(seen());
	arm("a/b/file", false);
	put("a/b/file", "one");
	assert_true(seen());
}

static void test_swapped_link(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("..1"), 0700), 0);
	assert_int_equal(mkdir(in_folder("..2"), 0700), 0);
	put("..1/file", "one");
	put("..2/file", "two");
	assert_int_equal(symlink("..1", in_folder("..data")), 0);
	assert_int_equal(symlink("..data/file", in_folder("file")), 0);
	arm("file", false);
	assert_int_equal(symlink("..2", in_folder("..tmp")), 0);
	assert_false(seen());
	assert_int_equal(rename(in_folder("..tmp"), in_folder("..data")), 0);
	assert_true(seen());
	/* and again where the links lead now */
	arm("file", false);
	put("..1/file", "three");
	assert_false(seen());
	put("..2/file", "four");
	assert_true(seen());
}

static void test_absolute_link_and_dots(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("a"), 0700), 0);
	assert_int_equal(mkdir(in_folder("b"), 0700), 0);
	put("b/file", "one");
	assert_int_equal(symlink(in_folder("a/../b/./file"), in_folder("a/link")), 0);
	arm("a/link", false);
	put("b/file", "two");
	assert_true(seen());
	assert_int_equal(unlink(in_folder("a/link")), 0);
	assert_true(seen());
}

static void test_links_in_a_circle(void **state)
{
	(void)state;
	assert_int_equal(symlink("two", in_folder("one")), 0);
	assert_int_equal(symlink("one", in_folder("two")), 0);
	arm("one", false);
	assert_int_equal(unlink(in_folder("two")), 0);
	assert_true(seen());
}

static void test_folder_replaced(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("a"), 0700), 0);
	put("a/file", "one");
	arm("a/file", false);
	assert_int_equal(rename(in_folder("a"), in_folder("old")), 0);
	assert_true(seen());
	arm("a/file", false);
	assert_int_equal(rename(in_folder("old"), in_folder("a")), 0);
	assert_true(seen());
}

static void test_changes_before_arming_again(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", false);
	put("file", "two");
	assert_int_equal(tg_watch_arm(&watch, files("file"), false), 1);
	assert_int_equal(tg_watch_arm(&watch, files("file"), false), 0);
}

static void test_disarmed(void **state)
{
	(void)state;
	put("file", "one");
	arm("file", false);
	tg_watch_disarm(&watch);
	assert_int_equal(watch.fd, -1);
	assert_false(tg_watch_read(&watch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_written, begin, end),
	    cmocka_unit_test_setup_teardown(test_replaced_and_removed, begin, end),
	    cmocka_unit_test_setup_teardown(test_others_do_not_count, begin, end),
	    cmocka_unit_test_setup_teardown(test_reading_is_no_change, begin, end),
	    cmocka_unit_test_setup_teardown(test_broad, begin, end),
	    cmocka_unit_test_setup_teardown(test_file_that_does_not_exist_yet, begin, end),
	    cmocka_unit_test_setup_teardown(test_swapped_link, begin, end),
	    cmocka_unit_test_setup_teardown(test_absolute_link_and_dots, begin, end),
	    cmocka_unit_test_setup_teardown(test_links_in_a_circle, begin, end),
	    cmocka_unit_test_setup_teardown(test_folder_replaced, begin, end),
	    cmocka_unit_test_setup_teardown(test_changes_before_arming_again, begin, end),
	    cmocka_unit_test_setup_teardown(test_disarmed, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

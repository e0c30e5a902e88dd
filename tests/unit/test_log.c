/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tlsgraft-test-log-XXXXXX";
static char file[64];
static char rotated[64];
static const char *reason;

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/log", folder);
	snprintf(rotated, sizeof(rotated), "%s/log.1", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(file);
	unlink(rotated);
	return rmdir(folder);
}

static int remove_files(void **state)
{
	(void)state;
	unlink(file);
	unlink(rotated);
	return 0;
}

static const char *content(const char *path)
{
	static char text[PIPE_BUF * 2];
	FILE *stream = fopen(path, "r");
	size_t size = 0;

	if (stream != NULL) {
		size = fread(text, 1, sizeof(text) - 1, stream);
		fclose(stream);
	}
	text[size] = '\0';
	return text;
}

static void test_line(void **state)
{
	struct stat status;

	(void)state;
	umask(077);
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 42, &reason), 0);
	tg_log(TG_LOG_WARN, "%s and %d", "this", 7);
	assert_string_equal(content(file), "tlsgraft[42]: warn: this and 7\n");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_false(tg_log_is_stderr());
}

static void test_level(void **state)
{
	(void)state;
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_WARN, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "no");
	tg_log(TG_LOG_DEBUG, "no");
	assert_string_equal(content(file), "");
	tg_log(TG_LOG_WARN, "yes");
	tg_log(TG_LOG_ERROR, "yes");
	assert_string_equal(content(file), "tlsgraft[1]: warn: yes\ntlsgraft[1]: error: yes\n");
}

static void test_one_line_whatever_it_says(void **state)
{
	(void)state;
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "a\nb\x1b[0m\xff");
	assert_string_equal(content(file), "tlsgraft[1]: info: a\\x0ab\\x1b[0m\\xff\n");
}

static void test_long_line(void **state)
{
	static char text[PIPE_BUF * 2];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "%s", text);
	/* one write of at most PIPE_BUF bytes, with its newline */
	assert_in_range(strlen(content(file)), PIPE_BUF - 2, PIPE_BUF);
	assert_int_equal(content(file)[strlen(content(file)) - 1], '\n');
}

static void test_rotation(void **state)
{
	(void)state;
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "one");
	assert_int_equal(rename(file, rotated), 0);
	tg_log(TG_LOG_INFO, "two");
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "three");
	assert_string_equal(content(rotated), "tlsgraft[1]: info: one\ntlsgraft[1]: info: two\n");
	assert_string_equal(content(file), "tlsgraft[1]: info: three\n");
	/* appended to, not begun anew */
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "four");
	assert_string_equal(content(file), "tlsgraft[1]: info: three\ntlsgraft[1]: info: four\n");
}

static void test_file_that_cannot_be_opened(void **state)
{
	(void)state;
	assert_true(tg_log_open(TG_LOG_FILE, "/nonexistent/folder/log", TG_LOG_INFO, 1, &reason) < 0);
	assert_false(tg_log_is_stderr());
	tg_log(TG_LOG_INFO, "goes to syslog, which may be missing");
	/* a FIFO without a reader would block an open that waits for one */
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_true(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason) < 0);
}

static void test_stderr_that_nobody_reads(void **state)
{
	const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	char filler[PIPE_BUF];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	memset(filler, 'x', sizeof(filler));
	while (write(ends[1], filler, sizeof(filler)) > 0)
		continue;
	/* blocking, as a server's stderr is: a line that does not fit is lost, the keeper goes on */
	assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
	assert_int_equal(tg_log_open(TG_LOG_STDERR, NULL, TG_LOG_INFO, 1, &reason), 0);
	alarm(10);
	tg_log(TG_LOG_INFO, "lost");
	alarm(0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

/* As on a full disk: part of a line, then nothing. */
static void test_lines_that_do_not_fit(void **state)
{
	struct rlimit before, small;

	(void)state;
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "one");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = strlen(content(file)) + 10;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	tg_log(TG_LOG_INFO, "lost");
	tg_log(TG_LOG_INFO, "lost too");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	tg_log(TG_LOG_INFO, "two");
	tg_log(TG_LOG_INFO, "three");
	assert_string_equal(content(file), "tlsgraft[1]: info: one\ntlsgraft[1\n"
					   "tlsgraft[1]: warn: 2 lines of this log were lost: it could not be written\n"
					   "tlsgraft[1]: info: two\ntlsgraft[1]: info: three\n");
}

static void test_stderr_gone(void **state)
{
	(void)state;
	assert_int_equal(tg_log_open(TG_LOG_STDERR, NULL, TG_LOG_ERROR, 1, &reason), 0);
	assert_true(tg_log_is_stderr());
	tg_log_stderr_gone();
	assert_false(tg_log_is_stderr());
	/* and stays gone, whatever a reload says */
	assert_int_equal(tg_log_open(TG_LOG_STDERR, NULL, TG_LOG_ERROR, 1, &reason), 0);
	assert_false(tg_log_is_stderr());
	assert_int_equal(tg_log_open(TG_LOG_FILE, file, TG_LOG_INFO, 1, &reason), 0);
	tg_log(TG_LOG_INFO, "still");
	assert_string_equal(content(file), "tlsgraft[1]: info: still\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_line, remove_files),
	    cmocka_unit_test_teardown(test_level, remove_files),
	    cmocka_unit_test_teardown(test_one_line_whatever_it_says, remove_files),
	    cmocka_unit_test_teardown(test_long_line, remove_files),
	    cmocka_unit_test_teardown(test_rotation, remove_files),
	    cmocka_unit_test_teardown(test_file_that_cannot_be_opened, remove_files),
	    cmocka_unit_test_teardown(test_stderr_that_nobody_reads, remove_files),
	    cmocka_unit_test_teardown(test_lines_that_do_not_fit, remove_files),
	    cmocka_unit_test_teardown(test_stderr_gone, remove_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

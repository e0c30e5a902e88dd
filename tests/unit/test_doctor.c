/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/closure.h"
#include "cli/elf_file.h"
#include "cli/graft.h"

#include <errno.h>
#include <limits.h>
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

static char path[] = "/tmp/tlsgraft-test-doctor-XXXXXX";

static int begin(void **state)
{
	int fd;

	(void)state;
	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
	(void)state;
	return unlink(path);
}

static void put(const void *bytes, size_t size)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(bytes, 1, size, stream), size);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

/* A new judgement in the place of the one before. */
static void judge(const char *of, struct tg_graft *graft)
{
	tg_graft_clear(graft);
	assert_int_equal(tg_graft_judge(of, false, graft), 0);
}

static void test_this_program(void **state)
{
	struct tg_elf elf;

	(void)state;
	assert_int_equal(tg_elf_open("/proc/self/exe", &elf), 0);
	assert_true(elf.executable);
	assert_false(elf.go);
	assert_true(elf.interp[0] == '/');
	assert_true(tg_elf_imports(&elf, "_cmocka_run_group_tests"));
	assert_false(tg_elf_defines(&elf, "_cmocka_run_group_tests"));
	assert_false(tg_elf_imports(&elf, "a_name_that_nothing_has"));
	tg_elf_close(&elf);
}

static void test_no_elf(void **state)
{
	struct tg_elf elf;

	(void)state;
	assert_int_equal(tg_elf_open("/nonexistent", &elf), -ENOENT);
	assert_int_equal(tg_elf_open("/proc", &elf), -ENOEXEC);
	assert_int_equal(tg_elf_open(path, &elf), -ENOEXEC);
	put("text", 4);
	assert_int_equal(tg_elf_open(path, &elf), -ENOEXEC);
	put("\x7f"
	    "ELF",
	    4);
	assert_int_equal(tg_elf_open(path, &elf), -EBADMSG);
}

/* Every byte of a real program's header wrong, and the file cut short everywhere: read or refused, never out of bounds. */
static void test_broken_elf(void **state)
{
	enum { HEADER = 64, SIZE = 16384 };
	static unsigned char good[SIZE], bad[SIZE];
	struct tg_elf elf;
	FILE *stream = fopen("/proc/self/exe", "r");
	size_t size;

	(void)state;
	assert_non_null(stream);
	size = fread(good, 1, sizeof(good), stream);
	fclose(stream);
	for (size_t at = 0; at < HEADER; at++) {
		static const unsigned char values[] = {0x00, 0x7f, 0xff};

		for (size_t i = 0; i < sizeof(values); i++) {
			memcpy(bad, good, size);
			bad[at] = values[i];
			put(bad, size);
			if (tg_elf_open(path, &elf) == 0) {
				tg_elf_imports(&elf, "listen");
				tg_elf_close(&elf);
			}
		}
	}
	for (size_t length = 1; length < size; length += length < 1024 ? 1 : 509) {
		put(good, length);
		if (tg_elf_open(path, &elf) == 0) {
			tg_elf_imports(&elf, "listen");
			tg_elf_close(&elf);
		}
	}
}

static void test_closure(void **state)
{
	struct tg_elf self;
	struct tg_closure closure;
	char refusal[TG_CLOSURE_REFUSAL_SIZE];
	bool libc = false;

	(void)state;
	assert_int_equal(tg_elf_open("/proc/self/exe", &self), 0);
	assert_int_equal(tg_closure_list(self.interp, "/bin/sh", &closure, refusal), 0);
	for (size_t i = 0; i < closure.count; i++)
		libc = libc || strstr(closure.paths[i], "/libc.so.6") != NULL;
	assert_true(libc);
	tg_closure_free(&closure);
	put("text", 4);
	assert_int_equal(tg_closure_list(self.interp, path, &closure, refusal), -ENOEXEC);
	assert_true(strlen(refusal) > 0);
	tg_elf_close(&self);
}

static void test_judgements(void **state)
{
	struct tg_graft graft = {0};

	(void)state;
	assert_int_equal(tg_graft_judge("/nonexistent", false, &graft), -ENOENT);
	judge("/bin/sh", &graft);
	assert_true(graft.can);
	assert_true(graft.launcher);
	judge("/usr/bin/openssl", &graft);
	assert_true(graft.can);
	assert_false(graft.launcher);
	assert_non_null(strstr(graft.libssl, "/libssl.so.3"));
	judge("/bin/true", &graft);
	assert_false(graft.can);
	judge("/usr/bin/passwd", &graft);
	assert_false(graft.can);
	assert_non_null(strstr(graft.why, "set-user-ID"));
	judge("/etc/passwd", &graft);
	assert_false(graft.can);
	judge("/tmp", &graft);
	assert_false(graft.can);
	tg_graft_clear(&graft);
}

static void test_scripts(void **state)
{
	char text[PATH_MAX + 8];
	struct tg_graft graft = {0};

	(void)state;
	put("#! /bin/sh -e\n", 14);
	judge(path, &graft);
	assert_true(graft.launcher);
	assert_string_equal(graft.program, "/bin/sh");
	put("#!/nonexistent\n", 15);
	judge(path, &graft);
	assert_false(graft.can);
	assert_non_null(strstr(graft.why, "/nonexistent"));
	/* its own interpreter */
	snprintf(text, sizeof(text), "#!%s\n", path);
	put(text, strlen(text));
	judge(path, &graft);
	assert_false(graft.can);
	/* without a #! line it is the shell's */
	put("echo\n", 5);
	judge(path, &graft);
	assert_true(graft.launcher);
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!", 2);
	put(text, sizeof(text));
	judge(path, &graft);
	assert_false(graft.can);
	tg_graft_clear(&graft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_this_program),
	    cmocka_unit_test_setup_teardown(test_no_elf, begin, end),
	    cmocka_unit_test_setup_teardown(test_broken_elf, begin, end),
	    cmocka_unit_test_setup_teardown(test_closure, begin, end),
	    cmocka_unit_test(test_judgements),
	    cmocka_unit_test_setup_teardown(test_scripts, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct question {
	const char *object; /* beginning of its base name; "" is the executable */
	const char *symbol;
	bool found, imports;
};

static int ask(struct dl_phdr_info *object, size_t size, void *data)
{
	struct question *question = data;
	const char *slash = strrchr(object->dlpi_name, '/');
	const char *name = slash ? slash + 1 : object->dlpi_name;

	(void)size;
	if (question->object[0] ? strncmp(name, question->object, strlen(question->object)) != 0 : name[0] != '\0')
		return 0;
	question->found = true;
	question->imports = tg_program_object_imports(object, question->symbol);
	return 1;
}

static bool imports(const char *object, const char *symbol)
{
	struct question question = {.object = object, .symbol = symbol};

	dl_iterate_phdr(ask, &question);
	assert_true(question.found);
	return question.imports;
}

static void imports_are_found(void **state)
{
	(void)state;
	assert_true(imports("", "dl_iterate_phdr"));
	assert_true(imports("", "readlink"));
	assert_true(imports("libcmocka.so", "calloc"));
}

static void what_is_defined_absent_or_half_a_name_is_not_imported(void **state)
{
	(void)state;
	assert_false(imports("libc.so.6", "listen"));
	assert_false(imports("libcmocka.so", "cmocka_print_error"));
	assert_false(imports("", "no_such_function"));
	assert_false(imports("", "readlin"));
	assert_false(imports("", "readlinks"));
	assert_false(imports("", ""));
	assert_false(imports("linux-vdso.so.1", "getenv"));
}

/* Neither this program nor its libraries listen, so the process cannot serve. */
static void a_program_without_listen_cannot_serve(void **state)
{
	(void)state;
	assert_false(tg_program_can_serve());
}

static void the_executable_is_known_by_name_and_by_file(void **state)
{
	char self[4096], folder[] = "/tmp/tg-program-XXXXXX", link[64];
	char *others[] = {link, self};
	char sh[] = "/bin/sh";
	char *foreign[] = {sh};
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(length > 0);
	self[length] = '\0';
	assert_non_null(mkdtemp(folder));
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(self, link), 0);

	assert_true(tg_program_is_one_of(others, 2));
	assert_true(tg_program_is_one_of(others, 1));
	assert_false(tg_program_is_one_of(others, 0));
	assert_false(tg_program_is_one_of(foreign, 1));

	unlink(link);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(imports_are_found),
	    cmocka_unit_test(what_is_defined_absent_or_half_a_name_is_not_imported),
	    cmocka_unit_test(a_program_without_listen_cannot_serve),
	    cmocka_unit_test(the_executable_is_known_by_name_and_by_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

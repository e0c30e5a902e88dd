/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/process/environment.h"
#include "shim/process/shell.h"

#include <errno.h>
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

#define SHIM "/usr/lib/libtlsgraft.so"

static char preload[] = "LD_PRELOAD=" SHIM;
static char config[] = "TLSGRAFT_CONFIG=/etc/site.ini";
static char keeper[] = "TLSGRAFT_KEEPER=0123456789abcdef";
static char run[] = "TLSGRAFT_RUN=77";

static const struct tg_environment keeping = {.preload = preload, .config = config, .keeper = keeper, .run = run};
static const struct tg_environment dropping = {
    .preload = preload, .config = config, .keeper = keeper, .run = run, .drop = true};

/* Entries that the tests give, as the modifiable strings that an environment has. */
static char **environment_of(const char *entries)
{
	static char text[1024];
	static char *list[32];
	size_t count = 0;

	assert_true(strlen(entries) < sizeof(text));
	strcpy(text, entries);
	for (char *entry = strtok(text, "|"); entry; entry = strtok(NULL, "|"))
		list[count++] = entry;
	list[count] = NULL;
	return list;
}

static void assert_entries(char **got, const char *wanted)
{
	char joined[1024] = "";

	for (; *got; got++) {
		strcat(joined, *got);
		if (got[1])
			strcat(joined, "|");
	}
	assert_string_equal(joined, wanted);
}

/* The room is as measured, with what lies behind it watched. */
static void assert_filled(const struct tg_environment *environment, char **given, const char *wanted)
{
	size_t room = tg_environment_room(environment, given);
	unsigned char *memory;

	assert_true(room > 0 && room < SIZE_MAX);
	memory = malloc(room + 16);
	memset(memory + room, 0x5a, 16);
	assert_entries(tg_environment_fill(environment, given, memory), wanted);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(memory[room + i], 0x5a);
	free(memory);
}

static void what_is_missing_is_put_back(void **state)
{
	static char *nothing[] = {NULL};

	(void)state;
	assert_filled(&keeping, NULL, "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef");
	assert_filled(&keeping, nothing,
		      "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef");
	assert_filled(&keeping, environment_of("PATH=/bin|TLSGRAFT_CONFIG=/etc/site.ini|HOME=/"),
		      "LD_PRELOAD=" SHIM
		      "|PATH=/bin|TLSGRAFT_CONFIG=/etc/site.ini|HOME=/|TLSGRAFT_KEEPER=0123456789abcdef");
}

static void other_preloads_stay(void **state)
{
	static const char tail[] = "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef";
	static const struct {
		const char *given, *wanted;
	} cases[] = {
	    {"LD_PRELOAD=libjemalloc.so", "LD_PRELOAD=" SHIM ":libjemalloc.so"},
	    {"LD_PRELOAD=a.so b.so", "LD_PRELOAD=" SHIM ":a.so:b.so"},
	    {"LD_PRELOAD=", "LD_PRELOAD=" SHIM},
	    /* relative to a folder that the next program may not be in, or to the loader's search path */
	    {"LD_PRELOAD=./lib/libtlsgraft.so:a.so", "LD_PRELOAD=" SHIM ":a.so"},
	    {"LD_PRELOAD=a.so:libtlsgraft.so", "LD_PRELOAD=" SHIM ":a.so"},
	    {"LD_PRELOAD=/opt/notlibtlsgraft.so", "LD_PRELOAD=" SHIM ":/opt/notlibtlsgraft.so"},
	    /* the loader takes the last one */
	    {"LD_PRELOAD=first.so|LD_PRELOAD=last.so", "LD_PRELOAD=" SHIM ":last.so"},
	    {"LD_PRELOAD=" SHIM "|LD_PRELOAD=last.so", "LD_PRELOAD=" SHIM ":last.so"},
	    /* there already: as it is */
	    {"LD_PRELOAD=a.so:" SHIM, "LD_PRELOAD=a.so:" SHIM},
	    {"LD_PRELOAD=/opt/other/libtlsgraft.so", "LD_PRELOAD=/opt/other/libtlsgraft.so"},
	};
	char wanted[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(wanted, sizeof(wanted), "%s%s", cases[i].wanted, tail);
		assert_filled(&keeping, environment_of(cases[i].given), wanted);
	}
}

/* getenv(3) finds the first, and the start of a program takes an empty one for none. */
static void what_is_empty_counts_as_missing(void **state)
{
	static const char full[] = "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef";
	static const char *const given[] = {
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=|TLSGRAFT_KEEPER=0123456789abcdef",
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef",
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=",
	    "LD_PRELOAD=|TLSGRAFT_CONFIG=|TLSGRAFT_KEEPER=|TLSGRAFT_PLAINTEXT=",
	};
	char *command = NULL;

	(void)state;
	assert_filled(&keeping, environment_of(given[0]),
		      "LD_PRELOAD=" SHIM "|TLSGRAFT_KEEPER=0123456789abcdef|TLSGRAFT_CONFIG=/etc/site.ini");
	for (size_t i = 1; i < sizeof(given) / sizeof(given[0]); i++)
		assert_filled(&keeping, environment_of(given[i]), full);
	assert_false(tg_environment_has_shim(&keeping, environment_of(given[0])));
	assert_int_equal(tg_shell_command(&keeping, environment_of(given[0]), "true", &command), 0);
	assert_non_null(strstr(command, "TLSGRAFT_CONFIG='/etc/site.ini'"));
	free(command);
	assert_filled(&dropping, environment_of("PATH=/bin|TLSGRAFT_CONFIG="), "PATH=/bin");
}

static void a_full_environment_is_used_as_it_is(void **state)
{
	static const char *const full[] = {
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef",
	    "A=b|LD_PRELOAD=x.so:" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=fedcba9876543210",
	    /* another configuration is another tree: ours has no say in it */
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/other.ini",
	    /* `run` inside a tree names the process that it becomes */
	    "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/other.ini|TLSGRAFT_RUN=99",
	};
	static const struct tg_environment none = {.preload = preload};
	struct tg_environment no_keeper = keeping;

	(void)state;
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++)
		assert_int_equal(tg_environment_room(&keeping, environment_of(full[i])), 0);
	assert_int_equal(tg_environment_room(&none, environment_of("A=b")), 0);
	no_keeper.keeper = NULL;
	assert_int_equal(tg_environment_room(&no_keeper, environment_of("LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/x")), 0);
}

static void the_run_variable_goes_no_further(void **state)
{
	(void)state;
	assert_filled(&keeping,
		      environment_of("TLSGRAFT_RUN=77|LD_PRELOAD=" SHIM
				     "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef"),
		      "LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef");
}

static void children_drop_takes_ours_out(void **state)
{
	(void)state;
	assert_filled(&dropping,
		      environment_of("A=b|TLSGRAFT_RUN=77|LD_PRELOAD=" SHIM
				     ":a.so|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef"),
		      "LD_PRELOAD=a.so|A=b");
	assert_filled(&dropping, environment_of("LD_PRELOAD=./libtlsgraft.so|A=b"), "A=b");
	assert_int_equal(tg_environment_room(&dropping, environment_of("LD_PRELOAD=a.so|A=b")), 0);
	assert_int_equal(tg_environment_room(&dropping, NULL), 0);
}

/* Ours from the time before the tree had this name, a relative file: a program would find another tree, or no file. */
static void what_was_given_first_is_replaced(void **state)
{
	static char given_config[] = "TLSGRAFT_CONFIG=site.ini", given_keeper[] = "TLSGRAFT_KEEPER=ffffffffffffffff";
	struct tg_environment resolved = keeping;

	(void)state;
	resolved.given_config = given_config;
	resolved.given_keeper = given_keeper;
	assert_filled(&resolved,
		      environment_of("LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=site.ini|A=b|TLSGRAFT_KEEPER=ffffffffffffffff"),
		      "LD_PRELOAD=" SHIM "|A=b|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef");
	resolved.drop = true;
	assert_filled(&resolved, environment_of("A=b|TLSGRAFT_CONFIG=site.ini"), "A=b");
	/* another program's tree of the same file, and another file, are none of ours */
	resolved.drop = false;
	assert_int_equal(tg_environment_room(&resolved, environment_of("LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini"
								       "|TLSGRAFT_KEEPER=fedcba9876543210")),
			 0);
}

static void a_shell_takes_on_what_is_missing(void **state)
{
	static const struct {
		const char *given, *wanted;
	} cases[] = {
	    {"A=b", "LD_PRELOAD='" SHIM "' TLSGRAFT_CONFIG='/etc/site.ini' TLSGRAFT_KEEPER='0123456789abcdef' "
		    "exec /bin/sh -c -- 'echo '\\''it'\\''' sh"},
	    {"LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini",
	     "TLSGRAFT_KEEPER='0123456789abcdef' exec /bin/sh -c -- 'echo '\\''it'\\''' sh"},
	    {"LD_PRELOAD=" SHIM "|TLSGRAFT_CONFIG=/etc/site.ini|TLSGRAFT_KEEPER=0123456789abcdef|TLSGRAFT_RUN=77", NULL},
	};
	char *got = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(tg_shell_command(&keeping, environment_of(cases[i].given), "echo 'it'", &got), 0);
		if (cases[i].wanted)
			assert_string_equal(got, cases[i].wanted);
		else
			assert_null(got);
		free(got);
	}
	assert_int_equal(tg_shell_command(&dropping, environment_of("TLSGRAFT_CONFIG=/x|LD_PRELOAD=" SHIM), ":", &got), 0);
	assert_string_equal(got, "unset LD_PRELOAD; unset TLSGRAFT_CONFIG; exec /bin/sh -c -- ':' sh");
	free(got);
}

static void too_many_entries_are_refused(void **state)
{
	size_t count = 200000;
	char **many = calloc(count + 1, sizeof(*many));
	static char entry[] = "A=b";

	(void)state;
	for (size_t i = 0; i < count; i++)
		many[i] = entry;
	assert_int_equal(tg_environment_room(&keeping, many), SIZE_MAX);
	free(many);
}

static void the_start_reads_resolves_and_names_the_tree(void **state)
{
	char wanted[4200], directory[4096];
	char **before, *entries[512] = {NULL};
	size_t length, count = 0;
	const char *home;

	(void)state;
	unsetenv("TLSGRAFT_CONFIG");
	assert_int_equal(tg_environment_read(), -ENOENT);
	setenv("TLSGRAFT_CONFIG", "site.ini", 1);
	unsetenv("TLSGRAFT_KEEPER");
	setenv("TLSGRAFT_RUN", "12", 1);
	assert_int_equal(tg_environment_read(), 0);
	assert_string_equal(tg_environment.config, "TLSGRAFT_CONFIG=site.ini");
	assert_null(tg_environment.keeper);
	assert_string_equal(tg_environment_value(tg_environment.run), "12");
	home = tg_environment_home(&length);
	assert_int_equal(home[0], '/');
	assert_int_equal(home[length - 1], '/');

	for (before = environ; before[count]; count++)
		if (count < sizeof(entries) / sizeof(entries[0]) - 1)
			entries[count] = before[count];
	assert_true(count < sizeof(entries) / sizeof(entries[0]));
	assert_int_equal(tg_environment_resolve_config(), 0);
	assert_non_null(getcwd(directory, sizeof(directory)));
	snprintf(wanted, sizeof(wanted), "%s/site.ini", directory);
	assert_string_equal(tg_environment_value(tg_environment.config), wanted);
	assert_int_equal(tg_environment_set_keeper("0123456789abcdef"), 0);
	assert_string_equal(tg_environment.keeper, keeper);
	assert_int_equal(tg_environment_set_plaintext("80,7000-7999"), 0);
	assert_true(tg_environment_is_plaintext(7500));

	/* the process's own environment is as it was given, down to where its strings lie */
	assert_ptr_equal(environ, before);
	for (size_t i = 0; environ[i]; i++)
		assert_ptr_equal(environ[i], entries[i]);
	assert_string_equal(getenv("TLSGRAFT_CONFIG"), "site.ini");
	assert_null(getenv("TLSGRAFT_KEEPER"));
	assert_null(getenv("TLSGRAFT_PLAINTEXT"));

	/* a server that empties its environment afterwards changes nothing */
	clearenv();
	assert_string_equal(tg_environment_value(tg_environment.config), wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_missing_is_put_back),
	    cmocka_unit_test(other_preloads_stay),
	    cmocka_unit_test(what_is_empty_counts_as_missing),
	    cmocka_unit_test(a_full_environment_is_used_as_it_is),
	    cmocka_unit_test(the_run_variable_goes_no_further),
	    cmocka_unit_test(children_drop_takes_ours_out),
	    cmocka_unit_test(what_was_given_first_is_replaced),
	    cmocka_unit_test(a_shell_takes_on_what_is_missing),
	    cmocka_unit_test(too_many_entries_are_refused),
	    cmocka_unit_test(the_start_reads_resolves_and_names_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

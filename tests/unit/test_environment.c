#include "shim/environment.h"

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

static void the_run_mark_goes_no_further(void **state)
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

static void the_start_reads_settles_and_names_the_tree(void **state)
{
	char wanted[4200], directory[4096];
	size_t length;
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

	assert_int_equal(tg_environment_settle_config(), 0);
	assert_non_null(getcwd(directory, sizeof(directory)));
	snprintf(wanted, sizeof(wanted), "%s/site.ini", directory);
	assert_string_equal(tg_environment_value(tg_environment.config), wanted);
	assert_string_equal(getenv("TLSGRAFT_CONFIG"), wanted);
	assert_int_equal(tg_environment_set_keeper("0123456789abcdef", true), 0);
	assert_string_equal(tg_environment.keeper, keeper);
	assert_string_equal(getenv("TLSGRAFT_KEEPER"), "0123456789abcdef");

	/* a server that empties its environment afterwards changes nothing */
	clearenv();
	assert_string_equal(tg_environment_value(tg_environment.config), wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_missing_is_put_back),
	    cmocka_unit_test(other_preloads_stay),
	    cmocka_unit_test(a_full_environment_is_used_as_it_is),
	    cmocka_unit_test(the_run_mark_goes_no_further),
	    cmocka_unit_test(children_drop_takes_ours_out),
	    cmocka_unit_test(too_many_entries_are_refused),
	    cmocka_unit_test(the_start_reads_settles_and_names_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reader: what it takes reads as inih reads it, and every trap of inih's is a fault with its line.
 */
#include "loader/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct fixture {
	struct tg_arena *arena;
	tlsgraft_messages *messages;
	struct tg_ini ini;
};

static void read_bytes(struct fixture *fixture, const void *bytes, size_t size)
{
	fixture->arena = tg_arena_new();
	fixture->messages = tg_messages_new();
	tg_ini_read(fixture->arena, "x.ini", bytes, size, &fixture->ini, fixture->messages);
}

static void read_text(struct fixture *fixture, const char *text)
{
	read_bytes(fixture, text, strlen(text));
}

static void done(struct fixture *fixture)
{
	tlsgraft_messages_free(fixture->messages);
	tg_arena_free(fixture->arena);
}

static void expect_one_fault(const char *text, const char *expected)
{
	struct fixture fixture;

	read_text(&fixture, text);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 1);
	assert_string_equal(tlsgraft_messages_text(fixture.messages, 0), expected);
	done(&fixture);
}

static void reads_sections_and_keys_with_lines(void **state)
{
	struct fixture fixture;

	(void)state;
	read_text(&fixture, "; comment\n[a]\n\nx = 1\ny=2 ; two\r\n# comment\n[b c]\nz =  three words ;;\n\nlast = line");
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 0);
	assert_int_equal(fixture.ini.section_count, 2);
	assert_string_equal(fixture.ini.sections[1].title, "b c");
	assert_int_equal(fixture.ini.sections[1].line, 7);
	assert_int_equal(fixture.ini.entry_count, 4);
	assert_string_equal(fixture.ini.entries[1].key, "y");
	assert_string_equal(fixture.ini.entries[1].value, "2");
	assert_int_equal(fixture.ini.entries[1].line, 5);
	assert_string_equal(fixture.ini.entries[2].value, "three words");
	assert_int_equal(fixture.ini.entries[2].section, 1);
	assert_int_equal(fixture.ini.entries[3].line, 10);
	done(&fixture);
}

static void keeps_semicolons_and_signs_inside_values(void **state)
{
	struct fixture fixture;

	(void)state;
	read_text(&fixture, "[a]\nx = a;b=c:d # e\ny =;not a comment");
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 0);
	assert_string_equal(fixture.ini.entries[0].value, "a;b=c:d # e");
	assert_string_equal(fixture.ini.entries[1].value, ";not a comment");
	done(&fixture);
}

static void takes_a_byte_order_mark(void **state)
{
	struct fixture fixture;

	(void)state;
	read_text(&fixture, "\xef\xbb\xbf[a]\nx = 1\n");
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 0);
	assert_int_equal(fixture.ini.entry_count, 1);
	done(&fixture);
}

/* Longer lines are cut by inih, and the tail becomes a line of its own. */
static void refuses_long_lines(void **state)
{
	char text[600];
	struct fixture fixture;

	(void)state;
	snprintf(text, sizeof(text), "[a]\nx = %0*d\ny = 1\n", TG_INI_LINE_MAX - 4, 7);
	read_text(&fixture, text);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 0);
	assert_int_equal(strlen(fixture.ini.entries[0].value), TG_INI_LINE_MAX - 4);
	assert_int_equal(fixture.ini.entries[1].line, 3);
	done(&fixture);

	snprintf(text, sizeof(text), "[a]\nx = %0*d\ny = 1\n", TG_INI_LINE_MAX - 3, 7);
	read_text(&fixture, text);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 1);
	assert_string_equal(tlsgraft_messages_text(fixture.messages, 0), "x.ini:2: [a]: the line is longer than 198 bytes");
	assert_int_equal(fixture.ini.entry_count, 1);
	assert_string_equal(fixture.ini.entries[0].key, "y");
	done(&fixture);

	snprintf(text, sizeof(text), "[a]\n;%0*d\nverify = none\n", 198, 7);
	read_text(&fixture, text);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 1);
	assert_int_equal(fixture.ini.entry_count, 1);
	done(&fixture);
}

static void refuses_long_names(void **state)
{
	char text[300];
	struct fixture fixture;

	(void)state;
	snprintf(text, sizeof(text), "[%049d]\n%049d = 1\n", 1, 2);
	read_text(&fixture, text);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 0);
	assert_int_equal(strlen(fixture.ini.entries[0].key), 49);
	done(&fixture);

	snprintf(text, sizeof(text), "[%050d]\nx = 1\n", 1);
	expect_one_fault(text, "x.ini:1: a section's name is longer than 49 bytes");
	snprintf(text, sizeof(text), "[a]\n%050d = 1\n", 1);
	expect_one_fault(text, "x.ini:2: [a]: a key is longer than 49 bytes");
}

static void refuses_what_inih_would_guess(void **state)
{
	(void)state;
	expect_one_fault("[a]\nx = 1\n  y = 2\n",
			 "x.ini:3: [a]: the line is indented: it would continue the key above; write it at the margin");
	expect_one_fault("[a]\n\tx = 1\n",
			 "x.ini:2: [a]: the line is indented: it would continue the key above; write it at the margin");
	expect_one_fault("[a]\nx: 1\n", "x.ini:2: [a]: neither a [section] nor key = value");
	expect_one_fault("[a]\nx ; = 1\n", "x.ini:2: [a]: neither a [section] nor key = value");
	expect_one_fault("[a]\n= 1\n", "x.ini:2: [a]: no key before =");
	expect_one_fault("[a]\nx =\n", "x.ini:2: [a] x: no value");
	expect_one_fault("[a]\nx = ; comment\n", "x.ini:2: [a] x: no value");
	expect_one_fault("x = 1\n", "x.ini:1: x: stands before the first section");
	expect_one_fault("[a\n", "x.ini:1: a section's name ends with ]");
	expect_one_fault("[a ; ]\n", "x.ini:1: a section's name ends with ]");
	expect_one_fault("[]\n", "x.ini:1: a section without a name");
	expect_one_fault("[a] x = 1\n", "x.ini:1: text behind the section's ]");
}

static void refuses_bytes_that_hide(void **state)
{
	struct fixture fixture;

	(void)state;
	read_bytes(&fixture, "[a]\nx = 1\0y\nz = 2", 17);
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 1);
	assert_string_equal(tlsgraft_messages_text(fixture.messages, 0), "x.ini:2: [a]: the line holds a NUL byte");
	assert_int_equal(fixture.ini.entry_count, 1);
	done(&fixture);
	expect_one_fault("[a]\nx = 1\r2\n", "x.ini:2: [a]: the line holds a control character");
	expect_one_fault("[a]\nx = \v2\n", "x.ini:2: [a]: the line holds a control character");
	expect_one_fault("[a]\nx = \xc0\xaf\n", "x.ini:2: [a]: the line is not UTF-8");
}

/* The keys of a section that cannot be read would otherwise fall to the section above. */
static void drops_keys_of_a_broken_section(void **state)
{
	struct fixture fixture;

	(void)state;
	read_text(&fixture, "[a]\nx = 1\n[b\ny = 2\n[c]\nz = 3\n");
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 1);
	assert_int_equal(fixture.ini.entry_count, 2);
	assert_string_equal(fixture.ini.entries[1].key, "z");
	done(&fixture);
}

static void reports_every_fault(void **state)
{
	struct fixture fixture;

	(void)state;
	read_text(&fixture, "[a]\nx\ny\nz =\n");
	assert_int_equal(tlsgraft_messages_count(fixture.messages), 3);
	done(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_sections_and_keys_with_lines),
	    cmocka_unit_test(keeps_semicolons_and_signs_inside_values),
	    cmocka_unit_test(takes_a_byte_order_mark),
	    cmocka_unit_test(refuses_long_lines),
	    cmocka_unit_test(refuses_long_names),
	    cmocka_unit_test(refuses_what_inih_would_guess),
	    cmocka_unit_test(refuses_bytes_that_hide),
	    cmocka_unit_test(drops_keys_of_a_broken_section),
	    cmocka_unit_test(reports_every_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

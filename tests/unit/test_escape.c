/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_escaped(const char *text, const char *wanted)
{
	char *escaped = tg_escape_new(text);

	assert_non_null(escaped);
	assert_string_equal(escaped, wanted);
	free(escaped);
}

static void test_plain_text_stays(void **state)
{
	(void)state;
	assert_escaped("", "");
	assert_escaped("CN=a b, O=\"c\"", "CN=a b, O=\"c\"");
	assert_escaped("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void test_control_characters(void **state)
{
	(void)state;
	assert_escaped("a\nb\tc\x1b[31m\x7f", "a\\x0ab\\x09c\\x1b[31m\\x7f");
	/* C1, which terminals take for an escape sequence too */
	assert_escaped("\xc2\x9b", "\\xc2\\x9b");
	assert_escaped("\xc2\xa0", "\xc2\xa0");
}

static void test_bytes_that_are_not_utf8(void **state)
{
	(void)state;
	assert_escaped("\xff", "\\xff");
	assert_escaped("\x80", "\\x80");
	assert_escaped("\xc3", "\\xc3");
	assert_escaped("\xc3z", "\\xc3z");
	assert_escaped("\xc0\x80", "\\xc0\\x80");                   /* overlong NUL */
	assert_escaped("\xe0\x80\x80", "\\xe0\\x80\\x80");          /* overlong */
	assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
	assert_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	assert_escaped("\xe2\x82", "\\xe2\\x82");                   /* cut short */
}

static void test_no_room(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(tg_escape("abcdefghij", out, sizeof(out)), 7);
	assert_string_equal(out, "abcdefg");
	/* never half an escape, never half a character */
	assert_int_equal(tg_escape("abcde\n", out, sizeof(out)), 5);
	assert_string_equal(out, "abcde");
	assert_int_equal(tg_escape("abcdef\xc3\xa4", out, sizeof(out)), 6);
	assert_string_equal(out, "abcdef");
	assert_int_equal(tg_escape("abcde\xc3\xa4", out, sizeof(out)), 7);
	assert_int_equal(tg_escape("a", out, 1), 0);
	assert_string_equal(out, "");
	assert_int_equal(tg_escape("a", out, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain_text_stays),
	    cmocka_unit_test(test_control_characters),
	    cmocka_unit_test(test_bytes_that_are_not_utf8),
	    cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

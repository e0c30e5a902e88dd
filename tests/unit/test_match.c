/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static bool text_matches(enum tg_rule_kind rule_kind, const char *value, bool wildcard, enum tg_rule_kind kind,
			 const char *data)
{
	struct tg_rule rule = {
	    .kind = rule_kind, .wildcard = wildcard, .value = {(const unsigned char *)value, strlen(value)}};

	return tg_rule_matches(&rule, kind, (const unsigned char *)data, strlen(data));
}

static void test_texts(void **state)
{
	(void)state;
	assert_true(text_matches(TG_RULE_CN, "web", false, TG_RULE_CN, "web"));
	assert_false(text_matches(TG_RULE_CN, "web", false, TG_RULE_CN, "Web"));
	assert_false(text_matches(TG_RULE_CN, "web", false, TG_RULE_CN, "web2"));
	assert_false(text_matches(TG_RULE_CN, "web", false, TG_RULE_DNS, "web"));
	assert_true(text_matches(TG_RULE_DNS, "a.example", false, TG_RULE_DNS, "A.Example"));
	assert_false(text_matches(TG_RULE_DNS, "a.example", false, TG_RULE_DNS, "*.example"));
	assert_true(text_matches(TG_RULE_EMAIL, "me@example.org", false, TG_RULE_EMAIL, "me@EXAMPLE.org"));
	assert_false(text_matches(TG_RULE_EMAIL, "me@example.org", false, TG_RULE_EMAIL, "Me@example.org"));
	assert_true(text_matches(TG_RULE_URI, "spiffe://a/b", false, TG_RULE_URI, "spiffe://a/b"));
	assert_false(text_matches(TG_RULE_URI, "spiffe://a/b", false, TG_RULE_URI, "spiffe://A/b"));
}

static void test_wildcards(void **state)
{
	(void)state;
	assert_true(text_matches(TG_RULE_URI, "spiffe://a/web/", true, TG_RULE_URI, "spiffe://a/web/x/y"));
	assert_false(text_matches(TG_RULE_URI, "spiffe://a/web/", true, TG_RULE_URI, "spiffe://a/web/"));
	assert_false(text_matches(TG_RULE_URI, "spiffe://a/web/", true, TG_RULE_URI, "spiffe://a/webx/"));
	assert_true(text_matches(TG_RULE_DNS, "example", true, TG_RULE_DNS, "one.example"));
	assert_false(text_matches(TG_RULE_DNS, "example", true, TG_RULE_DNS, "one.two.example"));
	assert_false(text_matches(TG_RULE_DNS, "example", true, TG_RULE_DNS, "example"));
	assert_false(text_matches(TG_RULE_DNS, "example", true, TG_RULE_DNS, ".example"));
}

static bool bytes_match(const char *value, size_t value_size, uint8_t prefix, const char *data, size_t size)
{
	struct tg_rule rule = {
	    .kind = TG_RULE_IP, .prefix_length = prefix, .value = {(const unsigned char *)value, value_size}};

	return tg_rule_matches(&rule, TG_RULE_IP, (const unsigned char *)data, size);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(bytes_match("\x0a\x01\x02\x03", 4, 32, "\x0a\x01\x02\x03", 4));
	assert_false(bytes_match("\x0a\x01\x02\x03", 4, 32, "\x0a\x01\x02\x04", 4));
	assert_true(bytes_match("\x0a\x01\x00\x00", 4, 12, "\x0a\x0f\x02\x04", 4));
	assert_false(bytes_match("\x0a\x01\x00\x00", 4, 12, "\x0a\x10\x02\x04", 4));
	assert_true(bytes_match("\x00\x00\x00\x00", 4, 0, "\xff\x10\x02\x04", 4));
	assert_false(bytes_match("\x00\x00\x00\x00", 4, 0, "0123456789abcdef", 16));
	assert_false(bytes_match("\x00\x00\x00\x00", 4, 33, "\x00\x00\x00\x00", 4));
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		bool valid;
	} rows[] = {
	    {"a\0b", 3, false},
	    {"\xc3\xa4", 2, true},
	    {"\xc3", 1, false},
	    {"\xc0\xaf", 2, false},
	    {"\xed\xa0\x80", 3, false},
	    {"\xf4\x90\x80\x80", 4, false},
	    {"\xf0\x9f\x98\x80", 4, true},
	    {"\xe0\x80\x80", 3, false},
	    {"\xff", 1, false},
	    {"\x80", 1, false},
	    {"\xe2\x82\xac", 3, true},
	    {"\xf0\x80\x80\x80", 4, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(tg_utf8_valid((const unsigned char *)rows[i].data, rows[i].size), rows[i].valid);

	struct tg_rule rule = {.kind = TG_RULE_CN, .value = {(const unsigned char *)"a\0b", 3}};
	assert_false(tg_rule_matches(&rule, TG_RULE_CN, (const unsigned char *)"a\0b", 3));
}

static void test_hosts(void **state)
{
	char host[8];
	static char shop[] = "shop.example";
	static char example[] = "example";
	struct tg_name exact = {.text = shop};
	struct tg_name wildcard = {.text = example, .wildcard = true};
	(void)state;

	assert_true(tg_host_normalise((const unsigned char *)"A.B.", 4, host, sizeof(host)));
	assert_string_equal(host, "a.b");
	assert_false(tg_host_normalise((const unsigned char *)"", 0, host, sizeof(host)));
	assert_false(tg_host_normalise((const unsigned char *)".", 1, host, sizeof(host)));
	assert_false(tg_host_normalise((const unsigned char *)"a\0b", 3, host, sizeof(host)));
	assert_false(tg_host_normalise((const unsigned char *)"12345678", 8, host, sizeof(host)));
	assert_true(tg_host_normalise((const unsigned char *)"1234567", 7, host, sizeof(host)));
	assert_int_equal(tg_name_matches(&exact, "shop.example"), 0);
	assert_int_equal(tg_name_matches(&exact, "shop.example2"), -1);
	assert_int_equal(tg_name_matches(&wildcard, "shop.example"), 1);
	assert_int_equal(tg_name_matches(&wildcard, "a.shop.example"), -1);
	assert_int_equal(tg_name_matches(&wildcard, "example"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),    cmocka_unit_test(test_wildcards), cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_bad_text), cmocka_unit_test(test_hosts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

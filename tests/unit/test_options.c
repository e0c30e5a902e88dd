/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table is whole: each row can be found, its default and its example are values that it would take.
 */
#include "loader/address.h"
#include "loader/config.h"
#include "loader/identity.h"
#include "loader/options.h"
#include "loader/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rows_are_in_order_and_found(void **state)
{
	(void)state;
	assert_null(tg_options_get(tg_options_count()));
	assert_null(tg_options_find("no such key"));
	for (size_t i = 0; i < tg_options_count(); i++) {
		const struct tg_option *option = tg_options_get(i);

		assert_int_equal(option->id, i);
		assert_ptr_equal(tg_options_find(option->key), option);
		assert_non_null(option->help);
		assert_non_null(option->example);
		assert_true(option->sections != 0);
		assert_true(strlen(option->key) < 50);
		assert_true((option->type == TG_TYPE_CHOICE) == (option->choices != NULL));
	}
}

/* Puts one value of each option where it belongs and reads that. */
static void defaults_and_examples_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < tg_options_count(); i++) {
		const struct tg_option *option = tg_options_get(i);
		const char *values[] = {option->default_value, option->example};
		unsigned kind = option->sections & -option->sections;

		for (size_t j = 0; j < 2; j++) {
			struct tg_arena *arena = tg_arena_new();
			tlsgraft_messages *messages = tg_messages_new();
			struct tg_config config;
			struct tg_ini ini;
			char text[400];

			if (!values[j]) {
				tlsgraft_messages_free(messages);
				tg_arena_free(arena);
				continue;
			}
			snprintf(text, sizeof(text), "[%s%s]\n%s = %s\n", tg_section_word((enum tg_section_kind)kind),
				 kind == TG_SECTION_LISTENER || kind == TG_SECTION_SNI ? " x" : "", option->key, values[j]);
			tg_ini_read(arena, "x.ini", (const unsigned char *)text, strlen(text), &ini, messages);
			tg_config_read(arena, "x.ini", "/etc", &ini, &config, messages);
			if (tlsgraft_messages_count(messages) > 0)
				print_message("%s\n", tlsgraft_messages_text(messages, 0));
			assert_int_equal(tlsgraft_messages_count(messages), 0);
			assert_true(config.sections[0].options[i].count > 0);
			tlsgraft_messages_free(messages);
			tg_arena_free(arena);
		}
	}
}

static void defaults_are_those_of_the_contract(void **state)
{
	static const struct {
		enum tg_option_id id;
		int number;
	} expected[] = {
	    {TG_OPT_LOG_LEVEL, TG_LOG_INFO},
	    {TG_OPT_RELOAD_SIGNAL, SIGHUP},
	    {TG_OPT_WATCH, 0},
	    {TG_OPT_CHILDREN, 1},
	    {TG_OPT_WARN_DAYS, 14},
	    {TG_OPT_CRL_CHECK, TG_CRL_LEAF},
	    {TG_OPT_VERIFY_DEPTH, 8},
	    {TG_OPT_OVERRIDE, 0},
	    {TG_OPT_SERVER_SPEAKS, 0},
	    {TG_OPT_ACCEPT_PLAINTEXT, 0},
	    {TG_OPT_PLAINTEXT_WAIT, 0},
	    {TG_OPT_ENGINE, TG_ENGINE_AUTO},
	    {TG_OPT_HANDSHAKE_TIMEOUT, 10},
	    {TG_OPT_PROXY_PROTOCOL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(tg_config_number(NULL, expected[i].id), expected[i].number);
	assert_string_equal(tg_options_get(TG_OPT_LOG)->default_value, "stderr");
	assert_null(tg_options_get(TG_OPT_MODE)->default_value);
}

static void modes_have_numbers(void **state)
{
	const struct tg_option *mode = tg_options_get(TG_OPT_MODE);

	(void)state;
	assert_int_equal(tg_option_choice(mode, "0")->number, TG_MODE_OFF);
	assert_int_equal(tg_option_choice(mode, "1")->number, TG_MODE_SERVER);
	assert_int_equal(tg_option_choice(mode, "2")->number, TG_MODE_MUTUAL);
	assert_null(tg_option_choice(mode, "3"));
	assert_null(tg_option_choice(mode, "MUTUAL"));
	assert_true(tg_option_choice(mode, "observe")->later);
	assert_string_equal(tg_option_word(TG_OPT_MODE, TG_MODE_MUTUAL), "mutual");
}

static void check_address(const char *text, int family, bool any, uint16_t port, const char *reason)
{
	struct tg_address address = {0};
	const char *why = tg_address_parse(text, &address);

	if (reason) {
		assert_non_null(why);
		assert_non_null(strstr(why, reason));
		return;
	}
	assert_null(why);
	assert_int_equal(address.family, family);
	assert_int_equal(address.any, any);
	assert_int_equal(address.port, port);
}

static void addresses(void **state)
{
	struct tg_address mapped, plain;

	(void)state;
	check_address("127.0.0.1:80", 4, false, 80, NULL);
	check_address("0.0.0.0:65535", 4, true, 65535, NULL);
	check_address("[::]:1", 6, true, 1, NULL);
	check_address("[fe80::1]:443", 6, false, 443, NULL);
	check_address("*:443", 0, true, 443, NULL);
	check_address("443", 0, false, 0, "no port");
	check_address("127.0.0.1:", 0, false, 0, "no port");
	check_address("127.0.0.1:0", 0, false, 0, "port 0");
	check_address("127.0.0.1:-1", 0, false, 0, "not a number");
	check_address("127.0.0.1:065536", 0, false, 0, "beyond");
	check_address("127.1:80", 0, false, 0, "not an IP address");
	check_address("::1:80", 0, false, 0, "[v6]");
	check_address("[::1]", 0, false, 0, "no port");
	check_address("[127.0.0.1]:80", 0, false, 0, "IPv6");
	check_address(":80", 0, false, 0, "not an IP address");
	assert_null(tg_address_parse("[::ffff:192.0.2.1]:80", &mapped));
	assert_null(tg_address_parse("192.0.2.1:80", &plain));
	assert_true(tg_address_equal(&mapped, &plain));
}

static void check_name(const char *text, const char *expected, bool wildcard)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_name name = {0};
	const char *why = tg_hostname_parse(arena, text, strlen(text), &name);

	if (expected) {
		assert_null(why);
		assert_string_equal(name.text, expected);
		assert_int_equal(name.wildcard, wildcard);
	} else {
		assert_non_null(why);
	}
	tg_arena_free(arena);
}

static void host_names(void **state)
{
	(void)state;
	check_name("Shop.Example.COM.", "shop.example.com", false);
	check_name("*.example.com", "example.com", true);
	check_name("a_b-c.1x", "a_b-c.1x", false);
	check_name("localhost", "localhost", false);
	check_name("", NULL, false);
	check_name(".", NULL, false);
	check_name("*", NULL, false);
	check_name("*.", NULL, false);
	check_name("a..b", NULL, false);
	check_name("a.*.b", NULL, false);
	check_name("*a.b", NULL, false);
	check_name("a b", NULL, false);
	check_name("b\xc3\xbc"
		   "cher.example",
		   NULL, false);
	check_name("192.0.2.1", NULL, false);
	check_name("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.com", NULL, false);
}

static void check_rule(const char *text, enum tg_rule_kind kind, bool wildcard, unsigned prefix, const char *value,
		       size_t size)
{
	struct tg_arena *arena = tg_arena_new();
	struct tg_rule rule = {0};
	const char *why = tg_rule_parse(arena, text, &rule);

	if (!value) {
		assert_non_null(why);
	} else {
		if (why)
			print_message("%s: %s\n", text, why);
		assert_null(why);
		assert_int_equal(rule.kind, kind);
		assert_int_equal(rule.wildcard, wildcard);
		assert_int_equal(rule.prefix_length, prefix);
		assert_int_equal(rule.value.size, size);
		assert_memory_equal(rule.value.data, value, size);
	}
	tg_arena_free(arena);
}

static void rules(void **state)
{
	char digest[32] = {0};

	(void)state;
	check_rule("CN:Web Server", TG_RULE_CN, false, 0, "Web Server", 10);
	check_rule("DNS:*.Corp.example", TG_RULE_DNS, true, 0, "corp.example", 12);
	check_rule("URI:spiffe://corp/ns/web/*", TG_RULE_URI, true, 0, "spiffe://corp/ns/web/", 21);
	check_rule("URI:spiffe://corp/Web", TG_RULE_URI, false, 0, "spiffe://corp/Web", 17);
	check_rule("EMAIL:Joe@Example.COM", TG_RULE_EMAIL, false, 0, "Joe@example.com", 15);
	check_rule("IP:192.0.2.1", TG_RULE_IP, false, 32, "\xc0\x00\x02\x01", 4);
	check_rule("IP:10.0.0.0/8", TG_RULE_IP, false, 8, "\x0a\0\0\0", 4);
	check_rule("IP:0.0.0.0/0", TG_RULE_IP, false, 0, "\0\0\0\0", 4);
	check_rule("IP:2001:db8::/32", TG_RULE_IP, false, 32, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	digest[0] = (char)0xab;
	check_rule("SHA256:ab00000000000000000000000000000000000000000000000000000000000000", TG_RULE_SHA256, false, 0,
		   digest, 32);
	check_rule("SHA256:AB:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
		   TG_RULE_SHA256, false, 0, digest, 32);
	check_rule("cn:x", TG_RULE_CN, false, 0, NULL, 0);
	check_rule("CN:", TG_RULE_CN, false, 0, NULL, 0);
	check_rule("CN: x", TG_RULE_CN, false, 0, NULL, 0);
	check_rule("URI:*", TG_RULE_URI, false, 0, NULL, 0);
	check_rule("URI:spiffe://corp*", TG_RULE_URI, false, 0, NULL, 0);
	check_rule("URI:spiffe://corp/*/*", TG_RULE_URI, false, 0, NULL, 0);
	check_rule("DNS:a.*.example", TG_RULE_DNS, false, 0, NULL, 0);
	check_rule("EMAIL:example.com", TG_RULE_EMAIL, false, 0, NULL, 0);
	check_rule("EMAIL:*@example.com", TG_RULE_EMAIL, false, 0, NULL, 0);
	check_rule("IP:10.0.0.1/8", TG_RULE_IP, false, 0, NULL, 0);
	check_rule("IP:10.0.0.0/33", TG_RULE_IP, false, 0, NULL, 0);
	check_rule("IP:10.0.0.0/", TG_RULE_IP, false, 0, NULL, 0);
	check_rule("IP:corp", TG_RULE_IP, false, 0, NULL, 0);
	check_rule("SHA256:ab", TG_RULE_SHA256, false, 0, NULL, 0);
	check_rule("SHA256:ab000000000000000000000000000000000000000000000000000000000000000", TG_RULE_SHA256, false, 0,
		   NULL, 0);
	check_rule("", TG_RULE_CN, false, 0, NULL, 0);
}

static void rule_texts_read_back(void **state)
{
	static const char *const texts[] = {
	    "CN:x",
	    "DNS:*.a.b",
	    "DNS:a.b",
	    "URI:spiffe://a/*",
	    "URI:spiffe://a/b",
	    "EMAIL:a@b",
	    "IP:10.0.0.0/8",
	    "IP:2001:db8::/32",
	    "SHA256:ab00000000000000000000000000000000000000000000000000000000000000",
	};
	struct tg_arena *arena = tg_arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct tg_rule rule;
		char *text;

		assert_null(tg_rule_parse(arena, texts[i], &rule));
		text = tg_rule_text(&rule);
		assert_string_equal(text, texts[i]);
		free(text);
	}
	tg_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_in_order_and_found),
	    cmocka_unit_test(defaults_and_examples_are_taken),
	    cmocka_unit_test(defaults_are_those_of_the_contract),
	    cmocka_unit_test(modes_have_numbers),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(host_names),
	    cmocka_unit_test(rules),
	    cmocka_unit_test(rule_texts_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

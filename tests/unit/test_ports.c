/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 65536

static char *text_of(const uint16_t *ports, size_t count, enum tg_mode mode)
{
	struct tg_address *addresses = calloc(count + 1, sizeof(*addresses));
	struct tg_policy policy = {.mode = mode};
	struct tg_route route = {.plaintext = {.terminated = true}, .addresses = addresses, .address_count = count};
	const struct tg_document document = {.policies = &policy, .policy_count = 1, .routes = &route, .route_count = 1};
	char *text;

	for (size_t i = 0; i < count; i++)
		addresses[i].port = ports[i];
	text = tg_ports_text(&document);
	free(addresses);
	assert_non_null(text);
	return text;
}

static void assert_text(const uint16_t *ports, size_t count, const char *wanted)
{
	char *text = text_of(ports, count, TG_MODE_MUTUAL);

	assert_string_equal(text, wanted);
	for (size_t i = 0; i < count; i++)
		assert_true(tg_ports_contain(text, ports[i]));
	free(text);
}

static void ports_become_numbers_and_ranges(void **state)
{
	const uint16_t few[] = {443, 80, 7001, 7000, 7002, 65535, 443}, edges[] = {1, 65535, 65534};
	char *text;

	(void)state;
	assert_text(few, 7, "80,443,7000-7002,65535");
	assert_text(edges, 3, "1,65534-65535");
	assert_text(few, 0, "");
	text = text_of(few, 7, TG_MODE_OFF);
	assert_string_equal(text, "");
	free(text);
}

/* However many there are, none is missing. */
static void no_port_is_cut_off(void **state)
{
	uint16_t *ports = calloc(MANY, sizeof(*ports));
	char *text;

	(void)state;
	for (unsigned step = 1; step <= 3; step++) {
		size_t count = 0;
		for (unsigned port = 1; port < MANY; port += step)
			ports[count++] = (uint16_t)port;
		text = text_of(ports, count, TG_MODE_MUTUAL);
		assert_true(strlen(text) < TG_PORTS_TEXT_MAX);
		for (size_t i = 0; i < count; i++)
			assert_true(tg_ports_contain(text, ports[i]));
		free(text);
	}
	free(ports);
}

static void what_is_read_is_exact_or_everything(void **state)
{
	static const char *const malformed[] = {"*",      "x",      ",80",   "80-",  "-80",
						"80;443", "123456", "99999", "80,*", "1-2-3"};

	(void)state;
	assert_false(tg_ports_contain("", 80));
	assert_false(tg_ports_contain("8080,443-444", 80));
	assert_true(tg_ports_contain("8080,443-445", 444));
	assert_false(tg_ports_contain("8080,443-445", 446));
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_true(tg_ports_contain(malformed[i], 7777));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ports_become_numbers_and_ranges),
	    cmocka_unit_test(no_port_is_cut_off),
	    cmocka_unit_test(what_is_read_is_exact_or_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

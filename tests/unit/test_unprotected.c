/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/unprotected.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PORT 6379

#define V4(a, b, c, d)                                                                                                     \
	{                                                                                                                  \
		.family = 4, .port = PORT, .bytes = {a, b, c, d}, .any = (a) == 0                                          \
	}
#define ANY4 V4(0, 0, 0, 0)
#define LOCAL4 V4(127, 0, 0, 1)
#define ANY6                                                                                                               \
	{                                                                                                                  \
		.family = 6, .port = PORT, .any = true                                                                     \
	}
#define LOCAL6                                                                                                             \
	{                                                                                                                  \
		.family = 6, .port = PORT, .bytes = { [15] = 1 }                                                           \
	}
#define ALL                                                                                                                \
	{                                                                                                                  \
		.family = 0, .port = PORT, .any = true                                                                     \
	}

static char names[][16] = {"listener redis", "server", "listener open"};
static struct tg_policy policies[] = {{.section = names[0], .mode = TG_MODE_MUTUAL},
				      {.section = names[1], .mode = TG_MODE_MUTUAL},
				      {.section = names[2], .mode = TG_MODE_OFF}};

/* What of `sockets` is not reached by one section on `addresses`: their numbers as text. */
static const char *left(struct tg_route *routes, size_t route_count, struct tg_address *sockets, size_t count)
{
	static char text[64];
	const struct tg_document document = {
	    .policies = policies, .policy_count = 3, .routes = routes, .route_count = route_count};
	const struct tg_listeners listeners = {.addresses = sockets, .count = count};
	struct tg_unprotected found[4];
	const size_t found_count = tg_unprotected_find(&document, &listeners, found);

	text[0] = '\0';
	for (size_t i = 0; i < found_count; i++)
		for (size_t k = 0; k < count; k++)
			if (memcmp(&found[i].address, &sockets[k], sizeof(sockets[k])) == 0)
				sprintf(text + strlen(text), "%zu%s ", k, found[i].section == NULL ? "?" : "");
	return text;
}

static struct tg_route plaintext(struct tg_address *addresses, size_t count)
{
	return (struct tg_route){.policy = 0, .addresses = addresses, .address_count = count, .plaintext.terminated = true};
}

static void sockets_beside_a_section(void **state)
{
	struct tg_address named[] = {LOCAL4};
	struct tg_address sockets[] = {LOCAL4, LOCAL6, ANY4, ANY6};
	struct tg_route route = plaintext(named, 1);

	(void)state;
	assert_string_equal(left(&route, 1, sockets, 1), "");
	assert_string_equal(left(&route, 1, sockets, 2), "1 ");
	assert_string_equal(left(&route, 1, sockets, 4), "1 2 3 ");
	sockets[1].port++;
	assert_string_equal(left(&route, 1, sockets, 2), "1? ");
}

static void sections_that_reach_all(void **state)
{
	struct tg_address all[] = {ALL}, both[] = {ANY4, ANY6}, four[] = {ANY4}, six[] = {ANY6};
	struct tg_address sockets[] = {LOCAL4, LOCAL6, ANY4, ANY6};
	struct tg_address dual[] = {ANY6};
	struct tg_route route = plaintext(all, 1);

	(void)state;
	assert_string_equal(left(&route, 1, sockets, 4), "");
	route = plaintext(both, 2);
	assert_string_equal(left(&route, 1, sockets, 4), "");
	route = plaintext(four, 1);
	assert_string_equal(left(&route, 1, sockets, 4), "1 3 ");
	/* a socket on [::] alone takes IPv4 as well */
	route = plaintext(six, 1);
	assert_string_equal(left(&route, 1, dual, 1), "0 ");
	assert_string_equal(left(&route, 1, sockets, 4), "0 2 ");
}

static void exempted_and_unknown_ones(void **state)
{
	struct tg_address local[] = {LOCAL4}, six[] = {LOCAL6};
	struct tg_address sockets[] = {LOCAL4, LOCAL6};
	struct tg_route routes[2] = {plaintext(local, 1),
				     {.policy = 2, .addresses = six, .address_count = 1, .plaintext.terminated = true}};
	struct tg_listeners others = {.addresses = sockets, .count = 2, .of_others = true};
	const struct tg_document document = {.policies = policies, .policy_count = 3, .routes = routes, .route_count = 1};
	struct tg_unprotected found[2];

	(void)state;
	/* `mode = off` says that it is meant to be open */
	assert_string_equal(left(routes, 2, sockets, 2), "");
	assert_int_equal(tg_unprotected_find(&document, &others, found), 0);
	/* of a server that speaks TLS: [server] may govern it */
	routes[0].plaintext.terminated = false;
	routes[1] = (struct tg_route){.policy = 1, .is_server = true};
	assert_string_equal(left(routes, 2, sockets, 2), "");
	assert_string_equal(left(routes, 1, sockets, 2), "1? ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sockets_beside_a_section),
	    cmocka_unit_test(sections_that_reach_all),
	    cmocka_unit_test(exempted_and_unknown_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/route.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { POLICY_SERVER, POLICY_API, POLICY_SHOP, POLICY_OFF, POLICY_COUNT };

static struct tg_policy policies[POLICY_COUNT] = {
    [POLICY_SERVER] = {.mode = TG_MODE_SERVER, .digest = {1}},
    [POLICY_API] = {.mode = TG_MODE_MUTUAL, .digest = {2}},
    [POLICY_SHOP] = {.mode = TG_MODE_MUTUAL, .digest = {3}},
    [POLICY_OFF] = {.mode = TG_MODE_OFF, .digest = {4}},
};

static struct tg_address v4(const char *text, uint16_t port)
{
	struct tg_address address = {.family = 4, .port = port};

	inet_pton(AF_INET, text, address.bytes);
	address.any = strcmp(text, "0.0.0.0") == 0;
	return address;
}

static struct tg_address v6(const char *text, uint16_t port)
{
	struct tg_address address = {.family = 6, .port = port};

	inet_pton(AF_INET6, text, address.bytes);
	address.any = strcmp(text, "::") == 0;
	return address;
}

static const struct tg_policy *found(const struct tg_route *routes, size_t count, const struct tg_address *local,
				     const char *host, enum tg_route_result expected)
{
	struct tg_route copy[4];
	const struct tg_policy *policy = NULL;

	memcpy(copy, routes, count * sizeof(copy[0]));
	struct tg_document document = {
	    .policies = policies, .policy_count = POLICY_COUNT, .routes = copy, .route_count = count};
	assert_int_equal(tg_route_find(&document, local, host, &policy), expected);
	return policy;
}

static void test_most_specific_wins(void **state)
{
	struct tg_address exact[] = {v4("127.0.0.1", 443)};
	struct tg_address any4[] = {v4("0.0.0.0", 443)};
	struct tg_address both[] = {{.port = 443, .any = true}};
	const struct tg_route routes[] = {
	    {.addresses = both, .address_count = 1, .policy = POLICY_OFF},
	    {.addresses = any4, .address_count = 1, .policy = POLICY_SHOP},
	    {.addresses = exact, .address_count = 1, .policy = POLICY_API},
	    {.is_server = true, .policy = POLICY_SERVER},
	};
	struct tg_address one = v4("127.0.0.1", 443);
	struct tg_address two = v4("127.0.0.2", 443);
	struct tg_address six = v6("::1", 443);
	struct tg_address other = v4("127.0.0.1", 444);
	(void)state;

	assert_ptr_equal(found(routes, 4, &one, NULL, TG_ROUTE_FOUND), &policies[POLICY_API]);
	assert_ptr_equal(found(routes, 4, &two, NULL, TG_ROUTE_FOUND), &policies[POLICY_SHOP]);
	assert_ptr_equal(found(routes, 4, &six, NULL, TG_ROUTE_FOUND), &policies[POLICY_OFF]);
	assert_ptr_equal(found(routes, 4, &other, NULL, TG_ROUTE_FOUND), &policies[POLICY_SERVER]);
	assert_null(found(routes, 3, &other, NULL, TG_ROUTE_NONE));
}

static void test_names(void **state)
{
	static char shop[] = "shop.example";
	static char example[] = "example";
	struct tg_name names[] = {{.text = example, .wildcard = true, .policy = POLICY_OFF},
				  {.text = shop, .policy = POLICY_SHOP}};
	const struct tg_route routes[] = {{.is_server = true, .policy = POLICY_SERVER, .names = names, .name_count = 2}};
	struct tg_address local = v4("127.0.0.1", 443);
	(void)state;

	assert_ptr_equal(found(routes, 1, &local, "shop.example", TG_ROUTE_FOUND), &policies[POLICY_SHOP]);
	assert_ptr_equal(found(routes, 1, &local, "other.example", TG_ROUTE_FOUND), &policies[POLICY_OFF]);
	assert_ptr_equal(found(routes, 1, &local, "a.b.example", TG_ROUTE_FOUND), &policies[POLICY_SERVER]);
	assert_ptr_equal(found(routes, 1, NULL, NULL, TG_ROUTE_FOUND), &policies[POLICY_SERVER]);
}

static void test_unknown_address(void **state)
{
	struct tg_address a[] = {v4("127.0.0.1", 443)};
	struct tg_address b[] = {v4("127.0.0.1", 444)};
	const struct tg_route routes[] = {
	    {.addresses = a, .address_count = 1, .policy = POLICY_OFF},
	    {.addresses = b, .address_count = 1, .policy = POLICY_API},
	    {.is_server = true, .policy = POLICY_SERVER},
	    {.addresses = b, .address_count = 1, .policy = POLICY_SHOP},
	};
	(void)state;

	assert_ptr_equal(found(routes, 3, NULL, NULL, TG_ROUTE_STRICTEST), &policies[POLICY_API]);
	assert_null(found(routes, 4, NULL, NULL, TG_ROUTE_AMBIGUOUS));
	assert_null(found(routes, 0, NULL, NULL, TG_ROUTE_NONE));
}

/* Over a UNIX socket: [server]'s or nobody's, never that of a listener on every address. */
static void test_no_address(void **state)
{
	struct tg_address none = TG_ADDRESS_NONE;
	struct tg_address everywhere[] = {{.any = true, .port = 443}, v4("0.0.0.0", 444), v6("::", 445)};
	const struct tg_route routes[] = {
	    {.addresses = everywhere, .address_count = 3, .policy = POLICY_API},
	    {.is_server = true, .policy = POLICY_SERVER},
	};
	struct sockaddr_storage storage = {.ss_family = AF_UNIX};
	(void)state;

	assert_null(found(routes, 1, &none, NULL, TG_ROUTE_NONE));
	assert_ptr_equal(found(routes, 2, &none, NULL, TG_ROUTE_FOUND), &policies[POLICY_SERVER]);
	assert_true(tg_address_is_none(&storage));
	storage.ss_family = AF_VSOCK;
	assert_true(tg_address_is_none(&storage));
	storage.ss_family = AF_INET6;
	assert_false(tg_address_is_none(&storage));
	storage.ss_family = AF_INET;
	assert_false(tg_address_is_none(&storage));
}

static void test_mapped_address(void **state)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct tg_address address;
	struct tg_address expected = v4("127.0.0.1", 443);
	(void)state;

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
	memcpy(&storage, &in6, sizeof(in6));
	assert_true(tg_address_from(&storage, &address));
	assert_memory_equal(&address, &expected, sizeof(address));
	storage.ss_family = AF_UNIX;
	assert_false(tg_address_from(&storage, &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_most_specific_wins), cmocka_unit_test(test_names),
	    cmocka_unit_test(test_unknown_address),    cmocka_unit_test(test_mapped_address),
	    cmocka_unit_test(test_no_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

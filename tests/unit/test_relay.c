/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/relay.h"
#include "ipc/siphash.h"
#include "relay/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TREE "0123456789abcdef"
#define OTHER_TREE "fedcba9876543210"

static const unsigned char key[TG_RELAY_KEY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const unsigned char other_key[TG_RELAY_KEY_SIZE] = {1};

static struct sockaddr_storage v4(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_storage storage = {0};

	inet_pton(AF_INET, text, &in.sin_addr);
	memcpy(&storage, &in, sizeof in);
	return storage;
}

static struct sockaddr_storage v6(const char *text, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
	struct sockaddr_storage storage = {0};

	inet_pton(AF_INET6, text, &in6.sin6_addr);
	memcpy(&storage, &in6, sizeof in6);
	return storage;
}

/* The example of the paper's appendix. */
static void the_hash_is_siphash(void **state)
{
	unsigned char bytes[16], message[15];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	memcpy(message, bytes, sizeof message);
	assert_true(tg_siphash(bytes, message, sizeof message) == 0xa129ca6149be45e5u);
	assert_true(tg_siphash(bytes, message, 0) == 0x726fdb47dd0e0e31u);
	assert_true(tg_siphash(bytes, message, 8) == 0x93f5f5799a932462u);
}

static void a_name_says_what_was_put_in(void **state)
{
	const struct tg_relay_end ends[] = {
	    {.local = v4("127.0.0.1", 80), .peer = v4("10.1.2.3", 65535), .cookie = 7},
	    {.local = v6("::1", 443, 0), .peer = v6("fe80::1", 1, 3), .cookie = UINT64_MAX},
	    {.local = v6("::ffff:127.0.0.1", 443, 0), .peer = v6("::ffff:10.0.0.1", 1, 0), .cookie = 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		char tree[TG_TREE_LENGTH + 1];
		struct sockaddr_un name;
		struct tg_relay_end read;
		socklen_t size;

		assert_int_equal(tg_relay_name(TREE, &ends[i], key, &name, &size), 0);
		assert_true(size <= sizeof name);
		assert_true(tg_relay_name_read(&name, size, TREE, key, &read, tree));
		assert_memory_equal(&read, &ends[i], sizeof read);
		assert_string_equal(tree, TREE);
		memset(&read, 0, sizeof read);
		assert_true(tg_relay_name_read(&name, size, NULL, NULL, &read, tree));
		assert_memory_equal(&read, &ends[i], sizeof read);
	}
}

static void a_name_of_another_tree_or_key_is_none(void **state)
{
	const struct tg_relay_end end = {.local = v4("127.0.0.1", 80), .peer = v4("10.1.2.3", 1), .cookie = 7};
	char tree[TG_TREE_LENGTH + 1];
	struct sockaddr_un name;
	struct tg_relay_end read;
	socklen_t size;

	(void)state;
	assert_int_equal(tg_relay_name(TREE, &end, key, &name, &size), 0);
	assert_false(tg_relay_name_read(&name, size, OTHER_TREE, key, &read, tree));
	assert_false(tg_relay_name_read(&name, size, TREE, other_key, &read, tree));
	assert_false(tg_relay_name_read(&name, size, NULL, key, &read, tree));
}

static void a_name_that_was_changed_is_none(void **state)
{
	const struct tg_relay_end end = {.local = v4("127.0.0.1", 80), .peer = v4("10.1.2.3", 1), .cookie = 7};
	char tree[TG_TREE_LENGTH + 1];
	struct sockaddr_un name, changed;
	struct tg_relay_end read;
	socklen_t size;

	(void)state;
	assert_int_equal(tg_relay_name(TREE, &end, key, &name, &size), 0);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			changed = name;
			((unsigned char *)&changed)[i] ^= (unsigned char)(1 << bit);
			assert_false(tg_relay_name_read(&changed, size, TREE, key, &read, tree));
		}
	}
	for (socklen_t shorter = 0; shorter < size; shorter++)
		assert_false(tg_relay_name_read(&name, shorter, TREE, key, &read, tree));
	assert_false(tg_relay_name_read(&name, size + 1, TREE, key, &read, tree));
}

static void what_is_no_ip_connection_has_no_name(void **state)
{
	struct tg_relay_end end = {.local = v4("127.0.0.1", 80), .peer = v4("10.1.2.3", 1)};
	struct sockaddr_un name;
	socklen_t size;

	(void)state;
	assert_int_equal(tg_relay_name("nonsense", &end, key, &name, &size), -EINVAL);
	end.peer.ss_family = AF_UNIX;
	assert_int_equal(tg_relay_name(TREE, &end, key, &name, &size), -EINVAL);
}

static struct tg_relay_request good(enum tg_relay_kind kind)
{
	struct tg_relay_request request = {.magic = TG_RELAY_MAGIC, .layout = TG_LAYOUT, .kind = kind, .size = 4};

	memcpy(request.key, key, sizeof key);
	return request;
}

static void only_whole_requests_are_heard(void **state)
{
	static const struct {
		enum tg_relay_kind kind;
		int fds;
		bool needs_key;
	} kinds[] = {
	    {TG_RELAY_CARRY, 2, true}, {TG_RELAY_UNSENT_TAIL, 1, true}, {TG_RELAY_GET, 1, false}, {TG_RELAY_SET, 1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const size_t size = tg_relay_request_size(kinds[i].kind);
		struct tg_relay_request request = good(kinds[i].kind);

		assert_true(tg_relay_request_valid(&request, size, kinds[i].fds, key));
		for (size_t other = 0; other <= sizeof request + 1; other++)
			assert_int_equal(tg_relay_request_valid(&request, other, kinds[i].fds, key), other == size);
		for (int fds = 0; fds <= 2; fds++)
			assert_int_equal(tg_relay_request_valid(&request, size, fds, key), fds == kinds[i].fds);
		assert_int_equal(tg_relay_request_valid(&request, size, kinds[i].fds, other_key), !kinds[i].needs_key);
		request.magic++;
		assert_false(tg_relay_request_valid(&request, size, kinds[i].fds, key));
		request = good(kinds[i].kind);
		request.layout--;
		assert_false(tg_relay_request_valid(&request, size, kinds[i].fds, key));
	}
}

static void bounds_of_requests_are_kept(void **state)
{
	struct tg_relay_request request = good(TG_RELAY_UNSENT_TAIL);

	(void)state;
	request.size = 0;
	assert_false(tg_relay_request_valid(&request, tg_relay_request_size(TG_RELAY_UNSENT_TAIL), 1, key));
	request.size = TG_RELAY_TAIL_MAX + 1;
	assert_false(tg_relay_request_valid(&request, tg_relay_request_size(TG_RELAY_UNSENT_TAIL), 1, key));
	request.kind = TG_RELAY_SET;
	request.size = TG_RELAY_VALUE + 1;
	assert_false(tg_relay_request_valid(&request, tg_relay_request_size(TG_RELAY_SET), 1, key));
	request.kind = TG_RELAY_GET;
	assert_false(tg_relay_request_valid(&request, tg_relay_request_size(TG_RELAY_GET), 1, key));
	for (uint32_t kind = TG_RELAY_SET + 1; kind != 1; kind = kind == 100 ? 0 : kind + 1) {
		request = good((enum tg_relay_kind)kind);
		assert_false(tg_relay_request_valid(&request, sizeof request, 1, key));
	}
}

static void options_that_reach_further_are_nobodys(void **state)
{
	(void)state;
	assert_true(tg_option_may_set(IPPROTO_TCP, TCP_KEEPIDLE));
	assert_true(tg_option_may_get(IPPROTO_TCP, TCP_INFO));
	assert_false(tg_option_may_set(IPPROTO_TCP, TCP_INFO));
	assert_false(tg_option_may_set(IPPROTO_TCP, TCP_ULP));
	assert_false(tg_option_may_set(IPPROTO_TCP, TCP_REPAIR));
	assert_false(tg_option_may_get(IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE));
	assert_false(tg_option_may_set(SOL_SOCKET, SO_ATTACH_FILTER));
	assert_false(tg_option_may_set(SOL_SOCKET, SO_ATTACH_BPF));
	assert_false(tg_option_may_set(IPPROTO_UDP, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hash_is_siphash),
	    cmocka_unit_test(a_name_says_what_was_put_in),
	    cmocka_unit_test(a_name_of_another_tree_or_key_is_none),
	    cmocka_unit_test(a_name_that_was_changed_is_none),
	    cmocka_unit_test(what_is_no_ip_connection_has_no_name),
	    cmocka_unit_test(only_whole_requests_are_heard),
	    cmocka_unit_test(bounds_of_requests_are_kept),
	    cmocka_unit_test(options_that_reach_further_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

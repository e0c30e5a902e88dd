/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/policy.h"
#include "ipc/read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPAN(text)                                                                                                         \
	{                                                                                                                  \
		(const unsigned char *)(text), sizeof(text) - 1                                                            \
	}

static const unsigned char sha256[TG_DIGEST_SIZE] = {1, 2, 3, 0, 255};

static struct tg_span chain[] = {SPAN("intermediate"), SPAN("root")};
static struct tg_pair pairs[] = {
    {.leaf = SPAN("rsa leaf"), .chain = chain, .chain_count = 2, .key = SPAN("rsa key")},
    {.leaf = SPAN("ec leaf"), .key = SPAN("ec key")},
};
static struct tg_credentials credentials[] = {{.pairs = pairs, .pair_count = 2}};
static struct tg_span cas[] = {SPAN("old ca"), SPAN("new ca")};
static struct tg_span crls[] = {SPAN("crl")};
static struct tg_trust trusts[] = {{
    .cas = cas,
    .ca_count = 2,
    .crls = crls,
    .crl_count = 1,
    .crl_check = TG_CRL_CHAIN,
    .verify_depth = 8,
    .crl_next_update = INT64_C(0x123456789a),
}};
static struct tg_rule rules[] = {
    {.kind = TG_RULE_CN, .value = SPAN("alice")},
    {.kind = TG_RULE_DNS, .wildcard = true, .value = SPAN("example.com")},
    {.kind = TG_RULE_URI, .wildcard = true, .value = SPAN("spiffe://corp/")},
    {.kind = TG_RULE_EMAIL, .value = SPAN("a@example.com")},
    {.kind = TG_RULE_IP, .prefix_length = 8, .value = SPAN("\x0a\0\0\0")},
    {.kind = TG_RULE_SHA256, .value = {sha256, sizeof sha256}},
};
static char server_section[] = "server", api_section[] = "listener api", shop_section[] = "sni shop";
static char ciphers[] = "ECDHE+AESGCM", groups[] = "X25519:P-256";
static struct tg_policy policies[] = {
    {
	.section = server_section,
	.mode = TG_MODE_MUTUAL,
	.override = true,
	.credentials = 0,
	.trust = 0,
	.rules = rules,
	.rule_count = 6,
	.min_protocol = 0x0303,
	.max_protocol = 0x0304,
	.security_level = 2,
	.ciphers = ciphers,
	.groups = groups,
	.max_session_age = 604800,
	.recheck = true,
	.digest = {9, 8, 7},
	.alpn = SPAN("\2h2\10http/1.1"),
	.alpn_required = true,
    },
    {.section = api_section, .mode = TG_MODE_OFF, .credentials = TG_NONE, .trust = TG_NONE, .security_level = -1},
    {.section = shop_section, .mode = TG_MODE_SERVER, .credentials = 0, .trust = TG_NONE, .security_level = -1},
};
static struct tg_address addresses[] = {
    {.family = 4, .port = 8443, .bytes = {127, 0, 0, 1}},
    {.family = 6, .port = 8443, .bytes = {[15] = 1}},
    {.family = 0, .any = true, .port = 443},
};
static char shop_name[] = "shop.example.com", wild_name[] = "example.org";
static struct tg_name names[] = {
    {.text = shop_name, .policy = 2},
    {.text = wild_name, .wildcard = true, .policy = 2},
};
static struct tg_route routes[] = {
    {.is_server = true, .policy = 0},
    {
	.addresses = addresses,
	.address_count = 3,
	.policy = 1,
	.names = names,
	.name_count = 2,
	.plaintext = {.terminated = true,
		      .accept = true,
		      .engine = TG_ENGINE_RELAY,
		      .handshake_timeout = 3600,
		      .wait_ms = 10000,
		      .proxy_header = TG_PROXY_V2_SSL_CN},
    },
};
static char exe[] = "/usr/sbin/nginx";
static char *exes[] = {exe};

static const struct tg_document sample = {
    .reload_signal = 1,
    .children_keep = true,
    .exes = exes,
    .exe_count = 1,
    .credentials = credentials,
    .credentials_count = 1,
    .trusts = trusts,
    .trust_count = 1,
    .policies = policies,
    .policy_count = 3,
    .routes = routes,
    .route_count = 2,
};

struct encoded {
	unsigned char *bytes;
	size_t size;
};

static struct encoded encode(const struct tg_document *document)
{
	struct encoded ret = {0};

	assert_int_equal(tg_document_encode(document, &ret.bytes, &ret.size), 0);
	return ret;
}

static void assert_span(const struct tg_span *is, const struct tg_span *wanted)
{
	assert_int_equal(is->size, wanted->size);
	assert_memory_equal(is->data, wanted->data, wanted->size);
}

static void assert_text(const char *is, const char *wanted)
{
	if (wanted)
		assert_string_equal(is, wanted);
	else
		assert_null(is);
}

static void assert_policy(const struct tg_policy *is, const struct tg_policy *wanted)
{
	assert_text(is->section, wanted->section);
	assert_int_equal(is->mode, wanted->mode);
	assert_int_equal(is->override, wanted->override);
	assert_int_equal(is->credentials, wanted->credentials);
	assert_int_equal(is->trust, wanted->trust);
	assert_int_equal(is->rule_count, wanted->rule_count);
	for (size_t i = 0; i < is->rule_count; i++) {
		assert_int_equal(is->rules[i].kind, wanted->rules[i].kind);
		assert_int_equal(is->rules[i].wildcard, wanted->rules[i].wildcard);
		assert_int_equal(is->rules[i].prefix_length, wanted->rules[i].prefix_length);
		assert_span(&is->rules[i].value, &wanted->rules[i].value);
	}
	assert_int_equal(is->min_protocol, wanted->min_protocol);
	assert_int_equal(is->max_protocol, wanted->max_protocol);
	assert_int_equal(is->security_level, wanted->security_level);
	assert_text(is->ciphers, wanted->ciphers);
	assert_text(is->ciphersuites, wanted->ciphersuites);
	assert_text(is->groups, wanted->groups);
	assert_int_equal(is->max_session_age, wanted->max_session_age);
	assert_int_equal(is->recheck, wanted->recheck);
	assert_memory_equal(is->digest, wanted->digest, TG_DIGEST_SIZE);
	assert_span(&is->alpn, &wanted->alpn);
	assert_int_equal(is->alpn_required, wanted->alpn_required);
}

static void assert_route(const struct tg_route *is, const struct tg_route *wanted)
{
	assert_int_equal(is->is_server, wanted->is_server);
	assert_int_equal(is->policy, wanted->policy);
	assert_int_equal(is->address_count, wanted->address_count);
	for (size_t i = 0; i < is->address_count; i++) {
		assert_int_equal(is->addresses[i].family, wanted->addresses[i].family);
		assert_int_equal(is->addresses[i].any, wanted->addresses[i].any);
		assert_int_equal(is->addresses[i].port, wanted->addresses[i].port);
		assert_memory_equal(is->addresses[i].bytes, wanted->addresses[i].bytes, 16);
	}
	assert_int_equal(is->name_count, wanted->name_count);
	for (size_t i = 0; i < is->name_count; i++) {
		assert_text(is->names[i].text, wanted->names[i].text);
		assert_int_equal(is->names[i].wildcard, wanted->names[i].wildcard);
		assert_int_equal(is->names[i].policy, wanted->names[i].policy);
	}
	assert_int_equal(is->plaintext.terminated, wanted->plaintext.terminated);
	assert_int_equal(is->plaintext.accept, wanted->plaintext.accept);
	assert_int_equal(is->plaintext.engine, wanted->plaintext.engine);
	assert_int_equal(is->plaintext.handshake_timeout, wanted->plaintext.handshake_timeout);
	assert_int_equal(is->plaintext.wait_ms, wanted->plaintext.wait_ms);
	assert_int_equal(is->plaintext.proxy_header, wanted->plaintext.proxy_header);
}

static void round_trip_keeps_everything(void **state)
{
	const struct encoded encoded = encode(&sample);
	struct tg_document *decoded = NULL;

	(void)state;
	assert_int_equal(tg_document_decode(encoded.bytes, encoded.size, &decoded), 0);
	assert_int_equal(decoded->reload_signal, 1);
	assert_true(decoded->children_keep);
	assert_int_equal(decoded->exe_count, 1);
	assert_string_equal(decoded->exes[0], exe);
	assert_int_equal(decoded->credentials_count, 1);
	assert_int_equal(decoded->credentials[0].pair_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct tg_pair *const pair = &decoded->credentials[0].pairs[i];

		assert_span(&pair->leaf, &pairs[i].leaf);
		assert_span(&pair->key, &pairs[i].key);
		assert_int_equal(pair->chain_count, pairs[i].chain_count);
		for (size_t j = 0; j < pair->chain_count; j++)
			assert_span(&pair->chain[j], &chain[j]);
	}
	assert_int_equal(decoded->trust_count, 1);
	assert_int_equal(decoded->trusts[0].ca_count, 2);
	assert_span(&decoded->trusts[0].cas[1], &cas[1]);
	assert_int_equal(decoded->trusts[0].crl_count, 1);
	assert_span(&decoded->trusts[0].crls[0], &crls[0]);
	assert_int_equal(decoded->trusts[0].crl_check, TG_CRL_CHAIN);
	assert_int_equal(decoded->trusts[0].verify_depth, 8);
	assert_true(decoded->trusts[0].crl_next_update == trusts[0].crl_next_update);
	assert_int_equal(decoded->policy_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_policy(&decoded->policies[i], &policies[i]);
	assert_int_equal(decoded->route_count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_route(&decoded->routes[i], &routes[i]);
	tg_document_free(decoded);
	tg_cleanse_free(encoded.bytes, encoded.size);
}

/* What policies have got since the version before, here at the end of the only one, and what stands behind that. */
#define GOT_SINCE (sizeof(uint32_t) + 1)
#define ROUTES (sizeof(uint32_t) + 1 + 3 * sizeof(uint32_t) + 1)

static void the_format_before_is_read(void **state)
{
	static const uint32_t others[] = {0, 1, 2, 4, 5};
	struct tg_policy policy = {
	    .section = server_section, .credentials = TG_NONE, .trust = TG_NONE, .security_level = -1};
	struct tg_route route = {.is_server = true};
	const struct tg_document document = {.policies = &policy, .policy_count = 1, .routes = &route, .route_count = 1};
	const struct encoded encoded = encode(&document);
	struct tg_document *decoded = NULL;
	uint32_t version = 3;

	(void)state;
	memcpy(encoded.bytes + sizeof(uint32_t), &version, sizeof version);
	memmove(encoded.bytes + encoded.size - ROUTES - GOT_SINCE, encoded.bytes + encoded.size - ROUTES, ROUTES);
	assert_int_equal(tg_document_decode(encoded.bytes, encoded.size - GOT_SINCE, &decoded), 0);
	assert_policy(&decoded->policies[0], &policy);
	assert_route(&decoded->routes[0], &route);
	tg_document_free(decoded);
	decoded = NULL;
	/* without that, it is no document of any other version */
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		memcpy(encoded.bytes + sizeof(uint32_t), &others[i], sizeof version);
		assert_int_equal(tg_document_decode(encoded.bytes, encoded.size - GOT_SINCE, &decoded), -EBADMSG);
	}
	free(encoded.bytes);
}

static void empty_document_is_one(void **state)
{
	const struct tg_document empty = {0};
	const struct encoded encoded = encode(&empty);
	struct tg_document *decoded = NULL;

	(void)state;
	assert_int_equal(tg_document_decode(encoded.bytes, encoded.size, &decoded), 0);
	assert_int_equal(decoded->route_count, 0);
	assert_null(decoded->routes);
	tg_document_free(decoded);
	tg_document_free(NULL);
	free(encoded.bytes);
}

/* Bytes of an address that its family does not have must not leak into the encoding. */
static void equal_content_gives_equal_bytes(void **state)
{
	struct tg_address noisy[3];
	struct tg_route route = routes[1];
	struct tg_route both[2] = {routes[0]};
	struct tg_document twin = sample;
	struct encoded first, second;

	(void)state;
	memcpy(noisy, addresses, sizeof noisy);
	memset(noisy[0].bytes + 4, 0x55, 12);
	memset(noisy[2].bytes, 0x55, 16);
	route.addresses = noisy;
	both[1] = route;
	twin.routes = both;
	first = encode(&sample);
	second = encode(&twin);
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.bytes, second.bytes, first.size);
	free(first.bytes);
	free(second.bytes);
}

/* Decodes from memory of exactly that size, so that AddressSanitizer sees one byte too much. */
static int decode_exact(const unsigned char *bytes, size_t size, struct tg_document **ret)
{
	unsigned char *const exact = malloc(size ? size : 1);
	int error;

	assert_non_null(exact);
	memcpy(exact, bytes, size);
	error = tg_document_decode(exact, size, ret);
	if (!error)
		tg_document_free(*ret);
	free(exact);
	return error;
}

static void every_truncation_is_refused(void **state)
{
	const struct encoded encoded = encode(&sample);
	struct tg_document other = {0}, *const untouched = &other;
	struct tg_document *decoded = untouched;

	(void)state;
	for (size_t size = 0; size < encoded.size; size++) {
		assert_int_equal(decode_exact(encoded.bytes, size, &decoded), -EBADMSG);
		assert_ptr_equal(decoded, untouched);
	}
	free(encoded.bytes);
}

static void trailing_bytes_are_refused(void **state)
{
	const struct encoded encoded = encode(&sample);
	unsigned char *const longer = calloc(1, encoded.size + 1);
	struct tg_document *decoded;

	(void)state;
	assert_non_null(longer);
	memcpy(longer, encoded.bytes, encoded.size);
	assert_int_equal(decode_exact(longer, encoded.size + 1, &decoded), -EBADMSG);
	free(longer);
	free(encoded.bytes);
}

/* What is accepted in spite of a changed byte must still be a document that can be walked: encoding it walks all of it. */
static void every_changed_byte_is_survived(void **state)
{
	static const unsigned char changes[] = {0x01, 0x80, 0xff};
	const struct encoded encoded = encode(&sample);
	size_t refused = 0;

	(void)state;
	for (size_t at = 0; at < encoded.size; at++) {
		for (size_t i = 0; i < sizeof changes; i++) {
			struct tg_document *decoded = NULL;
			int error;

			encoded.bytes[at] ^= changes[i];
			error = tg_document_decode(encoded.bytes, encoded.size, &decoded);
			if (error) {
				assert_int_equal(error, -EBADMSG);
				assert_null(decoded);
				refused++;
			} else {
				const struct encoded again = encode(decoded);

				assert_int_equal(again.size, encoded.size);
				assert_memory_equal(again.bytes, encoded.bytes, again.size);
				free(again.bytes);
				tg_document_free(decoded);
			}
			encoded.bytes[at] ^= changes[i];
		}
	}
	assert_true(refused > encoded.size);
	free(encoded.bytes);
}

/* Encodes the sample after `change` was applied to copies of its parts, and expects the decoder to refuse it. */
struct parts {
	struct tg_document document;
	struct tg_credentials credentials[1];
	struct tg_pair pairs[2];
	struct tg_trust trusts[1];
	struct tg_policy policies[3];
	struct tg_rule rules[6];
	struct tg_route routes[2];
	struct tg_name names[2];
	struct tg_address addresses[3];
};

static void parts_copy(struct parts *parts)
{
	parts->document = sample;
	memcpy(parts->credentials, credentials, sizeof credentials);
	memcpy(parts->pairs, pairs, sizeof pairs);
	memcpy(parts->trusts, trusts, sizeof trusts);
	memcpy(parts->policies, policies, sizeof policies);
	memcpy(parts->rules, rules, sizeof rules);
	memcpy(parts->routes, routes, sizeof routes);
	memcpy(parts->names, names, sizeof names);
	memcpy(parts->addresses, addresses, sizeof addresses);
	parts->document.credentials = parts->credentials;
	parts->credentials[0].pairs = parts->pairs;
	parts->document.trusts = parts->trusts;
	parts->document.policies = parts->policies;
	parts->policies[0].rules = parts->rules;
	parts->document.routes = parts->routes;
	parts->routes[1].names = parts->names;
	parts->routes[1].addresses = parts->addresses;
}

static int decode_parts(const struct parts *parts)
{
	const struct encoded encoded = encode(&parts->document);
	struct tg_document *decoded;
	const int error = decode_exact(encoded.bytes, encoded.size, &decoded);

	free(encoded.bytes);
	return error;
}

#define REFUSED(...)                                                                                                       \
	do {                                                                                                               \
		struct parts p;                                                                                            \
		parts_copy(&p);                                                                                            \
		assert_int_equal(decode_parts(&p), 0);                                                                     \
		__VA_ARGS__;                                                                                               \
		assert_int_equal(decode_parts(&p), -EBADMSG);                                                              \
	} while (0)

static void indices_out_of_range_are_refused(void **state)
{
	(void)state;
	REFUSED(p.policies[0].credentials = 1);
	REFUSED(p.policies[0].trust = 1);
	REFUSED(p.policies[1].trust = 7);
	REFUSED(p.routes[0].policy = 3);
	REFUSED(p.routes[0].policy = TG_NONE);
	REFUSED(p.names[1].policy = 3);
	REFUSED(p.document.trust_count = 0);
	REFUSED(p.document.policy_count = 2);
}

static void modes_without_what_they_need_are_refused(void **state)
{
	static const enum tg_mode verifying[] = {TG_MODE_MUTUAL, TG_MODE_OBSERVE, TG_MODE_OPTIONAL};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		REFUSED(p.policies[0].mode = verifying[i]; p.policies[0].trust = TG_NONE);
		REFUSED(p.policies[0].mode = verifying[i]; p.policies[0].credentials = TG_NONE);
		REFUSED(p.policies[0].mode = verifying[i]; p.trusts[0].ca_count = 0);
	}
	REFUSED(p.policies[2].credentials = TG_NONE);
	REFUSED(p.credentials[0].pair_count = 0);
	REFUSED(p.pairs[1].key.size = 0);
	REFUSED(p.pairs[1].leaf.size = 0);
}

static void values_out_of_range_are_refused(void **state)
{
	static char empty[] = "";

	(void)state;
	REFUSED(p.policies[0].mode = (enum tg_mode)5);
	REFUSED(p.policies[0].security_level = -2);
	REFUSED(p.policies[0].section = NULL);
	REFUSED(p.trusts[0].crl_check = (enum tg_crl_check)3);
	REFUSED(p.trusts[0].verify_depth = -1);
	REFUSED(p.rules[0].kind = (enum tg_rule_kind)6);
	REFUSED(p.rules[0].wildcard = true);
	REFUSED(p.rules[0].value.size = 0);
	REFUSED(p.rules[0].value = (struct tg_span)SPAN("al\0ice"));
	REFUSED(p.rules[4].prefix_length = 33);
	REFUSED(p.rules[4].value.size = 3);
	REFUSED(p.rules[5].value.size = 31);
	REFUSED(p.addresses[0].family = 5);
	REFUSED(p.addresses[2].any = false);
	REFUSED(p.names[0].text = NULL);
	REFUSED(p.names[0].text = empty);
	REFUSED(p.document.reload_signal = -1);
	REFUSED(p.document.reload_signal = 65);
	REFUSED(p.routes[0].plaintext = p.routes[1].plaintext);
	REFUSED(p.routes[1].plaintext.engine = (enum tg_engine)3);
	REFUSED(p.routes[1].plaintext.handshake_timeout = 0);
	REFUSED(p.routes[1].plaintext.handshake_timeout = UINT32_MAX);
	REFUSED(p.routes[1].plaintext.wait_ms = UINT32_MAX);
	REFUSED(p.routes[1].plaintext.proxy_header = (enum tg_proxy)3);
	REFUSED(p.policies[0].alpn = (struct tg_span)SPAN("\2h2\0"));
	REFUSED(p.policies[0].alpn = (struct tg_span)SPAN("\2h2\3xy"));
	REFUSED(p.policies[1].alpn_required = true);
}

/* A text whose size covers a NUL inside it, or that does not end in one, is refused. */
static void texts_end_in_their_only_nul(void **state)
{
	const struct encoded encoded = encode(&sample);
	unsigned char *const text = memmem(encoded.bytes, encoded.size, exe, sizeof exe);
	struct tg_document *decoded;

	(void)state;
	assert_non_null(text);
	text[3] = '\0';
	assert_int_equal(decode_exact(encoded.bytes, encoded.size, &decoded), -EBADMSG);
	text[3] = 'r';
	assert_int_equal(decode_exact(encoded.bytes, encoded.size, &decoded), 0);
	text[sizeof exe - 1] = 'x';
	assert_int_equal(decode_exact(encoded.bytes, encoded.size, &decoded), -EBADMSG);
	free(encoded.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip_keeps_everything),
	    cmocka_unit_test(empty_document_is_one),
	    cmocka_unit_test(the_format_before_is_read),
	    cmocka_unit_test(equal_content_gives_equal_bytes),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(trailing_bytes_are_refused),
	    cmocka_unit_test(every_changed_byte_is_survived),
	    cmocka_unit_test(indices_out_of_range_are_refused),
	    cmocka_unit_test(modes_without_what_they_need_are_refused),
	    cmocka_unit_test(values_out_of_range_are_refused),
	    cmocka_unit_test(texts_end_in_their_only_nul),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/policy.h"

#include "ipc/alpn.h"
#include "ipc/policy_format.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Every array of a decoded document lies in a block of its own, all of them chained from the document. */
struct block {
	struct block *next;
	_Alignas(max_align_t) unsigned char memory[];
};

/* After the first fault `error` stays set, every read gives zeros, and every array is empty. */
struct decoder {
	const unsigned char *at;
	size_t left;
	struct block **blocks;
	uint32_t version;
	int error;
};

/* Least encoded sizes of elements: an array that could not fit what is left is refused before memory is taken for it. */
enum {
	LEAST_SPAN = 4,
	LEAST_PAIR = 4 + 4 + 4,
	LEAST_CREDENTIALS = 4,
	LEAST_TRUST = 4 + 4 + 1 + 4 + 8,
	LEAST_RULE = 1 + 1 + 1 + 4,
	LEAST_POLICY = 4 + 1 + 1 + 4 + 4 + 4 + 2 + 2 + 4 + 4 + 4 + 4 + 4 + 1 + TG_DIGEST_SIZE,
	LEAST_ADDRESS = 1 + 1 + 2,
	LEAST_NAME = 4 + 1 + 4,
	LEAST_ROUTE = 1 + 4 + 4 + 4 + 1,
};

static void refuse(struct decoder *decoder)
{
	if (!decoder->error)
		decoder->error = -EBADMSG;
	decoder->left = 0;
}

static const unsigned char *take_bytes(struct decoder *decoder, size_t size)
{
	const unsigned char *const data = decoder->at;

	if (decoder->error || size > decoder->left) {
		refuse(decoder);
		return NULL;
	}
	decoder->at += size;
	decoder->left -= size;
	return data;
}

static void take_into(struct decoder *decoder, void *target, size_t size)
{
	const unsigned char *const data = take_bytes(decoder, size);

	if (data)
		memcpy(target, data, size);
}

static uint8_t take_u8(struct decoder *decoder)
{
	uint8_t value = 0;

	take_into(decoder, &value, sizeof value);
	return value;
}

static uint16_t take_u16(struct decoder *decoder)
{
	uint16_t value = 0;

	take_into(decoder, &value, sizeof value);
	return value;
}

static uint32_t take_u32(struct decoder *decoder)
{
	uint32_t value = 0;

	take_into(decoder, &value, sizeof value);
	return value;
}

static uint64_t take_u64(struct decoder *decoder)
{
	uint64_t value = 0;

	take_into(decoder, &value, sizeof value);
	return value;
}

static bool take_bool(struct decoder *decoder)
{
	const uint8_t value = take_u8(decoder);

	if (value > 1)
		refuse(decoder);
	return value == 1;
}

static unsigned int take_enum(struct decoder *decoder, unsigned int highest)
{
	const unsigned int value = take_u8(decoder);

	if (value > highest) {
		refuse(decoder);
		return 0;
	}
	return value;
}

static int take_int(struct decoder *decoder, int lowest, int highest)
{
	const int32_t value = (int32_t)take_u32(decoder);

	if (value < lowest || value > highest)
		refuse(decoder);
	return value;
}

/* Zeroed memory for the `*ret_count` elements that follow; NULL, with a count of 0, where there are none. */
static void *take_array(struct decoder *decoder, size_t least, size_t element, size_t *ret_count)
{
	const uint32_t count = take_u32(decoder);
	struct block *block;

	*ret_count = 0;
	if (count > decoder->left / least)
		refuse(decoder);
	if (decoder->error || count == 0)
		return NULL;
	if (element > (SIZE_MAX - sizeof *block) / count) {
		refuse(decoder);
		return NULL;
	}
	block = calloc(1, sizeof *block + count * element);
	if (!block) {
		decoder->error = -ENOMEM;
		decoder->left = 0;
		return NULL;
	}
	block->next = *decoder->blocks;
	*decoder->blocks = block;
	*ret_count = count;
	return block->memory;
}

static void take_span(struct decoder *decoder, struct tg_span *ret)
{
	const uint32_t size = take_u32(decoder);

	ret->data = take_bytes(decoder, size);
	ret->size = ret->data ? size : 0;
}

static void take_full_span(struct decoder *decoder, struct tg_span *ret)
{
	take_span(decoder, ret);
	if (ret->size == 0)
		refuse(decoder);
}

static struct tg_span *take_full_spans(struct decoder *decoder, size_t *ret_count)
{
	struct tg_span *const spans = take_array(decoder, LEAST_SPAN, sizeof *spans, ret_count);

	for (size_t i = 0; i < *ret_count; i++)
		take_full_span(decoder, &spans[i]);
	return spans;
}

/* The text stays where it is; policy.h says that the caller's bytes outlive it, and nobody writes through it. */
static char *take_text(struct decoder *decoder)
{
	struct tg_span span;

	take_span(decoder, &span);
	if (span.size == 0)
		return NULL;
	if (memchr(span.data, 0, span.size) != span.data + span.size - 1) {
		refuse(decoder);
		return NULL;
	}
	return (char *)(uintptr_t)span.data;
}

static char *take_filled_text(struct decoder *decoder)
{
	char *const text = take_text(decoder);

	if (!text || !*text)
		refuse(decoder);
	return text;
}

static void take_credentials(struct decoder *decoder, struct tg_credentials *ret)
{
	ret->pairs = take_array(decoder, LEAST_PAIR, sizeof *ret->pairs, &ret->pair_count);
	for (size_t i = 0; i < ret->pair_count; i++) {
		take_full_span(decoder, &ret->pairs[i].leaf);
		ret->pairs[i].chain = take_full_spans(decoder, &ret->pairs[i].chain_count);
		take_full_span(decoder, &ret->pairs[i].key);
	}
}

static void take_trust(struct decoder *decoder, struct tg_trust *ret)
{
	ret->cas = take_full_spans(decoder, &ret->ca_count);
	ret->crls = take_full_spans(decoder, &ret->crl_count);
	ret->crl_check = take_enum(decoder, TG_CRL_CHAIN);
	ret->verify_depth = take_int(decoder, 0, INT32_MAX);
	ret->crl_next_update = (int64_t)take_u64(decoder);
}

static void take_rule(struct decoder *decoder, struct tg_rule *ret)
{
	bool good;

	ret->kind = take_enum(decoder, TG_RULE_SHA256);
	ret->wildcard = take_bool(decoder);
	ret->prefix_length = take_u8(decoder);
	take_full_span(decoder, &ret->value);
	switch (ret->kind) {
	case TG_RULE_IP:
		good = (ret->value.size == 4 || ret->value.size == 16) && ret->prefix_length <= ret->value.size * 8 &&
		       !ret->wildcard;
		break;
	case TG_RULE_SHA256:
		good = ret->value.size == TG_DIGEST_SIZE && !ret->wildcard;
		break;
	case TG_RULE_DNS:
	case TG_RULE_URI:
		good = ret->value.size > 0 && !memchr(ret->value.data, 0, ret->value.size);
		break;
	default:
		good = ret->value.size > 0 && !memchr(ret->value.data, 0, ret->value.size) && !ret->wildcard;
		break;
	}
	if (!good)
		refuse(decoder);
}

/* A mode that serves our certificate must have one, and a mode that judges clients must have somebody to trust. */
static bool policy_is_whole(const struct tg_document *document, const struct tg_policy *policy)
{
	const bool verifies = policy->mode != TG_MODE_OFF && policy->mode != TG_MODE_SERVER;

	if (policy->credentials == TG_NONE) {
		if (policy->mode != TG_MODE_OFF)
			return false;
	} else if (policy->credentials >= document->credentials_count ||
		   document->credentials[policy->credentials].pair_count == 0) {
		return false;
	}
	if (policy->trust == TG_NONE)
		return !verifies;
	return policy->trust < document->trust_count && (!verifies || document->trusts[policy->trust].ca_count > 0);
}

static void take_alpn(struct decoder *decoder, struct tg_policy *ret)
{
	take_span(decoder, &ret->alpn);
	ret->alpn_required = take_bool(decoder);
	if (ret->alpn.size > 0 ? !tg_alpn_is_list(ret->alpn) : ret->alpn_required)
		refuse(decoder);
}

static void take_policy(struct decoder *decoder, const struct tg_document *document, struct tg_policy *ret)
{
	ret->section = take_filled_text(decoder);
	ret->mode = take_enum(decoder, TG_MODE_OPTIONAL);
	ret->override = take_bool(decoder);
	ret->credentials = take_u32(decoder);
	ret->trust = take_u32(decoder);
	ret->rules = take_array(decoder, LEAST_RULE, sizeof *ret->rules, &ret->rule_count);
	for (size_t i = 0; i < ret->rule_count; i++)
		take_rule(decoder, &ret->rules[i]);
	ret->min_protocol = take_u16(decoder);
	ret->max_protocol = take_u16(decoder);
	ret->security_level = take_int(decoder, -1, INT32_MAX);
	ret->ciphers = take_text(decoder);
	ret->ciphersuites = take_text(decoder);
	ret->groups = take_text(decoder);
	ret->max_session_age = (uint32_t)take_int(decoder, 0, INT32_MAX);
	ret->recheck = take_bool(decoder);
	take_into(decoder, ret->digest, sizeof ret->digest);
	if (decoder->version > TG_FORMAT_OLDEST)
		take_alpn(decoder, ret);
	if (!decoder->error && !policy_is_whole(document, ret))
		refuse(decoder);
}

static void take_address(struct decoder *decoder, struct tg_address *ret)
{
	ret->family = take_u8(decoder);
	ret->any = take_bool(decoder);
	ret->port = take_u16(decoder);
	if ((ret->family != 0 && ret->family != 4 && ret->family != 6) || (ret->family == 0 && !ret->any))
		refuse(decoder);
	take_into(decoder, ret->bytes, tg_format_address_size(ret->family));
}

static uint32_t take_policy_index(struct decoder *decoder, const struct tg_document *document)
{
	const uint32_t index = take_u32(decoder);

	if (index >= document->policy_count)
		refuse(decoder);
	return index;
}

/* [server] governs whatever nothing else matches: what is spoken there is not known. */
static void take_plaintext(struct decoder *decoder, bool is_server, struct tg_plaintext *ret)
{
	ret->terminated = take_bool(decoder);
	if (!ret->terminated)
		return;
	ret->accept = take_bool(decoder);
	ret->engine = take_enum(decoder, TG_ENGINE_RELAY);
	ret->handshake_timeout = (uint32_t)take_int(decoder, 1, INT32_MAX);
	ret->wait_ms = (uint32_t)take_int(decoder, 0, INT32_MAX);
	ret->proxy_header = take_enum(decoder, TG_PROXY_V2_SSL_CN);
	if (is_server)
		refuse(decoder);
}

static void take_route(struct decoder *decoder, const struct tg_document *document, struct tg_route *ret)
{
	ret->is_server = take_bool(decoder);
	ret->addresses = take_array(decoder, LEAST_ADDRESS, sizeof *ret->addresses, &ret->address_count);
	for (size_t i = 0; i < ret->address_count; i++)
		take_address(decoder, &ret->addresses[i]);
	ret->policy = take_policy_index(decoder, document);
	ret->names = take_array(decoder, LEAST_NAME, sizeof *ret->names, &ret->name_count);
	for (size_t i = 0; i < ret->name_count; i++) {
		ret->names[i].text = take_filled_text(decoder);
		ret->names[i].wildcard = take_bool(decoder);
		ret->names[i].policy = take_policy_index(decoder, document);
	}
	take_plaintext(decoder, ret->is_server, &ret->plaintext);
}

static void take_document(struct decoder *decoder, struct tg_document *ret)
{
	const uint32_t magic = take_u32(decoder);

	decoder->version = take_u32(decoder);
	if (magic != TG_FORMAT_MAGIC || decoder->version < TG_FORMAT_OLDEST || decoder->version > TG_FORMAT_VERSION)
		refuse(decoder);
	ret->reload_signal = take_int(decoder, 0, _NSIG - 1);
	ret->children_keep = take_bool(decoder);
	ret->exes = take_array(decoder, LEAST_SPAN, sizeof *ret->exes, &ret->exe_count);
	for (size_t i = 0; i < ret->exe_count; i++)
		ret->exes[i] = take_filled_text(decoder);
	ret->credentials = take_array(decoder, LEAST_CREDENTIALS, sizeof *ret->credentials, &ret->credentials_count);
	for (size_t i = 0; i < ret->credentials_count; i++)
		take_credentials(decoder, &ret->credentials[i]);
	ret->trusts = take_array(decoder, LEAST_TRUST, sizeof *ret->trusts, &ret->trust_count);
	for (size_t i = 0; i < ret->trust_count; i++)
		take_trust(decoder, &ret->trusts[i]);
	ret->policies = take_array(decoder, LEAST_POLICY, sizeof *ret->policies, &ret->policy_count);
	for (size_t i = 0; i < ret->policy_count; i++)
		take_policy(decoder, ret, &ret->policies[i]);
	ret->routes = take_array(decoder, LEAST_ROUTE, sizeof *ret->routes, &ret->route_count);
	for (size_t i = 0; i < ret->route_count; i++)
		take_route(decoder, ret, &ret->routes[i]);
	if (decoder->left > 0)
		refuse(decoder);
}

int tg_document_decode(const unsigned char *bytes, size_t size, struct tg_document **ret)
{
	struct tg_document *const document = calloc(1, sizeof *document);
	struct block *blocks = NULL;
	struct decoder decoder = {.at = bytes, .left = size, .blocks = &blocks};

	if (!document)
		return -ENOMEM;
	take_document(&decoder, document);
	document->arena = blocks;
	if (decoder.error) {
		tg_document_free(document);
		return decoder.error;
	}
	*ret = document;
	return 0;
}

void tg_document_free(struct tg_document *document)
{
	struct block *block;

	if (!document)
		return;
	block = document->arena;
	while (block) {
		struct block *const next = block->next;

		free(block);
		block = next;
	}
	free(document);
}

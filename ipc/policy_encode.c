/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/policy.h"

#include "ipc/policy_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Encoding runs twice: first without memory, to learn the size, then into exactly that much. A buffer that grows would
 * leave copies of private keys behind in freed memory.
 */
struct encoder {
	unsigned char *bytes; /* NULL: measure only */
	size_t size;
	bool too_big;
};

static void put_bytes(struct encoder *encoder, const void *data, size_t size)
{
	if (size > TG_FORMAT_LIMIT - encoder->size) {
		encoder->too_big = true;
		return;
	}
	if (encoder->bytes && size)
		memcpy(encoder->bytes + encoder->size, data, size);
	encoder->size += size;
}

static void put_u8(struct encoder *encoder, uint8_t value)
{
	put_bytes(encoder, &value, sizeof value);
}

static void put_u16(struct encoder *encoder, uint16_t value)
{
	put_bytes(encoder, &value, sizeof value);
}

static void put_u32(struct encoder *encoder, uint32_t value)
{
	put_bytes(encoder, &value, sizeof value);
}

static void put_u64(struct encoder *encoder, uint64_t value)
{
	put_bytes(encoder, &value, sizeof value);
}

static void put_count(struct encoder *encoder, size_t count)
{
	if (count > TG_FORMAT_LIMIT)
		encoder->too_big = true;
	else
		put_u32(encoder, (uint32_t)count);
}

static void put_span(struct encoder *encoder, const struct tg_span *span)
{
	put_count(encoder, span->size);
	put_bytes(encoder, span->data, span->size);
}

static void put_spans(struct encoder *encoder, const struct tg_span *spans, size_t count)
{
	put_count(encoder, count);
	for (size_t i = 0; i < count; i++)
		put_span(encoder, &spans[i]);
}

static void put_text(struct encoder *encoder, const char *text)
{
	const size_t size = text ? strlen(text) + 1 : 0;

	put_count(encoder, size);
	put_bytes(encoder, text, size);
}

static void put_credentials(struct encoder *encoder, const struct tg_credentials *credentials)
{
	put_count(encoder, credentials->pair_count);
	for (size_t i = 0; i < credentials->pair_count; i++) {
		const struct tg_pair *pair = &credentials->pairs[i];

		put_span(encoder, &pair->leaf);
		put_spans(encoder, pair->chain, pair->chain_count);
		put_span(encoder, &pair->key);
	}
}

static void put_trust(struct encoder *encoder, const struct tg_trust *trust)
{
	put_spans(encoder, trust->cas, trust->ca_count);
	put_spans(encoder, trust->crls, trust->crl_count);
	put_u8(encoder, (uint8_t)trust->crl_check);
	put_u32(encoder, (uint32_t)trust->verify_depth);
	put_u64(encoder, (uint64_t)trust->crl_next_update);
}

static void put_policy(struct encoder *encoder, const struct tg_policy *policy)
{
	put_text(encoder, policy->section);
	put_u8(encoder, (uint8_t)policy->mode);
	put_u8(encoder, policy->override);
	put_u32(encoder, policy->credentials);
	put_u32(encoder, policy->trust);
	put_count(encoder, policy->rule_count);
	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct tg_rule *rule = &policy->rules[i];

		put_u8(encoder, (uint8_t)rule->kind);
		put_u8(encoder, rule->wildcard);
		put_u8(encoder, rule->prefix_length);
		put_span(encoder, &rule->value);
	}
	put_u16(encoder, policy->min_protocol);
	put_u16(encoder, policy->max_protocol);
	put_u32(encoder, (uint32_t)policy->security_level);
	put_text(encoder, policy->ciphers);
	put_text(encoder, policy->ciphersuites);
	put_text(encoder, policy->groups);
	put_u32(encoder, policy->max_session_age);
	put_u8(encoder, policy->recheck);
	put_bytes(encoder, policy->digest, sizeof policy->digest);
	put_span(encoder, &policy->alpn);
	put_u8(encoder, policy->alpn_required);
}

static void put_plaintext(struct encoder *encoder, const struct tg_plaintext *plaintext)
{
	put_u8(encoder, plaintext->terminated);
	if (!plaintext->terminated)
		return;
	put_u8(encoder, plaintext->accept);
	put_u8(encoder, (uint8_t)plaintext->engine);
	put_u32(encoder, plaintext->handshake_timeout);
	put_u32(encoder, plaintext->wait_ms);
	put_u8(encoder, (uint8_t)plaintext->proxy_header);
}

static void put_route(struct encoder *encoder, const struct tg_route *route)
{
	put_u8(encoder, route->is_server);
	put_count(encoder, route->address_count);
	for (size_t i = 0; i < route->address_count; i++) {
		const struct tg_address *address = &route->addresses[i];

		put_u8(encoder, address->family);
		put_u8(encoder, address->any);
		put_u16(encoder, address->port);
		put_bytes(encoder, address->bytes, tg_format_address_size(address->family));
	}
	put_u32(encoder, route->policy);
	put_count(encoder, route->name_count);
	for (size_t i = 0; i < route->name_count; i++) {
		put_text(encoder, route->names[i].text);
		put_u8(encoder, route->names[i].wildcard);
		put_u32(encoder, route->names[i].policy);
	}
	put_plaintext(encoder, &route->plaintext);
}

static void put_document(struct encoder *encoder, const struct tg_document *document)
{
	put_u32(encoder, TG_FORMAT_MAGIC);
	put_u32(encoder, TG_FORMAT_VERSION);
	put_u32(encoder, (uint32_t)document->reload_signal);
	put_u8(encoder, document->children_keep);
	put_count(encoder, document->exe_count);
	for (size_t i = 0; i < document->exe_count; i++)
		put_text(encoder, document->exes[i]);
	put_count(encoder, document->credentials_count);
	for (size_t i = 0; i < document->credentials_count; i++)
		put_credentials(encoder, &document->credentials[i]);
	put_count(encoder, document->trust_count);
	for (size_t i = 0; i < document->trust_count; i++)
		put_trust(encoder, &document->trusts[i]);
	put_count(encoder, document->policy_count);
	for (size_t i = 0; i < document->policy_count; i++)
		put_policy(encoder, &document->policies[i]);
	put_count(encoder, document->route_count);
	for (size_t i = 0; i < document->route_count; i++)
		put_route(encoder, &document->routes[i]);
}

int tg_document_encode(const struct tg_document *document, unsigned char **ret_bytes, size_t *ret_size)
{
	struct encoder encoder = {0};

	put_document(&encoder, document);
	if (encoder.too_big)
		return -E2BIG;
	encoder.bytes = malloc(encoder.size);
	if (!encoder.bytes)
		return -ENOMEM;
	encoder.size = 0;
	put_document(&encoder, document);
	*ret_bytes = encoder.bytes;
	*ret_size = encoder.size;
	return 0;
}

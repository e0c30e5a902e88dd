/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/match.h"

#include <string.h>

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool equal_fold(const unsigned char *a, const unsigned char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool tg_utf8_valid(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		unsigned char c = data[i++];
		size_t more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		if (c == 0 || (c >= 0x80 && c < 0xc2) || c > 0xf4 || size - i < more)
			return false;
		uint32_t point = more == 0 ? c : c & (0x3fu >> more);
		for (size_t k = 0; k < more; k++, i++) {
			if ((data[i] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (data[i] & 0x3fu);
		}
		static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
		if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return false;
	}
	return true;
}

static bool dns_matches(const struct tg_rule *rule, const unsigned char *data, size_t size)
{
	const struct tg_span *value = &rule->value;

	if (!rule->wildcard)
		return size == value->size && equal_fold(data, value->data, size);
	const unsigned char *dot = memchr(data, '.', size);
	if (dot == NULL || dot == data)
		return false;
	size_t rest = size - (size_t)(dot + 1 - data);
	return rest == value->size && equal_fold(dot + 1, value->data, rest);
}

static bool uri_matches(const struct tg_rule *rule, const unsigned char *data, size_t size)
{
	const struct tg_span *value = &rule->value;

	if (rule->wildcard)
		return size > value->size && memcmp(data, value->data, value->size) == 0;
	return size == value->size && memcmp(data, value->data, size) == 0;
}

/* The mailbox before the last "@" is case-sensitive, the domain is not (RFC 5280 section 7.5). */
static bool email_matches(const struct tg_rule *rule, const unsigned char *data, size_t size)
{
	if (size != rule->value.size)
		return false;
	const unsigned char *at = memrchr(rule->value.data, '@', size);
	size_t local = at == NULL ? size : (size_t)(at - rule->value.data);
	return memcmp(data, rule->value.data, local) == 0 &&
	       equal_fold(data + local, rule->value.data + local, size - local);
}

static bool ip_matches(const struct tg_rule *rule, const unsigned char *data, size_t size)
{
	if (size != rule->value.size || rule->prefix_length > size * 8)
		return false;
	size_t whole = rule->prefix_length / 8;
	unsigned rest = rule->prefix_length % 8;
	if (memcmp(data, rule->value.data, whole) != 0)
		return false;
	return rest == 0 || (data[whole] ^ rule->value.data[whole]) >> (8 - rest) == 0;
}

bool tg_rule_matches(const struct tg_rule *rule, enum tg_rule_kind kind, const unsigned char *data, size_t size)
{
	if (rule->kind != kind || size == 0)
		return false;
	if (kind == TG_RULE_IP)
		return ip_matches(rule, data, size);
	if (kind == TG_RULE_SHA256)
		return size == rule->value.size && memcmp(data, rule->value.data, size) == 0;
	if (!tg_utf8_valid(data, size))
		return false;
	switch (kind) {
	case TG_RULE_CN:
		return size == rule->value.size && memcmp(data, rule->value.data, size) == 0;
	case TG_RULE_DNS:
		return dns_matches(rule, data, size);
	case TG_RULE_URI:
		return uri_matches(rule, data, size);
	case TG_RULE_EMAIL:
		return email_matches(rule, data, size);
	default:
		return false;
	}
}

int tg_name_matches(const struct tg_name *name, const char *host)
{
	if (!name->wildcard)
		return strcmp(name->text, host) == 0 ? 0 : -1;
	const char *dot = strchr(host, '.');
	return dot != NULL && dot != host && strcmp(dot + 1, name->text) == 0 ? 1 : -1;
}

bool tg_host_normalise(const unsigned char *data, size_t size, char *ret, size_t capacity)
{
	if (size > 0 && data[size - 1] == '.')
		size--;
	if (size == 0 || size >= capacity)
		return false;
	for (size_t i = 0; i < size; i++)
		if (data[i] <= ' ' || data[i] >= 0x7f)
			return false;
	for (size_t i = 0; i < size; i++)
		ret[i] = (char)lower(data[i]);
	ret[size] = '\0';
	return true;
}

int tg_mode_strictness(enum tg_mode mode)
{
	switch (mode) {
	case TG_MODE_MUTUAL:
		return 4;
	case TG_MODE_OPTIONAL:
		return 3;
	case TG_MODE_OBSERVE:
		return 2;
	case TG_MODE_SERVER:
		return 1;
	case TG_MODE_OFF:
		break;
	}
	return 0;
}

/* 0: no match; a larger number is more specific. */
static int specificity(const struct tg_address *listed, const struct tg_address *local)
{
	if (listed->port != local->port)
		return 0;
	if (listed->family == 0)
		return 1;
	if (listed->family != local->family)
		return 0;
	if (listed->any)
		return 2;
	return memcmp(listed->bytes, local->bytes, local->family == 4 ? 4 : 16) == 0 ? 3 : 0;
}

const struct tg_route *tg_route_at(const struct tg_document *document, const struct tg_address *local)
{
	const struct tg_route *best = NULL;
	int best_score = 0;

	for (size_t i = 0; i < document->route_count; i++) {
		const struct tg_route *route = &document->routes[i];
		if (route->is_server && best == NULL)
			best = route;
		for (size_t k = 0; k < route->address_count; k++) {
			int score = specificity(&route->addresses[k], local);
			if (score > best_score) {
				best = route;
				best_score = score;
			}
		}
	}
	return best;
}

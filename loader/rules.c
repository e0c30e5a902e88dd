/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/rules.h"

#include "loader/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char *const prefixes[] = {
    [TG_RULE_CN] = "CN:",       [TG_RULE_DNS] = "DNS:", [TG_RULE_URI] = "URI:",
    [TG_RULE_EMAIL] = "EMAIL:", [TG_RULE_IP] = "IP:",   [TG_RULE_SHA256] = "SHA256:",
};

static const char *dns_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	struct tg_name name = {0};
	const char *reason = tg_hostname_parse(arena, value, strlen(value), &name);

	if (reason)
		return reason;
	rule->wildcard = name.wildcard;
	rule->value = (struct tg_span){(const unsigned char *)name.text, strlen(name.text)};
	return NULL;
}

static const char *uri_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	size_t length = strlen(value);
	const char *star = strchr(value, '*');

	if (star) {
		if (star[1] != '\0' || star == value || star[-1] != '/')
			return "* is allowed once, last, after a /";
		rule->wildcard = true;
		length--;
	}
	if (!strchr(value, ':'))
		return "a URI has a scheme, as in spiffe://";
	rule->value = (struct tg_span){tg_arena_copy(arena, value, length), length};
	return NULL;
}

static const char *email_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	const char *at = strrchr(value, '@');
	char *copy;

	if (strchr(value, '*'))
		return "* is allowed in URI: and DNS: only";
	if (!at || at == value || at[1] == '\0')
		return "not a mail address";
	copy = tg_arena_text(arena, value);
	if (!copy)
		return "out of memory";
	for (char *c = copy + (at - value); *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	rule->value = (struct tg_span){(const unsigned char *)copy, strlen(copy)};
	return NULL;
}

static const char *cn_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	if (strchr(value, '*'))
		return "* is allowed in URI: and DNS: only";
	rule->value = (struct tg_span){tg_arena_copy(arena, value, strlen(value)), strlen(value)};
	return NULL;
}

static bool bits_beyond(const unsigned char *bytes, size_t size, unsigned prefix)
{
	for (unsigned bit = prefix; bit < size * 8; bit++)
		if (bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

static const char *ip_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	size_t length = strcspn(value, "/");
	char host[INET6_ADDRSTRLEN + 1];
	unsigned char bytes[16];
	unsigned prefix = 0;
	size_t size;

	if (length >= sizeof(host))
		return "not an IP address";
	memcpy(host, value, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, bytes) == 1)
		size = 4;
	else if (inet_pton(AF_INET6, host, bytes) == 1)
		size = 16;
	else
		return "not an IP address";
	if (value[length] == '/') {
		const char *digit = value + length + 1;

		if (*digit == '\0' || strlen(digit) > 3)
			return "not a prefix length behind /";
		for (; *digit != '\0'; digit++) {
			if (*digit < '0' || *digit > '9')
				return "not a prefix length behind /";
			prefix = prefix * 10 + (unsigned)(*digit - '0');
		}
		if (prefix > size * 8)
			return "the prefix is longer than the address";
		if (bits_beyond(bytes, size, prefix))
			return "the address has bits beyond the prefix";
	} else {
		prefix = (unsigned)size * 8;
	}
	rule->prefix_length = (uint8_t)prefix;
	rule->value = (struct tg_span){tg_arena_copy(arena, bytes, size), size};
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static const char *sha256_parse(struct tg_arena *arena, const char *value, struct tg_rule *rule)
{
	static const char reason[] = "not 64 hexadecimal digits";
	unsigned char bytes[TG_DIGEST_SIZE];
	size_t count = 0;

	while (*value != '\0') {
		int high = hex_digit(value[0]);
		int low = high < 0 ? -1 : hex_digit(value[1]);

		if (low < 0 || count == sizeof(bytes))
			return reason;
		bytes[count++] = (unsigned char)(high << 4 | low);
		value += 2;
		if (*value == ':' && value[1] != '\0')
			value++;
	}
	if (count != sizeof(bytes))
		return reason;
	rule->value = (struct tg_span){tg_arena_copy(arena, bytes, sizeof(bytes)), sizeof(bytes)};
	return NULL;
}

const char *tg_rule_parse(struct tg_arena *arena, const char *text, struct tg_rule *ret)
{
	static const char *(*const parsers[])(struct tg_arena *, const char *, struct tg_rule *) = {
	    [TG_RULE_CN] = cn_parse,       [TG_RULE_DNS] = dns_parse, [TG_RULE_URI] = uri_parse,
	    [TG_RULE_EMAIL] = email_parse, [TG_RULE_IP] = ip_parse,   [TG_RULE_SHA256] = sha256_parse,
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct tg_rule rule = {.kind = (enum tg_rule_kind)i};
		size_t length = strlen(prefixes[i]);
		const char *reason;

		if (strncmp(text, prefixes[i], length) != 0)
			continue;
		if (text[length] == '\0')
			return "nothing behind the prefix";
		if (text[length] == ' ' || text[length] == '\t')
			return "a space behind the prefix would be part of the value";
		reason = parsers[i](arena, text + length, &rule);
		if (!reason && !rule.value.data)
			reason = "out of memory";
		if (!reason)
			*ret = rule;
		return reason;
	}
	return "begins with none of CN:, DNS:, URI:, EMAIL:, IP:, SHA256:";
}

char *tg_rule_text(const struct tg_rule *rule)
{
	const unsigned char *value = rule->value.data;
	char address[INET6_ADDRSTRLEN] = "";
	char hex[2 * TG_DIGEST_SIZE + 1] = "";
	char *text = NULL;
	int length;

	switch (rule->kind) {
	case TG_RULE_IP:
		inet_ntop(rule->value.size == 4 ? AF_INET : AF_INET6, value, address, sizeof(address));
		length = asprintf(&text, "IP:%s/%u", address, rule->prefix_length);
		break;
	case TG_RULE_SHA256:
		for (size_t i = 0; i < rule->value.size && i < TG_DIGEST_SIZE; i++)
			snprintf(hex + 2 * i, 3, "%02x", value[i]);
		length = asprintf(&text, "SHA256:%s", hex);
		break;
	case TG_RULE_DNS:
		length =
		    asprintf(&text, "DNS:%s%.*s", rule->wildcard ? "*." : "", (int)rule->value.size, (const char *)value);
		break;
	case TG_RULE_URI:
		length =
		    asprintf(&text, "URI:%.*s%s", (int)rule->value.size, (const char *)value, rule->wildcard ? "*" : "");
		break;
	default:
		length = asprintf(&text, "%s%.*s", prefixes[rule->kind], (int)rule->value.size, (const char *)value);
		break;
	}
	return length < 0 ? NULL : text;
}

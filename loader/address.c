/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/address.h"

#include <arpa/inet.h>
#include <string.h>

static const char *port_parse(const char *text, uint16_t *ret)
{
	unsigned port = 0;

	if (*text == '\0')
		return "no port: write ADDR:PORT";
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return "the port is not a number";
		port = port * 10 + (unsigned)(*text - '0');
		if (port > 65535)
			return "the port is beyond 65535";
	}
	if (port == 0)
		return "port 0 is no port";
	*ret = (uint16_t)port;
	return NULL;
}

static bool all_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

const char *tg_address_parse(const char *text, struct tg_address *ret)
{
	struct tg_address address = {0};
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	const char *reason;
	size_t length;

	if (!colon || (text[0] == '[' && colon[-1] != ']'))
		return "no port: write ADDR:PORT, [v6]:PORT or *:PORT";
	length = (size_t)(colon - text);
	if (length >= sizeof(host))
		return "not an IP address";
	memcpy(host, text, length);
	host[length] = '\0';
	if (strcmp(host, "*") == 0) {
		address.any = true;
	} else if (host[0] == '[') {
		struct in6_addr v6;

		host[length - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6) != 1)
			return "not an IPv6 address between [ and ]";
		if (IN6_IS_ADDR_V4MAPPED(&v6)) {
			address.family = 4;
			memcpy(address.bytes, v6.s6_addr + 12, 4);
		} else {
			address.family = 6;
			memcpy(address.bytes, v6.s6_addr, 16);
		}
	} else if (inet_pton(AF_INET, host, address.bytes) == 1) {
		address.family = 4;
	} else {
		return strchr(host, ':') ? "write an IPv6 address as [v6]:PORT"
					 : "not an IP address (host names are not looked up)";
	}
	if (address.family != 0)
		address.any = all_zero(address.bytes, sizeof(address.bytes));
	reason = port_parse(colon + 1, &address.port);
	if (!reason)
		*ret = address;
	return reason;
}

bool tg_address_equal(const struct tg_address *a, const struct tg_address *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static const char *label_fault(const char *label, size_t length)
{
	if (length == 0)
		return "an empty label";
	if (length > 63)
		return "a label is longer than 63 bytes";
	for (size_t i = 0; i < length; i++) {
		char c = label[i];

		if (c == '*')
			return "a wildcard is the whole first label: *.example.com";
		if ((unsigned char)c >= 0x80)
			return "not ASCII: write the xn-- form";
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return "not a host name";
	}
	return NULL;
}

const char *tg_hostname_parse(struct tg_arena *arena, const char *text, size_t length, struct tg_name *ret)
{
	unsigned char ignored[16];
	const char *label;
	bool wildcard;
	char *copy;

	if (length > 0 && text[length - 1] == '.')
		length--;
	wildcard = length > 1 && text[0] == '*' && text[1] == '.';
	if (wildcard) {
		text += 2;
		length -= 2;
	}
	if (length == 0)
		return "an empty name";
	if (length > 253)
		return "longer than 253 bytes";
	copy = tg_arena_copy(arena, text, length);
	if (!copy)
		return "out of memory";
	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	if (inet_pton(AF_INET, copy, ignored) == 1 || inet_pton(AF_INET6, copy, ignored) == 1)
		return "an address: clients send host names only";
	for (label = copy;; label++) {
		size_t part = strcspn(label, ".");
		const char *reason = label_fault(label, part);

		if (reason)
			return reason;
		label += part;
		if (*label == '\0')
			break;
	}
	ret->text = copy;
	ret->wildcard = wildcard;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_COUNT 65536
#define PIECE_SIZE 13 /* a comma, a port, a dash, a port, NUL */

static const char every_port[] = "*";

static bool is_set(const unsigned char *set, unsigned port)
{
	return port < PORT_COUNT && (set[port / 8] >> port % 8 & 1) != 0;
}

static void fill(unsigned char *set, const struct tg_document *document)
{
	for (size_t i = 0; i < document->route_count; i++) {
		const struct tg_route *route = &document->routes[i];
		if (!route->plaintext.terminated || document->policies[route->policy].mode == TG_MODE_OFF)
			continue;
		for (size_t k = 0; k < route->address_count; k++)
			set[route->addresses[k].port / 8] |= (unsigned char)(1u << route->addresses[k].port % 8);
	}
}

static void print(const unsigned char *set, char *text)
{
	size_t length = 0;

	text[0] = '\0';
	for (unsigned first = 0, last; first < PORT_COUNT; first = last + 1) {
		last = first;
		if (!is_set(set, first))
			continue;
		while (is_set(set, last + 1))
			last++;
		if (length + PIECE_SIZE > TG_PORTS_TEXT_MAX) {
			strcpy(text, every_port);
			return;
		}
		length +=
		    (size_t)sprintf(text + length, last > first ? "%s%u-%u" : "%s%u", length > 0 ? "," : "", first, last);
	}
}

char *tg_ports_text(const struct tg_document *document)
{
	unsigned char *set = calloc(1, PORT_COUNT / 8);
	char *text = set ? malloc(TG_PORTS_TEXT_MAX) : NULL;

	if (text) {
		fill(set, document);
		print(set, text);
	}
	free(set);
	return text;
}

/* Digits alone; UINT32_MAX: there are none, or more than a port has. */
static uint32_t read_port(const char **text)
{
	const char *from = *text;
	uint32_t port = 0;

	while (**text >= '0' && **text <= '9' && *text - from < 5)
		port = port * 10 + (uint32_t)(*(*text)++ - '0');
	return *text == from || port >= PORT_COUNT ? UINT32_MAX : port;
}

bool tg_ports_contain(const char *text, uint16_t port)
{
	while (*text != '\0') {
		uint32_t first = read_port(&text), last = first;

		if (*text == '-') {
			text++;
			last = read_port(&text);
		}
		if (first == UINT32_MAX || last == UINT32_MAX || (*text != ',' && *text != '\0'))
			return true;
		if (port >= first && port <= last)
			return true;
		if (*text == ',')
			text++;
	}
	return false;
}

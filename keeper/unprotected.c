/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/unprotected.h"

#include <string.h>

/* Whether all IPv4, or all IPv6, connections that a socket on `socket` accepts have a local address of `route`. */
static bool covers(const struct tg_route *route, const struct tg_address *socket, int family)
{
	for (size_t i = 0; i < route->address_count; i++) {
		const struct tg_address *address = &route->addresses[i];

		if (address->port != socket->port)
			continue;
		if (address->family == 0)
			return true;
		if (address->family != family)
			continue;
		if (address->any || (!socket->any && memcmp(address->bytes, socket->bytes, family == 4 ? 4 : 16) == 0))
			return true;
	}
	return false;
}

static bool any_covers(const struct tg_document *document, const struct tg_address *socket, int family)
{
	for (size_t i = 0; i < document->route_count; i++)
		if (!document->routes[i].is_server && covers(&document->routes[i], socket, family))
			return true;
	return false;
}

/* A socket on [::] takes IPv4 too, unless IPV6_V6ONLY: which it has where another one takes the IPv4 of that port. */
static bool takes_both(const struct tg_listeners *listeners, const struct tg_address *socket)
{
	if (socket->family != 6 || !socket->any)
		return false;
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->addresses[i].family == 4 && listeners->addresses[i].any &&
		    listeners->addresses[i].port == socket->port)
			return false;
	return true;
}

static bool has_server(const struct tg_document *document)
{
	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].is_server)
			return true;
	return false;
}

/* The section that speaks TLS for the server on this port; NULL: there is none. */
static const char *plaintext_section(const struct tg_document *document, uint16_t port)
{
	for (size_t i = 0; i < document->route_count; i++) {
		const struct tg_route *route = &document->routes[i];
		const struct tg_policy *policy = &document->policies[route->policy];

		for (size_t k = 0; k < route->address_count; k++)
			if (route->plaintext.terminated && policy->mode != TG_MODE_OFF && route->addresses[k].port == port)
				return policy->section;
	}
	return NULL;
}

static bool touched(const struct tg_document *document, const struct tg_address *socket)
{
	struct tg_address copy = *socket;
	const struct tg_listeners one = {.addresses = &copy, .count = 1};

	for (size_t i = 0; i < document->route_count; i++)
		if (tg_listeners_touch(&one, &document->routes[i]))
			return true;
	return false;
}

size_t tg_unprotected_find(const struct tg_document *document, const struct tg_listeners *listeners,
			   struct tg_unprotected *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < listeners->count && !listeners->of_others; i++) {
		const struct tg_address *socket = &listeners->addresses[i];
		const char *section = plaintext_section(document, socket->port);

		if (any_covers(document, socket, socket->family) &&
		    (!takes_both(listeners, socket) || any_covers(document, socket, 4)))
			continue;
		/* a part of it that some section governs is enough where nothing says that it speaks plaintext */
		if (section == NULL && (has_server(document) || touched(document, socket)))
			continue;
		ret[count++] = (struct tg_unprotected){*socket, section};
	}
	return count;
}

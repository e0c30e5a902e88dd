/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/route.h"

#include "ipc/match.h"

#include <netinet/in.h>
#include <string.h>

bool tg_address_from(const struct sockaddr_storage *from, struct tg_address *ret)
{
	struct tg_address address = {0};

	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof(in));
		address.family = 4;
		address.port = ntohs(in.sin_port);
		memcpy(address.bytes, &in.sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof(in6));
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
		address.family = mapped ? 4 : 6;
		address.port = ntohs(in6.sin6_port);
		memcpy(address.bytes, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
	} else {
		return false;
	}
	/* A wildcard says nothing of where the client came in: an unconnected datagram socket has no better answer. */
	static const unsigned char unspecified[16];
	if (memcmp(address.bytes, unspecified, sizeof(unspecified)) == 0)
		return false;
	*ret = address;
	return true;
}

bool tg_address_is_none(const struct sockaddr_storage *from)
{
	return from->ss_family == AF_UNIX || from->ss_family == AF_VSOCK;
}

bool tg_route_needs_address(const struct tg_document *document)
{
	return document->route_count != 1 || !document->routes[0].is_server;
}

bool tg_route_speaks(const struct tg_document *document)
{
	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated)
			return true;
	return false;
}

static const struct tg_policy *policy_of(const struct tg_document *document, const struct tg_route *route, const char *host)
{
	uint32_t index = route->policy;
	bool wildcard = false;

	for (size_t i = 0; host != NULL && i < route->name_count; i++) {
		int match = tg_name_matches(&route->names[i], host);
		if (match == 0)
			return &document->policies[route->names[i].policy];
		if (match == 1 && !wildcard) {
			index = route->names[i].policy;
			wildcard = true;
		}
	}
	return &document->policies[index];
}

static enum tg_route_result strictest(const struct tg_document *document, const char *host, const struct tg_policy **ret)
{
	const struct tg_policy *best = NULL;
	bool ambiguous = false;

	for (size_t i = 0; i < document->route_count; i++) {
		const struct tg_policy *policy = policy_of(document, &document->routes[i], host);
		int difference = best == NULL ? 1 : tg_mode_strictness(policy->mode) - tg_mode_strictness(best->mode);
		if (difference > 0) {
			best = policy;
			ambiguous = false;
		} else if (difference == 0 && memcmp(policy->digest, best->digest, TG_DIGEST_SIZE) != 0) {
			ambiguous = true;
		}
	}
	if (best == NULL)
		return TG_ROUTE_NONE;
	if (ambiguous)
		return TG_ROUTE_AMBIGUOUS;
	*ret = best;
	return tg_route_needs_address(document) ? TG_ROUTE_STRICTEST : TG_ROUTE_FOUND;
}

enum tg_route_result tg_route_find(const struct tg_document *document, const struct tg_address *local, const char *host,
				   const struct tg_policy **ret_policy)
{
	if (local == NULL)
		return strictest(document, host, ret_policy);
	const struct tg_route *route = tg_route_at(document, local);
	if (route == NULL)
		return TG_ROUTE_NONE;
	*ret_policy = policy_of(document, route, host);
	return TG_ROUTE_FOUND;
}

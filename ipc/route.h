/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the policy that governs a connection, by its local address and the host name that the client requested. These are
 * pure functions over a decoded document, safe in any thread. "Which rule applies" in tlsgraft.ini(5) states the rules.
 */
#ifndef TG_IPC_ROUTE_H
#define TG_IPC_ROUTE_H

#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum tg_route_result {
	TG_ROUTE_FOUND,
	TG_ROUTE_NONE,      /* no section governs this address */
	TG_ROUTE_STRICTEST, /* the address is unknown: the strictest candidate applies */
	TG_ROUTE_AMBIGUOUS, /* the address is unknown and candidates verify differently: serve nothing */
};

/* Converts v4-mapped IPv6 to IPv4 (RFC 4291, section 2.5.5.2). False for other families and for a wildcard address. */
bool tg_address_from(const struct sockaddr_storage *from, struct tg_address *ret);

/*
 * The local address of a connection that certainly has no IP address: it came over a UNIX or VSOCK socket, or from inside
 * the process. Only [server] can govern it.
 */
#define TG_ADDRESS_NONE ((struct tg_address){.family = 0})

/* True for an address of a UNIX or VSOCK socket. */
bool tg_address_is_none(const struct sockaddr_storage *from);

/* True if the document has a [listener], so that the policy depends on the local address. */
bool tg_route_needs_address(const struct tg_document *document);

/* True if TLS is terminated for a plaintext server on some address. */
bool tg_route_speaks(const struct tg_document *document);

/*
 * `local` NULL: the address is unknown; it may be TG_ADDRESS_NONE. `host` NULL: the client named no host; otherwise it is
 * normalised (tg_host_normalise). Sets *ret_policy, which points into `document`, for FOUND and STRICTEST only.
 */
enum tg_route_result tg_route_find(const struct tg_document *document, const struct tg_address *local, const char *host,
				   const struct tg_policy **ret_policy);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which policy governs a connection, by its local address and the host name that the client asked for. Pure functions over
 * a decoded document; see "Which rule applies" in tlsgraft.ini(5).
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
	TG_ROUTE_STRICTEST, /* the address is not known; the strictest of the candidates was taken */
	TG_ROUTE_AMBIGUOUS, /* the address is not known and two candidates verify differently: nothing may be served */
};

/* v4-mapped IPv6 becomes IPv4. False for other families and for a wildcard address. */
bool tg_address_from(const struct sockaddr_storage *from, struct tg_address *ret);

/*
 * Where a connection came in that certainly came to no IP address: over a UNIX or VSOCK socket, or from inside the process.
 * It is [server]'s or nobody's.
 */
#define TG_ADDRESS_NONE ((struct tg_address){.family = 0})

/* True for an address of a UNIX or VSOCK socket. */
bool tg_address_is_none(const struct sockaddr_storage *from);

/* True where sections differ by address: one of them is a [listener]. */
bool tg_route_needs_address(const struct tg_document *document);

/* True where TLS is terminated for the server on some address. */
bool tg_route_speaks(const struct tg_document *document);

/*
 * `local` NULL: not known; it may be TG_ADDRESS_NONE. `host` NULL: the client named none; else normalised
 * (tg_host_normalise). *ret_policy is set for FOUND and STRICTEST.
 */
enum tg_route_result tg_route_find(const struct tg_document *document, const struct tg_address *local, const char *host,
				   const struct tg_policy **ret_policy);

#endif

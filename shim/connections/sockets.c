/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/sockets.h"

#include "ipc/match.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/connections/open_numbers.h"

#include <netinet/in.h>
#include <stdint.h>

static bool listens(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

/* A wildcard address, as that of an unconnected datagram socket, may stand for any. */
static bool is_governed(int fd, void *data)
{
	const struct tg_document *document = data;
	struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(storage);
	struct tg_address address;

	if (tg_libc.getsockname(fd, (struct sockaddr *)&storage, &size) != 0 ||
	    (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) || listens(fd))
		return false;
	if (!tg_address_from(&storage, &address))
		return ((const struct sockaddr_in *)(const void *)&storage)->sin_port !=
		       0; /* in both families at one place */
	const struct tg_route *route = tg_route_at(document, &address);
	return route != NULL && !route->is_server;
}

bool tg_sockets_any_governed(const struct tg_document *document)
{
	return tg_numbers_each(is_governed, (void *)(uintptr_t)document);
}

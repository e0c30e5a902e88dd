#include "shim/sockets.h"

#include "page/match.h"
#include "shim/libc.h"
#include "shim/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>

#define NUMBERS (1 << 20)
#define AT_ONCE 1024

static bool listens(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

/* A wildcard address, as that of an unconnected datagram socket, may stand for any. */
static bool is_governed(const struct tg_document *document, int fd)
{
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

/* poll(2) takes no more numbers than the process may have. */
static int batch(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= AT_ONCE)
		return AT_ONCE;
	return limit.rlim_cur > 0 ? (int)limit.rlim_cur : 1;
}

bool tg_sockets_any_governed(const struct tg_document *document)
{
	struct pollfd fds[AT_ONCE];
	const int count = batch();
	int saved = errno;
	bool found = false;

	for (int first = 0; first < NUMBERS && !found; first += count) {
		for (int i = 0; i < count; i++)
			fds[i] = (struct pollfd){.fd = first + i};
		bool polled = tg_libc.poll(fds, (nfds_t)count, 0) >= 0;
		for (int i = 0; i < count && !found; i++)
			found = (!polled || (fds[i].revents & POLLNVAL) == 0) && is_governed(document, first + i);
	}
	errno = saved;
	return found;
}

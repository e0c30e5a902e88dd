/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/socket.h"

#include "ipc/calls.h"

#include <errno.h>
#include <sys/socket.h>

bool tg_socket_is_internet(int fd)
{
	const int saved_errno = errno;
	int domain = AF_UNSPEC;
	socklen_t size = sizeof(domain);
	const bool is_socket = tg_call_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;

	errno = saved_errno;
	return is_socket && (domain == AF_INET || domain == AF_INET6);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/handoff/inherited.h"

#include "shim/binding/libc.h"
#include "shim/connections/open_numbers.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/process/plaintext_ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define NAMES_SIZE 4096

/* As getdents64(2) gives it. */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};

static bool visit_names(const char *names, size_t size, int folder, tg_number_visit *visit, void *data)
{
	for (size_t at = 0; at < size;) {
		const struct entry *entry = (const void *)(names + at);
		char *end;
		const long fd = strtol(entry->name, &end, 10);
		if (*end == '\0' && fd != folder && visit((int)fd, data))
			return true;
		at += entry->length;
	}
	return false;
}

/* -1: it cannot be read. Else whether a visit had seen enough. No number is missed that a visit replaces. */
static int for_each_of_proc(tg_number_visit *visit, void *data)
{
	_Alignas(struct entry) char names[NAMES_SIZE];
	const int folder =
	    (int)tg_libc.syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	long size = folder < 0 ? -1 : 1;
	bool enough = false;

	while (size > 0 && !enough) {
		size = tg_libc.syscall(SYS_getdents64, folder, names, sizeof(names));
		enough = size > 0 && visit_names(names, (size_t)size, folder, visit, data);
	}
	if (folder >= 0)
		tg_libc.close(folder);
	return size < 0 ? -1 : (int)enough;
}

static bool for_each_open(tg_number_visit *visit, void *data)
{
	const int found = for_each_of_proc(visit, data);

	return found < 0 ? tg_numbers_each(visit, data) : found != 0;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	in_port_t port;

	/* at the same place in both families */
	memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof(port));
	return ntohs(port);
}

static bool may_be_governed(int fd, void *data)
{
	struct sockaddr_storage local = {0};
	socklen_t size = sizeof(local), type_size = sizeof(int);
	int type;
	(void)data;

	if (tg_libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_STREAM ||
	    tg_libc.getsockname(fd, (struct sockaddr *)&local, &size) != 0)
		return false;
	return (local.ss_family == AF_INET || local.ss_family == AF_INET6) && tg_plaintext_ports_has(port_of(&local));
}

bool tg_inherited_any(void)
{
	const int saved = errno;
	const bool any = tg_plaintext_ports_any() && for_each_open(may_be_governed, NULL);

	errno = saved;
	return any;
}

struct taken {
	int fd;
	uint64_t cookie; /* of the socket that it was */
};

static bool cookie_of(int fd, uint64_t *ret)
{
	socklen_t size = sizeof(*ret);

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret, &size) == 0 && size == sizeof(*ret);
}

/* Another number of the same socket becomes what the first one became. */
static bool follow(int fd, void *data)
{
	const struct taken *taken = data;
	uint64_t cookie;

	if (fd == taken->fd || !cookie_of(fd, &cookie) || cookie != taken->cookie)
		return false;
	if (!tg_descriptors_is_one(taken->fd)) {
		tg_libc.dup3(taken->fd, fd, 0);
	} else {
		tg_libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (!tg_descriptors_duplicated(taken->fd, fd, true))
			tg_libc.close(fd);
	}
	return false;
}

static bool take_descriptor(int fd, void *data)
{
	struct taken taken = {.fd = fd};
	uint64_t now = 0;
	(void)data;

	tg_relayed_look(fd);
	if (tg_descriptors_is_one(fd) || !cookie_of(fd, &taken.cookie))
		return false;
	tg_descriptors_received(fd, 0);
	if (tg_descriptors_is_one(fd) || (cookie_of(fd, &now) && now != taken.cookie))
		for_each_open(follow, &taken);
	return false;
}

void tg_inherited_take(void)
{
	const int saved = errno;

	if (tg_descriptors_are_wanted())
		for_each_open(take_descriptor, NULL);
	errno = saved;
}

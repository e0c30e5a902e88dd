/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/user.h"

#include "ipc/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMON_OVERFLOW 65534 /* the kernel's default (proc_sys_kernel(5)) */
#define ALL_IDS 4294967295ul  /* how many there are; the last number is none */
#define NOT_READ (-2L)
#define NONE (-1L)

/* The first line or so of a file of /proc; empty where it cannot be read. */
static void read_file(const char *path, char ret[static 128])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t got = fd < 0 ? -1 : tg_call_read(fd, ret, 127);

	if (fd >= 0)
		tg_call_close(fd);
	ret[got > 0 ? got : 0] = '\0';
}

static bool is_identity(const char *map)
{
	unsigned long inside, outside, count;

	return sscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
	       count == ALL_IDS;
}

long tg_user_overflow(const char *map, const char *overflow)
{
	char *end;
	const unsigned long id = strtoul(overflow, &end, 10);

	if (is_identity(map))
		return NONE;
	return end == overflow || id > ALL_IDS ? COMMON_OVERFLOW : (long)id;
}

static bool is_anybody(unsigned int id, const char *map_path, const char *overflow_path, _Atomic long *known)
{
	long overflow = atomic_load_explicit(known, memory_order_relaxed);

	if (overflow == NOT_READ) {
		const int saved_errno = errno;
		char map[128], text[128];

		read_file(map_path, map);
		read_file(overflow_path, text);
		overflow = tg_user_overflow(map, text);
		atomic_store_explicit(known, overflow, memory_order_relaxed);
		errno = saved_errno;
	}
	return overflow == (long)id;
}

bool tg_user_is_anybody(uid_t user)
{
	static _Atomic long known = NOT_READ;

	return is_anybody(user, "/proc/self/uid_map", "/proc/sys/kernel/overflowuid", &known);
}

bool tg_group_is_anybody(gid_t group)
{
	static _Atomic long known = NOT_READ;

	return is_anybody(group, "/proc/self/gid_map", "/proc/sys/kernel/overflowgid", &known);
}

bool tg_user_same(uid_t a, uid_t b)
{
	return a == b && !tg_user_is_anybody(a);
}

bool tg_user_trusted(uid_t user)
{
	return (user == 0 || user == geteuid()) && !tg_user_is_anybody(user);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>
#include <time.h>

/* File systems all of whose writers are this kernel's, and whose leases it gives by who has a file open alone. */
static bool local_file_system(int fd)
{
	static const uint32_t local[] = {
	    0xef53,     /* ext2, ext3, ext4 */
	    0x58465342, /* xfs */
	    0x9123683e, /* btrfs */
	    0xf2f52010, /* f2fs */
	    0x2fc12fc1, /* zfs */
	    0x01021994, /* tmpfs */
	    0x858458f6, /* ramfs */
	    0x794c7630, /* overlayfs */
	};
	struct statfs mount;

	if (fstatfs(fd, &mount) != 0)
		return false;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if ((uint32_t)mount.f_type == local[i])
			return true;
	return false;
}

enum tg_writers tg_writers_hold(int fd)
{
	const int before = errno;
	enum tg_writers writers = TG_WRITERS_UNKNOWN;

	/* Who opens the file meanwhile makes the kernel send a signal: one that is ignored by default, instead of SIGIO,
	 * which ends a process. */
	if (local_file_system(fd) && fcntl(fd, F_SETSIG, SIGURG) == 0) {
		if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
			writers = TG_WRITERS_NONE;
		else if (errno == EAGAIN)
			writers = TG_WRITERS_SOME;
	}
	errno = before;
	return writers;
}

const char *tg_writers_fault(enum tg_writers writers, const struct stat *status, bool wait)
{
	struct timespec now;
	int64_t age;

	if (writers == TG_WRITERS_SOME)
		return "may be half written: a process has it open for writing";
	if (writers == TG_WRITERS_NONE || !wait || clock_gettime(CLOCK_REALTIME, &now) != 0)
		return NULL;
	age = ((int64_t)now.tv_sec - status->st_mtim.tv_sec) * 1000 + (now.tv_nsec - status->st_mtim.tv_nsec) / 1000000;
	/* a time to come is another clock's, and says nothing */
	return age >= 0 && age < TG_WRITERS_SETTLED_MS
		   ? "may be half written: it changed less than a second ago, and whether a process still has it open for "
		     "writing cannot be told here"
		   : NULL;
}

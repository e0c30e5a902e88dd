/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file may be half of a write. What is cut just behind a line, or behind a PEM block, looks like a whole file
 * with less in it: a section, a CRL or an `allow` would be gone without a fault. So a file is judged by who has it open,
 * and not by what it holds.
 *
 * The kernel tells: a read lease (F_SETLEASE in fcntl(2)) is given only where nobody has the file open for writing, through
 * a descriptor or a shared mapping. While it is held, who opens the file for writing waits; with O_NONBLOCK he is told
 * EWOULDBLOCK. Leases are for the owner of a file and for CAP_LEASE, and network file systems know of this host's writers
 * at most. There the time of the last change is all there is.
 */
#ifndef TG_LOADER_WRITERS_H
#define TG_LOADER_WRITERS_H

#include <stdbool.h>
#include <sys/stat.h>

enum tg_writers {
	TG_WRITERS_NONE,    /* and none comes before the descriptor is closed */
	TG_WRITERS_SOME,    /* somebody has the file open for writing */
	TG_WRITERS_UNKNOWN, /* the kernel does not say */
};

#define TG_WRITERS_SETTLED_MS 1000 /* how long a file must not have changed where the kernel does not say */

/* `fd`: a regular file, opened for reading alone, by an open file that nobody shares. */
enum tg_writers tg_writers_hold(int fd);

/* Why `status`, taken of a file with these writers, may be half of a write; NULL: it is not. `wait`: the caller tries
 * again. */
const char *tg_writers_fault(enum tg_writers writers, const struct stat *status, bool wait);

#endif

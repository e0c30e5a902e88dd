/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detects files that another process is still writing. A file that is cut just after a line, or after a PEM block, looks
 * complete but has less in it: a section, a CRL or an `allow` would be missing without any fault. So the loader checks who
 * has the file open, instead of its content.
 *
 * The kernel grants a read lease (F_SETLEASE in fcntl(2)) only if nobody has the file open for writing, by a file
 * descriptor or a shared mapping. While the lease is held, an open for writing blocks, or fails with EWOULDBLOCK under
 * O_NONBLOCK. Only the owner of a file and processes with CAP_LEASE get leases, and network file systems know at most the
 * writers of this host. Otherwise the loader can only go by the time of the last change.
 */
#ifndef TG_LOADER_WRITERS_H
#define TG_LOADER_WRITERS_H

#include <stdbool.h>
#include <sys/stat.h>

enum tg_writers {
	TG_WRITERS_NONE,    /* and nobody can start to write until the file descriptor is closed */
	TG_WRITERS_SOME,    /* somebody has the file open for writing */
	TG_WRITERS_UNKNOWN, /* the kernel cannot tell */
};

#define TG_WRITERS_SETTLED_MS 1000 /* with TG_WRITERS_UNKNOWN, a file must be unchanged for so long */

/* `fd` is a regular file, opened read-only; no other file descriptor shares its open file description. */
enum tg_writers tg_writers_hold(int fd);

/* Why `status`, taken of a file with these writers, may be half of a write; NULL: it is not. `wait`: the caller tries
 * again. */
const char *tg_writers_fault(enum tg_writers writers, const struct stat *status, bool wait);

#endif

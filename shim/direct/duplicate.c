/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/duplicate.h"

#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/readiness/epolls.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

/*
 * Descriptors 0 to 2 are written by the C library itself, and by whatever system(3) starts. So the connection goes to the
 * relay with all its numbers. If it cannot go there, all its numbers become dead ends.
 */
static int become_standard(int from, int fd, bool kept)
{
	tg_descriptors_let_go(from);
	return tg_descriptors_copy(from, fd, 0, kept);
}

int tg_duplicate_above(int from, int least, bool kept)
{
	if (tg_process_is_vforked()) {
		int fd = tg_libc.fcntl(from, F_DUPFD_CLOEXEC, least);
		return fd < 0 ? fd : tg_descriptors_pass_on(from, fd, kept);
	}
	int fd = tg_descriptors_copy(from, -1, least, kept);
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	const int r = become_standard(from, fd, kept), saved = errno;
	if (r < 0)
		tg_libc.close(fd);
	errno = saved;
	return r;
}

int tg_duplicate_onto(int from, int fd, bool kept)
{
	if (from == fd)
		return tg_libc.dup3(from, fd, kept ? 0 : O_CLOEXEC);
	if (tg_libc.fcntl(from, F_GETFD) < 0)
		return -1; /* also if it is open by now, because what it is would not be known */
	if (tg_process_is_vforked())
		return tg_descriptors_pass_on(from, fd, kept);
	if (fd >= 0 && fd <= STDERR_FILENO)
		return become_standard(from, fd, kept);
	return tg_descriptors_copy(from, fd, 0, kept);
}

void tg_close_range(unsigned first, unsigned last, int flags)
{
	const unsigned end = (unsigned)tg_descriptors_end();

	if ((flags & ~(int)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) != 0)
		return; /* the kernel refuses it */
	for (unsigned fd = first; fd < end && fd <= last; fd++)
		if ((flags & CLOSE_RANGE_CLOEXEC) != 0)
			tg_descriptors_keep((int)fd, false);
		else
			tg_descriptors_closing((int)fd, false);
	if ((flags & CLOSE_RANGE_CLOEXEC) == 0)
		for (unsigned fd = first; fd <= last && fd < TG_EPOLLS_PAGES * TG_EPOLLS_PAGE; fd++) {
			if (tg_epolls_slot((int)fd) == NULL)
				fd |= TG_EPOLLS_PAGE - 1;
			else
				tg_readiness_closed((int)fd);
		}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * close, dup, fcntl and ioctl on descriptor numbers: the real call and the change of our table together.
 */
#ifndef TG_SHIM_DIRECT_DUPLICATE_H
#define TG_SHIM_DIRECT_DUPLICATE_H

#include "shim/direct/descriptors/descriptors.h"

#include <stdbool.h>
#include <sys/single_threaded.h>

/*
 * True: other threads may turn a number into a stream, or end one, while it is copied. Then every copy is made together
 * with the table (tg_descriptors_copy).
 */
static inline bool tg_duplicate_is_shared(void)
{
	return !__libc_single_threaded && tg_descriptors_are_wanted();
}

/* As fcntl(2) with F_DUPFD_CLOEXEC, or F_DUPFD where `kept`. */
int tg_duplicate_above(int from, int least, bool kept);

/* As dup3(2). */
int tg_duplicate_onto(int from, int fd, bool kept);

/* Before close_range(2): what is a stream from `first` to `last` is closed, or (CLOSE_RANGE_CLOEXEC) not kept. */
void tg_close_range(unsigned first, unsigned last, int flags);

#endif

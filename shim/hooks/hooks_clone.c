/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks on dividing a process in two, of which one half shares descriptors or memory with the other (divided.h). */
#include "shim/binding/libc.h"
#include "shim/direct/handoff/divided.h"
#include "shim/process/state.h"

#include <sched.h>
#include <stdarg.h>
#include <sys/types.h>

/* The kernel takes three more arguments, which may be there or not. */
TG_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	va_list more;

	va_start(more, argument);
	pid_t *parent_id = va_arg(more, pid_t *);
	void *tls = va_arg(more, void *);
	pid_t *child_id = va_arg(more, pid_t *);
	va_end(more);
	tg_libc_bind();
	if (!tg_divided_before_clone((uint64_t)(unsigned)flags))
		return -1;
	return tg_libc.clone(function, stack, flags, argument, parent_id, tls, child_id);
}

TG_EXPORT __typeof__(clone) __clone __attribute__((alias("clone")));

TG_EXPORT int unshare(int flags)
{
	tg_libc_bind();
	if ((flags & CLONE_FILES) != 0 && !tg_divided_before_unshare())
		return -1;
	return tg_libc.unshare(flags);
}

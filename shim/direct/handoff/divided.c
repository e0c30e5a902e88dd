/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/handoff/divided.h"

#include "shim/direct/descriptors/descriptors.h"

#include <errno.h>
#include <sched.h>
#include <sys/single_threaded.h>

atomic_bool tg_divided;

static bool begin_division(void)
{
	atomic_store(&tg_divided, true);
	if (tg_descriptors_give_up())
		return true;
	errno = EMFILE;
	return false;
}

bool tg_divided_before_clone(uint64_t flags)
{
	const bool memory = (flags & CLONE_VM) != 0, descriptors = (flags & CLONE_FILES) != 0;

	/* Who waits for an exec is known by its id (process.h). */
	if (memory == descriptors || (memory && (flags & CLONE_VFORK) != 0))
		return true;
	return begin_division();
}

bool tg_divided_before_unshare(void)
{
	return __libc_single_threaded || begin_division();
}

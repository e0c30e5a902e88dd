/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/proc.h"

#include <unistd.h>

const char tg_proc_missing[] =
    "/proc is not mounted here, or is hidden from this process: programs, processes and shared memory "
    "are found by it (mount -t proc proc /proc)";

bool tg_proc_is_there(void)
{
	return access("/proc/self/fd", R_OK | X_OK) == 0;
}

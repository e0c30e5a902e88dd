/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded beside the shim: stops each program of the name in HOLD_PROGRAM before the shim's constructor runs, until
 * somebody continues it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void hold(void)
{
	const char *name = getenv("HOLD_PROGRAM");

	if (name && strcmp(name, program_invocation_short_name) == 0)
		raise(SIGSTOP);
}

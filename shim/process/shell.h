/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands for a shell that the C library executes by inner calls, with `environ` as the server left it.
 */
#ifndef TG_SHIM_PROCESS_SHELL_H
#define TG_SHIM_PROCESS_SHELL_H

#include "shim/process/environment.h"

/*
 * A command that first takes on what `envp` lacks (or sheds what it must not have) and then is the shell of sh(1) for
 * `command`, in the same process. Returns 0, with NULL in *ret_command where `command` can be executed as it is, else with
 * what the caller gives to free(3); -ENOMEM; -E2BIG. Allocates, as system(3) and popen(3) do.
 */
int tg_shell_command(const struct tg_environment *environment, char *const envp[], const char *command, char **ret_command);

#endif

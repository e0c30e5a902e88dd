/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are built with a sanitizer's shared runtime, which ends the process where another library stands before it
 * or is opened in a way that it cannot follow.
 */
#ifndef TG_CLI_SANITIZERS_H
#define TG_CLI_SANITIZERS_H

#include "cli/closure.h"

#include <stdbool.h>

/*
 * Why such a program would not start under the shim, and what to do: static text, NULL where nothing stands against it.
 * `plaintext`: the file speaks TLS for a plaintext server, so that the shim opens libssl where the program does not have
 * it.
 */
const char *tg_sanitizers_against(const struct tg_closure *closure, bool plaintext);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay gives up before it looks at the first byte of an untrusted process.
 */
#ifndef TG_RELAY_CONFINE_H
#define TG_RELAY_CONFINE_H

#include <sys/types.h>

/* Capabilities, new privileges, core dumps, being traced; ends with `parent`. 0 or a negative errno. */
int tg_confine(pid_t parent);

#endif

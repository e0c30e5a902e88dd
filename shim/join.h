/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming one of a tree's processes: hello to its keeper, or a keeper of this process's own, and the policy mapped.
 */
#ifndef TG_SHIM_JOIN_H
#define TG_SHIM_JOIN_H

#include <stdbool.h>

/*
 * Takes the policy of the tree that TLSGRAFT_KEEPER names, or of a new one. Returns 0; a negative errno; or the exit status
 * that a new keeper gave (start.h). After 0 with `*ret_concerned`, tg_shim has all but the state; without it, `exe` names
 * other programs and nothing is mapped.
 *
 * at_start: before main, where a program started by hand ends with status 78 instead of running without its policy.
 */
int tg_join(bool at_start, bool *ret_concerned);

/* The same for a tree that is there already: -ENOENT where TLSGRAFT_KEEPER names none. Starts and ends nothing. */
int tg_join_existing(bool *ret_concerned);

#endif

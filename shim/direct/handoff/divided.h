/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that shares its descriptors with another one and not its memory, or its memory and not its descriptors:
 * clone(2) with one of CLONE_FILES and CLONE_VM, and a thread that unshares its descriptors (unshare(2), close_range(2)). A
 * table of numbers in memory then says nothing of the numbers of the one beside it, who would write to the socket itself.
 * From then on no connection of such a process is a stream: it is the relay's, whose end any of them may use, or closed.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_DIVIDED_H
#define TG_SHIM_DIRECT_HANDOFF_DIVIDED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern atomic_bool tg_divided;

/* Before clone(2) with `flags`, and before this thread has descriptors of its own. False: errno; it must not be done. */
bool tg_divided_before_clone(uint64_t flags);
bool tg_divided_before_unshare(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Divided tables. A process may share its descriptors with another one but not its memory, or its memory but not its
 * descriptors: clone(2) with only one of CLONE_FILES and CLONE_VM, or a thread that unshares its descriptors (unshare(2),
 * close_range(2)). Then a table of numbers in memory is wrong for the other one, which would write to the socket itself. So
 * from then on no connection of such a process is a stream. The relay has it, and any of them may use the server's end; or
 * it is closed.
 */
#ifndef TG_SHIM_DIRECT_HANDOFF_DIVIDED_H
#define TG_SHIM_DIRECT_HANDOFF_DIVIDED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern atomic_bool tg_divided;

/* Before clone(2) with `flags`, and before this thread unshares its descriptors. False with errno: it must not be done. */
bool tg_divided_before_clone(uint64_t flags);
bool tg_divided_before_unshare(void);

#endif

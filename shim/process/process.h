/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process this is, without asking the kernel each time, and its line in the report memory.
 *
 * What is remembered lies in a page that the kernel empties in the child of any fork, also of a raw clone that glibc does
 * not see (MADV_WIPEONFORK, madvise(2)). A vfork child shares the parent's and counts as the parent. Any thread, any time;
 * async-signal-safe.
 */
#ifndef TG_SHIM_PROCESS_PROCESS_H
#define TG_SHIM_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Called once, before the others matter; without it, or where the kernel refuses, each call below asks the kernel. */
void tg_process_start(void);

uint32_t tg_process_id(void);

/* True between vfork(2) and exec: this memory is the parent's. One system call. */
bool tg_process_is_vforked(void);

/* True where this process has not reported yet: right after a fork. */
bool tg_process_is_new(void);

/*
 * Writes this process's slot, unless it holds `generation` already: two loads in that case, so it may be called for each
 * handshake. TG_STATE_GOVERNED alone.
 */
void tg_process_report(uint64_t generation);

#endif

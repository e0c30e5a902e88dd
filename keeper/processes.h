/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes hold a tree's memory, as /proc/PID/maps tells (proc(5)). Reading it takes the rights of ptrace(2): root,
 * or the same user and a dumpable process.
 */
#ifndef TG_KEEPER_PROCESSES_H
#define TG_KEEPER_PROCESSES_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How one process maps one of the two memories. */
struct tg_mapping {
	char tree[TG_TREE_LENGTH + 1];
	bool report;   /* else the policy */
	bool writable; /* an attached process maps the report writable and the policy not; the keeper the other way round */
	uint64_t start; /* the mapping's addresses, as its name in /proc/PID/map_files has them */
	uint64_t end;
};

/*
 * The mappings of such memories in `pid`, at most `capacity`. Returns how many, or a negative errno (-ENOENT, -ESRCH: no
 * such process; -EACCES, -EPERM: not ours to look at).
 */
int tg_process_mappings(pid_t pid, struct tg_mapping *ret, int capacity);

/*
 * True where `pid` maps the report of `tree` as an attached process does. A process that may not be looked at, as a worker
 * that changed its user in a container without CAP_SYS_PTRACE, counts where one that it descends from does.
 */
bool tg_process_in_tree(pid_t pid, const char *tree);

/* The program of `pid`, escaped; "" where it cannot be told. */
void tg_process_exe(pid_t pid, char *ret, size_t size);

/* The parent of `pid`, or 0. */
pid_t tg_process_parent(pid_t pid);

#endif

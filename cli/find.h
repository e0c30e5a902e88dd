/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a process to its tree, and to the trees of this machine.
 */
#ifndef TG_CLI_FIND_H
#define TG_CLI_FIND_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tg_found {
	char tree[TG_TREE_LENGTH + 1];
	pid_t member; /* a process by which it was found: its network namespace holds the socket */
};

/*
 * The tree of `pid`: by the memory that it maps, by the variable it was started with (a launcher maps none), or because it
 * is the tree's keeper. 0; -ENOENT: it belongs to none; -ESRCH: no such process; -EACCES: it may not be looked at.
 */
int tg_find_tree(pid_t pid, struct tg_found *ret);

/* All trees that can be seen: the caller frees *ret. Returns how many, or a negative errno. */
ssize_t tg_find_all(struct tg_found **ret);

#endif

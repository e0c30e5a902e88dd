/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that hold the tree's policy by having asked for it, each as a pidfd (pidfd_open(2)), and when the tree has
 * ended: when none of them has lived for a second and no process maps the report memory any more.
 */
#ifndef TG_KEEPER_TREE_H
#define TG_KEEPER_TREE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_TREE_LOOK_MS 250

struct tg_member {
	pid_t pid;
	int pidfd;
};

struct tg_tree {
	struct tg_member *members;
	size_t count;
	size_t room;
	int64_t empty_since; /* monotonic, milliseconds; -1: somebody lives */
};

/*
 * Takes over `pidfd`. Where memory ran out it is closed and forgotten: what the process maps still holds the tree. A
 * process that asked before is known by its id as long as it lives.
 */
void tg_tree_add(struct tg_tree *tree, pid_t pid, int pidfd);
bool tg_tree_has(const struct tg_tree *tree, pid_t pid);

/* The process goes on, but not as one of this tree. */
void tg_tree_remove(struct tg_tree *tree, pid_t pid);

/* Fills `polls` (room for tree->count) for poll(2); afterwards forgets who has ended. */
void tg_tree_fill(const struct tg_tree *tree, struct pollfd *polls);
void tg_tree_reap(struct tg_tree *tree, const struct pollfd *polls, size_t count);

/* Closes what is left. */
void tg_tree_free(struct tg_tree *tree);

/* True once the tree has ended; the report memory is then sealed for ever. `report_fd` -1: nobody can map it. */
bool tg_tree_ended(struct tg_tree *tree, int report_fd);

#endif

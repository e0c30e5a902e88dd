/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/tree.h"

#include "ipc/report.h"
#include "keeper/clock.h"

#include <stdlib.h>
#include <unistd.h>

#define GRACE_MS 1000 /* between a process that ends and one, exec'ed meanwhile, that has yet to ask */

void tg_tree_add(struct tg_tree *tree, pid_t pid, int pidfd)
{
	if (tree->count == tree->room) {
		const size_t room = tree->room == 0 ? 16 : tree->room * 2;
		struct tg_member *grown = reallocarray(tree->members, room, sizeof(*grown));

		if (grown == NULL) {
			close(pidfd);
			return;
		}
		tree->members = grown;
		tree->room = room;
	}
	tree->members[tree->count++] = (struct tg_member){pid, pidfd};
	tree->empty_since = -1;
}

bool tg_tree_has(const struct tg_tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct pollfd ended = {.fd = tree->members[i].pidfd, .events = POLLIN};

		if (tree->members[i].pid == pid && poll(&ended, 1, 0) == 0)
			return true;
	}
	return false;
}

void tg_tree_remove(struct tg_tree *tree, pid_t pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < tree->count; i++) {
		if (tree->members[i].pid == pid)
			close(tree->members[i].pidfd);
		else
			tree->members[kept++] = tree->members[i];
	}
	if (kept == 0 && tree->count > 0)
		tree->empty_since = tg_monotonic_ms();
	tree->count = kept;
}

void tg_tree_fill(const struct tg_tree *tree, struct pollfd *polls)
{
	for (size_t i = 0; i < tree->count; i++)
		polls[i] = (struct pollfd){.fd = tree->members[i].pidfd, .events = POLLIN};
}

void tg_tree_reap(struct tg_tree *tree, const struct pollfd *polls, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < tree->count; i++) {
		if (i < count && polls[i].revents != 0)
			close(tree->members[i].pidfd);
		else
			tree->members[kept++] = tree->members[i];
	}
	if (kept == 0 && tree->count > 0)
		tree->empty_since = tg_monotonic_ms();
	tree->count = kept;
}

void tg_tree_free(struct tg_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		close(tree->members[i].pidfd);
	free(tree->members);
	*tree = (struct tg_tree){.empty_since = -1};
}

bool tg_tree_ended(struct tg_tree *tree, int report_fd)
{
	if (tree->count > 0 || tree->empty_since < 0 || tg_monotonic_ms() - tree->empty_since < GRACE_MS)
		return false;
	return report_fd < 0 || tg_report_abandoned(report_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guardian and workers of one keeper have in common. Made once, before the first worker is forked.
 */
#ifndef TG_KEEPER_KEEPER_H
#define TG_KEEPER_KEEPER_H

#include "ipc/layout.h"
#include "ipc/publish.h"
#include "keeper/worker_handoff.h"

#include <stdbool.h>
#include <sys/types.h>

#define TG_EXIT_BAD_FILE 78 /* EX_CONFIG of sysexits.h */
#define TG_EXIT_OTHER 70    /* EX_SOFTWARE */
#define TG_EXIT_USAGE 64    /* EX_USAGE */

struct tg_keeper {
	const char *config; /* absolute */
	char tree[TG_TREE_LENGTH + 1];
	pid_t started_pid; /* the process that the tree was started for */
	int started_pidfd;
	const char *extra_user; /* NULL: none */
	bool report;            /* the started process must say hello or is killed */
	int result_fd;          /* where the starter waits; -1 once it was told */
	pid_t guardian_pid;
	int policy_fd; /* -1 until the first worker made them */
	int report_fd;
	struct tg_policy_page policy;
	struct tg_worker_handoff *handoff;
};

/*
 * Tells the starter what came of the start, and closes the pipe: `exit_status` 0 or one of the above, `text` for its
 * stderr. Does nothing where it was told already.
 */
void tg_keeper_result(struct tg_keeper *keeper, int exit_status, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a keeper: the program that lies beside this object, without the preload.
 */
#ifndef TG_SHIM_PROCESS_START_H
#define TG_SHIM_PROCESS_START_H

#include "ipc/layout.h"

#include <stdbool.h>

/*
 * Starts a keeper for `config` (absolute) on behalf of this process and waits for its answer, 30 s at most. Its messages
 * go to stderr. Returns 0 and the new tree's name; a negative errno where no keeper ran (said on stderr); otherwise the
 * exit status that the keeper gave: 78, the file is bad; 70, other. Leaves no child and no descriptor; at_start (before
 * main, no child of the program's own) no pending SIGCHLD either: later it might speak of another child, too.
 */
int tg_start_keeper(const char *config, bool at_start, char ret_tree[TG_TREE_LENGTH + 1]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a keeper, and hearing what came of it.
 */
#ifndef TG_CLI_LAUNCH_H
#define TG_CLI_LAUNCH_H

#include "ipc/layout.h"

/*
 * Starts `keeper` for this process with `config` (absolute), which must say hello. `user`: also may hold the keys; NULL:
 * nobody. Its messages go to stderr. Returns 0 with the tree's name, or an exit status (78: the file is bad). No child is
 * left.
 */
int tg_launch_keeper(const char *keeper, const char *config, const char *user, char ret_tree[TG_TREE_LENGTH + 1]);

#endif

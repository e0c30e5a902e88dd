/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation with a keeper.
 */
#ifndef TG_CLI_ASK_H
#define TG_CLI_ASK_H

#include "ipc/channel.h"

/*
 * Asks the keeper of `tree`, in this network namespace or in that of `member` (0: no process of the tree is known), waiting
 * at most `timeout_ms` for its answer. 0 with a malloc'ed text; -ECONNREFUSED: there is no keeper, or another user has its
 * name; -ECONNRESET: it ended
 * before it answered; -EPERM: not a keeper to believe; -EACCES: it does not answer this user; or another negative errno.
 */
int tg_ask(const char *tree, pid_t member, enum tg_request_kind kind, int timeout_ms, char **ret_text);

/* The process that keeps `tree`, by the kernel's word: 0 or a negative errno. */
int tg_ask_keeper(const char *tree, pid_t member, pid_t *ret_pid);

#endif

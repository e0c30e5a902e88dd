/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a process: its members, and what each port of theirs answers against what its section promises.
 */
#ifndef TG_CLI_DOCTOR_TREE_H
#define TG_CLI_DOCTOR_TREE_H

#include "cli/findings.h"

#include <cjson/cJSON.h>
#include <sys/types.h>

/* `tree`: the object of `status`; NULL: `pid` belongs to none, so it and its descendants are looked at. `pid` 0: a keeper's
 * tree. */
void tg_doctor_tree(pid_t pid, const cJSON *tree, struct tg_findings *findings);

#endif

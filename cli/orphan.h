/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree whose keeper is gone: its processes go on with the last good generation, and can no longer be renewed.
 */
#ifndef TG_CLI_ORPHAN_H
#define TG_CLI_ORPHAN_H

#include <cjson/cJSON.h>

/*
 * The object of `tree` for `status --json`, read through /proc/PID/map_files of a process that maps its memory, where that
 * is permitted (root). Where it is not, the sections are empty. NULL: no process maps the memory: there is no such tree.
 */
cJSON *tg_orphan_json(const char *tree);

#endif

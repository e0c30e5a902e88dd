/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object of one tree, from its keeper, or from its memory where the keeper is gone.
 */
#ifndef TG_CLI_TREE_JSON_H
#define TG_CLI_TREE_JSON_H

#include "cli/find.h"

#include <cjson/cJSON.h>

/*
 * As in `status --json`, made fit for a terminal; the caller deletes it. NULL: there is no such tree any more
 * (-ECONNREFUSED, -ENOENT), or *ret_error tells why an existing one did not answer.
 */
cJSON *tg_tree_json(const struct tg_found *found, int *ret_error);

#endif

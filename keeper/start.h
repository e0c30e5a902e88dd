/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of a worker: of the first one, which makes generation 1, and of one that takes over.
 */
#ifndef TG_KEEPER_START_H
#define TG_KEEPER_START_H

#include "ipc/report.h"
#include "keeper/keeper.h"
#include "tlsgraft/loader.h"

/*
 * Loads and validates, makes both memories, has the guardian seal them, publishes generation 1 and tells guardian and
 * starter. 0, or the exit status of a keeper that cannot start; the starter knows why by then.
 */
int tg_start_first(struct tg_keeper *keeper, int link, tlsgraft_identity **ret_serving, struct tg_report_page **ret_report);

/* Takes what is published as the serving identity. 0 or a negative errno. */
int tg_start_again(struct tg_keeper *keeper, tlsgraft_identity **ret_serving, uint64_t *ret_generation,
		   struct tg_report_page **ret_report);

#endif

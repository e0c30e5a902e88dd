/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: reads, validates, publishes, watches, logs and answers the command line.
 */
#ifndef TG_KEEPER_WORKER_H
#define TG_KEEPER_WORKER_H

#include "keeper/keeper.h"

#include <stdbool.h>

/*
 * Runs in a child of the guardian, with `link` to it, until the tree ends or the guardian is gone; returns the exit status.
 * The first one makes the memories and tells the starter what came of it. `last_words`: how the worker before it ended.
 */
int tg_worker_run(struct tg_keeper *keeper, int link, bool first, const char *last_words);

#endif

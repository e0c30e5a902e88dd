/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that carry connections, each with a loop and a processor of its own. What attached processes ask for is heard
 * by another thread (relay/requests.h), so that no server waits for an answer behind handshakes.
 */
#ifndef TG_RELAY_CARRIERS_H
#define TG_RELAY_CARRIERS_H

#include "relay/loop.h"

/* Starts them, as many as there are processors; `idle` is as for tg_loop_run. 0 or a negative errno. */
int tg_carriers_start(int (*idle)(void));

/* The loop that has the fewest connections. One thread's. */
struct tg_loop *tg_carriers_least_loaded(void);

#endif

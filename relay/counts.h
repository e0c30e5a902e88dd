/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's handshakes in the tree's report memory.
 *
 * They are counted in a page of the relay's own, and what has changed is added to the tree's every now and then, by a
 * mapping for a moment.
 */
#ifndef TG_RELAY_COUNTS_H
#define TG_RELAY_COUNTS_H

/* Makes tg_shim.report; `fd` is the tree's report memory. 0 or a negative errno. */
int tg_counts_start(int fd);

/* A handshake or a connection has ended: there may be something to add. Any thread. */
void tg_counts_changed(void);

/* Adds what there is, not too often. Milliseconds until it wants to be called again, -1: it has nothing. Any thread. */
int tg_counts_run(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The talk with the guardian: it learns whether connections are proxied, since the tree lives as long as they do, and the
 * relay that the guardian is gone.
 */
#ifndef TG_RELAY_LINK_H
#define TG_RELAY_LINK_H

#include "relay/loop.h"

/* 0 or a negative errno. */
int tg_link_start(int fd, struct tg_loop *loop);

/* From here on attached processes are heard. */
void tg_link_ready(void);

/* Before the end: why nobody will be heard. `fd` as for tg_link_start; `what` and a negative errno. */
void tg_link_cannot(int fd, const char *what, int error);

/* Tells what has changed. Milliseconds until it wants to be called again, -1: it has nothing to tell. Any thread. */
int tg_link_run(void);

#endif

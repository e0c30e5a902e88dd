/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attached processes ask for on the relay's socket (ipc/relay.h): each connection to it is one request. One thread
 * hears them all, and what was sent before a question came is heard before it, so that whoever asks for an option is told
 * what he has set.
 */
#ifndef TG_RELAY_REQUESTS_H
#define TG_RELAY_REQUESTS_H

#include "ipc/layout.h"
#include "relay/loop.h"

struct tg_listener {
	struct tg_source source;
	struct tg_source on_callers;
	struct tg_loop *loop;
	int fd;
	int callers; /* epoll(7) of the connections that have not said what they want */
	int spare;   /* descriptor that is given up for a moment to refuse a connection where there are no more */
	const char *tree;
	const unsigned char *key;
};

/* Adds `listener`, which stays where it is, to its loop. 0 or a negative errno. */
int tg_requests_listen(struct tg_listener *listener);

#endif

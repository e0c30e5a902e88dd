/*
 * What guests ask for on the relay's socket (page/relay.h): each connection to it is one request.
 */
#ifndef TG_RELAY_REQUESTS_H
#define TG_RELAY_REQUESTS_H

#include "page/layout.h"
#include "relay/loop.h"

struct tg_listener {
	struct tg_source source; /* in every loop's epoll, EPOLLEXCLUSIVE */
	struct tg_loop *loop;
	struct tg_loop *loops; /* all of them, `loop_count` */
	size_t loop_count;
	int fd;
	int *spare; /* descriptor that is given up for a moment to refuse a connection where there are no more; shared */
	const char *tree;
	const unsigned char *key;
};

/* Adds `listener` to its loop. 0 or a negative errno. */
int tg_requests_listen(struct tg_listener *listener);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/rest.h"

#include "ipc/shares.h"
#include "ipc/stranger.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_MS 2000
#define SEND_MS 30000 /* for a client to take all of it */
#define RESTS_MAX 1024

struct rest {
	struct tg_timed timed; /* first: buried by it */
	struct tg_share_entry entry;
	struct tg_source source;
	struct tg_loop *loop;
	int from; /* -1: all has come */
	int real;
	size_t size, received, sent;
	unsigned char data[];
};

/* All belong to one loop, and so to one thread. */
static struct tg_shares rests;

static void end(struct rest *rest)
{
	if (rest->from >= 0)
		close(rest->from);
	if (rest->sent == rest->size)
		shutdown(rest->real, SHUT_WR);
	/* with the server's SO_LINGER: nobody waits here for the client */
	tg_stranger_close(rest->real);
	rest->real = -1;
	tg_shares_remove(&rests, &rest->entry);
	tg_loop_bury(rest->loop, &rest->timed);
}

static void due(struct tg_timed *timed)
{
	end((struct rest *)(void *)timed);
}

/* False: it ended. */
static bool receive(struct rest *rest)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &rest->source};

	while (rest->received < rest->size) {
		const ssize_t got =
		    recv(rest->from, rest->data + rest->received, rest->size - rest->received, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			return true;
		/* half a record is worse than none */
		if (got <= 0)
			return false;
		rest->received += (size_t)got;
	}
	epoll_ctl(rest->loop->epoll, EPOLL_CTL_DEL, rest->from, NULL);
	close(rest->from);
	rest->from = -1;
	tg_loop_time(rest->loop, &rest->timed, tg_loop_now() + SEND_MS);
	return epoll_ctl(rest->loop->epoll, EPOLL_CTL_ADD, rest->real, &event) == 0;
}

static bool pass_on(struct rest *rest)
{
	while (rest->sent < rest->size) {
		const ssize_t sent =
		    send(rest->real, rest->data + rest->sent, rest->size - rest->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return true;
		if (sent <= 0)
			return false;
		rest->sent += (size_t)sent;
	}
	return false;
}

static void ready(struct tg_source *source, uint32_t events)
{
	struct rest *rest = (struct rest *)(void *)((char *)source - offsetof(struct rest, source));
	(void)events;

	if (rest->real < 0)
		return;
	if (!(rest->from >= 0 ? receive(rest) : pass_on(rest)))
		end(rest);
}

static struct rest *of_entry(struct tg_share_entry *entry)
{
	return (struct rest *)(void *)((char *)entry - offsetof(struct rest, entry));
}

static uint32_t share_of(int real)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);

	/* one that has gone: with all such */
	getpeername(real, (struct sockaddr *)&peer, &size);
	return tg_share_of_peer(&peer, tg_shim.policy->relay_key);
}

bool tg_rest_begin(struct tg_loop *loop, int from, int real, size_t size)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct rest *rest = malloc(sizeof(*rest) + size);

	if (rest == NULL)
		return false;
	*rest =
	    (struct rest){.timed.due = due, .source.ready = ready, .loop = loop, .from = from, .real = real, .size = size};
	event.data.ptr = &rest->source;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, from, &event) < 0) {
		free(rest);
		return false;
	}
	/* a client that takes nothing loses its own, not another one's */
	if (rests.count >= RESTS_MAX)
		end(of_entry(tg_shares_next_to_go(&rests)));
	tg_shares_add(&rests, &rest->entry, share_of(real));
	tg_loop_time(loop, &rest->timed, tg_loop_now() + RECEIVE_MS);
	return true;
}

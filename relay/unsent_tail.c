/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/unsent_tail.h"

#include "ipc/shares.h"
#include "ipc/untrusted_fd.h"
#include "shim/process/state.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_MS 2000
#define SEND_MS 30000 /* for a client to take all of it */
#define TAILS_MAX 1024

struct tail {
	struct tg_timed timed; /* first: freed by it */
	struct tg_share_entry entry;
	struct tg_source source;
	struct tg_loop *loop;
	int from; /* -1: all has come */
	int real;
	size_t size, received, sent;
	unsigned char data[];
};

/* All belong to one loop, and so to one thread. */
static struct tg_shares tails;

static void end(struct tail *tail)
{
	if (tail->from >= 0)
		close(tail->from);
	if (tail->sent == tail->size)
		shutdown(tail->real, SHUT_WR);
	/* with the server's SO_LINGER: nobody waits here for the client */
	tg_untrusted_fd_close(tail->real);
	tail->real = -1;
	tg_shares_remove(&tails, &tail->entry);
	tg_loop_free_later(tail->loop, &tail->timed);
}

static void due(struct tg_timed *timed)
{
	end((struct tail *)(void *)timed);
}

/* False: it ended. */
static bool receive(struct tail *tail)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &tail->source};

	while (tail->received < tail->size) {
		const ssize_t got =
		    recv(tail->from, tail->data + tail->received, tail->size - tail->received, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			return true;
		/* half a record is worse than none */
		if (got <= 0)
			return false;
		tail->received += (size_t)got;
	}
	epoll_ctl(tail->loop->epoll, EPOLL_CTL_DEL, tail->from, NULL);
	close(tail->from);
	tail->from = -1;
	tg_loop_time(tail->loop, &tail->timed, tg_loop_now() + SEND_MS);
	return epoll_ctl(tail->loop->epoll, EPOLL_CTL_ADD, tail->real, &event) == 0;
}

static bool pass_on(struct tail *tail)
{
	while (tail->sent < tail->size) {
		const ssize_t sent =
		    send(tail->real, tail->data + tail->sent, tail->size - tail->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return true;
		if (sent <= 0)
			return false;
		tail->sent += (size_t)sent;
	}
	return false;
}

static void ready(struct tg_source *source, uint32_t events)
{
	struct tail *tail = (struct tail *)(void *)((char *)source - offsetof(struct tail, source));
	(void)events;

	if (tail->real < 0)
		return;
	if (!(tail->from >= 0 ? receive(tail) : pass_on(tail)))
		end(tail);
}

static struct tail *of_entry(struct tg_share_entry *entry)
{
	return (struct tail *)(void *)((char *)entry - offsetof(struct tail, entry));
}

static uint32_t share_of(int real)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);

	/* one that has gone: with all such */
	getpeername(real, (struct sockaddr *)&peer, &size);
	return tg_share_of_peer(&peer, tg_shim.policy->relay_key);
}

bool tg_unsent_tail_begin(struct tg_loop *loop, int from, int real, size_t size)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct tail *tail = malloc(sizeof(*tail) + size);

	if (tail == NULL)
		return false;
	*tail =
	    (struct tail){.timed.due = due, .source.ready = ready, .loop = loop, .from = from, .real = real, .size = size};
	event.data.ptr = &tail->source;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, from, &event) < 0) {
		free(tail);
		return false;
	}
	/* a client that takes nothing loses its own, not another one's */
	if (tails.count >= TAILS_MAX)
		end(of_entry(tg_shares_next_to_go(&tails)));
	tg_shares_add(&tails, &tail->entry, share_of(real));
	tg_loop_time(loop, &tail->timed, tg_loop_now() + RECEIVE_MS);
	return true;
}

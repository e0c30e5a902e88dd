/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/requests.h"

#include "ipc/channel.h"
#include "ipc/match.h"
#include "ipc/relay.h"
#include "ipc/route.h"
#include "ipc/shares.h"
#include "ipc/untrusted_fd.h"
#include "relay/carriers.h"
#include "relay/proxied.h"
#include "relay/question.h"
#include "relay/unsent_tail.h"
#include "shim/direct/stream/stream.h"
#include "shim/policy/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REQUEST_MS 2000
#define BATCH 16
#define LAG_MS 1        /* for the carriers to catch up */
#define CALLERS_MAX 256 /* that have not said what they want */

/* A connection whose request has not come yet. */
struct caller {
	struct tg_timed timed;       /* first: freed by it */
	struct tg_share_entry entry; /* its number: they are heard in the order in which they came */
	struct tg_listener *listener;
	int fd;
};

static struct tg_shares callers; /* by user */

static bool is_connection(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* The cookie of the server's end, by the name that the other end's peer has. */
static bool cookie_of_peer(const struct tg_listener *listener, int end, uint64_t *ret)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end server_end;
	struct sockaddr_un name = {0};
	socklen_t size = sizeof(name);

	if (getpeername(end, (struct sockaddr *)&name, &size) < 0 ||
	    !tg_relay_name_read(&name, size, listener->tree, listener->key, &server_end, tree))
		return false;
	*ret = server_end.cookie;
	return true;
}

static const struct tg_route *speaking_route(const struct tg_document *document, int real)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof(storage);
	const struct tg_route *route;
	struct tg_address local;

	if (getsockname(real, (struct sockaddr *)&storage, &size) < 0 || !tg_address_from(&storage, &local))
		return NULL;
	route = tg_route_at(document, &local);
	return route != NULL && route->plaintext.terminated ? route : NULL;
}

/* Takes over both descriptors. */
static void carry(const struct tg_listener *listener, int real, int end)
{
	struct tg_generation *generation = tg_generation_acquire();
	const struct tg_route *route = NULL;
	unsigned char first;
	uint64_t cookie;

	if (generation != NULL && is_connection(real) && cookie_of_peer(listener, end, &cookie) &&
	    recv(end, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		route = speaking_route(generation->document, real);
	if (route != NULL) {
		tg_proxied_begin(tg_carriers_least_loaded(), real, end, cookie, route);
	} else {
		tg_untrusted_fd_close(real);
		tg_untrusted_fd_close(end);
	}
	tg_generation_unref(generation);
}

/* A request as it came: from anybody, and not looked at yet. */
struct heard {
	struct tg_relay_request request;
	ssize_t size;
	int fd;
	int fds[2]; /* -1: none */
};

/* False: nothing has come yet. */
static bool listen_to(int fd, struct heard *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	ret->size = tg_channel_receive(fd, &ret->request, sizeof(ret->request), ret->fds, 2);
	return ret->size != -EAGAIN;
}

static bool is_valid(const struct tg_listener *listener, const struct heard *heard)
{
	const int count = (heard->fds[0] >= 0) + (heard->fds[1] >= 0);

	return heard->size > 0 && tg_relay_request_valid(&heard->request, (size_t)heard->size, count, listener->key);
}

/* Takes over the descriptors, or leaves them to be closed. */
static void act(const struct tg_listener *listener, struct heard *heard)
{
	const struct tg_relay_request *request = &heard->request;
	int *fds = heard->fds;

	switch ((enum tg_relay_kind)request->kind) {
	case TG_RELAY_CARRY:
		carry(listener, fds[0], fds[1]);
		fds[0] = fds[1] = -1;
		break;
	case TG_RELAY_UNSENT_TAIL:
		if (is_connection(fds[0]) && tg_unsent_tail_begin(listener->loop, heard->fd, fds[0], request->size))
			fds[0] = heard->fd = -1;
		break;
	case TG_RELAY_GET:
	case TG_RELAY_SET:
		/* of a server's end only what is in here is unread, and that is bytes */
		if (tg_question_answer(heard->fd, fds[0], request)) {
			close(fds[0]);
			fds[0] = -1;
		}
		break;
	}
}

/*
 * Nothing more can come into it. Where nothing waits there unread, no close is anybody's but ours, and the timer, which
 * costs more than all of this, need not be set.
 */
static void close_caller(int fd)
{
	int unread = -1;

	shutdown(fd, SHUT_RD);
	if (ioctl(fd, FIONREAD, &unread) == 0 && unread == 0)
		close(fd);
	else
		tg_untrusted_fd_close(fd);
}

/* What came is a request, or nothing. */
static void answer_request(const struct tg_listener *listener, struct heard *heard)
{
	if (is_valid(listener, heard))
		act(listener, heard);
	explicit_bzero(&heard->request, sizeof(heard->request));
	for (int i = 0; i < 2; i++)
		if (heard->fds[i] >= 0)
			tg_untrusted_fd_close(heard->fds[i]);
	if (heard->fd >= 0)
		close_caller(heard->fd);
}

/* Its connection is no longer waited for. Returns the descriptor. */
static int forget(struct caller *caller)
{
	struct tg_listener *listener = caller->listener;

	tg_shares_remove(&callers, &caller->entry);
	/* what goes on with it is another's event */
	epoll_ctl(listener->callers, EPOLL_CTL_DEL, caller->fd, NULL);
	tg_loop_free_later(listener->loop, &caller->timed);
	return caller->fd;
}

static int by_number(const void *a, const void *b)
{
	const struct caller *first = ((const struct epoll_event *)a)->data.ptr;
	const struct caller *second = ((const struct epoll_event *)b)->data.ptr;

	return first->entry.number < second->entry.number ? -1 : first->entry.number > second->entry.number;
}

/* All that have something to say by now. */
static void hear_callers(struct tg_listener *listener)
{
	struct epoll_event events[CALLERS_MAX];
	const int count = callers.count > 0 ? epoll_wait(listener->callers, events, CALLERS_MAX, 0) : 0;

	if (count > 1)
		qsort(events, (size_t)count, sizeof(events[0]), by_number);
	for (int i = 0; i < count; i++) {
		struct caller *caller = events[i].data.ptr;
		struct heard heard;

		if (listen_to(caller->fd, &heard)) {
			forget(caller);
			answer_request(listener, &heard);
		}
	}
}

static void callers_ready(struct tg_source *source, uint32_t events)
{
	(void)events;
	hear_callers((struct tg_listener *)(void *)((char *)source - offsetof(struct tg_listener, on_callers)));
}

static void caller_due(struct tg_timed *timed)
{
	close_caller(forget((struct caller *)(void *)timed));
}

/* Attached processes send at once: of the user who has the most, the one that has waited longest goes. */
static void make_room(void)
{
	struct tg_share_entry *entry = tg_shares_next_to_go(&callers);
	struct caller *caller = (struct caller *)(void *)((char *)entry - offsetof(struct caller, entry));

	caller_due(&caller->timed);
}

static uint32_t share_of(const struct tg_listener *listener, int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	return tg_share_of_user(peer.uid, listener->key);
}

static void wait_for(struct tg_listener *listener, int fd)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};

	if (caller == NULL || epoll_ctl(listener->callers, EPOLL_CTL_ADD, fd, &event) < 0) {
		tg_untrusted_fd_close(fd);
		free(caller);
		return;
	}
	if (callers.count == CALLERS_MAX)
		make_room();
	caller->timed.due = caller_due;
	caller->listener = listener;
	caller->fd = fd;
	tg_shares_add(&callers, &caller->entry, share_of(listener, fd));
	tg_loop_time(listener->loop, &caller->timed, tg_loop_now() + REQUEST_MS);
}

/* Out of descriptors: whoever waits is hung up on, so that the server is not left with a connection that nobody carries. */
static void refuse_one(struct tg_listener *listener)
{
	int fd;

	close(listener->spare);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		tg_untrusted_fd_close(fd);
	listener->spare = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
}

/*
 * An attached process that sets an option need not wait for an answer before it asks for one, and one that gives a
 * connection away does not: whoever called earlier, and has spoken, is heard before.
 */
static void hear(struct tg_listener *listener, int fd)
{
	struct heard heard;

	if (!listen_to(fd, &heard)) {
		wait_for(listener, fd);
		return;
	}
	if (heard.request.kind != TG_RELAY_CARRY && heard.request.kind != TG_RELAY_UNSENT_TAIL)
		hear_callers(listener);
	answer_request(listener, &heard);
}

/* False: nobody is there any more. */
static bool accept_one(struct tg_listener *listener)
{
	const int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const int on = 1;

	if (fd >= 0) {
		/* what comes out of band would be thrown away while reading, and what was passed with it closed there */
		setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
		hear(listener, fd);
	} else if (errno == EMFILE || errno == ENFILE) {
		refuse_one(listener);
	}
	return fd >= 0;
}

/*
 * A flood of clients must not outrun the carriers, which close those who were evicted for it: then the next client, who may
 * be a good one, would find no descriptors. Whoever has called waits in the listener's queue.
 */
static void listener_ready(struct tg_source *source, uint32_t events)
{
	bool more = true;
	(void)events;

	if (tg_stream_evictions_lag()) {
		poll(NULL, 0, LAG_MS);
		return;
	}
	for (int i = 0; i < BATCH && more; i++)
		more = accept_one((struct tg_listener *)(void *)source);
}

static int watch(struct tg_listener *listener, int fd, struct tg_source *source,
		 void (*ready)(struct tg_source *, uint32_t))
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	source->ready = ready;
	return epoll_ctl(listener->loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int tg_requests_listen(struct tg_listener *listener)
{
	int result;

	listener->spare = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
	listener->callers = epoll_create1(EPOLL_CLOEXEC);
	if (listener->callers < 0)
		return -errno;
	result = watch(listener, listener->callers, &listener->on_callers, callers_ready);
	return result < 0 ? result : watch(listener, listener->fd, &listener->source, listener_ready);
}

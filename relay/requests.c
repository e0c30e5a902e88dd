#include "relay/requests.h"

#include "page/channel.h"
#include "page/match.h"
#include "page/relay.h"
#include "page/stranger.h"
#include "relay/carried.h"
#include "relay/question.h"
#include "relay/rest.h"
#include "shim/generation.h"
#include "shim/route.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REQUEST_MS 2000
#define BATCH 16
#define CALLERS_MAX 256 /* in each loop, that have not said what they want */

/* A connection whose request has not come yet. */
struct caller {
	struct tg_timed timed; /* first: buried by it */
	struct tg_source source;
	struct tg_listener *listener;
	int fd;
};

static atomic_size_t unheard; /* callers of all loops */
static _Thread_local size_t caller_count;
static _Thread_local struct caller *callers[CALLERS_MAX];

static bool is_connection(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) && protocol == IPPROTO_TCP;
}

/* The cookie of the guest's end, by the name that the other end's peer has. */
static bool cookie_of_peer(const struct tg_listener *listener, int end, uint64_t *ret)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end guest;
	struct sockaddr_un name = {0};
	socklen_t size = sizeof(name);

	if (getpeername(end, (struct sockaddr *)&name, &size) < 0 ||
	    !tg_relay_name_read(&name, size, listener->tree, listener->key, &guest, tree))
		return false;
	*ret = guest.cookie;
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
	return route != NULL && route->plaintext.spoken ? route : NULL;
}

static struct tg_loop *least_loaded(const struct tg_listener *listener)
{
	struct tg_loop *best = listener->loop;

	for (size_t i = 0; i < listener->loop_count; i++)
		if (atomic_load_explicit(&listener->loops[i].load, memory_order_relaxed) <
		    atomic_load_explicit(&best->load, memory_order_relaxed))
			best = &listener->loops[i];
	return best;
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
		tg_carried_begin(least_loaded(listener), real, end, cookie, route);
	} else {
		tg_stranger_close(real);
		tg_stranger_close(end);
	}
	tg_generation_unref(generation);
}

/*
 * What came is a request, or nothing. Takes over `fd` where it returns true; false: nothing has come yet.
 */
static bool hear(const struct tg_listener *listener, int fd)
{
	struct tg_relay_request request = {0};
	int fds[2];
	const ssize_t size = tg_channel_receive(fd, &request, sizeof(request), fds, 2);
	const int count = (fds[0] >= 0) + (fds[1] >= 0);

	if (size == -EAGAIN)
		return false;
	if (size > 0 && tg_relay_request_valid(&request, (size_t)size, count, listener->key)) {
		switch ((enum tg_relay_kind)request.kind) {
		case TG_RELAY_CARRY:
			carry(listener, fds[0], fds[1]);
			fds[0] = fds[1] = -1;
			break;
		case TG_RELAY_REST_OF:
			if (is_connection(fds[0]) && tg_rest_begin(listener->loop, fd, fds[0], request.size)) {
				fds[0] = -1;
				fd = -1;
			}
			break;
		case TG_RELAY_GET:
		case TG_RELAY_SET:
			/* who set an option did not wait for an answer, and may be a caller whose request has not come */
			tg_question_ask(listener->loop, fd, fds[0], &request,
					request.kind == TG_RELAY_GET && atomic_load(&unheard) > 0);
			fd = fds[0] = -1;
			break;
		}
	}
	explicit_bzero(&request, sizeof(request));
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			tg_stranger_close(fds[i]);
	if (fd >= 0)
		tg_stranger_hang_up(fd);
	return true;
}

static void forget(struct caller *caller)
{
	for (size_t i = 0; i < caller_count; i++)
		if (callers[i] == caller) {
			callers[i] = callers[--caller_count];
			break;
		}
	caller->fd = -1;
	atomic_fetch_sub(&unheard, 1);
	tg_loop_bury(caller->listener->loop, &caller->timed);
}

static void caller_due(struct tg_timed *timed)
{
	struct caller *caller = (struct caller *)(void *)timed;

	tg_stranger_hang_up(caller->fd);
	forget(caller);
}

static void caller_ready(struct tg_source *source, uint32_t events)
{
	struct caller *caller = (struct caller *)(void *)((char *)source - offsetof(struct caller, source));
	const struct tg_listener *listener = caller->listener;
	const int fd = caller->fd;
	(void)events;

	if (fd < 0)
		return;
	/* what goes on with it is another's event */
	epoll_ctl(listener->loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	forget(caller);
	if (!hear(listener, fd))
		tg_stranger_hang_up(fd);
}

/* Guests send at once: whoever has waited longest is the one that goes. */
static void make_room(void)
{
	struct caller *oldest = callers[0];

	for (size_t i = 1; i < caller_count; i++)
		if (callers[i]->timed.deadline < oldest->timed.deadline)
			oldest = callers[i];
	caller_due(&oldest->timed);
}

static void wait_for(struct tg_listener *listener, int fd)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	struct epoll_event event = {.events = EPOLLIN};

	if (caller == NULL) {
		tg_stranger_hang_up(fd);
		return;
	}
	caller->timed.due = caller_due;
	caller->source.ready = caller_ready;
	caller->listener = listener;
	caller->fd = fd;
	event.data.ptr = &caller->source;
	if (epoll_ctl(listener->loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		tg_stranger_hang_up(fd);
		free(caller);
		return;
	}
	if (caller_count == CALLERS_MAX)
		make_room();
	callers[caller_count++] = caller;
	atomic_fetch_add(&unheard, 1);
	tg_loop_time(listener->loop, &caller->timed, tg_loop_now() + REQUEST_MS);
}

/* Out of descriptors: whoever waits is hung up on, so that the server is not left with a connection that nobody carries. */
static void refuse_one(struct tg_listener *listener)
{
	int fd;

	close(*listener->spare);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		tg_stranger_hang_up(fd);
	*listener->spare = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
}

/* False: nobody is there any more. */
static bool accept_one(struct tg_listener *listener)
{
	const int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_one(listener);
		return false;
	}
	if (!hear(listener, fd))
		wait_for(listener, fd);
	return true;
}

/* In turn, all threads: a server that has just given a connection away asks for its options on the next one. */
static void listener_ready(struct tg_source *source, uint32_t events)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool more = true;
	(void)events;

	for (int i = 0; i < BATCH && more; i++) {
		pthread_mutex_lock(&lock);
		more = accept_one((struct tg_listener *)(void *)source);
		pthread_mutex_unlock(&lock);
	}
}

int tg_requests_listen(struct tg_listener *listener)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &listener->source};

	listener->source.ready = listener_ready;
	return epoll_ctl(listener->loop->epoll, EPOLL_CTL_ADD, listener->fd, &event) < 0 ? -errno : 0;
}

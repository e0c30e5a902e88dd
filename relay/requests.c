#include "relay/requests.h"

#include "page/channel.h"
#include "page/match.h"
#include "page/relay.h"
#include "page/stranger.h"
#include "relay/carried.h"
#include "relay/carriers.h"
#include "relay/question.h"
#include "relay/rest.h"
#include "shim/generation.h"
#include "shim/route.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REQUEST_MS 2000
#define BATCH 16
#define CALLERS_MAX 256 /* that have not said what they want */

/* A connection whose request has not come yet. */
struct caller {
	struct tg_timed timed; /* first: buried by it */
	struct tg_source source;
	struct tg_listener *listener;
	struct caller *earlier, *later;
	int fd; /* -1: it is a caller no more */
};

/* In the order in which they came. */
static struct caller *earliest, *latest;
static size_t caller_count;

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
		tg_carried_begin(tg_carriers_least_loaded(), real, end, cookie, route);
	} else {
		tg_stranger_close(real);
		tg_stranger_close(end);
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
	case TG_RELAY_REST_OF:
		if (is_connection(fds[0]) && tg_rest_begin(listener->loop, heard->fd, fds[0], request->size))
			fds[0] = heard->fd = -1;
		break;
	case TG_RELAY_GET:
	case TG_RELAY_SET:
		tg_question_answer(heard->fd, fds[0], request);
		break;
	}
}

/* What came is a request, or nothing. */
static void answer(const struct tg_listener *listener, struct heard *heard)
{
	if (is_valid(listener, heard))
		act(listener, heard);
	explicit_bzero(&heard->request, sizeof(heard->request));
	for (int i = 0; i < 2; i++)
		if (heard->fds[i] >= 0)
			tg_stranger_close(heard->fds[i]);
	if (heard->fd >= 0)
		tg_stranger_hang_up(heard->fd);
}

/* Its connection is no longer waited for. Returns the descriptor. */
static int forget(struct caller *caller)
{
	const int fd = caller->fd;

	*(caller->earlier != NULL ? &caller->earlier->later : &earliest) = caller->later;
	*(caller->later != NULL ? &caller->later->earlier : &latest) = caller->earlier;
	caller_count--;
	caller->fd = -1;
	/* what goes on with it is another's event */
	epoll_ctl(caller->listener->loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	tg_loop_bury(caller->listener->loop, &caller->timed);
	return fd;
}

/*
 * Whoever sets an option need not wait for an answer before he asks for it, or gives a connection away before he asks
 * about it: what was sent earlier is heard before a question that came later, of callers until `last`, NULL: of all.
 */
static void hear_earlier(const struct caller *last)
{
	for (struct caller *caller = earliest, *next; caller != last; caller = next) {
		const struct tg_listener *listener = caller->listener;
		struct heard heard;

		next = caller->later;
		if (listen_to(caller->fd, &heard)) {
			forget(caller);
			answer(listener, &heard);
		}
	}
}

/* Takes over `fd` where it returns true; false: nothing has come yet. `caller` NULL: it has just been accepted. */
static bool hear(const struct tg_listener *listener, int fd, struct caller *caller)
{
	struct heard heard;

	if (!listen_to(fd, &heard))
		return false;
	if (heard.request.kind != TG_RELAY_CARRY && heard.request.kind != TG_RELAY_REST_OF)
		hear_earlier(caller);
	if (caller != NULL)
		forget(caller);
	answer(listener, &heard);
	return true;
}

static void caller_due(struct tg_timed *timed)
{
	tg_stranger_hang_up(forget((struct caller *)(void *)timed));
}

static void caller_ready(struct tg_source *source, uint32_t events)
{
	struct caller *caller = (struct caller *)(void *)((char *)source - offsetof(struct caller, source));
	(void)events;

	if (caller->fd >= 0)
		hear(caller->listener, caller->fd, caller);
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
	/* guests send at once: whoever has waited longest is the one that goes */
	if (caller_count == CALLERS_MAX)
		caller_due(&earliest->timed);
	caller->earlier = latest;
	*(latest != NULL ? &latest->later : &earliest) = caller;
	latest = caller;
	caller_count++;
	tg_loop_time(listener->loop, &caller->timed, tg_loop_now() + REQUEST_MS);
}

/* Out of descriptors: whoever waits is hung up on, so that the server is not left with a connection that nobody carries. */
static void refuse_one(struct tg_listener *listener)
{
	int fd;

	close(listener->spare);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		tg_stranger_hang_up(fd);
	listener->spare = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
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
	if (!hear(listener, fd, NULL))
		wait_for(listener, fd);
	return true;
}

static void listener_ready(struct tg_source *source, uint32_t events)
{
	bool more = true;
	(void)events;

	for (int i = 0; i < BATCH && more; i++)
		more = accept_one((struct tg_listener *)(void *)source);
}

int tg_requests_listen(struct tg_listener *listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener->source};

	listener->source.ready = listener_ready;
	listener->spare = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
	return epoll_ctl(listener->loop->epoll, EPOLL_CTL_ADD, listener->fd, &event) < 0 ? -errno : 0;
}

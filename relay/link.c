#include "relay/link.h"

#include "relay/listed.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MS 1000 /* before it is told, so that single connections do not wake the guardian each */

static int link_fd = -1;
static bool was_busy;
static int64_t idle_since; /* 0: not idle */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The guardian says nothing: an event is its end. */
static void ready(struct tg_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	_exit(0);
}

int tg_link_start(int fd, struct tg_loop *loop)
{
	static struct tg_source source = {.ready = ready};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = &source};

	link_fd = fd;
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void tell(unsigned char busy)
{
	if (send(link_fd, &busy, sizeof(busy), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(busy))
		was_busy = busy;
}

/* The process that gave a connection away held the tree until then, so this comes in time. */
static int look(void)
{
	const int64_t now = tg_loop_now();

	if (tg_listed_count() > 0) {
		idle_since = 0;
		if (!was_busy)
			tell(1);
		return -1;
	}
	if (!was_busy)
		return -1;
	if (idle_since == 0)
		idle_since = now;
	if (now - idle_since < IDLE_MS)
		return (int)(IDLE_MS - (now - idle_since));
	tell(0);
	return was_busy ? IDLE_MS : -1;
}

int tg_link_run(void)
{
	int wait;

	/* whoever has the lock looks */
	if (pthread_mutex_trylock(&lock) != 0)
		return IDLE_MS;
	wait = look();
	pthread_mutex_unlock(&lock);
	return wait;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/link.h"

#include "ipc/relay.h"
#include "relay/listed.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
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

static bool send_news(unsigned char news)
{
	return send(link_fd, &news, sizeof(news), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(news);
}

static void report_busy(bool busy)
{
	if (send_news(busy ? TG_RELAY_BUSY : TG_RELAY_IDLE))
		was_busy = busy;
}

void tg_link_ready(void)
{
	send_news(TG_RELAY_READY);
}

void tg_link_cannot(int fd, const char *what, int error)
{
	char text[TG_RELAY_WORDS];
	const int size = snprintf(text, sizeof(text), "%c%s: %s", TG_RELAY_CANNOT, what, strerror(-error));

	send(fd, text, size < (int)sizeof(text) ? (size_t)size : sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The process that gave a connection away held the tree until then, so this comes in time. */
static int look_at_policy(void)
{
	const int64_t now = tg_loop_now();

	if (tg_listed_count() > 0) {
		idle_since = 0;
		if (!was_busy)
			report_busy(true);
		return -1;
	}
	if (!was_busy)
		return -1;
	if (idle_since == 0)
		idle_since = now;
	if (now - idle_since < IDLE_MS)
		return (int)(IDLE_MS - (now - idle_since));
	report_busy(false);
	return was_busy ? IDLE_MS : -1;
}

int tg_link_run(void)
{
	int wait;

	/* whoever has the lock looks */
	if (pthread_mutex_trylock(&lock) != 0)
		return IDLE_MS;
	wait = look_at_policy();
	pthread_mutex_unlock(&lock);
	return wait;
}

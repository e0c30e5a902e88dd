/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose threads share connections: together PORT halves|epoll
 *
 *     halves   three threads for each connection, which agree on nothing: one reads and looks whether bytes of the pattern
 *              come, one writes HALF bytes of it, one asks for options
 *     epoll    threads that wait on one epoll (EPOLLONESHOT) send back what they read
 *
 * Byte N of the pattern is N modulo PERIOD. What is wrong is said, and ends the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HALF = 100003, PERIOD = 251, WAITERS = 3, QUESTIONS = 20, ROOM = 30011 };

static void wrong(const char *what)
{
	fprintf(stderr, "together: %s: %m\n", what);
	_exit(1);
}

static void start(pthread_t *thread, void *(*run)(void *), int fd)
{
	errno = pthread_create(thread, NULL, run, (void *)(intptr_t)fd);
	if (errno != 0)
		wrong("pthread_create");
}

static void *write_half(void *argument)
{
	const int fd = (int)(intptr_t)argument;
	unsigned char bytes[HALF];
	ssize_t now;

	for (size_t i = 0; i < HALF; i++)
		bytes[i] = (unsigned char)(i % PERIOD);
	for (size_t done = 0; done < HALF; done += (size_t)now) {
		const size_t piece = HALF - done < 3001 ? HALF - done : 3001;

		now = write(fd, bytes + done, piece);
		if (now <= 0)
			break;
	}
	return NULL;
}

/* What they answer depends on when the client goes; that they can be asked at any time is what counts. */
static void *ask(void *argument)
{
	const int fd = (int)(intptr_t)argument;

	for (int i = 0; i < QUESTIONS; i++) {
		struct sockaddr_in peer;
		struct pollfd waiting = {.fd = fd, .events = POLLIN | POLLOUT};
		struct tcp_info info;
		socklen_t size = sizeof(info);
		const int on = i % 2, seconds = 100 + i;
		int queued, set = 0;

		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		/* nobody else sets it; an ended connection has what new ones have */
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
		size = sizeof(set);
		if (getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &set, &size) == 0 && set >= 100 && set < seconds)
			wrong("an option that was set before");
		size = sizeof(peer);
		getpeername(fd, (struct sockaddr *)&peer, &size);
		ioctl(fd, FIONREAD, &queued);
		poll(&waiting, 1, 0);
	}
	return NULL;
}

static void *read_half(void *argument)
{
	const int fd = (int)(intptr_t)argument;
	unsigned char buffer[ROOM];
	pthread_t others[2];
	size_t total = 0;
	ssize_t got;

	start(&others[0], write_half, fd);
	start(&others[1], ask, fd);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < got; i++)
			if (buffer[i] != total++ % PERIOD)
				wrong("another byte than the client's");
	for (int i = 0; i < 2; i++)
		pthread_join(others[i], NULL);
	close(fd);
	return NULL;
}

/* False: the connection is over. */
static int send_back(int fd, const char *bytes, size_t size)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	for (size_t done = 0; done < size;) {
		const ssize_t now = write(fd, bytes + done, size - done);

		if (now > 0)
			done += (size_t)now;
		else if (now == 0 || errno != EAGAIN || poll(&room, 1, -1) < 0)
			return 0;
	}
	return 1;
}

static void *serve_epoll(void *argument)
{
	const int epoll = (int)(intptr_t)argument;
	char buffer[ROOM];

	for (;;) {
		struct epoll_event event;
		ssize_t got;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		got = read(event.data.fd, buffer, sizeof(buffer));
		if (got > 0 ? !send_back(event.data.fd, buffer, (size_t)got) : got == 0 || errno != EAGAIN) {
			close(event.data.fd);
			continue;
		}
		event.events = EPOLLIN | EPOLLONESHOT;
		if (epoll_ctl(epoll, EPOLL_CTL_MOD, event.data.fd, &event) < 0)
			wrong("EPOLL_CTL_MOD");
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC), on = 1;
	pthread_t thread;
	int by_epoll;

	if (argc != 3)
		return 64;
	by_epoll = strcmp(argv[2], "epoll") == 0;
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1024) < 0)
		wrong("listen");
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; by_epoll && i < WAITERS; i++)
		start(&thread, serve_epoll, epoll);
	for (;;) {
		const int fd = accept4(listener, NULL, NULL, by_epoll ? SOCK_NONBLOCK : 0);
		struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};

		if (fd < 0)
			continue;
		if (!by_epoll) {
			start(&thread, read_half, fd);
			pthread_detach(thread);
		} else if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
			wrong("EPOLL_CTL_ADD");
		}
	}
}
